"""What must hold after any fault: looked for in the faceset, the report, the ledger and the process table."""

from __future__ import annotations

import hashlib
import re
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from benchmarks._common import SIZE, Finished
from dflwrap.faceset.face_file.errors import FaceFileError
from dflwrap.faceset.face_file.verify import verify_face

MARKER = "DFLWRAP_CHAOS_CASE"
"""Environment variable that every process of a case inherits: how those that were left behind are found."""
GONE_WITHIN = 5.0
"""Seconds within which no process of a dead dflwrap may be left (issue 3, section 2)."""
_FACE = re.compile(r"(.+)_(\d+)\.jpg", re.DOTALL)


def digest(folder: Path) -> dict[str, str]:
    """File name -> SHA-256: what "unchanged" compares."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def processes(marker: str) -> list[psutil.Process]:
    """Living processes of a case, this one left out."""
    found = []
    for process in psutil.process_iter():
        try:
            if (
                process.environ().get(MARKER) == marker
                and process.status() != psutil.STATUS_ZOMBIE
                and process.pid != psutil.Process().pid
            ):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def left_behind(marker: str) -> list[str]:
    """Violations: processes that live on. They are ended, so that the next case is not disturbed."""
    deadline = time.monotonic() + GONE_WITHIN
    alive = processes(marker)
    while alive and time.monotonic() < deadline:
        time.sleep(0.1)
        alive = processes(marker)
    told = []
    for process in alive:
        try:
            told.append(f"a process is left: {' '.join(process.cmdline())[:160]}")
            process.kill()
        except psutil.Error:
            continue
    return told


def torn_faces(faceset: Path) -> list[str]:
    """Violations: files in the faceset that are not whole faces; also true of a run that was killed."""
    told = []
    for path in sorted(faceset.iterdir()) if faceset.is_dir() else ():
        try:
            verify_face(path, SIZE)
        except FaceFileError as error:
            told.append(f"{path.name} is in the faceset and not whole: {error}")
    return told


def sources(faceset: Path) -> dict[str, list[str]]:
    """Source frame -> names of its whole faces."""
    found: dict[str, list[str]] = {}
    for path in sorted(faceset.iterdir()) if faceset.is_dir() else ():
        try:
            found.setdefault(verify_face(path, SIZE).source_filename or "", []).append(path.name)
        except FaceFileError:
            continue
    return found


def twice(faceset: Path) -> list[str]:
    """Violations: the same face under two names, or a frame's faces with gaps in their numbers."""
    told = []
    seen: dict[str, str] = {}
    for path in sorted(faceset.iterdir()) if faceset.is_dir() else ():
        key = hashlib.sha256(path.read_bytes()).hexdigest()
        if key in seen:
            told.append(f"{path.name} and {seen[key]} are the same face")
        seen[key] = path.name
    for source, names in sources(faceset).items():
        matches = [match for match in map(_FACE.fullmatch, names) if match]
        if len({match[1] for match in matches}) != 1:
            told.append(f"faces of {source} have different stems: {names}")
        if sorted(int(match[2]) for match in matches) != list(range(len(names))):
            told.append(f"faces of {source} are numbered with gaps: {names}")
    return told


def ended_well(done: Finished, faceset: Path, allowed: tuple[int, ...] = (0, 1, 3)) -> list[str]:
    """Violations in an end that dflwrap came to by itself."""
    if done.code is None:
        return [f"no end within {done.seconds:.0f} s"]
    told = []
    if done.code not in allowed:
        told.append(f"exit code {done.code}: {done.stderr.strip()[-200:]}")
    if "Traceback" in done.stderr:
        told.append(f"a traceback for the user: {done.stderr.strip()[-200:]}")
    if done.report is None:
        return [*told, "no report"]
    return told + conserved(done, faceset) + twice(faceset)


def conserved(done: Finished, faceset: Path) -> list[str]:
    """Violations of promise 1, and of the report against the faceset."""
    report = done.report or {}
    frames: Mapping[str, int] = report["frames"]
    outcomes = ("extracted", "no_face", "quarantined", "not_attempted")
    told = []
    if frames["total"] != sum(frames[name] for name in outcomes):
        told.append(f"frames do not add up: {dict(frames)}")
    for name in ("quarantined", "not_attempted"):
        if len(report[name]) != frames[name]:
            told.append(f"{name}: {frames[name]} counted, {len(report[name])} listed")
        told += [
            f"{row['frame']}: {name} without cause or evidence"
            for row in report[name]
            if not row["cause"] or not row["evidence"]
        ]
    listed = {row["frame"] for name in ("quarantined", "not_attempted") for row in report[name]}
    listed |= set(report["no_face"])
    found = sources(faceset)
    told += [f"{name}: has a face in the faceset and another outcome" for name in sorted(listed & set(found))]
    if len(found) != frames["extracted"]:
        told.append(f"{frames['extracted']} frames extracted by the report, {len(found)} in the faceset")
    return told


def ledger_settled(run_folder: Path) -> list[str]:
    """Violations in the ledger of a run that is complete: open frames, moves that were never finished."""
    database = sqlite3.connect(run_folder / "run.db")
    try:
        moves = database.execute("SELECT count(*) FROM moves").fetchone()[0]
        still_open = database.execute("SELECT count(*) FROM frames WHERE outcome IS NULL").fetchone()[0]
    finally:
        database.close()
    told = [f"{moves} unfinished moves in the ledger"] if moves else []
    return told + ([f"{still_open} open frames in a complete run"] if still_open else [])
