"""A DeepFaceLab with a Python of its own and made-up packages, and machines around it: real folders, real processes."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support import find_python

from dflwrap.common.plan import ExtractOptions
from dflwrap.doctor.check import Answer, Result
from dflwrap.doctor.checks import models
from dflwrap.doctor.checks.models import Model
from dflwrap.doctor.machine import Machine
from dflwrap.doctor.registry import CHECKS
from dflwrap.doctor.running import run_checks
from dflwrap.telemetry.base import DeviceDescription, DeviceSample, GpuReader, NoGpu, ProcessMemory

SOURCES = {
    "main.py": "",
    "mainscripts/Extractor.py": "",
    "facelib/S3FDExtractor.py": "x = boxes.astype(np.int)\n",
    "facelib/FANExtractor.py": "",
    "facelib/FaceType.py": "",
    "facelib/LandmarksProcessor.py": "",
    "core/leras/nn.py": "import tensorflow as tf\n",
    "core/leras/device.py": "",
    "core/joblib/SubprocessorBase.py": "",
    "core/imagelib/__init__.py": "",
    "core/interact/interact.py": "",
    "core/cv2ex.py": "",
    "core/pathex.py": "",
    "DFLIMG/DFLJPG.py": "",
}
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:b4894ecfba8e\nsize 89840843\n"
TENSORFLOW = """
class test:
    @staticmethod
    def is_built_with_cuda():
        return {with_cuda}
class config:
    @staticmethod
    def list_physical_devices(kind):
        return [type("Device", (), {{"name": kind}})] * ({devices} if kind == "GPU" else 0)
class sysconfig:
    @staticmethod
    def get_build_info():
        return {{"cuda_version": "11.2", "cudnn_version": "8"}}
class Session: pass
__version__ = "{release}"
"""
GIB = 1024**3


@dataclass
class Dfl:
    """A made-up install."""

    root: Path
    python: Path | None
    site: Path

    def package(self, name: str, release: str, text: str = "", module: str = "") -> None:
        """Install a made-up package, in place of another version of it."""
        for old in self.site.glob(f"{name}-*.dist-info"):
            shutil.rmtree(old)
        folder = self.site / (module or name)
        folder.mkdir(exist_ok=True)
        (folder / "__init__.py").write_text(text)
        (self.site / f"{name}-{release}.dist-info").mkdir()

    def remove(self, name: str) -> None:
        shutil.rmtree(self.site / name)
        for info in self.site.glob(f"{name}-*.dist-info"):
            shutil.rmtree(info)

    def tensorflow(self, text: str = "", *, with_cuda: bool = True, devices: int = 0) -> None:
        text = text or TENSORFLOW.format(with_cuda=with_cuda, devices=devices, release=RELEASE)
        self.package("tensorflow", RELEASE, text)


PYTHON = find_python("3.8") or sys.executable
RELEASE = "2.16.1" if PYTHON is sys.executable else "2.8.0"
"""A TensorFlow that was made for that Python."""


def make_dfl(folder: Path) -> Dfl:
    """A whole one, in the folder `DeepFaceLab` of `folder`."""
    root = folder / "DeepFaceLab"
    for name, text in SOURCES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for name in ("S3FD.npy", "2DFAN.npy", "3DFAN.npy"):
        (root / "facelib" / name).write_bytes(b"\x80\x04" + name.encode() * 100 + b".")
    (root / "requirements-cuda.txt").write_text(f"numpy==1.22.3\ntensorflow=={RELEASE}\n")
    venv = folder / "python"
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", str(venv)], check=True, timeout=120)
    site = next(iter([*venv.glob("lib/python3*/site-packages"), *venv.glob("Lib/site-packages")]))
    made = Dfl(root, venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python"), site)
    for name in ("scipy", "tqdm", "colorama", "numexpr"):
        made.package(name, "1.0")
    made.package("numpy", "1.22.3")
    made.package("opencv_python", "4.5.5", module="cv2")
    made.tensorflow()
    return made


def ship_models(monkeypatch: pytest.MonkeyPatch, dfl: Dfl) -> None:
    """Let the table of models be that of the made-up files: the real ones cannot be had here."""
    made = []
    for model in models.MODELS:
        data = (dfl.root / "facelib" / model.name).read_bytes()
        made.append(Model(model.name, len(data), hashlib.sha256(data).hexdigest(), model.use))
    monkeypatch.setattr(models, "MODELS", tuple(made))


@dataclass
class MadeWindows:
    """A Windows with these settings."""

    values: dict[tuple[str, str], int | str] = field(default_factory=dict)
    memory: tuple[int, int] | None = (64 * GIB, 40 * GIB)
    avx: bool | None = True
    powercfg: str = ""

    def value(self, key: str, name: str) -> int | str | None:
        return self.values.get((key, name))

    def commit(self) -> tuple[int, int] | None:
        return self.memory

    def has_avx(self) -> bool | None:
        return self.avx

    def power_settings(self) -> str:
        return self.powercfg


class MadeCards:
    """A driver that lists these cards."""

    why_not = None

    def __init__(
        self,
        *names: str,
        driver: str = "580.65.06",
        total: int = 12 * GIB,
        free: int = 11 * GIB,
        processes: tuple[ProcessMemory, ...] | None = (),
    ) -> None:
        self.described = tuple(
            DeviceDescription(index, name, f"GPU-{index}", total, driver, False)
            for index, name in enumerate(names)
        )
        self.samples = tuple(
            DeviceSample(index, name, total=total, used=total - free, free=free, processes=processes)
            for index, name in enumerate(names)
        )

    def describe(self) -> tuple[DeviceDescription, ...]:
        return self.described

    def sample(self) -> tuple[DeviceSample, ...]:
        return self.samples

    def close(self) -> None:
        return


def no_card() -> GpuReader:
    return NoGpu("no NVIDIA driver is installed here")


@dataclass
class Place:
    """Where an extraction would run."""

    folder: Path
    dfl: Dfl | None
    cards: GpuReader | None = None
    windows: MadeWindows | None = None
    output: Path | None = None
    root: Path = Path("/")
    system: str = ""
    environ: dict[str, str] = field(default_factory=lambda: {**os.environ, "DISPLAY": ":0"})
    asked: ExtractOptions | None = None

    def machine(self) -> Machine:
        return Machine(
            self.environ,
            self.folder,
            dfl_root=self.dfl.root if self.dfl else None,
            dfl_python=self.dfl.python if self.dfl else None,
            output_dir=self.output or self.folder / "aligned",
            asked=self.asked,
            open_reader=lambda: self.cards or no_card(),
            windows=self.windows,
            system=self.system,
            root=self.root,
        )

    def look(self, *only: str) -> dict[str, Answer]:
        """The answers of the checks with these ids, or of all."""
        checks = [check for check in CHECKS if not only or check.id in only]
        return {check.id: answer for check, answer in run_checks(checks, self.machine())}

    def findings(self) -> dict[str, Result]:
        """What is neither well nor skipped."""
        return {
            name: answer.result
            for name, answer in self.look().items()
            if answer.result not in (Result.OK, Result.SKIPPED)
        }
