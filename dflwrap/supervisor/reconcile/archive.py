"""Laying an earlier run aside, whole: `<output>_dflwrap/earlier/<time>/`. Everything is moved, nothing deleted."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

from dflwrap.common.retrying import retry_held_open
from dflwrap.common.storage import cannot_write
from dflwrap.faceset.moving import flush_folder, move_without_overwriting
from dflwrap.supervisor.run_folder import RunFolder

EARLIER = "earlier"
FACES = "faces"


def new_archive(folder: RunFolder) -> Path:
    """A new, empty `earlier/<time>/`. Raises NeedsUserError when it cannot be made."""
    stamp = time.strftime("%Y-%m-%d %H.%M.%S")
    parent, number = folder.path / EARLIER, 1
    try:
        parent.mkdir(exist_ok=True)
        while True:
            archive = parent / (stamp if number == 1 else f"{stamp} ({number})")
            try:
                archive.mkdir()
            except FileExistsError:
                number += 1
                continue
            return archive
    except OSError as error:
        raise cannot_write(parent, error) from error


def lay_aside_files(archive: Path, files: Iterable[Path], sub_folder: str = FACES) -> int:
    """Move files of the faceset into the archive; how many. Raises NeedsUserError.

    A crash half-way leaves the rest where it was: the next start comes to the same decision and continues.
    """
    target = archive / sub_folder
    moved = 0
    for path in files:
        try:
            target.mkdir(exist_ok=True)
            move_without_overwriting(path, target / path.name)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise cannot_write(target / path.name, error) from error
        moved += 1
    if moved:
        flush_folder(target)
    return moved


def lay_aside_run(folder: RunFolder, archive: Path) -> None:
    """Move what the earlier run has left in the run folder; its ledger, which must be closed, last.

    So a crash half-way leaves the ledger to be found. Raises NeedsUserError.
    """
    kept = {EARLIER, *folder.permanent}
    names = [name for name in os.listdir(folder.path) if name not in kept]  # noqa: PTH208 - names only
    names.sort(key=lambda name: name.startswith(folder.database.name))
    names.sort(key=lambda name: name == folder.database.name)
    for name in names:
        try:
            retry_held_open(lambda name=name: (folder.path / name).rename(archive / name))  # type: ignore[misc]
        except OSError as error:
            raise cannot_write(archive / name, error) from error
    flush_folder(archive)
    try:
        folder.attempts.mkdir(exist_ok=True)
    except OSError as error:
        raise cannot_write(folder.attempts, error) from error
