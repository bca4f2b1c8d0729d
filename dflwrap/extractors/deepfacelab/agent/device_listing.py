"""A timeout for the step in which DeepFaceLab lists the devices.

It starts a child, joins it without a timeout, then waits on a queue that a dead child never fills. A
watcher thread in the host ends the host instead, with a reason. The step is recognised by the main
thread's stack (`initialize_main_env`), so slow imports around it are not mistaken for it.
"""
# mypy: ignore-errors

import multiprocessing.process
import os
import sys
import threading
import time

from . import os_process

STEP = "initialize_main_env"
LOOK_EVERY = 0.05
"""Seconds; the child must be seen while it lives, and Python takes longer than that to start."""
GRACE = 3.0
"""Seconds between the child's end and the verdict that it left nothing behind."""


def watch(host):
    """End a listing of the devices that hangs, in a thread of its own."""
    main_thread = threading.get_ident()
    threading.Thread(target=_watch, args=(host, main_thread), daemon=True).start()


def _children():
    return list(getattr(multiprocessing.process, "_children", ()))


def kill_children(wait=0.0):
    """SIGKILL every child of this process; True when none is left after `wait` seconds."""
    children = _children()
    for child in children:
        os_process.kill(child)
    limit = time.monotonic() + wait
    for child in children:
        if wait:
            child.join(max(0.0, limit - time.monotonic()))
    return all(child.exitcode is not None for child in children) if wait else True


def _inside(thread):
    frame = sys._current_frames().get(thread)
    while frame is not None:
        if frame.f_code.co_name == STEP:
            return True
        frame = frame.f_back
    return False


def _watch(host, main_thread):
    since = child = gone_since = stopped_since = None
    looked = time.monotonic()
    while host.phase == "start":
        time.sleep(LOOK_EVERY)
        now = time.monotonic()
        if now - looked > os_process.HOST_PAUSE:  # this process was itself stopped, or the whole machine
            since = gone_since = stopped_since = None
        looked = now
        if not _inside(main_thread):
            since = None
            continue
        since = since or now
        for one in _children():
            child = one
        status = getattr(getattr(child, "_popen", None), "returncode", None)
        alive = child in _children() and status is None
        state = os_process.cpu_and_state(child.pid)[1] if alive and child.pid else None
        gone_since = None if alive else gone_since or now
        stopped_since = (stopped_since or now) if state in ("T", "t") else None
        if gone_since and now - gone_since > GRACE:
            _give_up(host, child, status, "the process that lists the devices ended without an answer")
        elif stopped_since and now - stopped_since > host.settings.stopped_timeout:
            _give_up(host, child, None, "the process that lists the devices was stopped")
        elif now - since > host.settings.enum_timeout:
            seconds = int(host.settings.enum_timeout)
            _give_up(host, child, status, f"listing the devices took longer than {seconds} s")


def _give_up(host, child, status, message):
    if host.phase != "start":
        return
    pid = getattr(child, "pid", None)
    kill_children()
    host.reporter.emit(
        "worker_lost", worker="devices", pid=pid, exit_status=status, phase="enumeration", error=message
    )
    sys.stderr.write(f"dflwrap agent: {message} (exit status {status})\n")
    sys.stderr.flush()
    os._exit(1)
