"""What the checks look at: each thing is found out once, when the first check asks for it."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import platformdirs

from dflwrap.common.errors import DflwrapError
from dflwrap.common.plan import ExtractOptions
from dflwrap.common.trees import is_folder
from dflwrap.doctor.asking import Asked, ask
from dflwrap.doctor.windows import Windows, here
from dflwrap.extractors.builtin.parts import is_complete
from dflwrap.extractors.deepfacelab import DflInstall, NoPythonError, find_install, without_python
from dflwrap.telemetry.base import DeviceDescription, DeviceSample, GpuReader
from dflwrap.telemetry.gpu import open_gpu

PACKAGES_BOUND = 20.0
ENGINE_BOUND = 120.0
"""Seconds. On a slow disk, with an antivirus, TensorFlow takes a minute to be imported."""
NEEDED = ("numpy", "cv2", "scipy", "tqdm", "colorama", "numexpr")
"""Modules that an extraction of DeepFaceLab imports (seen: sys.modules at its first frame), beside its engine."""
FULL = frozenset(getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EFBIG") if hasattr(errno, name))
"""Of a write that found no room; EFBIG is a limit on the size of files."""
_ENGINES = (
    *("tensorflow-directml", "tensorflow-directml-plugin"),
    *("tensorflow-gpu", "tensorflow", "tensorflow-cpu"),
)
"""Packages of TensorFlow; the first that is there counts."""
PROBE_BYTES = 256 * 1024
"""A face of 512 pixels; so much must fit at least."""


@dataclass(frozen=True, slots=True)
class Cards:
    """The NVIDIA cards, as their driver tells."""

    described: tuple[DeviceDescription, ...]
    samples: tuple[DeviceSample, ...]
    why_not: str
    """Why there is none; "" where there is one."""

    @property
    def driver(self) -> str:
        return next((card.driver for card in self.described), "")


class Machine:
    """One machine, one install, one pair of folders."""

    def __init__(
        self,
        environ: Mapping[str, str],
        cwd: Path | None,
        *,
        dfl_root: Path | None = None,
        dfl_python: Path | None = None,
        input_dir: Path | None = None,
        output_dir: Path | None = None,
        asked: ExtractOptions | None = None,
        open_reader: Callable[[], GpuReader] = open_gpu,
        windows: Windows | None = None,
        system: str = "",
        root: Path = Path("/"),
    ) -> None:
        """asked: of the run that the checks are for, where there is one.

        system: "linux", "windows", "wsl" or "macos"; by default this one's. root: of /proc, /sys and /dev.
        """
        self.environ, self.cwd, self.root = environ, cwd, root
        self._dfl_root, self._dfl_python = dfl_root, dfl_python
        self._input, self._output = input_dir, output_dir
        self.asked = asked
        self._open_reader = open_reader
        self.windows = windows if windows is not None else here()
        self.system = system or _system(root)

    @cached_property
    def _found(self) -> tuple[DflInstall | None, str, Path | None]:
        """The install; what is wrong where there is none; and the folder of its sources, also without a Python."""
        try:
            found = find_install(self._dfl_root, self._dfl_python, self.environ, self.cwd)
        except NoPythonError as error:
            return None, str(error), error.folder
        except DflwrapError as error:
            return None, str(error), None
        if found is not None:
            return found, "", found.main.parent
        lying = without_python(self.environ, self.cwd)
        if lying is not None:
            return None, f"DeepFaceLab is in {lying}, but the Python that runs it was not found.", lying
        return None, "", None

    @property
    def install(self) -> DflInstall | None:
        return self._found[0]

    @property
    def sources(self) -> Path | None:
        """The folder of DeepFaceLab's main.py, also where no Python runs it."""
        return self._found[2]

    @property
    def install_fault(self) -> str:
        """Why an install that is there, or was named, cannot be used; "" where there is none at all."""
        return self._found[1]

    @cached_property
    def builtin(self) -> bool:
        """Whether the built-in extractor is installed."""
        return is_complete()

    @cached_property
    def engine(self) -> str:
        """ "tensorflow" or "torch", by what the install's sources import; "" where they do not tell."""
        if self.install is None:
            return ""
        core = self.install.main.parent / "core"
        text = "".join(self.source(path) for path in (core / "leras" / "nn.py", core / "leras" / "device.py"))
        if "import tensorflow" in text:
            return "tensorflow"
        return "torch" if "import torch" in text else ""

    def source(self, path: Path) -> str:
        """A source file of the install as text; "" where there is none."""
        try:
            with path.open("rb") as file:
                return file.read(1 << 20).decode("utf-8", "replace")
        except OSError:
            return ""

    @cached_property
    def packages(self) -> Asked | None:
        """What the install's Python is and has; None without an install."""
        if self.install is None:
            return None
        modules = (*NEEDED, self.engine) if self.engine else ()
        return ask(self.install, ("packages", *modules), self.environ, PACKAGES_BOUND)

    @property
    def versions(self) -> dict[str, str]:
        """Installed packages, by name; from the install's files where its Python does not answer."""
        if self.install is None:
            return {}
        asked = self.packages
        if asked is not None and asked.answer is not None:
            found: dict[str, str] = asked.answer["packages"]
            return found
        return dict(self.install.facts)

    @property
    def release(self) -> tuple[str, str]:
        """(product as the table of fit names it, release) of what computes; ("", "") where it is not known."""
        for name in _ENGINES:
            if name in self.versions:
                return name.removesuffix("-gpu").removesuffix("-cpu"), self.versions[name]
        return ("pytorch", self.versions["torch"]) if "torch" in self.versions else ("", "")

    @cached_property
    def engine_answer(self) -> Asked | None:
        """What the import of TensorFlow (PyTorch) says; None without one."""
        if self.install is None or not self.engine:
            return None
        return ask(self.install, ("engine", self.engine), self.environ, ENGINE_BOUND)

    @property
    def real_cuda(self) -> str:
        """The CUDA that the engine says it was built with, where it has been asked; "" otherwise."""
        asked: Asked | None = self.__dict__.get("engine_answer")
        return str(asked.answer.get("cuda") or "") if asked is not None and asked.answer is not None else ""

    @cached_property
    def opencv_answer(self) -> Asked | None:
        """What the import of OpenCV says; None without an install."""
        if self.install is None or not self.engine:
            return None
        return ask(self.install, ("import", "cv2"), self.environ, PACKAGES_BOUND)

    @cached_property
    def cards(self) -> Cards:
        reader = self._open_reader()
        try:
            described = reader.describe()
            samples = reader.sample() if described else ()
            return Cards(described, samples, "" if described else reader.why_not or "it lists no card")
        finally:
            reader.close()

    @cached_property
    def output_dir(self) -> Path:
        """Where faces will be written: as given, else the workspace of the install, else the current folder."""
        if self._output is not None:
            return self._output
        if self._input is not None:
            return self._input / "aligned"
        for place in self._workspaces():
            if is_folder(place):
                return place
        return self.cwd or temp_folder()

    @property
    def input_dir(self) -> Path | None:
        return self._input

    def _workspaces(self) -> list[Path]:
        if self.install is None:
            return []
        folder = self.install.main.parent
        return [folder.parent.parent / "workspace", folder.parent / "workspace", folder / "workspace"]

    @cached_property
    def folders(self) -> dict[str, Path]:
        """Where an extraction writes, by a word for each."""
        return {
            "output": self.output_dir,
            "temporary files": temp_folder(),
            "dflwrap's cache": Path(platformdirs.user_cache_dir("dflwrap")),
        }

    @cached_property
    def writable(self) -> dict[str, OSError | None]:
        """For each of `folders` what a small file that was written there met with."""
        return {name: _try_write(existing(folder)) for name, folder in self.folders.items()}

    def read(self, path: str) -> str:
        """A file of /proc or /sys; "" where there is none."""
        try:
            return (self.root / path).read_text(encoding="ascii", errors="replace")
        except OSError:
            return ""


def temp_folder() -> Path:
    """Python's, also where it can use none."""
    try:
        return Path(tempfile.gettempdir())
    except OSError:
        return Path(os.environ.get("TEMP") or os.environ.get("TMPDIR") or "/tmp")  # noqa: S108


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next((place for place in (folder, *folder.parents) if is_folder(place)), folder)


def _try_write(folder: Path) -> OSError | None:
    """Write a file that has no name where the system knows such files, and is gone with this process anywhere."""
    try:
        with tempfile.TemporaryFile(dir=folder, prefix=".dflwrap-doctor-", buffering=0) as file:
            left = memoryview(bytes(PROBE_BYTES))
            while left:
                written = file.write(left)
                left = left[written:]
            os.fsync(file.fileno())
    except OSError as error:
        return error
    return None


def _system(root: Path) -> str:
    if sys.platform == "win32":
        return "windows"
    if sys.platform == "darwin":
        return "macos"
    try:
        release = (root / "proc/sys/kernel/osrelease").read_text(encoding="ascii", errors="replace")
    except OSError:
        release = ""
    return "wsl" if "microsoft" in release.lower() else "linux"
