"""What a decoder child finds out about one frame: how it would enter a run, and what its pixels look like."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from dflwrap.frames.decoding.container import Container, container_of
from dflwrap.frames.decoding.damage import CANNOT_READ, PNG, check, damage_of
from dflwrap.frames.header import HeaderFacts, header_in
from dflwrap.frames.judgement import Entry, Judgement, judge_header

if TYPE_CHECKING:
    from collections.abc import Callable

LONG_SIDE = 640
"""Pixels; as `filters` and as DeepFaceLab's detector sees a frame."""
GRID = 16
"""Cells across and down whose mean brightness is compared from frame to frame."""
HASH_SIDE = 8
"""Of the dhash: 2 x 8 x 8 = 128 bits."""
COLOUR_PIXELS = 32_000_000
"""Up to here a PNG is decoded in colours, which takes three times the memory of grey."""
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


def measure(name: str, data: bytes, said: Callable[[], str], dark_below: float) -> Measures:
    """Runs in the decoder child. data: the whole file. said: takes what the decoders wrote meanwhile.

    dark_below: brightness of 255, for `Pixels.dark`.
    """
    facts = header_in(io.BytesIO(data))
    judgement = judge_header(name, facts)
    if judgement.entry is Entry.REFUSE and judgement.cause != "image-too-small":
        return _of(facts, judgement)
    image, damage = _decoded(data, facts, said)
    pixels = None if image is None else _pixels(image, dark_below)
    bits, channels = facts.bits or 0, facts.channels or 0
    if image is not None and facts.bits is None:
        bits, channels = image.dtype.itemsize * 8, 1 if image.ndim == 2 else image.shape[2]
    width, height = facts.width or 0, facts.height or 0
    if image is not None and not width:
        height, width = image.shape[:2]
    return _of(
        HeaderFacts(facts.kind, width, height, bits, channels, facts.whole),
        judgement,
        damage,
        container_of(data),
        pixels,
        decoded=image is not None,
    )


def _of(
    facts: HeaderFacts,
    judgement: Judgement,
    damage: str = "",
    container: Container | None = None,
    pixels: Pixels | None = None,
    *,
    decoded: bool = False,
) -> Measures:
    return Measures(
        facts.kind,
        facts.width or 0,
        facts.height or 0,
        facts.bits or 0,
        facts.channels or 0,
        judgement.entry,
        judgement.reason,
        judgement.cause,
        judgement.max_side,
        facts.whole is not False and "ends inside" not in judgement.reason,
        judgement.unread,
        damage,
        decoded,
        container or Container(),
        pixels,
    )


def _decoded(data: bytes, facts: HeaderFacts, said: Callable[[], str]) -> tuple[Any, str]:
    """The picture and what is wrong with its data. A PNG that a decoder takes is whole: all check its sums."""
    import cv2
    import numpy as np

    last: list[Any] = [None]
    flags = _flags(facts)

    def decode(raw: bytes | bytearray) -> tuple[bool, str]:
        said()
        last[0] = cv2.imdecode(np.frombuffer(raw, np.uint8), flags)
        return last[0] is not None, said()

    if data.startswith(b"\xff\xd8"):
        damage = check(data, decode).damage
        return last[0], damage
    done, words = decode(data)
    if done:
        return last[0], "" if data.startswith(PNG) else damage_of(True, words)
    if data.startswith(PNG):
        return None, check(data, decode).damage or damage_of(False, words)
    from dflwrap.frames.decoding import heif

    image, why = heif.decode(data)
    return image, "" if image is not None else why or damage_of(False, words) or CANNOT_READ


def _flags(facts: HeaderFacts) -> int:
    """Of a large JPEG no more is decoded than is looked at; its data are read to the end all the same."""
    import cv2

    if facts.kind not in ("jpeg", "damaged", "png", "bmp", "gif"):
        return cv2.IMREAD_UNCHANGED
    flags = cv2.IMREAD_GRAYSCALE
    if facts.kind == "png" and (facts.channels or 0) >= 3 and _pixel_count(facts) <= COLOUR_PIXELS:
        flags = cv2.IMREAD_COLOR  # libpng turns colours to grey slower than OpenCV does
    if facts.kind in ("jpeg", "damaged"):
        longest = max(facts.width or 0, facts.height or 0)
        for reduced, factor in (
            (cv2.IMREAD_REDUCED_GRAYSCALE_8, 8),
            (cv2.IMREAD_REDUCED_GRAYSCALE_4, 4),
            (cv2.IMREAD_REDUCED_GRAYSCALE_2, 2),
        ):
            if longest >= factor * LONG_SIDE:
                flags = reduced
                break
    return flags | cv2.IMREAD_IGNORE_ORIENTATION


