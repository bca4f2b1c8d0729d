"""Which runs a path means: one, or all of a job."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dflwrap.common.errors import DflwrapError
from dflwrap.ledger.ledger import Ledger
from dflwrap.supervisor.run_folder import RunFolder, find_runs


def make_run(faceset: Path) -> Path:
    folder = RunFolder(faceset)
    folder.lock()
    Ledger(folder.database).close()
    folder.unlock()
    faceset.mkdir(exist_ok=True)
    return faceset


def facesets(path: Path) -> list[Path]:
    found = find_runs(path)
    assert all(folder.path == faceset.with_name(faceset.name + "_dflwrap") for folder, faceset in found)
    return [faceset for _, faceset in found]


def test_a_job_is_meant_by_the_folder_of_its_facesets(tmp_path: Path) -> None:
    people = [make_run(tmp_path / "out" / name) for name in ("personA", "personB")]
    (tmp_path / "out" / "not_a_dflwrap").mkdir()
    assert facesets(tmp_path / "out") == people
    assert facesets(tmp_path) == people


@pytest.mark.parametrize("name", ["aligned", "aligned_dflwrap", "aligned_dflwrap/report.json"])
def test_one_run_is_meant_by_any_of_its_paths(tmp_path: Path, name: str) -> None:
    run = make_run(tmp_path / "aligned")
    make_run(tmp_path / "other")
    assert facesets(tmp_path / name) == [run]


def test_a_faceset_that_holds_a_job_means_both(tmp_path: Path) -> None:
    run, person = make_run(tmp_path / "out"), make_run(tmp_path / "out" / "personA")
    assert facesets(tmp_path / "out") == [run, person]


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
def test_links_are_not_followed(tmp_path: Path) -> None:
    make_run(tmp_path / "far" / "deep" / "personA")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "link").symlink_to(tmp_path / "far" / "deep")
    with pytest.raises(DflwrapError, match="No run of dflwrap"):
        find_runs(tmp_path / "here")
