"""From what an attempt left behind to a verdict, a cause for every frame, and the suspects."""

from __future__ import annotations

from pathlib import Path

import pytest

from dflwrap.common.errors import DflwrapError
from dflwrap.common.events import Event, EventKind
from dflwrap.diagnosis import diagnose_text
from dflwrap.faceset.promotion import Promoter
from dflwrap.frames.judgement import Entry
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.records import NewFrame, Outcome
from dflwrap.supervisor.attempt.judge import judge_attempt
from dflwrap.supervisor.attempt.monitor import AttemptResult, EndedBy
from dflwrap.supervisor.attempt.outcomes import Collector
from dflwrap.supervisor.batch import Batch
from dflwrap.supervisor.liveness.watchdog import Dead, Phase, Symptom
from dflwrap.supervisor.run_folder import RunFolder

OOM = (
    b"tensorflow.python.framework.errors_impl.ResourceExhaustedError: OOM when allocating tensor with "
    b"shape[1,64,640,640] and type float on /job:localhost/replica:0/task:0/device:GPU:0 by allocator GPU_0_bfc\n"
)


def result(
    ended_by: EndedBy = EndedBy.EXIT,
    status: int = 0,
    *,
    dead: Dead | None = None,
    prompt: str | None = None,
    first_open: str | None = None,
) -> AttemptResult:
    return AttemptResult(ended_by, status, Phase.STEADY, dead, False, None, prompt, first_open, 10.0)


@pytest.fixture
def collector(tmp_path: Path) -> Collector:
    run_folder, faceset = tmp_path / "aligned_dflwrap", tmp_path / "aligned"
    output = run_folder / "out"
    output.mkdir(parents=True)
    faceset.mkdir()
    ledger = Ledger(run_folder / "run.db")
    ledger.add_frames(NewFrame(f"{n}.png", str(n), 1, 1, Entry.LINK, True, 0, "") for n in range(3))
    batch = Batch({row.file_name: row for row in ledger.frames()})
    return Collector(ledger, Promoter(ledger, run_folder, faceset, 64), batch, 1, output, False)


def event(what: EventKind, frame: str | None, **data: object) -> Event:
    return Event(what, 1.0, "CPU0", frame, dict(data))


def done(*frames: str) -> list[Event]:
    return [event(EventKind.FRAME_DONE, frame, faces=[]) for frame in frames]


def outcomes(collector: Collector) -> dict[str, Outcome | None]:
    return {row.file_name: row.outcome for row in collector.ledger.frames()}


def test_all_frames_back_is_healthy_whatever_the_exit_status(collector: Collector, tmp_path: Path) -> None:
    collector.take(done("0.png", "1.png", "2.png"))
    assert set(outcomes(collector).values()) == {Outcome.NO_FACE}
    assert judge_attempt(result(status=1), collector, tmp_path).verdict is None


def test_exit_status_nought_proves_nothing(collector: Collector, tmp_path: Path) -> None:
    collector.take(done("0.png", "1.png"))
    judged = judge_attempt(result(status=0), collector, tmp_path)
    assert judged.verdict is not None
    assert judged.suspects == ("2.png",), "the only one missing"


def test_the_log_names_the_cause_and_the_frames_in_work_are_suspects(
    collector: Collector, tmp_path: Path
) -> None:
    (tmp_path / "stdout.log").write_bytes(OOM)
    collector.take([event(EventKind.FRAME_STARTED, "0.png"), *done("0.png")])
    collector.take([event(EventKind.FRAME_STARTED, "1.png")])
    judged = judge_attempt(result(status=-9), collector, tmp_path)
    assert judged.cause == "gpu-oom-tensor"
    assert judged.suspects == ("1.png",)
    assert judged.fingerprint


