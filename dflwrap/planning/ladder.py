"""The one table from cause to rungs. Data only; `policy` walks it, `tests/planning` proves each row.

A rung that cannot change anything (one worker already, no other GPU, not allowed by the user) is skipped.
A rung written twice may be taken twice. `user` ends every row: when nothing is left, the run stops.
"""

from __future__ import annotations

from dflwrap.common.rungs import Rung

R = Rung

Ladder = tuple[Rung, ...]

STOP: Ladder = (R.USER,)
NOT_HERE: Ladder = (R.BUILTIN_EXTRACTOR, R.USER)
"""This extractor cannot run on this machine; only another one can (if the user chose that)."""
NO_GPU_HERE: Ladder = (R.CPU, R.BUILTIN_EXTRACTOR, R.USER)
"""The extractor works, its GPU side does not, and trying again changes nothing."""
VRAM: Ladder = (
    R.WAIT_FOR_VRAM,
    R.HALF_WORKERS,
    R.ONE_WORKER,
    R.SMALLER_INPUT,
    R.WEIGHTS_ON_CPU,
    R.OTHER_DEVICE,
    R.CPU,
    R.BUILTIN_EXTRACTOR,
    R.USER,
)
HOST_MEMORY: Ladder = (R.HALF_WORKERS, R.ONE_WORKER, R.SMALLER_BATCH, R.SMALLER_INPUT, *NOT_HERE)
DRIVER: Ladder = (R.FRESH_PROCESS, R.EXCLUDE_DEVICE, R.CPU, R.BUILTIN_EXTRACTOR, R.USER)
DEAD_DEVICE: Ladder = (R.EXCLUDE_DEVICE, R.CPU, R.BUILTIN_EXTRACTOR, R.USER)
COMPILING: Ladder = (R.PATIENCE, R.PATIENCE, R.CPU, R.BUILTIN_EXTRACTOR, R.USER)
SLOW: Ladder = (R.PATIENCE, R.ONE_WORKER, R.CPU, R.BUILTIN_EXTRACTOR, R.USER)
HUNG: Ladder = (R.FRESH_PROCESS, R.ONE_WORKER, R.CPU, R.BUILTIN_EXTRACTOR, R.USER)
POISON: Ladder = (R.REPAIR_FRAME, R.QUARANTINE_FRAME)
CRASH: Ladder = (
    R.FRESH_PROCESS,
    R.ONE_WORKER,
    R.EXCLUDE_DEVICE,
    R.BISECT_BATCH,
    R.CPU,
    R.BUILTIN_EXTRACTOR,
    R.USER,
)
TRANSIENT: Ladder = (R.SAME_AGAIN, R.SAME_AGAIN, R.USER)
UNKNOWN: Ladder = (R.SAME_AGAIN, R.ONE_WORKER, R.BISECT_BATCH, R.USER)

BY_CATEGORY: dict[str, Ladder] = {
    "gpu-memory": VRAM,
    "host-memory": HOST_MEMORY,
    "gpu-driver": NO_GPU_HERE,
    "cuda-library": NO_GPU_HERE,
    "hang": HUNG,
    "tf-version": NOT_HERE,
    "python-env": NOT_HERE,
    "model-files": NOT_HERE,
    "input-layout": STOP,
    "input-naming": POISON,
    "input-image": POISON,
    "output-io": STOP,
    "antivirus/permission": STOP,
    "worker-crash": CRASH,
    "prompt/interaction": (R.SAME_AGAIN, R.USER),
    "hardware": DEAD_DEVICE,
    "quality (few/no faces)": STOP,
    "unknown": UNKNOWN,
}

