"""Before anything starts: folder, faceset and ledger are brought together, and the user's files stay."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from support import contents

from dflwrap.common.choices import OnConflict
from dflwrap.common.errors import DflwrapError
from dflwrap.common.plan import ExtractOptions
from dflwrap.faceset.face_file.metadata import FaceMetadata, write_metadata
from dflwrap.faceset.identity import FaceMatcher
from dflwrap.frames.inventory import take_inventory
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.records import Outcome
from dflwrap.supervisor.batch import make_batch
from dflwrap.supervisor.intake import Intake, take_in
from dflwrap.supervisor.reconcile.start import begin
from dflwrap.supervisor.request import RunRequest
from dflwrap.supervisor.run_folder import RunFolder

SIZE = 64
linux = pytest.mark.skipif(sys.platform != "linux", reason="only here may a name be any bytes")


def pixels(seed: int, side: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 6, 3), dtype=np.uint8)
    return cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)


def picture(seed: int = 0, side: int = 160) -> bytes:
    return cv2.imencode(".png", pixels(seed, side))[1].tobytes()


def face(source: str, seed: int = 0) -> bytes:
    """The whole of `picture(seed)` as one face."""
    scale = SIZE / 160
    points = tuple((float(i % 60), float(i // 2)) for i in range(68))
    in_frame = tuple((x / scale, y / scale) for x, y in points)
    matrix = ((scale, 0.0, 0.0), (0.0, scale, 0.0))
    whole = FaceMetadata("whole_face", points, source, (0, 0, 160, 160), in_frame, matrix)
    image = cv2.resize(pixels(seed, 160), (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    return write_metadata(cv2.imencode(".jpg", image)[1].tobytes(), whole)


class Run:
    def __init__(self, root: Path) -> None:
        self.frames, self.faceset = root / "frames", root / "aligned"
        self.frames.mkdir()
        self.faceset.mkdir()
        self.folder = RunFolder(self.faceset)
        self.folder.lock()
        self.ledger = Ledger(self.folder.database)
        self.request = RunRequest(self.frames, self.faceset, ExtractOptions(image_size=SIZE))

    def add(self, *names: str, content: bytes | None = None) -> None:
        for number, name in enumerate(names):
            (self.frames / name).write_bytes(picture(number) if content is None else content)

    def take(self, **changes: object) -> Intake:
        request = replace(self.request, **changes)  # type: ignore[arg-type]
        inventory = take_inventory(request.input_dir)
        with FaceMatcher() as matcher:
            begun = begin(request, self.folder, inventory, matcher.judge)
            try:
                return take_in(request, begun, inventory, self.folder.path, matcher.judge)
            finally:
                begun.ledger.close()

    def outcomes(self) -> dict[str, Outcome | None]:
        return {row.file_name: row.outcome for row in self.ledger.frames()}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_every_image_enters_once_and_bad_ones_with_their_reason(run: Run) -> None:
    run.add("a.png", "b.png")
    run.add("c.png", content=b"")
    run.add("d.txt", content=b"no image")
    for _ in range(2):
        run.take()
        assert run.outcomes() == {"a.png": None, "b.png": None, "c.png": Outcome.QUARANTINED}


@linux
def test_stems_that_would_share_a_face_file_are_kept_apart(run: Run) -> None:
    names = ["twin.jpg", "twin.png", "TWIN.png", "twin_png.png", "\u00e9.png", "e\u0301.png", "E\u0301.png"]
    run.add(*names)
    intake = run.take()
    rows = run.ledger.frames()
    assert {row.file_name for row in rows} == set(names)
    folded = [row.stem.casefold() for row in rows]
    assert len(set(folded)) == len(names)
    assert sum("same stem" in notice for notice in intake.notices) == sum(
        row.stem != row.file_name[:-4] for row in rows
    )
    batch = make_batch(run.frames, run.folder.path / "in", rows)
    assert len({Path(name).stem.casefold() for name in batch.frames}) == len(names)


@linux
def test_hostile_names_go_all_the_way_into_a_batch(run: Run) -> None:
    raws = [
        b"\xff\xfe.png",
        b"line\nbreak.png",
        b"-rf.png",
        b"a;'\"%s.png",
        "\u202egnp.png".encode(),
        b"n" * 251 + b".png",
        b"dflwrap-0000001.png",
        b"dflwrap-0000002.png",
        b"frame-0000003.png",
    ]
    for number, raw in enumerate(raws):
        run.add(os.fsdecode(raw), content=picture(number))
    before = contents(run.frames)
    intake = run.take()
    assert all("\n" not in notice and "\u202e" not in notice for notice in intake.notices)
    rows = run.ledger.frames()
    assert {os.fsencode(row.file_name) for row in rows} == set(raws)
    run.ledger.reencode(rows[0].id, "to be converted", 0)
    run.ledger.reencode(rows[3].id, "to be converted", 0)
    batch = make_batch(run.frames, run.folder.path / "in", run.ledger.frames())
    assert len(batch.frames) == len(raws) and not batch.refused
    for name, row in batch.frames.items():
        shown = cv2.imread(str(run.folder.path / "in" / name))
        original = cv2.imdecode(np.fromfile(run.frames / row.file_name, np.uint8), cv2.IMREAD_COLOR)
        assert (shown == original).all(), name
    assert contents(run.frames) == before, "a frame of the user's was written to"


def test_a_file_that_became_another_picture_is_looked_at_again(run: Run) -> None:
    run.add("a.png", "b.png")
    run.add("c.png", content=b"")
    run.take()
    run.ledger.settle(run.ledger.frames("name = 'a.png'")[0].id, Outcome.NO_FACE, attempt=1)
    run.add("a.png", "c.png", content=picture(9))
    intake = run.take()
    assert run.outcomes() == {"a.png": None, "b.png": None, "c.png": None}
    assert any("replaced by another picture" in notice for notice in intake.notices)


def test_frames_that_go_and_come_back_are_accounted_for(run: Run) -> None:
    run.add("a.png", "b.png")
    run.take()
    (run.frames / "b.png").rename(run.frames.parent / "b.png")
    run.take()
    assert run.outcomes() == {"a.png": None, "b.png": Outcome.NOT_ATTEMPTED}
    (run.frames.parent / "b.png").rename(run.frames / "b.png")
    run.take()
    assert run.outcomes() == {"a.png": None, "b.png": None}


def test_faces_that_are_there_are_adopted_whatever_their_names(run: Run) -> None:
    run.add("a.png", "b.png", "c.png")
    (run.faceset / "a_0.jpg").write_bytes(face("a.png"))
    (run.faceset / "00007_3.jpg").write_bytes(face("b.png", 1))
    (run.faceset / "strange_0.jpg").write_bytes(face("elsewhere.png"))
    before = contents(run.faceset)
    run.take()
    assert run.outcomes() == {"a.png": Outcome.EXTRACTED, "b.png": Outcome.EXTRACTED, "c.png": None}
    assert run.ledger.counts().faces == 2
    assert contents(run.faceset) == before
    run.take()
    assert run.ledger.counts().faces == 2


@pytest.mark.parametrize("torn", [b"", b"\xff\xd8\xff", face("a.png")[:-300]])
def test_a_half_written_face_is_set_aside_and_its_frame_extracted_anew(run: Run, torn: bytes) -> None:
    run.add("a.png", "b.png")
    (run.faceset / "a_0.jpg").write_bytes(face("a.png"))
    (run.faceset / "a_1.jpg").write_bytes(torn)
    run.take()
    assert run.outcomes() == {"a.png": None, "b.png": None}
    assert contents(run.faceset) == {}
    assert contents(run.folder.path / "set_aside") == {"a_0.jpg": face("a.png"), "a_1.jpg": torn}


def test_needed_names_stop_the_run_or_are_set_aside(run: Run) -> None:
    run.add("a.png", "b.png")
    (run.faceset / "a_0.jpg").write_bytes(face("stranger.png"))
    (run.faceset / "notes.txt").write_bytes(b"mine")
    before = contents(run.faceset)
    with pytest.raises(DflwrapError, match=r"a_0\.jpg"):
        run.take()
    assert contents(run.faceset) == before
    run.take(on_conflict=OnConflict.SET_ASIDE)
    assert contents(run.faceset) == {"notes.txt": b"mine"}
    assert contents(run.folder.path / "set_aside") == {"a_0.jpg": face("stranger.png")}


def test_a_folder_without_a_frame_says_what_it_holds(run: Run) -> None:
    run.add("film.mp4", content=b"x")
    with pytest.raises(DflwrapError, match=r"film\.mp4 \(a video"):
        run.take()


def test_a_second_dflwrap_on_the_same_faceset_is_refused(run: Run) -> None:
    other = RunFolder(run.faceset)
    with pytest.raises(DflwrapError, match="Another dflwrap"):
        other.lock()
    run.folder.unlock()
    other.lock()
    other.unlock()


def test_clearing_work_follows_no_link_and_keeps_the_logs(run: Run) -> None:
    run.add("a.png", "b.png")
    run.take()
    _, attempt = run.folder.new_attempt(run.ledger)
    make_batch(run.frames, attempt / "in", run.ledger.frames())
    (attempt / "out").symlink_to(run.frames, target_is_directory=True)
    (attempt / "stdout.log").write_text("a log")
    before = contents(run.frames)
    run.folder.clear_work(run.ledger)
    assert contents(attempt) == {"stdout.log": b"a log"}
    assert contents(run.frames) == before


def test_a_frame_that_turns_out_unreadable_is_refused_and_leaves_nothing_in_the_batch(run: Run) -> None:
    run.add("a.png")
    run.add("b.tif", content=b"II*\0 not really a TIFF")
    run.add("c.webp", content=cv2.imencode(".webp", np.zeros((90, 300, 3), np.uint8))[1].tobytes())
    run.take()
    batch = make_batch(run.frames, run.folder.path / "in", run.ledger.open_frames())
    assert list(batch.frames) == ["a.png"]
    causes = {row.file_name: judgement.cause for row, judgement in batch.refused}
    assert causes == {"b.tif": "imread-failed", "c.webp": "image-too-small"}
    assert [path.name for path in (run.folder.path / "in").iterdir()] == ["a.png"]
