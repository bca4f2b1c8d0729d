"""What an extractor says in the moment in which it ends is heard, on both ways that it has."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from support import until

from dflwrap.common.events import Event, EventKind
from dflwrap.common.plan import AttemptSpec, ExtractOptions, Plan
from dflwrap.extractors.base import ConsoleReader, Extractor, ExtractorInfo, Launch
from dflwrap.supervisor.attempt.monitor import Attempt, EndedBy, Watch
from dflwrap.supervisor.process.streams import Line
from dflwrap.supervisor.process.tree import ProcessTree
from dflwrap.supervisor.stop_request import Control

SCRIPT = """
import json, os, sys, time
def say(**event):
    with open(sys.argv[1], "a") as file:
        file.write(json.dumps({"time": time.time(), "worker": "CPU0", **event}) + "\\n")
def wait_for(name):
    while not os.path.exists(os.path.join(sys.argv[2], name)):
        time.sleep(0.01)
wait_for("watched")
say(event="frame_started", frame="a.png")
wait_for("go")
say(event="frame_done", frame="a.png", faces=[])
say(event="finished", done=1, failed=0, total=1)
print("the very last line", flush=True)
os._exit(7)
"""


class Quiet:
    def feed(self, stream: str, line: bytes) -> Iterable[Event]:
        return ()

    def idle(self, stream: str, text: bytes) -> Iterable[Event]:
        return ()


class Released(Extractor):
    """Ends as soon as the file `go` is there."""

    supported_fields = frozenset[str]()
    reports_frames = True

    def info(self) -> ExtractorInfo:
        return ExtractorInfo("released", "1", sys.executable, "", "")

    def launch(self, spec: AttemptSpec, *, black_box: bool = False) -> Launch:
        return Launch((sys.executable, "-S", "-c", SCRIPT, spec.events_path, spec.folder), dict(os.environ))

    def console(self) -> ConsoleReader:
        return Quiet()


def test_events_and_lines_of_the_last_moment_are_heard(tmp_path: Path) -> None:
    """It ends while the supervisor takes in what it said before: between that and the look at whether it lives."""
    (tmp_path / "out").mkdir()
    spec = AttemptSpec(
        *(1, Plan(), ExtractOptions(), str(tmp_path), str(tmp_path), str(tmp_path / "out")),
        *(str(tmp_path / "events.jsonl"), ("a.png",)),
    )
    events: list[Event] = []
    lines: list[bytes] = []
    trees: list[ProcessTree] = []

    def look(tree: ProcessTree) -> None:
        trees.append(tree)
        (tmp_path / "watched").touch()

    def hear(heard: Sequence[Event]) -> None:
        first = not events
        events.extend(heard)
        if first:
            (tmp_path / "go").touch()
            assert until(lambda: trees[0].poll() is not None, 60)

    def line(said: Line) -> None:
        lines.append(said.text)

    watch = Watch(hear, line, look)
    result = Attempt(spec, Released(), watch, Control(), black_box=False).run()
    assert (result.ended_by, result.exit_status, result.finished) == (EndedBy.EXIT, 7, True)
    kinds = [event.kind for event in events]
    assert kinds == [EventKind.FRAME_STARTED, EventKind.FRAME_DONE, EventKind.FINISHED]
    assert lines == [b"the very last line"]
