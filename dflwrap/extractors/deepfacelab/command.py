"""The command line and the environment of one attempt with DeepFaceLab. Never a shell."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import platformdirs

from dflwrap.common.events import EVENTS_ENV
from dflwrap.common.plan import REPAIR_BOUND, AttemptSpec, Plan
from dflwrap.common.trees import is_folder, resolved
from dflwrap.extractors.base import Launch
from dflwrap.extractors.control_file import CONTROL_ENV, STREAM_ENV
from dflwrap.extractors.deepfacelab.install import DflInstall
from dflwrap.extractors.deepfacelab.known_options import InstallOption, answers
from dflwrap.extractors.deepfacelab.stock_environment import stock_environment

AGENT = Path(__file__).with_name("agent") / "start.py"
CUDA_CACHE_BYTES = 2_147_483_647
"""The size DeepFaceLab means to set (2 GiB - 1), under a name that CUDA does not know."""

_OURS = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONEXECUTABLE", "PYTHONWARNINGS", "PYTHONSAFEPATH")
"""Settings of the Python that runs dflwrap; in another Python's environment they break it."""
_BUILD_FOLDERS = ("CUDA", "CUDA/bin", "CUDNN", "CUDNN/bin", "ffmpeg")
"""Folders under `_internal` that a Windows build's setenv.bat puts on PATH."""


def build_launch(
    install: DflInstall,
    spec: AttemptSpec,
    environ: Mapping[str, str],
    *,
    black_box: bool,
    known: Mapping[str, InstallOption] | None = None,
) -> Launch:
    """black_box: main.py as it is, with debug pictures; otherwise under the agent. known: the install's options, where
    it was asked for them."""
    program = [str(install.main)] if black_box else [str(AGENT), str(install.main)]
    argv = (str(install.python), *program, *extract_arguments(spec, black_box=black_box, known=known))
    env = build_environment(install, spec, environ, black_box=black_box)
    return Launch(argv, env, str(install.main.parent))


def extract_arguments(
    spec: AttemptSpec, *, black_box: bool, known: Mapping[str, InstallOption] | None = None
) -> list[str]:
    """Every option that DeepFaceLab would otherwise ask for."""
    options = spec.options
    debug = options.output_debug or black_box
    arguments = ["extract", "--input-dir", spec.input_dir, "--output-dir", spec.output_dir]
    arguments += ["--detector", options.detector, "--face-type", options.face_type]
    arguments += ["--max-faces-from-image", str(options.max_faces_from_image)]
    arguments += ["--image-size", str(options.image_size), "--jpeg-quality", str(options.jpeg_quality)]
    arguments.append("--output-debug" if debug else "--no-output-debug")
    if spec.plan.devices:
        arguments += ["--force-gpu-idxs", ",".join(str(index) for index in spec.plan.devices)]
    else:
        arguments.append("--cpu-only")
    return [*arguments, *options.more, *answers(known or {}, options.more)]


def build_environment(
    install: DflInstall, spec: AttemptSpec, environ: Mapping[str, str], *, black_box: bool
) -> dict[str, str]:
    """The whole environment: that of the install, plus the plan."""
    plan = spec.plan
    env = install_environment(install, environ)
    env.update(_cuda_settings(env, on_cpu=not plan.devices))
    env.update(thread_settings(plan.threads))
    if not plan.devices:
        # DeepFaceLab then skips the listing of devices: 1.4 s, and a known place to hang.
        env.update({"NN_DEVICES_INITIALIZED": "1", "NN_DEVICES_COUNT": "0", "CUDA_VISIBLE_DEVICES": "-1"})
    else:
        env.pop("CUDA_VISIBLE_DEVICES", None)  # DeepFaceLab removes it too: indices are the machine's
    for name in (EVENTS_ENV, CONTROL_ENV):
        env.pop(name, None)
    if not black_box:
        env.update(_agent_settings(install, spec, plan))
    env.update(plan.env)
    return env


def install_environment(install: DflInstall, environ: Mapping[str, str]) -> dict[str, str]:
    """Of every process that an install's own Python runs: the user's, less what belongs to dflwrap's own Python, plus
    what DeepFaceLab's own scripts set, and a console in UTF-8."""
    stock = stock_environment(install, environ)
    env = {key: value for key, value in environ.items() if key.upper() not in {*_OURS, *stock}}
    env.update({key: value for key, value in stock.items() if value and key not in _OURS})
    if _same_folder(env.get("VIRTUAL_ENV"), sys.prefix):
        env.pop("VIRTUAL_ENV")
    env.update(_console_settings(environ))
    if install.layout == "windows-build" and "PATH" not in stock:
        env["PATH"] = _build_path(install, env.get("PATH", ""))
    return env


