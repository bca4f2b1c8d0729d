"""The one function that looks at a whole faceset: what is wrong is named, what is not is let be."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from moving_faces import make_clip
from one_decoder import shared_by
from support import contents

from dflwrap.common.errors import DflwrapError, StoppedError
from dflwrap.faceset import identity
from dflwrap.faceset.audit import FAULTS, Audit, Kind, audit
from dflwrap.faceset.face_file.metadata import read_metadata, rewrite, write_metadata
from dflwrap.faceset.facts import face_facts
from dflwrap.faceset.record import Record
from dflwrap.frames.judgement import Entry
from dflwrap.ledger.records import FaceRow, FrameRow, Outcome

COUNT = 6


@pytest.fixture(scope="module", autouse=True)
def _one_decoder() -> Iterator[None]:
    with shared_by(identity):
        yield


@pytest.fixture(scope="module")
def clip_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audit")
    make_clip(folder / "frames", folder / "aligned", "astronaut", COUNT)
    return folder


@pytest.fixture
def clip(clip_once: Path, tmp_path: Path) -> Path:
    shutil.copytree(clip_once, tmp_path / "clip")
    return tmp_path / "clip"


def look(clip: Path, **options: Any) -> Audit:
    before = contents(clip)
    found = audit(clip / "aligned", **{"frames": clip / "frames", **options})
    assert contents(clip) == before, "it is read-only"
    return found


def kinds(found: Audit) -> dict[str, Kind]:
    assert len({finding.file for finding in found.findings}) == len(found.findings), "one finding a file"
    assert all(finding.reason for finding in found.findings)
    return {finding.file: finding.kind for finding in found.findings}


def record(clip: Path) -> Record:
    """As a run would remember the faceset as it lies there now."""
    frames, faces = [], []
    for number, path in enumerate(sorted((clip / "frames").iterdir()), start=1):
        name = path.name
        frames.append(
            FrameRow(
                number, name, name, path.stem, Entry.LINK, True, 0, Outcome.EXTRACTED, 1, 1, None, None, 0
            )
        )
        face = clip / "aligned" / f"{path.stem}_0.jpg"
        metadata = read_metadata(face)
        assert metadata is not None
        faces.append(FaceRow(face.name, number, face_facts(face, metadata), False))
    sources = {frame.id: frame.source_name for frame in frames}
    names = [(frame.source_name, frame.file_name) for frame in frames]
    return Record(lambda: names, lambda: faces, sources.get, 256)


def test_a_sound_faceset_has_no_findings(clip: Path) -> None:
    for found in (look(clip), look(clip, record=record(clip))):
        assert not found.findings and not found.faulty and not found.missing and not found.odd
        assert found.files == found.examined == found.compared == COUNT


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def hurt(data: bytes) -> bytes:
    start = data.index(b"\xff\xda") + 500
    return data[:start] + bytes(range(1, 201)) + data[start + 200 :]


def bare(data: bytes) -> bytes:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return cv2.imencode(".jpg", image)[1].tobytes()


def incomplete(data: bytes) -> bytes:
    return _with(data, source_landmarks=None)


def _with(data: bytes, **changes: Any) -> bytes:
    metadata = read_metadata_of(data)
    return write_metadata(data, replace(metadata, origin=None, **changes))


def read_metadata_of(data: bytes) -> Any:
    from dflwrap.faceset.face_file.metadata import parse_metadata

    return parse_metadata(data)


class Bomb:
    def __reduce__(self) -> Any:
        return os.mkdir, ("dflwrap-test-bomb",)


def hostile(data: bytes) -> bytes:
    payload = pickle.dumps({"face_type": Bomb()}, protocol=3)
    segment = b"\xff\xef" + (len(payload) + 2).to_bytes(2, "big") + payload
    plain = bare(data)
    app0 = 4 + int.from_bytes(plain[4:6], "big")
    return plain[:app0] + segment + plain[app0:]


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (cut, Kind.TORN),
        (hurt, Kind.TORN),
        (bare, Kind.TORN),
        (incomplete, Kind.TORN),
        (lambda _: b"", Kind.TORN),
        (hostile, Kind.HOSTILE),
        (lambda data: _with(data, source_filename="another.png"), Kind.FOREIGN),
        (lambda data: _with(data, source_filename="00005.png"), Kind.NOT_ITS_FRAME),
    ],
)
@pytest.mark.parametrize("recorded", [True, False])
def test_what_is_wrong_is_named(
    clip: Path, change: Callable[[bytes], bytes], kind: Kind, recorded: bool
) -> None:
    remembered = record(clip) if recorded else None
    path = clip / "aligned/00002_0.jpg"
    path.write_bytes(change(path.read_bytes()))
    found = look(clip, record=remembered)
    assert kinds(found) == {path.name: kind}
    assert found.faulty is (kind in FAULTS)
    gone = recorded and kind in (Kind.FOREIGN, Kind.NOT_ITS_FRAME)
    assert [face.file for face in found.missing] == ([path.name] if gone else [])


def test_what_is_no_face_is_a_note(clip: Path) -> None:
    faceset = clip / "aligned"
    (faceset / "cover.jpg").write_bytes(bare((faceset / "00001_0.jpg").read_bytes()))
    (faceset / "00001_0_debug.jpg").write_bytes(bare((faceset / "00001_0.jpg").read_bytes()))
    (faceset / "folder.jpg").mkdir()
    (faceset / "notes.txt").write_text("mine")
    found = look(clip)
    assert kinds(found) == dict.fromkeys(("00001_0_debug.jpg", "cover.jpg", "folder.jpg"), Kind.OTHER)
    assert not found.faulty


def test_a_renamed_faceset_is_the_same_and_what_is_gone_is_missing_or_culled(clip: Path) -> None:
    """As DeepFaceLab's sort leaves it: renamed by number, some of it in the trash folder."""
    remembered = record(clip)
    faces = sorted((clip / "aligned").iterdir(), reverse=True)
    for number, path in enumerate(faces):
        path.rename(path.with_name(f"{number:05d}.jpg"))
    assert not look(clip, record=remembered).findings
    assert not look(clip, record=remembered).missing
    (clip / "aligned_trash").mkdir()
    (clip / "aligned/00000.jpg").rename(clip / "aligned_trash/whatever.jpg")
    (clip / "aligned/00001.jpg").unlink()
    found = look(clip, record=remembered)
    assert [(gone.file, gone.source) for gone in found.culled] == [("00006_0.jpg", "00006.png")]
    assert [(gone.file, gone.source) for gone in found.missing] == [("00005_0.jpg", "00005.png")]
    assert not found.faulty and not found.findings


