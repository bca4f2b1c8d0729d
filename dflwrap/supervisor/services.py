"""What one run works with: made once, and handed to everything that carries the run out."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dflwrap.common.text import display_start
from dflwrap.faceset.promotion import Promoter
from dflwrap.frames.decoder_child import SpareDecoders
from dflwrap.ledger.history import ProgressLog
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.records import FrameRow, Outcome
from dflwrap.report.page.background import PageMaker
from dflwrap.supervisor.observer import Observer
from dflwrap.supervisor.outside.presence import Presence
from dflwrap.supervisor.progress import Reporter, RunState
from dflwrap.supervisor.request import RunRequest
from dflwrap.supervisor.run_folder import RunFolder
from dflwrap.supervisor.stop_request import Control

SHOWN = 200
"""Characters of a frame's evidence, or of an extractor's line, that are shown."""
KNOWN_BY = 80
"""Characters by which a sentence is seen to hold an evidence, which it may have shortened."""


@dataclass(frozen=True, slots=True)
class RunServices:
    """Not covered: the extractors, and the watch over the disks (`disk.storage`), which a part asks for itself."""

    request: RunRequest
    folder: RunFolder
    ledger: Ledger
    promoter: Promoter
    observer: Observer
    reporter: Reporter
    control: Control
    state: RunState
    progress: ProgressLog
    page: PageMaker
    presence: Presence
    decoders: SpareDecoders

    @property
    def input_dir(self) -> Path:
        return self.request.input_dir

    @property
    def output_dir(self) -> Path:
        return self.request.output_dir

    def note(self, sentence: str, attempt: int | None = None) -> None:
        """Journal a decision, and say it."""
        self.ledger.decide(attempt, sentence)
        self.reporter.notice(sentence)

    def stage(self, stage: str) -> None:
        """Show what the run is at."""
        self.state.stage, self.state.progress = stage, ""
        self.reporter.changed(self.state)

    def come_to(self, text: str) -> None:
        """Show how far the stage has come ("1,200 of 3,000"); "" = it has no measure."""
        self.state.progress = text
        self.reporter.changed(self.state)
        self.show()

    def show(self) -> None:
        """Let other terminals see what the run is at. To be called often."""
        state, left = self.state, self.state.time_left()
        self.presence.show(
            state.stage,
            {
                "attempt": state.attempt,
                "rate": state.pace.rate(),
                "left": None if left is None else [left.least, left.most],
            },
        )

    def refresh(self) -> None:
        """Show the totals of now."""
        self.state.redrawn = time.monotonic()
        self.state.counts = self.ledger.counts()
        self.progress.look(self.state.counts)
        self.reporter.changed(self.state)
        self.show()

    def quarantine_each(self, frames: Iterable[tuple[FrameRow, str, str]]) -> None:
        """(frame, cause, evidence): enter them together, then say each."""
        found = list(frames)
        if found:
            self.ledger.settle_many(
                (row.id, Outcome.QUARANTINED, None, cause, evidence) for row, cause, evidence in found
            )
        for row, _, evidence in found:
            self.say_quarantined(row, evidence)

    def say_quarantined(self, row: FrameRow, evidence: str) -> None:
        self.reporter.notice(f"{row.name}: quarantined: {display_start(evidence, SHOWN)}")

    def quarantine_all(
        self, rows: Sequence[FrameRow], cause: str, why: str, attempt: int, sentence: str
    ) -> None:
        """The same by a decision, which is journalled; both are said in one. why: of frames without evidence."""
        self.ledger.decide(attempt, sentence)
        evidence = [(row, row.evidence or why) for row in rows]
        self.ledger.settle_many((row.id, Outcome.QUARANTINED, attempt, cause, own) for row, own in evidence)
        shown = [(row.name, display_start(own, SHOWN)) for row, own in evidence]
        if len(shown) == 1 and shown[0][1][:KNOWN_BY] not in sentence:
            sentence += f": {shown[0][1]}"
        self.reporter.notice(sentence)
        for name, own in shown if len(shown) > 1 else ():
            self.reporter.notice(f"  {name}: {own}")
