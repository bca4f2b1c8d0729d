"""The tables of faces and of their journalled moves."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from dflwrap.ledger.records import FaceFacts, FaceRow, Move, Outcome
from dflwrap.ledger.store import Store
from dflwrap.ledger.values import name, parsed, source, switch, target, whole

_FACES = "SELECT name, frame, adopted, missing, edited, size, mtime_ns, digest, rect FROM faces"
_FACE_VALUES = "INTO faces (name, frame, size, mtime_ns, digest, rect, adopted) VALUES (?, ?, ?, ?, ?, ?, ?)"


class FaceTable(Store):
    """Faces in the faceset, and the moves that brought them there."""

    def journal(self, moves: Sequence[Move]) -> None:
        """Write down moves before they are made."""
        with self.transaction():
            self.db.executemany(
                "INSERT INTO moves (source, target, frame, attempt, size, mtime_ns, digest, rect)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [(m.source, m.target, m.frame, m.attempt, *_columns(m.facts)) for m in moves],
            )

    def pending_moves(self) -> list[Move]:
        return self.rows(
            _move,
            "SELECT source, target, frame, attempt, size, mtime_ns, digest, rect FROM moves ORDER BY frame, target",
        )

    def settle_promoted(
        self, frames: Sequence[int], attempt: int, fingerprints: Mapping[int, str] | None = None
    ) -> None:
        """All journalled moves of these frames are made: they are extracted, or `no_face` without any."""
        known = fingerprints or {}
        with self.transaction():
            for frame in frames:
                faces = self.db.execute(
                    "SELECT target, frame, size, mtime_ns, digest, rect, 0 FROM moves"
                    " WHERE frame = ? AND target NOT LIKE 'debug/%'",
                    (frame,),
                ).fetchall()
                self.db.executemany(f"INSERT {_FACE_VALUES}", faces)
                outcome = Outcome.EXTRACTED if faces else Outcome.NO_FACE
                self.db.execute(
                    "UPDATE frames SET outcome = ?, faces = ?, attempt = ?, cause = NULL, evidence = NULL,"
                    " fingerprint = coalesce(?, fingerprint) WHERE id = ?",
                    (outcome.value, len(faces), attempt, known.get(frame), frame),
                )
                self.db.execute("DELETE FROM moves WHERE frame = ?", (frame,))

    def forget_moves(self, frame: int) -> None:
        """Journalled moves of this frame will not be made."""
        with self.transaction():
            self.db.execute("DELETE FROM moves WHERE frame = ?", (frame,))

    def face_names(self) -> set[str]:
        return set(self.rows(name, "SELECT name FROM faces"))

    def faces(self, where: str = "1", values: Sequence[Any] = ()) -> list[FaceRow]:
        """Faces in the order of their frames' ids."""
        return self.rows(_face, f"{_FACES} WHERE {where} ORDER BY frame, name", values)

    def each_face(self) -> Iterator[FaceRow]:
        """All of them, by name, one at a time: nothing may be written before the last."""
        return self.each(_face, f"{_FACES} ORDER BY name")

    def stamps(self) -> Iterator[tuple[str, int, int]]:
        """Name, size and modification time of each face and each stranger, as `each_face`."""
        yield from self.each(
            _stamp,
            "SELECT name, size, mtime_ns FROM faces WHERE size IS NOT NULL AND mtime_ns IS NOT NULL"
            " UNION ALL SELECT name, size, mtime_ns FROM strangers",
        )

    def faces_of(self, frames: Collection[int]) -> dict[int, list[FaceRow]]:
        """The recorded faces of these frames, by frame."""
        found: dict[int, list[FaceRow]] = {}
        for row in self.faces("frame IN (SELECT value FROM json_each(?))", (json.dumps(list(frames)),)):
            found.setdefault(row.frame, []).append(row)
        return found

    def count_faces(self, where: str) -> int:
        return self.rows(whole, f"SELECT count(*) FROM faces WHERE {where}")[0]  # noqa: S608

    def has_face(self, face: str) -> bool:
        """Whether a face is recorded under this name."""
        return bool(self.read("SELECT 1 FROM faces WHERE name = ?", (face,)))

    def check_faces(self) -> None:
        """Read everything of each face once. Raises DamagedLedgerError."""
        for _ in self.each(_face, _FACES):
            pass

    def face_is(self, now: Iterable[tuple[str, FaceRow]]) -> None:
        """What the last look at the folder showed: (name as recorded, the face as it is), all in one.

        A frame's number of faces counts those that are not missing.
        """
        rows = list(now)
        with self.transaction():
            # In two steps: a faceset may have been renamed in circles.
            self.db.executemany(
                "UPDATE faces SET name = ? WHERE name = ?",
                [(f"/{number}", old) for number, (old, _) in enumerate(rows)],
            )
            for number, (_, face) in enumerate(rows):
                self.db.execute(
                    "UPDATE faces SET name = ?, missing = ?, edited = ?, size = ?, mtime_ns = ?, digest = ?, rect = ?"
                    " WHERE name = ?",
                    (face.name, int(face.missing), int(face.edited), *_columns(face.facts), f"/{number}"),
                )
            self.db.executemany(
                "UPDATE frames SET faces = (SELECT count(*) FROM faces WHERE frame = frames.id AND NOT missing)"
                " WHERE id = ?",
                [(frame,) for frame in {face.frame for _, face in rows}],
            )

    def take_back(self, frames: Iterable[int]) -> None:
        """Also extracted frames: their faces are no longer theirs (the caller has set the files aside)."""
        ids = [(frame,) for frame in frames]
        with self.transaction():
            self.db.executemany("DELETE FROM faces WHERE frame = ?", ids)
            self.db.executemany(
                "UPDATE frames SET outcome = NULL, faces = 0, attempt = NULL, cause = NULL, evidence = NULL,"
                " failures = 0, edited = 0, fingerprint = NULL WHERE id = ?",
                ids,
            )

    def strangers(self) -> dict[str, tuple[int, int]]:
        """Size and modification time of faces that were held against their frame and are not of it."""
        found = self.each(_stamp, "SELECT name, size, mtime_ns FROM strangers")
        return {name: (size, mtime_ns) for name, size, mtime_ns in found}

    def add_strangers(self, faces: Iterable[tuple[str, int, int]]) -> None:
        with self.transaction():
            self.db.executemany("INSERT OR REPLACE INTO strangers VALUES (?, ?, ?)", list(faces))

    def adopt(self, faces: Iterable[tuple[int, str, FaceFacts | None]]) -> None:
        """Enter faces that lay in the faceset already: (frame, file name, facts); their frames are extracted."""
        with self.transaction():
            for frame, name, facts in faces:
                self.db.execute(f"INSERT OR IGNORE {_FACE_VALUES}", (name, frame, *_columns(facts), 1))
                self.db.execute(
                    "UPDATE frames SET evidence = CASE WHEN outcome = 'extracted' AND attempt IS NOT NULL"
                    " THEN evidence ELSE 'found in the faceset' END,"
                    " outcome = 'extracted', cause = NULL,"
                    " faces = (SELECT count(*) FROM faces WHERE frame = frames.id AND NOT missing)"
                    " WHERE id = ?",
                    (frame,),
                )


