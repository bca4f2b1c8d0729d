"""Every check, in the order in which they are asked and shown."""

from __future__ import annotations

from dflwrap.doctor.check import Check
from dflwrap.doctor.checks.cards import GpuDriver, GpuMemory, GpuPrograms, GpuTimeout
from dflwrap.doctor.checks.host import (
    Antivirus,
    ControlledFolders,
    CpuAvx,
    Display,
    PageFile,
    Ram,
    SharedMemory,
    SleepSettings,
)
from dflwrap.doctor.checks.install import Builtin, DflFiles, DflInstall, DflVersion
from dflwrap.doctor.checks.models import ModelContents, ModelFiles
from dflwrap.doctor.checks.places import (
    DiskInodes,
    DiskSpace,
    PathCharacters,
    PathCloud,
    PathLength,
    PathNonAscii,
    PathSpaces,
    PathSystemFolder,
    WritePermission,
)
from dflwrap.doctor.checks.python import DflPackages, DflPython, PackageTraps
from dflwrap.doctor.checks.tensorflow import OpencvImport, TensorflowFit, TensorflowGpu, TensorflowImport

CHECKS: tuple[Check, ...] = (
    *(DflInstall(), DflVersion(), DflFiles(), DflPython(), DflPackages(), PackageTraps(), OpencvImport()),
    *(ModelFiles(), ModelContents(), Builtin()),
    *(GpuDriver(), GpuMemory(), GpuPrograms(), GpuTimeout()),
    *(TensorflowImport(), TensorflowGpu(), TensorflowFit()),
    *(CpuAvx(), Ram(), PageFile(), SharedMemory(), Display(), SleepSettings(), Antivirus(), ControlledFolders()),
    *(DiskSpace(), DiskInodes(), WritePermission(), PathCharacters(), PathSpaces(), PathNonAscii()),
    *(PathCloud(), PathSystemFolder(), PathLength()),
)  # fmt: skip


def by_id() -> dict[str, Check]:
    """The checks by their ids."""
    return {check.id: check for check in CHECKS}
