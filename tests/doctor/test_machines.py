"""Windows by its settings, Linux by its files, and what hinders on each."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from surroundings import GIB, MadeWindows, Place

from dflwrap.doctor.check import Result
from dflwrap.doctor.checks.cards import GRAPHICS
from dflwrap.doctor.checks.host import DEFENDER, gnome_sleep, mac_sleep, windows_sleep
from dflwrap.doctor.checks.places import FILE_SYSTEM
from dflwrap.doctor.machine import _try_write
from dflwrap.doctor.windows import PF_AVX, MemoryStatus, RealWindows, adapters
from dflwrap.telemetry.limits import Memory

POWERCFG = """Subgroup GUID: 238c9fa8-0aad-41ed-83f4-97be242c8f20  (Sleep)
    Minimum Possible Setting: 0x00000000
    Maximum Possible Setting: 0xffffffff
  Current AC Power Setting Index: 0x%08x
  Current DC Power Setting Index: 0x00000384
"""
PMSET = (
    "Battery Power:\n sleep                1\nAC Power:\n displaysleep         10\n sleep                %d\n"
)
CONTROLLED = rf"{DEFENDER}\Windows Defender Exploit Guard\Controlled Folder Access"


@pytest.mark.parametrize(
    ("check", "windows", "result"),
    [
        ("gpu-timeout", MadeWindows(), "note"),
        ("gpu-timeout", MadeWindows({(GRAPHICS, "TdrDelay"): 60}), "ok"),
        ("gpu-timeout", MadeWindows({(GRAPHICS, "TdrLevel"): 0}), "ok"),
        ("antivirus", MadeWindows(), "note"),
        ("antivirus", MadeWindows({(rf"{DEFENDER}\Real-Time Protection", "DisableRealtimeMonitoring"): 1}), "ok"),
        ("controlled-folder-access", MadeWindows(), "ok"),
        ("controlled-folder-access", MadeWindows({(CONTROLLED, "EnableControlledFolderAccess"): 1}), "warning"),
        ("controlled-folder-access", MadeWindows({(CONTROLLED, "EnableControlledFolderAccess"): 2}), "ok"),
        ("sleep-settings", MadeWindows(powercfg=POWERCFG % 1800), "note"),
        ("sleep-settings", MadeWindows(powercfg=POWERCFG % 0), "ok"),
        ("sleep-settings", MadeWindows(), "skipped"),
        ("page-file", MadeWindows(memory=(16 * GIB, 2 * GIB)), "warning"),
        ("page-file", MadeWindows(memory=(48 * GIB, 30 * GIB)), "ok"),
        ("page-file", MadeWindows(memory=None), "skipped"),
        ("cpu-avx", MadeWindows(avx=False), "failure"),
        ("cpu-avx", MadeWindows(avx=None), "skipped"),
    ],
)  # fmt: skip
def test_windows(place: Place, check: str, windows: MadeWindows, result: str) -> None:
    place.windows, place.system = windows, "windows"
    assert place.look(check)[check].result == result


def test_exclusions_of_the_antivirus_count_for_what_lies_below(place: Place) -> None:
    key = (rf"{DEFENDER}\Exclusions\Paths", str(place.folder))
    place.windows = MadeWindows({key: 0})
    assert place.look("antivirus")["antivirus"].result is Result.OK


def test_long_paths_on_windows(place: Place) -> None:
    place.output = Path("/x" * 100) / "aligned"
    place.windows = MadeWindows()
    assert place.look("path-length")["path-length"].result is Result.WARNING
    place.windows = MadeWindows({(FILE_SYSTEM, "LongPathsEnabled"): 1})
    assert place.look("path-length")["path-length"].result is Result.OK


def test_elsewhere_windows_is_skipped(place: Place) -> None:
    for name in ("gpu-timeout", "antivirus", "controlled-folder-access", "path-length"):
        assert place.look(name)[name].result is Result.SKIPPED


def test_sleep_timers() -> None:
    assert windows_sleep(POWERCFG % 1800) == 30 and windows_sleep("powercfg: no such scheme") is None
    german = POWERCFG.replace("Current AC Power Setting Index", "Index der aktuellen Netzstromeinstellung")
    assert windows_sleep(german % 600) == 10
    assert mac_sleep(PMSET % 30) == 30 and mac_sleep(PMSET % 0) == 0 and mac_sleep("") is None
    assert gnome_sleep("'suspend'\n", "3600\n") == 60 and gnome_sleep("'nothing'\n", "3600\n") == 0
    assert gnome_sleep("", "") is None


def files(root: Path, **texts: str) -> Path:
    for name, text in texts.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_a_cpu_without_avx(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    place.root = files(tmp_path / "root", proc__cpuinfo="processor\t: 0\nflags\t\t: fpu sse sse2 sse4_2\n")
    assert place.look("cpu-avx")["cpu-avx"].result is Result.FAILURE
    files(place.root, proc__cpuinfo="flags\t\t: fpu sse avx avx2\n")
    assert place.look("cpu-avx")["cpu-avx"].result is Result.OK
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert place.look("cpu-avx")["cpu-avx"].result is Result.SKIPPED


def test_a_limit_on_overcommitting(place: Place, tmp_path: Path) -> None:
    info = "MemTotal: 8000000 kB\nCommitLimit:    %d kB\nCommitted_AS:   3000000 kB\n"
    place.root = files(
        tmp_path / "root", proc__sys__vm__overcommit_memory="2\n", proc__meminfo=info % 4_000_000
    )
    assert place.look("page-file")["page-file"].result is Result.WARNING
    files(place.root, proc__meminfo=info % 40_000_000)
    assert place.look("page-file")["page-file"].result is Result.OK


def test_shared_memory(place: Place, tmp_path: Path) -> None:
    place.root = files(tmp_path / "root", proc__x="")
    assert place.look("shared-memory")["shared-memory"].result is Result.FAILURE
    (place.root / "dev/shm").mkdir(parents=True)
    assert place.look("shared-memory")["shared-memory"].result is Result.OK
    assert list((place.root / "dev/shm").iterdir()) == []


@pytest.mark.parametrize(("free", "result"), [(16, "ok"), (2, "warning"), (0.5, "failure")])
def test_ram(place: Place, free: float, result: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measuring is telemetry's own business, with tests of its own."""
    from dflwrap.doctor.checks import host

    monkeypatch.setattr(host, "usable_memory", lambda: Memory(32 * GIB, int(free * GIB)))
    assert place.look("memory")["memory"].result == result


