"""The full-range network for inputs that are not square.

It is made of convolutions only, so it takes any input whose sides are multiples of 32; but the file states the sizes of
three enlarged layers and of its two outputs. They are set here in the bytes of the one file that is known (its SHA-256
is checked on reading). A frame of 16:9 is seen whole in one look that costs 0.6 of the two square ones it takes
otherwise, and no face is cut by a view's edge.
"""

from __future__ import annotations

import struct

SIDE = 192
"""Pixels: the input's sides in the file."""
STRIDE = 4
"""Pixels between the cells of the output."""
_MULTIPLE = 32
_LAYERS = (16, 8, 4)
"""Pixels between the cells of the layers that are enlarged."""
_VALUES = (1, 16)
"""Of each cell, in the two outputs: the score; box and points."""


def with_input(model: bytes, width: int, height: int) -> bytes:
    """The network for an input of width x height pixels. Raises ValueError for other sides and for another file."""
    if width % _MULTIPLE or height % _MULTIPLE or min(width, height) < _MULTIPLE:
        raise ValueError(f"{width} x {height}: the sides must be multiples of {_MULTIPLE}")
    for stride in _LAYERS:
        square = SIDE // stride
        # A constant: its length in bytes, then height and width.
        model = _replaced(
            model,
            struct.pack("<I2i", 8, square, square),
            struct.pack("<I2i", 8, height // stride, width // stride),
        )
    for values in _VALUES:
        cells = (SIDE // STRIDE) ** 2
        # A shape: its number of sides, then the sides.
        model = _replaced(
            model,
            struct.pack("<I3i", 3, 1, cells, values),
            struct.pack("<I3i", 3, 1, height * width // STRIDE**2, values),
        )
    return model


def _replaced(model: bytes, old: bytes, new: bytes) -> bytes:
    if model.count(old) != 1:
        raise ValueError("not the full-range network that is known")
    return model.replace(old, new)
