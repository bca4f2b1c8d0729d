"""The number of workers of the built-in extractor, set while they work: real processes, real networks."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from dflwrap.common.events import EventKind, parse_event
from dflwrap.extractors.builtin.pool import Host, Totals
from dflwrap.extractors.builtin.reporting import Console, EventWriter
from dflwrap.extractors.builtin.settings import WorkerSettings
from dflwrap.extractors.control_file import ControlWriter
from dflwrap.samples import make_frames


def kinds(folder: Path, kind: EventKind) -> list[dict[str, object]]:
    read = [parse_event(line) for line in (folder / "events").read_bytes().splitlines()]
    return [
        {"frame": e.frame, "worker": e.worker, **e.data} for e in read if e is not None and e.kind is kind
    ]


def test_workers_come_and_go_without_a_frame_lost_or_doubled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = make_frames(tmp_path / "frames", frames=60, size=(640, 360)).frames
    (tmp_path / "faces").mkdir()
    settings = WorkerSettings(
        str(tmp_path / "frames"), str(tmp_path / "faces"), None, "whole_face", 128, 90, 0, threads=1
    )
    control = str(tmp_path / "control.jsonl")
    writer = ControlWriter(control)
    writer.workers("CPU", 0, "memory is short")
    done: list[Totals] = []

    def run() -> None:
        host = Host(names, settings, 1, EventWriter(tmp_path / "events"), Console(), control=control)
        done.append(host.run())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    time.sleep(1.0)
    assert thread.is_alive() and kinds(tmp_path, EventKind.WORKER_STARTING) == []
    for workers in (1, 2, 1, 2, 0, 1, 2, 1):
        writer.workers("CPU", workers, "a change", threads=1)
        time.sleep(0.4)
    thread.join(240)
    (totals,) = done
    assert (totals.done, totals.failed) == (60, 0)
    assert Counter(one["frame"] for one in kinds(tmp_path, EventKind.FRAME_DONE)) == dict.fromkeys(names, 1)
    assert kinds(tmp_path, EventKind.WORKER_LOST) == []
    assert [one["workers"] for one in kinds(tmp_path, EventKind.WIDTH_CHANGED)][:2] == [0, 1]
