"""The child process that decodes images: a broken file may kill it, never the run.

Run as `python -m dflwrap.frames.decoding.decoder`. One JSON request a line on stdin, one JSON answer a line on
stdout; it ends when stdin ends. A request names `source`, `target` (the PNG to write) and `max_side`;
the answer holds `width` and `height` (of the source), `out_width`, `out_height`, or `error`, or
`unwritable` (an errno) where the image is fine and the target cannot be written, or `unread` ([errno, winerror or
null]) where the source is missing or its device fails. With `check` instead of a `target` the answer holds `damage`
and `note` (see `damage`); with neither, `mean`, `brightest` and `sharpness`. With `pieces` it is compared with them,
see `likeness`.
With `measure` ([[path, bytes], ...]) and `dark_below` the answer holds the measures of each as `measured`, with
`thumbnail` ([side, quality]) it is that of `thumbnail`.

Decoders (libjpeg, libpng, libtiff) warn on the C level's standard error only: the parent gives this process an empty
file as its standard error, and here it is read and emptied around each decode.

What only some requests need is imported by the first of them: most runs start a decoder for a handful of frames.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import sys
from functools import cache
from pathlib import Path
from typing import Any

from dflwrap.common.retrying import retry_held_open
from dflwrap.common.storage import is_device_error, is_missing
from dflwrap.frames.decoding import heif
from dflwrap.frames.decoding.damage import CANNOT_READ, PNG, check, damage_in, damage_of
from dflwrap.frames.decoding.decoder_errors import NO_MEMORY, plain_words
from dflwrap.frames.sizes import scaled_size

MEMORY_BOUND = 6 * 1024**3
"""Address space of this process in bytes (Windows: memory committed by it): a bomb that hides its size ends here."""


def _bound_memory() -> None:
    """Where the system refuses the limit, OpenCV's own limit on pixels has to do."""
    try:
        if sys.platform == "win32":
            from dflwrap.common.windows.job import Job, memory_bound, without_dialogs

            without_dialogs()
            Job(memory_bound(MEMORY_BOUND)).assign_me()  # the job lives as long as a process in it
        else:
            import resource

            resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BOUND, MEMORY_BOUND))
    except (ValueError, OSError):
        pass


SYSTEMS_OWN = -1
"""OpenCV's number of threads where nobody has set one."""


class _UnreadError(Exception):
    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


def _bytes_of(source: Path) -> bytes:
    """All bytes; unlike `numpy.fromfile`, which makes a short array of a read error, it raises."""
    try:
        return retry_held_open(source.read_bytes, bound=3.0)
    except OSError as error:
        if is_missing(error) or is_device_error(error):
            raise _UnreadError(error) from error
        raise


def convert(source: Path, target: Path, max_side: int, orientation: int = 1) -> dict[str, Any]:
    """Write `source` as an 8-bit, 3-channel PNG; the orientation tag is not applied (DFL's way).

    max_side: longest side in pixels, see `scaled_size`; 0 = as it is. orientation: a tag to apply after all.
    """
    import cv2
    import numpy as np

    raw = _bytes_of(source)
    data = np.frombuffer(raw, dtype=np.uint8)
    checked_before = raw.startswith((b"\xff\xd8", PNG))
    if checked_before:
        damage = check(raw, _small).damage
        if damage and damage != CANNOT_READ:
            return {"error": damage, "damaged": True}
    words().clear()
    image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    if image is None:
        image, why = heif.decode(raw)
        if image is None:
            return {"error": why or damage_of(False, words().take())}
    elif not checked_before and (damage := damage_in(words().take())):
        return {"error": damage, "damaged": True}
    height, width = image.shape[:2]
    if image.dtype == np.uint16:
        image = cv2.convertScaleAbs(image, alpha=1.0 / 257.0)  # no copy in floats: 100 megapixels must fit
    elif image.dtype.kind == "f":
        image = (np.clip(np.nan_to_num(image), 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    elif image.dtype != np.uint8:
        return {"error": f"its pixels are {image.dtype}, which no extractor takes"}
    if image.ndim == 2:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    elif image.shape[2] == 2:
        image = cv2.cvtColor(np.ascontiguousarray(image[:, :, 0]), cv2.COLOR_GRAY2BGR)
    elif image.shape[2] == 1:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    else:
        image = np.ascontiguousarray(image[:, :, :3])
    size = scaled_size(width, height, max_side)
    if size != (width, height):
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    image = _upright(image, orientation)
    done, encoded = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not done:
        return {"error": "OpenCV cannot write it as PNG"}
    try:
        target.write_bytes(encoded.data)
    except OSError as error:
        return {"unwritable": error.errno or errno.EIO}
    return {"width": width, "height": height, "out_width": image.shape[1], "out_height": image.shape[0]}


def _upright(image: Any, orientation: int) -> Any:
    """As TIFF 6.0 defines tag 274: the stored rows and columns begin at another corner."""
    import cv2

    if orientation in (5, 6, 7, 8):
        image = cv2.transpose(image)
    flip = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}.get(orientation)
    return image if flip is None else cv2.flip(image, flip)


def _small(data: bytes | bytearray) -> tuple[bool, str]:
    """Decode to an eighth of the size: all of the data are read, and little else is computed."""
    import cv2
    import numpy as np

    words().clear()
    flags = cv2.IMREAD_REDUCED_GRAYSCALE_8 | cv2.IMREAD_IGNORE_ORIENTATION
    image = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), flags)
    return image is not None, words().take()


