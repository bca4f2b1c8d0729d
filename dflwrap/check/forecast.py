"""What `extract` will need: time, disk, memory. What was not measured on this machine is called unknown."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from dflwrap.check.checking import CheckResult
from dflwrap.planning.fit import ASSUMED_CPU_RAM, ASSUMED_GPU_PEAK, ASSUMED_GPU_RAM
from dflwrap.planning.paces import PaceStore
from dflwrap.telemetry.gpu import open_gpu
from dflwrap.telemetry.host import free_space
from dflwrap.telemetry.limits import usable_memory

FACE_BYTES = 60_000
"""A whole face of 512 pixels at JPEG quality 90: 35 to 60 kB on the sample frames."""
RUN_BYTES = 2_500
"""Of a run folder per frame: ledger, events, report. On the high side: 75,000 frames of the double took 500 bytes each,
short runs more."""
UNKNOWN_TIME = "unknown: no run of dflwrap has been measured on this machine with frames of this size"
UNKNOWN_FACES = "unknown without --faces; one face per frame is assumed for the disk"


@dataclass(frozen=True, slots=True)
class FaceSample:
    """What the built-in extractor found in a sample of the frames."""

    frames: int
    with_faces: int
    faces: int
    most_in_a_frame: int
    """A lower bound of the number of people."""
    sizes: tuple[int, ...]
    """Longer side of the detector's rectangles in the frames' pixels, sorted."""

    def to_json(self) -> dict[str, Any]:
        middle = self.sizes[len(self.sizes) // 2] if self.sizes else None
        return {
            "frames": self.frames,
            "with_faces": self.with_faces,
            "faces": self.faces,
            "people_at_least": self.most_in_a_frame,
            "face_size": {
                "smallest": self.sizes[0] if self.sizes else None,
                "median": middle,
                "largest": self.sizes[-1] if self.sizes else None,
            },
        }


@dataclass(slots=True)
class Forecast:
    """Bytes; None = unknown."""

    frames: int
    faces: int | None
    faces_from: str
    hours: float | None
    hours_from: str
    disk: dict[str, int | None] = field(default_factory=dict)
    memory: dict[str, Any] = field(default_factory=dict)
    sample: FaceSample | None = None

    def to_json(self) -> dict[str, Any]:
        data = asdict(self)
        data["sample"] = self.sample.to_json() if self.sample is not None else None
        return data


def forecast(
    result: CheckResult, sample: FaceSample | None = None, paces: PaceStore | None = None
) -> Forecast:
    """For the usable frames of `result`."""
    faces, faces_from = None, UNKNOWN_FACES
    if sample is not None and sample.frames:
        faces = round(result.usable * sample.faces / sample.frames)
        faces_from = f"{sample.faces} in a sample of {sample.frames} frames, by the built-in extractor"
    hours, hours_from = None, UNKNOWN_TIME
    pace = (paces or PaceStore()).latest(result.longest_side) if result.usable else None
    if pace is not None:
        hours = round(result.usable / pace.rate / 3600, 2)
        hours_from = f"{pace.rate:.2f} frames/s, measured here with {pace.extractor} on {pace.device}"
    return Forecast(
        frames=result.usable,
        faces=faces,
        faces_from=faces_from,
        hours=hours,
        hours_from=hours_from,
        disk={
            "faceset": FACE_BYTES * (result.usable if faces is None else faces),
            "run": RUN_BYTES * result.usable,
            "free": free_space(result.layout.folder),
        },
        memory=_memory(),
        sample=sample,
    )


def _memory() -> dict[str, Any]:
    gpu = open_gpu()
    try:
        cards = [{"name": sample.name, "total": sample.total, "free": sample.free} for sample in gpu.sample()]
    finally:
        gpu.close()
    return {
        "ram_free": usable_memory().available,
        "ram_per_worker": ASSUMED_GPU_RAM if cards else ASSUMED_CPU_RAM,
        "vram_per_worker": ASSUMED_GPU_PEAK,
        "gpus": cards,
    }
