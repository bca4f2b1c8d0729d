"""One attempt: start the extractor, read everything it says, see that it lives, end it, in bounded time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from dflwrap.common.events import Event, EventKind, parse_event
from dflwrap.common.plan import AttemptSpec
from dflwrap.common.storage import cannot_write
from dflwrap.common.waits import join
from dflwrap.extractors.base import Extractor
from dflwrap.extractors.control_file import FRAMES
from dflwrap.supervisor.liveness.awake_clock import AwakeClock
from dflwrap.supervisor.liveness.start_times import NO_TIMES, StartTimes
from dflwrap.supervisor.liveness.watchdog import Dead, Liveness, Phase
from dflwrap.supervisor.process.output_watcher import OutputWatcher
from dflwrap.supervisor.process.start import start_tree
from dflwrap.supervisor.process.streams import EventTail, Line, LineQueue, StreamPump
from dflwrap.supervisor.process.tree import CannotStartError, ProcessTree
from dflwrap.supervisor.stop_request import Control

TICK = 0.1
"""Seconds between two looks at events and output."""
LOOK_BOUND = 0.5
"""Seconds spent on console lines in one look: a flood must not keep the supervisor from its other duties."""
EVENTS_AT_ONCE = 1
"""Bytes of events taken in one look, rounded up to a MiB (some 4,000 frames): more wait for the next one."""
VITALS_EVERY = 1.0
"""Seconds between two measurements of the process tree."""
PROMPT_BOUND = 10.0
"""Seconds that an extractor may stand at a prompt which the null device cannot answer."""
GENTLE_BOUND = 60.0
"""Seconds for the frames in flight after a gentle stop: a frame takes 2 s on a slow CPU."""
PUMP_BOUND = 10.0
"""Seconds for the rest of the output once the processes are gone; what an unkillable one holds open is left."""
MOST_BACK = 2000
"""Names of frames that came back from which on those are dropped that were let go of."""
MAX_ALL_DONE = 20.0
"""Seconds that an extractor may take to end after every frame has come back; DFL needs 1 to 2 s."""


class EndedBy(StrEnum):
    """Why an attempt is over."""

    EXIT = "exit"
    """It ended by itself; the exit status is its own."""
    HANG = "hang"
    PROMPT = "prompt"
    STOP = "stop"
    """The user (or a signal) stopped the run."""
    DOUBT = "doubt"
    """A second extractor found faces where the extractor found none, or a plan for a GPU runs on the CPU."""
    NOT_STREAMED = "takes no frames while it runs"
    """It began with the first of its frames, and cannot be told of the others: it is started again with all of them."""
    FOLDER_GONE = "folder gone"
    """A folder of the run, or its disk, went away."""
    ALL_DONE = "all done"
    """Every frame had come back, but it did not end by itself."""
    NOT_STARTED = "not started"
    """Its program could not be executed at all."""


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """How an attempt ended. What became of its frames is the collector's."""

    ended_by: EndedBy
    exit_status: int | None
    """Of the main process; negative = signal. Proves nothing."""
    phase: Phase
    dead: Dead | None
    finished: bool
    """The extractor reported its own end."""
    agent_failed: str | None
    """Why the agent could not hook this DFL; the attempt was a black box."""
    prompt: str | None
    first_open: str | None
    """Black box: the first frame that did not come back."""
    seconds: float
    not_started: CannotStartError | None = None
    """Why nothing ran, with the steps for the user."""
    start_times: StartTimes = NO_TIMES
    """How long starting took, as far as it came."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told what while an attempt runs."""

    events: Callable[[Sequence[Event]], None]
    line: Callable[[Line], None]
    tree: Callable[[ProcessTree], None]
    doubted: Callable[[], bool] = lambda: False
    folder_gone: Callable[[], bool] = lambda: False
    """Both are asked about once a second: True ends the attempt."""
    waiting: Callable[[], bool] = lambda: False
    """Nobody is to work now (memory is waited for): silence is no hang."""


class Feed(Protocol):
    """Tells the extractor of more frames while it works."""

    @property
    def open(self) -> bool:
        """More are to come, or are there and were not told yet."""
        ...

    @property
    def names(self) -> Collection[str]:
        """What it has been given so far, without those that are settled and let go of."""
        ...

    @property
    def given(self) -> int:
        """Frames that it has been given so far, in all."""
        ...

    def advance(self) -> None: ...

    def starved(self, back: set[str]) -> bool:
        """It can do nothing until more are ready: all others are back."""
        ...


