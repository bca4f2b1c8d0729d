"""`quarantine/`: a link to each quarantined frame, and a text that says why."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from dflwrap.common.text import display
from dflwrap.common.trees import is_link, remove_file
from dflwrap.frames.batch import link_frame
from dflwrap.frames.names import is_plain, is_single_name
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.records import FrameRow

_RECORD = "made: quarantine"
"""Key of the ledger: names of the entries that we have made, each with size and mtime_ns."""

Stamp = tuple[int, int]


def lay_out(folder: Path, source: Path, frames: Iterable[FrameRow], ledger: Ledger) -> None:
    """Bring `folder` up to date. Frames that cannot be linked get their reason only.

    The user may keep files there: only entries that the ledger records as ours, and that are as we made
    them, are replaced or removed. Where a name is taken by something else, the reason gets another.
    Raises OSError, and what the ledger raises.
    """
    if is_link(folder):
        return
    folder.mkdir(exist_ok=True)
    ours = {name: stamp for name, stamp in _recorded(ledger).items() if _stamp(folder / name) == stamp}
    wanted: set[str] = set()
    for row in frames:
        number = f"frame-{row.id:07d}"
        name = row.source_name if is_plain(row.source_name) else number
        wanted.add(name)
        link = folder / name
        with suppress(OSError):  # it cannot be linked, or the frames' disk is gone
            if _stamp(link) is None and (source / row.file_name).is_file():
                link_frame(source / row.file_name, link)
                _note(ours, link)
        reason = (row.name, f"cause: {row.cause or 'unknown'}", f"evidence: {row.evidence or 'none'}")
        text = "".join(f"{display(line)}\n" for line in reason).encode("utf-8", errors="backslashreplace")
        for candidate in (f"{name}.txt", f"{number}.txt"):
            if _write(folder / candidate, text, ours):
                wanted.add(candidate)
                break
    for name in ours.keys() - wanted:
        with suppress(PermissionError):  # a viewer may hold it open; it stays recorded as ours
            remove_file(folder / name)
            del ours[name]
    if ours != _recorded(ledger):
        ledger.put(_RECORD, ours)


def _write(path: Path, text: bytes, ours: dict[str, Stamp]) -> bool:
    """Write a reason; False where something of the user's has the name."""
    if _stamp(path) is not None:
        if not is_link(path) and path.is_file() and path.read_bytes() == text:
            return True
        if path.name not in ours:
            return False
        remove_file(path)
    with path.open("xb") as file:
        file.write(text)
    _note(ours, path)
    return True


def _note(ours: dict[str, Stamp], path: Path) -> None:
    stamp = _stamp(path)
    if stamp is not None:
        ours[path.name] = stamp


def _stamp(path: Path) -> Stamp | None:
    """What tells an entry of ours from one that the user has put in its place; None where there is none."""
    try:
        info = path.lstat()
    except OSError:
        return None
    return info.st_size, info.st_mtime_ns


def _recorded(ledger: Ledger) -> dict[str, Stamp]:
    record = ledger.get(_RECORD)
    if not isinstance(record, dict):
        return {}
    return {
        name: (stamp[0], stamp[1])
        for name, stamp in record.items()
        if is_single_name(name) and isinstance(stamp, list) and len(stamp) == 2
    }
