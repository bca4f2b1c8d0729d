"""What is reported lies on the disk: the rules of the second day, each as a user meets it.

Real frames, real faces (warped out of them with their matrix), a real ledger; the extractor alone is left out:
`extracted` enters its results through the promoter, as an attempt does.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from one_decoder import shared_by
from support import contents

from dflwrap.common.choices import OnConflict
from dflwrap.common.errors import NeedsUserError
from dflwrap.common.plan import ExtractOptions
from dflwrap.faceset import identity
from dflwrap.faceset.face_file.metadata import FaceMetadata, read_metadata, rewrite, write_metadata
from dflwrap.faceset.identity import FaceMatcher
from dflwrap.faceset.promotion import FinishedFrame, Promoter
from dflwrap.frames.inventory import take_inventory
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.records import Outcome
from dflwrap.supervisor.intake import Intake, take_in
from dflwrap.supervisor.reconcile.conflict import ConflictError, Meets
from dflwrap.supervisor.reconcile.end import folder_id, look_at_end, open_lost
from dflwrap.supervisor.reconcile.start import begin
from dflwrap.supervisor.request import RunRequest
from dflwrap.supervisor.run_folder import RunFolder

SIZE = 96
CLIP = tuple(f"{number:05d}.png" for number in range(1, 9))


@pytest.fixture(scope="module", autouse=True)
def _one_decoder() -> Iterator[None]:
    with shared_by(identity):
        yield


def picture(seed: int, width: int = 320, height: int = 240) -> np.ndarray:
    """Like a photograph in this: large shapes, some detail, another for each seed."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 255, (6, 8, 3), dtype=np.uint8)
    image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.int16)
    return np.clip(image + random.integers(-12, 12, image.shape), 0, 255).astype(np.uint8)


