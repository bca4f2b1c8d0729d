"""The request meets a faceset of something else: the user has to choose, and nothing was started."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from dflwrap.common.errors import DflwrapError
from dflwrap.common.text import display


class Meets(StrEnum):
    """What the request meets in its output folder."""

    ANOTHER_CLIP = "another clip"
    OTHER_SIZE = "the same pictures at another size"
    OTHER_OPTIONS = "other options"
    OTHER_FACES = "faces of another type or size"
    TAKEN_NAMES = "taken names"
    PACKED = "a packed faceset"


class ConflictError(DflwrapError):
    """`--on-conflict` decides, or a person at the terminal."""

    def __init__(self, meets: Meets, sentence: str, output: Path, *, may_add: bool = True) -> None:
        """sentence: what was found, for the user. may_add: the earlier faces may stay beside the new ones."""
        choices = [
            "--on-conflict set-aside (the earlier run and its faces are moved into the run folder; nothing is lost)"
        ]
        if may_add:
            choices.append(
                "--on-conflict add (the earlier faces stay, the new ones get names of their own beside them)"
            )
        choices.append("another --output-dir")
        if meets is Meets.PACKED:
            choices.insert(0, "unpack it first, with DeepFaceLab's own script")
        super().__init__(
            f"{sentence} ({display(str(output))}). Nothing was started. Choose: {'; or '.join(choices)}."
        )
        self.meets, self.sentence, self.may_add = meets, sentence, may_add
