"""What went wrong in a decoder, as a sentence: an error of OpenCV's names a file of OpenCV's own source."""

from __future__ import annotations

import re

from dflwrap.frames.sizes import BOMB_PIXELS

MOST = 300
_PLACE = re.compile(r"OpenCV\([\w.-]{1,40}\)\s*(?:\S{1,400}:\d+:)?\s*error:\s*")
_ASSERTION = re.compile(r"\(-\d{1,4}:[^)]{1,80}\)\s*")
_TOO_LARGE = ("CV_IO_MAX_IMAGE", "MAX_IMAGE_PIXELS", "validateInputImageSize", "DecompressionBomb")
_NO_MEMORY = ("Insufficient memory", "OutOfMemoryError", "Failed to allocate")
TOO_LARGE = f"it claims more pixels than can be decoded (over {BOMB_PIXELS // 1_000_000:,} million)"
NO_MEMORY = "decoding it needs more memory than allowed"


def plain_words(error: BaseException) -> str:
    """The error's own message without places in a library's source."""
    if isinstance(error, MemoryError):
        return NO_MEMORY
    text, kind = " ".join(str(error).split()), type(error).__name__
    told = plain_text(f"{kind}: {text}")
    if told in (TOO_LARGE, NO_MEMORY):
        return told
    told = _ASSERTION.sub("", _PLACE.sub("", text))
    return f"the decoder failed: {told}"[:MOST] if told else f"the decoder failed ({kind})"


def plain_text(message: str) -> str:
    """An extractor's message for a frame: an error of OpenCV's as a sentence, others as they are."""
    if any(word in message for word in _TOO_LARGE):
        return TOO_LARGE
    if _PLACE.search(message) is None:
        return message
    if any(word in message for word in _NO_MEMORY):
        return NO_MEMORY
    return _ASSERTION.sub("", _PLACE.sub("", message)).strip()
