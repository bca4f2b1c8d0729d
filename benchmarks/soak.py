"""A long night in ten minutes: is anything lost, and does anything grow?

    python -m benchmarks.soak [--frames 75000] [--frame-seconds 0.005] [--keep DIR]

The test double at 5 ms a frame in real time, on a played card. On the way: frames that raise, cannot be decoded, kill
their worker or leave half a face; another program fills the card for a minute; the disk is full for half a minute
(Linux, root: a small disk is mounted; else left out, and said); dflwrap is asked to stop at a third (SIGTERM), killed
at two thirds (SIGKILL), and the same command is given again. Printed: what became of the frames; dflwrap's own memory
at its most, and how it grows; CPU milliseconds a frame; size of the ledger, the run folder and the report; what
`dflwrap verify` says.

To reach: nothing lost, every face whole and none missing for `verify` (what the double's flat faces show cannot be held
against frames), memory < 250 MB and flat (at most a fifth more in the last half than in the first), report.html < 3 MB.
Exit code 1 where one is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks._common import DOUBLE_ROOT, Finished, end_with_me, environment, run, start

BOUND = 3600.0
"""Seconds for one start of dflwrap."""
LINKS = 10_000
"""Names of one picture: file systems allow some 65,000."""
DISK = "2500m"
"""For faces, run folder and ballast."""
FAULTS: tuple[Any, ...] = (
    {"fault": "raise", "times": 1},
    "segfault",
    "unreadable",
    {"fault": "kill", "times": 1},
    {"fault": "half_jpeg", "times": 1},
    {"fault": "slow", "seconds": 2, "times": 1},
    "raise",
)
EVERY = 2500
"""Frames between two faults."""
LOST = frozenset({1, 2, 6})
"""Of the faults, those that a frame does not survive."""
MOST_MEMORY, MOST_GROWTH, LARGEST_REPORT = 250e6, 1.2, 3e6
MIB = 1024**2


@dataclass
class Watch:
    """What is seen of dflwrap's own process, over all of its starts."""

    memory: list[tuple[float, int]] = field(default_factory=list)
    """(share of the frames done, resident bytes)."""
    cpu: float = 0.0
    """Seconds of processes that have ended."""
    said: list[str] = field(default_factory=list)


def make_frames(folder: Path, count: int) -> None:
    folder.mkdir()
    picture = folder / "unknown"
    for number in range(1, count + 1):
        path = folder / f"{number:06d}.png"
        if (number - 1) % LINKS == 0:
            picture = path
            image = np.full((160, 200, 3), number // LINKS * 20, np.uint8)
            path.write_bytes(cv2.imencode(".png", image)[1].tobytes())
        else:
            os.link(picture, path)


def the_faults(count: int, frame_seconds: float) -> tuple[dict[str, Any], int, int]:
    """The double's script, and how many frames it loses for good and how many it shows without a face."""
    script: dict[str, Any] = {
        "options": {"gpus": 1, "frame_seconds": frame_seconds, "start_seconds": 0.5},
    }
    lost = 0
    for turn, number in enumerate(range(EVERY // 2, count + 1, EVERY)):
        kind = turn % len(FAULTS)
        script[f"*{number:06d}.png"] = FAULTS[kind]
        lost += kind in LOST
    without = {f"{number:06d}.png": 0 for number in range(10, count + 1, 500)}
    without = {name: none for name, none in without.items() if f"*{name}" not in script}
    script["options"]["faces"] = without
    return script, lost, len(without)


@contextlib.contextmanager
def disk(path: Path) -> Iterator[bool]:
    """Whether a disk of its own is at `path`; unmounted at the end."""
    path.mkdir()
    mounted = False
    if sys.platform == "linux" and os.geteuid() == 0:
        options = f"size={DISK},nr_inodes=1000000"
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "none", str(path)], capture_output=True, check=False
        )
        mounted = done.returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(path)], check=False)


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(b"\1" * MIB)


