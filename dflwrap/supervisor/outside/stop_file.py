"""`dflwrap stop RUN`: asks for the end of a run through a file in its run folder, also across a network share."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dflwrap.common.durable import sync
from dflwrap.common.retrying import retry_held_open
from dflwrap.common.trees import is_link
from dflwrap.common.waits import Flag
from dflwrap.supervisor.stop_request import Control

NAME = "stop.request"
PART = f"{NAME}.part"
FORMAT = "dflwrap stop request"
MOST_BYTES = 4096
"""A larger file of that name is not ours."""
LOOK_EVERY = 1.0
"""Seconds between two looks for it."""
WHY = "asked with dflwrap stop"


def ask_to_stop(run_folder: Path, *, at_once: bool, whole_job: bool = False) -> None:
    """Leave the request there. whole_job: the job that the run belongs to is to end, not it alone.

    Raises OSError, also for a file or link of that name that is not ours.
    """
    path = run_folder / NAME
    if os.path.lexists(path) and _read(path) is None:
        raise FileExistsError(f"{NAME} in the run folder is not dflwrap's")
    part = run_folder / PART
    if is_link(part):
        raise FileExistsError(f"{PART} in the run folder is a link")
    with part.open("w", encoding="utf-8") as file:
        request = {"format": FORMAT, "at_once": at_once, "whole_job": whole_job, "time": time.time()}
        json.dump(request, file)
        file.flush()
        sync(file.fileno())
    retry_held_open(lambda: part.replace(path))  # the run may be reading it (Windows)


def is_asked(run_folder: Path) -> bool:
    """A request lies there that no run has taken up yet."""
    return _read(run_folder / NAME) is not None


@contextmanager
def heeded(run_folder: Path, control: Control) -> Iterator[None]:
    """Within the block, which owns the run folder, a request stops the run, or its job.

    One from before it counts for nothing.
    """
    path = run_folder / NAME
    _clear(path)
    old = _read(path)  # on a disk that lets nobody delete
    ended = Flag()

    def watch() -> None:
        while not ended.wait(LOOK_EVERY):
            found = _read(path)
            if found is not None and found != old:
                asked = control.whole if found.get("whole_job") is True else control
                asked.stop_because(WHY, by_user=True, at_once=found.get("at_once") is True)

    threading.Thread(target=watch, name="stop-file", daemon=True).start()
    try:
        yield
    finally:
        ended.set()
        _clear(path)


def _clear(path: Path) -> None:
    if _read(path) is not None:
        with suppress(OSError):
            path.unlink()


def _read(path: Path) -> dict[str, object] | None:
    """None for anything that is no request of ours."""
    try:
        if is_link(path) or not path.is_file() or path.stat().st_size > MOST_BYTES:
            return None
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) and content.get("format") == FORMAT else None