def test_the_cause_at_the_very_end_of_the_longest_log_is_found(collector: Collector, tmp_path: Path) -> None:
    with (tmp_path / "stdout.log").open("wb") as log:
        log.write((b"." * 65_000 + b"\n") * (47 * 1024 * 1024 // 65_001))
        log.write(OOM)
    assert judge_attempt(result(status=1), collector, tmp_path).cause == "gpu-oom-tensor"


def test_a_hang_and_a_prompt_are_named_where_the_log_is_silent(collector: Collector, tmp_path: Path) -> None:
    dead = Dead(Symptom.STOPPED, Phase.STEADY, 16.0)
    hang = judge_attempt(result(EndedBy.HANG, dead=dead), collector, tmp_path)
    assert hang.verdict is not None and hang.verdict.primary is not None
    prompt = judge_attempt(result(EndedBy.PROMPT, prompt="Continue extraction? : "), collector, tmp_path)
    assert prompt.verdict is not None and prompt.verdict.primary is not None
    assert hang.cause != prompt.cause
    assert hang.fingerprint != prompt.fingerprint


@pytest.mark.parametrize("symptom", Symptom)
def test_a_hang_comes_with_the_words_and_steps_of_its_rule(
    collector: Collector, tmp_path: Path, symptom: Symptom
) -> None:
    dead = Dead(symptom, Phase.STEADY, 300.0)
    judged = judge_attempt(result(EndedBy.HANG, dead=dead), collector, tmp_path)
    assert judged.cause == f"extractor-{symptom.value}"
    assert judged.verdict is not None and judged.verdict.primary is not None
    assert judged.verdict.primary.steps and judged.verdict.primary.explanation
    told = diagnose_text([("dflwrap.log", dead.sentence.encode())])
    assert told.primary is not None and told.primary.id == judged.cause


def test_a_process_that_was_seen_stopped_outranks_what_a_silent_log_suggests(
    collector: Collector, tmp_path: Path
) -> None:
    (tmp_path / "stdout.log").write_bytes(b"Extracting faces...\n")
    dead = Dead(Symptom.STOPPED, Phase.STARTING, 16.0)
    assert judge_attempt(result(EndedBy.HANG, dead=dead), collector, tmp_path).cause == "extractor-stopped"
    (tmp_path / "stdout.log").write_bytes(OOM)
    assert judge_attempt(result(EndedBy.HANG, dead=dead), collector, tmp_path).cause == "gpu-oom-tensor"


def test_a_failed_frame_is_named_with_its_error(collector: Collector, tmp_path: Path) -> None:
    failed = event(
        EventKind.FRAME_FAILED, "1.png", error="ValueError: odd \ud800", traceback="", kind="exception"
    )
    collector.take([*done("0.png", "2.png"), failed])
    judged = judge_attempt(result(), collector, tmp_path)
    assert judged.suspects == ("1.png",)
    assert judged.verdict is not None and judged.verdict.primary is not None


def test_the_first_open_frame_of_a_black_box_is_the_suspect(collector: Collector, tmp_path: Path) -> None:
    judged = judge_attempt(result(status=-11, first_open="1.png"), collector, tmp_path)
    assert judged.suspects == ("1.png",)


def test_reports_of_strange_or_settled_frames_prove_nothing(collector: Collector) -> None:
    collector.take(done("0.png", "0.png", "stranger.png", "../1.png"))
    assert outcomes(collector) == {"0.png": Outcome.NO_FACE, "1.png": None, "2.png": None}
    collector.take([event(EventKind.FRAME_FAILED, "0.png", error="late")])
    assert collector.failures == {}
    assert outcomes(collector)["0.png"] is Outcome.NO_FACE


@pytest.mark.parametrize("faces", [None, "0_0.jpg", [1], {"a": 1}, ["1_0.jpg"], ["../x_0.jpg"], ["0_0.jpg"]])
def test_a_claim_that_cannot_be_true_leaves_the_frame_open(collector: Collector, faces: object) -> None:
    collector.take([event(EventKind.FRAME_DONE, "0.png", faces=faces)])
    assert outcomes(collector)["0.png"] is None
    (failure,) = collector.failures.values()
    assert failure.kind == "not_whole" and failure.error


def test_a_frame_that_fails_and_then_comes_back_is_no_failure(collector: Collector) -> None:
    collector.take([event(EventKind.FRAME_FAILED, "0.png", error="lost", kind="worker_lost")])
    assert len(collector.failures) == 1
    collector.take(done("0.png"))
    assert collector.failures == {}
    assert outcomes(collector)["0.png"] is Outcome.NO_FACE


def test_no_face_is_only_said_where_the_detector_looked(collector: Collector) -> None:
    collector.take([event(EventKind.FRAME_DONE, "0.png", faces=[], looked=False)])
    (row,) = collector.ledger.frames("name = '0.png'")
    assert (row.outcome, row.cause) == (Outcome.QUARANTINED, "image-too-small")


def test_the_root_of_a_disk_is_no_output_folder() -> None:
    with pytest.raises(DflwrapError, match="root of a disk"):
        RunFolder(Path(Path.cwd().anchor))
