"""Frames per second: stock DeepFaceLab, and dflwrap at 1, 2, 3 and "auto" workers.

    [DFLWRAP_TEST_DFL_ROOT=... DFLWRAP_TEST_DFL_PYTHON=...] python -m benchmarks.throughput \\
        [--frames 16] [--sizes 1280x720,1920x1080] [--workers 1,2,3,auto] [--targets built-in,real] [--rounds 1]

Start-up is left out: the rate is the slope of a line through the modification times of the face files (both
sides write a frame's faces when it is done; a move keeps the time). Between the first and the last file alone,
workers that finish in step would look faster than they are. The whole wall time and the CPU time stand beside
it. The sides alternate within a round, so that a busy machine slows all alike. To reach (issue 5, section 3):
auto at least 1.15 x stock on the real DeepFaceLab on 2 cores, and never more than 5 % below the best fixed
number of workers. Without a GPU, auto measures nothing first: it follows cores and memory.

"1 core" is stock DeepFaceLab with TensorFlow held to one thread. That rate times the number of cores is what
the machine could do at most with nothing lost between threads: no number of workers gets beyond it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks._common import (
    Target,
    builtin,
    dotted_frames,
    end_with_me,
    environment,
    extract_command,
    real_dfl,
    run,
)
from benchmarks.faults import STOCK_ENV, bounded, delivered, stock_command
from dflwrap.extractors.deepfacelab.command import thread_settings

ONE_CORE = "1 core"


@dataclass(frozen=True)
class Rate:
    side: str
    """ "stock", "1 core", or the value of --workers."""
    frames: int
    seconds: float
    cpu_seconds: float
    per_second: float


def rate_of(faceset: Path) -> float:
    """Frames per second by least squares over the times of the faces; 0 with fewer than three."""
    times = sorted(path.stat().st_mtime for path in faceset.glob("*_0.jpg")) if faceset.is_dir() else []
    if len(times) < 3 or times[0] == times[-1]:
        return 0.0
    return statistics.linear_regression(times, range(len(times))).slope


def measure(side: str, target: Target, source: Path, scratch: Path, bound: float) -> Rate:
    output = scratch / "aligned"
    if side in ("stock", ONE_CORE):
        env = {key: value for key, value in {**os.environ, **STOCK_ENV}.items() if key != "PYTHONPATH"}
        env |= thread_settings(1) if side == ONE_CORE else {}
        done = run(bounded(stock_command(target, source, output), bound), scratch / "logs", env, bound + 20)
    else:
        command = extract_command(target, source, output, "--workers", side)
        done = run(command, scratch / "logs", environment(), bound)
    return Rate(side, len(delivered(output)), done.seconds, done.cpu_seconds, rate_of(output))


def make(target: Target, folder: Path, count: int, size: tuple[int, int]) -> None:
    if target.name == "built-in":
        from dflwrap.samples.generator import make_frames

        make_frames(folder, count, size, 0, False)
    else:
        dotted_frames(folder, count, size)


def verdicts(rates: Sequence[Rate]) -> list[str]:
    """The ratios of the issue, of the medians over the rounds."""
    median = {
        side: statistics.median(rate.per_second for rate in rates if rate.side == side)
        for side in dict.fromkeys(rate.side for rate in rates)
    }
    auto, lines = median.get("auto", 0.0), []
    if auto and median.get("stock"):
        lines.append(f"    auto / stock:      {auto / median['stock']:.2f}   (to reach: 1.15)")
    cores, alone = os.cpu_count() or 1, median.get(ONE_CORE)
    if auto and alone:
        lines.append(f"    auto / {cores} x 1 core: {auto / (cores * alone):.2f}   (1.00 loses nothing)")
    best = max((value for side, value in median.items() if side.isdigit()), default=0.0)
    if auto and best:
        lines.append(f"    auto / best fixed: {auto / best:.2f}   (to reach: 0.95)")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--sizes", default="1280x720,1920x1080")
    parser.add_argument("--workers", default="1,2,3,auto")
    parser.add_argument("--targets", default="built-in,real")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--bound", type=float, default=900, help="seconds that one run may take")
    options = parser.parse_args()
    end_with_me()
    available = {"built-in": builtin(), "real": real_dfl()}
    for target in filter(None, (available[name] for name in options.targets.split(","))):
        sides = (["stock", ONE_CORE] if target.root else []) + options.workers.split(",")
        for text in options.sizes.split(","):
            width, height = map(int, text.split("x"))
            print(f"{target.name}, {text}, {options.frames} frames", flush=True)
            rates = []
            with tempfile.TemporaryDirectory() as temporary:
                source = Path(temporary) / "frames"
                make(target, source, options.frames, (width, height))
                for turn in range(options.rounds):
                    for side in sides:
                        scratch = Path(temporary) / f"{turn}-{side}"
                        rate = measure(side, target, source, scratch, options.bound)
                        rates.append(rate)
                        shutil.rmtree(scratch, ignore_errors=True)
                        print(
                            f"    {side:6} {rate.per_second:6.2f} frames/s, {rate.frames} frames with faces, "
                            f"{rate.seconds:6.1f} s wall in all, {rate.cpu_seconds:6.1f} s CPU",
                            flush=True,
                        )
            print("\n".join(verdicts(rates)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
