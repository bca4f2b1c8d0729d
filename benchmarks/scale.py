"""Does a folder of any size cost what it holds, and no more? 1,000, 10,000 and 100,000 frames on the test double.

    python -m benchmarks.scale [--frames 1000,10000,100000] [--workers 2] [--keep DIR]

For each size, in a folder of its own: dflwrap extracts and is interrupted (SIGTERM) at a tenth; the same command
resumes and ends; then the run folder is moved away and the same command finds a faceset that another program might
have made (adoption). The table says what each took, of dflwrap's own process and not of the extractor's, and what
that is to the size before in times its growth: 1.0 grows straight, 2.0 at ten times the frames is quadratic in the
making. A ratio is shown from 2 s up: below, starting Python is what is measured. Frames are hard links to a few
pictures of 200 KiB, so that what is read of each is seen and 100,000 need no disk. To reach (issue 14): first frame
of 100,000 <= 5 s, resume <= 5 s, memory <= 150 MB, 16 KiB read of a frame before it is handed out, adoption <= 60 s.

Linux only: it reads /proc. The load of the machine is printed beside: figures under load are upper bounds.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

import cv2
import numpy as np

from benchmarks._common import double, end_with_me, environment, extract_command, start
from dflwrap.frames.inventory import take_inventory
from dflwrap.frames.judgement import judge

BOUND = 1800.0
"""Seconds that one sitting may take."""
LINKS = 10_000
"""Names of one picture: file systems allow some 65,000."""
TAIL = 1 << 20
"""Bytes of an events file that are looked at."""
ADOPTED = b"in the faceset already: kept"
TELLING = 2.0
"""Seconds from which on a ratio says something."""


@dataclass
class Sitting:
    """One start of dflwrap, to its end."""

    code: int = -1
    first: float | None = None
    """Seconds until the first frame of it came back."""
    first_cpu: float | None = None
    """Of dflwrap's own process, until then; the extractor's start is not in it."""
    adopted: float | None = None
    """Seconds until it said that the faces of the folder are kept; what follows is the report and its page."""
    seconds: float = 0.0
    memory: int = 0
    """Bytes, the most that dflwrap's own process held."""
    cpu: float = 0.0
    """Seconds of dflwrap's own process."""
    read: int = 0
    """Bytes read by it and by the children that it waited for, by any call."""


@dataclass
class Row:
    """What a size cost; the names are the table's."""

    frames: int
    first: float | None = None
    first_cpu: float | None = None
    whole: float = 0.0
    resume: float | None = None
    resume_cpu: float | None = None
    adopt: float | None = None
    memory_mb: float = 0.0
    adopt_mb: float = 0.0
    cpu_ms: float = 0.0
    judge_kib: float = 0.0
    read_kib: float = 0.0
    folder_mb: float = 0.0
    done: int = 0
    load: str = field(default="", repr=False)


