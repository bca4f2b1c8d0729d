"""What can be wrong with a face file. Each says in one sentence what, without the path."""

from __future__ import annotations

from dflwrap.common.errors import DflwrapError


class FaceFileError(DflwrapError):
    """A file that should be a face is not one that can be used."""


class TornFaceError(FaceFileError):
    """The JPEG is empty, cut short, or not a JPEG at all."""


class BrokenMetadataError(FaceFileError):
    """There is a metadata segment, but it does not hold what DeepFaceLab writes."""


class HostileMetadataError(FaceFileError):
    """The metadata would run code, or eat memory, when loaded by DeepFaceLab."""


class MetadataTooLargeError(FaceFileError):
    """The metadata does not fit into one JPEG segment (65,533 bytes)."""


class NotWholeError(FaceFileError):
    """The file is not a whole face with metadata; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
