"""How fast `dflwrap check` looks at frames, against the same number of processes that merely decode them.

    python -m benchmarks.check [--frames 400] [--sizes 640x360,1280x720,1920x1080] [--kinds jpg,png] [--rounds 3]

Both sides read every file and decode it, OpenCV held to one thread in each process; `check` also judges, measures and
collects. Rates are taken from the first frame on, without the start of the processes; of `check`, what the children may
have had ready by then, their first requests, does not count. The sides alternate within a round, so that a busy machine
slows all alike. To reach (issue 16): 0.8 of the bare rate, as the median of the rounds.
The bare side is OpenCV and Python as they come, at full size and in colours. `check`'s children keep the memory that
they free (`decoder_child.KEEPS_MEMORY`), so that the ratio to bare processes that do so too is told beside it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2

from benchmarks._common import end_with_me
from dflwrap.frames.decoder_child import KEEPS_MEMORY
from dflwrap.telemetry.limits import usable_cores

TO_REACH = 0.8
_BARE = """
import sys, time, cv2, numpy as np
from pathlib import Path
cv2.setNumThreads(1)
share = sorted(Path(sys.argv[1]).iterdir())[int(sys.argv[2]) :: int(sys.argv[3])]
for number, path in enumerate(share):
    assert cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR) is not None
    if number == 0:
        began = time.monotonic()
print((len(share) - 1) / (time.monotonic() - began))
"""
_CHECK = """
import sys, time
from pathlib import Path
from dflwrap.check.checking import check_frames
from dflwrap.check.thresholds import Thresholds
from dflwrap.frames.conversion import Converter
children, began, asked = int(sys.argv[2]), [], []
measure = Converter.measure
def noted(converter, files, dark_below):
    asked.append(len(files))
    return measure(converter, files, dark_below)
Converter.measure = noted
def progress(done, total):
    if not began:
        began.append(time.monotonic())
result = check_frames(Path(sys.argv[1]), limits=Thresholds(), children=children, progress=progress)
print((result.found - sum(asked[:children])) / (time.monotonic() - began[0]))
assert result.usable == result.found > 0
"""


def rate(commands: list[list[str]], **environment: str) -> float:
    """Frames per second of all of them at once, as each says it of itself."""
    env = os.environ | environment
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) for command in commands
    ]
    said = [process.communicate(timeout=1800)[0] for process in processes]
    if any(process.returncode for process in processes):
        raise SystemExit("a side of the comparison failed")
    return sum(map(float, said))


def make(folder: Path, count: int, size: tuple[int, int], kind: str) -> None:
    from dflwrap.samples.clip import Clip

    folder.mkdir()
    clip = Clip(40, size, 0)
    made = [cv2.imencode(f".{kind}", clip.frame(index))[1].tobytes() for index in range(20)]
    for number in range(count):
        (folder / f"{number + 1:05d}.{kind}").write_bytes(made[number % len(made)])


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=400, help="of 1920 pixels; more of smaller ones")
    parser.add_argument("--sizes", default="640x360,1280x720,1920x1080")
    parser.add_argument("--kinds", default="jpg,png")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    end_with_me()
    cores, missed = usable_cores(), 0
    for kind in options.kinds.split(","):
        for size in options.sizes.split(","):
            width, height = map(int, size.split("x"))
            frames = options.frames * max(1, 1920 // width)
            with tempfile.TemporaryDirectory() as temporary:
                folder = Path(temporary) / "frames"
                make(folder, frames, (width, height), kind)
                bare = [[sys.executable, "-c", _BARE, str(folder), str(n), str(cores)] for n in range(cores)]
                check = [[sys.executable, "-c", _CHECK, str(folder), str(cores)]]
                rounds = [
                    (rate(bare), rate(bare, **KEEPS_MEMORY), rate(check)) for _ in range(options.rounds)
                ]
            ratio = statistics.median(ours / theirs for theirs, _, ours in rounds)
            keeping = statistics.median(ours / theirs for _, theirs, ours in rounds)
            ours = statistics.median(ours for _, _, ours in rounds)
            missed += ratio < TO_REACH
            print(
                f"{kind} {size}, {frames} frames, {cores} processes: check {ours:.0f} frames/s, "
                f"{ratio:.2f} of bare decoding (to reach: {TO_REACH}), "
                f"{keeping:.2f} of bare decoding that keeps its memory",
                flush=True,
            )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
