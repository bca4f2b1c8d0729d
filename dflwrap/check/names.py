"""What the names of the frames say: order, gaps, and what other systems make of them."""

from __future__ import annotations

import re
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from dflwrap.check.findings import Findings
from dflwrap.common.storage import LONGEST_PATH
from dflwrap.common.text import display
from dflwrap.frames.names import MAX_STEM_BYTES, case_key, stem_and_suffix

_NUMBER = re.compile(r"(\d+)(?=\D*$)")
"""The last number of a stem: the frame's."""
_FEW = 5
"""Below this many frames a folder has no way of naming."""
_STRANGERS = 0.02
"""Share of the frames that must be named otherwise before the folder counts as mixed; at least one."""
_RESERVED = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{device}{number}" for device in ("com", "lpt") for number in (*"123456789", *"¹²³")}
)
"""Names that Windows keeps for devices, with any ending (learn.microsoft.com: Naming Files, Paths, and Namespaces)."""
_FORBIDDEN = frozenset('<>:"|?*\\')


def scheme_of(stem: str) -> str:
    """How a frame is named: its stem with every run of digits as one `#`."""
    return re.sub(r"\d+", "#", stem)


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sorts numbers by their value: 2 before 10."""
    parts = re.split(r"(\d+)", name)
    return tuple(
        (0, int(part), part) if part.isdecimal() else (1, 0, part.casefold()) for part in parts if part
    )


def is_reserved(name: str) -> bool:
    """Whether Windows cannot have a file of this name."""
    base = name.split(".", 1)[0].rstrip(" ").casefold()
    return base in _RESERVED or bool(set(name) & _FORBIDDEN) or name.endswith((".", " "))


def has_controls(name: str) -> bool:
    """Control and direction characters, or bytes that are no text."""
    return display(name) != name


def find_in_names(folder: Path, names: Sequence[str], findings: Findings) -> None:
    """Findings of the group "names" for the frames `names`, sorted, of one folder."""
    _single(folder, names, findings)
    _twins(names, findings)
    if len(names) >= _FEW:
        _numbering(names, findings)


def _single(folder: Path, names: Sequence[str], findings: Findings) -> None:
    before = len(str(folder)) + 1
    for name in names:
        stem, shown = stem_and_suffix(name)[0], display(name)
        if has_controls(name):
            findings.add("control-characters", shown)
        elif not name.isascii():
            findings.add("non-ascii", shown)
        if is_reserved(name):
            findings.add("reserved-on-windows", shown)
        if len(stem.encode(errors="surrogateescape")) > MAX_STEM_BYTES:
            findings.add("too-long", f"{shown[:60]}...")
        elif sys.platform == "win32" and before + len(name) > LONGEST_PATH:
            findings.add("too-long", shown)
        if "_" in stem:  # the faces have one more
            findings.add("several-underscores", shown)


def _twins(names: Sequence[str], findings: Findings) -> None:
    seen: set[str] = set()
    stems: dict[str, list[str]] = {}
    for name in names:
        key = case_key(stem_and_suffix(name)[0])
        if key in seen:
            stems[key] = []
        seen.add(key)
    for name in names if stems else ():
        key = case_key(stem_and_suffix(name)[0])
        if key in stems:
            stems[key].append(name)
    for group in stems.values():
        whole: dict[str, list[str]] = defaultdict(list)
        for name in group:
            whole[case_key(name)].append(name)
        for same in whole.values():
            if len(same) > 1:
                findings.add("case-collisions", " / ".join(map(display, same)), count=len(same) - 1)
        if len(whole) > 1:
            shown = " / ".join(display(same[0]) for same in whole.values())
            findings.add("duplicate-stems", shown, count=len(whole) - 1)


def _numbering(names: Sequence[str], findings: Findings) -> None:
    stems = [stem_and_suffix(name)[0] for name in names]
    schemes = Counter(map(scheme_of, stems))
    usual, usual_count = schemes.most_common(1)[0]
    numbered = [stem for stem in stems if _NUMBER.search(stem)]
    if len(numbered) < len(stems) / 2:
        bare = [name for name, stem in zip(names, stems, strict=True) if not _NUMBER.search(stem)]
        findings.add_all("not-numbered", map(display, bare))
        if not numbered:
            return
    strangers = len(stems) - usual_count
    if len(numbered) and len(schemes) > 1 and strangers >= max(1.0, _STRANGERS * len(stems)):
        first = {scheme_of(stem): name for name, stem in zip(reversed(names), reversed(stems), strict=True)}
        for scheme, count in schemes.most_common():
            if scheme != usual or usual_count == 1:
                findings.add("mixed-schemes", display(first[scheme]), count=count)
    if "#" in usual and usual_count >= _FEW:
        _series([stem for stem in stems if scheme_of(stem) == usual], findings)


def _series(stems: Sequence[str], findings: Findings) -> None:
    """Frames named alike but for their numbers; they are a series where all numbers but the last agree."""
    groups: dict[str, list[str]] = defaultdict(list)
    for stem in stems:
        found = _NUMBER.search(stem)
        if found is not None:
            groups[stem[: found.start()] + "#" + stem[found.end() :]].append(found[1])
    for pattern, numbers in groups.items():
        if len(numbers) < _FEW:
            continue
        in_order = sorted(numbers)
        if len({len(number) for number in numbers}) > 1 and in_order != sorted(numbers, key=int):
            shown = ", ".join(display(pattern.replace("#", number)) for number in in_order[:3])
            findings.add("width-changes", shown, count=len(numbers))
        _gaps(pattern, sorted(set(map(int, numbers))), findings)


def _gaps(pattern: str, numbers: Sequence[int], findings: Findings) -> None:
    """A folder of every tenth frame has no gaps: the usual step is."""
    steps = [after - before for before, after in pairwise(numbers)]
    step, often = Counter(steps).most_common(1)[0]
    if often < len(steps) / 2:
        return  # numbers that count nothing: dates, random ids
    for before, after in pairwise(numbers):
        if after - before > step:
            missing = (after - before) // step - 1
            findings.add("number-gaps", display(f"{pattern}: {before} to {after}"), count=max(1, missing))
