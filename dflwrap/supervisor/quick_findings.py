"""What `dflwrap check` finds at a glance, said when a run starts: names and layout, no picture is decoded."""

from __future__ import annotations

from pathlib import Path

from dflwrap.check.findings import Findings, Severity
from dflwrap.check.layout import find_in_layout
from dflwrap.check.names import find_in_names
from dflwrap.frames.inventory import Inventory
from dflwrap.frames.layout import look_at_layout

_SAID_OTHERWISE = frozenset(
    {"faceset-as-input", "images-in-subfolders", "videos-not-frames", "duplicate-stems"}
)
"""The run has its own words for these."""


def quick_findings(folder: Path, inventory: Inventory) -> list[str]:
    """A sentence for each finding above a note; none where the folder cannot be listed just now."""
    findings = Findings()
    try:
        find_in_layout(look_at_layout(folder), inventory, findings)
    except OSError:
        return []
    find_in_names(folder, [entry.name for entry in inventory.frames], findings)
    return [
        f"{found.kind.title} ({found.count}): {', '.join(found.examples[:3])} [{found.kind.id}]; "
        "dflwrap check tells more"
        for found in findings.sorted()
        if found.severity is not Severity.NOTE and found.kind.id not in _SAID_OTHERWISE
    ]
