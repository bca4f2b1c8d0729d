"""What is reported lies on the disk at the end: a faceset that was emptied or swapped while the run went on."""

from __future__ import annotations

from pathlib import Path

import pytest
from disk.test_folder_gone import FRAMES, running
from support import small_frames

pytestmark = pytest.mark.posix


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    return small_frames(tmp_path / "frames", FRAMES)


def test_faces_that_were_emptied_away_are_made_once_more(frames: Path, tmp_path: Path) -> None:
    output = tmp_path / "aligned"
    with running(tmp_path, frames, output) as run:
        run.until(lambda: len(list(output.iterdir())) > FRAMES // 2 + 1)
        for path in output.iterdir():
            path.unlink()
        report = run.end()
    assert run.process.returncode == 0
    assert report["frames"]["extracted"] == FRAMES and report["faces_missing"] == []
    assert len(list(output.iterdir())) == report["faces"] == FRAMES
    assert "are gone from" in run.said.read_text() and "extracted again" in run.said.read_text()


def test_a_few_faces_culled_while_it_runs_stay_away(frames: Path, tmp_path: Path) -> None:
    output = tmp_path / "aligned"
    with running(tmp_path, frames, output) as run:
        first = min(path.name for path in output.iterdir())
        (output / first).unlink()
        report = run.end()
    assert run.process.returncode == 0
    assert report["faces_missing"] == [first] and report["faces"] == FRAMES - 1
    assert first not in {path.name for path in output.iterdir()}


def test_another_folder_under_the_name_gets_the_faces_that_are_reported(frames: Path, tmp_path: Path) -> None:
    """Renamed and made anew by hand, as when somebody tidies up in the night."""
    output = tmp_path / "aligned"
    with running(tmp_path, frames, output) as run:
        output.rename(tmp_path / "tidied")
        output.mkdir()
        report = run.end()
    assert run.process.returncode == 0, run.said.read_text()
    assert report["frames"]["extracted"] == FRAMES
    assert len(list(output.iterdir())) == report["faces"] == FRAMES


def test_a_faceset_that_is_emptied_again_and_again_needs_the_user(frames: Path, tmp_path: Path) -> None:
    output = tmp_path / "aligned"
    with running(tmp_path, frames, output) as run:
        seen: set[str] = set()

        def emptied() -> bool:
            for path in list(output.iterdir()):
                seen.add(path.name)
                path.unlink(missing_ok=True)
            return run.process.poll() is not None

        run.until_ended(emptied)
        report = run.end()
    assert run.process.returncode == 3
    assert run.said.read_text().rstrip().endswith("output-dir-missing")
    assert report["faces"] == 0 and report["frames"]["not_attempted"] == FRAMES
