"""A card whose memory spills into RAM is told: nothing fails, it is only slow."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dflwrap.common.memory import GIB
from dflwrap.common.telemetry import DeviceSummary, TelemetrySummary
from dflwrap.supervisor.attempt.runner import AttemptRunner


@pytest.mark.parametrize(("spilled", "told"), [(3 * GIB, True), (GIB // 10, False), (None, False)])
def test_a_spill_worth_telling_is_journalled(spilled: int | None, told: bool) -> None:
    notes: list[tuple[int, str]] = []
    summary = TelemetrySummary(devices=(DeviceSummary(1, spilled_peak=spilled),))
    runner: Any = SimpleNamespace(
        observer=SimpleNamespace(summary=lambda: summary), note=lambda *note: notes.append(note)
    )
    AttemptRunner._tell_spilled(runner, 4)
    assert bool(notes) == told
    if told:
        assert notes[0][0] == 4 and "GPU 1 was full" in notes[0][1] and "3.0 GiB" in notes[0][1]
