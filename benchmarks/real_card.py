"""The four rows of docs/planning.md on a real NVIDIA card: its memory is full, becomes free, is taken midway.

    python -m benchmarks.real_card [--only full,freed,taken,peak] [--frames 1500]

Needs this project with its test double, PyTorch with CUDA in the same Python, and an NVIDIA card, nothing else. The
double plays DeepFaceLab; its workers really hold 2 GiB of the card and really take 3 GiB more for each frame. Another
process takes and frees the rest. Some 12 GiB free are needed. Exit code 1 where a row is missed, 2 without such a card.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from benchmarks._cards import AnotherProgram, Done, extract, read_events, watch
from benchmarks._common import end_with_me

HOLD, FRAME = 2048, 3072
LEAST = 12_288
"""MiB that have to be free."""


def why_not() -> str:
    """Why it cannot run here; empty where it can."""
    if find_spec("torch") is None:
        return "PyTorch is not installed in this Python: pip install torch"
    import torch

    if not torch.cuda.is_available():
        return "PyTorch sees no NVIDIA card here: a card and its driver are needed"
    free = torch.cuda.mem_get_info(0)[0] >> 20
    return "" if free >= LEAST else f"GPU 0 has {free} MiB free; {LEAST} MiB are needed: close what uses it"


class Trial:
    """One row: a run beside another program."""

    def __init__(self, scratch: Path, free: int) -> None:
        """free: MiB of the card before the other program is there."""
        self.scratch, self.other = scratch, AnotherProgram()
        self.free = self.other.free
        self.context = free - self.free
        """MiB that the driver takes for each process on the card, before any tensor."""
        self.freed_at = 0.0

    def leave(self, mib: int) -> None:
        """The other program holds all but so much."""
        self.other.holds(self.free - mib)

    def free_card(self) -> None:
        self.other.holds(0)
        self.freed_at = time.time()

    def after(self, seconds: float, then: Callable[[], None]) -> None:
        timer = threading.Timer(seconds, then)
        timer.daemon = True
        timer.start()

    def run(self, frames: int, *more: str, seconds: float = 0.1) -> Done:
        vram = {"cuda": True, "hold": HOLD, "frame": FRAME}
        options = {"frame_seconds": seconds, "cpu_seconds": 1.0, "vram": vram}
        try:
            return extract(self.scratch, frames, options, {}, *more)
        finally:
            self.other.close()


def full(trial: Trial, frames: int) -> tuple[bool, Done, str]:
    """Full at the start, free again after 40 s: the CPU works meanwhile, the card comes back without a restart."""
    trial.leave(300)
    trial.after(40, trial.free_card)
    done = trial.run(frames)
    on_card = [e["time"] for e in done.events if e["event"] == "frame_done" and e["worker"].startswith("GPU")]
    back = min(on_card) - trial.freed_at if on_card and trial.freed_at else float("inf")
    held = done.extracted == frames and done.attempts == 1 and back < 60
    return held, done, f"first frame on the card {back:.0f} s after it was free"


def freed(trial: Trial, frames: int) -> tuple[bool, Done, str]:
    """7.5 GiB free, all of it after 50 s: wider within seconds."""
    trial.leave(7680)
    trial.after(50, trial.free_card)
    done = trial.run(2 * frames)
    before, after = done.rate(0.02, 0.1), done.rate(0.75)
    held = done.extracted == 2 * frames and done.attempts == 1 and after > 1.3 * before
    return held, done, f"{before:.1f} frames/s before, {after:.1f} at the end"


def taken(trial: Trial, frames: int) -> tuple[bool, Done, str]:
    """Another program takes all but 4 GiB midway: fewer workers, no frame blamed or re-encoded."""

    def half_way(events: list[dict[str, object]]) -> bool:
        return sum(event["event"] == "frame_done" for event in events) >= frames // 2

    def take() -> None:
        held = sum(event["event"] == "worker_started" for event in read_events(trial.scratch / "aligned"))
        trial.other.holds(trial.free - 4096 - held * (HOLD + trial.context))

    watch(trial.scratch / "aligned", half_way, take)
    done = trial.run(frames)
    held = done.extracted == frames and not done.count("frame_failed") and not done.count("repair_wanted")
    return (
        held,
        done,
        f"{done.count('frame_again')} frames went round again, {done.count('frame_failed')} failed",
    )


def peak(trial: Trial, frames: int) -> tuple[bool, Done, str]:
    """What a worker needs is remembered as what it held and was refused, not as what single looks saw."""
    trial.leave(8192)
    done = trial.run(frames, seconds=0.06)
    path = trial.scratch / "cache" / "dflwrap" / "peaks.json"
    found = json.loads(path.read_text())["peaks"].values() if path.exists() else ()
    vram = max((entry["vram"] or 0 for entry in found), default=0) / 2**30
    return vram >= (HOLD + FRAME) / 1024 and done.extracted == frames, done, f"{vram:.1f} GiB remembered"


ROWS = {row.__name__: row for row in (full, freed, taken, peak)}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(ROWS), help="rows, by name")
    parser.add_argument("--frames", type=int, default=1500)
    options = parser.parse_args()
    nothing = why_not()
    if nothing:
        print(f"not run: {nothing}", file=sys.stderr)
        return 2
    import torch

    end_with_me()
    free = torch.cuda.mem_get_info(0)[0] >> 20
    print(f"{torch.cuda.get_device_name(0)}, {free} MiB free", flush=True)
    missed = 0
    for name in options.only.split(","):
        with tempfile.TemporaryDirectory() as temporary:
            held, done, words = ROWS[name](Trial(Path(temporary), free), options.frames)
        missed += not held
        print(
            f"{'held' if held else 'MISSED':7} {name}: {words}; {done.finished.seconds:.0f} s in all",
            flush=True,
        )
        print("".join(f"    {sentence}\n" for sentence in done.sentences), end="", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
