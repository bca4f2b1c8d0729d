"""A second extractor cross-checks a few frames: the built-in extractor, or DeepFaceLab on the CPU.

Runs beside the attempt, in a process tree and a folder of its own, driven by one thread; promotes nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from dflwrap.common.errors import DflwrapError
from dflwrap.common.events import EventKind, parse_event
from dflwrap.common.plan import AttemptSpec, Plan
from dflwrap.common.trees import remove_tree
from dflwrap.common.waits import StopFlag, join
from dflwrap.extractors.base import Extractor
from dflwrap.ledger.records import FrameRow
from dflwrap.supervisor.batch import make_batch
from dflwrap.supervisor.process.output_watcher import OutputWatcher
from dflwrap.supervisor.process.start import start_tree
from dflwrap.supervisor.process.streams import EventTail

START_BOUND = 120.0
FRAME_BOUND = 15.0
"""Seconds: starting TensorFlow takes up to 20 s; a frame 0.1 s with the built-in extractor, up to 5 s with
DeepFaceLab on one slow core."""
END_BOUND = 15.0
"""Seconds for its process tree to be killed (8 at most) and its folder to be removed."""


@dataclass(frozen=True, slots=True)
class CrossCheckResult:
    """What the second extractor saw in the frames that it was shown."""

    looked: tuple[str, ...]
    """Names of the frames that it looked at."""
    found: tuple[str, ...]
    """Names of those of them in which it found a face."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An extractor that can serve as the second extractor, and what to call it."""

    extractor: Extractor
    words: str
    black_box: bool = False
    env: dict[str, str] = field(default_factory=dict)


def find_second_extractor(
    at_work: Extractor, plan: Plan, builtin: Extractor | None, *, black_box: bool
) -> Candidate | None:
    """Who can look independently of `at_work` under `plan`; None if nobody can.

    DeepFaceLab on the CPU shares its model files with DeepFaceLab on the GPU: it tells a card that computes
    wrongly, not a damaged model.
    """
    name = at_work.info().name
    if builtin is not None and builtin.info().name != name:
        return Candidate(builtin, "the built-in extractor")
    if plan.devices and "devices" in at_work.supported_fields:
        return Candidate(at_work, f"{name} on the CPU", black_box, plan.env)
    return None


class SecondExtractor:
    """One look at a few frames. `result` is None until it is done; it never raises."""

    def __init__(
        self,
        candidate: Candidate,
        template: AttemptSpec,
        source: Path,
        folder: Path,
        rows: Sequence[FrameRow],
    ) -> None:
        self._candidate, self._template, self._source = candidate, template, source
        self._folder, self._rows = folder, rows
        self._stop = threading.Event()
        self.answer: CrossCheckResult | None = None
        self._thread = threading.Thread(target=self._run, name="second extractor", daemon=True)
        self._thread.start()

    def wait(self, stop: StopFlag) -> CrossCheckResult | None:
        """The result, waited for within its timeout or until `stop` is set."""
        join(self._thread, self._bound() + 30.0, stop.is_set)
        self.close()
        return self.answer

    def _bound(self) -> float:
        return START_BOUND + FRAME_BOUND * len(self._rows)

    def close(self) -> None:
        self._stop.set()
        join(self._thread, END_BOUND)

    def _run(self) -> None:
        try:
            remove_tree(self._folder)
            self._folder.mkdir(parents=True)
            self.answer = self._look()
        except (OSError, DflwrapError):
            self.answer = CrossCheckResult((), ())
        finally:
            try:
                remove_tree(self._folder)
            except OSError:
                pass  # cleared on the next start

    def _look(self) -> CrossCheckResult:
        folder = self._folder
        batch = make_batch(self._source, folder / "in", self._rows, stopping=self._stop.is_set)
        (folder / "out").mkdir()
        spec = replace(
            self._template,
            plan=Plan(workers=1, threads=1, env=self._candidate.env),
            folder=str(folder),
            input_dir=str(folder / "in"),
            output_dir=str(folder / "out"),
            events_path=str(folder / "events.jsonl"),
            frames=tuple(batch.frames),
        )
        Path(spec.events_path).touch()
        tail = EventTail(Path(spec.events_path))
        black_box = self._candidate.black_box
        watcher = OutputWatcher(folder / "out", spec.frames) if black_box else None
        tree = start_tree(self._candidate.extractor.launch(spec, black_box=black_box))
        for pipe in (tree.stdout, tree.stderr):
            threading.Thread(target=_drain, args=(pipe,), daemon=True).start()
        looked: list[str] = []
        found: list[str] = []
        deadline = time.monotonic() + self._bound()
        try:
            while True:
                ended = tree.poll() is not None
                events = watcher.poll(at_once=ended) if watcher else map(parse_event, tail.read())
                for event in filter(None, events):
                    row = batch.frames.get(event.frame or "")
                    if event.kind is EventKind.FRAME_DONE and row is not None:
                        looked.append(row.name)
                        if event.data.get("faces"):
                            found.append(row.name)
                if ended or self._stop.is_set() or time.monotonic() > deadline:
                    return CrossCheckResult(tuple(looked), tuple(found))
                time.sleep(0.1)
        finally:
            tail.close()
            tree.close()


def _drain(pipe: IO[bytes]) -> None:
    try:
        while pipe.read(65536):
            pass
    except (OSError, ValueError):
        pass
