"""Doubt about frames that were called empty: asks a witness, and turns a disagreement into a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dflwrap.common.plan import AttemptSpec, Plan
from dflwrap.common.verdict import Cause, Confidence, EvidenceLine, Health, Verdict
from dflwrap.extractors.base import Extractor
from dflwrap.ledger.ledger import Ledger
from dflwrap.planning.yields import YieldWatch, disagrees
from dflwrap.supervisor.control import Control
from dflwrap.supervisor.progress import Reporter
from dflwrap.supervisor.witness import Testimony, Witness

GPU_STEPS = (
    "Check that this DeepFaceLab build fits your card: RTX 30 and newer need the RTX3000 build or later.",
    "Or let the processor do it: --cpu-only.",
    "Or let the built-in extractor finish: --on-gpu-failure builtin.",
)
CPU_STEPS = (
    "Check DeepFaceLab's model files (facelib/S3FD.npy, 2DFAN.npy, 3DFAN.npy): unpack the build again.",
    "Or let the built-in extractor finish: --on-gpu-failure builtin.",
)


class Doubt:
    """Watches the yield of a run. Without a witness (none installed, or it is the one at work) it is silent."""

    def __init__(
        self,
        ledger: Ledger,
        witness: Extractor | None,
        template: AttemptSpec,
        source: Path,
        folder: Path,
        reporter: Reporter,
    ) -> None:
        self._ledger, self._extractor, self._template = ledger, witness, template
        self._source, self._folder, self._reporter = source, folder, reporter
        self._watch = YieldWatch(ledger.counts().total)
        self._witness: Witness | None = None
        self._at_work, self._plan = "", Plan()
        self._against: Testimony | None = None

    def begin(self, extractor: str, plan: Plan) -> None:
        """An attempt of `extractor` begins."""
        self._at_work, self._plan = extractor, plan

    def take(self, results: Sequence[tuple[int, int]]) -> None:
        """(frame id, number of faces) of frames that came back."""
        if self._extractor is None or self._extractor.info().name == self._at_work:
            return
        for frame, faces in results:
            self._watch.frame(frame, faces)
        question = self._watch.question()
        if question and self._witness is None:
            wanted = set(question)
            rows = [row for row in self._ledger.frames("outcome = 'no_face'") if row.id in wanted]
            self._reporter.notice(
                f"{len(self._watch.empty)} frames in a row without a face: "
                f"the built-in extractor looks at {len(rows)} of them"
            )
            self._witness = Witness(self._extractor, self._template, self._source, self._folder, rows)

    def disagreed(self) -> bool:
        """True once a witness has found faces in too many frames that were called empty."""
        if self._witness is not None and self._witness.testimony is not None:
            self._hear(self._witness.testimony)
        return self._against is not None

    def _hear(self, testimony: Testimony) -> None:
        if self._witness is not None:
            self._witness.close()
            self._witness = None
        if disagrees(testimony.looked, len(testimony.found)):
            self._against = testimony
        elif testimony.looked:
            self._reporter.notice(
                f"it finds faces in {len(testimony.found)} of {testimony.looked}: no reason to doubt"
            )

    def settle(self, control: Control) -> Verdict | None:
        """After an attempt: the verdict of a witness that disagreed, with its empty frames open again."""
        if self._witness is not None and self._against is None:
            testimony = self._witness.wait(control.stop_event)
            if testimony is not None:
                self._hear(testimony)
            self._witness = None
        if self._against is None:
            return None
        testimony, self._against = self._against, None
        for frame in self._watch.empty:
            self._ledger.reopen("id = ? AND outcome = 'no_face'", (frame,))
        self._watch.empty.clear()
        return self._verdict(testimony)

    def _verdict(self, testimony: Testimony) -> Verdict:
        names = ", ".join(testimony.found[:5])
        text = (
            f"the built-in extractor finds faces in {len(testimony.found)} of {testimony.looked} frames "
            f"that {self._at_work} calls empty"
        )
        on_gpu = bool(self._plan.devices)
        cause = Cause(
            "wrong-build-new-gpu" if on_gpu else "model-file-corrupt",
            text,
            "cuda-library" if on_gpu else "model-files",
            Confidence.LIKELY,
            (EvidenceLine("witness", 1, names),),
            steps=GPU_STEPS if on_gpu else CPU_STEPS,
        )
        return Verdict(Health.FAILURE, cause, (cause,))

    def close(self) -> None:
        if self._witness is not None:
            self._witness.close()
            self._witness = None
