"""POSIX: the process between dflwrap and the extractor that leaves nobody behind.

Run as `python -P -m dflwrap.supervisor.process.guard CONTROL STATUS -- ARGV...` in a session of its own, with the
extractor's environment and working folder as JSON on stdin (an argument would show it to every user, and
its PYTHONPATH is not for this process). CONTROL is
the read end of a pipe whose write end only dflwrap holds: when dflwrap ends, however it ends, the pipe
closes and every descendant is killed. On Linux the guard is also a subreaper (a detached grandchild
stays its descendant), it gets SIGKILLed children should it die itself, and is told when dflwrap dies.
Elsewhere (macOS) who loses its parent is found by its session, which is the guard's; what has left that too is not.

Bytes on CONTROL: T = SIGTERM to the extractor's main process, K = kill the tree. On STATUS the exit
status of the main process is written as text (negative = signal), once.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress

import psutil

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
SWEEP_BOUND = 5.0
"""Seconds spent on killing descendants; a process in an uninterruptible wait cannot be killed."""
TRACKER_BOUND = 2.0
"""Seconds for Python's resource tracker, once the others are gone: it unlinks their semaphores, or /dev/shm fills with
sem.mp-* files, and ends by itself when nobody holds its pipe any more (0.1 s)."""
_TRACKERS = (
    "from multiprocessing.resource_tracker import main",
    "from multiprocessing.semaphore_tracker import main",  # its name before Python 3.8
)


def is_tracker(process: psutil.Process) -> bool:
    """Whether it is the process in which Python's multiprocessing keeps book of semaphores."""
    try:
        return any(word.startswith(_TRACKERS) for word in process.cmdline())
    except (psutil.Error, OSError):
        return False


def session_members(leader: int) -> list[psutil.Process]:
    """The processes of the session of process id `leader` without that one; also such as have lost their parent."""
    members: list[psutil.Process] = []
    if sys.platform == "win32":
        return members
    for pid in psutil.pids():
        try:
            if pid != leader and os.getsid(pid) == leader:
                members.append(psutil.Process(pid))
        except (OSError, psutil.Error):
            continue
    return members


assert sys.platform != "win32"


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _before_exec(ours: list[signal.Signals]) -> None:
    # What is ignored stays ignored over exec; the extractor gets its signals as if started by hand.
    for number in ours:
        signal.signal(number, signal.SIG_DFL)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def kill_descendants() -> None:
    """SIGKILL every descendant of this process, and its session, until none is left, within SWEEP_BOUND.

    Trackers get TRACKER_BOUND to end by themselves.
    """
    me = psutil.Process()
    deadline = time.monotonic() + SWEEP_BOUND
    only_trackers_since: float | None = None
    while (now := time.monotonic()) < deadline:
        alive = [
            child for child in {*me.children(recursive=True), *session_members(me.pid)} if not _is_gone(child)
        ]
        _reap()
        if not alive:
            return
        victims = [child for child in alive if not is_tracker(child)]
        if victims:
            only_trackers_since = None
        else:
            only_trackers_since = only_trackers_since or now
            if now - only_trackers_since > TRACKER_BOUND:
                victims = alive
        for child in victims:
            with suppress(psutil.Error):
                child.kill()
        psutil.wait_procs(alive, timeout=0.2 if victims else 0.05)


def _is_gone(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return True


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _wait(child: subprocess.Popen[bytes], control: int) -> int | None:
    """The status of the main process; None when dflwrap ended or asked for the kill."""
    while True:
        # Only the main child is waited for here: its status must not be lost to a general reap.
        status = child.poll()
        if status is not None:
            return status
        ready, _, _ = select.select([control], [], [], 0.05)
        if not ready:
            continue
        order = os.read(control, 1)
        if order == b"T":
            child.terminate()
        else:
            return None


def _on_terminate(*_: object) -> None:
    kill_descendants()
    os._exit(143)


def main() -> int:
    """The guard process: start the extractor, wait for it or for the end of dflwrap, leave nothing behind."""
    control, status = int(sys.argv[1]), int(sys.argv[2])
    argv = sys.argv[4:]
    launch = json.load(sys.stdin.buffer)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    # The control pipe is what counts; SIGTERM is for whoever finds this process by hand.
    signal.signal(signal.SIGTERM, _on_terminate)
    # What was ignored when dflwrap was started (nohup, a job in the background) is the extractor's to ignore too.
    ours = [n for n in (signal.SIGINT, signal.SIGHUP) if signal.getsignal(n) is not signal.SIG_IGN]
    for number in ours:
        signal.signal(number, signal.SIG_IGN)
    try:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            env=launch["env"],
            cwd=launch["cwd"],
            process_group=0,
            # Safe here: this process has one thread.
            preexec_fn=lambda: _before_exec(ours),
            restore_signals=True,
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        why = getattr(error, "strerror", None) or str(error)
        missing = getattr(error, "filename", None)
        where = f": {missing}" if missing and missing != argv[0] else ""
        os.write(status, f"failed {why}{where}"[:1000].encode("utf-8", "backslashreplace"))
        return 127
    os.close(1)
    os.close(2)
    code = _wait(child, control)
    if code is None:
        child.kill()
        try:
            code = child.wait(SWEEP_BOUND)
        except subprocess.TimeoutExpired:
            code = -int(signal.SIGKILL)
    kill_descendants()
    os.write(status, str(code).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
