"""What follows the end: which program, never one of the current folder, and a key that calls it off."""

from __future__ import annotations

import io
import os
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dflwrap.common.errors import DflwrapError
from dflwrap.unattended.power import on_path, power_command
from dflwrap.unattended.when_done import WhenDone, parse_when_done, split_command, start


def program(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("platform", "there", "action", "wanted"),
    [
        ("linux", ["systemctl", "shutdown"], "shutdown", ["systemctl", "poweroff"]),
        ("linux", ["shutdown"], "shutdown", ["shutdown", "-h", "now"]),
        ("linux", ["loginctl", "pm-suspend"], "sleep", ["loginctl", "suspend"]),
        ("darwin", ["pmset"], "sleep", ["pmset", "sleepnow"]),
        (
            "darwin",
            ["osascript"],
            "shutdown",
            ["osascript", "-e", 'tell application "System Events" to shut down'],
        ),
        ("win32", ["shutdown.exe"], "shutdown", ["shutdown.exe", "/s", "/t", "0"]),
        ("win32", ["rundll32.exe"], "sleep", ["rundll32.exe", "powrprof.dll,SetSuspendState", "0,1,0"]),
        ("linux", ["pmset"], "sleep", None),
    ],
)
def test_each_system_has_its_program(
    tmp_path: Path, platform: str, there: list[str], action: str, wanted: list[str] | None
) -> None:
    """Not shown on macOS and Windows themselves: the table, with programs of these names."""
    for name in there:
        program(tmp_path / "bin", name)
    found = power_command(action, platform, {"PATH": str(tmp_path / "bin")})
    assert found == (None if wanted is None else [str(tmp_path / "bin" / wanted[0]), *wanted[1:]])


def test_a_program_among_the_frames_is_never_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, "systemctl")
    monkeypatch.chdir(tmp_path)
    assert on_path("systemctl", {"PATH": os.pathsep.join(("", ".", "relative"))}) is None
    assert on_path("systemctl", {"PATH": str(tmp_path)}) == str(tmp_path / "systemctl")
    assert on_path("systemctl", {}) is None


@pytest.mark.parametrize(
    "text", ['"open', "[1, 2]", "[not json", '["a", 5]', '[""]', "[]", '["a\\u0000b"]', "''"]
)
def test_what_is_no_command_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(DflwrapError, match="--when-done") as raised:
        split_command(text)
    assert "\n" not in str(raised.value)


def test_what_cannot_be_done_is_said_before_the_run(tmp_path: Path) -> None:
    for text in ("sleep", "shutdown", "no-such-program --x", str(tmp_path / "none")):
        with pytest.raises(DflwrapError, match="--when-done"):
            parse_when_done(text, {"PATH": str(tmp_path)})
    assert parse_when_done("", {}) is None and parse_when_done("  ", {}) is None


def test_a_command_that_takes_long_goes_on_by_itself() -> None:
    with (Path(os.devnull)).open("w") as nowhere:
        what = WhenDone((sys.executable, "-c", "import time; time.sleep(3)"), "")
        assert "goes on by itself" in start(what, {}, nowhere, lambda: False, bound=0.1)
        gone = WhenDone(("/no/such/program",), "")
        assert "cannot be started" in start(gone, {}, nowhere, lambda: False)


COUNT = (
    "import sys\nfrom dflwrap.cli.terminal.countdown import counted_down\n"
    "over = counted_down(int(sys.argv[1]), lambda n: f'{n} s', sys.stdout, lambda: False, float(sys.argv[2]))\n"
    "print('went on' if over else 'called off')"
)


@pytest.mark.posix
@pytest.mark.parametrize(("key", "said"), [(b"x", "called off"), (b"", "went on")])
def test_any_key_calls_it_off_at_a_terminal(key: bytes, said: str) -> None:
    import pty

    master, slave = pty.openpty()
    step = "1" if key else "0.05"
    child = subprocess.Popen(
        [sys.executable, "-c", COUNT, "30", step], stdin=slave, stdout=slave, stderr=slave
    )
    os.close(slave)
    shown, typed = b"", False
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if select.select([master], [], [], 1)[0]:
            try:
                shown += os.read(master, 4096)
            except OSError:  # the other end is closed
                break
        if key and not typed and b"29 s" in shown:
            os.write(master, key)  # no Enter
            typed = True
    assert child.wait(30) == 0
    os.close(master)
    assert said in shown.decode()


def test_without_a_terminal_it_is_said_once() -> None:
    from dflwrap.cli.terminal.countdown import counted_down

    stream = io.StringIO()
    assert counted_down(5, lambda left: f"in {left} s", stream, lambda: False, step=0.01)
    assert stream.getvalue() == "in 5 s\n"
    assert not counted_down(5, lambda left: "", stream, lambda: True, step=5)
