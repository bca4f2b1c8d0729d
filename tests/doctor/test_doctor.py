"""`dflwrap doctor` from outside, its documents, and the checks as such."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from snapshots import held_against
from support import contents, dflwrap, environment, find_python, small_frames
from surroundings import POINTER, Place

from dflwrap.diagnosis import Role, load_catalogue
from dflwrap.doctor.asking import SCRIPT
from dflwrap.doctor.check import HEADINGS, Answer, Check, Result, texts
from dflwrap.doctor.checks.python import traps
from dflwrap.doctor.machine import Machine
from dflwrap.doctor.page import page
from dflwrap.doctor.registry import CHECKS, by_id
from dflwrap.doctor.running import run_check, run_quick

ROOT = Path(__file__).parents[2]
NAMED_IN_THE_ISSUE = ("model-files", "tensorflow-import")


def options(place: Place) -> list[str]:
    assert place.dfl is not None
    return [
        *("--dfl-root", str(place.dfl.root), "--dfl-python", str(place.dfl.python)),
        *("--output-dir", str(place.folder / "aligned")),
    ]


def test_a_machine_that_will_do_ends_with_0(place: Place) -> None:
    before = contents(place.folder)
    done = dflwrap("doctor", *options(place), env={"DISPLAY": ":0"})
    assert done.code == 0, done.stdout + done.stderr
    assert "Failures:" not in done.stdout and "Well: dfl-install" in done.stdout
    assert re.search(r"^34 checks: ", done.stdout, re.M)
    assert contents(place.folder) == before, "it changes nothing"


def test_a_failure_ends_with_1_and_stands_first_with_its_fix(place: Place) -> None:
    (place.dfl.root / "facelib/S3FD.npy").write_bytes(POINTER)
    done = dflwrap("doctor", *options(place))
    assert done.code == 1
    assert done.stdout.startswith("Failures:\n  model-files\n    In ")
    assert "Git LFS pointer" in done.stdout and "    Fix: Unpack the build again" in done.stdout


def test_json_has_each_check_once_in_the_order_of_the_page(place: Place) -> None:
    (place.dfl.root / "facelib/S3FD.npy").unlink()
    done = dflwrap("doctor", "--json", *options(place))
    assert done.code == 1
    data = json.loads(done.stdout)
    assert set(data) == {"schema_version", "checks"} and data["schema_version"] == 1
    assert [row["id"] for row in data["checks"]] == list(texts())
    assert all(set(row) == {"id", "result", "explanation", "fix"} for row in data["checks"])
    assert all(row["result"] in set(Result) and row["explanation"] for row in data["checks"])
    row = next(row for row in data["checks"] if row["id"] == "model-files")
    assert row["result"] == "failure" and row["fix"] == texts()["model-files"].fix
    assert all(row["fix"] for row in data["checks"] if row["result"] in ("failure", "warning", "crashed"))


def test_what_a_program_said_is_in_the_json_too(place: Place) -> None:
    place.dfl.tensorflow(
        "raise ImportError('libcublas.so.11: cannot open shared object file: No such file')\n"
    )
    done = dflwrap("doctor", "--only", "tensorflow-import", "--json", *options(place))
    [row] = json.loads(done.stdout)["checks"]
    assert (
        "linux-cuda-so-missing" in row["explanation"]
        and "libcublas.so.11" in row["explanation"].splitlines()[-1]
    )


@pytest.mark.parametrize("form", ["--json", "--all"])
def test_share_leaves_out_who_and_where(place: Place, tmp_path: Path, form: str) -> None:
    home = tmp_path / "home" / "maximiliane"
    home.mkdir(parents=True)
    output = home / "two words & one" / "aligned"
    words = ["doctor", form, *options(place)[:4], "--output-dir", str(output)]
    assert "maximiliane" in dflwrap(*words).stdout
    shared = dflwrap(*words, "--share").stdout
    assert "maximiliane" not in shared and str(tmp_path) not in shared
    assert "path-special-characters" in shared


def test_only_asks_what_is_named(place: Place) -> None:
    done = dflwrap("doctor", "--only", "model-files", "--only", "cpu-avx", *options(place))
    assert done.code == 0 and "2 checks: " in done.stdout and "tensorflow" not in done.stdout.lower()


def test_quick_leaves_out_what_takes_longer(place: Place) -> None:
    place.dfl.tensorflow("import time; time.sleep(600)\n")
    done = dflwrap("doctor", "--quick", "--json", *options(place), timeout=120)
    asked = {row["id"] for row in json.loads(done.stdout)["checks"]}
    assert asked == {check.id for check in CHECKS if check.quick} and "tensorflow-import" not in asked


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--only", "no-such-check"], "--only: there is no check 'no-such-check'. There are: dfl-install, "),
        (["--no-such-option"], "No such option"),
    ],
)
def test_bad_usage_ends_with_2(words: list[str], said: str) -> None:
    done = dflwrap("doctor", *words)
    assert done.code == 2 and said in done.stderr and "Traceback" not in done.stderr


def test_a_root_that_is_none_is_a_finding(tmp_path: Path) -> None:
    done = dflwrap("doctor", "--only", "dfl-install", "--dfl-root", tmp_path)
    assert done.code == 1 and "no DeepFaceLab in" in " ".join(done.stdout.split())


@pytest.mark.parametrize("columns", [80, 40])
def test_help_as_it_was_looked_at(columns: int) -> None:
    done = dflwrap("doctor", "--help", env={"COLUMNS": str(columns)})
    assert done.code == 0 and done.stderr == ""
    held_against(f"help-doctor-{columns}", done.stdout)


def test_tensorflow_never_comes_into_dflwraps_own_process(place: Place) -> None:
    code = (
        "import sys; from dflwrap.cli.start import run\n"
        "try: run()\n"
        "except SystemExit: pass\n"
        "print(sorted(name for name in sys.modules if name.split('.')[0] in ('tensorflow', 'torch', 'cv2')))"
    )
    words = [sys.executable, "-c", code, "doctor", *options(place)]
    done = subprocess.run(words, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.stdout.splitlines()[-1] == "[]" and "tensorflow-import" in done.stdout


def test_help_starts_at_once() -> None:
    """It loads none of the checks, nor what they are made with."""
    code = (
        "import sys; sys.argv = ['dflwrap', 'doctor', '--help']; from dflwrap.cli.start import run\n"
        "try: run()\n"
        "except SystemExit: pass\n"
        "print(sorted(n for n in sys.modules if n.startswith(('dflwrap.doctor', 'numpy', 'rich.', 'psutil'))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "[]"


class Breaking(Check):
    id = "model-files"

    def look(self, machine: Machine) -> Answer:
        raise KeyError("oh\nno")


class Hanging(Check):
    id = "model-files"

    def __init__(self) -> None:
        self.free = threading.Event()

    def look(self, machine: Machine) -> Answer:
        self.free.wait(600)
        return self.ok("")


def test_a_check_that_breaks_is_a_result(place: Place) -> None:
    answer = run_check(Breaking(), place.machine(), 5)
    assert (
        answer.result is Result.CRASHED
        and "KeyError" in answer.explanation
        and "\n" not in answer.explanation
    )
    assert answer.fix


def test_a_check_that_hangs_is_a_result(place: Place) -> None:
    check = Hanging()
    try:
        answer = run_check(check, place.machine(), 0.3)
    finally:
        check.free.set()
    assert (answer.result, answer.explanation) == (Result.CRASHED, "No answer within 0.3 s.")


def test_the_quick_part_ends_in_its_time_and_leaves_out_what_hangs(place: Place) -> None:
    check = Hanging()
    began = time.monotonic()
    try:
        found = dict(run_quick([by_id()["path-spaces"], check, by_id()["cpu-avx"]], place.machine(), 0.5))
    finally:
        check.free.set()
    assert [one.id for one in found] == ["path-spaces"]
    assert time.monotonic() - began < 60, "not the 600 s of the check"


def test_the_checks_and_their_texts_are_the_same_set() -> None:
    assert [check.id for check in CHECKS] == list(texts())
    assert set(NAMED_IN_THE_ISSUE) <= set(by_id())
    for check in CHECKS:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+|memory|display|antivirus", check.id)
        row = texts()[check.id]
        assert row.about.endswith(".") and row.fix.endswith((".", ")")) and row.group in HEADINGS
        assert 0 < check.timeout <= 150


def test_the_document_is_current() -> None:
    assert (ROOT / "docs/doctor.md").read_text(encoding="utf-8") == page(), "python -m dflwrap.doctor.page"


def test_each_trap_is_a_cause_of_the_catalogue() -> None:
    known = load_catalogue().by_id
    assert [trap.cause for trap in traps() if trap.cause not in known] == []


def test_each_check_that_a_cause_names_exists_and_may_be_asked_alone() -> None:
    named = {rule.check for rule in load_catalogue().rules if rule.check}
    assert named <= set(by_id()) and len(named) > 20


OF_THE_MACHINE = {"cuda-library", "gpu-driver", "gpu-memory", "host-memory", "python-env", "tf-version"}
NOTHING_PROVES = {
    *("libdevice-missing", "gpu-memcpy-failed", "dml-device-removed", "dml-cpu-uses-gpu", "process-limit"),
    *(
        "nn-devices-not-initialized",
        "console-encode-error",
        "appdata-missing",
        "openmp-twice",
        "download-failed",
    ),
}
"""Shown by an extraction itself only, or by no check yet."""


def test_each_cause_of_the_machine_names_the_check_that_would_prove_it() -> None:
    without = {
        rule.id
        for rule in load_catalogue().rules
        if rule.category in OF_THE_MACHINE and rule.role in (Role.ROOT, Role.SYMPTOM) and not rule.check
    }
    assert without <= NOTHING_PROVES, "name one (check = ...), or say here that none would"


@pytest.mark.parametrize("version", ["2.7", "3.6", "3.7", "3.8", "3.9", "3.10", "3.12", "3.13"])
def test_the_child_is_understood_by_every_python(version: str, tmp_path: Path) -> None:
    python = find_python(version)
    if python is None:
        pytest.skip(f"NOT PROVEN HERE: Python {version}")
    (tmp_path / "json.py").write_text("raise SystemError('not this one')")
    done = subprocess.run(
        [python, "-B", str(SCRIPT), "TOKEN", "packages", "os", "no_such_module"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    [line] = [line for line in done.stdout.splitlines() if line.startswith("TOKEN")]
    answer = json.loads(line.removeprefix("TOKEN"))
    assert answer["python"].startswith(version + ".") and "pip" in answer["packages"]
    assert answer["missing"] == (["os", "no_such_module"] if version == "2.7" else ["no_such_module"])


@pytest.mark.dfl
def test_the_real_deepfacelab() -> None:
    root, python = (os.environ.get(f"DFLWRAP_TEST_DFL_{name}") for name in ("ROOT", "PYTHON"))
    if not root or not python:
        pytest.skip("NOT PROVEN HERE: needs DFLWRAP_TEST_DFL_ROOT and DFLWRAP_TEST_DFL_PYTHON")
    done = dflwrap("doctor", "--dfl-root", root, "--dfl-python", python, "--json")
    rows = {row["id"]: row for row in json.loads(done.stdout)["checks"]}
    assert done.code == 0, {
        name: row for name, row in rows.items() if row["result"] in ("failure", "crashed")
    }
    for name in (
        "dfl-install",
        "dfl-version",
        "dfl-files",
        "dfl-python",
        "dfl-packages",
        "tensorflow-import",
    ):
        assert rows[name]["result"] == "ok", rows[name]
    assert rows["model-files"]["result"] in ("ok", "note"), "whole"


def test_extract_tells_what_is_worse_than_a_note_and_runs(tmp_path: Path) -> None:
    frames = small_frames(tmp_path / "frames", 2)
    output = tmp_path / "two words & more" / "aligned"
    words = ["extract", "--input-dir", frames, "--extractor", "builtin", "--second-look", "off"]
    done = dflwrap(*words, "--output-dir", output)
    assert done.code == 0, done.stderr
    assert (
        "Warning: output (" in done.stdout and "dflwrap doctor --only path-special-characters" in done.stdout
    )
    assert "path-spaces" not in done.stdout, "a note"
    calm = dflwrap(*words, "--output-dir", tmp_path / "calm")
    assert calm.code == 0 and "dflwrap doctor" not in calm.stdout


def test_extract_with_deepfacelab_is_told_about_its_models_before_they_fail(
    place: Place, tmp_path: Path
) -> None:
    (place.dfl.root / "facelib/S3FD.npy").write_bytes(POINTER)
    frames = small_frames(tmp_path / "frames", 1)
    done = dflwrap(
        *("extract", "--input-dir", frames, "--output-dir", tmp_path / "aligned", "--extractor", "dfl"),
        *("--dfl-root", place.dfl.root, "--dfl-python", place.dfl.python, "--cpu-only"),
        timeout=300,
    )
    told = done.stdout.find("Failure: In ")
    assert told >= 0 and "Git LFS pointer" in done.stdout[told:]
