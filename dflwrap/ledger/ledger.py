"""Reading and writing the ledger. Written before acted upon."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dflwrap.common.errors import DflwrapError
from dflwrap.common.events import Event
from dflwrap.frames.judgement import Entry
from dflwrap.frames.names import decode, display, encode
from dflwrap.ledger.records import AttemptRow, Counts, FaceFacts, FaceRow, FrameRow, Move, NewFrame, Outcome
from dflwrap.ledger.schema import MIGRATIONS, TABLES, VERSION, connect, statements
from dflwrap.ledger.telling import told

_FRAME_COLUMNS = (
    "id, raw, name, stem, entry, plain, max_side, outcome, faces, attempt, cause, evidence, failures"
)
_FACE_VALUES = "INTO faces (name, frame, size, mtime_ns, digest, rect, adopted) VALUES (?, ?, ?, ?, ?, ?, ?)"
_ATTEMPT_COLUMNS = (
    "number, started, ended, extractor, plan, reason, frames, gained, ended_by, exit_status, cause, verdict"
)


class Ledger:
    """One run's state. All methods raise NeedsUserError ("disk-full") when the disk is full.

    Not covered: two processes writing at once; the run's lock sees to that.
    """

    def __init__(self, path: Path) -> None:
        """Open or create. Raises DflwrapError when the file is damaged or of a newer version."""
        self.path = path
        try:
            self._db = connect(path)
        except sqlite3.DatabaseError as error:
            raise self._told(error) from error
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise self._told(error) from error
        except BaseException:
            self._db.close()
            raise

    def _open(self) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version != 0:
            self._check()
        if not 0 <= version <= VERSION:
            raise DflwrapError(
                f"The run folder was written by another version of dflwrap: {display(str(self.path))}. "
                "Use that version, or move the run folder away to start anew."
            )
        if version < VERSION:
            scripts = (TABLES, *MIGRATIONS)[version:]
            with self._transaction():
                for statement in (s for script in scripts for s in statements(script)):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version={VERSION}")

    def _check(self) -> None:
        answer = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if answer != "ok":
            raise sqlite3.DatabaseError(answer)

    def _told(self, error: sqlite3.Error) -> DflwrapError:
        return told(error, self.path)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._roll_back()
                raise
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise self._told(error) from error

    def _roll_back(self) -> None:
        """After some errors SQLite has done so itself; on a dying disk even this may fail."""
        if self._db.in_transaction:
            try:
                self._db.execute("ROLLBACK")
            except sqlite3.Error:
                pass

    def _read(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._told(error) from error

    def close(self) -> None:
        self._db.close()

    # -- the run -------------------------------------------------------------------------------

    def get(self, key: str) -> Any:
        """A value of the run stored by `put`, or None."""
        rows = self._read("SELECT value FROM run WHERE key = ?", (key,))
        return json.loads(rows[0][0]) if rows else None

    def put(self, key: str, value: Any) -> None:
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO run VALUES (?, ?)", (key, json.dumps(value)))

    # -- frames --------------------------------------------------------------------------------

    def add_frames(self, frames: Iterable[NewFrame]) -> None:
        """Enter new frames, all or none; the refused ones are quarantined from the start."""
        rows = [
            (
                encode(f.file_name),
                display(f.file_name.replace("\\", "\\\\")),  # no two frames are shown under one name
                f.stem,
                f.size,
                f.mtime_ns,
                f.entry.value,
                int(f.plain),
                f.max_side,
                f.entry_reason,
                f.longest_side,
                *_refusal(f),
            )
            for f in frames
        ]
        with self._transaction():
            self._db.executemany(
                "INSERT INTO frames (raw, name, stem, size, mtime_ns, entry, plain, max_side, entry_reason,"
                " longest_side, outcome, cause, evidence) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )

    def frames(self, where: str = "1", values: Sequence[Any] = ()) -> list[FrameRow]:
        """Frames in the order of the folder."""
        query = f"SELECT {_FRAME_COLUMNS} FROM frames WHERE {where} ORDER BY raw"  # noqa: S608
        return [_frame(row) for row in self._read(query, values)]

    def sizes(self) -> dict[int, tuple[int, int]]:
        """Size in bytes and modification time in ns of each frame, as entered."""
        return {i: (size, mtime) for i, size, mtime in self._read("SELECT id, size, mtime_ns FROM frames")}

    def fingerprints(self) -> dict[int, str]:
        """Of the frames that were handed out since ledgers know fingerprints."""
        return dict(self._read("SELECT id, fingerprint FROM frames WHERE fingerprint IS NOT NULL"))

    def add_fingerprints(self, frames: Iterable[tuple[int, str]]) -> None:
        """(frame, fingerprint); one that is known stays: it belongs to the frame's result."""
        with self._transaction():
            self._db.executemany(
                "UPDATE frames SET fingerprint = coalesce(fingerprint, ?) WHERE id = ?",
                [(fingerprint, frame) for frame, fingerprint in frames],
            )

    def content_is(self, frames: Iterable[tuple[int, int, int, str | None]]) -> None:
        """(frame, size, mtime_ns, fingerprint): the file's content as it is now, its result kept."""
        with self._transaction():
            self._db.executemany(
                "UPDATE frames SET size = ?, mtime_ns = ?, fingerprint = ? WHERE id = ?",
                [(size, mtime, fingerprint, frame) for frame, size, mtime, fingerprint in frames],
            )

    def enter_anew(self, frame: int, new: NewFrame) -> None:
        """The file of a frame without a result has changed: it is judged by its new facts."""
        with self._transaction():
            self._db.execute(
                "UPDATE frames SET size = ?, mtime_ns = ?, entry = ?, plain = ?, max_side = ?,"
                " entry_reason = ?, longest_side = ?, outcome = ?, cause = ?, evidence = ?, attempt = NULL,"
                " failures = 0, fingerprint = NULL WHERE id = ?",
                (
                    new.size,
                    new.mtime_ns,
                    new.entry.value,
                    int(new.plain),
                    new.max_side,
                    new.entry_reason,
                    new.longest_side,
                    *_refusal(new),
                    frame,
                ),
            )

    def longest_side(self) -> int:
        """Longest side among the open frames, pixels; 0 when none is known."""
        return int(
            self._read("SELECT coalesce(max(longest_side), 0) FROM frames WHERE outcome IS NULL")[0][0]
        )

    def open_frames(self) -> list[FrameRow]:
        return self.frames("outcome IS NULL")

    def settle(
        self,
        frame: int,
        outcome: Outcome,
        *,
        attempt: int | None = None,
        cause: str | None = None,
        evidence: str | None = None,
    ) -> None:
        """Give a frame its outcome (other than EXTRACTED: see `settle_promoted` and `adopt`)."""
        self.settle_many([(frame, outcome, attempt, cause, evidence)])

    def settle_many(self, rows: Iterable[tuple[int, Outcome, int | None, str | None, str | None]]) -> None:
        """`settle` for many frames in one transaction: (frame, outcome, attempt, cause, evidence)."""
        with self._transaction():
            self._db.executemany(
                "UPDATE frames SET outcome = ?, attempt = ?, cause = ?, evidence = ?, faces = 0"
                " WHERE id = ? AND outcome IS NULL",
                [(o.value, a, c, display(e) if e else e, f) for f, o, a, c, e in rows],
            )

    def reopen(self, where: str, values: Sequence[Any] = ()) -> None:
        """Take the outcome of frames back (never of extracted ones)."""
        with self._transaction():
            self._db.execute(
                "UPDATE frames SET outcome = NULL, attempt = NULL, cause = NULL, evidence = NULL"  # noqa: S608
                f" WHERE outcome != 'extracted' AND ({where})",
                values,
            )

    def count_failure(self, frame: int, cause: str, evidence: str) -> None:
        """Remember that an attempt failed this frame; it stays open."""
        with self._transaction():
            self._db.execute(
                "UPDATE frames SET failures = failures + 1, cause = ?, evidence = ?"
                " WHERE id = ? AND outcome IS NULL",
                (cause, display(evidence), frame),
            )

    def prepare_anew(self, frame: int, reason: str, max_side: int) -> None:
        """Let a frame enter its next attempt as a converted copy."""
        with self._transaction():
            self._db.execute(
                "UPDATE frames SET entry = 'convert', plain = 0, entry_reason = ?, max_side = ? WHERE id = ?",
                (reason, max_side, frame),
            )

    def adopt(self, faces: Iterable[tuple[int, str, FaceFacts | None]]) -> None:
        """Enter faces that lay in the faceset already: (frame, file name, facts); their frames are extracted."""
        with self._transaction():
            for frame, name, facts in faces:
                self._db.execute(f"INSERT OR IGNORE {_FACE_VALUES}", (name, frame, *_columns(facts), 1))
                self._db.execute(
                    "UPDATE frames SET evidence = CASE WHEN outcome = 'extracted' AND attempt IS NOT NULL"
                    " THEN evidence ELSE 'found in the faceset' END,"
                    " outcome = 'extracted', cause = NULL,"
                    " faces = (SELECT count(*) FROM faces WHERE frame = frames.id AND NOT missing)"
                    " WHERE id = ?",
                    (frame,),
                )

    # -- moves ---------------------------------------------------------------------------------

    def journal(self, moves: Sequence[Move]) -> None:
        """Write down moves before they are made."""
        with self._transaction():
            self._db.executemany(
                "INSERT INTO moves (source, target, frame, attempt, size, mtime_ns, digest, rect)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [(m.source, m.target, m.frame, m.attempt, *_columns(m.facts)) for m in moves],
            )

    def pending_moves(self) -> list[Move]:
        rows = self._read(
            "SELECT source, target, frame, attempt, size, mtime_ns, digest, rect FROM moves ORDER BY frame, target"
        )
        return [Move(source, target, frame, n, _facts(*facts)) for source, target, frame, n, *facts in rows]

    def settle_promoted(self, frames: Sequence[int], attempt: int) -> None:
        """All journalled moves of these frames are made: they are extracted, or `no_face` without any."""
        with self._transaction():
            for frame in frames:
                faces = self._db.execute(
                    "SELECT target, frame, size, mtime_ns, digest, rect, 0 FROM moves"
                    " WHERE frame = ? AND target NOT LIKE 'debug/%'",
                    (frame,),
                ).fetchall()
                self._db.executemany(f"INSERT {_FACE_VALUES}", faces)
                outcome = Outcome.EXTRACTED if faces else Outcome.NO_FACE
                self._db.execute(
                    "UPDATE frames SET outcome = ?, faces = ?, attempt = ?, cause = NULL, evidence = NULL"
                    " WHERE id = ?",
                    (outcome.value, len(faces), attempt, frame),
                )
                self._db.execute("DELETE FROM moves WHERE frame = ?", (frame,))

    def forget_moves(self, frame: int) -> None:
        """Journalled moves of this frame will not be made."""
        with self._transaction():
            self._db.execute("DELETE FROM moves WHERE frame = ?", (frame,))

    # -- faces ---------------------------------------------------------------------------------

    def face_names(self) -> set[str]:
        return {row[0] for row in self._read("SELECT name FROM faces")}

    def faces(self) -> list[FaceRow]:
        rows = self._read(
            "SELECT name, frame, adopted, missing, size, mtime_ns, digest, rect FROM faces ORDER BY frame, name"
        )
        return [
            FaceRow(name, frame, _facts(*facts), bool(adopted), bool(missing))
            for name, frame, adopted, missing, *facts in rows
        ]

    def face_is(self, now: Iterable[tuple[str, FaceRow]]) -> None:
        """What the last look at the folder showed: (name as recorded, the face as it is), all in one.

        A frame's number of faces counts those that are not missing.
        """
        rows = list(now)
        with self._transaction():
            # In two steps: a faceset may have been renamed in circles.
            self._db.executemany(
                "UPDATE faces SET name = ? WHERE name = ?",
                [(f"/{number}", old) for number, (old, _) in enumerate(rows)],
            )
            for number, (_, face) in enumerate(rows):
                self._db.execute(
                    "UPDATE faces SET name = ?, missing = ?, size = ?, mtime_ns = ?, digest = ?, rect = ?"
                    " WHERE name = ?",
                    (face.name, int(face.missing), *_columns(face.facts), f"/{number}"),
                )
            self._db.executemany(
                "UPDATE frames SET faces = (SELECT count(*) FROM faces WHERE frame = frames.id AND NOT missing)"
                " WHERE id = ?",
                [(frame,) for frame in {face.frame for _, face in rows}],
            )

    def open_again(self, frames: Iterable[int]) -> None:
        """Also extracted frames: their faces are no longer theirs (the caller has set the files aside)."""
        ids = [(frame,) for frame in frames]
        with self._transaction():
            self._db.executemany("DELETE FROM faces WHERE frame = ?", ids)
            self._db.executemany(
                "UPDATE frames SET outcome = NULL, faces = 0, attempt = NULL, cause = NULL, evidence = NULL,"
                " failures = 0 WHERE id = ?",
                ids,
            )

    def strangers(self) -> dict[str, tuple[int, int]]:
        """Size and modification time of faces that were held against their frame and are not of it."""
        return {name: (size, mtime) for name, size, mtime in self._read("SELECT * FROM strangers")}

    def add_strangers(self, faces: Iterable[tuple[str, int, int]]) -> None:
        with self._transaction():
            self._db.executemany("INSERT OR REPLACE INTO strangers VALUES (?, ?, ?)", list(faces))

    # -- attempts ------------------------------------------------------------------------------

    def next_attempt(self) -> int:
        return int(self._read("SELECT coalesce(max(number), 0) + 1 FROM attempts")[0][0])

    def begin_attempt(
        self, number: int, extractor: str, plan: dict[str, Any], reason: str, frames: int
    ) -> None:
        with self._transaction():
            self._db.execute(
                "INSERT INTO attempts (number, started, extractor, plan, reason, frames)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (number, time.time(), extractor, json.dumps(plan), reason, frames),
            )

    def end_attempt(
        self,
        number: int,
        *,
        gained: int,
        ended_by: str,
        exit_status: int | None,
        cause: str | None,
        verdict: dict[str, Any] | None,
    ) -> None:
        with self._transaction():
            self._db.execute(
                "UPDATE attempts SET ended = ?, gained = ?, ended_by = ?, exit_status = ?, cause = ?,"
                " verdict = ? WHERE number = ?",
                (time.time(), gained, ended_by, exit_status, cause, json.dumps(verdict), number),
            )

    def attempts(self) -> list[AttemptRow]:
        rows = self._read(f"SELECT {_ATTEMPT_COLUMNS} FROM attempts ORDER BY number")  # noqa: S608
        return [AttemptRow(*row) for row in rows]

    def decide(self, attempt: int | None, sentence: str) -> None:
        with self._transaction():
            self._db.execute(
                "INSERT INTO decisions (time, attempt, sentence) VALUES (?, ?, ?)",
                (time.time(), attempt, sentence),
            )

    def decisions(self) -> list[tuple[float, int | None, str]]:
        return self._read("SELECT time, attempt, sentence FROM decisions ORDER BY id")

    def add_events(self, attempt: int, events: Iterable[Event]) -> None:
        with self._transaction():
            self._db.executemany(
                "INSERT INTO events (attempt, time, kind, body) VALUES (?, ?, ?, ?)",
                [(attempt, e.time, e.kind.value, e.to_json()[:65536]) for e in events],
            )

    def add_samples(self, attempt: int | None, samples: Iterable[tuple[float, dict[str, Any]]]) -> None:
        """Telemetry: (seconds since the epoch, the sample)."""
        with self._transaction():
            self._db.executemany(
                "INSERT INTO samples (attempt, time, body) VALUES (?, ?, ?)",
                [(attempt, moment, json.dumps(body)) for moment, body in samples],
            )

    # -- totals --------------------------------------------------------------------------------

    def counts(self) -> Counts:
        rows = self._read("SELECT outcome, count(*), coalesce(sum(faces), 0) FROM frames GROUP BY outcome")
        by: dict[str | None, int] = {outcome: number for outcome, number, _ in rows}
        of: Callable[[str | None], int] = lambda outcome: by.get(outcome, 0)  # noqa: E731
        return Counts(
            total=sum(by.values()),
            extracted=of("extracted"),
            no_face=of("no_face"),
            quarantined=of("quarantined"),
            not_attempted=of("not_attempted"),
            open=of(None),
            faces=sum(faces for _, _, faces in rows),
        )


