"""Failure fingerprints: what makes "the same failure again" mean something."""

from __future__ import annotations

import hashlib
import re

from dflwrap.common.verdict import Verdict

_CHANGING = (
    (re.compile(r"0x[0-9a-fA-F]+"), "<hex>"),
    (re.compile(r"(?:[A-Za-z]:)?[\\/][^\s'\"<>|:]*[\\/]([^\s'\"<>|\\/:]+)"), r"<path>"),
    (re.compile(r"[^\s'\"\\/]+\.(?:jpe?g|png|tiff?|bmp|webp)\b", re.IGNORECASE), "<image>"),
    (re.compile(r"\d+(?:[.,]\d+)*"), "#"),
    (re.compile(r"\s+"), " "),
)

UNKNOWN_CAUSE = "unknown"


def normalise(text: str) -> str:
    """A log line without what differs between two occurrences: numbers, addresses, paths, images."""
    for pattern, replacement in _CHANGING:
        text = pattern.sub(replacement, text)
    return text.strip().lower()


def fingerprint(
    verdict: Verdict | None, *, phase: str = "", exit_status: int | None = None, last_error: str = ""
) -> str:
    """Cause, phase, and a digest of the normalised evidence, e.g. "gpu-oom-tensor/steady/1f0c9a2e".

    Without a verdict or a cause the exit status and the last error line take the evidence's place.
    """
    cause = verdict.primary if verdict is not None else None
    if cause is not None:
        name, text = cause.id, cause.evidence[0].text if cause.evidence else ""
    else:
        name, text = UNKNOWN_CAUSE, last_error
    # The exit status keeps its number: -9 and -11 are different deaths.
    status = "" if exit_status is None else f"{exit_status} "
    digest = hashlib.sha256((status + normalise(text)).encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return "/".join(part for part in (name, phase, digest) if part)
