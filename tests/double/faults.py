"""Faults on command: the script named in DFLWRAP_DOUBLE_SCRIPT says what goes wrong, and where.

The file is one JSON object. A key is a stage ("start", "import", "enumeration", "worker_start",
"first_frame", "steady", "finish"), a frame's file name or a pattern of such ("0000?.png"), or
"host:" and a frame's name (when the host receives that frame's result). A value is the name of a
fault, an object {"fault": name, "times": n, "worker": "CPU0", ...} or a list of these. "options"
holds settings instead of faults (README.md). Runs on Python 3.6 to 3.13, standard library only.
"""

import ctypes
import fnmatch
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

SCRIPT_ENV = "DFLWRAP_DOUBLE_SCRIPT"

DEFAULTS = {
    "gpus": 0,
    "start_seconds": 0.0,
    "frame_seconds": 0.0,
    "default_faces": 1,
    "faces": {},
    "no_response": 120,
    "gpu_gib": 12.0,
    "blind_on_gpu": False,
    "vram": None,
    "cpu_seconds": 0.0,
}

TEXTS = {
    "cuda_oom": (
        "2026-01-01 00:00:00.000000: W tensorflow/core/common_runtime/bfc_allocator.cc:431] Allocator "
        "(GPU_0_bfc) ran out of memory trying to allocate 1.17GiB (rounded to 1258291200)requested by op "
        "Conv2D\ntensorflow.python.framework.errors_impl.ResourceExhaustedError: OOM when allocating tensor "
        "with shape[1,64,640,640] and type float on /job:localhost/replica:0/task:0/device:GPU:0 by "
        "allocator GPU_0_bfc\n"
    ),
    "cudnn_init": (
        "2026-01-01 00:00:00.000000: E tensorflow/stream_executor/cuda/cuda_dnn.cc:336] Could not create "
        "cudnn handle: CUDNN_STATUS_INTERNAL_ERROR\ntensorflow.python.framework.errors_impl.UnknownError: "
        "Failed to get convolution algorithm. This is probably because cuDNN failed to initialize\n"
    ),
    "cuda_driver": (
        "2026-01-01 00:00:00.000000: E tensorflow/stream_executor/cuda/cuda_driver.cc:328] failed call to "
        "cuInit: CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected\n"
    ),
    "tf_import": (
        "ImportError: DLL load failed: The specified module could not be found.\n\nFailed to load the "
        "native TensorFlow runtime.\n"
    ),
}

_sick = []  # the text of an error that sticks to this process, as a CUDA error does
_lock = threading.Lock()


class DoubleError(Exception):
    """What a frame or a stage raises on command."""


def _script():
    path = os.environ.get(SCRIPT_ENV)
    if not path:
        return {}
    return json.loads(Path(path).read_text(encoding="utf-8"))


def option(name):
    return _script().get("options", {}).get(name, DEFAULTS[name])


def _entries(key):
    """The faults of a key: an exact one first, then patterns (for frames)."""
    found = []
    for pattern, value in _script().items():
        same_side = pattern.startswith("host:") == key.startswith("host:")
        if pattern != "options" and same_side and (pattern == key or fnmatch.fnmatchcase(key, pattern)):
            found += [(pattern, one) for one in (value if isinstance(value, list) else [value])]
    return found


def _take(pattern, index, times):
    """True while this fault has fired fewer than `times` times in all processes together.

    What has fired leaves a file in `<script>.fired`.
    """
    folder = Path(os.environ[SCRIPT_ENV] + ".fired")
    folder.mkdir(exist_ok=True)
    safe = "".join(c if c.isalnum() else "_" for c in pattern)
    if times is None:
        (folder / f"{safe}-{index}").touch()
        return True
    for n in range(times):
        try:
            (folder / f"{safe}-{index}-{n}").open("x").close()
        except FileExistsError:
            continue
        return True
    return False


def hit(key, worker=None, **context):
    """Do what the script says for `key`; return the names of faults that the caller has to act out."""
    acted = []
    for index, (pattern, entry) in enumerate(_entries(key)):
        fault = {"fault": entry} if isinstance(entry, str) else dict(entry)
        if fault.get("worker") not in (None, worker):
            continue
        if fault.get("originals") and Path(context["frame_path"]).parent.name == "repaired":
            continue
        if not _take(pattern, index, fault.get("times")):
            continue
        fault.update(context)
        acted.append(fault["fault"])
        act(fault)
    if _sick and context.get("frame"):
        raise DoubleError(_sick[0])
    return acted


def act(fault):
    name = fault["fault"]
    action = _ACTIONS.get(name)
    if action is not None:
        action(fault)
    elif name not in CALLER:
        raise SystemExit(f"double: unknown fault {name!r}")


CALLER = frozenset(
    ["half_jpeg", "bare_jpeg", "zero_jpeg", "lie", "landmarks", "second_pass", "filtered", "unreadable"]
)
"""Faults acted out by the code that writes faces (mainscripts/Extractor.py)."""


def _raise(fault):
    raise DoubleError(fault.get("text", "commanded to raise"))


def _sicken(fault):
    _sick.append(fault.get("text", "CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered"))