def test_a_recorded_face_without_metadata_is_torn_whatever_its_name(clip: Path) -> None:
    old, new = clip / "aligned/00001_0.jpg", clip / "aligned/sorted.jpg"
    remembered = record(clip)
    first, *others = remembered.faces()
    rows = (replace(first, name=new.name), *others)
    new.write_bytes(bare(old.read_bytes()))
    old.unlink()
    found = look(clip, record=replace(remembered, faces=lambda: rows))
    assert kinds(found) == {new.name: Kind.TORN} and not found.missing


def test_a_face_removed_before_the_last_look_is_culled(clip: Path) -> None:
    remembered = record(clip)
    (clip / "aligned/00001_0.jpg").unlink()
    first, *others = remembered.faces()
    rows = (replace(first, missing=True), *others)
    found = look(clip, record=replace(remembered, faces=lambda: rows))
    assert [gone.file for gone in found.culled] == ["00001_0.jpg"] and not found.missing


def test_another_clip_under_the_same_names_is_seen(clip: Path) -> None:
    make_clip(clip / "frames", clip / "other", "hopper", COUNT)
    found = look(clip)
    assert set(kinds(found).values()) == {Kind.NOT_ITS_FRAME} and len(found.findings) == COUNT
    assert all(f.correlation is not None and f.correlation < 0.6 for f in found.findings)


