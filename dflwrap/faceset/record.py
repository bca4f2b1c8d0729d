"""What is known of the clip that a faceset was made from: by its run, and by the folder of its frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dflwrap.faceset.census import SourceOf
from dflwrap.frames.inventory import take_inventory
from dflwrap.frames.names import case_key
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.records import FaceRow


@dataclass(frozen=True, slots=True)
class Record:
    """What a run remembers, read row by row whenever it is asked for: there may be a hundred thousand."""

    frames: Callable[[], Iterable[tuple[str, str]]]
    """(name as faces have it, file name in the folder or below it)."""
    faces: Callable[[], Iterable[FaceRow]]
    source_of: SourceOf
    image_size: int
    """Side of a face in pixels, as asked for; 0 = not known."""


def record_of(ledger: Ledger) -> Record:
    """What the ledger of a run knows of its frames and faces; it must stay open."""
    options = ledger.get("options")
    size = options.get("image_size") if isinstance(options, dict) else 0
    return Record(
        ledger.source_names, ledger.each_face, ledger.source_of, size if isinstance(size, int) else 0
    )


class KnownFrames:
    """The frames of the clip, by name."""

    def __init__(self, folder: Path | None, record: Record | None) -> None:
        self._places: dict[str, str] = {}
        """Of the frames in sub-folders."""
        known: set[str] = set()
        for name, file_name in record.frames() if record is not None else ():
            known.add(name)
            if name != file_name:
                self._places[name] = file_name
        if folder is not None:
            known.update(entry.name for entry in take_inventory(folder).frames)
        self.folder = folder
        self.names = sorted(known)
        self.any = folder is not None or record is not None
        self._exact = known

    @cached_property
    def _folded(self) -> dict[str, str]:
        return {case_key(name): name for name in self.names}

    @cached_property
    def _stems(self) -> set[str]:
        return {case_key(Path(name).stem) for name in self.names}

    def name(self, source: str) -> str | None:
        """As the clip has it: other systems fold case and compose accents."""
        return source if source in self._exact else self._folded.get(case_key(source))

    def path(self, folder: Path, name: str) -> Path:
        """Of the frame in `folder`: where several were joined, in one of its sub-folders."""
        return folder / self._places.get(name, name)

    def stem_known(self, file: str) -> bool:
        """A file named `<stem>_<index>`, of a frame's stem where frames are known."""
        stem, _, index = Path(file).stem.rpartition("_")
        if not stem or not index.isdecimal():
            return False
        return not self.any or case_key(stem) in self._stems
