"""The names of the rungs: the closed vocabulary that rules (remedies), policy and report share."""

from __future__ import annotations

from enum import StrEnum


class Rung(StrEnum):
    """One step of the ladder: a named answer to a failure."""

    WAIT_FOR_VRAM = "wait_for_vram"
    """Wait until free video memory is back at what it was, with backoff and a timeout."""
    HALF_WORKERS = "half_workers"
    ONE_WORKER = "one_worker"
    SMALLER_INPUT = "smaller_input"
    """A lower longest input side; coordinates stay those of the user's frame."""
    WEIGHTS_ON_CPU = "weights_on_cpu"
    OTHER_DEVICE = "other_device"
    """Another GPU of this machine that has not failed yet."""
    CPU = "cpu"
    SMALLER_BATCH = "smaller_batch"
    """Fewer frames per attempt."""
    REPAIR_FRAME = "repair_frame"
    """Re-encode the suspect (decode, strip, convert, downscale) and retry it alone."""
    QUARANTINE_FRAME = "quarantine_frame"
    FRESH_PROCESS = "fresh_process"
    """The same plan in a new process tree: a CUDA context that broke stays broken in its process."""
    EXCLUDE_DEVICE = "exclude_device"
    """Continue with the other GPUs."""
    PATIENCE = "patience"
    """Longer timeouts for start-up and first frame."""
    SAME_AGAIN = "same_again"
    BISECT_BATCH = "bisect_batch"
    """Halve the batch until the poison frame stands alone."""
    WAIT_FOR_DISK = "wait_for_disk"
    """Wait until there is room again, where the user allows waiting."""
    BUILTIN_EXTRACTOR = "builtin_extractor"
    """Let the built-in extractor finish what this extractor cannot."""
    USER = "user"
    """Stop: only the user can change this."""
