"""HEIC, HEIF and AVIF, through Pillow and pillow-heif where they are installed (extra `heif`).

Runs in the decoder child. OpenCV reads AVIF by itself where it was built so.
"""

from __future__ import annotations

import io
from typing import Any

_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"), "HEIC"),
    **dict.fromkeys((b"mif1", b"msf1", b"mif2", b"miaf"), "HEIF"),
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
}


def kind_of(data: bytes) -> str:
    """ "HEIC", "HEIF" or "AVIF" by the file's own brand (ISO/IEC 23008-12), else ""."""
    return _BRANDS.get(data[8:12], "") if data[4:8] == b"ftyp" else ""


def decode(data: bytes) -> tuple[Any, str]:
    """(pixels as BGR, "") or (None, why not); (None, "") for a file of another kind."""
    kind = kind_of(data)
    if not kind:
        return None, ""
    try:
        import numpy as np
        from PIL import Image

        if kind != "AVIF":
            import pillow_heif

            pillow_heif.register_heif_opener()
    except ImportError:
        return None, what_to_do(kind)
    try:
        with Image.open(io.BytesIO(data)) as picture:
            pixels = np.asarray(picture.convert("RGB"))
    except Exception as error:
        if type(error).__name__ == "UnidentifiedImageError" and kind == "AVIF":
            return None, what_to_do(kind)
        return None, f"{kind}: {' '.join(str(error).split())[:200]}"
    return np.ascontiguousarray(pixels[:, :, ::-1]), ""


def what_to_do(kind: str) -> str:
    """The sentence for a frame of this kind where it cannot be read."""
    return (
        f"reading {kind} needs pillow-heif: pip install pillow-heif in dflwrap's environment, then extract with "
        "--redo quarantined, or prepare into a new folder; or convert the frames to JPEG or PNG"
    )
