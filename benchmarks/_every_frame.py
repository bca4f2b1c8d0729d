"""Every frame fails: on each way of extracting, left alone, interrupted once, or with its main process killed."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from benchmarks._common import Target
from benchmarks._matrix import extractor_processes
from benchmarks._trial import Case, Trial

ENDS_WITHIN = 90.0
"""Seconds from Ctrl-C to the end: 60 s for frames in flight, and the report."""
FAULTS: dict[str, dict[str, dict[str, Any]]] = {
    "double": {
        "raise": {"fault": "raise"},
        "out of memory": {"fault": "cuda_oom"},
        "segfault": {"fault": "segfault"},
        "unreadable": {"fault": "unreadable"},
    },
    "built-in": {
        "raise": {"fault": "raise"},
        "out of memory": {"fault": "eat_memory", "bytes": 1 << 24},
        "segfault": {"fault": "segfault"},
        "unreadable": {"fault": "unreadable"},
    },
}
"""Target to kind of failure to what the script says."""
FRAMES = 12


def _failing(trial: Trial) -> bool:
    """True at the moment when some frames have failed; False when the run ended before."""
    assert trial.running
    fired = trial.scratch / "script.json.fired"
    deadline = time.monotonic() + 300.0
    while time.monotonic() < deadline and trial.running.process.poll() is None:
        if any(fired.glob("*-1")):
            time.sleep(0.7)  # until a few more have
            return trial.running.process.poll() is None
        time.sleep(0.02)
    return False


def interrupt_once(trial: Trial) -> None:
    if not _failing(trial) or trial.running is None:
        return
    trial.running.process.send_signal(signal.SIGINT)
    trial.provoked = True
    deadline = time.monotonic() + ENDS_WITHIN
    while trial.running.process.poll() is None:
        if time.monotonic() > deadline:
            raise AssertionError(f"Ctrl-C did not end it within {ENDS_WITHIN:.0f} s")
        time.sleep(0.05)


def kill_host(trial: Trial) -> None:
    host = extractor_processes(trial)[0] if _failing(trial) else None
    if host is not None:
        host.kill()
        trial.provoked = True


DISTURBED: dict[str, tuple[Callable[[Trial], None] | None, tuple[int, ...]]] = {
    "undisturbed": (None, (1, 3)),
    "Ctrl-C once": (interrupt_once, (4,)),
    "host killed": (kill_host, (1, 3)),
}


def every_frame_cases(target: Target) -> Iterator[Case]:
    """target: the double, or the built-in extractor with the stages (`_shims`)."""
    ways = {"built-in": target}
    if target.name == "double":
        black_box = replace(target, arguments=(*target.arguments, "--no-agent"))
        ways = {"agent": target, "black box": black_box}
    for way, chosen in ways.items():
        for fault, settings in FAULTS[target.name].items():
            for disturbed, (act, allowed) in DISTURBED.items():
                yield Case(
                    chosen,
                    f"every frame, {way}",
                    f"{fault}, {disturbed}",
                    {"*.*": [{"fault": "slow", "seconds": 0.1}, settings]},
                    outside=act,
                    allowed=allowed,
                    frames=FRAMES,
                    no_response=3,
                )
