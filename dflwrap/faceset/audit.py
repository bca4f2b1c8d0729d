"""Is the faceset what it is said to be? The one function behind `dflwrap verify`, resuming, adopting and a run's end.

Every face is whole, safe to load, of a known frame, and really shows it. Read-only: nothing is moved, written or
unpickled, and pictures are decoded in child processes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from pathlib import Path

from dflwrap.common.errors import DflwrapError
from dflwrap.common.text import display
from dflwrap.common.waits import heeding, never
from dflwrap.faceset.census import Identity, identity_of, take_census
from dflwrap.faceset.face_file.errors import FaceFileError, HostileMetadataError
from dflwrap.faceset.face_file.jpeg import check_image_data, header_segments
from dflwrap.faceset.face_file.metadata import FaceMetadata, metadata_in, read_metadata
from dflwrap.faceset.face_file.verify import verify_face
from dflwrap.faceset.identity import FaceMatch, FaceMatcher, Match, Pair
from dflwrap.faceset.listing import FACE_SUFFIXES, PAK
from dflwrap.faceset.record import KnownFrames, Record
from dflwrap.faceset.review import Odd, review
from dflwrap.faceset.sights import Sight, sight_of


class Kind(StrEnum):
    """What is said of a file of the faceset that is not simply sound."""

    TORN = "torn"
    """Not whole: cut short, damaged, or its metadata is missing or incomplete."""
    HOSTILE = "hostile"
    """Its metadata would run code when DeepFaceLab loads it."""
    NOT_ITS_FRAME = "not_its_frame"
    """The frame that it names shows something else where the face should be."""
    FOREIGN = "foreign"
    """It names a frame that is not one of this clip, or one of that name which shows something else, and the run
    has not recorded it: several clips are collected in one faceset on purpose."""
    UNCHECKED = "unchecked"
    """Whole, but it could not be held against its frame."""
    OTHER = "other"
    """A picture that is no face of DeepFaceLab's."""


FAULTS = frozenset({Kind.TORN, Kind.HOSTILE, Kind.NOT_ITS_FRAME})
"""What a sound faceset does not hold; the others are notes."""
_NO_FACE_OF_THE_CLIP = FAULTS | {Kind.FOREIGN}
PAIRS_AT_ONCE = 256
"""Frames whose faces are asked about together."""
_AT_ONCE = 16
"""Faces of one frame that are compared in one go: many clips collected in one folder share their frames' names."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to be said of one file of the faceset."""

    file: str
    kind: Kind
    reason: str
    source: str = ""
    """File name of the frame, as the face says; "" = unknown."""
    correlation: float | None = None
    """With its frame, where the two were compared."""


@dataclass(frozen=True, slots=True)
class Gone:
    """A recorded face that no file of the faceset carries any more."""

    file: str
    """Its name when it was recorded."""
    source: str


@dataclass(slots=True)
class Audit:
    """What was found. Names are file names in the faceset, and of frames."""

    files: int = 0
    """JPEGs in the faceset."""
    examined: int = 0
    """Of these read as a whole and, where they name a known frame, held against it: all, or the sample."""
    compared: int = 0
    """Of these compared with the frame's picture."""
    frames_known: bool = False
    """False: nothing is known of the frames, so that no face can be foreign or not its frame's."""
    findings: list[Finding] = field(default_factory=list)
    missing: list[Gone] = field(default_factory=list)
    culled: list[Gone] = field(default_factory=list)
    """The user has removed them: known from an earlier look, or they lie in DeepFaceLab's trash folder."""
    crowded: dict[str, list[str]] = field(default_factory=dict)
    """Frames with more than one face, where one was asked for."""
    odd: list[Odd] = field(default_factory=list)
    pak: bool = False
    """There is a packed faceset beside the files; it was not looked into."""

    def of(self, kind: Kind) -> list[Finding]:
        return [finding for finding in self.findings if finding.kind is kind]

    @property
    def faulty(self) -> bool:
        return bool(self.crowded) or any(finding.kind in FAULTS for finding in self.findings)


