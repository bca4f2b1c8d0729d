"""A small picture of an image, for a page that has to stay small. Runs in the decoder child."""

from __future__ import annotations

import base64
from typing import Any

from dflwrap.frames.decoding import heif

MOST_BYTES = 512 * 1024**2
"""A larger file is no frame and no face that a page could want."""


def thumbnail(raw: bytes, side: int, quality: int) -> dict[str, Any]:
    """`webp` (base64; the longest side is `side` pixels at most, never enlarged) and the `sharpness` of the source.

    Orientation tags are not applied: DeepFaceLab's way of seeing it.
    """
    import cv2
    import numpy as np

    if len(raw) > MOST_BYTES:
        return {"error": "too large for a thumbnail"}
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    image: Any = cv2.imdecode(np.frombuffer(raw, np.uint8), flags) if raw else None
    if image is None:
        image = heif.decode(raw)[0]
    if image is None:
        return {"error": "OpenCV cannot decode it"}
    if image.ndim == 2:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    gray = cv2.cvtColor(np.ascontiguousarray(image[:, :, :3]), cv2.COLOR_BGR2GRAY)
    sharpness = float(cv2.Laplacian(gray, cv2.CV_64F).var())
    height, width = image.shape[:2]
    scale = side / max(width, height)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    done, encoded = cv2.imencode(".webp", image[:, :, :3], [cv2.IMWRITE_WEBP_QUALITY, quality])
    if not done:
        return {"error": "OpenCV cannot write it as WebP"}
    small = {"width": image.shape[1], "height": image.shape[0], "sharpness": sharpness}
    return {"webp": base64.b64encode(encoded.tobytes()).decode("ascii"), **small}
