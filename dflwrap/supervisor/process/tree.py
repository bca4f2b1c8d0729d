"""A process with all its descendants, as one thing: started, asked to stop, killed, never left behind.

One small interface, `ProcessTree`; `start_tree` gives the platform's implementation.
"""

from __future__ import annotations

import subprocess
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import IO

import psutil

from dflwrap.common.errors import NeedsUserError
from dflwrap.extractors.base import Launch


@dataclass(frozen=True, slots=True)
class Vitals:
    """Signs of life of a tree at one moment."""

    processes: int
    cpu_seconds: float
    """User and system time of the living processes."""
    io_bytes: int
    """Bytes read and written by the living processes; 0 where the platform does not tell."""
    stopped: tuple[int, ...]
    """Ids of processes that are stopped (SIGSTOP)."""


class ProcessTree(ABC):
    """A running extractor with its workers."""

    stdout: IO[bytes]
    stderr: IO[bytes]
    pid: int
    """Of the process whose descendants are the tree."""

    @abstractmethod
    def poll(self) -> int | None:
        """The exit status of the main process (negative = signal) once the whole tree is gone."""

    @abstractmethod
    def ask_to_stop(self) -> None:
        """Ask the extractor to finish the frames in flight and end."""

    @abstractmethod
    def kill(self) -> None:
        """End every process of the tree now. Does not wait."""

    @abstractmethod
    def close(self) -> None:
        """Kill what is left, wait for it (bounded), release handles."""

    def vitals(self) -> Vitals:
        """Measured now; costs a few milliseconds."""
        return measure(self._members())

    @abstractmethod
    def _members(self) -> list[psutil.Process]: ...


def measure(members: list[psutil.Process], *, look_for_stopped: bool = True) -> Vitals:
    """Signs of life of these processes, without those that have ended.

    look_for_stopped: on Windows each answer to that question costs a look through the whole process table.
    """
    cpu, io, count = 0.0, 0, 0
    stopped = []
    for process in members:
        try:
            with process.oneshot():
                status = process.status() if look_for_stopped else ""
                if status == psutil.STATUS_ZOMBIE:
                    continue
                times = process.cpu_times()
                if status == psutil.STATUS_STOPPED:
                    stopped.append(process.pid)
                io += _io_bytes(process)
        except (psutil.Error, OSError):
            continue
        count += 1
        cpu += times.user + times.system
    return Vitals(count, cpu, io, tuple(stopped))


def _io_bytes(process: psutil.Process) -> int:
    if sys.platform == "darwin":
        return 0  # it does not tell
    try:
        counters = process.io_counters()
    except (AttributeError, psutil.Error, OSError):
        return 0
    told = counters.read_bytes + counters.write_bytes
    return int(told + getattr(counters, "read_chars", 0) + getattr(counters, "write_chars", 0))


class CannotStartError(NeedsUserError):
    """The program of an extractor cannot be executed: nothing of it has run."""


def cannot_start(launch: Launch, reason: str) -> CannotStartError:
    """The error for a program that the operating system does not start; `reason` in its words."""
    return CannotStartError(
        "program-not-started",
        f"The extractor's program cannot be started: {launch.argv[0]} ({reason}).",
        (
            "Check the Python that runs DeepFaceLab: --dfl-python, --dfl-root. It must be built for this system "
            "and its CPU architecture.",
            "Or let the built-in extractor finish: --on-gpu-failure builtin (or --extractor builtin).",
        ),
    )


def popen_streams(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    """stdout and stderr of a process that was started with pipes."""
    assert process.stdout is not None and process.stderr is not None
    return process.stdout, process.stderr