def face_of(
    image: np.ndarray, source: str, left: float = 90, size: int = SIZE, kind: str = "whole_face"
) -> bytes:
    """The face that an extractor would write of the square at (left, 60), side 120."""
    scale = size / 120
    matrix = ((scale, 0.0, -left * scale), (0.0, scale, -60 * scale))
    pixels = cv2.warpAffine(image, np.array(matrix), (size, size), flags=cv2.INTER_AREA)
    inside = tuple((float(20 + i % 50), float(20 + i // 2)) for i in range(68))
    points = tuple((x / scale + left, y / scale + 60) for x, y in inside)
    data = FaceMetadata(kind, inside, source, (left, 60, left + 120, 180), points, matrix)
    return write_metadata(cv2.imencode(".jpg", pixels)[1].tobytes(), data)


class Day:
    """A workspace: data_src, its faceset, and what dflwrap does at each start."""

    def __init__(self, root: Path) -> None:
        self.frames, self.faceset = root / "data_src", root / "data_src" / "aligned"
        self.frames.mkdir()
        self.request = RunRequest(self.frames, self.faceset, ExtractOptions(image_size=SIZE))
        self.run_folder = RunFolder(self.faceset).path

    def clip(self, seed: int, names: Iterable[str] = CLIP) -> None:
        for number, name in enumerate(names):
            assert cv2.imwrite(str(self.frames / name), picture(1000 * seed + number))

    def start(self, *, extract: bool = True, without_face: Iterable[str] = (), **changes: object) -> Intake:
        """One call of `dflwrap extract`, up to its end."""
        request = replace(self.request, **changes)  # type: ignore[arg-type]
        folder = RunFolder(request.output_dir)
        folder.lock()
        try:
            folder.make_output()
            inventory = take_inventory(request.input_dir)
            with FaceMatcher() as matcher:
                begun = begin(request, folder, inventory, matcher.judge)
                try:
                    intake = take_in(request, begun, inventory, folder.path, matcher.judge)
                    if extract:
                        self.extracted(request, begun.ledger, set(without_face))
                    self.rows = {row.file_name: row for row in begun.ledger.frames()}
                    self.counts = begun.ledger.counts()
                finally:
                    begun.ledger.close()
            return intake
        except ConflictError:
            folder.undo()
            raise
        finally:
            folder.unlock()

    def extracted(self, request: RunRequest, ledger: Ledger, without_face: set[str]) -> None:
        """All open frames come back from an attempt."""
        promoter = Promoter(
            ledger, self.run_folder, request.output_dir, request.options.image_size, self.frames
        )
        number = ledger.next_attempt()
        output = self.run_folder / "attempts" / f"{number:04d}" / "out"
        output.mkdir(parents=True)
        done = []
        self.made = []
        for row in ledger.open_frames():
            self.made.append(row.file_name)
            faces: tuple[str, ...] = ()
            if row.file_name not in without_face:
                image = cv2.imread(str(self.frames / row.file_name))
                stem = Path(row.file_name).stem
                faces = (f"{stem}_0.jpg", f"{stem}_1.jpg")
                for name, left in zip(faces, (30, 150), strict=True):
                    kind, size = request.options.face_type, request.options.image_size
                    (output / name).write_bytes(face_of(image, row.file_name, left, size, kind))
            done.append(FinishedFrame(row, row.file_name, faces))
        ledger.begin_attempt(number, "double", {}, "", len(done))
        assert not promoter.promote(done, output, number, keep_debug=False)

    def refused(self, **changes: object) -> ConflictError:
        """The start must be refused, and nothing may have changed."""
        before = contents(self.frames)
        before.pop("aligned_dflwrap/run.lock", None)
        with pytest.raises(ConflictError) as caught:
            self.start(**changes)
        after = contents(self.frames)
        after.pop("aligned_dflwrap/run.lock", None)
        changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
        assert not {name for name in changed if "run.db" not in name}
        for choice in ("--on-conflict set-aside", "another --output-dir", "Nothing was started"):
            assert choice in str(caught.value)
        return caught.value

    def names(self) -> list[str]:
        return sorted(path.name for path in self.faceset.iterdir())

    def earlier(self) -> dict[str, bytes | str]:
        (archive,) = (self.run_folder / "earlier").iterdir()
        return contents(archive)


@pytest.fixture
def day(tmp_path: Path) -> Day:
    day = Day(tmp_path)
    day.clip(1)
    day.start(without_face=CLIP[-1:])
    assert len(day.names()) == 14 and day.made == list(CLIP)
    return day


def said(intake: Intake) -> str:
    return "\n".join(intake.notices)


# -- nothing has changed ---------------------------------------------------------------------------


def test_the_same_clip_again_opens_nothing(day: Day) -> None:
    intake = day.start()
    assert day.made == [] and intake.notices == []
    assert day.counts.faces == 14


def test_a_copied_workspace_is_the_same_clip(day: Day) -> None:
    """Copying to another disk gives every file a new time, and most copies keep nothing else."""
    for path in day.frames.glob("*.png"):
        os.utime(path, ns=(1, 1))
    for path in day.faceset.iterdir():
        os.utime(path, ns=(1, 1))
    intake = day.start()
    assert day.made == [] and intake.notices == []


def test_additional_frames_are_the_same_clip(day: Day) -> None:
    more = [f"{number:05d}.png" for number in range(50, 80)]
    day.clip(2, more)
    day.start()
    assert day.made == more
    assert day.counts.extracted == 7 + 30


# -- the faceset -----------------------------------------------------------------------------------


def test_all_faces_gone_begins_a_new_run_bound_by_nothing_of_the_old_one(day: Day) -> None:
    for path in day.faceset.iterdir():
        path.unlink()
    intake = day.start(options=ExtractOptions(image_size=64, face_type="head"))
    assert "a new run starts" in said(intake) and len(intake.notices) == 1
    assert day.made == list(CLIP)
    assert "run.db" in day.earlier() and (day.run_folder / "run.db").exists()


def test_a_deleted_folder_is_a_deleted_faceset(day: Day) -> None:
    import shutil

    shutil.rmtree(day.faceset)
    day.start()
    assert day.made == list(CLIP) and len(day.names()) == 16


def test_an_unmounted_faceset_is_no_deleted_one(day: Day) -> None:
    """The run folder is on this disk, and the faceset was on one that is not mounted now."""
    for path in day.faceset.iterdir():
        path.unlink()
    ledger = Ledger(day.run_folder / "run.db")
    device, inode = ledger.get("output folder")
    ledger.put("output folder", [device + 1, inode])
    ledger.close()
    with pytest.raises(NeedsUserError, match="does not seem to be mounted"):
        day.start()
    assert not (day.run_folder / "earlier").exists()


def test_some_faces_gone_were_removed_by_the_user(day: Day) -> None:
    for name in ("00001_0.jpg", "00001_1.jpg", "00003_1.jpg"):
        (day.faceset / name).unlink()
    intake = day.start()
    assert day.made == [] and "3 faces" in said(intake) and "--redo missing" in said(intake)
    assert day.counts.faces == 11
    assert day.start().notices == [], "said once"
    day.start(redo=("missing",))
    assert day.made == ["00001.png", "00003.png"] and day.counts.faces == 14
    assert (day.run_folder / "set_aside" / "00003_0.jpg").exists()


def test_a_sorted_faceset_is_the_same_faceset(day: Day) -> None:
    for number, name in enumerate(reversed(day.names())):
        (day.faceset / name).rename(day.faceset / f"{number:05d}.jpg")
    before = contents(day.faceset)
    intake = day.start()
    assert day.made == [] and "other names" in said(intake)
    assert contents(day.faceset) == before
    assert day.start().notices == []


def test_faces_merged_by_hand_stay_and_are_counted(day: Day) -> None:
    for number in range(5):
        (day.faceset / f"other_{number}.jpg").write_bytes(face_of(picture(77), "other.png", number))
    intake = day.start()
    assert day.made == [] and "5 faces of other pictures stay" in said(intake)


def test_a_packed_faceset_is_the_faceset(day: Day) -> None:
    for path in day.faceset.iterdir():
        path.unlink()
    (day.faceset / "faceset.pak").write_bytes(b"packed")
    assert day.refused().meets is Meets.PACKED
    assert day.refused(on_conflict=OnConflict.ADD).meets is Meets.PACKED
    day.start(on_conflict=OnConflict.SET_ASIDE)
    assert day.made == list(CLIP)
    assert day.earlier()["faces/faceset.pak"] == b"packed"


# -- the clip --------------------------------------------------------------------------------------


def test_another_clip_under_the_same_names_is_the_users_choice(day: Day) -> None:
    day.clip(2)
    assert day.refused().meets is Meets.ANOTHER_CLIP
    faces = contents(day.faceset)
    day.start(on_conflict=OnConflict.SET_ASIDE)
    assert day.made == list(CLIP)
    earlier = day.earlier()
    assert {name: earlier[f"faces/{name}"] for name in faces} == faces
    for path in day.faceset.iterdir():
        assert read_metadata(path) is not None and contents(day.faceset)[path.name] not in faces.values()


def test_two_clips_in_one_faceset_on_purpose(day: Day) -> None:
    faces = contents(day.faceset)
    day.clip(2)
    day.start(on_conflict=OnConflict.ADD)
    assert day.made == list(CLIP)
    now = contents(day.faceset)
    assert {name: now.get(name) for name in faces} == faces
    assert {name for name in now if name not in faces} == {
        f"clip2-{name[:5]}_{i}.jpg" for name in CLIP for i in (0, 1)
    }
    intake = day.start()
    assert day.made == [] and "14 faces of other pictures stay" in said(intake)
    day.clip(3)
    day.start(on_conflict=OnConflict.ADD)
    assert sum(name.startswith("clip3-") for name in day.names()) == 16 and len(day.names()) == 14 + 16 + 16


def test_another_input_folder_is_another_clip(day: Day, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for number in range(8):
        assert cv2.imwrite(str(other / f"b{number}.png"), picture(4000 + number))
    assert day.refused(input_dir=other).meets is Meets.ANOTHER_CLIP


def test_a_moved_input_folder_is_the_same_clip(day: Day, tmp_path: Path) -> None:
    other = tmp_path / "moved"
    other.mkdir()
    for path in day.frames.glob("*.png"):
        (other / path.name).write_bytes(path.read_bytes())
    assert day.start(input_dir=other).notices == [] and day.made == []
    ledger = Ledger(day.run_folder / "run.db")
    assert ledger.get("input_dir") == str(other), "the report names the folder that the frames are in now"
    ledger.close()


def test_frames_edited_in_place_keep_their_results(day: Day) -> None:
    """As DeepFaceLab's own "denoise data_dst" does: every frame is rewritten."""
    for path in sorted(day.frames.glob("*.png")):
        cv2.imwrite(str(path), cv2.GaussianBlur(cv2.imread(str(path)), (0, 0), 1.5))
    before = contents(day.faceset)
    intake = day.start()
    assert day.made == [] and contents(day.faceset) == before
    assert "8 frames were edited" in said(intake) and len(intake.notices) == 1
    assert day.start().notices == []
    day.start(redo=("changed",))
    assert day.made == list(CLIP)


def test_the_same_pictures_at_another_size_are_a_choice(day: Day) -> None:
    for path in sorted(day.frames.glob("*.png")):
        cv2.imwrite(str(path), cv2.resize(cv2.imread(str(path)), None, fx=2, fy=2))
    error = day.refused()
    assert error.meets is Meets.OTHER_SIZE and "another size" in str(error)


def test_other_content_of_which_nothing_can_be_told_is_asked_about(day: Day) -> None:
    """Black frames, say: the faces neither fit them nor not."""
    for path in sorted(day.frames.glob("*.png")):
        cv2.imwrite(str(path), np.zeros((240, 320, 3), np.uint8))
    for path in day.faceset.iterdir():
        metadata = read_metadata(path)
        assert metadata is not None
        flat = cv2.imencode(".jpg", np.full((SIZE, SIZE, 3), 90, np.uint8))[1].tobytes()
        path.write_bytes(write_metadata(flat, replace(metadata, origin=None)))
    assert day.refused().meets is Meets.ANOTHER_CLIP


def test_some_replaced_frames_are_extracted_anew_and_their_old_faces_kept_aside(day: Day) -> None:
    old = (day.faceset / "00002_0.jpg").read_bytes()
    day.clip(5, ["00002.png"])
    cv2.imwrite(str(day.frames / CLIP[-1]), picture(999))  # it had no face
    intake = day.start()
    assert day.made == ["00002.png", "00008.png"] and "replaced" in said(intake)
    assert (day.run_folder / "set_aside" / "00002_0.jpg").read_bytes() == old
    assert day.counts.extracted == 8 and day.counts.faces == 16


def test_a_replaced_quarantined_frame_is_open_again(tmp_path: Path) -> None:
    day = Day(tmp_path)
    day.clip(1)
    (day.frames / "00003.png").write_bytes(b"no picture")
    day.start()
    assert day.rows["00003.png"].outcome is not Outcome.EXTRACTED
    cv2.imwrite(str(day.frames / "00003.png"), picture(5))
    day.start()
    assert day.made == ["00003.png"]


def test_frames_deleted_after_the_run_leave_it_finished(day: Day) -> None:
    for path in day.frames.glob("*.png"):
        path.unlink()
    day.start()
    assert day.made == [] and day.counts.open == 0 and day.counts.faces == 14


def test_a_run_without_any_face_binds_nothing(tmp_path: Path) -> None:
    day = Day(tmp_path)
    day.clip(1)
    day.start(without_face=CLIP)
    day.start(options=ExtractOptions(image_size=64))
    assert day.made == list(CLIP)


def test_other_options_are_a_choice(day: Day) -> None:
    other = ExtractOptions(image_size=64, face_type="head")
    error = day.refused(options=other)
    assert error.meets is Meets.OTHER_OPTIONS and "face type whole_face" in str(error)
    day.start(options=other, on_conflict=OnConflict.SET_ASIDE)
    assert day.made == list(CLIP)


# -- a faceset without a run folder ----------------------------------------------------------------


@pytest.fixture
def stock(tmp_path: Path) -> Day:
    """Faces of the first half of the clip, as stock DeepFaceLab leaves them."""
    day = Day(tmp_path)
    day.clip(1)
    day.faceset.mkdir()
    for name in CLIP[:4]:
        image = cv2.imread(str(day.frames / name))
        (day.faceset / f"{name[:5]}_0.jpg").write_bytes(face_of(image, name))
    return day


def test_faces_of_these_frames_are_adopted(stock: Day) -> None:
    before = contents(stock.faceset)
    intake = stock.start(extract=False)
    assert "4 faces of 4 frames were in the faceset already" in said(intake)
    assert contents(stock.faceset) == before and stock.counts.open == 4


def test_sorted_faces_are_adopted_and_not_doubled(stock: Day) -> None:
    for number, name in enumerate(reversed(stock.names())):
        (stock.faceset / name).rename(stock.faceset / f"{number:05d}.jpg")
    stock.start(extract=False)
    assert stock.counts.extracted == 4 and stock.counts.open == 4


def test_another_clips_faces_under_the_same_names_are_not_adopted(stock: Day) -> None:
    stock.clip(2)
    error = stock.refused()
    assert error.meets is Meets.TAKEN_NAMES and not stock.run_folder.exists()
    faces = contents(stock.faceset)
    intake = stock.start(on_conflict=OnConflict.ADD)
    assert stock.made == list(CLIP) and "clip2-" in said(intake)
    assert {name: contents(stock.faceset)[name] for name in faces} == faces


def test_another_clips_faces_can_be_set_aside(stock: Day) -> None:
    stock.clip(2)
    faces = contents(stock.faceset)
    stock.start(on_conflict=OnConflict.SET_ASIDE)
    assert stock.made == list(CLIP)
    assert contents(stock.run_folder / "set_aside") == faces


def test_a_mixture_is_told_apart_face_by_face(stock: Day) -> None:
    for name in CLIP[:2]:
        (stock.faceset / f"{name[:5]}_7.jpg").write_bytes(face_of(picture(555), name))
    stock.start(extract=False, on_conflict=OnConflict.ADD)
    assert stock.counts.extracted == 4 and stock.counts.faces == 4


@pytest.mark.parametrize(("kind", "size"), [("head", SIZE), ("whole_face", 64)])
@pytest.mark.parametrize("done", [3, 5])
def test_faces_of_another_type_or_size_are_a_choice_where_most_frames_have_them(
    tmp_path: Path, done: int, kind: str, size: int
) -> None:
    day = Day(tmp_path)
    day.clip(1)
    day.faceset.mkdir()
    for name in CLIP[:done]:
        image = cv2.imread(str(day.frames / name))
        (day.faceset / f"{name[:5]}_0.jpg").write_bytes(face_of(image, name, size=size, kind=kind))
    if done == 3:
        intake = day.start(extract=False)
        assert f"{kind} of {size} pixels" in said(intake) and day.counts.extracted == 3
        return
    assert day.refused().meets is Meets.OTHER_FACES
    before = contents(day.faceset)
    day.start(on_conflict=OnConflict.ADD)
    assert day.made == list(CLIP) and before.items() <= contents(day.faceset).items()


def test_faces_made_by_hand_later_are_adopted(day: Day) -> None:
    """DeepFaceLab's MANUAL RE-EXTRACT writes what the automatic pass did not find."""
    image = cv2.imread(str(day.frames / CLIP[-1]))
    (day.faceset / f"{CLIP[-1][:5]}_0.jpg").write_bytes(face_of(image, CLIP[-1]))
    day.start()
    assert day.made == [] and day.rows[CLIP[-1]].outcome is Outcome.EXTRACTED and day.counts.faces == 15


# -- redo ------------------------------------------------------------------------------------------


def test_redo_never_replaces_the_users_handwork(day: Day) -> None:
    edited, masked = day.faceset / "00001_0.jpg", day.faceset / "00002_0.jpg"
    image = cv2.imread(str(day.frames / "00001.png"))
    edited.write_bytes(face_of(cv2.GaussianBlur(image, (0, 0), 2), "00001.png", 30))
    masked.write_bytes(rewrite(masked.read_bytes(), lambda m: replace(m, source_rect=m.source_rect)))
    polygons = rewrite(
        masked.read_bytes(), lambda m: replace(m, origin=None, extras={"seg_ie_polys": [[1.0]]})
    )
    masked.write_bytes(polygons)
    kept = {path.name: path.read_bytes() for path in (edited, masked)}
    for _ in range(2):
        intake = day.start(redo=("all",))
        assert day.made == list(CLIP[2:])
        assert "00001.png" in said(intake) and "00002.png" in said(intake) and "--even-edited" in said(intake)
        assert {name: (day.faceset / name).read_bytes() for name in kept} == kept
    day.start(redo=("all",), even_edited=True)
    assert day.made == list(CLIP)
    assert {path.read_bytes() for path in (day.run_folder / "set_aside").glob("0000[12]_0*.jpg")} >= set(
        kept.values()
    )


@pytest.mark.parametrize(
    ("asked", "made"),
    [
        (("no-face",), CLIP[-1:]),
        (("0000[12].png", "00005.png"), ("00001.png", "00002.png", "00005.png")),
        (("quarantined",), ()),
        (("no-face", "00003*"), ("00003.png", CLIP[-1])),
    ],
)
def test_redo_takes_words_and_patterns(day: Day, asked: tuple[str, ...], made: tuple[str, ...]) -> None:
    day.start(redo=asked)
    assert day.made == list(made)
    assert len(day.names()) == day.counts.faces


def test_a_pattern_that_no_frame_has_is_told(day: Day) -> None:
    assert "no frame is called x*.png" in said(day.start(redo=("x*.png",)))


# -- the end ---------------------------------------------------------------------------------------


def at_end(day: Day) -> tuple[Ledger, int]:
    ledger = Ledger(day.run_folder / "run.db")
    return ledger, SIZE


def test_faces_that_lie_there_are_no_loss(day: Day) -> None:
    ledger, size = at_end(day)
    assert look_at_end(ledger, day.faceset, size, folder_id(day.faceset)).lost == ""
    (day.faceset / "00001_0.jpg").unlink()  # culled while it runs
    now = look_at_end(ledger, day.faceset, size, folder_id(day.faceset))
    assert now.lost == "" and "1 face" in now.notices[0]
    ledger.close()


def test_most_faces_gone_or_another_folder_is_a_loss(day: Day) -> None:
    ledger, size = at_end(day)
    begun = folder_id(day.faceset)
    day.faceset.rename(day.faceset.with_name("renamed"))
    day.faceset.mkdir()
    now = look_at_end(ledger, day.faceset, size, begun)
    assert "another folder" in now.lost and len(now.frames) == 7
    open_lost(ledger, day.faceset, now.frames, lambda _: pytest.fail("nothing is there"))
    assert ledger.counts().open == 7 and ledger.counts().faces == 0
    ledger.close()


def test_more_than_half_gone_is_a_loss_and_what_is_left_is_set_aside(day: Day) -> None:
    ledger, size = at_end(day)
    for name in day.names()[:9]:
        (day.faceset / name).unlink()
    now = look_at_end(ledger, day.faceset, size, folder_id(day.faceset))
    assert "9 of the 14 faces" in now.lost
    aside: list[str] = []
    open_lost(ledger, day.faceset, now.frames, lambda path: aside.append(path.name))
    assert aside == ["00005_1.jpg"]
    ledger.close()