def test_faces_of_other_clips_collected_in_one_faceset_are_foreign_to_the_run(clip: Path) -> None:
    """They name the same frames, for DeepFaceLab numbers those of every clip alike."""
    remembered = record(clip)
    make_clip(clip / "unused", clip / "other", "hopper", COUNT)
    for number in range(20):
        for path in (clip / "other").iterdir():
            shutil.copy(path, clip / "aligned" / f"{number}_{path.name}")
    found = look(clip, record=remembered, one_face_per_frame=True)
    assert set(kinds(found).values()) == {Kind.FOREIGN} and len(found.findings) == 20 * COUNT
    assert not found.faulty and not found.missing and not found.odd
    assert found.compared == 21 * COUNT
    assert look(clip).faulty, "without a run nobody knows whose they are"


def test_frames_at_another_size_are_said_to_be_so(clip: Path) -> None:
    for path in (clip / "frames").iterdir():
        cv2.imwrite(str(path), cv2.resize(cv2.imread(str(path)), (320, 180)))
    found = look(clip)
    assert {finding.kind for finding in found.findings} == {Kind.NOT_ITS_FRAME}
    assert all("another size" in finding.reason for finding in found.findings)


def test_frames_that_are_gone_or_black_leave_faces_unchecked(clip: Path) -> None:
    remembered = record(clip)
    (clip / "frames/00001.png").unlink()
    (clip / "frames/00002.png").write_bytes(b"no picture")
    found = look(clip, record=remembered)
    assert kinds(found) == {"00001_0.jpg": Kind.UNCHECKED, "00002_0.jpg": Kind.UNCHECKED}
    assert not found.faulty
    shutil.rmtree(clip / "frames")
    found = look(clip, record=remembered, frames=None)
    assert not found.findings and found.compared == 0 and found.frames_known


def test_without_frames_and_record_no_face_is_foreign(clip: Path) -> None:
    found = look(clip, frames=None)
    assert not found.findings and not found.frames_known and found.compared == 0


def test_a_sample_examines_so_many_and_reads_the_headers_of_all(clip: Path) -> None:
    for path in list((clip / "aligned").iterdir())[:2]:
        path.write_bytes(hostile(path.read_bytes()))
    found = look(clip, sample=3)
    assert found.files == COUNT and found.examined == 3 and found.compared <= 3
    assert len(found.of(Kind.HOSTILE)) == 2
    assert look(clip, sample=100).examined == COUNT


def test_one_face_a_frame_where_it_is_asked_for(clip: Path) -> None:
    faces = clip / "aligned"
    data = rewrite(
        (faces / "00001_0.jpg").read_bytes(), lambda m: replace(m, source_rect=(1.0, 2.0, 3.0, 4.0))
    )
    (faces / "00001_1.jpg").write_bytes(data)
    (faces / "00002_1.jpg").write_bytes(b"torn")
    found = look(clip, one_face_per_frame=True)
    assert found.crowded == {"00001.png": ["00001_0.jpg", "00001_1.jpg"]} and found.faulty
    assert not look(clip).crowded


def test_a_packed_faceset_says_so(clip: Path) -> None:
    (clip / "aligned/faceset.pak").write_bytes(b"x")
    assert look(clip).pak
    for path in (clip / "aligned").glob("*.jpg"):
        path.unlink()
    with pytest.raises(DflwrapError, match="unpack"):
        look(clip)


def test_progress_counts_to_the_end(clip: Path) -> None:
    seen: list[tuple[int, int]] = []
    look(clip, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(n, COUNT) for n in range(1, COUNT + 1)]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="permissions that bind")
def test_a_face_that_may_not_be_read_is_unchecked(clip: Path) -> None:
    path = clip / "aligned/00001_0.jpg"
    path.chmod(0)
    try:
        found = audit(clip / "aligned", frames=clip / "frames")
    finally:
        path.chmod(0o644)
    assert kinds(found) == {path.name: Kind.UNCHECKED}


def test_a_stop_is_heeded(clip: Path) -> None:
    asked: list[bool] = []

    def stopping() -> bool:
        asked.append(True)
        return len(asked) > 2 * COUNT

    with pytest.raises(StoppedError):
        look(clip, record=record(clip), stopping=stopping)