def test_a_display(place: Place) -> None:
    assert place.look("display")["display"].result is Result.OK
    place.environ = {k: v for k, v in place.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    place.system = "linux"
    assert place.look("display")["display"].result is Result.NOTE


class Registry(SimpleNamespace):
    """A stand-in for winreg, which exists on Windows only."""

    KEY_READ, KEY_WOW64_64KEY, HKEY_LOCAL_MACHINE = 0x20019, 0x100, "HKLM"

    def __init__(self, keys: dict[str, dict[str, Any]], denied: str = "") -> None:
        super().__init__(keys=keys, denied=denied)

    def OpenKey(self, top: str, key: str, reserved: int, access: int) -> Any:
        assert (top, reserved, access) == ("HKLM", 0, 0x20119)
        if key == self.denied:
            raise PermissionError(13, "Access is denied")
        if key not in self.keys:
            raise FileNotFoundError(2, "The system cannot find the file specified")
        return nullcontext(self.keys[key])

    def QueryValueEx(self, opened: dict[str, Any], name: str) -> tuple[Any, int]:
        if name not in opened:
            raise FileNotFoundError(2, "The system cannot find the file specified")
        return opened[name], 4


class Kernel:
    """A stand-in for kernel32."""

    def GlobalMemoryStatusEx(self, reference: Any) -> int:
        status = reference._obj
        if status.length != 64:
            return 0
        status.commit_limit, status.commit_free = 48 * GIB, 20 * GIB
        return 1

    def IsProcessorFeaturePresent(self, feature: int) -> int:
        return int(feature == 39)


def test_the_real_windows_by_stand_ins() -> None:
    keys = {GRAPHICS: {"TdrDelay": 60, "Blob": b"x"}}
    windows = RealWindows(Registry(keys, denied=DEFENDER), Kernel())
    assert windows.value(GRAPHICS, "TdrDelay") == 60
    assert windows.value(GRAPHICS, "TdrLevel") is None and windows.value(GRAPHICS, "Blob") is None
    assert windows.value(DEFENDER, "x") is None and windows.value("No", "x") is None
    assert windows.commit() == (48 * GIB, 20 * GIB) and windows.has_avx() is True
    assert adapters(windows) == []


@pytest.mark.windows
def test_the_real_windows_answers() -> None:
    windows = RealWindows()
    limit, free = windows.commit() or (0, 0)
    assert limit > free > 0 and windows.has_avx() is not None
    assert windows.value(r"SOFTWARE\Microsoft\Windows NT\CurrentVersion", "ProductName")


LAYOUT = r"""
#include <stdio.h>
#include <stddef.h>
#include <windows.h>
int main(void) {
  MEMORYSTATUSEX m; m.dwLength = sizeof m;
  int ok = GlobalMemoryStatusEx(&m);
  printf("%d %d %d %d %d\n", (int)sizeof m, (int)offsetof(MEMORYSTATUSEX, ullTotalPageFile),
    (int)offsetof(MEMORYSTATUSEX, ullAvailPageFile), PF_AVX_INSTRUCTIONS_AVAILABLE, ok);
  return 0;
}
"""
COMPILER = "x86_64-w64-mingw32-gcc"


@pytest.mark.skipif(
    shutil.which("wine") is None or shutil.which(COMPILER) is None,
    reason=f"NOT PROVEN HERE: needs wine and {COMPILER}",
)
def test_the_layout_is_that_of_windows_headers(tmp_path: Path) -> None:
    (tmp_path / "layout.c").write_text(LAYOUT)
    program = tmp_path / "layout.exe"
    command = [COMPILER, "-D_WIN32_WINNT=0x0a00", str(tmp_path / "layout.c"), "-o", str(program)]
    subprocess.run(command, check=True, timeout=120)
    env = {
        "WINEPREFIX": str(tmp_path / "wine"),
        "WINEDEBUG": "-all",
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
    }
    done = subprocess.run(["wine", str(program)], env=env, capture_output=True, text=True, timeout=300)
    fields = [int(word) for word in done.stdout.split()]
    offsets = [getattr(MemoryStatus, name).offset for name in ("commit_limit", "commit_free")]
    assert fields == [ctypes.sizeof(MemoryStatus), *offsets, PF_AVX, 1], done.stderr


@pytest.mark.posix
def test_the_trial_of_writing_leaves_nothing_in_the_faceset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where dflwrap is killed in the middle of it: the file has no name by then."""
    seen: list[list[str]] = []

    def look(descriptor: int) -> None:
        seen.append([path.name for path in tmp_path.iterdir()])

    monkeypatch.setattr(os, "fsync", look)
    assert _try_write(tmp_path) is None
    assert seen == [[]]
