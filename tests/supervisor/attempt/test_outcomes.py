"""What an attempt has gained is what lies in the faceset, also where a promotion fails half-way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from dflwrap.common.errors import NeedsUserError
from dflwrap.common.events import Event, EventKind
from dflwrap.faceset.face_file.metadata import FaceMetadata, write_metadata
from dflwrap.faceset.promotion import Promoter
from dflwrap.frames.judgement import Entry
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.records import NewFrame, Outcome
from dflwrap.supervisor.attempt.outcomes import Collector
from dflwrap.supervisor.batch import Batch

SIZE = 64
NAMES = ("1.png", "2.png", "3.png")


def face(source: str) -> bytes:
    points = tuple((float(i), float(i) * 2) for i in range(68))
    matrix = ((0.5, 0.0, -3.0), (0.0, 0.5, 4.0))
    picture = cv2.imencode(".jpg", np.full((SIZE, SIZE, 3), 90, np.uint8))[1].tobytes()
    return write_metadata(picture, FaceMetadata("whole_face", points, source, (1, 2, 30, 40), points, matrix))


@pytest.fixture
def collector(tmp_path: Path) -> Collector:
    run_folder, faceset = tmp_path / "aligned_dflwrap", tmp_path / "aligned"
    output = run_folder / "attempts" / "0001" / "out"
    output.mkdir(parents=True)
    faceset.mkdir()
    ledger = Ledger(run_folder / "run.db")
    ledger.add_frames(NewFrame(name, name[:-4], 1, 1, Entry.LINK, True, 0, "") for name in NAMES)
    for name in NAMES:
        (output / f"{name[:-4]}_0.jpg").write_bytes(face(name))
    batch = Batch({row.file_name: row for row in ledger.frames()})
    return Collector(ledger, Promoter(ledger, run_folder, faceset, SIZE), batch, 1, output, keep_debug=False)


def done(*names: str) -> list[Event]:
    return [
        Event(EventKind.FRAME_DONE, 1.0, "CPU0", name, {"faces": [f"{name[:-4]}_0.jpg"]}) for name in names
    ]


def extracted(collector: Collector) -> set[int]:
    return {row.id for row in collector.ledger.frames() if row.outcome is Outcome.EXTRACTED}


def test_a_frame_that_goes_round_again_is_in_nobodys_hand(collector: Collector) -> None:
    """Else it would be suspected of whatever ends the attempt."""
    collector.take([Event(EventKind.FRAME_STARTED, 1.0, "GPU0", "1.png")])
    assert collector.in_work == {"GPU0": "1.png"}
    collector.take([Event(EventKind.FRAME_AGAIN, 1.1, "GPU0", "1.png", {"error": "out of memory"})])
    assert collector.in_work == {} and collector.failures == {}


def test_a_promotion_that_fails_gains_nothing_for_the_frames_that_stay_open(
    collector: Collector, tmp_path: Path
) -> None:
    collector.take(done("1.png"))
    assert collector.gained == extracted(collector) and len(collector.gained) == 1
    (tmp_path / "aligned" / "3_0.jpg").write_bytes(b"the user's own, put there during the run")
    with pytest.raises(NeedsUserError, match=r"3_0\.jpg"):
        collector.take(done("2.png", "3.png"))
    assert collector.gained == extracted(collector)
    assert {row.name for row in collector.ledger.open_frames()} >= {"3.png"}
    assert [frame for frame, _ in collector.results] == sorted(collector.gained)


def test_what_was_promoted_before_the_failure_was_told_stays_gained(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The faces were moved and the ledger was told; only what came after it failed."""
    settle = collector.ledger.settle_promoted

    def settle_and_fail(*arguments: Any) -> None:
        settle(*arguments)
        raise NeedsUserError("disk-full", "The disk is full.", ())

    monkeypatch.setattr(collector.ledger, "settle_promoted", settle_and_fail)
    with pytest.raises(NeedsUserError):
        collector.take(done(*NAMES))
    assert len(collector.gained) == 3 and collector.gained == extracted(collector)


def test_a_frame_whose_face_is_refused_is_not_gained_but_failed(collector: Collector) -> None:
    torn = collector.output / "2_0.jpg"
    torn.write_bytes(torn.read_bytes()[:-40])
    collector.take(done(*NAMES))
    assert {row.name for row in collector.missing} == {"2.png"}
    assert collector.gained == extracted(collector)
    [failure] = collector.failures.values()
    assert failure.frame.name == "2.png" and failure.kind == "not_whole"
    assert len(collector.results) == 2
    assert collector.promoted == ["1.png", "3.png"], "of these nothing need be kept"
