"""What the built-in extractor finds, how straight it lays it, and what its networks cost.

    python benchmarks/builtin.py [--photos FOLDER] [--without-faces FOLDER] [--frames N] [--threads N]

The two sample people, and the people of `--photos` (photographs with one face each; others are left out), are shown
turned, small, in crowds, blurred, dark, half covered; in the pictures of `--without-faces` nothing may be found. Then
for each sample frame, in turn, so that a busy machine slows both alike: decoding it, warping and encoding its faces
alone (with the matrices found before); and the whole work of one worker on it (reading, finding, aligning, writing).
Exit code 1 where a threshold is missed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks._finding import SCENES, Image, Portrait, Tally, is_empty, misses, portrait_of, tallies
from dflwrap.extractors.builtin.finding.finder import FaceFinder
from dflwrap.extractors.builtin.settings import FrameDone, WorkerSettings
from dflwrap.extractors.builtin.worker import FrameHandler
from dflwrap.faceset.face_file.metadata import read_metadata
from dflwrap.samples import make_frames
from dflwrap.samples.photos import ASTRONAUT, HOPPER

SIZE, QUALITY = 512, 90
MAX_COST = 1.5
"""Whole work over bare work, at 640x360."""
TURNS = 5
"""Of both works on each frame; the fastest counts, as what else the machine does only adds."""


def bare_work(frame: Path, matrices: list[np.ndarray]) -> float:
    """CPU seconds to decode the frame, warp and encode its faces."""
    began = time.process_time()
    image = cv2.imdecode(np.frombuffer(frame.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    for matrix in matrices:
        face = cv2.warpAffine(image, matrix, (SIZE, SIZE), flags=cv2.INTER_LANCZOS4)
        cv2.imencode(".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return time.process_time() - began


def measure(count: int, threads: int, size: tuple[int, int]) -> tuple[list[float], list[float], int]:
    """(bare, whole) CPU seconds per frame, and the number of faces."""
    cv2.setNumThreads(threads)
    bare, whole, faces = [], [], 0
    with tempfile.TemporaryDirectory() as scratch:
        frames, output = Path(scratch, "frames"), Path(scratch, "faces")
        names = make_frames(frames, count, size).frames
        output.mkdir()
        handler = FrameHandler(
            WorkerSettings(str(frames), str(output), None, "whole_face", SIZE, QUALITY, 0, threads)
        )
        for name in names:
            first = handler.handle(name)
            if not isinstance(first, FrameDone):
                raise SystemExit(f"{name}: {first.error}")
            found = [read_metadata(output / face) for face in first.faces]
            matrices = [np.array(m.image_to_face_mat) for m in found if m is not None]
            turns = []
            for _ in range(TURNS):
                alone = bare_work(frames / name, matrices)
                began = time.process_time()
                handler.handle(name)
                turns.append((alone, time.process_time() - began))
            bare.append(min(alone for alone, _ in turns))
            whole.append(min(all_of_it for _, all_of_it in turns))
            faces += len(matrices)
    return bare, whole, faces


def pictures(folder: Path) -> dict[str, Image]:
    """By name; what is no picture is left out."""
    read = {path.name: cv2.imread(str(path)) for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: np.asarray(image, np.uint8) for name, image in read.items() if image is not None}


def people(finder: FaceFinder, folder: Path | None) -> list[Portrait]:
    """The sample people and those of `folder`."""
    photos = {"Eileen Collins": ASTRONAUT.load(), "Grace Hopper": HOPPER.load()}
    if folder is not None:
        photos |= pictures(folder)
    found = {name: portrait_of(finder, name, photo) for name, photo in photos.items()}
    for name in [name for name, portrait in found.items() if portrait is None]:
        print(f"left out: {name} (not exactly one face is found)")
    return [portrait for portrait in found.values() if portrait is not None]


def show(found: dict[str, Tally]) -> None:
    print(f"{'scene':18} {'found':>10}  false  double  off by, % of the side  over 10 %")
    for name, tally in found.items():
        print(
            f"{name:18} {tally.found:4} of {tally.people:3}  {tally.false:5}  {tally.double:6}"
            f"  {100 * tally.error:10.2f}  {tally.astray:21}"
        )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=Path, help="folder of photographs with one face each")
    parser.add_argument("--without-faces", type=Path, help="folder of pictures without a face")
    parser.add_argument("--scenes", nargs="+", choices=SCENES, help="only these")
    parser.add_argument("--frames", type=int, default=30, help="for the cost; 0 = leave it out")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    cv2.setNumThreads(options.threads)
    finder = FaceFinder(options.threads)
    found = tallies(finder, people(finder, options.photos), options.scenes)
    show(found)
    broken = misses(found)
    if options.without_faces is not None:
        without = pictures(options.without_faces)
        full = [name for name, picture in without.items() if not is_empty(finder, picture)]
        print(f"faces in {len(full)} of {len(without)} pictures without one: {', '.join(full) or '-'}")
        broken += [f"a face in {name}" for name in full]
    for size in ((640, 360), (1280, 720)) if options.frames else ():
        bare, whole, faces = measure(options.frames, options.threads, size)
        ratio = sum(whole) / sum(bare)
        print(
            f"{options.frames} frames of {size[0]}x{size[1]}, {faces} faces of {SIZE}x{SIZE}, CPU ms a frame: decode + "
            f"warp + encode {statistics.mean(bare) * 1e3:.1f}, all {statistics.mean(whole) * 1e3:.1f}: {ratio:.2f} x"
        )
        if size == (640, 360) and ratio > MAX_COST:
            broken.append(f"cost {ratio:.2f} x the bare work instead of {MAX_COST} at most")
    for text in broken:
        print(f"MISSED: {text}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
