"""The end of a run: its state, its report, the quarantine folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dflwrap.common.errors import ExitCode, NeedsUserError
from dflwrap.common.storage import cannot_write
from dflwrap.frames.filters import FILTERED
from dflwrap.ledger.history import end_session
from dflwrap.ledger.ledger import Ledger
from dflwrap.planning.decision import Stop
from dflwrap.planning.paces import PaceStore
from dflwrap.report.quarantine import lay_out
from dflwrap.report.report_file import ReportFile
from dflwrap.supervisor.disk.storage import REMOVED_NOW
from dflwrap.supervisor.loop import Ended
from dflwrap.supervisor.manual import left_for_a_person
from dflwrap.supervisor.no_face_reasons import look_for_reasons
from dflwrap.supervisor.reconcile.hostile import look_again_at_hostile_faces
from dflwrap.supervisor.services import RunServices


@dataclass(frozen=True, slots=True)
class End:
    """How a run ended, as it was written down."""

    code: ExitCode
    report: dict[str, Any]
    stop: Stop | None
    """Why it ended before its time."""


def end_run(services: RunServices, report_file: ReportFile, ended: Ended, deleted: list[int]) -> End:
    """Write down how the run ended. deleted: frames whose debug pictures the user had removed before it.

    A report that cannot be written is a reason to stop itself, where there is no other.
    """
    ledger = services.ledger
    look_again_at_hostile_faces(services.output_dir, ledger)
    code, name = _state(ledger, ended)
    why = services.control.reason if ended.interrupted else ""
    if why:
        ledger.decide(None, f"stopped: {why}")
    services.progress.end(ledger.counts())
    stop = ended.stop or Stop("", "", ())
    end_session(ledger, name, cause=stop.cause, sentence=stop.sentence or why, steps=stop.steps)
    report = report_file.build(name, _as_plain(ended.stop))
    if why:
        report["run"]["reason"] = why
    report["manual"] = left_for_a_person(services.request, ledger, deleted)
    try:
        report_file.write(report)
        quarantined = ledger.frames("outcome = 'quarantined'")
        lay_out(services.folder.quarantine, services.input_dir, quarantined, ledger)
    except (OSError, NeedsUserError) as error:
        if ended.stop is None:
            told = cannot_write(services.folder.report, error) if isinstance(error, OSError) else error
            stop = Stop(told.cause, str(told), told.steps)
            return end_run(services, report_file, Ended(stop=stop), deleted)
    services.state.counts = ledger.counts()
    services.stage("finished")
    services.presence.end(name, int(code), _as_plain(ended.stop), why)
    return End(code, report, ended.stop)


def learn_from_the_end(services: RunServices) -> None:
    """Why frames have no face, for the report; and how fast it went, for a forecast."""
    state, ledger, control = services.state, services.ledger, services.control
    rate, plan = state.pace.rate(), state.plan
    look_for_reasons(
        *(ledger, services.input_dir, state.pace.seconds, lambda: control.stopping, services.decoders)
    )
    if rate is not None and plan is not None:
        counts, side = ledger.counts(), ledger.longest_side("1")
        device = ", ".join(f"GPU {index}" for index in plan.devices) or "the CPU"
        done = counts.extracted + counts.no_face
        PaceStore().remember(state.extractor, device, side, rate, done)


def _state(ledger: Ledger, ended: Ended) -> tuple[ExitCode, str]:
    if ended.stop:
        return ExitCode.NEEDS_USER, "stopped"
    if ended.interrupted:
        return ExitCode.INTERRUPTED, "interrupted"
    counts = ledger.counts()
    if counts.quarantined or counts.open or _lost(ledger):
        return ExitCode.QUARANTINED, "quarantined"
    return ExitCode.COMPLETE, "complete"


def _lost(ledger: Ledger) -> bool:
    """Some frame was not attempted although the user neither asked for that nor removed it."""
    return any(row.cause not in (FILTERED, REMOVED_NOW) for row in ledger.not_attempted())


def _as_plain(stop: Stop | None) -> dict[str, Any] | None:
    if stop is None:
        return None
    return {"cause": stop.cause, "sentence": stop.sentence, "steps": list(stop.steps)}