class Night:
    """The folders of one soak, and what happens around dflwrap while it works."""

    def __init__(self, base: Path, count: int, frame_seconds: float, mounted: bool) -> None:
        from nvml_play import compile_player
        from played_cards import cards

        self.count, self.mounted = count, mounted
        self.disk, self.frames = base / "disk", base / "frames"
        self.output = self.disk / "aligned"
        self.run_folder = self.disk / "aligned_dflwrap"
        self.play, self.cards = base / "play.txt", cards
        self.logs = base / "logs"
        make_frames(self.frames, count)
        script, self.lost, self.without = the_faults(count, frame_seconds)
        (base / "script.json").write_text(json.dumps(script), encoding="utf-8")
        self.play.write_text(cards(1), encoding="utf-8")
        self.env = environment(
            {
                "DFLWRAP_DOUBLE_SCRIPT": str(base / "script.json"),
                "XDG_CACHE_HOME": str(base / "cache"),
                "LD_LIBRARY_PATH": str(compile_player(base / "driver")),
                "NVML_PLAY": str(self.play),
            }
        )
        self.watch = Watch()

    @property
    def command(self) -> list[str]:
        return [
            *(sys.executable, "-m", "dflwrap", "extract", "--input-dir", str(self.frames)),
            *("--output-dir", str(self.output), "--json", "--image-size", "64", "--extractor", "dfl"),
            *("--dfl-root", str(DOUBLE_ROOT), "--dfl-python", sys.executable),
            *("--second-look", "off", "--wait-for-disk"),
        ]

    def done(self) -> float:
        """The share of frames that gave a face so far."""
        try:
            with os.scandir(self.output) as entries:
                return sum(1 for _ in entries) / self.count
        except OSError:
            return 0.0

    def sit(self, name: str, events: list[tuple[float, Callable[[subprocess.Popen[bytes]], None]]]) -> int:
        """One start of dflwrap, to its end; `events` happen once a share of the frames is done."""
        process = start(self.command, self.logs / name, self.env)
        proc, waiting = Path("/proc") / str(process.pid), list(events)
        ticks, began = os.sysconf("SC_CLK_TCK"), time.monotonic()
        cpu = 0.0
        while process.poll() is None and time.monotonic() - began < BOUND:
            done = self.done()
            with contextlib.suppress(OSError, ValueError, IndexError):
                pages = int((proc / "statm").read_text().split()[1])
                self.watch.memory.append((done, pages * os.sysconf("SC_PAGE_SIZE")))
                stat = (proc / "stat").read_text().rpartition(")")[2].split()
                cpu = sum(map(int, stat[11:15])) / ticks
            while waiting and done >= waiting[0][0]:
                waiting.pop(0)[1](process)
            time.sleep(0.5)
        if process.poll() is None:
            process.kill()
        self.watch.cpu += cpu
        return int(process.wait())

    def fill_the_card(self, _process: subprocess.Popen[bytes]) -> None:
        self.play.write_text(self.cards(1, 300), encoding="utf-8")
        threading.Timer(60, lambda: self.play.write_text(self.cards(1), encoding="utf-8")).start()

    def fill_the_disk(self, _process: subprocess.Popen[bytes]) -> None:
        if not self.mounted:
            return
        ballast = self.disk / "ballast"
        fill(ballast)
        threading.Timer(30, lambda: ballast.unlink(missing_ok=True)).start()

    def spend(self) -> list[int]:
        """The whole night; the exit codes of its three starts."""
        codes = [
            self.sit("1", [(0.1, self.fill_the_card), (1 / 3, lambda process: process.terminate())]),
            self.sit("2", [(0.45, self.fill_the_disk), (2 / 3, lambda process: process.kill())]),
            self.sit("3", []),
        ]
        return codes