def _columns(facts: FaceFacts | None) -> tuple[Any, ...]:
    if facts is None:
        return (None, None, None, None)
    return (facts.size, facts.mtime_ns, facts.digest, json.dumps(facts.rect))


def _facts(size: Any, mtime_ns: Any, digest: Any, rect: Any) -> FaceFacts | None:
    if size is None or mtime_ns is None or digest is None:
        return None
    if type(digest) is not bytes:
        raise ValueError("a face's digest is not bytes")
    return FaceFacts(whole(size), whole(mtime_ns, -(2**63)), digest, _rect(rect))


def _rect(value: Any) -> tuple[float, ...] | None:
    numbers = None if value is None else parsed(value)
    if numbers is None:
        return None
    if not isinstance(numbers, list) or not all(type(n) in (int, float) for n in numbers):
        raise ValueError("a face's rectangle is not a list of numbers")
    return tuple(float(n) for n in numbers) or None


def _face(name_: Any, frame: Any, adopted: Any, missing: Any, edited: Any, *facts: Any) -> FaceRow:
    return FaceRow(
        name(name_), whole(frame), _facts(*facts), switch(adopted), switch(missing), switch(edited)
    )


def _move(source_: Any, target_: Any, frame: Any, attempt: Any, *facts: Any) -> Move:
    return Move(source(source_), target(target_), whole(frame), whole(attempt), _facts(*facts))


def _stamp(name_: Any, size: Any, mtime_ns: Any) -> tuple[str, int, int]:
    return name(name_), whole(size), whole(mtime_ns, -(2**63))
