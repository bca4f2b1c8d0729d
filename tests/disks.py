"""A disk so small that it is soon full: a tmpfs of its own, always unmounted."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(path: Path, size: str = "1m", inodes: int = 0) -> Iterator[Path]:
    """A file system of `size`, for `inodes` files (0 = many), at `path` (made here).

    Skips the test, loudly, where none can be mounted.
    """
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("NOT PROVEN HERE: a full disk (mounting one needs root on Linux)")
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},nr_inodes={inodes or 100_000}", "none", str(path)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"NOT PROVEN HERE: a full disk (mount: {done.stderr.strip()})")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def remount(path: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(path)], check=True)
