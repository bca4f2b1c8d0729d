"""A card whose memory spills into RAM is told: nothing fails, it is only slow."""

from __future__ import annotations

import pytest

from dflwrap.common.memory import GIB
from dflwrap.common.telemetry import DeviceSummary, TelemetrySummary
from dflwrap.supervisor.attempt.runner import spill_notes


@pytest.mark.parametrize(("spilled", "told"), [(3 * GIB, True), (GIB // 10, False), (None, False)])
def test_a_spill_worth_telling_is_told(spilled: int | None, told: bool) -> None:
    notes = spill_notes(TelemetrySummary(devices=(DeviceSummary(1, spilled_peak=spilled),)))
    assert bool(notes) == told
    if told:
        assert "GPU 1 was full" in notes[0] and "3.0 GiB" in notes[0]
