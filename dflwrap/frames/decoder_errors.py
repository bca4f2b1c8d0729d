"""What went wrong in a decoder, as a sentence: an error of OpenCV's names a file of OpenCV's own source."""

from __future__ import annotations

import re

from dflwrap.frames.judgement import BOMB_PIXELS

MOST = 300
_PLACE = re.compile(r"OpenCV\([\w.-]{1,40}\)\s*(?:\S{1,400}:\d+:)?\s*error:\s*")
_ASSERTION = re.compile(r"\(-\d{1,4}:[^)]{1,80}\)\s*")
_TOO_LARGE = ("CV_IO_MAX_IMAGE", "MAX_IMAGE_PIXELS", "validateInputImageSize", "DecompressionBomb")
_NO_MEMORY = ("Insufficient memory", "OutOfMemoryError", "Failed to allocate")
TOO_LARGE = f"it claims more pixels than can be decoded (over {BOMB_PIXELS // 1_000_000:,} million)"
NO_MEMORY = "decoding it needs more memory than allowed"


def plain_words(error: BaseException) -> str:
    """The error's own message without places in a library's source."""
    text = " ".join(str(error).split())
    kind = type(error).__name__
    if any(word in text or word in kind for word in _TOO_LARGE):
        return TOO_LARGE
    if any(word in text for word in _NO_MEMORY) or isinstance(error, MemoryError):
        return NO_MEMORY
    told = _ASSERTION.sub("", _PLACE.sub("", text))
    return f"the decoder failed: {told}"[:MOST] if told else f"the decoder failed ({kind})"
