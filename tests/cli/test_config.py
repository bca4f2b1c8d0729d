"""`dflwrap config`, and settings as defaults of options: the command line counts more than the file."""

from __future__ import annotations

import json
import os
import re
import stat
import tomllib
from pathlib import Path

import pytest
from support import DOUBLE, dflwrap, small_frames

from dflwrap.cli.commands.config import extract_command
from dflwrap.cli.settings import SETTINGS, Options, masked
from dflwrap.common.errors import DflwrapError
from dflwrap.settings.file import change_setting, read_settings, settings_path

SECRET = "tgram://123456789:hidden-token-abc/4711"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"DFLWRAP_CONFIG": str(tmp_path / "a folder" / "settings.toml")}


def config(env: dict[str, str], *words: str) -> tuple[int, str]:
    done = dflwrap("config", *words, env=env)
    assert "Traceback" not in done.stderr
    return done.code, done.stdout + done.stderr


def test_a_value_is_set_shown_and_taken_out(env: dict[str, str]) -> None:
    path = Path(env["DFLWRAP_CONFIG"])
    assert config(env, "path") == (0, f"{path}\n")
    assert config(env, "set", "stop-at", "07:30") == (0, "stop-at = 07:30\n")
    assert config(env, "set", "jpeg-quality", "95")[0] == 0
    assert config(env, "set", "low-priority", "on")[0] == 0
    assert tomllib.loads(path.read_text()) == {"stop-at": "07:30", "jpeg-quality": 95, "low-priority": True}
    code, text = config(env, "show")
    assert code == 0 and re.search(r"^\* stop-at +07:30$", text, re.M)
    assert re.search(r"^  face-type +whole_face$", text, re.M)
    assert config(env, "unset", "stop-at")[0] == 0
    assert "stop-at" not in path.read_text()
    assert json.loads(dflwrap("config", "show", "--json", env=env).stdout)["settings"]["jpeg-quality"] == {
        "value": "95",
        "from": "file",
    }


def test_what_the_user_wrote_stays_with_its_comments(env: dict[str, str]) -> None:
    path = Path(env["DFLWRAP_CONFIG"])
    path.parent.mkdir()
    path.write_text("# my night\nmax-hours = 8   # then I need the card\n\nstop-at = '06:00'\n")
    assert config(env, "set", "stop-at", "07:30")[0] == 0
    text = path.read_text()
    assert (
        text.startswith("# my night\nmax-hours = 8   # then I need the card\n\nstop-at = ")
        and '"07:30"' in text
    )


@pytest.mark.posix
def test_the_file_is_for_its_owner_alone(env: dict[str, str]) -> None:
    config(env, "set", "notify", SECRET)
    assert stat.S_IMODE(Path(env["DFLWRAP_CONFIG"]).stat().st_mode) == 0o600


def test_addresses_are_never_shown(env: dict[str, str]) -> None:
    said = [
        config(env, "set", "notify", SECRET, "mailto://me:pass@mail.example")[1],
        config(env, "show")[1],
        dflwrap("config", "show", "--json", env=env).stdout,
        config(env, "set", "stop-at", "99:99")[1],
    ]
    assert SECRET in Path(env["DFLWRAP_CONFIG"]).read_text()
    assert all("hidden" not in text and "pass@" not in text for text in said)
    assert "tgram://***, mailto://***" in said[1]


@pytest.mark.parametrize(
    ("address", "shown"), [("ntfy://topic", "ntfy://***"), ("token", "***"), ("a b://x", "***")]
)
def test_only_the_service_of_an_address_is_shown(address: str, shown: str) -> None:
    assert masked(address) == shown


@pytest.mark.parametrize(
    ("key", "words", "said"),
    [
        ("stop_at", ["07:30"], "Did you mean stop-at?"),
        ("input-dir", ["x"], "is no setting"),
        ("stop-at", ["7x"], "is not a time of day"),
        ("jpeg-quality", ["900"], "jpeg-quality will not do"),
        ("face-type", ["wf"], "whole_face"),
        ("keep-awake", ["perhaps"], "neither true nor false"),
        ("workers", ["many"], "not a whole number"),
        ("max-hours", ["nan"], "max-hours"),
        ("stop-at", ["07:30", "08:30"], "Give one value"),
    ],
)
def test_what_will_not_do_changes_nothing(env: dict[str, str], key: str, words: list[str], said: str) -> None:
    code, text = config(env, "set", key, *words)
    assert code == 2 and said in text and len(text.splitlines()) == 1
    assert not Path(env["DFLWRAP_CONFIG"]).exists()


FRAMES = ["extract", "--cpu-only", "--workers", "1", "--extractor", "dfl", "--dfl-root", str(DOUBLE)]


