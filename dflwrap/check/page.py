"""docs/findings.md, made from the table: `python -m dflwrap.check.page > docs/findings.md`."""

from __future__ import annotations

import sys
from dataclasses import fields

from dflwrap.check.findings import Group, kinds
from dflwrap.check.thresholds import Thresholds

_HEAD = """# What `dflwrap check` finds

Made from dflwrap/check/findings.toml by `python -m dflwrap.check.page`; do not edit. The ids are stable.

- **error**: `extract` refuses the folder, or frames are lost.
- **warning**: faces, or their order, may suffer.
- **note**: harmless, or dealt with by `extract` itself.

Exit code of `dflwrap check`: 0 where there is nothing above a note, 1 with findings, 2 for bad usage.
"In the catalogue" names the page that `dflwrap rules show` has for the same thing in a log.
"""
_OPTIONS = {
    "blurred_below": ("--blurry-below", "variance of the Laplacian (Pech-Pacheco et al. 2000)"),
    "dark_below": ("--dark-below", "brightness of 255 under which 95 % of the frame are"),
    "overexposed_above": ("--overexposed-above", "share of pixels with a brightness of 250 and more"),
    "duplicate_bits": (
        "--duplicate-bits",
        "bits of 128 of the dhash in which near duplicates differ at most",
    ),
    "frozen_frames": ("--frozen-frames", "identical frames in a row"),
    "huge_pixels": ("--huge-pixels", "pixels above which a frame is huge"),
}


def page() -> str:
    """The whole page."""
    lines = [_HEAD]
    for group in Group:
        lines.append(f"## {group.value.capitalize()}\n")
        for kind in kinds().values():
            if kind.group is not group:
                continue
            lines += [f"### `{kind.id}` ({kind.severity.value})\n", f"{kind.title}. {kind.explanation}\n"]
            lines += [f"- Fix: {kind.fix}", f"- `extract`: {kind.extract}"]
            if kind.cause:
                lines.append(f"- In the catalogue: `{kind.cause}`")
            lines.append("")
    lines += [
        "## Thresholds\n",
        "Measured on the luma at a longest side of 640 pixels. Black: mean brightness under 12 and 99.5 % of the "
        "pixels under 40.\n",
        "| option | default | meaning |",
        "|---|---|---|",
    ]
    defaults = Thresholds()
    for item in fields(Thresholds):
        option, meaning = _OPTIONS[item.name]
        lines.append(f"| `{option}` | {getattr(defaults, item.name):,} | {meaning} |")
    return "\n".join(lines) + "\n"


def ids_for(cause: str) -> tuple[str, ...]:
    """The findings that are the same thing as a cause of the catalogue."""
    return tuple(kind.id for kind in kinds().values() if kind.cause == cause)


if __name__ == "__main__":
    sys.stdout.write(page())
