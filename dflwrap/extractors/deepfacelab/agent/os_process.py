"""Processes, with no library: parent-death, CPU time and state, a kill that a stopped process obeys.

Linux reads /proc and has PR_SET_PDEATHSIG; Windows asks the kernel through ctypes; elsewhere (macOS) a
thread watches the parent, and CPU time is unknown (None), which callers take as "no information".
"""
# mypy: ignore-errors
# ruff: noqa: PTH118, PTH123

import os
import signal
import sys
import threading
import time

LINUX = sys.platform.startswith("linux")
WINDOWS = sys.platform == "win32"
PR_SET_PDEATHSIG = 1
HOST_PAUSE = 2.0
"""Seconds between two looks after which the host knows that it was itself stopped, or the whole machine."""


def die_with_parent(parent):
    """End this process when process `parent` is gone (0 = whoever is the parent now).

    On Linux the kernel does it, which also reaches a stopped process. That signal follows the *thread*
    that started this process: start it from one that lives as long. A parent that died before the call
    is noticed by its id, so no orphan slips through.
    """
    expected = parent or os.getppid()
    if LINUX:
        import ctypes

        try:
            ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        except (OSError, AttributeError):
            pass
        if os.getppid() != expected:
            os._exit(1)
    watch = _wait_for_handle if WINDOWS else _poll_parent
    threading.Thread(target=watch, args=(expected,), daemon=True).start()


def _poll_parent(expected):
    while os.getppid() == expected:
        time.sleep(1.0)
    os._exit(1)


def _wait_for_handle(pid):
    import ctypes

    kernel = ctypes.windll.kernel32
    kernel.OpenProcess.restype = ctypes.c_void_p
    handle = kernel.OpenProcess(0x00100000, False, pid)  # SYNCHRONIZE
    if handle:
        kernel.WaitForSingleObject(ctypes.c_void_p(handle), 0xFFFFFFFF)
        os._exit(1)


def cpu_and_state(pid):
    """(CPU seconds used so far, state letter) of a process; None for what is not known.

    State: Linux's letter ("R", "S", "D", "T" stopped, "Z" dead but not collected).
    """
    if LINUX:
        try:
            with open(f"/proc/{pid}/stat", "rb") as stream:
                fields = stream.read().rpartition(b")")[2].split()
            ticks = int(fields[11]) + int(fields[12])
            return ticks / float(os.sysconf("SC_CLK_TCK")), fields[0].decode("ascii")
        except (OSError, ValueError, IndexError):
            return None, None
    if WINDOWS:
        return _windows_cpu(pid), None
    return None, None


def _windows_cpu(pid):
    import ctypes

    kernel = ctypes.windll.kernel32
    kernel.OpenProcess.restype = ctypes.c_void_p
    handle = kernel.OpenProcess(0x1000, False, pid)  # PROCESS_QUERY_LIMITED_INFORMATION
    if not handle:
        return None
    times = [ctypes.c_ulonglong() for _ in range(4)]
    done = kernel.GetProcessTimes(ctypes.c_void_p(handle), *[ctypes.byref(value) for value in times])
    kernel.CloseHandle(ctypes.c_void_p(handle))
    return (times[2].value + times[3].value) / 1e7 if done else None


def available_memory():
    """Bytes of memory that can still be had; None where it is not known."""
    if LINUX:
        try:
            with open("/proc/meminfo", "rb") as stream:
                for line in stream:
                    if line.startswith(b"MemAvailable:"):
                        return int(line.split()[1]) * 1024
        except (OSError, ValueError, IndexError):
            pass
    if WINDOWS:
        import ctypes

        status = (ctypes.c_ulonglong * 8)()  # MEMORYSTATUSEX: two 32-bit fields, then seven of 64 bits
        ctypes.memmove(status, (64).to_bytes(4, "little"), 4)
        if ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
            return status[2]
    return None


def kill(process):
    """SIGKILL (TerminateProcess on Windows) a multiprocessing.Process; never waits."""
    try:
        if WINDOWS:
            process.terminate()
        elif process.pid is not None and process.exitcode is None:
            os.kill(process.pid, signal.SIGKILL)
    except (OSError, AttributeError):
        pass


def end(process, seconds):
    """Kill and collect; its exit status, or None when even that did not end it in `seconds`.

    A process inside a hanging driver call cannot be killed: it must not take the host with it.
    """
    kill(process)
    process.join(seconds)
    return process.exitcode


GROWTH_COUNTS = 30.0
"""Seconds for which growth that was seen counts, for whoever asks."""


class GrowingFolder:
    """Has a folder grown since it was last asked, or just before that? False for one that is not there."""

    def __init__(self, path):
        self._path = path
        self._size = self._measure()
        self._grew_at = None

    def grew(self):
        now = time.monotonic()
        before, self._size = self._size, self._measure()
        if self._size > before:
            self._grew_at = now
        return self._grew_at is not None and now - self._grew_at < GROWTH_COUNTS

    def _measure(self):
        total = 0
        for root, _, names in os.walk(self._path) if self._path else ():
            for name in names:
                try:
                    total += os.lstat(os.path.join(root, name)).st_size
                except OSError:
                    continue
        return total
