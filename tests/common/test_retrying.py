"""Errors that pass by themselves are tried again, others are not."""

from __future__ import annotations

import errno
import time

import pytest

from dflwrap.common.retrying import retry_held_open


def test_a_file_held_open_is_tried_again() -> None:
    calls = []

    def move() -> str:
        calls.append(1)
        if len(calls) < 4:
            raise OSError(errno.EBUSY, "held by a scanner")
        return "moved"

    assert retry_held_open(move, bound=5) == "moved"
    assert len(calls) == 4


def test_a_sharing_violation_of_windows_is_known_by_its_number() -> None:
    error = OSError("in use")
    error.winerror = 32  # type: ignore[attr-defined]
    calls = []

    def move() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise error

    retry_held_open(move, bound=5)
    assert len(calls) == 2


def test_other_errors_are_not_retried_and_the_bound_holds() -> None:
    calls = []

    def gone() -> None:
        calls.append(1)
        raise FileNotFoundError(errno.ENOENT, "gone")

    with pytest.raises(FileNotFoundError):
        retry_held_open(gone)
    assert len(calls) == 1

    def held() -> None:
        raise OSError(errno.EBUSY, "held for ever")

    start = time.monotonic()
    with pytest.raises(OSError, match="for ever"):
        retry_held_open(held, bound=0.3)
    assert time.monotonic() - start < 9
