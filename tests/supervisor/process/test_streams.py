"""Whatever an extractor prints: its pipe is drained, its log bounded, its lines cut, its prompt told once."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import BinaryIO

import pytest
from disks import small_disk

from dflwrap.supervisor.process import streams
from dflwrap.supervisor.process.streams import MAX_LINE, BoundedLog, EventTail, Line, LineQueue, StreamPump


class Pipe:
    """A pump with the other end of its pipe in hand."""

    def __init__(self, folder: Path, room: int = 1000) -> None:
        read, write = os.pipe()
        self.log = folder / "stdout.log"
        self.lines = LineQueue(room)
        self.pump = StreamPump("stdout", os.fdopen(read, "rb"), self.log, self.lines)
        self.pump.start()
        self.write: BinaryIO = os.fdopen(write, "wb", 0)

    def say(self, *parts: bytes) -> list[Line]:
        """Write the parts, end the pipe; all lines that came."""
        for part in parts:
            self.write.write(part)
        return self.end()

    def end(self) -> list[Line]:
        self.write.close()
        self.pump.join(30)
        assert not self.pump.is_alive()
        return self.waiting()

    def waiting(self) -> list[Line]:
        lines = []
        while self.lines:
            lines.append(self.lines.take())
        return lines

    def put(self, text: bytes) -> None:
        """Write this and wait until the pump has cut it."""
        awaited = self.pump.bytes_seen + len(text)
        self.write.write(text)
        deadline = time.monotonic() + 60
        while self.pump.bytes_seen < awaited and time.monotonic() < deadline:
            time.sleep(0.01)
        assert self.pump.bytes_seen == awaited


@pytest.fixture
def pipe(tmp_path: Path) -> Pipe:
    return Pipe(tmp_path)


def texts(lines: list[Line]) -> list[bytes]:
    return [line.text for line in lines]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r", b"\n\n\n"])
def test_lines_end_in_any_way(pipe: Pipe, end: bytes) -> None:
    lines = pipe.say(b"one" + end + b"two" + end)
    assert lines == [Line("stdout", b"one", True), Line("stdout", b"two", True)]
    assert pipe.log.read_bytes() == b"one" + end + b"two" + end


def test_a_line_in_pieces_is_one_line(pipe: Pipe) -> None:
    whole = "ein längeres Wort: 写真\n".encode()
    for byte in whole:
        pipe.write.write(bytes([byte]))
        time.sleep(0.001)
    assert texts(pipe.end()) == [whole[:-1]]


def test_a_progress_bar_of_carriage_returns_comes_bar_by_bar(pipe: Pipe) -> None:
    bars = [f"  {n}%|###| {n}/100".encode() for n in range(100)]
    lines = pipe.say(b"\r" + b"\r".join(bars) + b"\n")
    assert texts(lines) == bars


def test_nul_bytes_and_binary_do_no_harm(pipe: Pipe) -> None:
    data = bytes(range(256)) * 20 + b"\n"
    lines = pipe.say(data, b"\0\0\0\n", b"after\n")
    assert lines[-1] == Line("stdout", b"after", True)
    assert Line("stdout", b"\0\0\0", True) in lines
    assert pipe.log.read_bytes() == data + b"\0\0\0\nafter\n"


def test_a_line_of_fifty_megabytes_comes_in_bounded_pieces(tmp_path: Path) -> None:
    pipe = Pipe(tmp_path)
    block = b"x" * (1 << 20)
    peak = 0
    for _ in range(50):
        pipe.write.write(block)
        peak = max(peak, len(pipe.pump._pending))
    lines = pipe.say(b"\nafter\n")
    assert lines[-1].text == b"after"
    assert 0 < sum(len(line.text) for line in lines[:-1]) <= streams.MAX_QUEUED_BYTES, "nobody took any"
    assert max(len(line.text) for line in lines) <= MAX_LINE
    assert peak <= 2 * MAX_LINE
    size = pipe.log.stat().st_size
    assert size <= streams.HEAD_BYTES + 2 * streams.TAIL_BYTES + 200
    with pipe.log.open("rb") as log:
        log.seek(-7, 2)
        assert log.read() == b"\nafter\n"


def test_a_flood_never_blocks_the_one_who_prints(tmp_path: Path) -> None:
    """Nobody takes the lines, and still the process ends by itself; its log has the first and the last."""
    script = "import sys\nfor n in range(100_000): sys.stdout.write(f'line {n}\\n')"
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert child.stdout is not None
    lines = LineQueue(100)
    pump = StreamPump("stdout", child.stdout, tmp_path / "stdout.log", lines)
    pump.start()
    assert child.wait(30) == 0
    pump.join(30)
    assert len(lines) == 100
    log = (tmp_path / "stdout.log").read_bytes()
    assert log.startswith(b"line 0\n") and log.endswith(b"line 99999\n")
    assert pump.bytes_seen == len(log)


@pytest.mark.skipif(os.name == "nt", reason="the memory of a process is asked for with `resource`")
def test_four_hundred_megabytes_without_a_line_end_do_not_fill_the_memory(tmp_path: Path) -> None:
    """Nobody takes the lines meanwhile. Measured in a process of its own: what it held at most before and after."""
    child = "import sys\nfor _ in range(400): sys.stdout.write('x' * 1_000_000)"
    script = f"""
