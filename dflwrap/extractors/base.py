"""The contract of an extractor: what it is, how to launch a plan over a batch, how to read its output."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from dflwrap.common.events import Event
from dflwrap.common.plan import AttemptSpec


@dataclass(frozen=True, slots=True)
class ExtractorInfo:
    """What the extractor is, for the report and for remembered measurements."""

    name: str
    """"deepfacelab" or "builtin"."""
    version: str
    python: str
    """The interpreter that runs it."""
    location: str
    why: str
    """Why this one was chosen, in words for the user."""
    title: str = ""
    """What a run opens with: "DeepFaceLab at X (from --dfl-root), TensorFlow 2.4"."""
    numbers_as_driver: bool = True
    """Device indices in its plans are NVML's. DirectML counts the adapters of all makers in an order of its own."""


@dataclass(frozen=True, slots=True)
class Launch:
    """A process to start: never through a shell, with the null device as stdin."""

    argv: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)
    """The whole environment of the process."""
    cwd: str | None = None


class ConsoleReader(Protocol):
    """Reads one attempt's console output; keeps a bounded state."""

    def feed(self, stream: str, line: bytes) -> Iterable[Event]:
        """Events in one finished line (ended by LF, CR or CRLF, which are cut off).

        stream: "stdout" or "stderr". The line may hold anything; it is cut at 64 KiB.
        """
        ...

    def idle(self, stream: str, text: bytes) -> Iterable[Event]:
        """Events in text that has stood for a while without a line end: a prompt."""
        ...


class Extractor(ABC):
    """One way to extract faces. Knows nothing of runs, ledgers and policies."""

    supported_fields: frozenset[str]
    """Names of the `Plan` fields that have an effect here."""
    reports_frames: bool
    """True: `launch(spec)` writes one event per frame. False: black-box mode only."""

    @property
    def cache_folder(self) -> Path | None:
        """A folder whose growth is a sign of life (compiled GPU kernels), or None."""
        return None

    @abstractmethod
    def info(self) -> ExtractorInfo:
        """What it is. Must not start it."""

    @abstractmethod
    def launch(self, spec: AttemptSpec, *, black_box: bool = False) -> Launch:
        """The process that runs `spec`.

        black_box: without per-frame events, and with debug pictures in `<output_dir>_debug`
        (one for each frame that was looked at, written after its faces).
        """

    @abstractmethod
    def console(self) -> ConsoleReader:
        """A fresh reader for one attempt."""
