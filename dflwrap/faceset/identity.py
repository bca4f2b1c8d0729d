"""Is this face really of this frame? Names do not tell: DeepFaceLab numbers the frames of every clip alike.

A face is warped back: what its matrix says of the frame must look like the face. Compared are low-passed grey
thumbnails by normalised correlation (`frames.likeness`), so what is done to faces and frames in this field
(denoising, sharpening, enhancing, grading, colour transfer, masks) keeps the identity. Measured on 1280x720
sample clips, 80 faces: the same frame 1.00, denoised or JPEG of quality 10 0.999, gamma 0.5 0.986, a sharpened
or colour-transferred face 0.988, locally equalised 0.94; another clip under the same names at most 0.34, another
person in the same clip 0.48, the same frame mirrored 0.62, twice the size 0.40.

Not covered: two frames that look alike in that place. The next frame of the same clip reached 0.97 where little
moved, and fell below the threshold in more than half of the cases where the camera moved: frames of one clip are not
told apart by this, clips are.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

from dflwrap.common.waits import never
from dflwrap.faceset.face_file.errors import FaceFileError, HostileMetadataError
from dflwrap.faceset.face_file.metadata import MAX_FILE_BYTES, FaceMetadata, Points, read_metadata
from dflwrap.frames.conversion import ConversionError, Converter, SourceUnreadError
from dflwrap.frames.decoder_child import SpareDecoders
from dflwrap.frames.decoding.likeness import Likeness, Piece
from dflwrap.frames.header import read_header

SAME_FROM = 0.8
"""Correlation from which a face is its frame's; see the figures above."""
RESIZED_FROM = 0.9
"""The same at another scale. Higher, since many scales are tried."""
_HEIGHTS = (240, 360, 480, 540, 576, 640, 720, 768, 800, 900, 960, 1080, 1200, 1440, 1600, 2160, 4320)
"""Pixels: heights of clips in use, to guess the size a frame had before."""
_RATIOS = (0.25, 1 / 3, 0.5, 2 / 3, 0.75, 4 / 3, 1.5, 2.0, 3.0, 4.0)
_MOST_WORKERS = 4


class Match(StrEnum):
    """A face, or all faces of a frame, against the frame's file."""

    SAME = "same"
    RESIZED = "resized"
    """The same picture at another size: the coordinates in the metadata do not fit it."""
    OTHER = "other"
    """Not this picture."""
    UNDECIDED = "undecided"
    """Cannot be told: one of them cannot be read, shows nothing (black), or has no coordinates."""


@dataclass(frozen=True, slots=True)
class FaceMatch:
    """What came of holding one face against its frame."""

    match: Match
    correlation: float | None = None
    """-1 to 1; None where no pictures were compared."""
    face_problem: str = ""
    """Why the face cannot be used: its picture or its metadata is broken."""
    frame_problem: str = ""
    """Why the frame cannot be used."""
    hostile: bool = False
    """The face's metadata would run code when DeepFaceLab loads it."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A frame's file and files of faces that say they are of it."""

    frame: Path
    faces: tuple[Path, ...]
    longest_side: int = 0
    """Of the frame when its faces were made, pixels, to recognise it at another size; 0 = not known."""


def match_of(faces: Iterable[FaceMatch]) -> Match:
    """What the faces say together of their frame: one that is really of it speaks for the frame."""
    found = {face.match for face in faces}
    return next((kind for kind in (Match.SAME, Match.RESIZED, Match.OTHER) if kind in found), Match.UNDECIDED)


