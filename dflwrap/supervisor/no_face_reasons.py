"""Why frames gave no face, as far as the frames themselves tell: too dark, blurred, overexposed, black."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dflwrap.check.quality import flaw_of
from dflwrap.check.thresholds import Thresholds
from dflwrap.common.errors import StoppedError
from dflwrap.extractors.builtin.settings import MIN_RECT_SIDE, smallest_face
from dflwrap.frames.decoder_child import SpareDecoders
from dflwrap.frames.many import DecoderPool
from dflwrap.ledger.ledger import Ledger
from dflwrap.planning.yields import spread
from dflwrap.telemetry.limits import usable_cores

KEY = "no_face_reasons"
"""In the ledger and in the report."""
MOST = 2000
"""Frames looked at: more tell nothing new."""
LEAST_SECONDS, SHARE = 5.0, 0.01
"""Time for it: a hundredth of what extracting took, and at least so many seconds."""


def look_for_reasons(
    ledger: Ledger,
    source: Path,
    extracted_for: float,
    stopping: Callable[[], bool],
    spares: SpareDecoders | None = None,
) -> dict[str, Any] | None:
    """Look, and keep the result in the ledger; None where every frame has a face.

    extracted_for: seconds. spares: as for `Converter`.
    """
    rows = ledger.frames("outcome = 'no_face'")
    if not rows:
        ledger.put(KEY, None)
        return None
    limits, found, looked, smallest = Thresholds(), Counter[str](), 0, 0.0
    until = time.monotonic() + max(LEAST_SECONDS, SHARE * extracted_for)
    wanted = (_sized(source / row.file_name) for row in spread(rows, MOST))
    try:
        with DecoderPool(usable_cores(), stopping, spares) as pool:
            for _, measures in pool.measure(wanted, limits.dark_below):
                if measures.pixels is not None:
                    flaw = flaw_of(measures.pixels, limits)
                    found[flaw or _FLAWLESS] += 1
                    if not flaw:
                        smallest = max(smallest, smallest_face(measures.width, measures.height))
                    looked += 1
                if time.monotonic() > until:
                    break
    except (StoppedError, OSError):
        pass
    reasons = {"frames": len(rows), "looked": looked, "reasons": dict(found.most_common())}
    if found[_FLAWLESS]:
        builtin = (ledger.get("extractor") or {}).get("name") == "builtin"
        reasons["smallest_face"] = round(smallest if builtin else MIN_RECT_SIDE)
    ledger.put(KEY, reasons)
    return reasons


def _sized(path: Path) -> tuple[Path, int]:
    """0 bytes for a file that is gone by now: there is nothing to look into."""
    try:
        return path, path.stat().st_size
    except OSError:
        return path, 0


def in_words(reasons: dict[str, Any]) -> str:
    """Like "3 without a face: 1 blurred, 1 dark, 1 overexposed"."""
    total, looked = reasons["frames"], reasons["looked"]
    if not looked:
        return f"{total} without a face; why was not looked at"
    flawless = "without a visible flaw"
    if "smallest_face" in reasons:
        flawless += f" (faces under {reasons['smallest_face']} pixels are not extracted)"
    words = [
        f"{count} {flawless if name == _FLAWLESS else name}" for name, count in reasons["reasons"].items()
    ]
    sample = "" if looked == total else f" (of {looked} looked at)"
    return f"{total} without a face: {', '.join(words)}{sample}"


_FLAWLESS = "no flaw"
