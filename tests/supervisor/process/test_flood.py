"""An extractor that prints without end can still be stopped, and its end is still seen."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from dflwrap.common.events import Event
from dflwrap.common.plan import AttemptSpec, ExtractOptions, Plan
from dflwrap.extractors.base import ConsoleReader, Extractor, ExtractorInfo, Launch
from dflwrap.supervisor.attempt.monitor import Attempt, EndedBy, Watch
from dflwrap.supervisor.stop_request import Control


class _Slow:
    """A console reader that cannot keep up with the flood."""

    def feed(self, stream: str, line: bytes) -> Iterable[Event]:
        time.sleep(0.00005)
        return ()

    def idle(self, stream: str, text: bytes) -> Iterable[Event]:
        return ()


class Flooding(Extractor):
    supported_fields = frozenset[str]()
    reports_frames = True

    def info(self) -> ExtractorInfo:
        return ExtractorInfo("flood", "1", sys.executable, "", "")

    def launch(self, spec: AttemptSpec, *, black_box: bool = False) -> Launch:
        script = "import sys\nwhile True: sys.stdout.write('on and on and on\\n' * 100)"
        return Launch((sys.executable, "-c", script), dict(os.environ))

    def console(self) -> ConsoleReader:
        return _Slow()


def test_a_stop_is_heard_through_the_flood(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    spec = AttemptSpec(
        1,
        Plan(),
        ExtractOptions(),
        str(tmp_path),
        str(tmp_path),
        str(tmp_path / "out"),
        str(tmp_path / "events.jsonl"),
        ("a.png",),
    )
    control = Control()
    began = 0.0

    def first_line(line: object) -> None:
        nonlocal began
        if not began:
            began = time.monotonic()
            for seconds in (0.5, 0.6):
                threading.Timer(seconds, control.request_stop).start()

    watch = Watch(lambda events: None, first_line, lambda tree: None)
    attempt = Attempt(spec, Flooding(), watch, control, black_box=False)
    result = attempt.run()
    assert result.ended_by is EndedBy.STOP
    assert time.monotonic() - began < 20
    size = sum(path.stat().st_size for path in tmp_path.glob("*.log"))
    assert 0 < size < 50 << 20