def audit(
    faceset: Path,
    *,
    frames: Path | None = None,
    record: Record | None = None,
    sample: int | None = None,
    one_face_per_frame: bool = False,
    matcher: FaceMatcher | None = None,
    progress: Callable[[int, int], None] | None = None,
    stopping: Callable[[], bool] = never,
) -> Audit:
    """Look at every face of `faceset`.

    frames: folder of the frames. record: what the run remembers; without one nothing is missing or culled.
    sample: number of faces, evenly spread, that are read as a whole and held against their frames; of the
    others the header is read. None = all. progress: called with (faces done, faces in all).
    Raises DflwrapError when the faceset or the frames cannot be read, or the faceset is packed;
    StoppedError when `stopping` says so (a `matcher` that is given has its own).
    """
    names, pak = _listing(faceset)
    result = Audit(files=len(names), pak=pak)
    known = KnownFrames(frames, record)
    result.frames_known = known.any
    chosen = set(names if sample is None else _spread(names, sample))
    result.examined = len(chosen)
    recorded = None if record is None else _hold_against_record(faceset, record, result, stopping)
    work = _Work(faceset, known, recorded, result)
    for name in heeding(stopping, names):
        work.enter(name, whole=name in chosen)
    with ExitStack() as stack:
        work.compare(matcher or stack.enter_context(FaceMatcher(stopping=stopping)), chosen, progress)
    broken = {finding.file for finding in result.findings if finding.kind in (Kind.TORN, Kind.HOSTILE)}
    result.missing = [gone for gone in result.missing if gone.file not in broken]
    if one_face_per_frame:
        result.crowded = {source: files for source, files in work.by_frame.items() if len(files) > 1}
    others = {finding.file for finding in result.findings if finding.kind in _NO_FACE_OF_THE_CLIP}
    sights = [sight for sight in work.sights if sight.file not in others]
    result.odd = review(sights, known.names or sorted({sight.source for sight in sights}))
    result.findings.sort(key=lambda finding: finding.file)
    return result


def _listing(faceset: Path) -> tuple[list[str], bool]:
    try:
        names = sorted(os.listdir(faceset))  # noqa: PTH208 - names only
    except OSError as error:
        raise DflwrapError(
            f"The faceset cannot be read: {display(str(faceset))} ({error.strerror or error}). "
            "Give the folder that holds the faces."
        ) from None
    faces = [name for name in names if Path(name).suffix.lower() in FACE_SUFFIXES]
    if PAK in names and not faces:
        raise DflwrapError(
            f"The faceset is packed: {display(str(faceset / PAK))}. "
            "Unpack it with DeepFaceLab's util --unpack-faceset first."
        )
    return faces, PAK in names


