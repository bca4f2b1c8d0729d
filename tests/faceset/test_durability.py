"""What is reported lies on the disk: the order in which faces, folder and ledger are flushed.

A power cut cannot be had here, so the order of the system calls is what is looked at. Nothing is said about how many
frames are promoted together, nor how often something is flushed: only what must come before what.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from disks import small_disk
from test_promotion import FACES, Bench

from dflwrap.faceset import promotion
from dflwrap.ledger.records import Move
from dflwrap.ledger.schema import connect

posix = pytest.mark.skipif(os.name == "nt", reason="folders are flushed, and files linked, on POSIX")

Inode = tuple[int, int]


def inode(status: os.stat_result) -> Inode:
    return status.st_dev, status.st_ino


@dataclass
class Spy:
    """Everything that matters for the order, as it happens."""

    happened: list[tuple[str, Any]] = field(default_factory=list)

    def flushed(self, what: Inode) -> list[int]:
        return [place for place, event in enumerate(self.happened) if event == ("fsync", what)]

    def of(self, kind: str) -> list[tuple[int, Any]]:
        return [(place, what) for place, (name, what) in enumerate(self.happened) if name == kind]


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> Spy:
    seen = Spy()
    really: dict[str, Callable[..., Any]] = {name: getattr(os, name) for name in ("fsync", "link", "rename")}

    def fsync(descriptor: int) -> None:
        really["fsync"](descriptor)
        seen.happened.append(("fsync", inode(os.fstat(descriptor))))

    def named(kind: str) -> Callable[..., None]:
        def call(source: Any, target: Any, **options: Any) -> None:
            moved = inode(os.lstat(source))
            really[kind](source, target, **options)
            seen.happened.append(("named", (Path(target), moved)))

        return call

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "link", named("link"))
    monkeypatch.setattr(os, "rename", named("rename"))
    return seen


def watch_ledger(bench: Bench, spy: Spy) -> None:
    journal, settle = bench.ledger.journal, bench.ledger.settle_promoted

    def journalled(moves: list[Move]) -> None:
        journal(moves)
        spy.happened.append(("journalled", {move.target for move in moves}))

    def settled(frames: list[int], *more: Any) -> None:
        spy.happened.append(("settled", set(frames)))
        settle(frames, *more)

    bench.ledger.journal = journalled  # type: ignore[method-assign,assignment]
    bench.ledger.settle_promoted = settled  # type: ignore[method-assign,assignment]


def assert_in_order(bench: Bench, spy: Spy) -> None:
    """flushed -> journalled -> named -> folder flushed -> settled, for every face."""
    folder = inode(bench.faceset.stat())
    arrived = {
        path.name: (place, what) for place, (path, what) in spy.of("named") if path.parent == bench.faceset
    }
    assert set(arrived) == {name for names in FACES.values() for name in names}
    frame_of = {row.file_name: row.id for row in bench.ledger.frames()}
    for source, names in FACES.items():
        for name in names:
            place, face = arrived[name]
            assert [at for at in spy.flushed(face) if at < place], (
                f"{name} is not on the disk when it gets its name"
            )
            assert [at for at, targets in spy.of("journalled") if name in targets and at < place], name
            settled = [at for at, frames in spy.of("settled") if frame_of[source] in frames]
            assert len(settled) == 1 and place < settled[0]
            assert [at for at in spy.flushed(folder) if place < at < settled[0]], (
                f"the name {name} is not on the disk when its frame is called extracted"
            )


@posix
@pytest.mark.parametrize("scale", [(1.0, 1.0), (2.0, 2.0)], ids=["as they are", "rewritten"])
def test_a_face_is_reported_only_when_its_bytes_and_its_name_are_on_the_disk(
    tmp_path: Path, spy: Spy, scale: tuple[float, float]
) -> None:
    bench = Bench(tmp_path).make()
    bench.extract()
    watch_ledger(bench, spy)
    refused = bench.promoter.promote(bench.finished(scale=scale), bench.output, 1, keep_debug=False)
    assert refused == []
    assert_in_order(bench, spy)


@posix
@pytest.mark.parametrize("size", [1, 2])
def test_the_order_is_kept_in_each_group(
    tmp_path: Path, spy: Spy, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(promotion, "MOST_AT_ONCE", size)
    bench = Bench(tmp_path).make()
    bench.extract()
    watch_ledger(bench, spy)
    assert bench.promoter.promote(bench.finished(), bench.output, 1, keep_debug=False) == []
    assert_in_order(bench, spy)
    assert len(spy.of("journalled")) == -(-len(FACES) // size)


@posix
def test_what_is_promoted_together_shares_the_journal_and_the_flush_of_the_folder(
    tmp_path: Path, spy: Spy
) -> None:
    bench = Bench(tmp_path).make()
    bench.extract()
    watch_ledger(bench, spy)
    bench.promoter.promote(bench.finished(), bench.output, 1, keep_debug=False)
    assert len(spy.of("journalled")) == len(spy.of("settled")) == 1
    assert len(spy.flushed(inode(bench.faceset.stat()))) == 1


@posix
def test_the_same_between_two_disks(tmp_path: Path, spy: Spy) -> None:
    with small_disk(tmp_path / "disk") as disk:
        bench = Bench(tmp_path).make()
        bench.faceset.rmdir()
        bench.faceset.symlink_to(disk, target_is_directory=True)
        bench.extract()
        watch_ledger(bench, spy)
        assert bench.promoter.promote(bench.finished(), bench.output, 1, keep_debug=False) == []
        assert_in_order(bench, spy)


@posix
def test_moves_that_a_crash_interrupted_are_on_the_disk_before_they_are_settled(
    tmp_path: Path, spy: Spy
) -> None:
    bench = Bench(tmp_path).make()
    bench.extract()
    moves = [
        Move((bench.output / name).relative_to(bench.run_folder).as_posix(), name, row.id, 1)
        for row in bench.ledger.open_frames()
        for name in FACES[row.file_name]
    ]
    for name in (name for names in FACES.values() for name in names):
        with (bench.output / name).open("r+b") as file:
            os.fsync(file.fileno())  # the run that was cut off had come so far
    watch_ledger(bench, spy)
    bench.ledger.journal(moves)
    bench.promoter.repair()
    assert_in_order(bench, spy)


def test_the_ledger_survives_a_power_cut(tmp_path: Path) -> None:
    """https://sqlite.org/pragma.html#pragma_synchronous: 2 is FULL; with NORMAL, a WAL loses what it was told last."""
    connection = connect(tmp_path / "run.db")
    try:
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] in ("wal", "delete")
        assert connection.execute("PRAGMA synchronous").fetchone()[0] >= 2
    finally:
        connection.close()
