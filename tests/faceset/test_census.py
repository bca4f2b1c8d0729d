"""A face is known by its metadata, whatever its file is called, and by its bytes as untouched."""

from __future__ import annotations

import os
import shutil
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from support import contents

from dflwrap.faceset.census import Census, take_census
from dflwrap.faceset.face_file.metadata import FaceMetadata, read_metadata, rewrite, write_metadata
from dflwrap.faceset.facts import face_facts
from dflwrap.faceset.strangers import StrangerKind
from dflwrap.ledger.records import FaceFacts, FaceRow

SIZE = 64
SOURCES = {1: "a.png", 2: "b.png", 3: "c.png"}


def face(source: str, left: float = 0.0, seed: int = 1) -> bytes:
    image = np.random.default_rng(seed).integers(0, 255, (SIZE, SIZE, 3), dtype=np.uint8)
    points = tuple((float(i), float(i)) for i in range(68))
    whole = FaceMetadata("whole_face", points, source, (left, 0, 9, 9), points, ((1.0, 0, 0), (0, 1.0, 0)))
    return write_metadata(cv2.imencode(".jpg", image)[1].tobytes(), whole)


@pytest.fixture
def faceset(tmp_path: Path) -> Path:
    folder = tmp_path / "aligned"
    folder.mkdir()
    for name, data in (
        ("a_0.jpg", face("a.png", 1)),
        ("a_1.jpg", face("a.png", 50)),
        ("b_0.jpg", face("b.png", 1)),
        ("c_0.jpg", face("c.png", 1.004)),
    ):
        (folder / name).write_bytes(data)
    return folder


def record(faceset: Path, *, first_version: bool = False) -> list[FaceRow]:
    rows = []
    by_source = {source: number for number, source in SOURCES.items()}
    for path in sorted(faceset.iterdir()):
        metadata = read_metadata(path)
        assert metadata is not None and metadata.source_filename
        facts = None if first_version else face_facts(path, metadata)
        rows.append(FaceRow(path.name, by_source[metadata.source_filename], facts, False))
    return rows


def look(faceset: Path, rows: list[FaceRow]) -> Census:
    before = contents(faceset)
    census = take_census(faceset, rows, SOURCES.get, SIZE)
    assert contents(faceset) == before
    assert census.recorded == len(rows)
    return census


def test_an_untouched_faceset_costs_no_read(faceset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = record(faceset)
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("a face was opened"))
    census = take_census(faceset, rows, SOURCES.get, SIZE)
    assert census.untouched == len(rows) == census.found and not census.strangers


@pytest.mark.parametrize("first_version", [False, True])
def test_faces_that_were_renamed_are_found_again(faceset: Path, first_version: bool) -> None:
    """As DeepFaceLab's sort does: 00000.jpg, 00001.jpg, ... in another order."""
    rows = record(faceset, first_version=first_version)
    for number, name in enumerate(("c_0.jpg", "a_1.jpg", "b_0.jpg", "a_0.jpg")):
        (faceset / name).rename(faceset / f"{number:05d}.jpg")
    census = look(faceset, rows)
    assert not census.missing and not census.strangers
    found = {row.name: new for row, new in census.renamed}
    assert found["b_0.jpg"] == "00002.jpg" and found["c_0.jpg"] == "00000.jpg"
    assert {found["a_0.jpg"], found["a_1.jpg"]} == {"00001.jpg", "00003.jpg"}
    if not first_version:
        assert found["a_0.jpg"] == "00003.jpg"


def test_names_that_were_swapped_are_seen_through(faceset: Path) -> None:
    rows = record(faceset)
    (faceset / "a_0.jpg").rename(faceset / "x")
    (faceset / "a_1.jpg").rename(faceset / "a_0.jpg")
    (faceset / "x").rename(faceset / "a_1.jpg")
    census = look(faceset, rows)
    assert {(row.name, new) for row, new in census.renamed} == {
        ("a_0.jpg", "a_1.jpg"),
        ("a_1.jpg", "a_0.jpg"),
    }


def test_what_the_user_removed_is_missing_and_all_of_it_is_all_gone(faceset: Path) -> None:
    rows = record(faceset)
    (faceset / "a_1.jpg").unlink()
    census = look(faceset, rows)
    assert [row.name for row in census.missing] == ["a_1.jpg"] and not census.all_gone
    for path in faceset.iterdir():
        path.unlink()
    (faceset / "a_0.jpg").write_bytes(face("stranger.png"))
    assert look(faceset, rows).all_gone
    assert not take_census(faceset, [], SOURCES.get, SIZE).all_gone


