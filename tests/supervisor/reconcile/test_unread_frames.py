"""A disk that failed for a while: what could not be read is no other picture, the next day either."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

import pytest
import test_start_and_end as days
from test_start_and_end import CLIP, Day, picture

from dflwrap.frames.inventory import UNREAD, Inventory, take_inventory
from dflwrap.supervisor.reconcile import clip as clips


def failing(names: Collection[str]) -> Callable[[Path], Inventory]:
    """The folder as it is listed while its disk does not tell size and time of these files (EIO)."""

    def listed(folder: Path) -> Inventory:
        found = take_inventory(folder)
        frames = tuple(
            one._replace(size=UNREAD, mtime_ns=0) if one.name in names else one for one in found.frames
        )
        return replace(found, frames=frames)

    return listed


@pytest.mark.parametrize("names", [CLIP[2:4], CLIP], ids=["two", "all"])
def test_frames_whose_disk_failed_when_they_were_listed_are_the_same_clip_the_next_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]
) -> None:
    day = Day(tmp_path)
    day.clip(1)
    monkeypatch.setattr(days, "take_inventory", failing(names))
    day.start()
    assert day.counts.extracted == len(CLIP)
    monkeypatch.undo()
    # Nothing tells whose faces these are but the names in them: no pictures are compared.
    intake = day.start()
    assert day.made == [] and intake.notices == []
    day.start()
    assert day.made == [] and day.counts.extracted == len(CLIP)


def test_frames_that_were_never_read_stay_open_and_are_extracted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = Day(tmp_path)
    day.clip(1)
    monkeypatch.setattr(days, "take_inventory", failing(CLIP))
    day.start(extract=False)
    monkeypatch.undo()
    day.start()
    assert day.made == list(CLIP) and day.counts.extracted == len(CLIP)


def test_another_clip_is_seen_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = Day(tmp_path)
    day.clip(1)
    monkeypatch.setattr(days, "take_inventory", failing(CLIP[:2]))
    day.start()
    monkeypatch.undo()
    day.clip(2)
    for path in day.frames.glob("*.png"):
        os.utime(path, ns=(5, 5))
    assert "another clip" in str(day.refused())


def test_pictures_that_cannot_be_read_while_they_are_compared_do_not_make_another_clip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = Day(tmp_path)
    day.clip(1)
    day.start()
    day.clip(2)  # whatever they hold: nobody can tell while the disk fails

    def fails(path: Path, *, whole: bool) -> OSError:
        return OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    monkeypatch.setattr(clips, "read_error", fails, raising=False)
    day.start()
    assert day.made == [] and day.counts.extracted == len(CLIP)
    monkeypatch.undo()
    assert "another clip" in str(day.refused()), "it is looked at again when they can be read"


def test_the_pictures_differ() -> None:
    """Else the tests above would show nothing."""
    assert (picture(1000) != picture(2000)).any()
