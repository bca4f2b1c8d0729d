"""`dflwrap status`, `stop` and `report` on the runs of a job: on its folder, and on one of them alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import DOUBLE, dflwrap, small_frames, start_dflwrap, until
from test_unattended import LIMIT, SHORT, recorder

from dflwrap.supervisor.stop_request import Control

pytestmark = pytest.mark.posix
PEOPLE = ("anna", "ben", "carl")


class Job:
    """Three people of three frames each, one after the other. Of `slow` each frame takes longer than a stop."""

    def __init__(self, folder: Path, *more: str, slow: str = "0001.png") -> None:
        self.out, self.script = folder / "out", folder / "script.json"
        data = folder / "data"
        data.mkdir()
        for place, name in enumerate(PEOPLE):
            small_frames(data / name, 3)
            for frame in sorted((data / name).iterdir()):
                frame.rename(frame.with_name(f"{place}{frame.name}"))
        self.script.write_text(json.dumps({f"{slow}*": {"fault": "slow", "seconds": 2.0}}))
        self.said = folder / "said.txt"
        with self.said.open("wb") as said:
            self.process = start_dflwrap(
                *("extract", data, self.out, "--cpu-only"),
                *("--workers", "1", "--second-look", "off", "--image-size", "256", "--extractor", "dfl"),
                *("--dfl-root", DOUBLE, "--dfl-python", sys.executable, *more),
                program=SHORT,
                stdout=said,
                stderr=said,
                env={"DFLWRAP_DOUBLE_SCRIPT": str(self.script)},
                page=True,
            )

    def at_work_on(self, name: str) -> bool:
        return until(lambda: list((self.out / name).glob("*.jpg")), LIMIT)

    def code(self) -> int:
        return self.process.wait(LIMIT)

    def status(self) -> tuple[int, dict[str, dict[str, Any]]]:
        done = dflwrap("status", self.out, "--json")
        return done.code, {Path(run["faceset"]).name: run for run in json.loads(done.stdout)["runs"]}

    def states(self) -> dict[str, str]:
        return {name: run["state"] for name, run in self.status()[1].items()}


@pytest.fixture
def jobs() -> Iterator[list[Job]]:
    made: list[Job] = []
    yield made
    for job in made:
        job.process.kill()
        job.process.wait(LIMIT)


def test_a_run_of_a_job_is_stopped_alone_and_the_job_goes_on(jobs: list[Job], tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    jobs.append(Job(tmp_path, "--when-done", str(recorder(programs, "after")), slow="1000"))
    job = jobs[0]
    assert job.at_work_on("ben"), job.said.read_text()
    assert job.states() == {"anna": "complete", "ben": "running"}
    done = dflwrap("stop", job.out / "ben")
    assert done.code == 0 and "has ended (asked with dflwrap stop)" in done.stdout, done
    assert job.code() == 4, job.said.read_text()
    code, seen = job.status()
    assert {name: run["state"] for name, run in seen.items()} == {
        "anna": "complete",
        "ben": "interrupted",
        "carl": "complete",
    }
    assert code == 1 and seen["ben"]["reason"] == "asked with dflwrap stop"
    assert 0 < seen["ben"]["frames"]["extracted"] < 3 and seen["ben"]["frames"]["open"] > 0
    assert "asked with dflwrap stop. Run the same command again to resume." in job.said.read_text()
    assert (programs / "called").exists(), "the job came to its end"


def test_the_folder_of_a_job_stops_the_job(jobs: list[Job], tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    jobs.append(Job(tmp_path, "--when-done", str(recorder(programs, "after")), slow="0000"))
    job = jobs[0]
    assert job.at_work_on("anna"), job.said.read_text()
    assert dflwrap("stop", job.out).code == 0
    assert job.code() == 4
    assert job.states() == {"anna": "interrupted"}
    assert not (programs / "called").exists()
    assert job.said.read_text().count("not started") >= 1 or "ben" in job.said.read_text()


def test_status_and_report_take_the_folder_of_a_job(jobs: list[Job], tmp_path: Path) -> None:
    jobs.append(Job(tmp_path, slow="none"))
    job = jobs[0]
    assert job.code() == 0, job.said.read_text()
    code, seen = job.status()
    assert code == 0 and sorted(seen) == sorted(PEOPLE)
    assert {run["frames"]["extracted"] for run in seen.values()} == {3}
    text = dflwrap("status", job.out, "--once").stdout
    assert all(f"{name}: finished" in text for name in PEOPLE), text
    for name in PEOPLE:
        (job.out / f"{name}_dflwrap" / "report.html").unlink(missing_ok=True)
    reported = dflwrap("report", job.out)
    assert reported.code == 0, reported
    assert all((job.out / f"{name}_dflwrap" / "report.html").is_file() for name in PEOPLE)
    stopped = dflwrap("stop", job.out)
    assert stopped.code == 1 and stopped.stdout.count("nothing is under way there") == 3


def test_a_stop_of_one_run_leaves_the_job_and_its_other_runs_alone() -> None:
    job = Control()
    first, second = Control(job), Control(job)
    first.stop_because("asked", by_user=True, at_once=True)
    assert first.stopping and first.at_once and first.reason == "asked" and first.stop_event.wait(0)
    assert not (job.stopping or job.at_once or job.by_user or job.reason or second.stopping)
    assert not second.pause(0)


def test_a_stop_of_the_job_is_one_of_every_run() -> None:
    job = Control()
    run = Control(job)
    said: list[str] = []
    run.answer = run.whole.answer = said.append
    job.stop_because("it is 07:30 (--stop-at)")
    assert run.stopping and not run.at_once and run.reason == "it is 07:30 (--stop-at)"
    job.request_stop()
    assert run.at_once and len(said) == 2
    assert Control(job).stopping, "also of one that begins later"
