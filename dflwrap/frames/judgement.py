"""How a frame enters an attempt: as it is, prepared, or not at all with its reason."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from dflwrap.common.storage import LONGEST_PATH, is_device_error, is_listed, is_missing
from dflwrap.frames.header import HeaderFacts, read_header
from dflwrap.frames.inventory import DFL_SUFFIXES, UNREAD, FrameEntry
from dflwrap.frames.names import is_plain, stem_and_suffix
from dflwrap.frames.sizes import BOMB_PIXELS, HUGE_PIXELS, HUGE_SIDE, SMALLEST_SIDE


class Entry(StrEnum):
    """How a frame is handed to an extractor."""

    LINK = "link"
    """As it is, under its own name or a plain one."""
    CONVERT = "convert"
    """Decoded in a child process and written as an 8-bit PNG."""
    REFUSE = "refuse"
    UNSEEN = "unseen"
    """Not looked at yet: that is done just before it is handed out."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """How a frame is handed in, and why."""

    entry: Entry
    reason: str = ""
    """Why it is not simply handed in; for REFUSE the evidence."""
    cause: str = ""
    """For REFUSE: id of the known cause."""
    plain_name: bool = True
    """False: it needs a plain name of ours in the batch folder."""
    max_side: int = 0
    """For CONVERT: longest side in pixels, 0 = as it is."""
    longest_side: int = 0
    """Of the frame itself, pixels; 0 = its header does not tell."""
    unread: bool = False
    """Its device fails just now, or it has gone since it was listed: the frame is not to blame, and is judged by the
    decoder when its batch is made."""


def _not_handed_out(why: str | None) -> Judgement:
    return Judgement(
        Entry.REFUSE, f"cannot be opened: {why}", "disk-read-error", plain_name=False, unread=True
    )


def judge(folder: Path, entry: FrameEntry) -> Judgement:
    """Judge one frame by its name, its directory entry and its header (no decoding).

    See `Judgement.unread` for what is refused for no fault of the frame.
    """
    if entry.problem:
        return Judgement(Entry.REFUSE, entry.problem, "imread-failed")
    if entry.size == UNREAD:
        return _not_handed_out("its device does not answer")
    if entry.size == 0:
        return Judgement(Entry.REFUSE, "the file is empty (0 bytes)", "zero-byte-image")
    return judge_file(folder, entry.name)


def judge_file(folder: Path, name: str) -> Judgement:
    """Judge a regular file by its name and its header."""
    try:
        facts = read_header(folder / name)
    except OSError as error:
        if is_missing(error) and len(str(folder / name)) > LONGEST_PATH and is_listed(folder / name):
            return Judgement(Entry.REFUSE, "its path is longer than the system allows", "path-too-long")
        if is_missing(error) or is_device_error(error):
            return _not_handed_out(error.strerror)
        return Judgement(Entry.REFUSE, f"cannot be opened: {error.strerror}", "imread-failed")
    return judge_header(name, facts)


def judge_header(name: str, facts: HeaderFacts) -> Judgement:
    """Judge a file that could be opened by what its header says."""
    longest = max(facts.width or 0, facts.height or 0)
    judgement = _why_not_as_it_is(name, facts)
    if judgement is not None:
        return replace(judgement, longest_side=longest)
    plain = is_plain(name)
    reason = "" if plain else "its name is not plain ASCII or is long"
    return Judgement(Entry.LINK, reason, plain_name=plain, longest_side=longest)


def _why_not_as_it_is(name: str, facts: HeaderFacts) -> Judgement | None:
    if facts.problem:
        return Judgement(Entry.REFUSE, facts.problem, "imread-failed")
    if facts.whole is False:
        return Judgement(
            Entry.REFUSE,
            "the file is cut short: the end of its image data is missing",
            "imread-failed",
        )
    if facts.width and facts.height:
        refused = judge_size(facts.width, facts.height)
        if refused:
            return refused
    reason, max_side = _why_convert(name, facts)
    if reason:
        return Judgement(Entry.CONVERT, reason, plain_name=False, max_side=max_side)
    return None


def judge_size(width: int, height: int) -> Judgement | None:
    """REFUSE when DFL would not look at a frame of this size, or when it could not survive it."""
    if min(width, height) < SMALLEST_SIDE:
        return Judgement(
            Entry.REFUSE,
            f"{width}x{height} pixels: no detector looks at frames with a side under {SMALLEST_SIDE}",
            "image-too-small",
        )
    if width * height > BOMB_PIXELS:
        return Judgement(Entry.REFUSE, f"{width}x{height} pixels are more than can be decoded", "huge-image")
    return None


def _why_convert(name: str, facts: HeaderFacts) -> tuple[str, int]:
    suffix = stem_and_suffix(name)[1]
    if facts.width and facts.height and facts.width * facts.height > HUGE_PIXELS:
        return f"{facts.width}x{facts.height} pixels: downscaled to {HUGE_SIDE}", HUGE_SIDE
    if suffix not in DFL_SUFFIXES:
        return f"DFL passes over {suffix} files", 0
    if facts.kind not in ("jpeg", "png"):
        what = {"tiff": "a TIFF", "damaged": "an unusual header"}.get(
            facts.kind, "not the format its name says"
        )
        return f"{what}: checked and converted", 0
    if facts.bits and facts.bits > 8:
        return f"{facts.bits} bits per channel: brought to 8", 0
    if facts.kind == "jpeg" and facts.channels == 4:
        return "CMYK colours: converted", 0
    return "", 0