@dataclass(frozen=True, slots=True)
class WholeBatch:
    """Every frame is there from the start."""

    names: Collection[str]
    open: bool = False

    @property
    def given(self) -> int:
        return len(self.names)

    def advance(self) -> None:
        pass

    def starved(self, back: set[str]) -> bool:
        return False


class Attempt:
    """Runs one spec. Not reusable.

    Not covered: what the outcomes mean (the run decides), and moving faces.
    """

    def __init__(
        self,
        spec: AttemptSpec,
        extractor: Extractor,
        watch: Watch,
        control: Control,
        *,
        black_box: bool,
        cache_folder: Path | None = None,
        earlier: StartTimes = NO_TIMES,
        feed: Feed | None = None,
    ) -> None:
        """earlier: how long starting took at its slowest, in the same conditions. feed: None = the spec's frames are
        all."""
        self._feed: Feed = WholeBatch(spec.frames) if feed is None else feed
        self._began_streaming = self._streaming = self._feed.open
        self._spec, self._extractor, self._watch, self._control = spec, extractor, watch, control
        self._watcher = OutputWatcher(Path(spec.output_dir), spec.frames) if black_box else None
        self._black_box = black_box
        self._lines = LineQueue()
        self._tail = EventTail(Path(spec.events_path))
        self._console = extractor.console()
        self._back: set[str] = set()
        self._finished = False
        self._agent_failed: str | None = None
        self._prompt: tuple[str, float] | None = None
        self._clock = AwakeClock()
        self._last_line = self._clock.now()
        self._all_done_since: float | None = None
        self._live = Liveness(
            self._clock.now(),
            None if self._streaming else len(spec.frames),
            startup_timeout=spec.plan.startup_timeout,
            frame_timeout=spec.plan.frame_timeout,
            cache_folder=cache_folder,
            output_folders=(Path(spec.output_dir), Path(f"{spec.output_dir}_debug")),
            earlier=earlier,
        )

    def run(self) -> AttemptResult:
        """Run to the end. Raises NeedsUserError where the attempt's folder cannot be written."""
        spec = self._spec
        folder = Path(spec.folder)
        plan_text = json.dumps(spec.to_dict(), indent=1, ensure_ascii=True)
        try:
            (folder / "plan.json").write_text(plan_text, encoding="utf-8")
            Path(spec.events_path).touch()
        except OSError as error:
            raise cannot_write(folder, error) from error
        began = time.monotonic()
        not_started, dead, status = None, None, None
        try:
            ended_by, dead, status = self._start_and_see_through(folder)
        except CannotStartError as error:
            ended_by, not_started = EndedBy.NOT_STARTED, error
        while self._take_in(everything=True):  # what was written between the last look and the end
            pass
        self._tail.close()
        return AttemptResult(
            ended_by,
            status,
            self._live.phase,
            dead,
            self._finished,
            self._agent_failed,
            self._prompt[0] if self._prompt else None,
            self._watcher.first_open if self._watcher else None,
            time.monotonic() - began,
            not_started,
            self._live.times,
        )

    def _start_and_see_through(self, folder: Path) -> tuple[EndedBy, Dead | None, int | None]:
        """Logs go into `folder`. Raises CannotStartError, at once or when the operating system says so."""
        tree = start_tree(self._extractor.launch(self._spec, black_box=self._black_box))
        pumps: list[StreamPump] = []
        try:
            for name, pipe in (("stdout", tree.stdout), ("stderr", tree.stderr)):
                try:
                    pump = StreamPump(name, pipe, folder / f"{name}.log", self._lines)
                except OSError as error:
                    raise cannot_write(folder / f"{name}.log", error) from error
                pump.start()
                pumps.append(pump)
            ended_by, dead = self._supervise(tree, pumps)
        finally:
            tree.close()
            for pump in pumps:
                join(pump, PUMP_BOUND)
        return ended_by, dead, tree.poll()

    def _supervise(self, tree: ProcessTree, pumps: Sequence[StreamPump]) -> tuple[EndedBy, Dead | None]:
        next_vitals = 0.0
        stop_since: float | None = None
        while True:
            ended = tree.poll() is not None  # before the queues: a dying child's last message is not lost
            self._take_in()
            self._feed_on()
            if ended:
                return (EndedBy.STOP if stop_since is not None else EndedBy.EXIT), None
            now = self._clock.now()
            if now >= next_vitals:
                next_vitals = now + VITALS_EVERY
                vitals = tree.vitals()
                self._live.look(vitals, sum(pump.bytes_seen for pump in pumps), now)
                self._watch.tree(tree)
                if self._watch.waiting():
                    self._live.excuse(now)
                if self._watch.doubted():
                    return EndedBy.DOUBT, None
                if self._watch.folder_gone():
                    return EndedBy.FOLDER_GONE, None
                if now - self._last_line > VITALS_EVERY:
                    for pump in pumps:
                        pump.quiet()
            if self._control.stopping:
                if stop_since is None:
                    stop_since = now
                    if not self._black_box:
                        tree.ask_to_stop()
                if self._black_box or self._control.at_once or now - stop_since > GENTLE_BOUND:
                    return EndedBy.STOP, None
            if self._began_streaming and self._agent_failed is not None:
                return EndedBy.NOT_STREAMED, None
            dead = self._live.judge(now)
            if dead:
                return EndedBy.HANG, dead
            if self._prompt and now - self._prompt[1] > PROMPT_BOUND:
                return EndedBy.PROMPT, None
            if self._all_done_since is not None and now - self._all_done_since > MAX_ALL_DONE:
                return EndedBy.ALL_DONE, None
            time.sleep(TICK)

    def _feed_on(self) -> None:
        """Raises NeedsUserError."""
        if not self._streaming:
            return
        self._feed.advance()
        now = self._clock.now()
        if not self._feed.open:
            self._streaming = False
            self._live.all_given(self._feed.given, now)
            self._look_whether_all_done(now)
        elif self._feed.starved(self._back):
            self._live.excuse(now)

    def _take_in(self, *, everything: bool = False) -> bool:
        """What is new, in bounded portions; False where the extractor's events told nothing new."""
        lines = self._tail.read(EVENTS_AT_ONCE)
        events = [event for event in map(parse_event, lines) if event]
        for event in events:
            if event.kind is EventKind.AGENT_FAILED:
                self._agent_failed = str(event.data.get("error", ""))[:2000]
                self._watcher = OutputWatcher(Path(self._spec.output_dir), self._spec.frames)
        deadline = time.monotonic() + LOOK_BOUND
        for _ in range(len(self._lines)):  # no more: who outlives the end may write on
            if not everything and time.monotonic() > deadline:
                break
            events += self._read_line(self._lines.take())
        if self._watcher:
            events += self._watcher.poll(at_once=everything)
        if events:
            self._note(events)
            self._watch.events(events)
            if len(self._back) > MOST_BACK:
                self._back.intersection_update(self._feed.names)
        return bool(lines)

    def _read_line(self, line: Line) -> list[Event]:
        self._last_line = self._clock.now()
        if line.ended:
            self._prompt = None
            self._watch.line(line)
            events = list(self._console.feed(line.stream, line.text))
        else:
            events = list(self._console.idle(line.stream, line.text))
        for event in events:
            if event.kind is EventKind.PROMPT:
                self._prompt = (str(event.data.get("text", "")), self._clock.now())
        # Outcomes come from the events file or the output folder, never from the console.
        return [e for e in events if e.kind not in (EventKind.FRAME_DONE, EventKind.FINISHED)]

    def _note(self, events: Sequence[Event]) -> None:
        now = self._clock.now()
        for event in events:
            self._live.event(event, now)
            if event.kind in (EventKind.FRAME_DONE, EventKind.FRAME_FAILED) and event.frame:
                self._back.add(event.frame)
            elif event.kind is EventKind.FINISHED:
                self._finished = True
            elif event.kind is EventKind.EXTRACTOR_STARTED and self._began_streaming:
                supported = event.data.get("supported")
                if not (isinstance(supported, list) and FRAMES in supported):
                    self._agent_failed = "it takes no frames while it runs"
        self._look_whether_all_done(now)

    def _look_whether_all_done(self, now: float) -> None:
        names = self._feed.names
        if self._feed.open or self._all_done_since is not None or len(self._back) < len(names):
            return
        if self._back.issuperset(names):
            self._all_done_since = now
