"""What failures cost: stock DeepFaceLab and dflwrap side by side, on the same install and the same frames.

    DFLWRAP_TEST_DFL_ROOT=... DFLWRAP_TEST_DFL_PYTHON=... python -m benchmarks.faults \\
        [--frames 200] [--poison 0,1,3,10] [--kinds raise,kill] [--rounds N] [--workers N] [--json FILE]

A poison frame carries a coloured block in its corner; a stand-in for the detector's module, put in front of
the real one in a temporary view of the install (links, nothing is changed), sees it and raises, or kills
its own worker. Both sides run that same view. Stock is ended at a timeout, since it may hang forever.
The sides alternate, so that a busy machine slows both alike; of the clean runs (`--rounds`) the ratio of
each pair is shown. What a poison frame may cost is said in the time of a frame and of a worker's start, which
the clean runs' own events give. `--black-box` adds runs without the agent: attempts until each poison frame
stands alone.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks._common import Target, dotted_frames, end_with_me, environment, extract_command, real_dfl, run
from benchmarks._shims import linked_view
from dflwrap.faceset.face_file.errors import FaceFileError
from dflwrap.faceset.face_file.verify import verify_face

MARKS = {"raise": (255, 0, 255), "kill": (255, 255, 0)}
"""Kind of poison -> colour of the corner, BGR. Neither is a face to the made-up weights."""

SHIM = '''\
"""In front of the detector's module: frames with a marked corner raise, or kill their worker."""
import importlib.util
import os
import signal

_spec = importlib.util.spec_from_file_location("facelib.real_S3FDExtractor", {original!r})
_real = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_real)


class S3FDExtractor(_real.S3FDExtractor):
    def extract(self, input_image, *args, **kwargs):
        corner = tuple(int(value) for value in input_image[4, 4][:3])
        if corner == RAISING:
            raise RuntimeError("poison frame of the benchmark")
        if corner == KILLING:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().extract(input_image, *args, **kwargs)
