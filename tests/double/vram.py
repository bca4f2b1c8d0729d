"""Video memory as a counter: a folder whose files say, in MiB, what each process draws from the one card.

The NVML look-alike reads the same folder (key `pool`), so that what a worker takes is what the driver shows. A file in
letters is another program. Runs on Python 3.6 to 3.13, standard library only.

With "cuda": true in the option it is no counter: PyTorch holds as much on the real card (benchmarks/real_card.py).
"""

import os
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import faults

LOCK = "lock.d"
"""Names with a dot are nobody's memory."""


class OutOfMemoryError(Exception):
    """As TensorFlow puts it."""


@contextmanager
def _locked(folder):
    """A folder is made by one process at a time; one whose maker died is taken over."""
    lock = folder / LOCK
    until = time.time() + 10.0
    while True:
        try:
            lock.mkdir()
            break
        except FileExistsError:
            if time.time() > until:
                break
            time.sleep(0.002)
    try:
        yield
    finally:
        try:
            lock.rmdir()
        except OSError:
            pass


def _alive(name):
    if not name.isdigit():
        return True
    try:
        os.kill(int(name), 0)
    except OSError:
        return False
    return True


def _mib(path):
    try:
        return int(path.read_text().strip() or 0)
    except (OSError, ValueError):
        return 0


def _drawn(folder):
    return {p.name: _mib(p) for p in folder.iterdir() if "." not in p.name and _alive(p.name)}


def draw(mib):
    """Take so much more, for this process; raises what TensorFlow would where the card has not got it."""
    pool = faults.option("vram")
    if not pool:
        return
    folder, own = Path(pool["folder"]), Path(pool["folder"]) / str(os.getpid())
    with _locked(folder):
        drawn = _drawn(folder)
        mine = drawn.get(own.name, 0)
        if mib > 0 and sum(drawn.values()) + mib > pool["total"]:
            size = mib / 1024.0
            raise OutOfMemoryError(
                f"OOM when allocating tensor: failed to allocate {size:.2f}G ({mib << 20} bytes) from device: "
                "CUDA_ERROR_OUT_OF_MEMORY: out of memory"
            )
        new = folder / f"{own.name}.new"
        new.write_text(str(mine + mib))
        new.replace(own)


_held = []


def _really(mib):
    """So much of the real card, until the result is let go."""
    import torch

    return torch.empty(mib << 20, dtype=torch.uint8, device="cuda:0")


def hold():
    """What a worker holds from its start on: context and weights."""
    pool = faults.option("vram") or {}
    if pool.get("cuda"):
        _held.append(_really(pool.get("hold", 0)))
        return
    draw(pool.get("hold", 0))


@contextmanager
def frame(name):
    """What a frame takes for as long as it is computed. name: of its file."""
    pool = faults.option("vram") or {}
    mib = pool.get("frames", {}).get(name, pool.get("frame", 0))
    if pool.get("cuda"):
        taken = _really(mib)
        try:
            yield
        finally:
            del taken
            sys.modules["torch"].cuda.empty_cache()
        return
    draw(mib)
    try:
        yield
    finally:
        draw(-mib)