def _refusal(frame: NewFrame) -> tuple[str | None, str | None, str | None]:
    """Outcome, cause and evidence that a frame enters with."""
    if frame.entry is Entry.REFUSE:
        return Outcome.QUARANTINED.value, frame.cause, display(frame.entry_reason)
    return None, None, None


def _columns(facts: FaceFacts | None) -> tuple[Any, ...]:
    if facts is None:
        return (None, None, None, None)
    return (facts.size, facts.mtime_ns, facts.digest, json.dumps(facts.rect))


def _facts(size: Any, mtime_ns: Any, digest: Any, rect: Any) -> FaceFacts | None:
    if size is None or mtime_ns is None or digest is None:
        return None
    values = json.loads(rect) if rect else None
    return FaceFacts(int(size), int(mtime_ns), bytes(digest), tuple(map(float, values)) if values else None)


def _frame(row: tuple[Any, ...]) -> FrameRow:
    frame, raw, name, stem, entry, plain, max_side, outcome, faces, attempt, cause, evidence, failures = row
    return FrameRow(
        frame,
        decode(raw),
        name,
        stem,
        Entry(entry),
        bool(plain),
        max_side,
        Outcome(outcome) if outcome else None,
        faces,
        attempt,
        cause,
        evidence,
        failures,
    )