import resource, subprocess, sys
from pathlib import Path
from dflwrap.supervisor.process.streams import LineQueue, StreamPump

def most():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

before, lines = most(), LineQueue()
child = subprocess.Popen([sys.executable, "-c", {child!r}], stdout=subprocess.PIPE)
pump = StreamPump("stdout", child.stdout, Path({str(tmp_path / "stdout.log")!r}), lines)
pump.start()
assert child.wait(60) == 0
pump.join(60)
assert pump.bytes_seen == 400_000_000 and len(lines) > 0
print(most() - before, sum(len(lines.take().text) for _ in range(len(lines))))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=120, check=True)
    grown, queued = map(int, done.stdout.split())
    assert queued <= streams.MAX_QUEUED_BYTES + streams.MAX_QUEUED * streams.SHORT
    unit = 1 if sys.platform == "darwin" else 1024
    assert grown * unit < 100 << 20


def test_what_ends_without_a_line_end_is_not_lost(pipe: Pipe) -> None:
    assert pipe.say(b"last words") == [Line("stdout", b"last words", True)]


def test_a_prompt_is_told_once_and_its_line_when_it_ends(pipe: Pipe) -> None:
    pipe.put(b"done\n[y] Continue extraction? : ")
    pipe.pump.quiet()
    pipe.pump.quiet()
    pipe.pump.quiet()
    assert pipe.waiting() == [
        Line("stdout", b"done", True),
        Line("stdout", b"[y] Continue extraction? : ", False),
    ]
    pipe.put(b"y")
    pipe.pump.quiet()
    assert pipe.waiting() == [Line("stdout", b"[y] Continue extraction? : y", False)]
    assert pipe.say(b"\n") == [Line("stdout", b"[y] Continue extraction? : y", True)]


def test_nothing_pending_is_no_prompt(pipe: Pipe) -> None:
    pipe.pump.quiet()
    pipe.put(b"a line\n   ")
    pipe.pump.quiet()
    assert pipe.waiting() == [Line("stdout", b"a line", True)]
    assert pipe.end() == []


# -- the bounded log ------------------------------------------------------------------------------------


@pytest.fixture
def small_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "HEAD_BYTES", 1000)
    monkeypatch.setattr(streams, "TAIL_BYTES", 1000)


@pytest.mark.usefixtures("small_log")
@pytest.mark.parametrize("step", [1, 7, 100, 999, 1000, 1001, 5000])
@pytest.mark.parametrize("total", [0, 999, 1000, 1001, 2000, 2999, 3000, 3001, 10_000])
def test_a_log_keeps_its_head_and_its_tail(tmp_path: Path, step: int, total: int) -> None:
    data = b"".join(b"%09d\n" % n for n in range(total // 10 + 1))[:total]
    log = BoundedLog(tmp_path / "stdout.log")
    for start in range(0, total, step):
        log.write(data[start : start + step])
    log.close()
    kept = (tmp_path / "stdout.log").read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["stdout.log"]
    if total <= 3000:
        assert kept == data
        return
    assert len(kept) <= 3100
    head, gap, tail = kept.partition(b"\n[dflwrap: the log was longer; what stood here is left out]\n")
    assert gap and data.startswith(head) and data.endswith(tail)
    assert len(head) == 1000 and len(tail) >= 1000


def test_a_full_disk_does_not_stop_the_pipe(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "256k") as disk:
        pipe = Pipe(disk, room=100_000)
        for n in range(20_000):
            pipe.write.write(b"line %d of many lines that fill the disk\n" % n)
        lines = pipe.end()
        assert len(lines) == 20_000
        assert pipe.pump._log.failed
        assert pipe.log.read_bytes().startswith(b"line 0 ")


# -- the events file ------------------------------------------------------------------------------------


def test_events_come_as_whole_lines_while_the_file_grows(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    tail = EventTail(path)
    assert tail.read() == []
    with path.open("wb", buffering=0) as file:
        file.write(b'{"a": 1}\n{"b"')
        assert tail.read() == [b'{"a": 1}']
        assert tail.read() == []
        file.write(b": 2}\n\n")
        assert tail.read() == [b'{"b": 2}', b""]
        file.write(b"x" * (MAX_LINE * 40) + b"\n{}\n")
        *_, last = tail.read()
        assert last == b"{}"
    tail.close()


def test_events_written_at_full_speed_are_all_read(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.touch()
    tail = EventTail(path)
    got: list[bytes] = []

    def write() -> None:
        with path.open("wb", buffering=0) as file:
            for n in range(20_000):
                file.write(b'{"n": %d}\n' % n)

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        got += tail.read()
    writer.join()
    got += tail.read()
    tail.close()
    assert got == [b'{"n": %d}' % n for n in range(20_000)]
