"""A fork with more options and questions than DeepFaceLab: it is asked what it knows, and asks nothing itself."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from support import DOUBLE, PYTHON36, Finished, dflwrap, find_python, small_frames

from dflwrap.common.errors import DflwrapError
from dflwrap.extractors.deepfacelab import find_install
from dflwrap.extractors.deepfacelab.known_options import InstallOption, answers, parse_help
from dflwrap.supervisor.process import install_options
from dflwrap.supervisor.process.install_options import ask_install, has_questions

PYTHON312 = find_python("3.12")
pytestmark = pytest.mark.skipif(os.name == "nt", reason="the double's environment is made of links")


class Fork:
    """An install as its installer lays it out, with frames beside it."""

    def __init__(self, root: Path, python: str) -> None:
        self.root = root
        self.folder = root / "_internal" / "DeepFaceLab"
        shutil.copytree(DOUBLE, self.folder, ignore=shutil.ignore_patterns("__pycache__"))
        (self.folder / "main.py").write_bytes((DOUBLE / "fork_main.py").read_bytes())
        (self.folder / "facelib" / "motori.py").write_text("")
        (root / "_internal" / ".venv" / "bin").mkdir(parents=True)
        (root / "_internal" / ".venv" / "bin" / "python").symlink_to(python)
        self.started_in = root / "started.jsonl"
        self.cache = root / "cache"
        small_frames(root / "frames", 3)

    def extract(self, *words: str | Path, extractor: str = "dfl", script: str = "") -> Finished:
        return dflwrap(
            *(
                "extract",
                "--input-dir",
                self.root / "frames",
                "--output-dir",
                self.root / "out",
                "--cpu-only",
            ),
            *("--dfl-root", self.root, "--extractor", extractor, "--image-size", "256", "--workers", "1"),
            *("--second-look", "off", "--json", *words),
            env={
                **({"DFLWRAP_DOUBLE_SCRIPT": script} if script else {}),
                **{"DFLWRAP_DOUBLE_STARTED": str(self.started_in), "XDG_CACHE_HOME": str(self.cache)},
            },
        )

    def started(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.started_in.read_text().splitlines()]


@pytest.fixture(params=[PYTHON36, PYTHON312], ids=["3.6", "3.12"])
def fork(request: pytest.FixtureRequest, tmp_path: Path) -> Fork:
    if request.param is None:
        pytest.skip("NOT TESTED UNDER THIS PYTHON: it is not here")
    return Fork(tmp_path / "DFL", request.param)


@pytest.fixture
def one_fork(tmp_path: Path) -> Fork:
    python = PYTHON312 or PYTHON36
    if python is None:
        pytest.skip("neither Python is here")
    return Fork(tmp_path / "DFL", python)


def test_its_questions_are_answered_before_it_asks_and_its_own_environment_runs_it(fork: Fork) -> None:
    done = fork.extract()
    assert done.code == 0, done.stderr
    assert done.report["frames"]["extracted"] == 3
    assert fork.started() == [
        {"detector": "s3fd", "landmarker": "fan-2d", "min_face_size": 40, "report_dir": None}
    ]
    assert ".venv" in done.report["run"]["extractor"]["python"]


def test_what_it_knows_is_handed_on(fork: Fork) -> None:
    done = fork.extract(
        *("--detector", "retinaface-r50", "--landmarker=pipnet-68", "--min-face-size", "25"),
        *("--report-dir", fork.root / "rep", "--fast"),
    )
    assert done.code == 0, done.stderr
    (started,) = fork.started()
    assert started == {
        "detector": "retinaface-r50",
        "landmarker": "pipnet-68",
        "min_face_size": 25,
        "report_dir": str(fork.root / "rep"),
    }


def test_it_belongs_to_what_must_be_the_same_on_resume(one_fork: Fork) -> None:
    assert one_fork.extract("--landmarker", "fan-3d").code == 0
    assert one_fork.extract("--landmarker=fan-3d").code == 0, "the same, written otherwise"
    refused = one_fork.extract("--landmarker", "pipnet-68")
    assert refused.code == 2
    assert "--landmarker=fan-3d" in refused.stderr and "--landmarker=pipnet-68" in refused.stderr
    assert one_fork.extract().code == 2
    assert one_fork.extract("--landmarker", "fan-3d", "--detector", "retinaface-r50").code == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--landmarks", "fan-2d"), "Did you mean --landmarker?"),
        (("--landmarker", "fan-4d"), "fan-2d, fan-3d, pipnet-68"),
        (("--landmarker",), "needs a value"),
        (("--fast=1",), "takes no value"),
        (("--detector", "yolo"), "retinaface-r50"),
    ],
)
def test_what_neither_knows_is_exit_2(one_fork: Fork, words: tuple[str, ...], said: str) -> None:
    done = one_fork.extract(*words)
    assert done.code == 2 and said in done.stderr, done.stderr
    assert not one_fork.started_in.exists() and not (one_fork.root / "out").exists()


def test_the_built_in_extractor_says_what_it_has_not(one_fork: Fork) -> None:
    done = one_fork.extract("--landmarker", "fan-3d", "--detector", "retinaface-r50", extractor="builtin")
    assert done.code == 0, done.stderr
    assert done.stderr.count("without --landmarker, --detector retinaface-r50") == 1


def test_the_built_in_extractor_takes_over_from_a_detector_that_it_has_not(one_fork: Fork) -> None:
    script = one_fork.root / "faults.json"
    script.write_text(json.dumps({"import": {"fault": "raise", "text": "ImportError: DLL load failed"}}))
    done = one_fork.extract(
        *("--detector", "retinaface-r50", "--on-gpu-failure", "builtin"), script=str(script)
    )
    assert done.code == 0, done.stderr
    assert [attempt["extractor"] for attempt in done.report["attempts"]][-1] == "builtin"


def test_without_an_install_an_option_of_a_fork_is_known_and_any_other_refused(tmp_path: Path) -> None:
    small_frames(tmp_path / "frames", 1)
    words = ("extract", tmp_path / "frames", tmp_path / "out", "--extractor", "builtin")
    assert "without --landmarker" in dflwrap(*words, "--landmarker", "fan-3d").stderr
    assert dflwrap(*words, "--unheard-of").code == 2


def test_its_answer_is_remembered_until_its_files_change(
    one_fork: Fork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(one_fork.cache))
    install = find_install(one_fork.root, None, {}, None)
    assert install is not None and has_questions(install)
    first = ask_install(install, os.environ)
    assert first["--landmarker"] == InstallOption(True, ("fan-2d", "fan-3d", "pipnet-68"))
    assert first["--fast"] == InstallOption(False) and first["--min-face-size"] == InstallOption(True)
    main = one_fork.folder / "main.py"
    python = one_fork.root / "_internal" / ".venv" / "bin" / "python"
    (remembered,) = one_fork.cache.rglob("install-options.json")
    remembered.write_text(remembered.read_text().replace("pipnet-68", "from-memory"))
    assert "from-memory" in ask_install(install, os.environ)["--landmarker"].choices
    main.write_text(main.read_text().replace('"pipnet-68"', '"newer-68"'))
    assert "newer-68" in ask_install(install, os.environ)["--landmarker"].choices
    for broken in ("[]", "{", '{"version": 1, "install-options": {"x": 3}}'):
        remembered.write_text(broken)
        assert "newer-68" in ask_install(install, os.environ)["--landmarker"].choices
    assert python.is_symlink(), "nothing of the install was touched"


@pytest.mark.parametrize(
    ("fault", "why"),
    [("raise", "exit status 1"), ("segfault", "exit status -11"), ("hang", "no answer within 5 s")],
)
def test_an_install_that_does_not_answer_costs_a_sentence(
    fault: str, why: str, one_fork: Fork, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = one_fork.root / "faults.json"
    script.write_text(json.dumps({"start": fault}))
    monkeypatch.setenv("XDG_CACHE_HOME", str(one_fork.cache))
    monkeypatch.setattr(install_options, "TIMEOUT", 5.0)
    install = find_install(one_fork.root, None, {}, None)
    assert install is not None
    with pytest.raises(DflwrapError, match=f"which options it knows.*{why}"):
        ask_install(install, {**os.environ, "DFLWRAP_DOUBLE_SCRIPT": str(script)})


def test_deepfacelab_itself_is_not_started_for_it() -> None:
    install = find_install(DOUBLE, Path(sys.executable), {}, None)
    assert install is not None and not has_questions(install)


HELP = """\
usage: main.py extract [-h] [--detector {s3fd,manual}] [-q N]

options:
  -h, --help            show this help message and exit
  --detector {s3fd,manual}
                        Type of detector, see --other and --third THING
  -q N, --quality N     Quality.
  -q, --newer-form N
  --flag                A flag. Asked when --landmarker is omitted.
  --no-help MIN_SIDE
"""


def test_the_help_of_every_argparse_is_read() -> None:
    known = parse_help(HELP)
    assert known["--detector"] == InstallOption(True, ("s3fd", "manual"))
    assert {name: option.takes_value for name, option in known.items()} == {
        **{"--help": False, "--detector": True, "--quality": True},
        **{"--newer-form": True, "--flag": False, "--no-help": True},
    }


def test_a_default_that_the_fork_has_no_more_gives_way_to_its_first_choice() -> None:
    known = {"--landmarker": InstallOption(True, ("a", "b")), "--min-face-size": InstallOption(True)}
    assert answers(known, ()) == ["--landmarker", "a", "--min-face-size", "40"]
    assert answers(known, ("--landmarker=b",)) == ["--min-face-size", "40"]
    assert answers({}, ()) == []
