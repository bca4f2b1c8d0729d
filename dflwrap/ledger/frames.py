"""The table of frames: each once, with its one outcome."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from sys import intern
from typing import Any

from dflwrap.common.text import display
from dflwrap.frames.inventory import UNREAD
from dflwrap.frames.judgement import Entry, Judgement
from dflwrap.frames.names import encode
from dflwrap.ledger.records import (
    REMOVED,
    Counts,
    FrameRow,
    NewFrame,
    Outcome,
    Told,
    source_name,
)
from dflwrap.ledger.store import Store
from dflwrap.ledger.values import maybe, name, raw_name, switch, text, whole

_FRAME_COLUMNS = (
    "id, raw, name, stem, entry, plain, max_side, outcome, faces, attempt, cause, evidence, failures"
)

_NAMED = "name IN (SELECT value FROM json_each(?))"
_ENTRIES = {entry.value: entry for entry in Entry}
_REMOVED = f"(outcome IS 'not_attempted' AND cause IS '{REMOVED}')"


class FrameTable(Store):
    """Frames with their outcomes. A frame has one row, and is settled once unless it is reopened."""

    def add_frames(self, frames: Iterable[NewFrame]) -> None:
        """Enter new frames, all or none; the refused ones are quarantined from the start."""
        rows = (
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
        )
        with self.transaction():
            self.db.executemany(
                "INSERT INTO frames (raw, name, stem, size, mtime_ns, entry, plain, max_side, entry_reason,"
                " longest_side, outcome, cause, evidence) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )

    def frames(self, where: str = "1", values: Sequence[Any] = (), *, most: int = -1) -> list[FrameRow]:
        """Frames in the order of the folder; the first `most` of them, -1 = all."""
        query = f"SELECT {_FRAME_COLUMNS} FROM frames WHERE {where} ORDER BY raw LIMIT ?"  # noqa: S608
        return self.rows(_frame, query, (*values, most))

    def check_frames(self) -> None:
        """Read everything of each frame once. Raises DamagedLedgerError."""
        query = f"SELECT size, mtime_ns, fingerprint, {_FRAME_COLUMNS} FROM frames"  # noqa: S608
        for _ in self.each(_checked, query):
            pass

    def file_names(self, where: str = "1") -> list[str]:
        """Of frames in the order of the folder."""
        return self.rows(raw_name, f"SELECT raw FROM frames WHERE {where} ORDER BY raw")  # noqa: S608

    def stems(self) -> Iterator[str]:
        return self.each(name, "SELECT stem FROM frames")

    def open_stems(self) -> Iterator[tuple[int, str]]:
        """(frame, stem) of the frames without an outcome."""
        return self.each(
            lambda i, stem: (whole(i), name(stem)), "SELECT id, stem FROM frames WHERE outcome IS NULL"
        )

    def claimable(self) -> Iterator[tuple[int, str, str, Outcome | None]]:
        """(frame, `FrameRow.source_name`, stem, outcome) of the frames that faces in the folder may be of."""
        query = "SELECT id, raw, stem, outcome FROM frames WHERE outcome IS NOT 'not_attempted'"
        return self.each(_claimable, query)

    def by_id(self, frames: Collection[int]) -> dict[int, FrameRow]:
        found = self.frames("id IN (SELECT value FROM json_each(?))", (json.dumps(list(frames)),))
        return {row.id: row for row in found}

    def source_names(self) -> Iterator[tuple[str, str]]:
        """(`FrameRow.source_name`, file name) of each frame."""
        return self.each(
            lambda raw, stem: (_source(raw, stem), raw_name(raw)), "SELECT raw, stem FROM frames"
        )

    def source_of(self, frame: int) -> str | None:
        """`FrameRow.source_name` of the frame; None for one that is not there."""
        names = self.rows(_source, "SELECT raw, stem FROM frames WHERE id = ?", (frame,))
        return names[0] if names else None

    def files(self) -> Iterator[tuple[int, str, int, int]]:
        """(frame, file name, size in bytes, modification time in ns), as entered, in the folder's order.

        The size of a frame whose disk failed then is UNREAD.
        """
        return self.each(_file, "SELECT id, raw, size, mtime_ns FROM frames ORDER BY raw")

    def without_result(self) -> Iterator[tuple[int, str, Outcome | None, str | None]]:
        """(frame, file name, outcome, cause) of the frames without a result, in the folder's order."""
        query = "SELECT id, raw, outcome, cause FROM frames WHERE coalesce(outcome, '') NOT IN ('extracted', 'no_face')"
        return self.each(_unfinished, f"{query} ORDER BY raw")

    def told(self, where: str, values: Sequence[Any] = ()) -> list[Told]:
        """Of frames in the order of the folder no more than a report says of them."""
        query = f"SELECT name, attempt, cause, evidence FROM frames WHERE {where} ORDER BY raw"  # noqa: S608
        return self.rows(_told, query, values)

    def size(self, frame: int) -> tuple[int, int] | None:
        """Size in bytes and modification time in ns, as entered; None for a frame that is not there."""
        found = self.rows(_size, "SELECT id, size, mtime_ns FROM frames WHERE id = ?", (frame,))
        return found[0][1] if found else None

    def fingerprints(self) -> dict[int, str]:
        """Of the frames that were handed out since ledgers know fingerprints."""
        return dict(
            self.rows(_fingerprint, "SELECT id, fingerprint FROM frames WHERE fingerprint IS NOT NULL")
        )

    def prefix_open_stems(self, prefix: str) -> None:
        """Faces of frames without an outcome get names that begin with `prefix`; no extractor uses such names."""
        with self.transaction():
            self.db.execute(
                "UPDATE frames SET stem = ? || stem, plain = 0 WHERE outcome IS NULL AND substr(stem, 1, ?) != ?",
                (prefix, len(prefix), prefix),
            )

    def edited(self) -> set[int]:
        """Frames whose content is not the one that their result is from."""
        return set(self.rows(whole, "SELECT id FROM frames WHERE edited"))

    def mark_edited(self, frames: Iterable[int]) -> None:
        with self.transaction():
            self.db.executemany("UPDATE frames SET edited = 1 WHERE id = ?", [(frame,) for frame in frames])

    def content_is(self, frames: Iterable[tuple[int, int, int, str | None]]) -> None:
        """(frame, size, mtime_ns, fingerprint): the file's content as it is now, its result kept."""
        with self.transaction():
            self.db.executemany(
                "UPDATE frames SET size = ?, mtime_ns = ?, fingerprint = ? WHERE id = ?",
                [(size, mtime, fingerprint, frame) for frame, size, mtime, fingerprint in frames],
            )

    def enter_anew(self, frames: Iterable[tuple[int, NewFrame]]) -> None:
        """The files of frames without a result have changed: they are judged by their new facts."""
        with self.transaction():
            self.db.executemany(
                "UPDATE frames SET size = ?, mtime_ns = ?, entry = ?, plain = ?, max_side = ?,"
                " entry_reason = ?, longest_side = ?, outcome = ?, cause = ?, evidence = ?, attempt = NULL,"
                " failures = 0, fingerprint = NULL, edited = 0 WHERE id = ?",
                [
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
                    )
                    for frame, new in frames
                ],
            )

    def looked_at(self, frames: Iterable[tuple[int, Judgement]]) -> None:
        """(frame, what its header says of it), of frames that were entered without a look. A refused one is settled."""
        rows = [
            (
                j.entry.value,
                j.max_side,
                j.reason,
                j.longest_side,
                *_outcome(j.entry, j.cause, j.reason),
                frame,
            )
            for frame, j in frames
        ]
        with self.transaction():
            self.db.executemany(
                "UPDATE frames SET entry = ?, max_side = ?, entry_reason = ?, longest_side = ?, outcome = ?,"
                " cause = ?, evidence = ? WHERE id = ? AND entry = 'unseen' AND outcome IS NULL",
                rows,
            )

    def longest_sides(self, frames: Collection[int]) -> dict[int, int]:
        """Longest side of each of these frames, pixels; 0 where it is not known."""
        query = "SELECT id, longest_side FROM frames WHERE id IN (SELECT value FROM json_each(?))"
        return dict(self.rows(lambda i, side: (whole(i), whole(side)), query, (json.dumps(list(frames)),)))

    def longest_side(self, where: str = "outcome IS NULL") -> int:
        """Longest side among the open frames, or others, pixels; 0 when none is known."""
        return self.rows(whole, f"SELECT coalesce(max(longest_side), 0) FROM frames WHERE {where}")[0]  # noqa: S608

    def open_frames(self, *, without: Collection[str] = (), most: int = -1) -> list[FrameRow]:
        """In the order of the folder. without: names (as shown) that are passed over; most: no more than these."""
        if not without:
            return self.frames("outcome IS NULL", most=most)
        return self.frames(f"outcome IS NULL AND NOT {_NAMED}", (json.dumps(list(without)),), most=most)

    def open_among(self, names: Collection[str]) -> list[FrameRow]:
        """Those of the frames with these names (as shown) that have no outcome."""
        return self.frames(f"outcome IS NULL AND {_NAMED}", (json.dumps(list(names)),)) if names else []

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
        with self.transaction():
            self.db.executemany(
                "UPDATE frames SET outcome = ?, attempt = ?, cause = ?, evidence = ?, faces = 0"
                " WHERE id = ? AND outcome IS NULL",
                [(o.value, a, c, display(e) if e else e, f) for f, o, a, c, e in rows],
            )

    def reopen(self, where: str, values: Sequence[Any] = ()) -> None:
        """Take the outcome of frames back (never of extracted ones)."""
        with self.transaction():
            self.db.execute(
                "UPDATE frames SET outcome = NULL, attempt = NULL, cause = NULL, evidence = NULL"  # noqa: S608
                f" WHERE outcome != 'extracted' AND ({where})",
                values,
            )

    def reopen_many(self, frames: Iterable[int]) -> None:
        with self.transaction():
            self.db.executemany(
                "UPDATE frames SET outcome = NULL, attempt = NULL, cause = NULL, evidence = NULL"
                " WHERE id = ? AND outcome != 'extracted'",
                [(frame,) for frame in frames],
            )

    def remove(self, frames: Iterable[int]) -> None:
        """Frames without a result that are no longer in the input folder leave the total."""
        with self.transaction():
            self.db.executemany(
                "UPDATE frames SET outcome = 'not_attempted', cause = ?, evidence = 'removed before this run',"
                " attempt = NULL WHERE id = ? AND coalesce(outcome, '') NOT IN ('extracted', 'no_face')",
                [(REMOVED, frame) for frame in frames],
            )

    def not_attempted(self) -> list[FrameRow]:
        """Without those that have left the total."""
        return self.frames(f"outcome = 'not_attempted' AND NOT {_REMOVED}")

    def removed(self) -> list[FrameRow]:
        return self.frames(_REMOVED)

    def count_failures(self, failures: Iterable[tuple[int, str, str]]) -> None:
        """(frame, cause, evidence): remember that an attempt failed these frames; they stay open."""
        with self.transaction():
            self.db.executemany(
                "UPDATE frames SET failures = failures + 1, cause = ?, evidence = ?"
                " WHERE id = ? AND outcome IS NULL",
                [(cause, display(evidence), frame) for frame, cause, evidence in failures],
            )

    def reencode(self, frame: int, reason: str, max_side: int) -> None:
        """Let a frame enter its next attempt as a converted copy."""
        with self.transaction():
            self.db.execute(
                "UPDATE frames SET entry = 'convert', plain = 0, entry_reason = ?, max_side = ? WHERE id = ?",
                (reason, max_side, frame),
            )

    def counts(self) -> Counts:
        """Cheap: kept with each change (`schema.TALLY`). Raises NeedsUserError or DamagedLedgerError as `read`."""
        try:
            self._count_anew()
        except sqlite3.Error as error:
            raise self._translated(error) from error
        rows = self.read("SELECT state, frames, faces FROM tally")
        by: dict[str, int] = {state: frames for state, frames, _ in rows}
        removed = by[REMOVED]
        return Counts(
            total=sum(by.values()) - removed,
            extracted=by["extracted"],
            no_face=by["no_face"],
            quarantined=by["quarantined"],
            not_attempted=by["not_attempted"],
            open=by["open"],
            faces=sum(faces for _, _, faces in rows),
            removed=removed,
        )


