"""A start that takes its time says what it is at; a quick one says nothing of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dflwrap.common.errors import StoppedError
from dflwrap.frames.inventory import take_inventory
from dflwrap.supervisor import progress
from dflwrap.supervisor.progress import RunState, Stages


class Told:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.notices: list[str] = []
        self.stages: list[str] = []

    def notice(self, text: str) -> None:
        self.notices.append(text)

    def changed(self, state: RunState) -> None:
        self.stages.append(state.stage)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(50):
        (tmp_path / f"{number}.png").touch()
    return tmp_path


def test_a_quick_stage_is_shown_and_makes_no_line(folder: Path) -> None:
    told = Told()
    stages = Stages(RunState(), told, lambda: False)
    assert not stages.stopping(), "before the first"
    stages.at("listing the frames")
    assert len(take_inventory(folder, stages.stopping).frames) == 50
    assert told.stages == ["listing the frames"] and told.notices == []


def test_a_long_stage_has_a_line_and_not_one_for_each_frame(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "SILENT", 0.0)
    told = Told()
    stages = Stages(RunState(), told, lambda: False)
    stages.at("listing the frames")
    take_inventory(folder, stages.stopping)
    stages.at("looking at the faceset")
    assert told.notices == ["listing the frames: 0 s so far"]
    stages.stopping()
    assert told.notices[1:] == ["looking at the faceset: 0 s so far"]
    monkeypatch.setattr(progress, "AGAIN", 0.0)
    stages.at("entering the frames")
    stages.stopping()
    stages.stopping()
    assert len(told.notices) == 4, "and again after a while"


def test_a_stop_is_heard_in_every_stage(folder: Path) -> None:
    stages = Stages(RunState(), Told(), lambda: True)
    stages.at("listing the frames")
    with pytest.raises(StoppedError):
        take_inventory(folder, stages.stopping)
