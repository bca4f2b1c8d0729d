"""Looking at something again and again, in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dflwrap.common.waits import Flag

LOOK_EVERY = 1.0
"""Seconds between two looks."""


@contextmanager
def watched(look: Callable[[], None], every: float = LOOK_EVERY) -> Iterator[None]:
    """Within the block `look` is called every `every` seconds. It must not raise; nobody waits for it at the end."""
    ended = Flag()

    def run() -> None:
        while not ended.wait(every):
            look()

    threading.Thread(target=run, name="watcher", daemon=True).start()
    try:
        yield
    finally:
        ended.set()