def checked(source: Path) -> dict[str, Any]:
    """Whether the file's data are whole."""
    result = check(_bytes_of(source), _small)
    return {"damage": result.damage, "note": result.note}


class _Words:
    """What is written to standard error, by whatever code, where that is a file of ours."""

    def __init__(self) -> None:
        try:
            self._file = stat.S_ISREG(os.fstat(2).st_mode)
        except OSError:
            self._file = False

    def clear(self) -> None:
        if self._file and os.lseek(2, 0, os.SEEK_END):
            os.lseek(2, 0, os.SEEK_SET)
            os.ftruncate(2, 0)

    def take(self) -> str:
        if not self._file or not os.lseek(2, 0, os.SEEK_END):
            return ""
        os.lseek(2, 0, os.SEEK_SET)
        said = os.read(2, MOST_SAID).decode("utf-8", "replace")
        self.clear()
        return said


MOST_SAID = 64 * 1024


@cache
def words() -> _Words:
    """A fresh place for what the decoder complains of."""
    return _Words()


def look(source: Path) -> dict[str, Any]:
    """Brightness and sharpness: see `filters` for what they mean."""
    import cv2
    import numpy as np

    gray = cv2.imdecode(
        np.frombuffer(_bytes_of(source), np.uint8), cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION
    )
    if gray is None:
        return {"error": "OpenCV cannot decode it"}
    scale = 640 / max(gray.shape)
    if scale < 1:
        size = (max(1, round(gray.shape[1] * scale)), max(1, round(gray.shape[0] * scale)))
        gray = cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
    return {
        "mean": float(gray.mean()),
        "brightest": float(np.percentile(gray, 99.5)),
        "sharpness": float(cv2.Laplacian(gray, cv2.CV_64F).var()),
    }


def _threads(one: bool) -> None:
    """one: there is a child for every core."""
    if one or "cv2" in sys.modules:
        import cv2

        cv2.setNumThreads(1 if one else SYSTEMS_OWN)


def measured(name: bytes, size: int, dark_below: float) -> list[Any]:
    """One frame's `Measures`, also where it cannot be read. size: bytes by the directory."""
    from dflwrap.frames.decoding.measures import failed
    from dflwrap.frames.decoding.measuring import measure

    path = Path(os.fsdecode(name))
    try:
        found = measure(path.name, _bytes_of(path) if size else b"", words().take, dark_below)
    except _UnreadError as unread:
        found = failed(f"cannot be opened: {unread.error.strerror}", cause="disk-read-error", unread=True)
    except MemoryError:
        found = failed(NO_MEMORY)
    except OSError as error:
        found = failed(f"cannot be opened: {error.strerror}")
    except Exception as error:
        found = failed(plain_words(error))
    return found.to_json()


def _answer(line: bytes) -> dict[str, Any]:
    request = json.loads(line)
    source = Path(os.fsdecode(bytes.fromhex(request.get("source", ""))))
    try:
        _threads(one=not request.keys().isdisjoint(("measure", "pieces", "thumbnail")))
        if "measure" in request:
            dark = float(request["dark_below"])
            return {
                "measured": [measured(bytes.fromhex(name), size, dark) for name, size in request["measure"]]
            }
        if "pieces" in request:
            from dflwrap.frames.decoding.likeness import compare

            return compare(source if request["source"] else None, request["pieces"], Path.read_bytes)
        if request.get("check"):
            return checked(source)
        if "thumbnail" in request:
            from dflwrap.frames.decoding.thumbnail import thumbnail

            side, quality = request["thumbnail"]
            return thumbnail(_bytes_of(source), int(side), int(quality))
        if "target" not in request:
            return look(source)
        return convert(
            source,
            Path(os.fsdecode(bytes.fromhex(request["target"]))),
            int(request["max_side"]),
            int(request.get("orientation", 1)),
        )
    except _UnreadError as unread:
        return {"unread": [unread.error.errno, getattr(unread.error, "winerror", None)]}
    except MemoryError:
        return {"error": NO_MEMORY}
    except Exception as error:
        return {"error": plain_words(error)}


def main() -> None:
    """The decoder process: one question a line on stdin, one JSON answer a line."""
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(2**30))
    os.environ.setdefault("OPENCV_IO_ENABLE_OPENEXR", "1")
    # No image is worth a thread of linear algebra on each core: starting them takes as long as reading NumPy.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    _bound_memory()
    # Decoders write their warnings to stdout's descriptor; the answers keep a descriptor of their own.
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    for line in sys.stdin.buffer:
        answers.write(json.dumps(_answer(line)) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