def verified(night: Night) -> Finished:
    command = [sys.executable, "-m", "dflwrap", "verify", str(night.output), "--json"]
    return run(command, night.logs / "verify", night.env, BOUND)


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def judged(night: Night, codes: list[int], seconds: float) -> list[str]:
    """Print the figures; what was missed."""
    report = json.loads((night.run_folder / "report.json").read_text(encoding="utf-8"))
    frames = report["frames"]
    faces = len(list(night.output.glob("*.jpg")))
    memory = [held for _, held in night.watch.memory]
    middle = [held for done, held in night.watch.memory if 0.1 <= done < 0.5]
    late = [held for done, held in night.watch.memory if done >= 0.5]
    growth = max(late) / max(middle) if middle and late else float("nan")
    page = night.run_folder / "report.html"
    page_size = page.stat().st_size if page.exists() else None
    checked = verified(night)
    found = checked.report or {"torn": ["no report"]}
    bad = {
        kind: len(found[kind])
        for kind in ("torn", "hostile", "foreign", "other", "missing")
        if found.get(kind)
    }
    ledger = sum(path.stat().st_size for path in night.run_folder.glob("run.db*"))
    print(f"{night.count:,} frames in {seconds:.0f} s, three starts, exit codes {codes}: {frames}")
    print(f"memory of dflwrap: most {max(memory) / 1e6:.0f} MB, last half / first half {growth:.2f}")
    tenths = [
        max((held for done, held in night.watch.memory if tenth <= done * 10 < tenth + 1), default=0)
        for tenth in range(10)
    ]
    last = [held for done, held in night.watch.memory if done >= 1]
    print("  at its most in each tenth of the frames, and when all are done, in MB:", end=" ")
    print(*(f"{held / 1e6:.0f}" for held in (*tenths, max(last, default=0))))
    print(
        f"CPU of dflwrap and the children it waited for: {night.watch.cpu / night.count * 1e3:.2f} ms a frame"
    )
    print(
        f"ledger {ledger / 1e6:.1f} MB, run folder {size(night.run_folder) / 1e6:.1f} MB, report.html {page_size} bytes"
    )
    print(
        f"verify: exit code {checked.code}"
        + ("" if night.mounted else "; NOT TRIED HERE: the full disk (needs root)")
    )
    expected = {
        "extracted": night.count - night.lost - night.without,
        "no_face": night.without,
        "quarantined": night.lost,
    }
    wrong = {key: frames.get(key) for key, value in expected.items() if frames.get(key) != value}
    missed = [
        (bool(wrong), f"frames: {wrong} instead of {expected}"),
        (
            faces != frames["extracted"],
            f"{faces} faces in the folder, {frames['extracted']} frames extracted",
        ),
        (codes != [4, -signal.SIGKILL, 1], f"exit codes {codes} instead of [4, -9, 1]"),
        (bool(bad), f"verify: {bad}"),
        (max(memory) > MOST_MEMORY, f"memory {max(memory) / 1e6:.0f} MB"),
        (not growth <= MOST_GROWTH, f"memory grows: {growth:.2f}"),
        (page_size is None or page_size > LARGEST_REPORT, f"report.html: {page_size} bytes"),
    ]
    return [text for is_missed, text in missed if is_missed]


def main() -> int:
    """One night; the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=75_000)
    parser.add_argument("--frame-seconds", type=float, default=0.005)
    parser.add_argument("--keep", type=Path, help="folder for frames, logs and run folder; must not exist")
    options = parser.parse_args()
    if not Path("/proc/self/statm").exists():
        raise SystemExit("soak reads /proc: Linux only")
    end_with_me()
    sys.path[:0] = [
        str(Path(__file__).parents[1] / "tests" / name) for name in ("", "telemetry", "supervisor")
    ]
    base = options.keep or Path(tempfile.mkdtemp(prefix="soak"))
    base.mkdir(exist_ok=options.keep is None)
    try:
        with disk(base / "disk") as mounted:
            night = Night(base, options.frames, options.frame_seconds, mounted)
            began = time.monotonic()
            codes = night.spend()
            missed = judged(night, codes, time.monotonic() - began)
            if options.keep and mounted:
                shutil.copytree(night.run_folder, base / "run_folder", symlinks=True)
    finally:
        if options.keep is None:
            shutil.rmtree(base, ignore_errors=True)
    for text in missed:
        print(f"MISSED: {text}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
