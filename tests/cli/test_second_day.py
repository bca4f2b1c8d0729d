"""The second day, as a user lives it: the same command again, after the faceset or the frames have changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import pytest
from support import Finished, assert_conserved, contents, dflwrap

from dflwrap.faceset.face_file.metadata import read_metadata

OPTIONS = ("--extractor", "builtin", "--cpu-only", "--image-size", "128", "--json")


class Workspace:
    """data_src with its faceset in it, as DeepFaceLab lays it out."""

    def __init__(self, frames: Path) -> None:
        self.frames, self.faceset = frames, frames / "aligned"
        self.run_folder = frames / "aligned_dflwrap"

    def extract(self, *more: str | Path) -> Finished:
        done = dflwrap("extract", "--input-dir", self.frames, "--output-dir", self.faceset, *OPTIONS, *more)
        if done.code in (0, 1):
            assert_conserved(done.report)
            assert done.report["faces"] <= len(self.faces())
        return done

    def faces(self) -> list[str]:
        return sorted(path.name for path in self.faceset.iterdir())

    def pictures(self) -> list[Path]:
        return sorted(path for path in self.frames.iterdir() if path.is_file())

    def earlier(self) -> dict[str, bytes | str]:
        (archive,) = (self.run_folder / "earlier").iterdir()
        return contents(archive)


@pytest.fixture(scope="module")
def first_day(clean_frames: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six frames under the names that DeepFaceLab gives, extracted."""
    workspace = Workspace(tmp_path_factory.mktemp("first") / "data_src")
    workspace.frames.mkdir()
    for number, path in enumerate(sorted(clean_frames.iterdir())[:6], 1):
        shutil.copyfile(path, workspace.frames / f"{number:05d}.jpg")
    done = workspace.extract()
    assert done.code == 0 and done.report["frames"]["extracted"] == 6, done.stderr
    return workspace.frames


@pytest.fixture
def day(first_day: Path, tmp_path: Path) -> Workspace:
    return Workspace(shutil.copytree(first_day, tmp_path / "data_src"))


def next_clip(day: Workspace, clean_frames: Path) -> None:
    """Another clip under the same names: other pictures, mirrored so that no face is where one was."""
    for path, other in zip(day.pictures(), sorted(clean_frames.iterdir())[6:12], strict=True):
        assert cv2.imwrite(str(path), cv2.flip(cv2.imread(str(other)), 1))


def test_a_faceset_deleted_to_begin_anew_is_extracted_anew(day: Workspace) -> None:
    before = day.faces()
    shutil.rmtree(day.faceset)
    done = day.extract("--face-type", "full_face")
    assert done.code == 0 and "a new run starts" in done.stderr
    assert day.faces() == before
    assert {read_metadata(path).face_type for path in day.faceset.iterdir()} == {"full_face"}  # type: ignore[union-attr]
    assert "run.db" in day.earlier()


def test_the_next_clip_is_refused_within_its_first_seconds_and_nothing_is_touched(
    day: Workspace, clean_frames: Path
) -> None:
    next_clip(day, clean_frames)
    before = contents(day.frames)
    done = day.extract()
    assert done.code == 2
    assert "another clip" in done.stderr and "--on-conflict set-aside" in done.stderr
    after = contents(day.frames)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert all(name.startswith("aligned_dflwrap/run.") for name in changed), changed


def test_the_next_clip_in_place_of_the_last(day: Workspace, clean_frames: Path) -> None:
    old = contents(day.faceset)
    next_clip(day, clean_frames)
    done = day.extract("--on-conflict", "set-aside")
    assert done.code == 0 and done.report["frames"]["extracted"] == 6
    assert not set(contents(day.faceset).values()) & set(old.values())
    assert {f"faces/{name}": data for name, data in old.items()}.items() <= day.earlier().items()
    assert dflwrap("verify", day.faceset).code == 0