def test_the_same_face_with_other_bytes_is_the_users_work(faceset: Path) -> None:
    rows = record(faceset)
    path = faceset / "b_0.jpg"
    path.write_bytes(rewrite(path.read_bytes(), lambda m: replace(m, landmarks=m.source_landmarks)))
    os.utime(path, ns=(1, 1))  # a new time alone, and the same bytes: untouched
    path.write_bytes(face("b.png", 1, seed=5))
    os.utime(faceset / "a_0.jpg", ns=(1, 1))
    census = look(faceset, rows)
    assert [row.name for row in census.changed] == ["b_0.jpg"]
    (touched,) = census.present
    assert touched.name == "a_0.jpg" and touched.facts is not None and touched.facts.mtime_ns == 1
    now = [*census.present, *census.changed]
    again = take_census(faceset, now, SOURCES.get, SIZE)
    assert again.untouched == len(now) and not again.changed and not again.present
    (faceset / "b_0.jpg").rename(faceset / "elsewhere")
    gone = [replace(row, missing=True) for row in take_census(faceset, now, SOURCES.get, SIZE).missing]
    (faceset / "elsewhere").rename(faceset / "b_0.jpg")
    back = take_census(faceset, gone, SOURCES.get, SIZE)
    assert [(row.name, row.missing) for row in back.changed] == [("b_0.jpg", False)], (
        "it stays the user's work"
    )


def test_another_face_under_a_recorded_name_is_not_the_recorded_face(faceset: Path) -> None:
    rows = record(faceset)
    (faceset / "b_0.jpg").write_bytes(face("elsewhere.png"))
    (faceset / "c_0.jpg").write_bytes(face("c.png", 30))
    census = look(faceset, rows)
    assert {row.name for row in census.missing} == {"b_0.jpg", "c_0.jpg"}
    assert {(s.name, s.kind) for s in census.strangers} == {
        ("b_0.jpg", StrangerKind.WHOLE),
        ("c_0.jpg", StrangerKind.WHOLE),
    }


def test_strangers_are_told_apart(faceset: Path) -> None:
    rows = record(faceset)
    (faceset / "empty_0.jpg").write_bytes(b"")
    (faceset / "cut_0.jpg").write_bytes(face("a.png")[:-100])
    (faceset / "merged_0.jpeg").write_bytes(face("x.png"))
    (faceset / "photo.jpg").write_bytes(cv2.imencode(".jpg", np.zeros((90, 99, 3), np.uint8))[1].tobytes())
    (faceset / "evil_0.jpg").write_bytes(hostile())
    (faceset / "linked_0.jpg").symlink_to(faceset / "a_0.jpg")
    (faceset / "folder_0.jpg").mkdir()
    (faceset / "faceset.pak").write_bytes(b"x")
    (faceset / "notes.txt").write_bytes(b"mine")
    census = look(faceset, rows)
    assert census.pak and census.untouched == len(rows)
    assert {s.name: s.kind.value for s in census.strangers} == {
        "empty_0.jpg": "torn",
        "cut_0.jpg": "torn",
        "merged_0.jpeg": "whole",
        "photo.jpg": "other",
        "evil_0.jpg": "hostile",
        "linked_0.jpg": "other",
        "folder_0.jpg": "other",
    }


def hostile() -> bytes:
    payload = b"cos\nsystem\n(S'true'\ntR."
    data = face("a.png")
    start = data.index(b"\xff\xef")
    end = start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")
    return data[:start] + b"\xff\xef" + (len(payload) + 2).to_bytes(2, "big") + payload + data[end:]


def test_a_copied_faceset_is_the_same_faceset(faceset: Path, tmp_path: Path) -> None:
    rows = record(faceset)
    shutil.copytree(faceset, tmp_path / "copy", copy_function=shutil.copyfile)
    census = look(tmp_path / "copy", rows)
    assert len(census.present) == len(rows) and not census.changed


def test_nothing_is_kept_of_a_face_that_is_as_recorded(tmp_path: Path) -> None:
    """A hundred thousand faces are looked at beside everything else that a start holds."""
    count = 4000
    names = [f"{number:06d}_0.jpg" for number in range(count)]
    for name in names:
        (tmp_path / name).touch()
        os.utime(tmp_path / name, ns=(10**18, 10**18))

    def recorded() -> Iterator[FaceRow]:
        for number, name in enumerate(names):
            yield FaceRow(name, number, FaceFacts(0, 10**18, bytes(16), (1.5, 2.5, 3.5, number + 0.5)), False)

    sum(1 for _ in recorded())
    tracemalloc.start()
    try:
        census = take_census(tmp_path, recorded(), {}.get, SIZE)
        held, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert census.untouched == count == census.found
    assert most / count < 300, "a row of the ledger takes 700 bytes"
    assert held / count < 10
