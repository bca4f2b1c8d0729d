"""Figures as a person reads them."""

from __future__ import annotations

import pytest

from dflwrap.report.night.values import pace


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        (118.4, "118 frames/s"),
        (1234.0, "1,234 frames/s"),
        (9.94, "9.9 frames/s"),
        (1.0, "1.0 frames/s"),
        (0.25, "4.0 s a frame"),
        (0.0, "nothing"),
    ],
)
def test_a_speed_is_never_written_in_powers_of_ten(rate: float, said: str) -> None:
    assert pace(rate) == said
