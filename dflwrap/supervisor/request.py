"""What is asked of a run, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from dflwrap.common.plan import ExtractOptions
from dflwrap.frames.filters import Filters
from dflwrap.planning.types import OnGpuFailure
from dflwrap.supervisor.second_look import SecondLook


class OnConflict(StrEnum):
    """What to do with files in the faceset folder whose names are needed."""

    STOP = "stop"
    SET_ASIDE = "set-aside"


@dataclass(frozen=True, slots=True)
class RunRequest:
    input_dir: Path
    output_dir: Path
    options: ExtractOptions = field(default_factory=ExtractOptions)
    cpu_only: bool = False
    gpus: tuple[int, ...] = ()
    """GPU indices asked for; empty = all that are present."""
    workers: int | None = None
    """Per device; None = auto."""
    batch_size: int | None = None
    """Frames per attempt; None = auto."""
    max_side: int = 0
    filters: Filters = field(default_factory=Filters)
    """Frames that the user wants left out."""
    on_conflict: OnConflict = OnConflict.STOP
    on_gpu_failure: OnGpuFailure = OnGpuFailure.CPU
    retry_quarantined: bool = False
    black_box: bool = False
    """Run the extractor without per-frame events, from its outside alone."""
    second_look: SecondLook = SecondLook.AUTO
    may_wait: bool = False
    """Wait for room on a full disk, and without limit for a folder that is gone."""
    folder_timeout: float = 1800.0
    """Seconds to wait for a folder that went away during the run."""
    startup_timeout: float = 1800.0
    frame_timeout: float = 300.0
