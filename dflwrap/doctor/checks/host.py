"""The machine beside the card: AVX, memory, sleep, display, shared memory, antivirus."""

from __future__ import annotations

import importlib
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil

from dflwrap.common.memory import GIB
from dflwrap.common.trees import is_folder
from dflwrap.diagnosis.tables.fit import table, version
from dflwrap.doctor.check import Answer, Check
from dflwrap.doctor.machine import Machine
from dflwrap.planning.fit import ASSUMED_CPU_RAM, ASSUMED_GPU_RAM, RAM_RESERVE
from dflwrap.telemetry.limits import usable_memory

COMMIT_PER_WORKER = 4 * GIB
"""What a worker with a card reserves; users of Windows report 2 to 4 GB each (the cause paging-file-too-small)."""
LEAST_ADDRESSES = 8 * GIB
SETTINGS_BOUND = 2.0
"""Seconds for a program that tells a setting."""
SMALL_SHM = 64 * 1024**2
"""What a container gets by default."""
DEFENDER = r"SOFTWARE\Microsoft\Windows Defender"
_KIB = 1024


class CpuAvx(Check):
    """Can the CPU run it?"""

    id = "cpu-avx"

    def look(self, machine: Machine) -> Answer:
        if platform.machine().lower() not in ("x86_64", "amd64", "x86", "i686"):
            return self.skipped(f"{platform.machine()} is no x86 CPU.")
        has = _has_avx(machine)
        if has is None:
            return self.skipped("This system does not tell.")
        if has:
            return self.ok("The CPU has AVX.")
        product, release = machine.release if machine.install is not None else ("", "")
        rule = table().system("any-cpu")
        if product and rule is not None and version(release)[:2] <= version(rule.last[1]):
            return self.ok(f"The CPU has no AVX; {product} {release} needs none.")
        return self.failure("The CPU has no AVX, and TensorFlow from 1.6 on needs it.")


def _has_avx(machine: Machine) -> bool | None:
    if machine.windows is not None:
        return machine.windows.has_avx()
    flags = re.search(r"^flags\s*:(.*)$", machine.read("proc/cpuinfo"), re.MULTILINE)
    if flags:
        return "avx" in flags[1].split()
    if machine.system == "macos":
        said = _said(["sysctl", "-n", "machdep.cpu.features"])
        return "AVX1.0" in said if said else None
    return None


