"""Events and console lines."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from dflwrap.common.events import EVENTS_ENV, EventKind, parse_event
from dflwrap.extractors.builtin.reporting import Console, EventWriter


def test_events_are_appended_one_line_each_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    for number in range(2):
        writer = EventWriter(path)
        writer.write(
            EventKind.FRAME_FAILED, "CPU0", "Zoë\udcff.png", error="x\ny", kind="exception", number=number
        )
        writer.close()
    lines = path.read_bytes().splitlines()
    read = [parse_event(line) for line in lines]
    assert [event.data["number"] for event in read if event is not None] == [0, 1]
    assert read[0] is not None
    assert (read[0].worker, read[0].frame, read[0].data["kind"]) == ("CPU0", "Zoë\udcff.png", "exception")


def test_without_a_file_named_nothing_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(EVENTS_ENV, raising=False)
    EventWriter.from_environment().write(EventKind.PROGRESS, done=1, total=2)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_does_not_end_the_extraction() -> None:
    writer = EventWriter(Path("/dev/full"))
    writer.write(EventKind.PROGRESS, done=1, total=2)
    writer.write(EventKind.PROGRESS, done=2, total=2)
    writer.close()


def test_a_name_that_the_console_cannot_show_does_not_end_the_extraction() -> None:
    raw = io.BytesIO()
    terminal = io.TextIOWrapper(raw, encoding="ascii")
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    console = Console(terminal, io.StringIO())
    console.error("Failed to open Zoë\udcff.png")
    assert raw.getvalue().decode("ascii").split() == ["/!\\", "Failed", "to", "open", "Zo\\xeb\\xff.png"]


def test_the_bar_goes_to_the_second_stream_and_ends_at_the_total() -> None:
    out, err = io.StringIO(), io.StringIO()
    console = Console(out, err)
    for done in range(4):
        console.bar(done, 3)
    console.line("Done.")
    assert out.getvalue() == "Done.\n"
    assert err.getvalue().endswith("\n")
    last = err.getvalue().rstrip("\n").split("\r")[-1]
    assert last.startswith("100%|") and "| 3/3 [" in last