def _pixel_count(facts: HeaderFacts) -> int:
    return (facts.width or 0) * (facts.height or 0)


def _gray(image: Any) -> Any:
    import cv2
    import numpy as np

    if image.dtype == np.uint16:
        image = cv2.convertScaleAbs(image, alpha=1 / 257)
    elif image.dtype.kind == "f":
        image = (np.clip(np.nan_to_num(image), 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    elif image.dtype != np.uint8:
        return None
    if image.ndim == 3 and image.shape[2] >= 3:
        return cv2.cvtColor(np.ascontiguousarray(image[:, :, :3]), cv2.COLOR_BGR2GRAY)
    return np.ascontiguousarray(image[:, :, 0]) if image.ndim == 3 else image


def _pixels(image: Any, dark_below: float) -> Pixels | None:
    import cv2
    from dhash import dhash_int

    gray = _gray(image)
    if gray is None:
        return None
    height, width = gray.shape
    scale = LONG_SIDE / max(gray.shape)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        gray = cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
    mean = cv2.sumElems(gray)[0] / gray.size
    edges = cv2.Laplacian(gray, cv2.CV_16S)
    side, coarse = HASH_SIDE + 1, _quarter(gray)
    small = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_AREA)
    grid = cv2.resize(coarse, (GRID, GRID), interpolation=cv2.INTER_AREA)
    return Pixels(
        mean=mean,
        dark=_share_below(gray, dark_below),
        black=mean < BLACK_MEAN and _share_below(gray, BLACK_BRIGHTEST) >= BLACK_SHARE,
        white=_count_from(gray, WHITE) / gray.size,
        sharpness=cv2.norm(edges, cv2.NORM_L2SQR) / edges.size - cv2.mean(edges)[0] ** 2,
        across=_across(gray) if height == width else 0.0,
        dhash=dhash_int(small.ravel().tolist(), HASH_SIDE),
        grid=grid.tobytes(),
    )


def _share_below(gray: Any, brightness: float) -> float:
    return float((gray.size - _count_from(gray, brightness)) / gray.size)


def _count_from(gray: Any, brightness: float) -> int:
    """Pixels that are as bright, or brighter. Two such counts take a sixth of a histogram's time."""
    import cv2

    lowest = min(max(math.ceil(brightness), 0), 256)
    return cv2.countNonZero(cv2.threshold(gray, lowest - 1, 1, cv2.THRESH_BINARY)[1])


def _quarter(gray: Any) -> Any:
    """Means of 4x4 pixels, rounded; up to three rows and columns are cut off.

    As `resize` with INTER_AREA, in a third of its time: rows are added, then the four columns in one multiplication.
    """
    import cv2
    import numpy as np

    height, width = gray.shape[0] // 4, gray.shape[1] // 4
    if min(height, width) < GRID:
        return gray
    gray = gray[: 4 * height, : 4 * width]
    rows = np.add(gray[0::4], gray[1::4], dtype=np.uint16)
    rows += gray[2::4]
    rows += gray[3::4]
    sums = rows.view(np.uint64) * np.uint64(0x0001_0001_0001_0001) >> np.uint64(48)
    return cv2.convertScaleAbs(sums.astype(np.uint16), alpha=1 / 16)


def _across(gray: Any) -> float:
    import cv2

    if min(gray.shape) < 2:
        return 0.0
    horizontal = cv2.mean(cv2.absdiff(gray[:, 1:], gray[:, :-1]))[0]
    vertical = cv2.mean(cv2.absdiff(gray[1:], gray[:-1]))[0]
    return float(horizontal / vertical) if vertical > 0.05 else 0.0