def make_frames(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    noise = np.random.default_rng(1)
    picture = folder / "unknown"
    for number in range(1, count + 1):
        if (number - 1) % LINKS == 0:
            image = noise.integers(0, 255, (270, 260, 3), dtype=np.uint8)
            data = cv2.imencode(".png", image)[1].tobytes()
            picture = folder / f"{number:06d}.png"
            picture.write_bytes(data)
        else:
            os.link(picture, folder / f"{number:06d}.png")


def sit(command: Sequence[str], logs: Path, output: Path, until: Callable[[], bool] | None = None) -> Sitting:
    """Run dflwrap; with `until`, interrupt it once when that holds."""
    sitting = Sitting()
    known = set(_events(output))
    began = time.monotonic()
    process = start(command, logs, environment())
    proc = Path("/proc") / str(process.pid)
    asked = until is None
    look = 0.0
    while process.poll() is None and time.monotonic() - began < BOUND:
        _measure(proc, sitting)
        if sitting.adopted is None and ADOPTED in (logs / "err.txt").read_bytes():
            sitting.adopted = time.monotonic() - began
        if sitting.first is None and _came_back(output, known):
            sitting.first, sitting.first_cpu = time.monotonic() - began, sitting.cpu
        if not asked and time.monotonic() > look:
            look = time.monotonic() + 0.5
            if until is not None and until():
                process.send_signal(signal.SIGTERM)
                asked = True
        time.sleep(0.05)
    if process.poll() is None:
        process.kill()
    sitting.code = process.wait()
    sitting.seconds = time.monotonic() - began
    return sitting


def _measure(proc: Path, sitting: Sitting) -> None:
    try:
        status = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
        stat = (proc / "stat").read_text().rpartition(")")[2].split()
        io = dict(line.split(": ") for line in (proc / "io").read_text().splitlines())
        sitting.memory = max(sitting.memory, int(status["VmHWM"].split()[0]) * 1024)
        sitting.cpu = (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
        sitting.read = int(io["rchar"])
    except (OSError, KeyError, ValueError):
        pass  # it has just ended


def _events(output: Path) -> list[Path]:
    return sorted(output.with_name(output.name + "_dflwrap").glob("attempts/*/events.jsonl"))


def _came_back(output: Path, known: set[Path]) -> bool:
    for path in _events(output):
        if path not in known:
            try:
                with path.open("rb") as file:
                    if b'"frame_done"' in file.read(TAIL):
                        return True
            except OSError:
                continue
    return False


def count(folder: Path) -> int:
    try:
        return len(os.listdir(folder))  # noqa: PTH208 - names only
    except OSError:
        return 0


def size_of(folder: Path) -> int:
    """Bytes of the files below, as the disk has them; of one under two names once."""
    seen: dict[tuple[int, int], int] = {}
    for root, _, names in os.walk(folder):
        for name in names:
            info = (Path(root) / name).lstat()
            seen[info.st_dev, info.st_ino] = info.st_blocks * 512
    return sum(seen.values())


def judged_bytes(folder: Path, frames: int) -> float:
    """Bytes of one frame that are read before it is handed out, on the average of some."""
    entries = take_inventory(folder).frames[: min(frames, 500)]
    before = _own_reads()
    for entry in entries:
        judge(folder, entry)
    return (_own_reads() - before) / len(entries)


def _own_reads() -> int:
    io = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(io["rchar"])


def measure(root: Path, frames: int, workers: str) -> Row:
    source, output = root / "frames", root / "aligned"
    run_folder = output.with_name("aligned_dflwrap")
    make_frames(source, frames)
    row = Row(frames)
    command = extract_command(double(), source, output, "--workers", workers)
    half = sit(command, root / "half", output, lambda: count(output) > frames // 10)
    rest = sit(command, root / "rest", output)
    row.first, row.resume = half.first, rest.first
    row.first_cpu, row.resume_cpu = half.first_cpu, rest.first_cpu
    row.whole = half.seconds + rest.seconds
    row.memory_mb = max(half.memory, rest.memory) / 1e6
    row.cpu_ms = (half.cpu + rest.cpu) / frames * 1000
    row.judge_kib = judged_bytes(source, frames) / 1024
    row.read_kib = (half.read + rest.read) / frames / 1024
    row.folder_mb = size_of(run_folder) / 1e6
    row.done = count(output)
    run_folder.rename(root / "earlier_run")
    adopted = sit(command, root / "adopted", output)
    row.adopt = adopted.adopted
    row.adopt_mb = adopted.memory / 1e6
    codes = (half.code, rest.code, adopted.code)
    if rest.code or adopted.code or row.done != frames:
        print(f"  NOT WELL: exit codes {codes}, {row.done} faces of {frames}", file=sys.stderr)
        print((root / "rest" / "err.txt").read_text()[-2000:], file=sys.stderr)
    load = os.getloadavg()
    row.load = f"{load[0]:.1f}"
    return row


_UNITS = {
    "first_cpu": "its CPU",
    "resume_cpu": "its CPU",
    "memory_mb": "memory MB",
    "adopt_mb": "adopt MB",
    "cpu_ms": "CPU ms/frame",
    "judge_kib": "KiB before",
    "read_kib": "KiB read",
    "folder_mb": "run folder MB",
}
STEPS = ("first", "whole", "resume", "adopt")


def table(rows: Sequence[Row]) -> str:
    names = [item.name for item in fields(Row)]
    lines = ["| " + " | ".join(_UNITS.get(name, name) for name in names) + " |", "|" + "---|" * len(names)]
    before: Row | None = None
    for row in rows:
        cells = []
        for name in names:
            value = getattr(row, name)
            text = _shown(value)
            if name in STEPS and before is not None:
                text += _ratio(value, getattr(before, name), row.frames / before.frames)
            cells.append(text)
        lines.append("| " + " | ".join(cells) + " |")
        before = row
    return "\n".join(lines)


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.1f}"
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _ratio(now: float | None, then: float | None, growth: float) -> str:
    if now is None or then is None or now < TELLING:
        return ""
    return f" (x{now / then / growth:.2f})"


def main() -> int:
    parser = argparse.ArgumentParser(description="What 1,000, 10,000 and 100,000 frames cost")
    parser.add_argument("--frames", default="1000,10000,100000")
    parser.add_argument("--workers", default="2")
    parser.add_argument("--keep", type=Path, help="folder for what was made; else it goes away")
    options = parser.parse_args()
    end_with_me()
    rows = []
    root = options.keep or Path(tempfile.mkdtemp(prefix="dflwrap-scale-"))
    try:
        for frames in (int(number) for number in options.frames.split(",")):
            rows.append(measure(root / str(frames), frames, options.workers))
            print(table(rows[-1:]), flush=True)
            if options.keep is None:
                shutil.rmtree(root / str(frames))
    finally:
        if options.keep is None:
            shutil.rmtree(root, ignore_errors=True)
    print(f"\n{os.cpu_count()} cores, seconds unless said otherwise, (x...) = in times of straight growth\n")
    print(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
