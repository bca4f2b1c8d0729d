"""The cases of the chaos matrix: the double's faults at its stages, and what can be done from outside."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from benchmarks._common import Target, environment, extract_command
from benchmarks._shims import STAGES as HOOKED_STAGES
from benchmarks._trial import POISON, Case, Trial

STAGES = (
    "start",
    "import",
    "enumeration",
    "worker_start",
    "first_frame",
    "steady",
    "frame",
    "host",
    "finish",
)
OF_FACES = ("half_jpeg", "bare_jpeg", "zero_jpeg", "lie", "landmarks", "second_pass", "unreadable")
"""Faults of the code that writes faces: they exist at frames only."""
EVERYWHERE: dict[str, dict[str, Any]] = {
    "raise": {},
    "sick": {},
    "segfault": {},
    "kill": {},
    "abort": {},
    "exit": {},
    "done": {},
    "hang": {},
    "slow": {"seconds": 1},
    "spin": {},
    "deadlock": {},
    "stop": {},
    "ask": {},
    "outside": {},
    "fill_disk": {"bytes": 4 << 20},
    "eat_memory": {"bytes": 64 << 20},
    "flood": {"bytes": 5_000_000},
    "long_line": {"bytes": 5_000_000},
    "nuls": {},
    "bad_utf8": {},
    "utf16": {},
    "cuda_oom": {},
    "cudnn_init": {},
    "cuda_driver": {},
    "tf_import": {},
    "detach": {"seconds": 600},
    "ignore_sigterm": {},
}
HARMLESS = frozenset({"slow", "flood", "long_line", "nuls", "bad_utf8", "utf16", "detach", "ignore_sigterm"})
"""Nothing fails: every frame must be extracted, whatever the stage."""
OUTPUT_STAGES = ("first_frame", "steady", "frame", "finish")
"""Where the double knows its output folder: "outside" and "fill_disk" need it."""


def hooked_cases(target: Target) -> Iterator[Case]:
    """The same faults in an extractor with stand-ins (`_shims`)."""
    for stage in HOOKED_STAGES:
        for fault, settings in EVERYWHERE.items():
            if fault in ("outside", "fill_disk") and stage not in OUTPUT_STAGES:
                continue
            yield double_case(target, stage, fault, settings)


def double_cases(target: Target) -> Iterator[Case]:
    for stage in STAGES:
        for fault, settings in EVERYWHERE.items():
            if fault in ("outside", "fill_disk") and stage not in OUTPUT_STAGES:
                continue
            yield double_case(target, stage, fault, settings)
    for fault in OF_FACES:
        yield double_case(target, "frame", fault, {})
    for fault in ("raise", "segfault", "kill", "exit", "stop", "hang"):
        for stage in ("start", "worker_start", "first_frame", "steady"):
            case = double_case(target, stage, fault, {"times": 1})
            case.fault += " once"
            yield case


def double_case(target: Target, stage: str, fault: str, settings: dict[str, Any]) -> Case:
    # A frame that is re-encoded gets another name, which ends in its own.
    key = {"frame": f"*{POISON}.*", "host": f"host:*{POISON}.*"}.get(stage, stage)
    harmless = fault in HARMLESS
    with_gpu = target.name == "double" and stage in ("import", "enumeration")
    return Case(
        target,
        stage,
        fault,
        {key: {"fault": fault, **settings}},
        innocents=stage in ("frame", "host"),
        all_frames=harmless or stage == "finish",
        # On the CPU dflwrap presets the list of devices: these stages are reached with a GPU only.
        devices=("--force-gpu-idxs", "0") if with_gpu else ("--cpu-only",),
    )


# -- from outside ----------------------------------------------------------------------------------


def extractor_processes(trial: Trial) -> tuple[psutil.Process | None, list[psutil.Process]]:
    """The extractor's main process and its workers, of a running dflwrap."""
    assert trial.running
    try:
        family = psutil.Process(trial.running.process.pid).children(recursive=True)
    except psutil.Error:
        return None, []
    host, workers = None, []
    for process in family:
        try:
            line = " ".join(process.cmdline())
        except psutil.Error:
            continue
        if "spawn_main" in line:
            workers.append(process)
        elif "extract" in line and "--input-dir" in line and "supervisor.guard" not in line:
            host = process
    return host, workers


def signal_worker(number: int) -> Callable[[Trial], None]:
    def act(trial: Trial) -> None:
        if trial.wait_for_faces(2):
            for process in extractor_processes(trial)[1][:1]:
                process.send_signal(number)
                trial.provoked = True

    return act


