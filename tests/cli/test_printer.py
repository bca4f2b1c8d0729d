"""A blocked terminal: a selection in a console of Windows, Ctrl-S, a pipe that nobody reads."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from support import dflwrap, environment, until

from dflwrap.cli.terminal import printer as module
from dflwrap.cli.terminal.display import make_reporter
from dflwrap.cli.terminal.printer import MOST_WAITING, Printer, within
from dflwrap.supervisor.progress import Reporter, RunState


def drained(descriptor: int) -> list[bytes]:
    """Reads on in a thread until the other end is closed; what was read."""
    read: list[bytes] = []

    def go() -> None:
        try:
            while chunk := os.read(descriptor, 65536):
                read.append(chunk)
        except OSError:
            pass  # a terminal whose other side is gone

    threading.Thread(target=go, daemon=True).start()
    return read


def finishes(work: Callable[[], object]) -> bool:
    """Whether it comes back within a bound that only a hang passes."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(30)
    return not thread.is_alive()


def tell(reporter: Reporter, count: int) -> None:
    for number in range(count):
        reporter.notice(f"notice {number} {'x' * 100}")


def test_a_pipe_that_nobody_reads_does_not_stop_the_run() -> None:
    read_end, write_end = os.pipe()
    count = 3 * MOST_WAITING
    with os.fdopen(write_end, "w", encoding="utf-8") as stream:
        with make_reporter(RunState(), stream) as reporter:
            assert finishes(lambda: tell(reporter, count)), "printing stops who prints"
            read = drained(read_end)
        stream.flush()
    assert until(lambda: b"left out" in b"".join(read), 30)
    lines = b"".join(read).decode().splitlines()
    told = [int(line.split()[3]) for line in lines if " notice " in line]
    left_out = sum(int(line.split()[0].lstrip("(")) for line in lines if "left out" in line)
    assert told == sorted(told), "in order"
    assert len(told) + left_out == count and len(told) >= MOST_WAITING
    os.close(read_end)


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal")
def test_a_terminal_that_stands_still_does_not_stop_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    import pty

    monkeypatch.setenv("TERM", "xterm")
    master, slave = pty.openpty()
    with os.fdopen(slave, "w", encoding="utf-8") as stream, make_reporter(RunState(), stream) as reporter:
        assert type(reporter).__name__ == "LiveReporter"
        assert finishes(lambda: tell(reporter, 500))
        read = drained(master)
        assert until(lambda: b"notice 499 " in b"".join(read), 30)
    os.close(master)


def test_a_reader_that_has_gone_ends_the_printing_and_not_the_run() -> None:
    def broken(line: str) -> None:
        raise SystemExit(1)  # as Rich does

    printer = Printer(broken)
    printer.say("one")
    assert until(lambda: printer._ended, 30)
    for _ in range(2 * MOST_WAITING):
        printer.say("more")
    assert printer._lines.qsize() <= 1
    printer.close()


def test_the_end_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CLOSE_BOUND", 0.2)
    let_go = threading.Event()
    printer = Printer(lambda line: (let_go.wait(60), None)[1])
    printer.say("one")
    assert finishes(printer.close)
    let_go.set()


def test_work_that_prints_is_waited_for_so_long_and_its_errors_come_through() -> None:
    let_go = threading.Event()
    assert not within(lambda: (let_go.wait(60), None)[1], 0.2)
    assert not within(lambda: (let_go.wait(60), None)[1], 60, stopping=lambda: True)
    let_go.set()
    done: list[int] = []
    assert within(lambda: done.append(1), 60) and done == [1]

    def fails() -> None:
        raise SystemExit(1)

    with pytest.raises(SystemExit):
        within(fails, 60)


@pytest.mark.posix
def test_a_run_whose_output_nobody_reads_ends_with_its_exit_code(clean_frames: Path, tmp_path: Path) -> None:
    """It has finished already, so that all is told at its end; the pipe was full before it began."""
    options = [
        "--extractor",
        "builtin",
        "--input-dir",
        str(clean_frames),
        "--output-dir",
        str(tmp_path / "aligned"),
    ]
    options += ["--min-side", "5000"]  # every frame is left out, as requested
    assert dflwrap("extract", *options).code == 0
    script = (
        "import sys, dflwrap.cli.running as running\n"
        "running.LAST_WORDS = 1.0\n"
        f"sys.argv = ['dflwrap', 'extract', *{options!r}]\n"
        "from dflwrap.cli.main import run\nrun(sys.argv[1:])"
    )
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    try:
        while os.write(write_end, b"x" * 4096):
            pass
    except BlockingIOError:
        os.set_blocking(write_end, True)
    try:
        process = subprocess.Popen([sys.executable, "-c", script], stdout=write_end, env=environment())
        assert process.wait(120) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(read_end)
        os.close(write_end)


@pytest.mark.skipif(sys.platform == "win32", reason="a timer's signals")
def test_a_signal_handler_may_say_something_in_the_midst_of_saying() -> None:
    """Ctrl-C is acknowledged at once, whatever the main thread is doing."""
    signals = 0

    def on_signal(*_: object) -> None:
        nonlocal signals
        signals += 1
        printer.say("signal")

    printer = Printer(lambda line: None)
    before = signal.signal(signal.SIGALRM, on_signal)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        assert until(lambda: [printer.say("x") for _ in range(1000)] and signals > 50, 60)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    printer.close()
    assert printer._ended


def test_a_plain_run_is_told_to_the_last_line(tmp_path: Path) -> None:
    stream = io.StringIO()
    with make_reporter(RunState(), stream) as reporter:
        tell(reporter, 50)
    assert len(stream.getvalue().splitlines()) == 50
