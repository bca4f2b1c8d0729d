"""What the user should know of the input folder, beyond the fate of its frames."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dflwrap.check.findings import Findings, Severity
from dflwrap.check.layout import find_bare, find_in_layout, find_passed_over
from dflwrap.check.names import find_in_names
from dflwrap.common.text import display
from dflwrap.common.trees import is_same_folder
from dflwrap.faceset.input_faces import holds_faces
from dflwrap.frames.inventory import Ignored, Inventory
from dflwrap.frames.layout import Layout, is_side_folder, look_at_layout

_BESIDE = ("", "_debug", "_dflwrap")
"""What stands under the faceset's name, with these endings."""


def faceset_as_input(folder: Path, inventory: Inventory) -> str | None:
    """A notice where the input holds DeepFaceLab's faces and not frames: an easy slip, and it makes bad faces."""
    names = [entry.name for entry in inventory.frames if entry.problem is None]
    if not holds_faces(folder, names):
        return None
    return (
        f"The input folder looks like a faceset, its images carry DeepFaceLab's face data: {display(str(folder))}. "
        "If you meant the frames, stop here and give their folder with --input-dir."
    )


def worth_telling(ignored: Iterable[Ignored], source: Path, output: Path) -> list[Ignored]:
    """Without what belongs there: files of systems; and DeepFaceLab's layout has `aligned` among the frames.

    Folders that are only named so are a finding of `quick_findings`.
    """
    own = [output.with_name(output.name + ending) for ending in _BESIDE]
    return [
        item
        for item in ignored
        if not (item.usual or is_side_folder(source / item.name))
        and not any(is_same_folder(source / item.name, folder) for folder in own)
    ]


_SAID_OTHERWISE = frozenset(
    {"faceset-as-input", "images-in-subfolders", "videos-not-frames", "duplicate-stems"}
)
"""The run has its own words for these."""


def quick_findings(folder: Path, inventory: Inventory, *, joined: bool) -> list[str]:
    """A sentence for each finding above a note; none where the folder cannot be listed just now.

    joined: the frames of sub-folders are among them, each folder with an order of its own.
    """
    findings = Findings()
    try:
        layout = look_at_layout(folder)
    except OSError:
        return []
    if joined:
        find_passed_over(layout, findings)
    else:
        find_in_layout(layout, inventory, findings)
    by_folder: dict[str, list[str]] = {}
    for entry in inventory.frames:
        below, _, name = entry.name.rpartition("/")
        by_folder.setdefault(below, []).append(name)
    for below, names in by_folder.items():
        find_in_names(folder / below, names, findings, display(f"{below}/") if below else "")
    return _told(findings)


def passed_over(layout: Layout) -> tuple[str, ...]:
    """Of a folder whose sub-folders are runs of their own."""
    findings = Findings()
    find_passed_over(layout, findings)
    find_bare(layout, findings)
    findings.add_all("videos-not-frames", map(display, layout.videos))
    return tuple(_told(findings, frozenset()))


def _told(findings: Findings, otherwise: frozenset[str] = _SAID_OTHERWISE) -> list[str]:
    return [
        f"{found.kind.title} ({found.count}): {', '.join(found.examples[:3])} [{found.kind.id}]; "
        "dflwrap check tells more"
        for found in findings.sorted()
        if found.severity is not Severity.NOTE and found.kind.id not in otherwise
    ]