def _refusal(frame: NewFrame) -> tuple[str | None, str | None, str | None]:
    """Outcome, cause and evidence that a frame enters with."""
    return _outcome(frame.entry, frame.cause, frame.entry_reason)


def _outcome(entry: Entry, cause: str, reason: str) -> tuple[str | None, str | None, str | None]:
    if entry is Entry.REFUSE:
        return Outcome.QUARANTINED.value, cause, display(reason)
    return None, None, None


def _frame(
    frame: Any,
    raw: Any,
    shown: Any,
    stem: Any,
    entry: Any,
    plain: Any,
    max_side: Any,
    outcome: Any,
    faces: Any,
    attempt: Any,
    cause: Any,
    evidence: Any,
    failures: Any,
) -> FrameRow:
    return FrameRow(
        whole(frame),
        raw_name(raw),
        text(shown),
        name(stem),
        _ENTRIES.get(entry) or Entry(entry),
        switch(plain),
        whole(max_side),
        None if outcome is None else Outcome(outcome),
        whole(faces),
        maybe(whole, attempt),
        maybe(text, cause),
        maybe(text, evidence),
        whole(failures),
    )


def _told(shown: Any, attempt: Any, cause: Any, evidence: Any) -> Told:
    known = maybe(text, cause)
    return Told(text(shown), maybe(whole, attempt), known and intern(known), maybe(text, evidence))


