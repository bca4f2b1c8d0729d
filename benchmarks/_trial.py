"""One trial of the chaos matrix: provoke, look, resume, look again."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import traceback
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks._clock import SWITCH_ENV
from benchmarks._common import (
    Finished,
    Running,
    Target,
    dotted_frames,
    environment,
    extract_command,
    small_frames,
)
from benchmarks._holding import (
    MARKER,
    digest,
    ended_well,
    ledger_settled,
    left_behind,
    torn_faces,
)
from benchmarks._shims import MARK

SCRIPT_ENV = "DFLWRAP_DOUBLE_SCRIPT"
POISON = "00004"
"""Stem of the poison frame's name."""
FRAMES = 8
BOUNDS = {"double": 900.0, "built-in": 1200.0, "real DFL": 2700.0}
"""Seconds within which any run has to come to an end. The worst is every first frame hanging: a few attempts, each
with four frames and some starts lost to the start-up timeout, on a machine that other cases keep busy."""
TIMEOUTS = {
    "double": ("--startup-timeout", "20", "--frame-timeout", "10"),
    "built-in": ("--startup-timeout", "30", "--frame-timeout", "15"),
    "real DFL": ("--startup-timeout", "75", "--frame-timeout", "30"),
}


@dataclass
class Case:
    """What is done, and what may be expected of the first run. The resumed run must always complete."""

    target: Target
    stage: str
    fault: str
    script: dict[str, Any] = field(default_factory=dict)
    """For the double."""
    outside: Callable[[Trial], None] | None = None
    """Done from outside while the run continues (in its own time: it waits for the moment itself)."""
    innocents: bool = False
    """Every frame but the poison one must be extracted by the first run already."""
    all_frames: bool = False
    """Every frame must be."""
    allowed: tuple[int, ...] = (0, 1, 3)
    small_disk: int = 0
    """Bytes of a file system of its own for output and ledger; 0 = none."""
    input_changes: bool = False
    """The fault itself touches the input folder."""
    output_goes: bool = False
    """The fault takes faces out of the faceset, as their owner may: the report still counts them."""
    preload: Path | None = None
    """Library that is loaded into every process of the case."""
    devices: tuple[str, ...] = ("--cpu-only",)
    frame_seconds: float = 0.0
    frames: int = FRAMES
    workers: int = 2
    no_response: int = 20
    """Seconds after which the double, as DeepFaceLab, gives up a silent worker by itself."""


@dataclass
class Outcome:
    case: Case
    code: int | None
    seconds: float
    violations: list[str]
    provoked: bool = True


