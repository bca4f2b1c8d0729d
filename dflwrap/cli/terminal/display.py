"""Drawing a run: a live display on a terminal, plain timestamped lines elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

from rich.console import Console, Group, RenderableType
from rich.constrain import Constrain
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Column, Table
from rich.text import Text

from dflwrap.cli.terminal.printer import CLOSE_BOUND, Printer, within
from dflwrap.common.text import display
from dflwrap.supervisor.outside.time_left import TimeLeft
from dflwrap.supervisor.progress import STARTING, Reporter, RunState
from dflwrap.telemetry.base import DeviceSample

PLAIN_EVERY = 10.0
"""Seconds between two progress lines without a terminal."""
LOGGED_EVERY = 60.0
"""Seconds; the same in the log, where a display is drawn."""
STARTING_EVERY = 60.0
"""Seconds; the same, while the extractor starts."""
WIDEST = 100
"""Columns of the first line, with its bar."""
TITLES = {"deepfacelab": "DeepFaceLab", "builtin": "built-in"}
GIB = 1024**3


@contextmanager
def make_reporter(
    state: RunState, stream: IO[str], log: Callable[[str], None] = lambda text: None
) -> Iterator[Reporter]:
    """The reporter that fits `stream`; the live display ends with the block. It prints in a thread of its own.

    log: given all that is said, without its time; must not wait.
    """
    console = Console(file=stream, highlight=False)
    if not console.is_terminal or console.is_dumb_terminal:
        plain = PlainReporter(stream, log)
        with _in_a_thread(plain):
            yield plain
        return
    live = Live(console=console, refresh_per_second=4, transient=True, get_renderable=lambda: draw(state))
    live.start()
    try:
        reporter = LiveReporter(live, log)
        with _in_a_thread(reporter):
            yield reporter
    finally:
        within(live.stop, CLOSE_BOUND)  # it waits for whoever is drawing


@contextmanager
def _in_a_thread(reporter: PlainReporter | LiveReporter) -> Iterator[None]:
    printer = Printer(reporter.write)
    reporter.say = printer.say
    try:
        yield
    finally:
        printer.close()


class ProgressLines:
    """When the totals are worth a line, where nothing is drawn."""

    def __init__(self, every: float) -> None:
        """every: seconds between two lines."""
        self._every = every
        self._last = float("-inf")
        self._said = ""

    def due(self, state: RunState) -> str:
        """The line, or ""."""
        now = time.monotonic()
        every = STARTING_EVERY if state.stage == STARTING else self._every
        at_work = state.stage in ("extracting", STARTING)
        if now - self._last < every or not (at_work or state.progress):
            return ""
        text = f"{state.stage}: {state.progress}" if state.progress else ""
        text = text or _starting(state, now) or progress_text(state)
        if text == self._said:
            return ""
        self._last, self._said = now, text
        return text


class PlainReporter:
    """Timestamped lines: for logs, pipes and schedulers."""

    def __init__(self, stream: IO[str], log: Callable[[str], None] = lambda text: None) -> None:
        self._stream, self._log = stream, log
        self.say: Callable[[str], None] = self.write
        self._progress = ProgressLines(PLAIN_EVERY)

    def notice(self, text: str) -> None:
        self._print(text)

    def changed(self, state: RunState) -> None:
        text = self._progress.due(state)
        if text:
            self._print(text)

    def _print(self, text: str) -> None:
        self._log(text)
        self.say(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {display(text)}")

    def write(self, line: str) -> None:
        try:
            self._stream.write(f"{line}\n")
            self._stream.flush()
        except (OSError, ValueError):
            pass  # a closed terminal or pipe: the run continues, the report has it all


class LiveReporter:
    """Notices scroll above a display that is redrawn."""

    def __init__(self, live: Live, log: Callable[[str], None] = lambda text: None) -> None:
        self._live, self._log = live, log
        self._progress = ProgressLines(LOGGED_EVERY)
        self.say: Callable[[str], None] = self.write

    def notice(self, text: str) -> None:
        self._log(text)
        self.say(f"{time.strftime('%H:%M:%S')} {display(text)}")

    def write(self, line: str) -> None:
        try:
            self._live.console.print(Text(line))
        except OSError:
            pass

    def changed(self, state: RunState) -> None:
        """The display asks for the state itself, four times a second; the log gets a line now and then."""
        text = self._progress.due(state)
        if text:
            self._log(text)


def draw(state: RunState) -> RenderableType:
    """The live display on a terminal."""
    counts, now = state.counts, time.monotonic()
    head = Table.grid(Column(), Column(ratio=1), Column(), padding=(0, 2), expand=True)
    share = f"{100 * state.done // counts.total} %" if counts.total else ""
    head.add_row(
        Text(f"{state.stage} {state.progress}".rstrip(), style="bold"),
        ProgressBar(total=max(1, counts.total), completed=state.done),
        Text(f"{state.done}/{counts.total}  {share}".rstrip()),
    )
    outcomes = Text(
        f"extracted {counts.extracted}   no face {counts.no_face}   quarantined {counts.quarantined}"
        f"   not attempted {counts.not_attempted}   faces {counts.faces}"
    )
    starting = _starting(state, now).replace("the extractor has been ", "")
    times = filter(None, (f"{duration(now - state.began)} elapsed", starting, _pace(state)))
    parts: list[RenderableType] = [Constrain(head, WIDEST), Text(", ".join(times)), outcomes]
    if state.plan is not None:
        plan = state.plan
        where = "CPU" if not plan.devices else "GPU " + ",".join(map(str, plan.devices))
        workers = plan.workers if state.workers is None else state.workers
        width = f"{workers} worker{'s' if workers != 1 else ''}"
        name = TITLES.get(state.extractor, state.extractor)
        parts.append(Text(f"attempt {state.attempt}: {name}, {where}, {width}", style="cyan"))
        parts += [Text(_gpu(gpu), style="cyan") for gpu in state.gpus if gpu.index in plan.devices]
    parts += [Text(display(line), style="dim", no_wrap=True, overflow="ellipsis") for line in state.lines]
    return Group(*parts)


def _starting(state: RunState, now: float) -> str:
    if state.stage != STARTING or state.attempt_began is None:
        return ""
    return f"the extractor has been starting for {duration(now - state.attempt_began)}"


def _gpu(gpu: DeviceSample) -> str:
    """Figures that the driver does not tell are left out."""
    words = []
    if gpu.used is not None and gpu.total:
        words.append(f"VRAM {gpu.used / GIB:.1f}/{gpu.total / GIB:.1f} GiB")
    if gpu.temperature is not None:
        words.append(f"{gpu.temperature} °C")
    if gpu.utilisation is not None:
        words.append(f"{gpu.utilisation} %")
    return f"GPU {gpu.index}: {', '.join(words) or 'no readings'}"


def progress_text(state: RunState) -> str:
    """The totals in one line, where there is no terminal."""
    counts = state.counts
    return (
        f"{state.done}/{counts.total} frames, {counts.faces} faces, {counts.no_face} without a face, "
        f"{counts.quarantined} quarantined {_pace(state)}".rstrip()
    )


def _pace(state: RunState) -> str:
    if not state.counts.open:
        return ""
    rate = state.pace.rate()
    parts = [speed(rate), left_words(state.time_left())] if rate else [left_words(None)]
    return ", ".join(parts)


def speed(rate: float) -> str:
    """rate: frames per second."""
    return f"{rate:.1f} frames/s" if rate >= 1 else f"{1 / rate:.1f} s/frame"


def left_words(left: TimeLeft | None) -> str:
    """A range in numbers that nobody takes for more exact than they are."""
    if left is None:
        return "time left unknown"
    least, most = (rounded(left.least, math.floor), rounded(left.most, math.ceil))
    if most <= 60:
        return "less than a minute left"
    if most < 3600:
        return f"{max(1, least // 60)} to {most // 60} min left" if most > max(60, least) else "1 min left"
    return f"{coarse(least)} to {coarse(most)} left"


def rounded(seconds: float, way: Callable[[float], int]) -> int:
    """To whole minutes, of long times to fewer figures."""
    step = next(step for most, step in _STEPS if seconds < most)
    return step * way(seconds / step)


_STEPS = ((600, 60), (3600, 300), (4 * 3600, 600), (12 * 3600, 1800), (math.inf, 3600))
"""Up to so many seconds, a time is rounded to a multiple of these."""


def coarse(seconds: int) -> str:
    """Hours and minutes, or one of them."""
    hours, minutes = divmod(seconds // 60, 60)
    return " ".join(
        filter(None, (f"{hours} h" if hours else "", f"{minutes} min" if minutes or not hours else ""))
    )


def duration(seconds: float) -> str:
    """Hours and minutes, or minutes and seconds, of `seconds`."""
    whole = int(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {whole % 60:02d} s"
