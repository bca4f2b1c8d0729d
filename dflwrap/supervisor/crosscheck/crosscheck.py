"""Cross-check of an attempt that reports no error: a silent CPU, a yield that looks wrong.

Asks a second extractor where there is one, says what it saw where there is none, turns a disagreement into a verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dflwrap.common.events import Event, EventKind
from dflwrap.common.plan import AttemptSpec, Plan
from dflwrap.common.verdict import Cause, Confidence, EvidenceLine, Health, Verdict
from dflwrap.extractors.base import Extractor
from dflwrap.ledger.records import FrameRow, Outcome
from dflwrap.planning.yields import (
    CROSS_CHECK,
    DISAGREE_LEAST,
    LONG_RUN,
    Question,
    Sign,
    YieldWatch,
    disagrees,
)
from dflwrap.supervisor.crosscheck import cpu_fallback as silent_cpu
from dflwrap.supervisor.crosscheck.budget import CrossCheckBudget
from dflwrap.supervisor.crosscheck.idle_gpus import CardWatch
from dflwrap.supervisor.crosscheck.second_extractor import (
    Candidate,
    CrossCheckResult,
    SecondExtractor,
    find_second_extractor,
)
from dflwrap.supervisor.services import RunServices
from dflwrap.supervisor.stop_request import Control

GPU_STEPS = (
    "Check that this DeepFaceLab build fits your card: RTX 30 and newer need the RTX3000 build or later.",
    "Or let the CPU do it: --cpu-only.",
    "Or let the built-in extractor finish: --on-gpu-failure builtin.",
)
CPU_STEPS = (
    "Check DeepFaceLab's model files (facelib/S3FD.npy, 2DFAN.npy, 3DFAN.npy): unpack the build again.",
    "Or let the built-in extractor finish: --on-gpu-failure builtin.",
)


class CrossCheck:
    """Watches a run. Not covered: frames that fail (judging), and the look at the end (second_look)."""

    def __init__(
        self,
        services: RunServices,
        builtin: Extractor | None,
        template: AttemptSpec,
        budget: CrossCheckBudget,
    ) -> None:
        """builtin: where it is installed and not at work itself. template: the options of the run."""
        self._services, self._ledger = services, services.ledger
        self._builtin, self._template, self._budget = builtin, template, budget
        self._folder, self._telemetry = services.folder.scratch(services.ledger), services.observer.so_far
        self._watch = YieldWatch()
        self._width: tuple[str, tuple[int, ...]] | None = None
        self._at_work, self._plan, self._attempt = "", Plan(), 0
        self._devices_matter = self._black_box = False
        self._candidate: Candidate | None = None
        self._second_extractor: SecondExtractor | None = None
        self._question: Question | None = None
        self._shown: dict[str, FrameRow] = {}
        """Frames that the second extractor looks at, by name."""
        self._against: tuple[Question, CrossCheckResult] | None = None
        self._on_cpu: silent_cpu.Sign | None = None
        self._cards = CardWatch(self._plan, self._telemetry)

    def begin(self, extractor: Extractor, plan: Plan, attempt: int, *, black_box: bool) -> None:
        """An attempt begins. What another extractor, or other devices, yielded is no measure for it."""
        info = extractor.info()
        self._at_work, self._plan, self._attempt = info.name, plan, attempt
        self._devices_matter, self._black_box = "devices" in extractor.supported_fields, black_box
        self._on_cpu = None
        known_cards = self._devices_matter and info.numbers_as_driver
        self._cards = CardWatch(plan if known_cards else Plan(), self._telemetry)
        self._candidate = find_second_extractor(extractor, plan, self._builtin, black_box=black_box)
        width = (self._at_work, plan.devices)
        if width != self._width:
            self.close()  # its question was about another width
            self._width = width
            self._watch = YieldWatch(compare_first=self._ledger.counts().open >= LONG_RUN)

    # -- what comes in ---------------------------------------------------------------------------

    def events(self, events: Sequence[Event]) -> None:
        """Everything that the attempt reports."""
        for event in events:
            self._black_box |= event.kind is EventKind.AGENT_FAILED
            self._cards.event(event)
            if self._plan.devices and self._devices_matter and self._on_cpu is None:
                self._on_cpu = silent_cpu.shows_cpu(event, black_box=self._black_box)

    def take(self, results: Sequence[tuple[int, int]]) -> None:
        """(frame id, number of faces) of frames that came back."""
        if self._cards.frames(len(results)):
            self._look_at_cards()
        for frame, faces in results:
            self._watch.frame(frame, faces)
            question = self._watch.question()
            if question is not None:
                self._on_suspicion(question)

    def _look_at_cards(self) -> None:
        untouched = self._cards.untouched()
        if untouched and self._on_cpu is None:
            self._on_cpu = silent_cpu.Sign(silent_cpu.DRIVER, untouched)
        for index in self._cards.left_out():
            if self._budget.first_time(f"left out GPU {index}"):
                self._say(
                    f"GPU {index} is in the plan, but {self._at_work} does not use it: no worker runs on it"
                )

    def _on_suspicion(self, question: Question) -> None:
        busy = self._second_extractor is not None or self._against is not None
        if question.sign is Sign.EARLY and (
            busy or self._candidate is None or not self._budget.first_time(f"first results {self._width}")
        ):
            return
        frames = question.frames[: self._budget.left]
        if not busy and self._candidate is not None and self._may_look(frames):
            self._show(question, frames, self._candidate)
            return
        why = "" if busy or question.sign is Sign.EARLY else self._why_no_look()
        if why or question.sign is Sign.FALL:  # a fall is worth a line by itself
            self._say(question.words + why)

    def _may_look(self, frames: Sequence[int]) -> bool:
        return len(frames) >= DISAGREE_LEAST and self._budget.more_watching

    def _show(self, question: Question, frames: Sequence[int], candidate: Candidate) -> None:
        wanted = ", ".join("?" for _ in frames)
        rows = self._ledger.frames(f"id IN ({wanted})", frames)
        self._say(f"{question.words}: {candidate.words} looks at {len(rows)} of them")
        self._budget.spend(len(rows), watching=True)
        self._question, self._shown = question, {row.name: row for row in rows}
        self._second_extractor = SecondExtractor(
            candidate, self._template, self._services.input_dir, self._folder, rows
        )

    def _why_no_look(self) -> str:
        """Said once per run."""
        if self._candidate is not None:
            why = "; no further cross-check: the limit on their cost is reached"
        elif self._at_work == "builtin":
            why = "; the built-in extractor does the work itself, no other can look at them"
        else:
            install = "python -m pip install 'dflwrap[builtin]'"
            why = f"; no other extractor can look at them, the built-in one is not installed: {install}"
        return why if self._budget.first_time(why) else ""

    def _say(self, text: str) -> None:
        self._ledger.decide(self._attempt, f"attempt {self._attempt}: {text}")
        self._services.reporter.notice(text)

    # -- what the second extractor finds ---------------------------------------------------------------------

    def disagreed(self) -> bool:
        """True once the attempt is not worth continuing with: see `settle`."""
        if self._second_extractor is not None and self._second_extractor.answer is not None:
            self._on_result(self._second_extractor.answer)
        return self._against is not None or self._on_cpu is not None

    def _on_result(self, answer: CrossCheckResult) -> None:
        question, candidate = self._question, self._candidate
        if self._second_extractor is not None:
            self._second_extractor.close()
            self._second_extractor = None
        if question is None or candidate is None:
            return
        empty = {name for name, row in self._shown.items() if row.outcome is Outcome.NO_FACE}
        looked, found = empty & set(answer.looked), empty & set(answer.found)
        if disagrees(len(looked), len(found)):
            names = tuple(name for name in answer.found if name in found)
            self._against = (question, CrossCheckResult(tuple(looked), names))
            self._budget.give_back(len(self._shown), watching=True)
        elif not answer.looked:
            self._say(f"{candidate.words} could not look at them")
        elif question.sign is Sign.EARLY:
            self._compared(candidate, looked, found, answer)
        else:
            self._say(f"it finds faces in {len(found)} of {len(looked)}: no disagreement")

    def _compared(
        self, candidate: Candidate, looked: set[str], found: set[str], answer: CrossCheckResult
    ) -> None:
        """The first results of a long run, in both directions; faces too many are no verdict, only a notice."""
        faces = set(answer.looked) - looked
        both = faces & set(answer.found)
        if len(faces) >= DISAGREE_LEAST and not both:
            self._say(
                f"{candidate.words} finds no face in any of {len(faces)} frames in which {self._at_work} "
                "found some: look at the first faces of the faceset"
            )
        else:
            self._say(
                f"it finds faces in {len(both)} of {len(faces)} frames with faces and in {len(found)} of "
                f"{len(looked)} without: no disagreement"
            )

    def settle(self, control: Control, folder: Path) -> Verdict | None:
        """After the attempt in `folder`: the verdict, with the disputed frames open again; None without one."""
        if self._second_extractor is not None and self._against is None and not self._may_go_on():
            answer = self._second_extractor.wait(control.stop_event)
            if answer is not None:
                self._on_result(answer)
            self._second_extractor = None
        if self._against is not None:
            (question, answer), self._against = self._against, None
            with self._ledger.transaction():
                for frame in self._watch.empties(question.since):
                    self._ledger.reopen("id = ? AND outcome = 'no_face'", (frame,))
            self._watch = YieldWatch()
            return self._verdict(answer)
        if self._on_cpu is None:
            return None
        verdict = silent_cpu.silent_cpu(self._plan, self._on_cpu, folder)
        if self._ledger.counts().open or verdict.primary is None:
            return verdict
        self._say(f"{verdict.primary.title}; every frame is done")  # what the CPU finds is as good
        return None

    def _may_go_on(self) -> bool:
        """The comparison of the first results is no suspicion: the next attempt need not wait for it."""
        early = self._question is not None and self._question.sign is Sign.EARLY
        return early and self._ledger.counts().open > 0

    def _verdict(self, answer: CrossCheckResult) -> Verdict:
        names = ", ".join(answer.found[:5])
        second_extractor = self._candidate.words if self._candidate is not None else "a second extractor"
        text = (
            f"{second_extractor} finds faces in {len(answer.found)} of {len(answer.looked)} frames "
            f"that {self._at_work} found no face in"
        )
        on_gpu = bool(self._plan.devices)
        cause = Cause(
            "wrong-build-new-gpu" if on_gpu else "model-file-corrupt",
            text,
            "cuda-library" if on_gpu else "model-files",
            Confidence.LIKELY,
            (EvidenceLine(CROSS_CHECK, 1, names),),
            steps=GPU_STEPS if on_gpu else CPU_STEPS,
        )
        return Verdict(Health.FAILURE, cause, (cause,))

    def close(self) -> None:
        if self._second_extractor is not None:
            self._second_extractor.close()
            self._second_extractor = None