BY_CAUSE: dict[str, Ladder] = {
    # Several processes on a card: fewer of them is the answer, waiting only helps if others hold it.
    "gpu-oom-too-many-workers": (R.HALF_WORKERS, R.ONE_WORKER, R.WAIT_FOR_VRAM, *VRAM[3:]),
    "no-algorithm-worked": (R.WAIT_FOR_VRAM, R.FRESH_PROCESS, *VRAM[1:]),
    # Weights missing after a load that said nothing: either no memory for them, or bad files.
    "weights-not-loaded": (R.WAIT_FOR_VRAM, R.FRESH_PROCESS, R.USER),
    "gpu-oom-benign-allocator-warning": UNKNOWN,
    "no-capable-gpus-dfl1": (R.WAIT_FOR_VRAM, *NO_GPU_HERE),
    "gpu-busy": (R.FRESH_PROCESS, R.OTHER_DEVICE, *NO_GPU_HERE),
    "tf-hang-after-oom": VRAM,
    "shm-semaphore-exhausted": STOP,
    # What a new process can cure: a CUDA context that broke, a driver that came back.
    "tdr-launch-failed": DRIVER,
    "gpu-memcpy-failed": DRIVER,
    "dml-device-removed": DRIVER,
    "cuinit-unknown": DRIVER,
    "exit-code-409-no-text": DRIVER,
    "no-kernel-image": DEAD_DEVICE,
    "wrong-build-new-gpu": DEAD_DEVICE,
    "wrong-build-old-gpu": DEAD_DEVICE,
    "bad-image-dll": NOT_HERE,
    # Someone, or a supervisor of processes, ended it: nothing of the plan was wrong.
    "process-killed": (R.FRESH_PROCESS, R.FRESH_PROCESS, R.ONE_WORKER, R.BISECT_BATCH, R.USER),
    "cuda-cache-maxsize-typo": COMPILING,
    "ptx-jit-first-run": COMPILING,
    "jit-exceeds-120s": COMPILING,
    "slow-device-timeout": SLOW,
    "plaidml-slow-init": SLOW,
    "mixed-gpu-init": SLOW,
    "extractor-spinning": SLOW,
    "device-enum-child-died": (R.FRESH_PROCESS, R.CPU, R.BUILTIN_EXTRACTOR, R.USER),
    "sleep-hibernate": TRANSIENT,
    "console-quickedit": TRANSIENT,
    "ctrl-c": TRANSIENT,
    "no-avx": STOP,  # the built-in extractor's TensorFlow needs AVX too
    "exit-code-005-import": (R.SAME_AGAIN, *NOT_HERE),
    "protobuf-descriptors": (R.SAME_AGAIN, *NOT_HERE),
    "console-encode-error": (R.SAME_AGAIN, *NOT_HERE),
    # Not a card; a bare "Input/output error" may be a share that comes back.
    "failing-disk": (R.SAME_AGAIN, R.USER),
    "psu-reboot": (R.ONE_WORKER, R.USER),
    "thermal": (R.ONE_WORKER, R.EXCLUDE_DEVICE, R.CPU, R.USER),
    "disk-full": (R.WAIT_FOR_DISK, R.USER),
    "file-in-use": TRANSIENT,
    "cloud-sync-folder": TRANSIENT,
    # One frame's faces are not what the extractor says, or its name is too long: that frame's matter.
    "corrupted-dfljpg": POISON,
    "path-too-long": POISON,
    "resume-underscore": TRANSIENT,
    "resume-wrong-start": TRANSIENT,
    "poison-frame": POISON,
    "spawn-child-died": (R.HALF_WORKERS, R.ONE_WORKER, R.SAME_AGAIN, *NOT_HERE),
    "unable-to-start-subprocesses": (R.SAME_AGAIN, *NO_GPU_HERE),
    "no-device-for-extractor": NO_GPU_HERE,
    "plaidml-access-violation": NO_GPU_HERE,
    "mp-bootstrap-error": NOT_HERE,
    "manual-mode-none-landmarks": STOP,
    "bad-gpu-index": (R.OTHER_DEVICE, *NO_GPU_HERE),
    "mac-zero-faces": NO_GPU_HERE,
    "truncated-log": UNKNOWN,
}

UNHEALTHY_EXTRACTOR: Ladder = (R.FRESH_PROCESS, R.ONE_WORKER, R.CPU, R.BUILTIN_EXTRACTOR, R.USER)
"""Instead of `POISON` when frame after frame fails alike and none succeeds: it is not the frames."""

ENVIRONMENT = frozenset({"tf-version", "python-env", "model-files"})
WORKED_BEFORE: Ladder = (R.SAME_AGAIN, R.ONE_WORKER, R.BISECT_BATCH, R.BUILTIN_EXTRACTOR, R.USER)
"""Instead of the row of an `ENVIRONMENT` category when the same extractor has extracted frames in this run: a
TensorFlow that was imported an hour ago can be imported. Memory that ran out, or one frame, may look like that."""

FRAME_FIRST = frozenset({"worker-native-crash", "init-death-hang"})
"""A named suspect is handled as a poison frame first; the row's own ladder is for deaths without one."""

ENVIRONMENT_FIXES: dict[str, dict[str, str]] = {
    "protobuf-descriptors": {"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"},
    "console-encode-error": {"PYTHONIOENCODING": "utf-8:backslashreplace"},
}
"""What `same_again` adds to the plan's environment for these causes."""


def ladder_for(cause: str, category: str, remedies: tuple[str, ...] = ()) -> Ladder:
    """The row of a cause: its own, else its category's, else the rule's remedies, else unknown's."""
    if cause in BY_CAUSE:
        return BY_CAUSE[cause]
    if category in BY_CATEGORY:
        return BY_CATEGORY[category]
    named = tuple(Rung(name) for name in remedies if name in set(Rung))
    return named if named else UNKNOWN
