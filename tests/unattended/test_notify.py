"""Word is sent, to a real receiver; one that fails, hangs or is missing harms no run; addresses stay secret."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from support import small_frames, until
from test_unattended import START, Run

from dflwrap.unattended.notify import Notifier
from dflwrap.unattended.stall import Stall

SECRET = "hidden-word-4711"


class Receiver:
    """An HTTP server of this machine, and what it got."""

    def __init__(self, status: int = 200, moved_to: str = "") -> None:
        self.got: list[tuple[str, dict[str, Any] | str]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                try:
                    receiver.got.append((self.path, json.loads(body)))
                except ValueError:
                    receiver.got.append((self.path, body))
                self.send_response(status)
                if moved_to:
                    self.send_header("Location", moved_to)
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def titles(self) -> list[str]:
        return [body["title"] for _, body in self.got if isinstance(body, dict)]

    def address(self, scheme: str = "json") -> str:
        return f"{scheme}://user:{SECRET}@127.0.0.1:{self.port}/{SECRET}"


@contextmanager
def receiver(status: int = 200, moved_to: str = "") -> Iterator[Receiver]:
    one = Receiver(status, moved_to)
    try:
        yield one
    finally:
        one.server.shutdown()
        one.server.server_close()


@contextmanager
def deaf() -> Iterator[str]:
    """An address that takes the connection and never answers."""
    with closing(socket.socket()) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(5)
        yield f"json://user:{SECRET}@127.0.0.1:{listening.getsockname()[1]}/"


def sent(*addresses: str, bound: float = 60.0) -> list[str]:
    said: list[str] = []
    notifier = Notifier(addresses, said.append, bound)
    notifier.send("a title", "a body")
    notifier.finish(bound + 60)
    return said


def test_word_reaches_every_address() -> None:
    with receiver() as one, receiver() as two:
        assert sent(one.address(), two.address("ntfy")) == []
        assert one.titles == ["a title"]
        assert "a body" in str(one.got) and "a body" in str(two.got)


def test_one_that_fails_is_told_without_its_address_and_the_others_get_it() -> None:
    with receiver(500) as bad, receiver() as good:
        said = sent(bad.address(), good.address(), f"nonsense-{SECRET}")
        assert good.titles == ["a title"]
    assert said == ["Notification: addresses 1, 3 of 3 did not take it."]


def test_one_that_has_moved_did_not_take_it() -> None:
    """The message would get lost on the way: its new place would be asked with GET."""
    with receiver() as new:
        for status in (301, 302):
            with receiver(status, f"http://127.0.0.1:{new.port}/") as old:
                assert sent(old.address()) == ["Notification: address 1 of 1 did not take it."]
        for status in (307, 308):
            with receiver(status, f"http://127.0.0.1:{new.port}/") as old:
                assert sent(old.address()) == []
        assert new.titles == ["a title", "a title"]


def test_one_that_never_answers_is_given_up() -> None:
    with deaf() as address:
        said = sent(address, bound=3.0)
    assert said == ["Notification: no answer within 3 s, given up."]


def test_a_sender_that_cannot_start_or_speaks_nonsense_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    import dflwrap.unattended.notify as module

    monkeypatch.setattr(module.sys, "executable", "/no/such/python")
    assert sent(f"json://{SECRET}") == ["Notification: the sender failed (FileNotFoundError)."]
    monkeypatch.undo()
    monkeypatch.setattr(module, "_SENDER", "this")  # prints the Zen of Python
    assert sent(f"json://{SECRET}") == ["Notification: the sender failed (exit status 0)."]


def test_addresses_that_nobody_understands_are_told_in_the_evening() -> None:
    said: list[str] = []
    notifier = Notifier(("json://localhost", f"nonsense-{SECRET}"), said.append)
    notifier.check()
    notifier.finish(60)
    assert said == ["Notification: address 2 of 2: not one that apprise understands."]


def test_without_apprise_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "apprise.py").write_text("raise ImportError('not here')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    [text] = sent("json://localhost")
    assert "apprise is not installed" in text and "dflwrap[notify]" in text


def test_nothing_is_sent_where_nothing_is_wanted() -> None:
    assert sent() == []


# -- in a run ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_frames(tmp_path_factory.mktemp("notify") / "data_src", 4)


def assert_secret(run: Run, tmp_path: Path) -> None:
    """In nothing that was said, and in no file that was written."""
    assert SECRET not in run.said
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path


def test_the_end_of_a_run_is_told(frames: Path, tmp_path: Path) -> None:
    with receiver() as one:
        run = Run(tmp_path, frames, "--notify", one.address())
        assert run.code() == 0
        assert one.titles == ["dflwrap: data_src finished"]
        assert "4 of 4 frames extracted, 4 faces" in str(one.got)
        assert str(tmp_path) not in str(one.got), "no path leaves the machine"
    assert_secret(run, tmp_path)


def test_a_stop_that_needs_the_user_is_told(frames: Path, tmp_path: Path) -> None:
    faults: dict[str, object] = {
        "import": {"fault": "raise", "text": "ModuleNotFoundError: No module named 'cv2'"}
    }
    with receiver() as one:
        run = Run(tmp_path, frames, "--notify", one.address(), faults=faults)
        assert run.code() == 3
        assert one.titles == ["dflwrap: data_src stopped, needs you"]
    assert_secret(run, tmp_path)


def test_a_fault_of_our_own_is_told(frames: Path, tmp_path: Path) -> None:
    program = (
        "import dflwrap.supervisor.run as r\ndef broken(*_): raise ValueError('ours')\nr.prepare = broken\n"
    )
    with receiver() as one:
        run = Run(tmp_path, frames, "--notify", one.address(), program=program + START)
        assert run.code() == 5
        assert one.titles == ["dflwrap: data_src failed"]


def test_a_long_stall_is_told_while_it_lasts(frames: Path, tmp_path: Path) -> None:
    faults: dict[str, object] = {"00003.png": {"fault": "slow", "seconds": 25, "times": 1}}
    with receiver() as one:
        run = Run(tmp_path, frames, "--notify", one.address(), "--stall-minutes", "0.1", faults=faults)
        assert until(lambda: "dflwrap: data_src stands still" in one.titles, 60)
        assert run.process.poll() is None, "it was told amid the run"
        assert "of 4 frames are done" in str(one.got)
        assert run.code() == 0
        assert one.titles.count("dflwrap: data_src stands still") <= 2
    assert_secret(run, tmp_path)


def test_a_notifier_that_fails_or_hangs_changes_nothing_of_the_run(frames: Path, tmp_path: Path) -> None:
    program = "import dflwrap.cli.night as n\nNotifier = n.Notifier\nn.Notifier = lambda a, s: Notifier(a, s, 4.0)\n"
    with receiver(500) as bad, deaf() as silent:
        run = Run(tmp_path, frames, "--notify", bad.address(), "--notify", silent, program=program + START)
        assert run.code() == 0
    assert "no answer within 4 s, given up" in run.said
    assert_secret(run, tmp_path)


def test_ctrl_c_does_not_wait_for_a_message(frames: Path, tmp_path: Path) -> None:
    import signal

    with deaf() as silent:
        run = Run(tmp_path, frames, "--notify", silent, program=START)
        assert until(lambda: "Elapsed:" in run.out.read_text(), 60)
        run.process.send_signal(signal.SIGINT)
        assert until(lambda: run.process.poll() is not None, 20), "a message may take 45 s"
        assert run.code() == 0


def test_a_stall_is_told_once_each_time_and_ends_with_a_frame() -> None:
    stall = Stall(10)
    told = [moment for moment in range(0, 7200, 60) if stall.begins(5 if moment < 3600 else 6, moment)]
    assert told == [600, 4200]
    assert not any(Stall(0).begins(1, moment) for moment in range(0, 10**6, 10**4))


def test_the_sender_prints_no_address(tmp_path: Path) -> None:
    import subprocess

    order = json.dumps({"addresses": [f"json://{SECRET}:x@127.0.0.1:9/"], "title": "t", "body": "b"})
    done = subprocess.run(
        [sys.executable, "-m", "dflwrap.unattended.sender"],
        input=order,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert json.loads(done.stdout) == {"bad": [1]}
    assert SECRET not in done.stdout + done.stderr
