"""`quarantine/`: a link to each quarantined frame, and a text that says why."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dflwrap.frames.batch import link_frame
from dflwrap.frames.names import is_plain
from dflwrap.ledger.records import FrameRow


def lay_out(folder: Path, source: Path, frames: Iterable[FrameRow]) -> None:
    """Bring `folder` up to date; it is ours alone. Frames that cannot be linked get their reason only."""
    folder.mkdir(exist_ok=True)
    wanted: set[str] = set()
    for row in frames:
        name = row.file_name if is_plain(row.file_name) else f"frame-{row.id:07d}"
        reason = f"{row.name}\ncause: {row.cause or 'unknown'}\n{row.evidence or ''}\n"
        note = folder / f"{name}.txt"
        note.write_text(reason, encoding="utf-8", errors="backslashreplace")
        wanted.update((name, note.name))
        link = folder / name
        if not link.is_symlink() and not link.exists() and (source / row.file_name).is_file():
            try:
                link_frame(source / row.file_name, link)
            except OSError:
                continue
    for path in folder.iterdir():
        if path.name not in wanted and (path.is_symlink() or path.is_file()):
            path.unlink()