class Trial:
    """A case under way: its folders, and its running dflwrap."""

    def __init__(self, case: Case, scratch: Path) -> None:
        self.case, self.scratch = case, scratch
        self.source, self.area = scratch / "frames", scratch / "area"
        self.output = self.area / "aligned"
        self.run_folder = self.area / "aligned_dflwrap"
        self.marker = uuid.uuid4().hex
        self.running: Running | None = None
        self._script = scratch / "script.json"
        self.clock_switch = scratch / "clock is back"
        self.provoked = False
        """The fault has been brought about; one from outside may come too late."""
        self.undo: list[Callable[[], object]] = []
        """Takes the outside fault back before the resume."""

    # -- for faults from outside ---------------------------------------------------------------------

    def faces(self) -> int:
        try:
            return sum(1 for _ in self.output.iterdir())
        except OSError:
            return 0

    def wait_for_faces(self, count: int, bound: float = 600.0) -> bool:
        """True at the moment when so many faces are in the faceset; False when the run ended before."""
        assert self.running
        deadline = time.monotonic() + bound
        while time.monotonic() < deadline and self.running.process.poll() is None:
            if self.faces() >= count:
                return True
            time.sleep(0.005)
        return False

    # -- the course of a trial -----------------------------------------------------------------------

    def begin(self) -> None:
        self.scratch.mkdir(parents=True)
        self.area.mkdir()
        if self.case.small_disk:
            size = f"size={self.case.small_disk}"
            subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(self.area)], check=True)
        if self.case.target.name == "double":
            small_frames(self.source, self.case.frames)
        elif self.case.target.name == "built-in":
            from dflwrap.samples.generator import make_frames

            make_frames(self.source, self.case.frames, (640, 360), 0, False)
        else:
            dotted_frames(self.source, self.case.frames, (320, 180), {int(POISON): MARK})

    def launch(self, script: dict[str, Any], *more: str) -> Running:
        gpus = 0 if self.case.devices == ("--cpu-only",) else 1
        options = {"frame_seconds": self.case.frame_seconds, "gpus": gpus}
        options["no_response"] = self.case.no_response
        self._script.write_text(json.dumps({**script, "options": options}))
        command = extract_command(
            self.case.target,
            *(
                self.source,
                self.output,
                "--workers",
                str(self.case.workers),
                *TIMEOUTS[self.case.target.name],
            ),
            *more,
            devices=self.case.devices,
        )
        env = environment({SCRIPT_ENV: str(self._script), MARKER: self.marker, **self.case.target.env})
        if self.case.preload:
            env |= {"LD_PRELOAD": str(self.case.preload), SWITCH_ENV: str(self.clock_switch)}
        self.running = Running(command, self.scratch / "logs", env)
        return self.running

    def first_run(self) -> Finished:
        running = self.launch(self.case.script)
        if self.case.outside:
            self.case.outside(self)
        return running.finish(BOUNDS[self.case.target.name])

    def resume(self) -> list[str]:
        """Violations of the run that continues without the fault: it must extract every frame."""
        for undo in reversed(self.undo):
            undo()
        shutil.rmtree(self.scratch / "script.json.fired", ignore_errors=True)
        done = self.launch({}, "--redo", "quarantined").finish(BOUNDS[self.case.target.name])
        told = left_behind(self.marker)
        told += torn_faces(self.output)
        if not self.case.output_goes:
            told += ended_well(done, self.output, (0,))
            told += ledger_settled(self.run_folder)
        elif done.code not in (0, 1) or done.report is None:
            told.append(f"exit code {done.code}: {done.stderr.strip()[-200:]}")
        return [f"resumed: {text}" for text in told]

    def expectations(self, done: Finished) -> list[str]:
        report = done.report
        if report is None or not (self.case.innocents or self.case.all_frames):
            return []
        lost = [row["frame"] for name in ("quarantined", "not_attempted") for row in report[name]]
        lost += report["no_face"]
        wrong = [name for name in lost if self.case.all_frames or Path(name).stem != POISON]
        return [f"lost without a fault of its own: {', '.join(wrong)}"] if wrong else []

    def close(self) -> None:
        if self.case.small_disk:
            subprocess.run(["umount", "-l", str(self.area)], check=False)
        shutil.rmtree(self.scratch, ignore_errors=True)


def try_case(case: Case, scratch: Path) -> Outcome:
    """Run a case to its end; what does not hold is in the outcome."""
    began = time.monotonic()
    trial = Trial(case, scratch)
    told: list[str] = []
    code: int | None = None
    try:
        trial.begin()
        before = digest(trial.source)
        done = trial.first_run()
        code = done.code
        trial.provoked = trial.provoked or (trial.scratch / "script.json.fired").exists()
        told += left_behind(trial.marker)
        told += torn_faces(trial.output)
        if case.output_goes:
            told += [] if done.code in case.allowed else [f"exit code {done.code}: {done.stderr[-200:]}"]
            told += ["a traceback for the user"] if "Traceback" in done.stderr else []
        else:
            told += ended_well(done, trial.output, case.allowed)
        told += trial.expectations(done)
        told += trial.resume()
        if not case.input_changes and digest(trial.source) != before:
            told.append("the input folder has changed")
    except Exception:
        told.append(f"the trial itself broke: {traceback.format_exc(limit=3)[-400:]}")
    finally:
        trial.close()
    return Outcome(case, code, time.monotonic() - began, told, trial.provoked)
