"""Tables of the ledger, and how its file is opened."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
from pathlib import Path

import psutil

from dflwrap.common.trees import resolved
from dflwrap.ledger.records import REMOVED

TABLES = """
CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE frames (
    id INTEGER PRIMARY KEY,
    raw BLOB NOT NULL UNIQUE,          -- the file name's bytes
    name TEXT NOT NULL,                -- the same, safe to show
    stem TEXT NOT NULL UNIQUE,         -- faces are <stem>_<index>.jpg
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    longest_side INTEGER NOT NULL,     -- pixels, 0 = not known
    entry TEXT NOT NULL,               -- link | convert | refuse
    plain INTEGER NOT NULL,
    max_side INTEGER NOT NULL,
    entry_reason TEXT NOT NULL,
    outcome TEXT CHECK (outcome IN ('extracted', 'no_face', 'quarantined', 'not_attempted')),
    faces INTEGER NOT NULL DEFAULT 0,
    attempt INTEGER,                   -- the attempt that decided it; NULL for preflight and adopted faces
    cause TEXT,
    evidence TEXT,
    failures INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX frames_open ON frames (id) WHERE outcome IS NULL;
CREATE TABLE faces (name TEXT PRIMARY KEY, frame INTEGER NOT NULL REFERENCES frames (id)) WITHOUT ROWID;
CREATE TABLE moves (
    target TEXT PRIMARY KEY,           -- name in the faceset, or debug/<name>
    source TEXT NOT NULL,              -- relative to the run folder
    frame INTEGER NOT NULL REFERENCES frames (id),
    attempt INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE attempts (
    number INTEGER PRIMARY KEY,
    started REAL NOT NULL,
    ended REAL,
    extractor TEXT NOT NULL,
    plan TEXT NOT NULL,                -- JSON
    reason TEXT NOT NULL,              -- the decision that led to it, one sentence
    frames INTEGER NOT NULL,
    gained INTEGER,
    ended_by TEXT,
    exit_status INTEGER,
    cause TEXT,
    verdict TEXT                       -- JSON
);
CREATE TABLE decisions (id INTEGER PRIMARY KEY, time REAL NOT NULL, attempt INTEGER, sentence TEXT NOT NULL);
CREATE TABLE events (
    id INTEGER PRIMARY KEY, attempt INTEGER NOT NULL, time REAL NOT NULL, kind TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE TABLE samples (id INTEGER PRIMARY KEY, attempt INTEGER, time REAL NOT NULL, body TEXT NOT NULL);
"""
"""Version 1. Later versions only add: a new ledger is made by the same steps as an old one is brought up to date."""

MIGRATIONS = (
    # To version 2: what a frame and a face are known by, whatever their files are called.
    """
    ALTER TABLE frames ADD COLUMN fingerprint TEXT;  -- of the content when it was first handed out
    ALTER TABLE frames ADD COLUMN edited INTEGER NOT NULL DEFAULT 0;  -- other content since, the result kept
    ALTER TABLE faces ADD COLUMN size INTEGER;       -- bytes; this and what follows NULL = not recorded
    ALTER TABLE faces ADD COLUMN mtime_ns INTEGER;
    ALTER TABLE faces ADD COLUMN digest BLOB;        -- of the whole file
    ALTER TABLE faces ADD COLUMN rect TEXT;          -- JSON, its source_rect
    ALTER TABLE faces ADD COLUMN adopted INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE faces ADD COLUMN missing INTEGER NOT NULL DEFAULT 0;  -- the user has taken it out of the faceset
    ALTER TABLE faces ADD COLUMN edited INTEGER NOT NULL DEFAULT 0;   -- its bytes are no longer those recorded first
    ALTER TABLE moves ADD COLUMN size INTEGER;
    ALTER TABLE moves ADD COLUMN mtime_ns INTEGER;
    ALTER TABLE moves ADD COLUMN digest BLOB;
    ALTER TABLE moves ADD COLUMN rect TEXT;
    CREATE INDEX faces_frame ON faces (frame);
    CREATE TABLE strangers (           -- faces in the folder that were held against a frame and are not of it
        name TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL
    ) WITHOUT ROWID
    """,
    # To version 3: `entry` may be 'unseen', for frames that are looked at just before they are handed out.
    "",
    # To version 4: the next open frames in the folder's order, at the cost of those: a black box asks for each batch.
    """
    DROP INDEX frames_open;
    CREATE INDEX frames_next ON frames (raw) WHERE outcome IS NULL
    """,
)
"""One entry for each version after the first: statements that bring the version before it up to date."""

VERSION = 1 + len(MIGRATIONS)


def _state(row: str) -> str:
    """Which count a row of `frames` belongs to: its outcome, `open`, or `removed`."""
    removed = f"{row}outcome IS 'not_attempted' AND {row}cause IS '{REMOVED}'"
    return f"CASE WHEN {removed} THEN '{REMOVED}' ELSE coalesce({row}outcome, 'open') END"


def _added(row: str, sign: str) -> str:
    return f"UPDATE tally SET frames = frames {sign} 1, faces = faces {sign} {row}faces WHERE state = {_state(row)};"  # noqa: S608


TALLY = f"""
PRAGMA temp_store = MEMORY;
CREATE TEMP TABLE tally (state TEXT PRIMARY KEY, frames INTEGER NOT NULL, faces INTEGER NOT NULL) WITHOUT ROWID;
CREATE TEMP TRIGGER tally_new AFTER INSERT ON frames BEGIN {_added("new.", "+")} END;
CREATE TEMP TRIGGER tally_gone AFTER DELETE ON frames BEGIN {_added("old.", "-")} END;
CREATE TEMP TRIGGER tally_changed AFTER UPDATE OF outcome, cause, faces ON frames
    BEGIN {_added("old.", "-")} {_added("new.", "+")} END;
"""
"""Frames counted by state, kept by SQLite with each change: the display asks five times a second, and counting a
hundred thousand rows each time is not for free. Of this connection only, in memory: the file holds nothing of it."""

_STATES = json.dumps(["open", "extracted", "no_face", "quarantined", "not_attempted", REMOVED])

COUNT_ANEW = (
    "DELETE FROM tally",
    f"INSERT INTO tally SELECT value, 0, 0 FROM json_each('{_STATES}')",  # noqa: S608
    f"INSERT OR REPLACE INTO tally SELECT {_state('')} AS state, count(*), sum(faces) FROM frames GROUP BY state",  # noqa: S608
)
"""Needed at first, and when another connection has written (`PRAGMA data_version`)."""


def statements(script: str) -> list[str]:
    """The statements of a script of this module, one by one, for one transaction around them all."""
    bare = "\n".join(line.split("--")[0] for line in script.splitlines())
    return [part.strip() for part in bare.split(";") if part.strip()]


_NETWORK_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb", "smbfs", "smb2", "smb3", "9p", "fuse.sshfs"})


def connect(path: Path) -> sqlite3.Connection:
    """Open (or create) the ledger file with full durability.

    WAL needs shared memory between processes, which network shares lack: there the rollback journal is
    used. Raises sqlite3.Error.
    """
    connection = sqlite3.connect(path, isolation_level=None, timeout=10.0, check_same_thread=False)
    try:
        mode = "DELETE" if _on_network_share(path) else "WAL"
        connection.execute(f"PRAGMA journal_mode={mode}").fetchone()
        connection.execute("PRAGMA synchronous=FULL")
        # macOS: what `fsync` leaves in the drive's cache is lost in a power cut; elsewhere these do nothing.
        connection.execute("PRAGMA fullfsync=ON")
        connection.execute("PRAGMA checkpoint_fullfsync=ON")
        connection.execute("PRAGMA foreign_keys=ON")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def is_ledger(path: Path) -> bool:
    """True for a file of ours by its first bytes, or by those of its WAL; nothing is opened for writing."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode) or _head(path)[:16] != b"SQLite format 3\0":
            return False
        wal = path.with_name(path.name + "-wal")
        return _OURS in _head(path) or (stat.S_ISREG(wal.lstat().st_mode) and _OURS in _head(wal))
    except OSError:
        return False


_OURS = b"CREATE TABLE frames ("
"""As SQLite keeps it in a database's first page; until a checkpoint, in the WAL alone."""


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(262_144)


def _on_network_share(path: Path) -> bool:
    real = str(resolved(path))
    if os.name == "nt" and real.startswith("\\\\"):
        return True
    best, kind = "", ""
    try:
        for partition in psutil.disk_partitions(all=True):
            mount = partition.mountpoint.rstrip(os.sep) + os.sep
            if real.startswith(mount) and len(mount) > len(best):
                best, kind = mount, partition.fstype.lower()
                if "remote" in partition.opts.split(","):
                    kind = "cifs"
    except OSError:
        return False
    return kind in _NETWORK_FILE_SYSTEMS
