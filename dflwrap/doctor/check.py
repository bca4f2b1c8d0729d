"""What a check is, and what it answers."""

from __future__ import annotations

import tomllib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from dflwrap.doctor.machine import Machine


class Result(StrEnum):
    """What a check came to."""

    OK = "ok"
    NOTE = "note"
    """Harmless, or for some uses only."""
    WARNING = "warning"
    """An extraction may be slower, end early or lose faces."""
    FAILURE = "failure"
    """An extraction with this install cannot work, or not where it was asked to."""
    SKIPPED = "skipped"
    """There is nothing to look at here; the explanation says why."""
    CRASHED = "crashed"
    """The check itself failed, or gave no answer in time."""


RANK = {
    Result.FAILURE: 0,
    Result.CRASHED: 1,
    Result.WARNING: 2,
    Result.NOTE: 3,
    Result.OK: 4,
    Result.SKIPPED: 5,
}
"""The worst first."""
BAD = frozenset({Result.FAILURE, Result.CRASHED})
"""Results that make the exit code 1."""
WORSE_THAN_NOTE = BAD | {Result.WARNING}


class Group(StrEnum):
    """What a check is about, in the order of the page."""

    DEEPFACELAB = "deepfacelab"
    CARD = "card"
    MACHINE = "machine"
    FOLDERS = "folders"


HEADINGS = {
    Group.DEEPFACELAB: "DeepFaceLab",
    Group.CARD: "The card and TensorFlow",
    Group.MACHINE: "The machine",
    Group.FOLDERS: "Folders and disks",
}


@dataclass(frozen=True, slots=True)
class Texts:
    """A row of checks.toml."""

    group: Group
    about: str
    """What it looks at and why."""
    fix: str
    """What helps, unless the answer knows better."""


@cache
def texts() -> dict[str, Texts]:
    """Of every check, by its id, in the order of the page."""
    rows = tomllib.loads(Path(__file__).with_name("checks.toml").read_text(encoding="utf-8"))
    return {name: Texts(Group(row["group"]), row["about"], row["fix"]) for name, row in rows.items()}


@dataclass(frozen=True, slots=True)
class Answer:
    """What one check found."""

    result: Result
    explanation: str
    fix: str = ""
    """What to do; empty where nothing is to be done."""
    lines: tuple[str, ...] = ()
    """What a program said, word by word."""


class Check(ABC):
    """One question about the machine. A check changes nothing, but for files of its own that it removes again."""

    id: ClassVar[str]
    """Stable; a word that says what is looked at. Its texts stand in checks.toml."""
    quick: ClassVar[bool] = True
    """Whether `extract` asks it too, before it starts."""
    timeout: ClassVar[float] = 5.0
    """Seconds for the answer."""

    @abstractmethod
    def look(self, machine: Machine) -> Answer:
        """The answer. Whatever it raises is the result `crashed`."""

    @property
    def fix(self) -> str:
        return texts()[self.id].fix

    def ok(self, explanation: str) -> Answer:
        return Answer(Result.OK, explanation)

    def skipped(self, why: str) -> Answer:
        return Answer(Result.SKIPPED, why)

    def note(self, explanation: str, fix: str | None = None, lines: tuple[str, ...] = ()) -> Answer:
        return Answer(Result.NOTE, explanation, self.fix if fix is None else fix, lines)

    def warning(self, explanation: str, fix: str | None = None, lines: tuple[str, ...] = ()) -> Answer:
        return Answer(Result.WARNING, explanation, self.fix if fix is None else fix, lines)

    def failure(self, explanation: str, fix: str | None = None, lines: tuple[str, ...] = ()) -> Answer:
        return Answer(Result.FAILURE, explanation, self.fix if fix is None else fix, lines)
