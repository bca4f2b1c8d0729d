"""What a face's file is known by: size, time, digest, and the rectangle in its frame."""

from __future__ import annotations

import hashlib
from pathlib import Path

from dflwrap.faceset.face_file.metadata import FaceMetadata
from dflwrap.ledger.records import FaceFacts


def face_facts(path: Path, metadata: FaceMetadata) -> FaceFacts:
    """Facts of the face file as it lies there. Raises OSError."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, _digest)
    info = path.stat()
    return FaceFacts(info.st_size, info.st_mtime_ns, digest.digest(), metadata.source_rect)


def digest_of(data: bytes) -> bytes:
    """Of a whole file that was read already."""
    return hashlib.blake2b(data, digest_size=16).digest()


def _digest() -> hashlib.blake2b:
    """BLAKE2b with 16 bytes: not against forgery, but to tell an edited face from a copied one."""
    return hashlib.blake2b(digest_size=16)