def _checked(size: Any, mtime_ns: Any, fingerprint: Any, *columns: Any) -> None:
    _size(columns[0], size, mtime_ns)
    maybe(text, fingerprint)
    _frame(*columns)


def _file(frame: Any, raw: Any, size: Any, mtime_ns: Any) -> tuple[int, str, int, int]:
    return whole(frame), raw_name(raw), whole(size, UNREAD), whole(mtime_ns, -(2**63))


def _unfinished(
    frame: Any, raw: Any, outcome: Any, cause: Any
) -> tuple[int, str, Outcome | None, str | None]:
    return whole(frame), raw_name(raw), maybe(Outcome, outcome), maybe(text, cause)


def _claimable(frame: Any, raw: Any, stem: Any, outcome: Any) -> tuple[int, str, str, Outcome | None]:
    return whole(frame), _source(raw, stem), name(stem), maybe(Outcome, outcome)


def _source(raw: Any, stem: Any) -> str:
    return source_name(raw_name(raw), name(stem))


def _size(frame: Any, size: Any, mtime_ns: Any) -> tuple[int, tuple[int, int]]:
    return whole(frame), (whole(size, UNREAD), whole(mtime_ns, -(2**63)))


def _fingerprint(frame: Any, value: Any) -> tuple[int, str]:
    return whole(frame), text(value)