'''.replace("RAISING", repr(MARKS["raise"])).replace("KILLING", repr(MARKS["kill"]))


@dataclass(frozen=True)
class Row:
    side: str
    kind: str
    poison: int
    workers: int
    frames: int
    delivered: int
    deliverable: int
    named: int
    """Poison frames that the report names; stock names none."""
    code: int | None
    seconds: float
    cpu_seconds: float
    attempts: int
    start_seconds: float | None = None
    """dflwrap: from the host's start to the first worker's being ready."""
    frame_seconds: float | None = None
    """dflwrap: median of a frame, the worker's first left out."""


def stock_command(target: Target, source: Path, output: Path) -> list[str]:
    """As the stock script starts it, every question answered on the command line."""
    return [
        *(target.python, str(Path(target.root) / "main.py"), "extract", "--input-dir", str(source)),
        *("--output-dir", str(output), "--detector", "s3fd", "--face-type", "whole_face"),
        *("--max-faces-from-image", "0", "--image-size", "256", "--jpeg-quality", "90"),
        *("--no-output-debug", "--cpu-only"),
    ]


STOCK_ENV = {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8:backslashreplace"}


def delivered(faceset: Path) -> set[str]:
    """Source frames of the whole faces in a folder."""
    found = set()
    for path in faceset.glob("*.jpg") if faceset.is_dir() else ():
        try:
            found.add(verify_face(path, 256).source_filename or "")
        except FaceFileError:
            continue
    return found


def poison_numbers(count: int, poison: int) -> list[int]:
    """Spread evenly, the first not at once: frame numbers from 1."""
    return [round((index + 0.5) * count / poison) for index in range(poison)]


def timing(run_folder: Path) -> tuple[float | None, float | None]:
    """(seconds of a worker's start, of a frame) from the events of the first attempt."""
    try:
        lines = (run_folder / "attempts" / "0001" / "events.jsonl").read_text("utf-8").splitlines()
    except OSError:
        return None, None
    events = [json.loads(line) for line in lines]
    moments = {
        kind: next((event["time"] for event in events if event["event"] == kind), None)
        for kind in ("extractor_started", "worker_started")
    }
    began, ready = moments["extractor_started"], moments["worker_started"]
    frames = [event["seconds"] for event in events if event["event"] == "frame_done"][1:]
    start = ready - began if began is not None and ready is not None else None
    return start, statistics.median(frames) if frames else None


def measure(
    side: str,
    target: Target,
    kind: str,
    poison: int,
    frames: int,
    bound: float,
    options: argparse.Namespace,
    scratch: Path,
) -> Row:
    """`side`: "stock", "dflwrap" or "black box"."""
    marks = dict.fromkeys(poison_numbers(frames, poison), MARKS.get(kind, (0, 0, 0)))
    source = scratch / "frames"
    width, height = map(int, options.size.split("x"))
    names = dotted_frames(source, frames, (width, height), marks)
    bad = {names[number - 1] for number in marks}
    output = scratch / "aligned"
    if side == "stock":
        env = {**os.environ, **STOCK_ENV}
        env.pop("PYTHONPATH", None)
        done = run(bounded(stock_command(target, source, output), bound), scratch / "logs", env, bound + 20)
    else:
        more = ("--no-agent",) if side == "black box" else ()
        command = extract_command(target, source, output, "--workers", str(options.workers), *more)
        done = run(command, scratch / "logs", environment(), bound)
    report = done.report if side != "stock" else None
    named = {row["frame"] for row in report["quarantined"]} if report else set()
    return Row(
        *(side, kind, poison, options.workers, frames),
        len(delivered(output) - bad),
        frames - len(bad),
        len(named & bad),
        done.code,
        done.seconds,
        done.cpu_seconds,
        len(report["attempts"]) if report else 1,
        *(timing(output.with_name("aligned_dflwrap")) if side == "dflwrap" else (None, None)),
    )


_BOUND = """\
import os, signal, subprocess, sys
child = subprocess.Popen(sys.argv[2:], start_new_session=True)
signal.signal(signal.SIGTERM, lambda *_: (os.killpg(child.pid, signal.SIGKILL), os._exit(143)))
try:
    code = child.wait(float(sys.argv[1]))
except subprocess.TimeoutExpired:
    code = 124
try:
    os.killpg(child.pid, signal.SIGKILL)
except ProcessLookupError:
    pass
sys.exit(code if code >= 0 else 128 - code)
"""


def bounded(command: Sequence[str], bound: float) -> list[str]:
    """In a session of its own: stock leaves its workers behind when it is ended."""
    return [sys.executable, "-c", _BOUND, str(bound), *command]


def show(row: Row) -> str:
    ended = "at bound" if row.code in (124, None) else f"exit {row.code}"
    return (
        f"{row.side:9} {row.kind:6} {row.poison:3} poison, {row.frames} frames: delivered {row.delivered:4} of "
        f"{row.deliverable:4}, named {row.named:2}, {ended:8}, {row.seconds:6.1f} s wall, "
        f"{row.cpu_seconds:6.1f} s CPU, {row.attempts} attempt(s)"
    )


def summary(rows: Sequence[Row]) -> list[str]:
    """The ratios of the issue, from what was measured."""
    clean = {side: [r for r in rows if r.side == side and not r.poison] for side in ("stock", "dflwrap")}
    lines = []
    if all(clean.values()):
        pairs = list(zip(clean["dflwrap"], clean["stock"], strict=False))
        ratios = [ours.seconds / theirs.seconds for ours, theirs in pairs]
        cpu = [ours.cpu_seconds / theirs.cpu_seconds for ours, theirs in pairs]
        lines.append(
            f"clean run, dflwrap / stock: wall {statistics.median(ratios):.3f} (pairs: "
            f"{', '.join(f'{ratio:.3f}' for ratio in ratios)}), CPU {statistics.median(cpu):.3f}   "
            "(to reach: wall <= 1.02)"
        )
    if clean["dflwrap"]:
        base = statistics.median(row.seconds for row in clean["dflwrap"])
        base_cpu = statistics.median(row.cpu_seconds for row in clean["dflwrap"])
        start, frame = (
            statistics.median([getattr(row, name) or 0.0 for row in clean["dflwrap"]])
            for name in ("start_seconds", "frame_seconds")
        )
        lines.append(f"a worker's start takes {start:.1f} s, a frame {frame:.2f} s")
        for row in rows:
            if row.side == "dflwrap" and row.poison:
                extra, extra_cpu = row.seconds - base, row.cpu_seconds - base_cpu
                may = row.poison * (2 * frame + (start if row.kind == "kill" else 0.0))
                lines.append(
                    f"{row.poison} frame(s) that {row.kind}: {extra:+.1f} s wall (to reach: <= {may:.1f}), "
                    f"{extra_cpu:+.1f} s CPU over clean"
                )
    for row in rows:
        if row.side == "black box" and row.poison:
            most = row.poison * (math.ceil(math.log2(row.frames)) + 2)
            lines.append(
                f"black box, {row.poison} frame(s) that {row.kind} in {row.frames}: {row.attempts} attempts "
                f"(to reach: <= {most})"
            )
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--size", default="640x360", metavar="WxH", help="of the frames")
    parser.add_argument("--poison", default="0,1,3,10", help="numbers of poison frames")
    parser.add_argument("--kinds", default="raise,kill")
    parser.add_argument("--sides", default="stock,dflwrap")
    parser.add_argument("--rounds", type=int, default=2, help="clean pairs")
    parser.add_argument(
        "--black-box", type=int, default=0, metavar="FRAMES", help="also isolate among so many"
    )
    parser.add_argument("--workers", type=int, default=1, help="of dflwrap; stock has one on two cores")
    parser.add_argument("--bound", type=float, default=0, help="seconds a run may take; 0 = 300 + 10 a frame")
    parser.add_argument("--json", type=Path, help="also write the rows there")
    options = parser.parse_args()
    end_with_me()
    target = real_dfl()
    if target is None:
        print("Set DFLWRAP_TEST_DFL_ROOT and DFLWRAP_TEST_DFL_PYTHON to an install.", file=sys.stderr)
        return 2
    bound = options.bound or 300 + 10 * options.frames
    numbers = [int(text) for text in options.poison.split(",")]
    cases = [("clean", 0)] * (options.rounds if 0 in numbers else 0)
    cases += [(kind, number) for kind in options.kinds.split(",") for number in numbers if number]
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as temporary:
        view = linked_view(target, Path(temporary) / "DeepFaceLab", "", SHIM)
        for index, (kind, number) in enumerate(cases):
            for side in options.sides.split(","):
                scratch = Path(temporary) / f"{index}-{side}"
                rows.append(measure(side, view, kind, number, options.frames, bound, options, scratch))
                print(show(rows[-1]), flush=True)
                if options.json:
                    options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))
                shutil.rmtree(scratch, ignore_errors=True)
        for number in (n for n in numbers if n and options.black_box):
            scratch = Path(temporary) / f"black-{number}"
            rows.append(
                measure("black box", view, "raise", number, options.black_box, bound, options, scratch)
            )
            print(show(rows[-1]), flush=True)
    print("\n".join(summary(rows)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