def test_the_command_line_counts_more_than_the_file_and_that_more_than_the_default(
    env: dict[str, str], tmp_path: Path
) -> None:
    import sys

    frames = small_frames(tmp_path / "frames", 2)
    words = [*FRAMES, "--dfl-python", sys.executable, "--json", "--input-dir", str(frames), "--output-dir"]
    config(env, "set", "jpeg-quality", "77")
    config(env, "set", "max-hours", "5")
    config(env, "set", "face-type", "head")
    by_file = dflwrap(*words, str(tmp_path / "a"), env=env)
    assert by_file.code == 0, by_file.stderr
    assert by_file.report["run"]["options"]["jpeg_quality"] == 77
    assert by_file.report["run"]["options"]["face_type"] == "head"
    assert by_file.report["run"]["options"]["image_size"] == 768, "what follows from it follows"
    assert "after 5 hours" in by_file.stderr
    by_flag = dflwrap(*words, str(tmp_path / "b"), "--jpeg-quality", "60", "--max-hours", "0", env=env)
    assert by_flag.report["run"]["options"]["jpeg_quality"] == 60
    assert "hours" not in by_flag.stderr
    neither = dflwrap(*words, str(tmp_path / "c"))
    assert neither.report["run"]["options"]["jpeg_quality"] == 90


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"stop-at = 07:30:00\nx = [", "is not TOML"),
        (b"\xff\xfe\x00", "is not UTF-8"),
        (b"stop_at = '07:30'", "'stop_at', which is no setting"),
        (b"jpeg-quality = 900", "jpeg-quality will not do"),
        (b"jpeg-quality = [1]", "jpeg-quality has to be a text or a number"),
        (b"keep-awake = 'no'", "keep-awake has to be true or false"),
        (b"notify = 5", "notify has to be a list of texts"),
        (b"'a\\u001b[31mb' = 1", "no setting"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence_before_anything_starts(
    env: dict[str, str], tmp_path: Path, content: bytes, said: str
) -> None:
    path = Path(env["DFLWRAP_CONFIG"])
    path.parent.mkdir()
    path.write_bytes(content)
    done = dflwrap(
        "extract",
        "--input-dir",
        small_frames(tmp_path / "frames", 1),
        "--output-dir",
        tmp_path / "o",
        env=env,
    )
    assert done.code == 2 and said in done.stderr and len(done.stderr.splitlines()) == 1
    assert "settings.toml" in done.stderr and done.stderr.rstrip("\n").isprintable()
    assert not (tmp_path / "o_dflwrap").exists()
    if "no setting" not in said and "will not do" not in said and "has to be" not in said:
        assert config(env, "set", "max-hours", "1")[0] == 2 and path.read_bytes() == content, (
            "not written over"
        )


def test_other_commands_do_not_read_it(env: dict[str, str], tmp_path: Path) -> None:
    path = Path(env["DFLWRAP_CONFIG"])
    path.parent.mkdir()
    path.write_bytes(b"= broken")
    assert dflwrap("rules", "list", env=env).code == 0
    assert dflwrap("extract", "--help", env=env).code == 0
    assert dflwrap("config", "path", env=env).code == 0


def test_each_setting_is_an_option_that_the_command_line_can_take_back() -> None:
    options = Options(extract_command())
    assert set(options) == set(SETTINGS)
    for name, option in options.items():
        assert f"--{name}" in option.opts
        if getattr(option, "is_flag", False):
            assert option.secondary_opts, f"--{name} in the file could not be switched off"  # type: ignore[attr-defined]


def test_a_list_for_when_done_and_a_byte_order_mark_are_taken(env: dict[str, str], tmp_path: Path) -> None:
    import sys

    path = Path(env["DFLWRAP_CONFIG"])
    path.parent.mkdir()
    mark = tmp_path / "a mark"
    program = f"open({str(mark)!r}, 'w')"
    path.write_text(
        "\ufeffwhen-done = " + json.dumps([sys.executable, "-c", program]) + "\n", encoding="utf-8"
    )
    frames = small_frames(tmp_path / "frames", 1)
    words = [
        *FRAMES,
        "--dfl-python",
        sys.executable,
        "--input-dir",
        str(frames),
        "--output-dir",
        str(tmp_path / "o"),
    ]
    hurry = "import dflwrap.cli.night as n\nn.COUNTDOWN = 1\nfrom dflwrap.cli.start import run\nrun()"
    import subprocess

    from support import environment

    done = subprocess.run(
        [sys.executable, "-c", hurry, *words], env=environment(env), capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert mark.exists()


def test_the_file_lies_where_the_system_keeps_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    found = settings_path({})
    assert found.name == "settings.toml" and found.parent.name == "dflwrap"
    if os.name == "posix" and os.uname().sysname == "Linux":
        assert found == tmp_path / "dflwrap" / "settings.toml"


def test_a_link_to_a_file_elsewhere_stays_one_and_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    real, link = tmp_path / "real.toml", tmp_path / "link.toml"
    real.write_text("max-hours = 1\n")
    link.symlink_to(real)
    change_setting(link, "max-hours", 2)
    assert link.is_symlink() and read_settings(real) == {"max-hours": 2}
    (tmp_path / "file").write_text("")
    with pytest.raises(DflwrapError, match="cannot be"):
        change_setting(tmp_path / "file" / "settings.toml", "max-hours", 1)
