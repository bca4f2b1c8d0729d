"""The parts of a job that need no extractor: reading INPUT:OUTPUT, the exit code, folders that cannot be listed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from support import small_frames

from dflwrap.cli.jobs.inputs import asked, split_job
from dflwrap.common.choices import LayoutChoice
from dflwrap.common.errors import DflwrapError, ExitCode
from dflwrap.frames.joined import take_joined
from dflwrap.supervisor.jobs.layouts import job_of
from dflwrap.supervisor.jobs.outcome import RunOutcome, exit_code, job_report, not_started
from dflwrap.supervisor.request import RunRequest

REQUEST = RunRequest(Path("in"), Path("out"))


@pytest.mark.parametrize(
    ("text", "ways"),
    [
        (r"C:\a:D:\b", [(r"C:\a", r"D:\b")]),
        ("C:/a:D:/b", [("C:/a", "D:/b")]),
        (r"a:D:\b", [("a", r"D:\b")]),
        (r"C:\a:b", [(r"C:\a", "b")]),
        (r"\\server\share\a:E:\b", [(r"\\server\share\a", r"E:\b")]),
        (r"\\?\C:\a:\\?\D:\b", [(r"\\?\C:\a", r"\\?\D:\b")]),
        ("a:b", [("a", "b")]),
        (r"C:\a", []),
        ("a:", []),
        (r":D:\b", []),
    ],
)
def test_the_colon_of_a_drive_letter_separates_nothing(text: str, ways: list[tuple[str, str]]) -> None:
    assert split_job(text, windows=True) == ways


def test_elsewhere_a_letter_is_a_folder() -> None:
    assert split_job("/data/c:/out", windows=False) == [("/data/c", "/out")]
    assert split_job("c:/out", windows=False) == [("c", "/out")]


@pytest.mark.skipif(os.name == "nt", reason="no colons in names there")
def test_of_several_colons_the_one_after_an_input_that_exists_counts(tmp_path: Path) -> None:
    (tmp_path / "take 12:30").mkdir()
    (target,) = asked(
        None, None, (), None, [f"{tmp_path}/take 12:30:{tmp_path}/out"], None, None, None
    ).targets
    assert (target.source.name, target.output.name) == ("take 12:30", "out")
    with pytest.raises(DflwrapError, match="several ways"):
        asked(None, None, (), None, ["a:b:c"], None, None, None)


@pytest.mark.parametrize(
    ("codes", "code"),
    [((0, 0), 0), ((0, 1), 1), ((3, 2), 3), ((3, 4, 1), 4), ((4, 5, 0), 5), ((2, 1), 2), ((), 0)],
)
def test_the_exit_code_of_a_job(codes: tuple[int, ...], code: int) -> None:
    outcomes = [RunOutcome(REQUEST, ExitCode(each)) for each in codes]
    assert exit_code(outcomes) == code
    assert job_report(outcomes)["exit_code"] == code


def test_a_run_that_was_not_started_is_no_run_that_was_done() -> None:
    (run,) = job_report([not_started(REQUEST)])["runs"]
    assert run["report"] is None and run["exit_code"] == 4 and run["sentence"]


@pytest.fixture
def half_readable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two people, of whom one lies on a disk that does not answer."""
    (tmp_path / "data").mkdir()
    for person in ("ann", "ben"):
        small_frames(tmp_path / "data" / person, 2)
    scandir = os.scandir

    def failing(path: Any) -> Any:
        if Path(path).name == "ben":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", failing)
    return tmp_path


def test_a_person_that_cannot_be_listed_is_a_run_that_says_so(half_readable: Path) -> None:
    request = RunRequest(half_readable / "data", half_readable / "out")
    job = job_of(request, LayoutChoice.AUTO)
    assert [run.input_dir.name for run in job.runs] == ["ann", "ben"]
    assert job.several


def test_a_clip_that_cannot_be_listed_is_not_left_out_silently(half_readable: Path) -> None:
    with pytest.raises(DflwrapError, match=r"ben \(Permission denied"):
        take_joined(half_readable / "data", half_readable / "out")


@pytest.mark.parametrize(
    ("line", "ways"),
    [
        ('"{data}":"{tmp}/out b"', "out b"),
        ('"{data}"\t{tmp}/out', "out"),
        ('{data}:"{tmp}/o:u"', "o:u"),
        ("{data}:{tmp}/out # the one of 1999", "out"),
        ("{data}:{tmp}/out #2", "out #2"),
        ("{data}:{tmp}/take#3  #", "take#3"),
    ],
)
def test_a_line_as_people_write_it(line: str, ways: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    jobs = tmp_path / "jobs.txt"
    jobs.write_text(
        line.format(data=tmp_path / "data", tmp=tmp_path) + "\n", encoding="utf-8-sig", newline="\r\n"
    )
    done = asked(None, None, (), None, (), jobs, None, None)
    assert [(t.source, t.output.name) for t in done.targets] == [(tmp_path / "data", ways)]