def segfault(fault):
    sys.stdout.flush()
    if hasattr(signal, "SIGSEGV") and os.name == "posix":
        signal.signal(signal.SIGSEGV, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGSEGV)
        time.sleep(5)
    ctypes.string_at(0)


def kill(fault=None):
    sys.stdout.flush()
    number = signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM
    os.kill(os.getpid(), (fault or {}).get("signal", number))
    time.sleep(60)


def _exit(fault):
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(fault.get("code", 0))


def _done(fault):
    print("Done.")
    _exit(fault)


def _hang(fault):
    time.sleep(fault.get("seconds", 10**6))


def _deadlock(fault):
    _lock.acquire()
    _lock.acquire()


def _spin(fault):
    """A quarter of a core: told from a hang all the same, and other tests want the rest."""
    end = time.time() + fault.get("seconds", 10**6)
    while time.time() < end:
        began = time.time()
        while time.time() - began < 0.02:
            pass
        time.sleep(0.06)


def _stop(fault):
    if hasattr(signal, "SIGSTOP"):
        os.kill(os.getpid(), signal.SIGSTOP)
    else:
        time.sleep(10**6)


def _ask(fault):
    warning = "\n WARNING !!! \n out contains files! \n They will be deleted. \n Press enter to continue.\n"
    input(fault.get("text", warning))


def _outside(fault):
    path = Path(fault.get("path") or Path(fault["output"]).parent / "outside.txt")
    path.write_text("written outside of the output folder\n", encoding="utf-8")


def _remove(fault):
    Path(fault["path"]).unlink()


def _fill_disk(fault):
    """Write until `bytes` or until the disk is full; then the error that DeepFaceLab shows."""
    left, block = fault.get("bytes", 1 << 30), b"\0" * (1 << 20)
    with (Path(fault["output"]) / "filler.bin").open("wb") as stream:
        while left > 0:
            stream.write(block)
            stream.flush()
            left -= len(block)
    raise OSError(28, "No space left on device")


def _eat_memory(fault):
    hoard, left = [], fault.get("bytes", 1 << 30)
    while left > 0:
        hoard.append(bytearray(os.urandom(4096) * 4096))
        left -= 1 << 24
    time.sleep(fault.get("seconds", 0))
    if fault.get("raise", True):
        raise MemoryError


def _raw(data, fault):
    stream = (sys.stderr if fault.get("stream") == "stderr" else sys.stdout).buffer
    stream.write(data)
    stream.flush()


def _flood(fault):
    line = b"flood " * 170 + b"\n"
    for _ in range(int(fault.get("bytes", 10**9)) // len(line)):
        sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


def _long_line(fault):
    _raw(b"x" * int(fault.get("bytes", 50 * 10**6)) + b"\n", fault)


def _text(fault):
    text = TEXTS.get(fault.get("name"), fault.get("text", ""))
    _raw(text.encode("utf-8"), dict(fault, stream=fault.get("stream", "stderr")))
    if fault.get("then") is not None:
        act({"fault": fault["then"]})


def _canned(name):
    return lambda fault: _text(dict(fault, name=name, then=fault.get("then", "raise")))


def _detach(fault):
    """A child in a session of its own that outlives this process; its id goes to `<script>.detached`."""
    flags = {"start_new_session": True} if os.name == "posix" else {"creationflags": 0x00000008 | 0x00000200}
    seconds = str(fault.get("seconds", 300))
    child = subprocess.Popen(
        [sys.executable, "-c", "import sys, time; time.sleep(float(sys.argv[1]))", seconds],
        stdin=subprocess.DEVNULL,
        **flags,
    )
    with Path(os.environ[SCRIPT_ENV] + ".detached").open("a") as stream:
        stream.write(f"{child.pid}\n")


def _ignore_sigterm(fault):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


_ACTIONS = {
    "raise": _raise,
    "sick": _sicken,
    "segfault": segfault,
    "kill": kill,
    "abort": lambda fault: os.abort(),
    "exit": _exit,
    "done": _done,
    "hang": _hang,
    "slow": lambda fault: time.sleep(fault.get("seconds", 1)),
    "deadlock": _deadlock,
    "spin": _spin,
    "stop": _stop,
    "ask": _ask,
    "outside": _outside,
    "remove": _remove,
    "fill_disk": _fill_disk,
    "eat_memory": _eat_memory,
    "flood": _flood,
    "long_line": _long_line,
    "nuls": lambda fault: _raw(b"\0" * 4096 + b"\n", fault),
    "bad_utf8": lambda fault: _raw(b"\xff\xfe\xc3\x28 \x80\x81\xfa caf\xe9\n", fault),
    "utf16": lambda fault: _raw("\ufeffFehler: Zugriff verweigert\r\n".encode("utf-16-le"), fault),
    "text": _text,
    "cuda_oom": _canned("cuda_oom"),
    "cudnn_init": _canned("cudnn_init"),
    "cuda_driver": _canned("cuda_driver"),
    "tf_import": _canned("tf_import"),
    "detach": _detach,
    "ignore_sigterm": _ignore_sigterm,
}

NAMES = frozenset(_ACTIONS) | CALLER
