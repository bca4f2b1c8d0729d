"""What `extract` tells before it starts: the quick checks, for two seconds at most. It stops nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from dflwrap.common.plan import ExtractOptions
from dflwrap.common.trees import is_folder
from dflwrap.doctor.check import WORSE_THAN_NOTE
from dflwrap.doctor.machine import Machine
from dflwrap.doctor.registry import CHECKS
from dflwrap.doctor.running import run_quick

SECONDS = 2.0
"""For all of them."""
_SAID_OTHERWISE = frozenset({"dfl-install", "gpu-driver", "write-permission"})
"""The run has its own words for these: it names extractor and cards, and refuses a folder that it may not write."""
_OF_DEEPFACELAB = ("dfl-", "model-", "package-", "tensorflow-")
"""How the ids of checks begin that say nothing about the built-in extractor."""
_OF_CARDS = ("gpu-", "tensorflow-fit")
"""And of those that say nothing about the CPU."""
_told: set[str] = set()
"""What this process has told: a job of several runs says it once."""


def notices(
    environ: Mapping[str, str],
    cwd: Path | None,
    *,
    dfl_root: Path | None,
    dfl_python: Path | None,
    input_dir: Path,
    output_dir: Path,
    asked: ExtractOptions,
    builtin: bool,
    on_cpu: bool,
    stopping: Callable[[], bool],
) -> list[str]:
    """A sentence for each finding that is worse than a note. builtin: DeepFaceLab will not be used; on_cpu: no card."""
    if not is_folder(input_dir):
        return []  # the run refuses it
    machine = Machine(
        environ,
        cwd,
        dfl_root=dfl_root,
        dfl_python=dfl_python,
        input_dir=input_dir,
        output_dir=output_dir,
        asked=asked,
    )
    beside = (*(_OF_DEEPFACELAB if builtin else ()), *(_OF_CARDS if builtin or on_cpu else ()))
    checks = [
        check for check in CHECKS if check.id not in _SAID_OTHERWISE and not check.id.startswith(beside)
    ]
    told = []
    for check, answer in run_quick(checks, machine, SECONDS, stopping):
        finding = f"{answer.result.value.capitalize()}: {answer.explanation} [{check.id}]"
        if answer.result in WORSE_THAN_NOTE and finding not in _told:
            _told.add(finding)
            told.append(f"{finding}; dflwrap doctor --only {check.id} says what helps")
    return told
