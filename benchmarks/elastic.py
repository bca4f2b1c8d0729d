"""What an elastic width is worth: the double on a played card, fixed and elastic side by side in one run.

    python -m benchmarks.elastic [--frames 3000] [--seconds 0.05] [--rounds 1]

Sides: `--workers 1`, every fixed number up to the cores (dflwrap starts no more of a fixed number), elastic; then the
same on a card on which another program leaves room for one worker until half of the frames are done: fixed at the width
that fits at its start, and elastic. To reach: elastic at least 0.97 of the best fixed number, and at least 1.5 times
the fixed width on the card that becomes free. Exit code 1 where one is missed. Needs Linux and a C compiler.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks._cards import Done, PlayedCard, extract, watch
from benchmarks._common import end_with_me

TOTAL, HOLD, FRAME = 40_960, 2048, 1024
"""MiB: the card, what a worker holds, and what a frame takes beside it."""
TO_REACH, TO_REACH_FREED = 0.97, 1.5


def side(scratch: Path, frames: int, seconds: float, *more: str, freed_midway: bool = False) -> Done:
    card = PlayedCard(scratch / "card", TOTAL)
    if freed_midway:
        card.another_program_holds(TOTAL - HOLD - FRAME - 1024)
        watch(
            scratch / "aligned",
            lambda events: sum(event["event"] == "frame_done" for event in events) >= frames // 2,
            lambda: card.another_program_holds(0),
        )
    vram = {"folder": str(card.pool), "total": TOTAL, "hold": HOLD, "frame": FRAME}
    return extract(scratch, frames, {"frame_seconds": seconds, "vram": vram}, card.env, *more)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=3000)
    parser.add_argument("--seconds", type=float, default=0.05, help="of a frame, on the double")
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    end_with_me()
    cores = os.cpu_count() or 1
    fixed = {f"--workers {n}": ("--workers", str(n)) for n in range(1, cores + 1)}
    sides: dict[str, tuple[tuple[str, ...], bool]] = {name: (more, False) for name, more in fixed.items()}
    sides |= {
        "elastic": ((), False),
        "freed, fixed": (("--workers", "1"), True),
        "freed, elastic": ((), True),
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    lost = 0
    with tempfile.TemporaryDirectory() as temporary:
        for turn in range(options.rounds):
            for name, (more, freed) in sides.items():
                scratch = Path(temporary) / f"{turn}-{name.replace(' ', '-')}"
                done = side(scratch, options.frames, options.seconds, *more, freed_midway=freed)
                seconds[name].append(done.finished.seconds)
                lost += options.frames - done.extracted
                widths = [s for s in done.sentences if s.startswith("GPU 0: ")]
                print(
                    f"{name:15} {done.finished.seconds:7.1f} s wall in all, {done.finished.cpu_seconds:6.1f} s CPU, "
                    f"last quarter {done.rate(0.75):5.1f} frames/s, {done.extracted} extracted",
                    flush=True,
                )
                print("".join(f"    {sentence}\n" for sentence in widths), end="", flush=True)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    best = min(median[name] for name in fixed)
    elastic, freed_gain = best / median["elastic"], median["freed, fixed"] / median["freed, elastic"]
    print(f"elastic / best fixed: {elastic:.2f} (to reach: {TO_REACH})")
    print(f"freed midway, elastic / fixed: {freed_gain:.2f} (to reach: {TO_REACH_FREED})")
    print(f"frames lost: {lost}")
    return 0 if elastic >= TO_REACH and freed_gain >= TO_REACH_FREED and not lost else 1


if __name__ == "__main__":
    sys.exit(main())
