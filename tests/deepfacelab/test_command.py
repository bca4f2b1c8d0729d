"""The command line and environment of an attempt: nothing is asked, nothing goes through a shell."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dflwrap.common.plan import AttemptSpec, ExtractOptions, Plan
from dflwrap.extractors.base import Launch
from dflwrap.extractors.deepfacelab import DeepFaceLabExtractor, DflInstall
from dflwrap.extractors.deepfacelab.install import Layout


def launch(
    plan: Plan, *, black_box: bool = False, environ: dict[str, str] | None = None, layout: Layout = "plain"
) -> Launch:
    internal = Path(__file__).parent
    main, python = internal / "DeepFaceLab" / "main.py", internal / "python" / "python.exe"
    install = DflInstall(main, python, layout, "for a test")
    spec = AttemptSpec(1, plan, ExtractOptions(), "a", "in; rm -rf $HOME", "out", "events.jsonl", ("x.png",))
    return DeepFaceLabExtractor(install, environ or {}).launch(spec, black_box=black_box)


def test_every_option_that_would_be_asked_for_is_given() -> None:
    argv = launch(Plan()).argv
    text = " ".join(argv)
    for flag in ("--detector s3fd", "--face-type whole_face", "--max-faces-from-image 0", "--image-size 512"):
        assert flag in text
    assert {"--jpeg-quality", "--no-output-debug", "--cpu-only"} <= set(argv)
    assert argv[argv.index("--input-dir") + 1] == "in; rm -rf $HOME", "one argument, whatever it holds"
    assert argv[1].endswith("start.py") and argv[2].endswith("main.py")


def test_gpus_are_forced_by_index() -> None:
    made = launch(Plan(devices=(0, 2)), environ={"CUDA_VISIBLE_DEVICES": "1"})
    assert made.argv[made.argv.index("--force-gpu-idxs") + 1] == "0,2"
    assert "--cpu-only" not in made.argv
    assert "CUDA_VISIBLE_DEVICES" not in made.env and "NN_DEVICES_INITIALIZED" not in made.env


def test_black_box_is_main_itself_with_debug_pictures() -> None:
    made = launch(Plan(), black_box=True, environ={"DFLWRAP_EVENTS": "old"})
    assert made.argv[1].endswith("main.py") and "--output-debug" in made.argv
    assert "DFLWRAP_EVENTS" not in made.env


def test_a_cpu_plan_presets_the_devices() -> None:
    env = launch(Plan()).env
    assert (env["NN_DEVICES_INITIALIZED"], env["NN_DEVICES_COUNT"]) == ("1", "0")


def test_the_cuda_cache_size_has_the_name_that_cuda_reads() -> None:
    env = launch(Plan(devices=(0,))).env
    assert env["CUDA_CACHE_MAXSIZE"] == "2147483647"
    assert all(name.isascii() for name in env)
    assert env["TF_CPP_MIN_LOG_LEVEL"] == "1" == env["DFLWRAP_TF_LOG_LEVEL"]


@pytest.mark.skipif(sys.platform == "win32", reason="DeepFaceLab sets its own there")
def test_the_cuda_cache_path_is_kept_or_set() -> None:
    assert launch(Plan(), environ={"CUDA_CACHE_PATH": "/c"}).env["CUDA_CACHE_PATH"] == "/c"
    assert launch(Plan()).env["CUDA_CACHE_PATH"]


@pytest.mark.parametrize("name", ["PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP"])
def test_settings_of_dflwraps_own_python_are_taken_out(name: str) -> None:
    assert name not in launch(Plan(), environ={name: "x"}).env


def test_the_console_is_utf_8_that_cannot_fail() -> None:
    env = launch(Plan(), environ={"LANG": "C"}).env
    assert env["PYTHONIOENCODING"] == "utf-8:backslashreplace" and env["PYTHONUNBUFFERED"] == "1"
    if sys.platform.startswith("linux"):
        assert env["LC_ALL"] == "C.UTF-8"
        assert "LC_ALL" not in launch(Plan(), environ={"LANG": "de_DE.UTF-8"}).env


def test_thread_counts_come_from_the_plan() -> None:
    env = launch(Plan(threads=3)).env
    assert {
        env[name] for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
    } == {"3"}
    assert "TF_NUM_INTRAOP_THREADS" not in launch(Plan()).env


def test_the_agent_gets_the_plan() -> None:
    env = launch(Plan(workers=3, weights_on_cpu=True, frame_timeout=100, startup_timeout=1000)).env
    assert env["DFLWRAP_WORKERS"] == "3" and env["DFLWRAP_WEIGHTS_ON_CPU"] == "1"
    assert float(env["DFLWRAP_FRAME_TIMEOUT"]) < 100, "the agent acts before the supervisor does"
    assert float(env["DFLWRAP_STARTUP_TIMEOUT"]) < 1000
    assert env["DFLWRAP_EVENTS"] == "events.jsonl"


def test_the_plans_own_environment_has_the_last_word() -> None:
    assert launch(Plan(env={"TF_CPP_MIN_LOG_LEVEL": "0"})).env["TF_CPP_MIN_LOG_LEVEL"] == "0"


def test_a_windows_build_has_its_own_folders_first_on_path() -> None:
    made = launch(Plan(), environ={"PATH": "/usr/bin"}, layout="windows-build")
    assert made.env["PATH"].startswith(str(Path(made.argv[0]).parent))
    assert made.env["PATH"].endswith("/usr/bin")
