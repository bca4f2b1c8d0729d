"""The folders: room, permission, and names that make trouble."""

from __future__ import annotations

import re
from pathlib import Path

from dflwrap.common.memory import GIB
from dflwrap.common.storage import LONGEST_PATH, out_of_inodes, short_of_inodes
from dflwrap.common.text import display
from dflwrap.doctor.check import Answer, Check
from dflwrap.doctor.machine import FULL, Machine, existing
from dflwrap.telemetry.host import free_space

LEAST_FREE = 200 * 1024**2
LITTLE_FREE = 2 * GIB
"""About 10,000 faces of 512 pixels with their run folder."""
BELOW_OUTPUT = len("_dflwrap/attempts/0001/out_debug/") + 40
"""Characters that the run folder and a file in it add to the output folder's path."""
FILE_SYSTEM = r"SYSTEM\CurrentControlSet\Control\FileSystem"
_CLOUDS = re.compile(
    r"^(?:OneDrive|Dropbox|Google ?Drive|My Drive|iCloud ?Drive|Mobile Documents|Nextcloud|ownCloud|pCloud ?Drive|MEGA|"
    r"Box(?: Sync)?|Creative Cloud Files|Yandex\.?Disk)\b",
    re.IGNORECASE,
)
_HARD = re.compile(r"[&^%!;`$\"<>|*?\x00-\x1f]")
_SYSTEM_FOLDERS = re.compile(r"^(?:Program Files(?: \(x86\))?|Windows|ProgramData)$", re.IGNORECASE)


class DiskSpace(Check):
    """Is there room?"""

    id = "disk-space"

    def look(self, machine: Machine) -> Answer:
        full, little, told = [], [], []
        for name, folder in machine.folders.items():
            free = free_space(folder)
            error = machine.writable[name]
            shown = f"{name} ({display(str(folder))})"
            if free is not None:
                shown += f": {free / GIB:.1f} GiB free"
            if error is not None and error.errno in FULL:
                full.append(f"{shown}: {error.strerror}")
            elif free is not None and free < LEAST_FREE:
                full.append(shown)
            elif free is not None and free < LITTLE_FREE:
                little.append(shown)
            else:
                told.append(shown)
        if full:
            return self.failure(f"{'; '.join(full)}.")
        if little:
            return self.warning(f"{'; '.join(little)}.")
        return self.ok(f"{'; '.join(told)}.")


class DiskInodes(Check):
    """Is there room for as many files?"""

    id = "disk-inodes"

    def look(self, machine: Machine) -> Answer:
        for name, folder in machine.folders.items():
            if out_of_inodes(folder):
                return self.failure(f"{name} ({display(str(folder))}): no further file can be made.")
            if short_of_inodes(folder):
                return self.warning(f"{name} ({display(str(folder))}): only a few more files can be made.")
        return self.ok("As many files as needed can be made.")


class WritePermission(Check):
    """May it write?"""

    id = "write-permission"

    def look(self, machine: Machine) -> Answer:
        bad = []
        for name, error in machine.writable.items():
            if error is not None and error.errno not in FULL:
                place = display(str(existing(machine.folders[name])))
                bad.append(f"{name} ({place}): {error.strerror or error}")
        if bad:
            return self.failure(f"Not writable: {'; '.join(bad)}.")
        return self.ok("Files can be made where they are needed.")


def _paths(machine: Machine) -> dict[str, Path]:
    """Paths whose names may make trouble, by a word for each."""
    found = {"output": machine.output_dir}
    if machine.input_dir is not None:
        found["frames"] = machine.input_dir
    if machine.install is not None:
        found["DeepFaceLab"] = machine.install.main.parent
        found["its Python"] = machine.install.python
    return {name: path.absolute() for name, path in found.items()}


def _those(machine: Machine, pattern: re.Pattern[str]) -> str:
    """ "output (/data/a & b)" of the paths with a part in which `pattern` is found; "" for none."""
    hits = [
        f"{name} ({display(str(path))})"
        for name, path in _paths(machine).items()
        if any(pattern.search(part) for part in path.parts[1:])
    ]
    return "; ".join(hits)


class PathCharacters(Check):
    """Characters that a command line takes for its own."""

    id = "path-special-characters"

    def look(self, machine: Machine) -> Answer:
        found = _those(machine, _HARD)
        if found:
            return self.warning(f"{found}: DeepFaceLab's own scripts break on such characters.")
        return self.ok("No special character in the paths.")


class PathSpaces(Check):
    """Spaces."""

    id = "path-spaces"

    def look(self, machine: Machine) -> Answer:
        found = _those(machine, re.compile(" "))
        return self.note(f"There are spaces in {found}.") if found else self.ok("No space in the paths.")


class PathNonAscii(Check):
    """Letters that not every program can read."""

    id = "path-non-ascii"

    def look(self, machine: Machine) -> Answer:
        found = _those(machine, re.compile(r"[^\x00-\x7f]"))
        return self.note(f"Letters outside ASCII: {found}.") if found else self.ok("The paths are ASCII.")


class PathCloud(Check):
    """Folders that a cloud program moves about."""

    id = "path-cloud-sync"

    def look(self, machine: Machine) -> Answer:
        found = _those(machine, _CLOUDS)
        if found:
            return self.warning(f"Synchronised with a cloud: {found}.")
        return self.ok("No synchronised folder.")


class PathSystemFolder(Check):
    """Folders that Windows protects."""

    id = "path-program-files"

    def look(self, machine: Machine) -> Answer:
        found = _those(machine, _SYSTEM_FOLDERS)
        if found:
            return self.warning(f"In a folder that Windows protects: {found}.")
        return self.ok("No protected folder.")


class PathLength(Check):
    """Is there room for names?"""

    id = "path-length"

    def look(self, machine: Machine) -> Answer:
        if machine.windows is None:
            return self.skipped("Windows only.")
        if machine.windows.value(FILE_SYSTEM, "LongPathsEnabled") == 1:
            return self.ok("Long paths are allowed.")
        longest = len(str(machine.output_dir.absolute())) + BELOW_OUTPUT
        told = f"A run makes paths of about {longest} characters; Windows takes {LONGEST_PATH}."
        return self.warning(told) if longest > LONGEST_PATH else self.ok(told)