def signal_host(number: int) -> Callable[[Trial], None]:
    def act(trial: Trial) -> None:
        host = extractor_processes(trial)[0] if trial.wait_for_faces(2) else None
        if host is not None:
            host.send_signal(number)
            trial.provoked = True

    return act


def delete_frame(trial: Trial) -> None:
    if trial.wait_for_faces(1):
        last = sorted(trial.source.iterdir())[-1]
        last.rename(trial.scratch / last.name)
        trial.provoked = True
        trial.undo.append(lambda: (trial.scratch / last.name).rename(last))


def replace_frame(trial: Trial) -> None:
    if trial.wait_for_faces(1):
        last = sorted(trial.source.iterdir())[-1]
        whole = last.read_bytes()
        part = trial.scratch / "replacement"
        part.write_bytes(b"no image at all")
        part.replace(last)
        trial.provoked = True
        trial.undo.append(lambda: last.write_bytes(whole))


def remove_output(trial: Trial) -> None:
    if trial.wait_for_faces(2):
        shutil.rmtree(trial.output, ignore_errors=True)
        trial.provoked = True


def read_only_output(trial: Trial) -> None:
    """Root may write anywhere that a mode forbids: for it, a read-only mount."""
    if not trial.wait_for_faces(2):
        return
    trial.provoked = True
    path = str(trial.output)
    if os.geteuid() == 0:
        subprocess.run(["mount", "--bind", path, path], check=True)
        subprocess.run(["mount", "-o", "remount,ro,bind", path], check=True)
        trial.undo.append(lambda: subprocess.run(["umount", path], check=True))
    else:
        trial.output.chmod(0o555)
        trial.undo.append(lambda: trial.output.chmod(0o755))


def fill_disk(left: int, faces: int) -> Callable[[Trial], None]:
    """Leave `left` bytes on the trial's own disk once so many faces are there (0: from the start)."""

    def act(trial: Trial) -> None:
        if faces and not trial.wait_for_faces(faces):
            return
        trial.provoked = True
        filler = trial.area / "filler.bin"
        space = os.statvfs(trial.area)
        size = max(0, space.f_bavail * space.f_frsize - left)
        try:
            filler.write_bytes(b"\0" * size)
        except OSError:
            pass  # as full as it gets
        trial.undo.append(lambda: filler.unlink(missing_ok=True))

    return act


def second_dflwrap(trial: Trial) -> None:
    if not trial.wait_for_faces(1):
        return
    command = extract_command(trial.case.target, trial.source, trial.output)
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, env=environment(), timeout=60, check=False
    )
    still = trial.running is not None and trial.running.process.poll() is None
    if still and (done.returncode != 2 or b"Another dflwrap" not in done.stderr):
        raise AssertionError(f"a second dflwrap was let in: exit code {done.returncode}")
    trial.provoked = still


def interrupt(number: int) -> Callable[[Trial], None]:
    def act(trial: Trial) -> None:
        if trial.wait_for_faces(2) and trial.running:
            trial.running.process.send_signal(number)
            trial.provoked = True

    return act


def set_clock_back(trial: Trial) -> None:
    if trial.wait_for_faces(2):
        trial.clock_switch.touch()
        trial.provoked = True


def outside_cases(target: Target, *, may_mount: bool, clock: Path | None) -> Iterator[Case]:
    """slow frames on the double, so that the fault falls into the run."""

    def case(fault: str, act: Callable[[Trial], None], **more: Any) -> Case:
        count = {"double": 16, "built-in": 24, "real DFL": 8}[target.name]
        return Case(target, "outside", fault, outside=act, frames=count, frame_seconds=0.3, **more)

    yield case("kill -9 a worker", signal_worker(signal.SIGKILL), all_frames=True)
    yield case("stop a worker", signal_worker(signal.SIGSTOP), all_frames=True)
    yield case("kill -9 the extractor", signal_host(signal.SIGKILL), all_frames=True)
    yield case("stop the extractor", signal_host(signal.SIGSTOP), all_frames=True)
    yield case("delete a frame", delete_frame, input_changes=True)
    yield case("replace a frame", replace_frame, input_changes=True)
    yield case("remove the output folder", remove_output, output_goes=True)
    yield case("SIGTERM to dflwrap", interrupt(signal.SIGTERM), allowed=(4, 0))
    if clock is not None:
        yield case("clock set back", set_clock_back, all_frames=True, preload=clock)
    yield case("a second dflwrap", second_dflwrap, all_frames=True)
    if may_mount:
        yield case("output read-only", read_only_output)
        for left, faces in ((0, 2), (4096, 2), (20_000, 1), (0, 6)):
            name = f"disk full, {left} bytes left at face {faces}"
            yield case(name, fill_disk(left, faces), small_disk=24 << 20)
