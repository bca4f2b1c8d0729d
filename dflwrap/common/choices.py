"""What an option may be, where it is one of a few words. Imports nothing heavy: `--help` reads it."""

from __future__ import annotations

from enum import StrEnum


class Warp(StrEnum):
    """How the built-in extractor samples a face from the frame."""

    LANCZOS = "lanczos"
    CUBIC = "cubic"


class FaceType(StrEnum):
    """How much of the head a face image holds: DeepFaceLab's own names."""

    HALF_FACE = "half_face"
    FULL_FACE = "full_face"
    WHOLE_FACE = "whole_face"
    HEAD = "head"
    MARK_ONLY = "mark_only"


class ExtractorKind(StrEnum):
    """What may be asked for with `--extractor`."""

    AUTO = "auto"
    """DeepFaceLab where one is found, else the built-in extractor."""
    DFL = "dfl"
    BUILTIN = "builtin"


class Clip(StrEnum):
    """The frames' folders in DeepFaceLab's workspace."""

    DATA_SRC = "data_src"
    DATA_DST = "data_dst"


class LayoutChoice(StrEnum):
    """Which folders become one, and which stay apart."""

    AUTO = "auto"
    """flat, or per-person where the folder itself holds no picture; a mixed folder is refused with the choices."""
    FLAT = "flat"
    """Only the folder itself."""
    PER_PERSON = "per-person"
    """Each sub-folder by itself, and the loose pictures by themselves."""
    JOIN = "join"
    """All of them as one."""


class Engine(StrEnum):
    """What runs the built-in extractor's models."""

    LITERT = "litert"
    TENSORFLOW = "tensorflow"


class OnGpuFailure(StrEnum):
    """`--on-gpu-failure`: what may take over when the GPU cannot do it."""

    CPU = "cpu"
    """The same extractor on the CPU."""
    BUILTIN = "builtin"
    """The built-in extractor, also when the extractor cannot run on this machine at all."""
    STOP = "stop"
    """Nothing: stop and say why."""


class OnConflict(StrEnum):
    """What to do with what is in the faceset folder and is of something else."""

    STOP = "stop"
    """Change nothing, and tell the choices."""
    SET_ASIDE = "set-aside"
    """The earlier run and its faces, and files whose names are needed, are moved into the run folder."""
    ADD = "add"
    """The earlier faces stay; the new ones get names of their own."""


class SecondLook(StrEnum):
    """Which frames without a face are looked at again, at the end of a run."""

    OFF = "off"
    SAMPLE = "sample"
    """A sample, reported; within the limit that all cross-checks of a run share."""
    ALL = "all"
    """Every frame without a face, whatever it costs; what is found is extracted."""
    AUTO = "auto"
    """A sample, where that costs at most 1 % of the run."""


BLURRY_BELOW = 15.0
"""Default limit of the variance of the Laplacian (Pech-Pacheco et al. 2000) at a long side of 640 pixels."""
