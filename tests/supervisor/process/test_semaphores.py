"""No ending of an extractor leaves its semaphores in the system: files sem.mp-* in /dev/shm, for every night more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from support import until

from dflwrap.extractors.base import Launch
from dflwrap.supervisor.process.start import start_tree
from dflwrap.supervisor.process.tree import ProcessTree

SHM = Path("/dev/shm")
pytestmark = pytest.mark.skipif(not SHM.is_dir(), reason="semaphores are files on Linux only")

# An extractor with a spawned worker, and queues as DeepFaceLab's: it says the names of their semaphores.
EXTRACTOR = """
import multiprocessing, os, sys, time
def work(queue):
    queue.get()
if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    queues = [context.Queue() for _ in range(3)]
    worker = context.Process(target=work, args=(queues[0],), daemon=True)
    worker.start()
    names = [lock._semlock.name for queue in queues for lock in (queue._rlock, queue._wlock, queue._sem)]
    print(" ".join(names), flush=True)
    if sys.argv[1:] == ["leave"]:
        os._exit(0)
    time.sleep(120)
"""
OWNER = """
import os, sys, time
from dflwrap.extractors.base import Launch
from dflwrap.supervisor.process.start import start_tree
tree = start_tree(Launch((sys.executable, sys.argv[1]), dict(os.environ)))
print(tree.stdout.readline().decode(), flush=True)
time.sleep(120)
"""


def left(names: list[str]) -> list[str]:
    return [name for name in names if (SHM / f"sem.{name.lstrip('/')}").exists()]


@pytest.fixture
def extractor(tmp_path: Path) -> Path:
    path = tmp_path / "extractor.py"
    path.write_text(EXTRACTOR)
    return path


def begun(extractor: Path, *arguments: str) -> tuple[ProcessTree, list[str]]:
    tree = start_tree(Launch((sys.executable, str(extractor), *arguments), dict(os.environ)))
    names = tree.stdout.readline().decode().split()
    assert len(names) == 9
    return tree, names


@pytest.mark.parametrize("end", ["close", "kill -9 of the extractor", "kill -9 of the guard", "it leaves"])
def test_an_extractor_that_ends_leaves_none(extractor: Path, end: str) -> None:
    tree, names = begun(extractor, *(["leave"] if end == "it leaves" else []))
    if end != "it leaves":
        assert left(names), "they are there while it runs"
    if end == "kill -9 of the extractor":
        (main,) = [p for p in psutil.Process(tree.pid).children() if str(extractor) in p.cmdline()]
        main.kill()
    elif end == "kill -9 of the guard":
        tree.vitals()  # as once a second: what the tree knows of its members
        os.kill(tree.pid, signal.SIGKILL)
    if end != "close":
        assert until(lambda: tree.poll() is not None, 30)
    tree.close()
    assert until(lambda: not left(names), 10), left(names)


def test_a_killed_dflwrap_leaves_none(extractor: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(extractor)], stdout=subprocess.PIPE)
    assert owner.stdout is not None
    names = owner.stdout.readline().decode().split()
    assert left(names)
    owner.kill()
    owner.wait(30)
    owner.stdout.close()
    assert until(lambda: not left(names), 10), left(names)
