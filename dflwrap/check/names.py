"""What the names of the frames say: order, gaps, and what other systems make of them."""

from __future__ import annotations

import re
import sys
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

from dflwrap.check.findings import Findings
from dflwrap.common.storage import LONGEST_PATH
from dflwrap.common.text import display
from dflwrap.frames.names import MAX_STEM_BYTES, case_key, stem_and_suffix

_NUMBER = re.compile(r"(\d+)(?=\D*$)")
"""The last number of a stem: the frame's."""
_DIGITS = re.compile(r"\d+")
_FEW = 5
"""Below this many frames a folder has no way of naming."""
_STRANGERS = 0.02
"""Share of the frames that must be named otherwise before the folder counts as mixed; at least one."""
_ID = re.compile(r"[A-Za-z0-9_-]+")
_ID_LENGTH, _ID_CHANGES = 10, 5
"""Names that cameras and programs give change at most four times (`Screenshot20240510at1101`)."""
_RESERVED = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{device}{number}" for device in ("com", "lpt") for number in (*"123456789", *"¹²³")}
)
"""Names that Windows keeps for devices, with any ending (learn.microsoft.com: Naming Files, Paths, and Namespaces)."""
_HARMLESS = re.compile(r"[0-9][A-Za-z0-9-]{0,60}\.[A-Za-z0-9]{1,5}")
"""Names of which none of `_single`'s findings can be true."""
_FORBIDDEN = frozenset('<>:"|?*\\')


def scheme_of(stem: str) -> str:
    """How a frame is named: its stem with every run of digits as one `#`."""
    return _DIGITS.sub("#", stem)


def is_random_id(stem: str) -> bool:
    """`057b46a4f3efb0be`, `FxYzQwaWYAEkLmN`: digits, small and capital letters change all the time."""
    if len(stem) < _ID_LENGTH or not _ID.fullmatch(stem):
        return False
    kinds = [(char.isdigit(), char.isupper()) for char in stem if char.isalnum()]
    return sum(one != other for one, other in pairwise(kinds)) >= _ID_CHANGES


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


class _Found:
    """Adds findings whose examples begin with their folder."""

    def __init__(self, findings: Findings, where: str) -> None:
        self._findings, self._where = findings, where

    def add(self, name: str, example: str, *, count: int = 1) -> None:
        self._findings.add(name, self._where + example, count=count)

    def add_all(self, name: str, examples: Iterable[str]) -> None:
        for example in examples:
            self.add(name, example)


def find_in_names(folder: Path, names: Sequence[str], findings: Findings, where: str = "") -> None:
    """Findings of the group "names" for the frames `names`, sorted, of one folder.

    where: what examples begin with, `personA/`.
    """
    found = _Found(findings, where)
    _single(folder, names, found)
    _twins(names, found)
    if len(names) >= _FEW:
        _numbering(names, found)


def _single(folder: Path, names: Sequence[str], findings: _Found) -> None:
    before = len(str(folder)) + 1
    for name in names:
        if _HARMLESS.fullmatch(name) and before + len(name) <= LONGEST_PATH:
            continue  # nearly all, in folders of a hundred thousand
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


def _twins(names: Sequence[str], findings: _Found) -> None:
    # Hashes first: the keys themselves would be as large as all names again.
    hashes = array("q", (hash(case_key(stem_and_suffix(name)[0])) for name in names))
    suspects = {one for one, next_one in pairwise(sorted(hashes)) if one == next_one}
    stems: dict[str, list[str]] = defaultdict(list)
    for name, hashed in zip(names, hashes, strict=True) if suspects else ():
        if hashed in suspects:
            stems[case_key(stem_and_suffix(name)[0])].append(name)
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


def _numbering(names: Sequence[str], findings: _Found) -> None:
    schemes = Counter(scheme_of(stem_and_suffix(name)[0]) for name in names)
    usual, usual_count = schemes.most_common(1)[0]
    bare = sum(not _NUMBER.search(stem_and_suffix(name)[0]) for name in names)
    if len(names) - bare < len(names) / 2:
        unnumbered = (name for name in names if not _NUMBER.search(stem_and_suffix(name)[0]))
        findings.add_all("not-numbered", map(display, unnumbered))
        if bare == len(names):
            return
    strangers = len(names) - usual_count
    ids = [name for name in names if is_random_id(stem_and_suffix(name)[0])] if strangers else []
    if len(ids) >= len(names) / 2:  # as web sites name what is downloaded: they are no scheme, and not mixed
        findings.add_all("not-numbered", map(display, ids))
        return
    if len(schemes) > 1 and strangers >= max(1.0, _STRANGERS * len(names)):
        first = {scheme_of(stem_and_suffix(name)[0]): name for name in reversed(names)}
        for scheme, count in schemes.most_common():
            if scheme != usual or usual_count == 1:
                findings.add("mixed-schemes", display(first[scheme]), count=count)
    if "#" in usual and usual_count >= _FEW:
        stems = (stem_and_suffix(name)[0] for name in names)
        _series((stem for stem in stems if scheme_of(stem) == usual), findings)


def _series(stems: Iterable[str], findings: _Found) -> None:
    """Frames named alike but for their numbers; they are a series where all numbers but the last agree."""
    groups: dict[str, _Numbers] = defaultdict(_Numbers)
    for stem in stems:
        found = _NUMBER.search(stem)
        if found is not None:
            groups[stem[: found.start()] + "#" + stem[found.end() :]].add(found[1])
    for pattern, group in groups.items():
        if len(group.values) < _FEW:
            continue
        if len(group.widths) > 1 and group.out_of_order:
            shown = ", ".join(display(pattern.replace("#", number)) for number in group.first)
            findings.add("width-changes", shown, count=len(group.values))
        _gaps(pattern, sorted(set(group.values)), findings)


class _Numbers:
    """Of one series, in the order of the names."""

    def __init__(self) -> None:
        self.values: array[int] | list[int] = array("Q")
        self.widths: set[int] = set()
        self.first: list[str] = []
        """The first three, as they are written."""
        self.out_of_order = False

    def add(self, number: str) -> None:
        value = int(number)
        if self.values and value < self.values[-1]:
            self.out_of_order = True
        try:
            self.values.append(value)
        except OverflowError:
            self.values = [*self.values, value]
        self.widths.add(len(number))
        if len(self.first) < 3:
            self.first.append(number)


def _gaps(pattern: str, numbers: Sequence[int], findings: _Found) -> None:
    """A folder of every tenth frame has no gaps: the usual step is."""
    steps = [after - before for before, after in pairwise(numbers)]
    step, often = Counter(steps).most_common(1)[0]
    if often < len(steps) / 2:
        return  # numbers that count nothing: dates, random ids
    for before, after in pairwise(numbers):
        if after - before > step:
            missing = (after - before) // step - 1
            series = "" if pattern == "#" else f"{pattern}: "
            findings.add("number-gaps", display(f"{series}{before} to {after}"), count=max(1, missing))