def _same_folder(first: str | None, second: str) -> bool:
    return first is not None and resolved(Path(first)) == resolved(Path(second))


def _console_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Unbuffered UTF-8 that no file name can break, and a traceback of a native crash on stderr."""
    settings = {
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8:backslashreplace",
        "PYTHONFAULTHANDLER": "1",
    }
    if os.name == "posix" and not _is_utf8(environ):
        settings["LC_ALL"] = "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"
    return settings


def _is_utf8(environ: Mapping[str, str]) -> bool:
    """The first of the three that is set decides, as in the C library."""
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        if environ.get(name):
            return environ[name].upper().replace("-", "").endswith("UTF8")
    return False


def cuda_cache_folder(environ: Mapping[str, str]) -> Path:
    """Where compiled GPU kernels are kept; DeepFaceLab insists on a folder of its own on Windows."""
    if sys.platform == "win32" and environ.get("APPDATA"):
        return Path(environ["APPDATA"]) / "NVIDIA"
    if environ.get("CUDA_CACHE_PATH"):
        return Path(environ["CUDA_CACHE_PATH"])
    return Path(platformdirs.user_cache_dir("dflwrap")) / "cuda"


def _cuda_settings(environ: Mapping[str, str], *, on_cpu: bool) -> dict[str, str]:
    settings = {
        "CUDA_CACHE_MAXSIZE": str(CUDA_CACHE_BYTES),
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # NVML's order, in which the plan names devices
        "TF_MIN_GPU_MULTIPROCESSOR_COUNT": "2",
        "TF_DIRECTML_KERNEL_CACHE_SIZE": "2500",
        "TF_CPP_MIN_LOG_LEVEL": "2" if on_cpu else "1",
    }
    if sys.platform != "win32":
        settings["CUDA_CACHE_PATH"] = str(cuda_cache_folder(environ))
    return settings


def thread_settings(threads: int) -> dict[str, str]:
    """Thread counts as TensorFlow 2.4 reads them (seen: both change its number of threads), and those of
    the linear-algebra libraries under NumPy. 0 = their own defaults."""
    if threads < 1:
        return {}
    names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
    return dict.fromkeys((*names, "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))


def _build_path(install: DflInstall, path: str) -> str:
    internal = install.main.parent.parent
    folders = [install.python.parent, install.python.parent / "Scripts"]
    folders += [internal / name for name in _BUILD_FOLDERS if is_folder(internal / name)]
    return os.pathsep.join([*(str(folder) for folder in folders), path])


def _below(startup_timeout: float) -> float:
    """Seconds for a worker's start, of the seconds for that of the attempt: before the first worker starts,
    the extractor's main process has to (10 s where it is slow)."""
    return max(0.5 * startup_timeout, min(0.9 * startup_timeout, startup_timeout - 10.0))


def _agent_settings(install: DflInstall, spec: AttemptSpec, plan: Plan) -> dict[str, str]:
    """What `agent.settings` reads. The agent's timeouts are shorter than the supervisor's, so that it is the
    agent that replaces a worker, not the supervisor that ends the attempt."""
    return {
        EVENTS_ENV: spec.events_path,
        CONTROL_ENV: spec.control_path,
        STREAM_ENV: "1" if spec.stream else "0",
        "DFLWRAP_DFL_VERSION": install.version,
        "DFLWRAP_REPAIRED": spec.repaired_dir,
        "DFLWRAP_REPAIR_TIMEOUT": str(REPAIR_BOUND),
        "DFLWRAP_WORKERS": str(plan.workers),
        "DFLWRAP_WEIGHTS_ON_CPU": "1" if plan.weights_on_cpu else "0",
        "DFLWRAP_TF_LOG_LEVEL": "1" if plan.devices else "2",
        "DFLWRAP_STARTUP_TIMEOUT": str(_below(plan.startup_timeout)),
        "DFLWRAP_FRAME_TIMEOUT": str(0.8 * plan.frame_timeout),
        "DFLWRAP_ENUM_TIMEOUT": str(min(600.0, 0.8 * plan.startup_timeout)),
    }
