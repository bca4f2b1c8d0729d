"""Which frames go into which folder, in which order."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dflwrap.check.findings import Findings
from dflwrap.check.layout import find_bare, find_passed_over
from dflwrap.check.names import has_controls, is_reserved, natural_key
from dflwrap.common.choices import LayoutChoice
from dflwrap.common.errors import DflwrapError
from dflwrap.common.text import display
from dflwrap.common.waits import never
from dflwrap.faceset.input_faces import holds_faces
from dflwrap.frames.inventory import FrameEntry, check_folder, take_inventory
from dflwrap.frames.layout import Arrangement, Layout, look_at_layout
from dflwrap.frames.names import case_key


@dataclass(frozen=True, slots=True)
class Group:
    """Frames that become one folder."""

    name: str
    """Of the folder below the output; "" = the output itself."""
    folders: tuple[Path, ...]

    def frames(self, stopping: Callable[[], bool] = never) -> Iterator[tuple[Path, FrameEntry]]:
        """Folder and frame, in the order of their numbers."""
        for folder in self.folders:
            for entry in sorted(take_inventory(folder, stopping).frames, key=lambda e: natural_key(e.name)):
                yield folder, entry


def groups_of(
    folder: Path,
    choice: LayoutChoice,
    stopping: Callable[[], bool] = never,
    note: Callable[[str], None] = lambda sentence: None,
) -> tuple[Group, ...]:
    """Raises DflwrapError where there is nothing to take, or the user must choose; StoppedError.

    note: told of folders that are left out.
    """
    check_folder(folder)
    layout = look_at_layout(folder, stopping)
    if choice is not LayoutChoice.FLAT:
        for lost in layout.unreadable:
            check_folder(lost)  # says why: what is in it would be left out silently
    if layout.arrangement is Arrangement.EMPTY:
        what = ""
        if layout.videos:
            what = f" It holds a video; cut that: dflwrap prepare {display(str(folder / layout.videos[0]))} OUTPUT."
        raise DflwrapError(f"There is no picture in {display(str(folder))} or below it.{what}")
    names = [entry.name for entry in take_inventory(folder, stopping).frames if entry.problem is None]
    if holds_faces(folder, names):
        raise DflwrapError(
            f"These are finished faces, not frames: {display(str(folder))}. Give the folder of the frames."
        )
    if choice is LayoutChoice.AUTO:
        choice = _automatic(layout)
    if choice is not LayoutChoice.FLAT:
        _tell_left_out(layout, note)
    if choice is LayoutChoice.FLAT:
        if not layout.images:
            raise DflwrapError(
                f"There is no picture in the folder itself: {display(str(folder))}. Its sub-folders hold some: "
                "--layout per-person or --layout join."
            )
        return (Group("", (folder,)),)
    if choice is LayoutChoice.JOIN:
        return (Group("", (*_own(layout), *_below(layout))),)
    return per_person_groups(layout)


def _tell_left_out(layout: Layout, note: Callable[[str], None]) -> None:
    findings = Findings()
    find_passed_over(layout, findings)
    find_bare(layout, findings)
    findings.add_all("videos-not-frames", map(display, layout.videos))
    for found in findings.sorted():
        note(f"{found.kind.title} ({found.count}), left out: {', '.join(found.examples[:3])}.")


def _automatic(layout: Layout) -> LayoutChoice:
    if layout.arrangement is Arrangement.FLAT:
        return LayoutChoice.FLAT
    if layout.arrangement is Arrangement.PER_PERSON:
        people = {sub.path.relative_to(layout.folder).parts[0] for sub in layout.sub_folders}
        return LayoutChoice.PER_PERSON if len(people) > 1 else LayoutChoice.JOIN
    loose = "1 loose picture" if layout.images == 1 else f"{layout.images:,} loose pictures"
    raise DflwrapError(
        f"{display(str(layout.folder))} holds {loose}, and {layout.below:,} in sub-folders. "
        "Say what belongs together: --layout join (all of it is one), --layout per-person (each sub-folder is "
        "one, and the loose ones are), or --layout flat (only the loose ones)."
    )


def _own(layout: Layout) -> tuple[Path, ...]:
    return (layout.folder,) if layout.images else ()


def _below(layout: Layout) -> list[Path]:
    return sorted((sub.path for sub in layout.sub_folders), key=lambda path: natural_key(str(path)))


def per_person_groups(layout: Layout) -> tuple[Group, ...]:
    """One for each sub-folder, with what lies deeper in it, and the last one for loose pictures."""
    people: dict[str, list[Path]] = {}
    for path in _below(layout):
        people.setdefault(path.relative_to(layout.folder).parts[0], []).append(path)
    taken: set[str] = set()
    groups = [Group(_folder_name(name, taken), tuple(paths)) for name, paths in people.items()]
    own = _own(layout)
    if own:
        groups.append(Group(_folder_name(layout.folder.name or "loose", taken), own))
    return tuple(groups)


def _folder_name(name: str, taken: set[str]) -> str:
    """The person's own, as far as every system takes it."""
    plain = re.sub(r'[<>:"|?*\\/]', "_", display(name) if has_controls(name) else name).rstrip(". ")
    if not plain or is_reserved(plain):
        plain = f"_{plain}"
    unique, number = plain, 2
    while case_key(unique) in taken:
        unique, number = f"{plain}-{number}", number + 1
    taken.add(case_key(unique))
    return unique