def _said(command: list[str]) -> str:
    """What a program of the system prints; "" where it is not there or does not answer."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=SETTINGS_BOUND, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace")


class Ram(Check):
    """Is there enough RAM?"""

    id = "memory"

    def look(self, machine: Machine) -> Answer:
        memory = usable_memory()
        told = f"{memory.available / GIB:.1f} of {memory.total / GIB:.1f} GiB of RAM are free."
        if memory.available < ASSUMED_CPU_RAM * 0.8:
            return self.failure(f"{told} One worker alone needs about 1 GiB.")
        if memory.available < ASSUMED_GPU_RAM + RAM_RESERVE // 2:
            return self.warning(told)
        return self.ok(told)


class PageFile(Check):
    """May enough memory be promised?"""

    id = "page-file"

    def look(self, machine: Machine) -> Answer:
        if machine.windows is not None:
            commit = machine.windows.commit()
            if commit is None:
                return self.skipped("Windows does not tell.")
            return self._told(*commit, "RAM and page file together")
        bound = _address_limit()
        if bound is not None and bound < LEAST_ADDRESSES:
            return self.warning(
                f"Processes are limited to {bound / GIB:.1f} GiB of addresses (ulimit -v); TensorFlow needs more."
            )
        if machine.read("proc/sys/vm/overcommit_memory").strip() == "2":
            figures = dict(re.findall(r"^(\w+):\s+(\d+) kB", machine.read("proc/meminfo"), re.MULTILINE))
            limit, used = (int(figures.get(name, 0)) * _KIB for name in ("CommitLimit", "Committed_AS"))
            return self._told(limit, max(0, limit - used), "memory in all (vm.overcommit_memory=2)")
        return self.ok("No limit but memory itself.")

    def _told(self, limit: int, free: int, what: str) -> Answer:
        told = f"{free / GIB:.1f} of {limit / GIB:.1f} GiB may still be reserved ({what})."
        return self.warning(told) if free < COMMIT_PER_WORKER else self.ok(told)


def _address_limit() -> int | None:
    """Bytes; None without one. POSIX only."""
    if sys.platform == "win32":
        return None
    resource = importlib.import_module("resource")
    soft = int(resource.getrlimit(resource.RLIMIT_AS)[0])
    return None if soft == resource.RLIM_INFINITY else soft


class SharedMemory(Check):
    """Can processes share memory?"""

    id = "shared-memory"

    def look(self, machine: Machine) -> Answer:
        if machine.system not in ("linux", "wsl"):
            return self.skipped("Linux only.")
        folder = machine.root / "dev/shm"
        if not is_folder(folder):
            return self.failure("There is no /dev/shm.")
        try:
            with tempfile.TemporaryFile(dir=folder, prefix="dflwrap-doctor-") as file:
                file.write(b"\0" * 4096)
                file.flush()
        except OSError as error:
            return self.failure(f"{folder} cannot be written: {error.strerror or error}.")
        usage = psutil.disk_usage(str(folder))
        told = f"{folder} has {usage.free / 1024**2:,.0f} MiB free."
        return self.note(told) if usage.free < SMALL_SHM // 2 else self.ok(told)


class Display(Check):
    """Can a window be opened?"""

    id = "display"

    def look(self, machine: Machine) -> Answer:
        headless = "opencv-python-headless" in machine.versions if machine.install is not None else False
        if headless and "opencv-python" not in machine.versions:
            return self.note("DeepFaceLab's Python has the headless OpenCV, which opens no window.")
        if machine.system not in ("linux", "wsl"):
            return self.ok("Windows can be opened.")
        if machine.environ.get("DISPLAY") or machine.environ.get("WAYLAND_DISPLAY"):
            return self.ok("There is a display.")
        return self.note("There is no display: manual extraction is not possible here.")


class SleepSettings(Check):
    """Will it stay awake?"""

    id = "sleep-settings"

    def look(self, machine: Machine) -> Answer:
        minutes = _sleeps_after(machine)
        if minutes is None:
            return self.skipped("This system does not tell.")
        if minutes:
            return self.note(
                f"The computer goes to sleep after {minutes:g} minutes; extract keeps it awake while it runs."
            )
        return self.ok("It does not go to sleep by itself.")


def _sleeps_after(machine: Machine) -> float | None:
    """Minutes, on mains power; 0 = never."""
    if machine.windows is not None:
        return windows_sleep(machine.windows.power_settings())
    if machine.system == "macos":
        return mac_sleep(_said(["pmset", "-g", "custom"]))
    if machine.system == "linux":
        base = ["gsettings", "get", "org.gnome.settings-daemon.plugins.power"]
        return gnome_sleep(
            _said([*base, "sleep-inactive-ac-type"]), _said([*base, "sleep-inactive-ac-timeout"])
        )
    return None


def windows_sleep(said: str) -> float | None:
    """Of powercfg: the last two numbers are seconds on mains and on battery, in hexadecimal, in every language."""
    numbers = re.findall(r"0x([0-9a-fA-F]{8})", said)
    return int(numbers[-2], 16) / 60 if len(numbers) >= 2 else None


def mac_sleep(said: str) -> float | None:
    """Of pmset: `sleep` in minutes, in the part on mains power."""
    found = re.search(r"^\s+sleep\s+(\d+)", said.rpartition("AC Power")[2], re.MULTILINE)
    return float(found[1]) if found else None


def gnome_sleep(kind: str, timeout: str) -> float | None:
    """Of gsettings: what is done, and after how many seconds."""
    if not kind.strip():
        return None
    seconds = re.search(r"\d+", timeout)
    if "nothing" in kind or seconds is None:
        return 0.0
    return int(seconds[0]) / 60


class Antivirus(Check):
    """Does an antivirus look at every file?"""

    id = "antivirus"

    def look(self, machine: Machine) -> Answer:
        windows = machine.windows
        if windows is None:
            return self.skipped("Windows only.")
        if windows.value(rf"{DEFENDER}\Real-Time Protection", "DisableRealtimeMonitoring") == 1:
            return self.ok("Windows Defender's real-time protection is off.")
        key = rf"{DEFENDER}\Exclusions\Paths"
        if all(
            any(windows.value(key, str(above)) is not None for above in (place, *place.parents))
            for place in self._places(machine)
        ):
            return self.ok("The folders are excluded from Windows Defender's checks.")
        return self.note(
            "Windows Defender checks each file that is written (exclusions can be read by administrators only)."
        )

    def _places(self, machine: Machine) -> list[Path]:
        install = [machine.install.main.parent] if machine.install is not None else []
        return [machine.output_dir, *install]


class ControlledFolders(Check):
    """May programs write where they are asked to?"""

    id = "controlled-folder-access"

    def look(self, machine: Machine) -> Answer:
        windows = machine.windows
        if windows is None:
            return self.skipped("Windows only.")
        key = rf"{DEFENDER}\Windows Defender Exploit Guard\Controlled Folder Access"
        if windows.value(key, "EnableControlledFolderAccess") == 1:
            return self.warning("Controlled folder access is on.")
        return self.ok("Controlled folder access is off.")
