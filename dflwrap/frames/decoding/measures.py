"""What a decoder child finds out about one frame: how it would enter a run, and what its pixels look like.

How it does so is told in `measuring`, which only a child imports.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from dflwrap.frames.decoding.container import Container
from dflwrap.frames.judgement import Entry

if TYPE_CHECKING:
    from collections.abc import Callable

LONG_SIDE = 640
"""Pixels; as `filters` and as DeepFaceLab's detector sees a frame."""
GRID = 16
"""Cells across and down whose mean brightness is compared from frame to frame."""
HASH_SIDE = 8
"""Of the dhash: 2 x 8 x 8 = 128 bits."""
WHITE = 250
"""Brightness of 255 from which a pixel counts as overexposed."""
BLACK_MEAN = 12.0
BLACK_BRIGHTEST = 40.0
BLACK_SHARE = 0.995
"""A frame is black when its mean luma is below BLACK_MEAN and BLACK_SHARE of it below BLACK_BRIGHTEST (of 255)."""


@dataclass(frozen=True, slots=True)
class Pixels:
    """Of the luma, at a long side of at most LONG_SIDE pixels."""

    mean: float
    dark: float
    """Share of pixels under the brightness that was asked about, 0 to 1."""
    black: bool
    """See BLACK_MEAN."""
    white: float
    """Share of pixels from WHITE on, 0 to 1."""
    sharpness: float
    """Variance of the Laplacian."""
    across: float
    """Mean difference of horizontal neighbours over that of vertical ones; 0 = not known. Of squares only: their
    picture may have been squeezed."""
    dhash: int
    grid: bytes
    """GRID x GRID mean brightnesses."""


@dataclass(frozen=True, slots=True)
class Measures:
    """Of one frame. `pixels` is None where no picture came out."""

    kind: str
    """As `header.HeaderFacts.kind`."""
    width: int = 0
    height: int = 0
    """Pixels; 0 = not known."""
    bits: int = 0
    """Per channel; 0 = not known."""
    channels: int = 0
    entry: Entry = Entry.LINK
    reason: str = ""
    cause: str = ""
    max_side: int = 0
    """As `judgement.Judgement`."""
    whole: bool = True
    unread: bool = False
    """The device or the network fails just now: no fault of the frame."""
    damage: str = ""
    """What is wrong with its data, in the decoder's words."""
    decoded: bool = False
    container: Container = field(default_factory=Container)
    pixels: Pixels | None = None

    @property
    def usable(self) -> bool:
        """Whether `extract` will try it."""
        return self.entry is not Entry.REFUSE and self.decoded and not self.damage

    def to_json(self) -> list[Any]:
        """Values in the order of the fields: names would be half of the answer."""
        pixels = None if self.pixels is None else list(_PIXELS(self.pixels))
        if pixels is not None:
            pixels[-1] = base64.b64encode(pixels[-1]).decode("ascii")
        return [*_PLAIN(self), _CONTAINER(self.container), pixels]

    @staticmethod
    def from_json(data: list[Any]) -> Measures:
        values = [*data]
        values[_ENTRY], values[-2] = Entry(values[_ENTRY]), Container(*values[-2])
        if values[-1] is not None:
            *figures, grid = values[-1]
            values[-1] = Pixels(*[*figures, base64.b64decode(grid)])
        return Measures(*values)


def _values(kind: type) -> Callable[[Any], tuple[Any, ...]]:
    return attrgetter(*(field.name for field in fields(kind)))


_PLAIN = attrgetter(*(field.name for field in fields(Measures)[:-2]))
_ENTRY = [field.name for field in fields(Measures)].index("entry")
_CONTAINER, _PIXELS = _values(Container), _values(Pixels)


def failed(reason: str, *, cause: str = "imread-failed", unread: bool = False) -> Measures:
    """For a frame that cannot be opened, or that killed its decoder."""
    return Measures("other", entry=Entry.REFUSE, reason=reason, cause=cause, unread=unread)