def test_the_next_clip_beside_the_last(day: Workspace, clean_frames: Path) -> None:
    old = contents(day.faceset)
    next_clip(day, clean_frames)
    done = day.extract("--on-conflict", "add")
    assert done.code == 0 and done.report["frames"]["extracted"] == 6
    assert old.items() <= contents(day.faceset).items()
    assert len(day.faces()) == len(old) + done.report["faces"]
    again = day.extract()
    assert again.code == 0 and "finished already" in again.stderr


def test_a_sorted_faceset_is_neither_doubled_nor_lost(day: Workspace) -> None:
    for number, name in enumerate(reversed(day.faces())):
        (day.faceset / name).rename(day.faceset / f"{number:05d}.jpg")
    before = contents(day.faceset)
    done = day.extract()
    assert done.code == 0 and contents(day.faceset) == before
    shutil.rmtree(day.run_folder)  # and the same without a memory of the run
    done = day.extract()
    assert done.code == 0 and contents(day.faceset) == before
    assert done.report["faces"] == len(before)


def test_culled_faces_stay_away_until_they_are_asked_for(day: Workspace) -> None:
    (day.faceset / "00002_0.jpg").unlink()
    done = day.extract()
    assert done.code == 0 and done.report["faces_missing"] == ["00002_0.jpg"]
    assert "00002_0.jpg" not in day.faces()
    done = day.extract("--redo", "missing")
    assert done.code == 0 and done.report["faces_missing"] == [] and "00002_0.jpg" in day.faces()


def test_denoised_frames_are_the_same_clip_until_their_redo(day: Workspace) -> None:
    for path in day.pictures():
        assert cv2.imwrite(str(path), cv2.GaussianBlur(cv2.imread(str(path)), (0, 0), 1.0))
    before = contents(day.faceset)
    done = day.extract()
    assert done.code == 0 and "edited" in done.stderr and contents(day.faceset) == before
    done = day.extract("--redo", "changed")
    assert done.code == 0 and contents(day.faceset) != before
    assert dflwrap("verify", day.faceset).code == 0


def test_a_replaced_frame_is_extracted_anew(day: Workspace, clean_frames: Path) -> None:
    old = (day.faceset / "00003_0.jpg").read_bytes()
    other = cv2.flip(cv2.imread(str(sorted(clean_frames.iterdir())[9])), 1)
    assert cv2.imwrite(str(day.pictures()[2]), other)
    done = day.extract()
    assert done.code == 0 and "replaced" in done.stderr
    assert (day.faceset / "00003_0.jpg").read_bytes() != old
    assert (day.run_folder / "set_aside" / "00003_0.jpg").read_bytes() == old


def test_an_emptied_input_folder_after_a_finished_run_is_finished(day: Workspace) -> None:
    for path in day.pictures():
        path.unlink()
    before = contents(day.faceset)
    done = day.extract()
    assert done.code == 0 and "finished already" in done.stderr and contents(day.faceset) == before


def test_a_packed_faceset_is_never_a_new_run_by_itself(day: Workspace) -> None:
    for path in day.faceset.iterdir():
        path.unlink()
    (day.faceset / "faceset.pak").write_bytes(b"packed")
    done = day.extract()
    assert done.code == 2 and "faceset.pak" in done.stderr and day.faces() == ["faceset.pak"]


def test_a_handover_prepares_the_frames_without_a_face(day: Workspace) -> None:
    """DeepFaceLab's MANUAL RE-EXTRACT asks for the frames that have no debug picture."""
    assert cv2.imwrite(str(day.frames / "00007.jpg"), 40 + 0 * cv2.imread(str(day.pictures()[0])))
    shutil.rmtree(day.faceset)
    done = day.extract("--output-debug")
    assert done.code == 0 and done.report["no_face"] == ["00007.jpg"], done.stderr
    debug = day.frames / "aligned_debug"
    assert len(list(debug.iterdir())) == 7
    for run in (day.faceset, day.run_folder, day.run_folder / "report.json"):
        done = dflwrap("handover", run)
        assert done.code == 0 and "00007.jpg" in done.stdout
        assert sorted(path.stem for path in debug.iterdir()) == [f"0000{n}" for n in range(1, 7)]
