"""Writes small, whole face JPEGs with DeepFaceLab's metadata; Python 3.6, standard library only.

The picture is one flat colour: a baseline JPEG whose every block repeats the first one's DC value,
which a few lines can encode. Huffman tables are those of the JPEG standard's Annex K, cut down to
the symbols used.
"""

import io
import pickle
import struct

# Two one-symbol-per-length tables: DC sizes 0..11 and AC end-of-block as the standard's luminance
# tables define them (Annex K.3); chrominance uses the same ones here, which JPEG allows.
_DC_COUNTS = bytes([0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0])
_DC_SYMBOLS = bytes(range(12))
_DC_CODES = {0: "00", 1: "010", 2: "011", 3: "100", 4: "101", 5: "110", 6: "1110", 7: "11110"}
_DC_CODES.update({8: "111110", 9: "1111110", 10: "11111110", 11: "111111110"})
_AC_COUNTS = bytes([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
_AC_SYMBOLS = b"\0"  # end of block, code "0"


def _segment(marker, payload):
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def _block(difference):
    """Bits of a block that holds nothing but a DC difference (quantiser 8 = one grey level a step)."""
    if difference == 0:
        return _DC_CODES[0] + "0"
    size = abs(difference).bit_length()
    value = difference if difference > 0 else difference + (1 << size) - 1
    return _DC_CODES[size] + format(value, f"0{size}b") + "0"


def flat_jpeg(side, colour=(128, 128, 128)):
    """A `side` x `side` JPEG of one YCbCr colour (0 to 255 each)."""
    blocks = ((side + 7) // 8) ** 2
    bits = "".join(_block(level - 128) for level in colour) + (_block(0) * 3) * (blocks - 1)
    bits += "1" * (-len(bits) % 8)
    data = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    frame = struct.pack(">BHHB", 8, side, side, 3) + bytes([1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0])
    return (
        b"\xff\xd8"
        + _segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
        + _segment(0xDB, b"\0" + b"\x08" * 64)
        + _segment(0xC0, frame)
        + _segment(0xC4, b"\x00" + _DC_COUNTS + _DC_SYMBOLS)
        + _segment(0xC4, b"\x10" + _AC_COUNTS + _AC_SYMBOLS)
        + _segment(0xDA, bytes([3, 1, 0, 2, 0, 3, 0, 0, 63, 0]))
        + data
        + b"\xff\xd9"
    )


class Array:
    """Stands for a numpy array, which DeepFaceLab pickles; there is no numpy here."""

    def __init__(self, rows, code):
        self.rows, self.code = rows, code


class _Pickler(pickle._Pickler):
    """The pure Python one, which can be taught what numpy 1.19 writes for an array."""

    dispatch = dict(pickle._Pickler.dispatch)  # noqa: RUF012

    def _save_array(self, array):
        nested = isinstance(array.rows[0], list)
        flat = [value for row in array.rows for value in row] if nested else list(array.rows)
        raw = struct.pack("<" + {"i8": "q", "f8": "d"}[array.code] * len(flat), *flat)
        self.write(b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85C\x01b\x87R(K\x01")
        self.write(
            b"K%cK%c\x86" % (len(array.rows), len(array.rows[0])) if nested else b"K%c\x85" % len(flat)
        )
        self.write(b"cnumpy\ndtype\nX\x02\0\0\0" + array.code.encode() + b"K\0K\x01\x87R")
        self.write(
            b"(K\x03X\x01\0\0\0<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89C%c" % len(raw) + raw + b"tb"
        )

    dispatch[Array] = _save_array


def _pickled(metadata):
    stream = io.BytesIO()
    _Pickler(stream, 3).dump(metadata)
    return stream.getvalue()


def with_metadata(jpeg, metadata):
    """The same JPEG with the metadata's pickle in APP15, behind its last APPn segment (APP0)."""
    cut = 2 + 2 + struct.unpack(">H", jpeg[4:6])[0]
    return jpeg[:cut] + _segment(0xEF, _pickled(metadata)) + jpeg[cut:]


def metadata(face_type, side, source_filename, rect, source_landmarks):
    """DeepFaceLab's keys; rect: left, top, right, bottom; landmarks: 68 points in the frame."""
    left, top, right, bottom = rect
    scale = side / float(max(right - left, bottom - top))
    matrix = [[scale, 0.0, -left * scale], [0.0, scale, -top * scale]]
    points = [[(x - left) * scale, (y - top) * scale] for x, y in source_landmarks]
    return {
        "face_type": face_type,
        "landmarks": points,
        "source_filename": source_filename,
        "source_rect": Array([int(v) for v in rect], "i8"),
        "source_landmarks": [[float(x), float(y)] for x, y in source_landmarks],
        "image_to_face_mat": Array(matrix, "f8"),
    }
