"""What the built-in extractor's networks cost beside the work that no extractor can leave out.

    python benchmarks/builtin.py [--frames N] [--threads N]

For each sample frame, in turn, so that a busy machine slows both alike: decoding the frame, warping and
encoding its faces alone (with the matrices found before); and the whole work of one worker on the frame
(reading, finding, aligning, writing). To reach: whole work at most twice the bare work.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from dflwrap.extractors.builtin.settings import FrameDone, WorkerSettings
from dflwrap.extractors.builtin.worker import FrameHandler
from dflwrap.faceset.metadata import read_metadata
from dflwrap.samples import make_frames

SIZE, QUALITY = 512, 90
TURNS = 5
"""Of both works on each frame; the fastest counts, as what else the machine does only adds."""


def bare_work(frame: Path, matrices: list[np.ndarray]) -> float:
    """Seconds to decode the frame, warp and encode its faces."""
    began = time.perf_counter()
    image = cv2.imdecode(np.frombuffer(frame.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    for matrix in matrices:
        face = cv2.warpAffine(image, matrix, (SIZE, SIZE), flags=cv2.INTER_LANCZOS4)
        cv2.imencode(".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return time.perf_counter() - began


def measure(count: int, threads: int) -> tuple[list[float], list[float], int]:
    """(bare seconds, whole seconds) per frame, and the number of faces."""
    cv2.setNumThreads(threads)
    bare, whole, faces = [], [], 0
    with tempfile.TemporaryDirectory() as scratch:
        frames, output = Path(scratch, "frames"), Path(scratch, "faces")
        names = make_frames(frames, count).frames
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
                began = time.perf_counter()
                handler.handle(name)
                turns.append((alone, time.perf_counter() - began))
            bare.append(min(alone for alone, _ in turns))
            whole.append(min(all_of_it for _, all_of_it in turns))
            faces += len(matrices)
    return bare, whole, faces


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    bare, whole, faces = measure(options.frames, options.threads)
    bare_ms, whole_ms = statistics.mean(bare) * 1e3, statistics.mean(whole) * 1e3
    print(f"{options.frames} frames of 1280x720, {faces} faces of {SIZE}x{SIZE}, {options.threads} thread(s)")
    print(f"decode + warp + encode alone: {bare_ms:6.1f} ms a frame")
    print(f"one worker, the whole work:   {whole_ms:6.1f} ms a frame")
    print(f"ratio:                        {whole_ms / bare_ms:6.2f}   (to reach: at most 2)")


if __name__ == "__main__":
    main()