def _spread(names: Sequence[str], count: int) -> list[str]:
    if count >= len(names):
        return list(names)
    return [names[number * len(names) // count] for number in range(count)]


class _Work:
    """One pass over the faceset."""

    def __init__(self, faceset: Path, known: KnownFrames, recorded: set[str] | None, result: Audit) -> None:
        """recorded: the files that the run has recorded; None = there is no run."""
        self._faceset, self._known, self._recorded, self._result = faceset, known, recorded, result
        self._of: dict[str, list[str]] = {}
        self.sights: list[Sight] = []

    @property
    def by_frame(self) -> dict[str, list[str]]:
        """Whole faces by the frame that they name, in order."""
        others = {finding.file for finding in self._result.findings if finding.kind in _NO_FACE_OF_THE_CLIP}
        kept = ((source, [f for f in files if f not in others]) for source, files in sorted(self._of.items()))
        return {source: files for source, files in kept if files}

    def _find(self, file: str, kind: Kind, reason: str, source: str = "", like: float | None = None) -> None:
        self._result.findings.append(Finding(file, kind, reason, source, like))

    def enter(self, name: str, *, whole: bool) -> None:
        """Read one file's metadata, and what it says about itself."""
        path = self._faceset / name
        if path.is_symlink() or not path.is_file():
            self._find(name, Kind.OTHER, "a link or a folder, not a file")
            return
        try:
            metadata = verify_face(path) if whole else read_metadata(path)
        except FaceFileError as error:
            self._broken(path, error)
            return
        except OSError as error:
            self._find(name, Kind.UNCHECKED, f"the file cannot be read ({error.strerror or error})")
            return
        if metadata is None or not metadata.source_filename:
            self._bare(name)
            return
        self._take(name, metadata)

    def _take(self, name: str, metadata: FaceMetadata) -> None:
        source = self._known.name(metadata.source_filename or "")
        if source is None and self._known.any:
            reason = "the frame that it names is not one of this clip"
            self._find(name, Kind.FOREIGN, reason, metadata.source_filename or "")
            return
        source = source or metadata.source_filename or ""
        self._of.setdefault(source, []).append(name)
        sight = sight_of(name, metadata)
        if sight is not None:
            self.sights.append(sight)

    def _broken(self, path: Path, error: FaceFileError) -> None:
        if isinstance(error, HostileMetadataError) or isinstance(error.__cause__, HostileMetadataError):
            self._find(path.name, Kind.HOSTILE, str(error))
        elif isinstance(error.__cause__, OSError):
            self._find(path.name, Kind.UNCHECKED, str(error))
        elif _is_bare(path):
            self._bare(path.name)
        else:
            self._find(path.name, Kind.TORN, str(error))

    def _bare(self, name: str) -> None:
        """A whole picture without metadata: half-written where a face should be, else the user's own."""
        ours = self._known.stem_known(name) or name in (self._recorded or ())
        kind = Kind.TORN if ours else Kind.OTHER
        self._find(name, kind, "the face has no metadata")

    def compare(
        self, matcher: FaceMatcher, chosen: set[str], progress: Callable[[int, int], None] | None
    ) -> None:
        """Hold the chosen faces against their frames."""
        if self._known.folder is None:
            return
        done = 0
        wanted = sum(file in chosen for files in self._of.values() for file in files)
        pairs = self._pairs(self._known.folder, chosen)
        while some := list(islice(pairs, PAIRS_AT_ONCE)):
            found = matcher.matches([pair for _, pair in some])
            for (source, pair), matches in zip(some, found, strict=True):
                for path, match in zip(pair.faces, matches, strict=True):
                    self._judge(path.name, source, match)
                done += len(matches)
                if progress is not None:
                    progress(done, wanted)

    def _pairs(self, folder: Path, chosen: set[str]) -> Iterator[tuple[str, Pair]]:
        """Each frame with the chosen faces that name it."""
        for source, files in self._of.items():
            wanted = [file for file in files if file in chosen]
            for start in range(0, len(wanted), _AT_ONCE):
                faces = tuple(self._faceset / file for file in wanted[start : start + _AT_ONCE])
                yield source, Pair(self._known.path(folder, source), faces)

    def _judge(self, name: str, source: str, match: FaceMatch) -> None:
        self._result.compared += match.correlation is not None
        if match.hostile:
            self._find(name, Kind.HOSTILE, match.face_problem, source)
        elif match.face_problem:
            self._find(name, Kind.TORN, match.face_problem, source)
        elif match.frame_problem:
            self._find(name, Kind.UNCHECKED, f"its frame cannot be read: {match.frame_problem}", source)
        elif match.match in (Match.OTHER, Match.RESIZED):
            strange = self._recorded is not None and name not in self._recorded
            kind = Kind.FOREIGN if strange else Kind.NOT_ITS_FRAME
            self._find(name, kind, _NOT_ITS_FRAME[match.match], source, match.correlation)
        elif match.match is Match.UNDECIDED:
            self._find(name, Kind.UNCHECKED, "the face or its frame shows nothing to compare", source)


_NOT_ITS_FRAME = {
    Match.OTHER: "the frame shows something else where the face should be",
    Match.RESIZED: "the frame has another size than when the face was made: the face's coordinates do not fit it",
}


def _is_bare(path: Path) -> bool:
    """A whole JPEG without any metadata segment."""
    try:
        data = path.read_bytes()
        segments = header_segments(data)
        check_image_data(data, segments)
        return metadata_in(data, segments) is None
    except (FaceFileError, OSError):
        return False


def _hold_against_record(
    faceset: Path, record: Record, result: Audit, stopping: Callable[[], bool]
) -> set[str]:
    """Enter what is gone; the files that the run knows, by their names or as renamed."""
    try:
        census = take_census(faceset, record.faces(), record.source_of, record.image_size, stopping)
    except OSError as error:
        raise DflwrapError(
            f"The faceset cannot be read: {display(str(faceset))} ({error.strerror or error})."
        ) from None
    trash = _identities(faceset.with_name(faceset.name + "_trash")) if census.missing else set()
    for row in census.missing:
        source = record.source_of(row.frame) or ""
        rect = row.facts.rect if row.facts is not None else None
        rounded = tuple(round(value, 2) for value in rect) if rect is not None else None
        culled = row.missing or (source, rounded) in trash
        (result.culled if culled else result.missing).append(Gone(row.name, source))
    return {row.name for row in record.faces()} | {name for _, name in census.renamed}


def _identities(folder: Path) -> set[Identity]:
    """Of the faces in a folder; empty where there is none."""
    found = set()
    for path in _faces_in(folder):
        try:
            metadata = read_metadata(path)
        except (FaceFileError, OSError):
            continue
        if metadata is not None:
            found.add(identity_of(metadata))
    return found


def _faces_in(folder: Path) -> Iterable[Path]:
    try:
        return [path for path in folder.iterdir() if path.suffix.lower() in FACE_SUFFIXES and path.is_file()]
    except OSError:
        return ()
