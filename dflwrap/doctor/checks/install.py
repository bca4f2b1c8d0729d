"""The install itself: is there one, which, is it whole."""

from __future__ import annotations

from dflwrap.common.trees import is_file
from dflwrap.doctor.check import Answer, Check
from dflwrap.doctor.machine import Machine

STOCK = "DeepFaceLab"
_FILES = (
    "mainscripts/Extractor.py", "facelib/S3FDExtractor.py", "facelib/FANExtractor.py", "facelib/FaceType.py",
    "facelib/LandmarksProcessor.py", "core/leras/nn.py", "core/leras/device.py", "core/joblib/SubprocessorBase.py",
    "core/imagelib/__init__.py", "core/interact/interact.py", "core/cv2ex.py", "core/pathex.py", "DFLIMG/DFLJPG.py",
)  # fmt: skip
"""Of those that an extraction loads, one from each folder at least."""


class DflInstall(Check):
    """Is there a DeepFaceLab?"""

    id = "dfl-install"

    def look(self, machine: Machine) -> Answer:
        if machine.install is not None:
            return self.ok(machine.install.title)
        if machine.install_fault:
            return self.failure(machine.install_fault)
        if machine.builtin:
            return self.warning(
                "No DeepFaceLab was found near here; the built-in extractor will do the work."
            )
        fix = f"{self.fix} Or install the built-in extractor: dflwrap setup builtin."
        return self.failure(
            "No DeepFaceLab was found near here, and no built-in extractor is installed.", fix
        )


class DflVersion(Check):
    """Which one?"""

    id = "dfl-version"

    def look(self, machine: Machine) -> Answer:
        install = machine.install
        if install is None:
            return self.skipped("There is no DeepFaceLab to look at.")
        fork = install.facts.get("fork", STOCK)
        if fork != STOCK:
            return self.note(f"{install.version} is a fork of DeepFaceLab.")
        return self.ok(f"{install.version}, {install.layout.replace('-', ' ')}")


class DflFiles(Check):
    """Is it whole?"""

    id = "dfl-files"

    def look(self, machine: Machine) -> Answer:
        folder = machine.sources
        if folder is None:
            return self.skipped("There is no DeepFaceLab to look at.")
        if machine.install is not None and machine.install.facts.get("fork", STOCK) != STOCK:
            return self.skipped("A fork lays its files out in its own way.")
        lacking = [name for name in _FILES if not is_file(folder / name)]
        if len(lacking) > len(_FILES) // 2:
            return self.skipped("Its files are laid out in another way than those of the stock DeepFaceLab.")
        if lacking:
            return self.failure(f"Files are missing in {folder}: {', '.join(lacking)}.")
        return self.ok(f"The {len(_FILES)} files looked for are there.")


class Builtin(Check):
    """Is there a second extractor?"""

    id = "builtin-extractor"

    def look(self, machine: Machine) -> Answer:
        if machine.builtin:
            return self.ok("It is installed.")
        return self.note("It is not installed: nothing can take over where DeepFaceLab cannot go on.")
