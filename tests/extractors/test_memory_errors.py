"""Which texts say that memory ran out."""

from __future__ import annotations

import pytest

from dflwrap.extractors.memory_errors import asked_for, is_out_of_memory

GIB = 1 << 30


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("ResourceExhaustedError: OOM when allocating tensor with shape[1,64,640,640]", None),
        ("E cuda_driver.cc:806] failed to allocate 2.20G (2362232064 bytes): CUDA_ERROR_OUT_OF_MEMORY", 2.2),
        ("Allocator (GPU_0_bfc) ran out of memory trying to allocate 1.17GiB (rounded to 1258291200)", 1.17),
        ("RuntimeError: CUDA out of memory. Tried to allocate 3.00 GiB (GPU 0; 8.00 GiB total)", 3.0),
        ("numpy.core._exceptions.MemoryError: Unable to allocate 512. MiB for an array", 0.5),
        (
            "cv2.error: OpenCV(4.1.0) error: (-4:Insufficient memory) Failed to allocate 1228800000 bytes",
            1.144,
        ),
        ("MemoryError", None),
        ("CUBLAS_STATUS_ALLOC_FAILED", None),
    ],
)
def test_memory(text: str, asked: float | None) -> None:
    assert is_out_of_memory(text)
    found = asked_for(text)
    assert found is None if asked is None else found == pytest.approx(asked * GIB, rel=0.01)


@pytest.mark.parametrize(
    "text",
    [
        "ValueError: memory layout not supported",
        "CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered",
        "OSError: [Errno 28] No space left on device",
        "the worker was lost twice in this frame (died, exit status -9)",
        "",
    ],
)
def test_something_else(text: str) -> None:
    assert not is_out_of_memory(text)