class FaceMatcher:
    """Holds faces against frames. Pictures are decoded in child processes: a broken one may kill its decoder.

    Read-only. At most `workers` children run, which start on first use and end with `close`.
    """

    def __init__(
        self,
        workers: int | None = None,
        stopping: Callable[[], bool] = never,
        spares: SpareDecoders | None = None,
    ) -> None:
        """workers: decoders at work; None = one a CPU, four at most. stopping: True ends `matches` by StoppedError.
        spares: as for `Converter`.
        """
        self._workers = workers or min(_MOST_WORKERS, os.cpu_count() or 1)
        self._free = [Converter(stopping, spares) for _ in range(self._workers)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        for converter in self._free:
            converter.close()

    def matches(self, pairs: Sequence[Pair]) -> Iterator[list[FaceMatch]]:
        """For each pair, in order, a match for each of its faces. Nothing that lies on the disk raises."""
        with ThreadPoolExecutor(self._workers, thread_name_prefix="face-match") as pool:
            window = 4 * self._workers  # not all at once: a reader that stops early has not paid for the rest
            for start in range(0, len(pairs), window):
                yield from pool.map(self._match_with_free, pairs[start : start + window])

    def judge(self, pairs: Sequence[Pair]) -> list[Match]:
        """For each pair what its faces together say of its frame."""
        return [match_of(found) for found in self.matches(pairs)]

    def _match_with_free(self, pair: Pair) -> list[FaceMatch]:
        converter = self._free.pop()  # as many threads as converters: there is always one
        try:
            return _match(converter, pair)
        finally:
            self._free.append(converter)


def _match(converter: Converter, pair: Pair) -> list[FaceMatch]:
    results: dict[Path, FaceMatch] = {}
    known: list[tuple[Path, FaceMetadata]] = []
    for path in pair.faces:
        metadata = _metadata(path)
        if isinstance(metadata, FaceMatch):
            results[path] = metadata
        else:
            known.append((path, metadata))
    problem = "" if pair.frame.is_file() else "there is no such file"
    if not problem:
        found, problem = _compared(converter, pair.frame, [_piece(path, face) for path, face in known])
    if problem:
        for path, _ in known:
            looks, face_problem = _compared(converter, None, [Piece(path, ())])
            face_problem = face_problem or looks[0].problem
            results[path] = FaceMatch(Match.UNDECIDED, None, face_problem, problem)
        # A face that kills its decoder took the frame with it: the frame is tried without it.
        sound = tuple(path for path, _ in known if not results[path].face_problem)
        if sound and len(sound) < len(known) and pair.frame.is_file():
            again = Pair(pair.frame, sound, pair.longest_side)
            results.update(zip(sound, _match(converter, again), strict=True))
        return [results[path] for path in pair.faces]
    for (path, face), likeness in zip(known, found, strict=True):
        verdict = _verdict(likeness) if likeness.problem or likeness.correlations else _placed(pair, face)
        if verdict.match is not Match.SAME and likeness.correlations and not likeness.flat:
            verdict = _at_another_size(converter, pair, path, face, verdict)
        results[path] = verdict
    return [results[path] for path in pair.faces]


def _metadata(path: Path) -> FaceMetadata | FaceMatch:
    try:
        if not path.is_file() or path.stat().st_size > MAX_FILE_BYTES:
            return FaceMatch(Match.UNDECIDED, face_problem="no file, or too large for a face")
        metadata = read_metadata(path)
    except HostileMetadataError as error:
        return FaceMatch(Match.UNDECIDED, face_problem=str(error), hostile=True)
    except FaceFileError as error:
        return FaceMatch(Match.UNDECIDED, face_problem=str(error))
    except OSError as error:
        return FaceMatch(Match.UNDECIDED, face_problem=f"the file cannot be read ({error.strerror or error})")
    return metadata or FaceMatch(Match.UNDECIDED, face_problem="the face has no metadata")


def _compared(converter: Converter, frame: Path | None, pieces: list[Piece]) -> tuple[list[Likeness], str]:
    if not pieces:
        return [], ""
    try:
        return converter.likeness(frame, pieces), ""
    except (ConversionError, SourceUnreadError) as error:
        return [Likeness()] * len(pieces), str(error)


def _verdict(found: Likeness) -> FaceMatch:
    if found.problem:
        return FaceMatch(Match.UNDECIDED, face_problem=found.problem)
    known = [value for value in found.correlations if value is not None]
    if not known:
        return FaceMatch(Match.UNDECIDED)
    best = max(known)
    return FaceMatch(Match.SAME if best >= SAME_FROM else Match.OTHER, best)


def _placed(pair: Pair, face: FaceMetadata) -> FaceMatch:
    """Of a face without a matrix and without the landmarks to rebuild it: does it lie within the frame it names?"""
    rect = face.source_rect
    points = face.source_landmarks or ((rect[:2], rect[2:]) if rect is not None else ())
    width, height = _size(pair.frame)
    if not points or not width or not height:
        return FaceMatch(Match.UNDECIDED)
    x, y = (sum(point[axis] for point in points) / len(points) for axis in (0, 1))
    named = face.source_filename == pair.frame.name
    return FaceMatch(Match.SAME if named and 0 <= x <= width and 0 <= y <= height else Match.OTHER)


def _size(frame: Path) -> tuple[int, int]:
    """Width and height by the header, pixels; (0, 0) where it does not tell."""
    try:
        facts = read_header(frame)
    except OSError:
        return 0, 0
    return facts.width or 0, facts.height or 0


def _at_another_size(
    converter: Converter, pair: Pair, path: Path, face: FaceMetadata, found: FaceMatch
) -> FaceMatch:
    """RESIZED where the face fits the frame at another scale, else `found`."""
    piece = _piece(path, face)
    scales = _scales(pair)
    matrices = tuple(
        (a / scale, b / scale, c, d / scale, e / scale, f)
        for a, b, c, d, e, f in piece.matrices
        for scale in scales
    )
    looks, _ = _compared(converter, pair.frame, [Piece(path, matrices, piece.box)])
    best = max((value for value in looks[0].correlations if value is not None), default=-1.0)
    return FaceMatch(Match.RESIZED, best) if best >= RESIZED_FROM else found


def _scales(pair: Pair) -> list[float]:
    """Frame now / frame as it was, as far as that can be known or guessed."""
    width, height = _size(pair.frame)
    if pair.longest_side and width:
        scale = max(width, height) / pair.longest_side
        return [scale] if abs(scale - 1) > 0.001 else []
    guesses = {round(height / other, 4) for other in _HEIGHTS if height} | {round(r, 4) for r in _RATIOS}
    return sorted(guesses - {1.0})


def _piece(path: Path, face: FaceMetadata) -> Piece:
    """Where the face is to be found: its matrix, and that which its two sets of landmarks give."""
    matrices = []
    if face.image_to_face_mat is not None and face.face_type != "mark_only":
        matrices.append(tuple(value for row in face.image_to_face_mat for value in row))
    if face.source_landmarks is not None and face.landmarks is not None:
        rebuilt = similarity(face.source_landmarks, face.landmarks)
        if rebuilt is not None and not any(
            _alike(rebuilt, matrix, face.source_landmarks) for matrix in matrices
        ):
            matrices.append(rebuilt)
    box = _box(face.landmarks) if face.face_type == "mark_only" and face.landmarks is not None else None
    return Piece(path, tuple(matrices), box)


def _alike(one: Sequence[float], other: Sequence[float], points: Points) -> bool:
    """Both carry the points to the same places, within a pixel of the face."""
    a, b, c, d, e, f = (mine - theirs for mine, theirs in zip(one, other, strict=True))
    return all(abs(a * x + b * y + c) < 1 and abs(d * x + e * y + f) < 1 for x, y in points)


def similarity(points: Points, targets: Points) -> tuple[float, ...] | None:
    """Turn, scale and shift that carry `points` onto `targets` with least squared error, six numbers row by row.

    None where all points are one. In complex numbers the matrix is one factor and one summand.
    """
    ones, others = [complex(*point) for point in points], [complex(*point) for point in targets]
    one, other = sum(ones) / len(ones), sum(others) / len(others)
    spread = sum(abs(point - one) ** 2 for point in ones)
    if not spread > 0:
        return None
    factor = (
        sum((point - one).conjugate() * (target - other) for point, target in zip(ones, others, strict=True))
        / spread
    )
    shift = other - factor * one
    return (factor.real, -factor.imag, shift.real, factor.imag, factor.real, shift.imag)


def _box(landmarks: Points) -> tuple[float, float, float, float]:
    """A square around the landmarks with half a face of room: a mark_only face is the whole frame."""
    xs, ys = [point[0] for point in landmarks], [point[1] for point in landmarks]
    half = max(max(xs) - min(xs), max(ys) - min(ys))
    x, y = (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
    return (x - half, y - half, x + half, y + half)
