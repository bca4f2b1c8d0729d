"""Whether an error says that memory ran out, and how much was asked for. Standard library, Python 3.6 syntax.

The agent inside DeepFaceLab loads it from its file. What a text means beyond that is for `dflwrap.diagnosis` to say.
"""

# ruff: noqa: UP045
import re
from typing import Optional

_MEMORY = re.compile(
    r"OOM when allocating|\bout of memory\b|OUT_OF_MEMORY|RESOURCE_EXHAUSTED|ResourceExhaustedError|Resource exhausted"
    r"|failed to allocate|CUDNN_STATUS_ALLOC_FAILED|CUBLAS_STATUS_ALLOC_FAILED|CL_MEM_OBJECT_ALLOCATION_FAILURE"
    r"|HRESULT failed with 0x8007000[eE]|\bMemoryError\b|std::bad_alloc|Insufficient memory"
    r"|Unable to allocate .{1,60}B\b",
    re.IGNORECASE,
)
"""What TensorFlow, CUDA, cuDNN, DirectML, PyTorch, Python, NumPy and OpenCV say."""
_ASKED = re.compile(
    r"(?:failed to allocate|trying to allocate|Tried to allocate|Unable to allocate) +"
    r"(?P<size>\d{1,15}(?:\.\d{0,3})?) ?(?P<unit>[KMGT]?)i?B?\b",
    re.IGNORECASE,
)
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
MOST_READ = 20000
"""Characters of a text that are searched."""


def is_out_of_memory(text: str) -> bool:
    """Whether the error `text` says that memory, of the card or of the machine, ran out."""
    return _MEMORY.search(text[-MOST_READ:]) is not None


def asked_for(text: str) -> Optional[int]:
    """Bytes that were asked for when memory ran out; None where the text does not say."""
    sizes = [
        int(float(found.group("size")) * _UNITS[found.group("unit").upper()])
        for found in _ASKED.finditer(text[-MOST_READ:])
    ]
    return max(sizes) if sizes else None
