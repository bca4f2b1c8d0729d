"""Messages of several workers written into each other, letter by letter, as old versions print them.

A message counts as read out of a line if its letters stand there in order within a stretch that is short
enough: at two or three outputs at once no more than SPREAD times its length. At 20 letters and more, ordinary
text does not do that by chance.
"""

from __future__ import annotations

from collections.abc import Sequence

from dflwrap.diagnosis.log.lines import Line

SPREAD = 3.4
MOST_LINES = 300
"""Lines that are looked at."""
LONGEST = 1500
"""Letters of a line that are looked at."""
_STARTS = 40
"""Places at which a message may begin in one line."""

_MESSAGES = {
    "CUDA_ERROR_OUT_OF_MEMORY": "failed to allocate memory from device: CUDA_ERROR_OUT_OF_MEMORY",
    "CUDA_ERROR_LAUNCH_FAILED": "CUDA_ERROR_LAUNCH_FAILED: unspecified launch failure",
    "CUDA_ERROR_ILLEGAL_ADDRESS": "CUDA_ERROR_ILLEGAL_ADDRESS",
    "CUDNN_STATUS_INTERNAL_ERROR": "Could not create cudnn handle: CUDNN_STATUS_INTERNAL_ERROR",
    "CUDNN_STATUS_ALLOC_FAILED": "Could not create cudnn handle: CUDNN_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_EXECUTION_FAILED": "CUDNN_STATUS_EXECUTION_FAILED",
    "CUBLAS_STATUS_ALLOC_FAILED": "failed to create cublas handle: CUBLAS_STATUS_ALLOC_FAILED",
    "Failed to get convolution algorithm": "Failed to get convolution algorithm",
    "OOM when allocating tensor": "OOM when allocating tensor",
    "The paging file is too small": "The paging file is too small for this operation to complete",
    "ImportError: DLL load failed": "ImportError: DLL load failed: ",
    "No space left on device": "OSError: [Errno 28] No space left on device",
    "CUDA driver version is insufficient": "CUDA driver version is insufficient for CUDA runtime version",
    "no kernel image is available": "no kernel image is available for execution on the device",
    "fatal   : Memory allocation failure": "fatal   : Memory allocation failure",
    "GPU->CPU Memcpy failed": "GPU->CPU Memcpy failed",
    "ModuleNotFoundError: No module named": "ModuleNotFoundError: No module named 'unreadable'",
}


def read_out(lines: Sequence[Line]) -> list[tuple[int, Line]]:
    """(index of the garbled line, a line with the message that it holds), in order."""
    found: list[tuple[int, Line]] = []
    looked = 0
    for index, line in enumerate(lines):
        text = line.text[:LONGEST]
        if len(text) < 48 or "%|" in text:
            continue
        looked += 1
        if looked > MOST_LINES:
            break
        for letters, message in _MESSAGES.items():
            if letters not in text and _woven(letters, text):
                found.append(
                    (index, Line(line.source, line.number, f"{message} (read out of interleaved output)"))
                )
    return found


def _woven(letters: str, text: str) -> bool:
    """True if `letters` stand in `text` in order within SPREAD times their length."""
    room = int(len(letters) * SPREAD)
    start = text.find(letters[0])
    for _ in range(_STARTS):
        if start < 0 or start + len(letters) > len(text):
            return False
        position = start
        for letter in letters[1:]:
            position = text.find(letter, position + 1, start + room)
            if position < 0:
                break
        else:
            return True
        start = text.find(letters[0], start + 1)
    return False
