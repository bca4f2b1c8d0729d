"""The run folder `<output>_dflwrap/` beside the faceset, and its lock."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from filelock import FileLock, Timeout

from dflwrap.common.errors import DflwrapError, NeedsUserError
from dflwrap.frames.names import display


class RunFolder:
    """Paths of one run. Holding an instance between `lock` and `unlock` means owning the run."""

    def __init__(self, output_dir: Path) -> None:
        """Raises DflwrapError for an output folder that nothing can stand beside (a root)."""
        if not output_dir.name:
            raise DflwrapError(
                f"The output cannot be the root of a disk: {display(str(output_dir))}. "
                "Give a folder of its own with --output-dir."
            )
        self.path = output_dir.with_name(output_dir.name + "_dflwrap")
        self.database = self.path / "run.db"
        self.attempts = self.path / "attempts"
        self.quarantine = self.path / "quarantine"
        self.report = self.path / "report.json"
        self._lock = FileLock(self.path / "run.lock", timeout=0)
        self._cleared = False

    def lock(self) -> None:
        """Create the folder and own it. Raises DflwrapError when another dflwrap does, or on no access."""
        try:
            self.attempts.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except Timeout:
            raise DflwrapError(
                f"Another dflwrap is working on this faceset: {display(str(self.path))}. "
                "Wait until it has finished, or stop it first."
            ) from None
        except OSError as error:
            raise NeedsUserError(
                "output-not-writable",
                f"The run folder cannot be written: {display(str(self.path))} ({error.strerror or error}).",
                ("Check the permissions of its parent folder.", "Or choose another --output-dir."),
            ) from None

    def unlock(self) -> None:
        self._lock.release()
        if self._cleared:
            try:
                Path(self._lock.lock_file).unlink(missing_ok=True)
                self.path.rmdir()
            except OSError:
                pass  # someone else has begun in it

    def clear(self) -> None:
        """Only while it is owned, and only for a run that was made just now: remove it with `unlock`."""
        for path in self.path.iterdir():
            if path.name != "run.lock":
                remove_tree(path) if path.is_dir() else path.unlink()
        self._cleared = True

    def attempt_folder(self, number: int) -> Path:
        """A new, empty folder for an attempt."""
        folder = self.attempts / f"{number:04d}"
        if folder.exists():  # of a run that died between making it and entering it into the ledger
            shutil.rmtree(folder)
        folder.mkdir()
        return folder

    def clear_work(self) -> None:
        """Remove the batch and output folders of ended attempts; logs, plans and events stay.

        Everything in them is ours: links, converted copies, faces that were not whole.
        """
        for attempt in sorted(self.attempts.iterdir()):
            clear_attempt(attempt)


def clear_attempt(folder: Path) -> None:
    """Remove the batch and output folders of one ended attempt."""
    for name in ("in", "repaired", "out", "out_debug"):
        remove_tree(folder / name)


def remove_tree(folder: Path) -> None:
    """Remove a folder of ours; links in it are removed, never followed."""
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder, ignore_errors=os.name == "nt")
