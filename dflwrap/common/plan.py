"""The settings of one attempt, and of one run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from dflwrap.common.choices import FaceType


class _PlainData:
    """Conversion to JSON-ready dictionaries for the frozen dataclasses below."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)  # type: ignore[call-overload, no-any-return]


@dataclass(frozen=True, slots=True)
class ExtractOptions(_PlainData):
    """What the user asked of the extraction; the same in every attempt of a run."""

    detector: str = "s3fd"
    face_type: str = FaceType.WHOLE_FACE.value
    max_faces_from_image: int = 0
    """0 = no limit, as in DFL."""
    image_size: int = 512
    """Side of the aligned face, pixels."""
    jpeg_quality: int = 90
    warp: str = "lanczos"
    """How the built-in extractor samples a face: "lanczos", pixel-equal to DeepFaceLab's, or "cubic", several times
    faster and alike to less than JPEG loses. DeepFaceLab has its own."""
    output_debug: bool = False
    more: tuple[str, ...] = ()
    """Options of the install that dflwrap does not know itself, handed on as they are: `--name=value`, sorted."""


@dataclass(frozen=True, slots=True)
class Plan(_PlainData):
    """The settings of an attempt. A change of one of these is a rung of the ladder."""

    devices: tuple[int, ...] = ()
    """GPU indices; empty means the CPU."""
    workers: int = 1
    """Worker processes per device (on the CPU: in all)."""
    batch_size: int = 0
    """Frames handed to one attempt; 0 = all open frames."""
    weights_on_cpu: bool = False
    max_side: int = 0
    """Longest input side in pixels; larger frames are downscaled on their way in. 0 = as they are."""
    threads: int = 0
    """Threads of TensorFlow per worker; 0 = its default."""
    startup_timeout: float = 1800.0
    """Seconds without any sign of life during start-up and first frame before the attempt is ended."""
    frame_timeout: float = 300.0
    """Seconds without any sign of life in the steady phase."""
    env: dict[str, str] = field(default_factory=dict)


REPAIR_BOUND = 30.0
"""Seconds within which a re-encoded copy is there, or is not waited for any more. Below the shortest timeout of a
silent extractor (60 s)."""


@dataclass(frozen=True, slots=True)
class AttemptSpec:
    """One launch of the extractor as plain data: serialisable."""

    number: int
    plan: Plan
    options: ExtractOptions
    folder: str
    """`<run folder>/attempts/NNNN`: plan.json, stdout.log, stderr.log, events.jsonl."""
    input_dir: str
    """The batch folder: nothing in it but this attempt's frames."""
    output_dir: str
    """Private and empty when the attempt starts; debug pictures go to `<output_dir>_debug`."""
    events_path: str
    frames: tuple[str, ...]
    """File names inside `input_dir`, in the order of the ledger."""
    repaired_dir: str = ""
    """Where the supervisor answers a `repair_wanted` event: the re-encoded copy appears under the frame's
    own name (always a PNG, whatever the name says; whole as soon as it is there), or `<name>.no` where none
    can be made. Waited for `REPAIR_BOUND` seconds. "" = nobody answers."""
    stream: bool = False
    """`frames` are those that are ready at the start; the control file tells of the others, and of the end."""
    control_path: str = ""
    """Where the supervisor tells the extractor what changes while it runs (`extractors/control_file.py`). "" = nothing
    changes."""

    def to_dict(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "plan": self.plan.to_dict(),
            "options": self.options.to_dict(),
            "folder": self.folder,
            "input_dir": self.input_dir,
            "output_dir": self.output_dir,
            "events_path": self.events_path,
            "frames": list(self.frames),
            "repaired_dir": self.repaired_dir,
            "control_path": self.control_path,
            "stream": self.stream,
        }
