"""Checks a folder: layout and names at once, then every frame in decoder children."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from dflwrap.check.files import Sizes, find_in_entry, find_in_file, is_online_only, may_be_online_only
from dflwrap.check.findings import Findings
from dflwrap.check.layout import find_in_layout
from dflwrap.check.names import find_in_names
from dflwrap.check.quality import Quality
from dflwrap.check.thresholds import Thresholds
from dflwrap.common.text import display
from dflwrap.common.waits import heeding, never
from dflwrap.frames.decoding.measures import Measures
from dflwrap.frames.inventory import FrameEntry, Inventory, check_folder, take_inventory
from dflwrap.frames.layout import Arrangement, Layout, look_at_layout
from dflwrap.frames.many import DecoderPool
from dflwrap.planning.yields import spread

T = TypeVar("T")

MOST_DOUBTFUL = 60
"""Frames on a contact sheet."""
MOST_SAMPLED = 200
_DOUBTFUL = frozenset({"blurred", "dark", "overexposed", "black"})


class Sample(Generic[T]):
    """At most twice `most` of the items that are added, evenly spread over them; `items` gives at most `most`."""

    def __init__(self, most: int) -> None:
        self._most, self._step, self._added = most, 1, 0
        self._kept: list[T] = []

    def add(self, item: T) -> None:
        if self._added % self._step == 0:
            self._kept.append(item)
        self._added += 1
        if len(self._kept) >= 2 * self._most:
            self._kept, self._step = self._kept[::2], 2 * self._step

    def items(self) -> tuple[T, ...]:
        return spread(self._kept, self._most)


@dataclass(slots=True)
class CheckResult:
    """What a folder is like."""

    layout: Layout
    findings: Findings = field(default_factory=Findings)
    found: int = 0
    usable: int = 0
    doubtful: Sample[tuple[Path, str]] = field(default_factory=lambda: Sample(MOST_DOUBTFUL))
    """Frames for a contact sheet, with their flaw."""
    longest_side: int = 0
    """Pixels, of the largest usable frame."""
    frames: Sample[Path] = field(default_factory=lambda: Sample(MOST_SAMPLED))
    """A few usable ones, for a closer look."""


def quick_check(folder: Path, stopping: Callable[[], bool] = never) -> CheckResult:
    """Layout and names only; no file is opened but a few. Raises DflwrapError, StoppedError."""
    return _begun(folder, stopping)[0]


def _begun(folder: Path, stopping: Callable[[], bool]) -> tuple[CheckResult, Inventory]:
    check_folder(folder)
    result = CheckResult(look_at_layout(folder, stopping))
    inventory = take_inventory(folder, stopping)
    find_in_layout(result.layout, inventory, result.findings)
    for place, frames in _folders(result.layout, inventory, stopping):
        find_in_names(
            place, [entry.name for entry in frames], result.findings, display(_prefix_of(place, folder))
        )
        result.found += len(frames)
    return result, inventory


def check_frames(
    folder: Path,
    *,
    limits: Thresholds,
    children: int,
    progress: Callable[[int, int], None] | None = None,
    stopping: Callable[[], bool] = never,
) -> CheckResult:
    """All of it. children: decoders at once. progress: frames done and in all. Raises DflwrapError, StoppedError."""
    result, inventory = _begun(folder, stopping)
    before = 0
    with DecoderPool(children, stopping) as pool:
        for place, frames in _folders(result.layout, inventory, stopping):
            look = _FolderLook(folder, place, result, limits)
            files = ((place / e.name, e.size) for e in look.to_open(frames))
            for path, measures in pool.measure(files, limits.dark_below):
                look.take(path, measures)
                if progress is not None:
                    progress(before + look.done, result.found)
            look.end()
            before += len(frames)
    return result


def _folders(
    layout: Layout, inventory: Inventory, stopping: Callable[[], bool]
) -> Iterator[tuple[Path, tuple[FrameEntry, ...]]]:
    """The folders whose pictures are meant as frames: the folder itself, and the others where it is not all."""
    if inventory.frames:
        yield layout.folder, inventory.frames
    if layout.arrangement is not Arrangement.FLAT:
        for sub in heeding(stopping, layout.sub_folders):
            yield sub.path, take_inventory(sub.path, stopping).frames


def _prefix_of(place: Path, top: Path) -> str:
    """Of the names of frames in `place`."""
    return "" if place == top else f"{place.relative_to(top).as_posix()}/"


class _FolderLook:
    """The frames of one folder, in order."""

    def __init__(self, top: Path, place: Path, result: CheckResult, limits: Thresholds) -> None:
        self._place, self._result = place, result
        self._prefix = _prefix_of(place, top)
        self._sizes = Sizes()
        self.done = 0
        """Frames that were opened."""
        self._quality = Quality(result.findings, limits)

    def _shown(self, name: str) -> str:
        return display(self._prefix + name)

    def to_open(self, frames: tuple[FrameEntry, ...]) -> Iterator[FrameEntry]:
        """Those with something to look into, which is on this machine."""
        for entry in frames:
            if find_in_entry(entry, self._shown(entry.name), self._result.findings):
                continue
            if may_be_online_only() and self._is_online(entry.name):
                self._result.findings.add("online-only", self._shown(entry.name))
                self._result.usable += 1  # `extract` has it downloaded
                continue
            yield entry

    def _is_online(self, name: str) -> bool:
        try:
            return is_online_only((self._place / name).stat())
        except OSError:
            return False

    def take(self, path: Path, found: Measures) -> None:
        self.done += 1
        result, shown = self._result, self._shown(path.name)
        find_in_file(path.name, shown, found, result.findings)
        self._sizes.add(found)
        flaw = self._quality.take(shown, found)
        if flaw in _DOUBTFUL:
            result.doubtful.add((path, flaw))
        if not found.usable:
            return
        result.usable += 1
        result.longest_side = max(result.longest_side, found.width, found.height)
        result.frames.add(path)

    def end(self) -> None:
        self._sizes.find(self._result.findings, display(f"{self._prefix[:-1]}: " if self._prefix else ""))
        self._quality.end(display(self._place.name))
