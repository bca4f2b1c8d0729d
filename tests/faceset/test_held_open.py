"""A scanner, an indexer or a cloud client holds a fresh face for a moment: no step of its way ends the run."""

from __future__ import annotations

import errno
import os
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from test_promotion import Bench, assert_complete, face

from dflwrap.common import retrying
from dflwrap.common.errors import NeedsUserError
from dflwrap.common.retrying import is_held_open
from dflwrap.extractors.builtin.facefile import write_whole
from dflwrap.extractors.builtin.images import read_frame
from dflwrap.faceset.census import take_census
from dflwrap.faceset.face_file.metadata import read_metadata
from dflwrap.faceset.strangers import StrangerKind
from dflwrap.ledger.ledger import Ledger
from dflwrap.report.summary import write_report

TIMES = 2
"""How often each step on each file fails."""


def sharing_violation() -> OSError:
    """As Windows' own calls report it."""
    error = PermissionError(errno.EACCES, "The process cannot access the file")
    error.winerror = 32  # type: ignore[attr-defined]
    return error


def through_the_c_runtime() -> OSError:
    """As `open()` reports the same: errno 13 and no winerror (cpython#136965)."""
    return PermissionError(errno.EACCES, "Permission denied")


class Scanner:
    """Holds every file whose path holds `part`: each kind of access to it fails TIMES times."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, part: str, error: Callable[[], OSError]) -> None:
        self.refused: Counter[tuple[str, str]] = Counter()
        self._part, self._error = part, error
        monkeypatch.setattr(retrying, "os", SimpleNamespace(name="nt"))
        for name in ("open", "read_bytes", "write_bytes", "replace"):
            self._stand_before(monkeypatch, Path, name)

    def _stand_before(self, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
        original = getattr(owner, name)

        def held(path: Path, *arguments: Any, **options: Any) -> Any:
            key = (name, path.name)
            if self._part in str(path) and self.refused[key] < TIMES:
                self.refused[key] += 1
                raise self._error()
            return original(path, *arguments, **options)

        monkeypatch.setattr(owner, name, held)


@pytest.mark.parametrize("error", [sharing_violation, through_the_c_runtime])
def test_every_step_of_a_promotion_waits_for_the_scanner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Callable[[], OSError]
) -> None:
    bench = Bench(tmp_path).make()
    bench.extract()
    scanner = Scanner(monkeypatch, f"{os.sep}out{os.sep}", error)
    finished = [replace(f, scale=(2.0, 2.0)) if f.faces else f for f in bench.finished()]
    assert bench.promoter.promote(finished, bench.output, 1, keep_debug=False) == []
    assert {name for name, _ in scanner.refused} == {"open", "read_bytes", "write_bytes", "replace"}
    assert sorted(path.name for path in bench.faceset.iterdir()) == ["a_0.jpg", "a_1.jpg", "c_0.jpg"]
    metadata = read_metadata(bench.faceset / "a_0.jpg")
    assert metadata is not None and metadata.source_rect == (20, 40, 60, 80)
    bench.ledger.close()


def test_a_face_that_stays_held_is_nobodys_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path).make()
    bench.extract()
    monkeypatch.setattr(retrying, "retrying", lambda *_: lambda function: function())
    with monkeypatch.context() as patch:
        Scanner(patch, "c_0.jpg", sharing_violation)
        with pytest.raises(NeedsUserError):
            bench.promote()
    assert len(bench.ledger.open_frames()) == 3
    bench.promoter.repair()
    assert bench.promote() == []
    assert_complete(bench)
    bench.ledger.close()


def test_the_builtin_extractor_waits_for_the_scanner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        scanner = Scanner(patch, str(tmp_path), sharing_violation)
        write_whole(tmp_path / "a_0.jpg", b"face")
    assert {name for name, _ in scanner.refused} >= {"write_bytes", "replace"}
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a_0.jpg", b"face")]


def test_a_frame_and_a_face_of_the_users_that_are_held_are_read_a_moment_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x_0.jpg").write_bytes(face("x.png"))
    with monkeypatch.context() as patch:
        scanner = Scanner(patch, str(tmp_path), through_the_c_runtime)
        assert read_frame(tmp_path / "x_0.jpg").shape == (64, 64, 3)
        assert scanner.refused
    with monkeypatch.context() as patch:
        Scanner(patch, str(tmp_path), through_the_c_runtime)
        (stranger,) = take_census(tmp_path, [], {}.get, 64).strangers
    assert stranger.kind is StrangerKind.WHOLE


def test_the_report_waits_for_the_scanner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        scanner = Scanner(patch, str(tmp_path), through_the_c_runtime)
        write_report(tmp_path / "report.json", {"frames": 1})
    assert {name for name, _ in scanner.refused} == {"open", "replace"}
    assert '"frames": 1' in (tmp_path / "report.json").read_text(encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_errno_13_is_held_open_on_windows_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "os", SimpleNamespace(name="posix"))
    assert not is_held_open(through_the_c_runtime())
    monkeypatch.setattr(retrying, "os", SimpleNamespace(name="nt"))
    assert is_held_open(through_the_c_runtime())
    assert is_held_open(sharing_violation())
    assert not is_held_open(FileNotFoundError(errno.ENOENT, "gone"))


@pytest.mark.windows
def test_a_face_held_without_sharing_is_promoted_once_it_is_let_go(tmp_path: Path) -> None:
    import ctypes
    import threading

    bench = Bench(tmp_path).make()
    bench.extract()
    kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined,unused-ignore]
    kernel32.CreateFileW.restype = ctypes.c_void_p
    kernel32.CloseHandle.argtypes = (ctypes.c_void_p,)
    handle = kernel32.CreateFileW(str(bench.output / "c_0.jpg"), 0x80000000, 0, None, 3, 0, None)
    timer = threading.Timer(1.0, kernel32.CloseHandle, (handle,))
    timer.start()
    try:
        assert bench.promote() == []
    finally:
        timer.join()
    assert_complete(bench)
    bench.ledger.close()


# -- to the medium ------------------------------------------------------------------------------------------


def test_macos_is_asked_for_a_full_flush(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There `fsync` leaves the bytes in the drive's cache. A stand-in for fcntl's constant and call."""
    fcntl = pytest.importorskip("fcntl")
    from dflwrap.common import durable

    asked: list[str] = []
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", lambda descriptor, command: asked.append(f"fcntl {command}"))
    monkeypatch.setattr(os, "fsync", lambda descriptor: asked.append("fsync"))
    with (tmp_path / "x").open("wb") as file:
        durable.sync(file.fileno())
        assert asked == ["fcntl 51" if sys.platform == "darwin" else "fsync"]
        asked.clear()
        monkeypatch.setattr(durable, "sys", SimpleNamespace(platform="darwin"))
        durable.sync(file.fileno())
        assert asked == ["fcntl 51"]

        def unknown(descriptor: int, command: int) -> None:
            raise OSError(errno.ENOTSUP, "a share")

        asked.clear()
        monkeypatch.setattr(fcntl, "fcntl", unknown)
        durable.sync(file.fileno())
        assert asked == ["fsync"]


def test_the_ledger_asks_sqlite_for_full_flushes(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "run.db")
    try:
        connection = ledger.db
        assert connection.execute("PRAGMA fullfsync").fetchone() == (1,)
        assert connection.execute("PRAGMA checkpoint_fullfsync").fetchone() == (1,)
    finally:
        ledger.close()
