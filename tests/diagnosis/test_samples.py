"""Every log of sample_logs/ gets the verdict that its sidecar states."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from dflwrap.diagnosis import diagnose_text

FOLDER = Path(__file__).parents[2] / "sample_logs"
SIDECARS = sorted(FOLDER.glob("*.toml"))


@pytest.mark.parametrize("sidecar", SIDECARS, ids=lambda path: path.stem)
def test_sample_log(sidecar: Path) -> None:
    stated = tomllib.loads(sidecar.read_text(encoding="utf-8"))
    verdict = diagnose_text([(sidecar.stem + ".log", sidecar.with_suffix(".log").read_bytes())])
    assert verdict.health.value == stated["verdict"]
    assert (verdict.primary.id if verdict.primary else None) == stated.get("id")
    if verdict.primary is not None:
        assert verdict.primary.evidence, "a named cause shows its lines"


def test_there_are_enough_causes_and_healthy_logs_and_each_says_how_it_was_made() -> None:
    stated = [tomllib.loads(path.read_text(encoding="utf-8")) for path in SIDECARS]
    assert len({one["id"] for one in stated if "id" in one}) >= 40
    assert sum(one["verdict"] == "healthy" for one in stated) >= 10
    assert all(one["made"] in ("provoked", "composed") and one["how"] for one in stated)


def test_no_healthy_log_yields_a_finding() -> None:
    for path in SIDECARS:
        if tomllib.loads(path.read_text(encoding="utf-8"))["verdict"] != "healthy":
            continue
        verdict = diagnose_text([(path.stem, path.with_suffix(".log").read_bytes())])
        assert verdict.causes == (), path.stem
