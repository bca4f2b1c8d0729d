"""What is asked of a run, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from dflwrap.common.choices import OnConflict, OnGpuFailure, SecondLook
from dflwrap.common.plan import ExtractOptions
from dflwrap.frames.filters import Filters


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What the user wants of one run."""

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
    redo: tuple[str, ...] = ()
    """Words of `reconcile.redo.Redo`, and patterns of frame names, to be extracted again."""
    even_edited: bool = False
    """A redo also takes frames whose faces the user has worked on."""
    black_box: bool = False
    """Run the extractor without per-frame events, from its outside alone."""
    second_look: SecondLook = SecondLook.AUTO
    manual_fix: bool = False
    """Name the frames that are left without a face, for a person."""
    manual_output_debug_fix: bool = False
    """Name the frames whose debug pictures were deleted, for a person."""
    may_wait: bool = False
    """Wait for room on a full disk, and without limit for a folder that is gone."""
    folder_timeout: float = 1800.0
    """Seconds to wait for a folder that went away during the run."""
    startup_timeout: float = 1800.0
    frame_timeout: float = 300.0
    joined: bool = False
    """The frames of the input folder's sub-folders belong to it as well."""
