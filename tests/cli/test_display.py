"""What a person sees: totals that are right, and nothing that a hostile line could do to the terminal."""

from __future__ import annotations

import io
import os
import re
from dataclasses import replace
from typing import IO

import pytest
from rich.console import Console
from snapshots import held_against

from dflwrap.cli.terminal import display as module
from dflwrap.cli.terminal.display import (
    GIB,
    LiveReporter,
    PlainReporter,
    draw,
    left_words,
    make_reporter,
    progress_text,
)
from dflwrap.common.plan import Plan
from dflwrap.ledger.records import Counts
from dflwrap.supervisor.liveness.awake_clock import AwakeClock
from dflwrap.supervisor.outside.time_left import TimeLeft
from dflwrap.supervisor.progress import STARTING, Pace, RunState
from dflwrap.telemetry.base import DeviceSample

HOSTILE = [
    "\x1b[2J\x1b[Hcleared",
    "\x1b]0;title\x07",
    "\x1b]52;c;ZXZpbA==\x07",
    "[red]not red[/red] [link=http://evil]x[/link]",
    "[/]",
    "back\x08\x08space",
    "over\rwritten",
    "forged\n2026-01-01 00:00:00 all frames lost",
    "\u202egnp.exe",
    "\x9b31mC1",
    "lone \udcff surrogate",
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def state(**changes: object) -> RunState:
    made = RunState(stage="extracting", counts=Counts(40, 21, 5, 3, 1, 10, 27), attempt=2)
    made.plan, made.extractor = Plan(devices=(0, 1), workers=2), "deepfacelab"
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def drawn(what: RunState, width: int = 100) -> str:
    """The display as a terminal would get it."""
    console = Console(
        file=Terminal(), force_terminal=True, record=True, width=width, color_system="truecolor"
    )
    console.print(draw(what))
    return console.export_text(styles=True)


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def escapes(text: str) -> set[str]:
    """Escape sequences other than colours and styles."""
    return set(re.findall(r"\x1b(?!\[[0-9;]*m).{0,6}|[\x00-\x09\x0b-\x1a\x1c-\x1f\x7f-\x9f]", text))


def test_the_live_display_shows_the_totals_and_the_plan() -> None:
    text = plain(drawn(state()))
    assert "extracting" in text and "30/40" in text
    for words in ("extracted 21", "no face 5", "quarantined 3", "not attempted 1", "faces 27"):
        assert words in text
    assert "attempt 2: DeepFaceLab, GPU 0,1, 2 workers" in text
    assert "attempt 2: built-in, CPU, 1 worker" in plain(
        drawn(state(plan=Plan(workers=1), extractor="builtin"))
    ).replace("1 workers", "?")


class PlayedClock:
    """Time as the supervisor sees it: it looks once a second, or sleeps in between."""

    def __init__(self) -> None:
        self.seconds = 5000.0
        self.pace = Pace(AwakeClock(lambda: self.seconds))

    def works(self, seconds: int) -> PlayedClock:
        for _ in range(seconds):
            self.seconds += 1
            self.pace.look()
        return self

    def sleeps(self, hours: int) -> PlayedClock:
        self.seconds += hours * 3600
        self.pace.look()
        return self

    def gains(self, frames: int) -> PlayedClock:
        self.pace.gained(frames)
        return self


def test_speed_and_remaining_time_are_those_of_this_start() -> None:
    busy = PlayedClock().gains(1).works(10).gains(20)  # 10 are open
    assert "2.0 frames/s, time left unknown" in plain(drawn(state(pace=busy.pace)))
    for _ in range(20):
        busy.works(10).gains(20)
    assert "2.0 frames/s, less than a minute left" in plain(drawn(state(pace=busy.pace)))
    slow = PlayedClock().gains(1)
    for _ in range(30):
        slow.works(2000).gains(1)
    assert re.search(
        r"2000.0 s/frame, \d h (\d0 min )?to \d+ h (\d0 min )?left", progress_text(state(pace=slow.pace))
    )


@pytest.mark.parametrize(
    ("least", "most", "words"),
    [
        (3, 9, "less than a minute left"),
        (20, 70, "1 to 2 min left"),
        (130, 200, "2 to 4 min left"),
        (1500, 2300, "25 to 40 min left"),
        (2000, 4000, "30 min to 1 h 10 min left"),
        (20000, 26000, "5 h 30 min to 7 h 30 min left"),
        (259200, 345600, "72 h to 96 h left"),
    ],
)
def test_a_range_is_said_in_round_numbers_that_hold_it(least: float, most: float, words: str) -> None:
    assert left_words(TimeLeft(least, most)) == words


def test_there_is_no_speed_before_it_means_something() -> None:
    """A first look that finds 300 frames done, a tenth of a second later the next: that was 16120.7 frames/s."""
    start = PlayedClock()
    for _ in range(9):
        start.gains(300).works(1)
        said = progress_text(state(pace=start.pace))
        assert "/s" not in said and said.endswith("time left unknown")
    two_frames = state(pace=PlayedClock().gains(1).works(60).gains(2).pace)
    assert progress_text(two_frames).endswith("time left unknown")
    assert progress_text(state()).endswith("time left unknown")
    done = state(pace=start.works(10).pace, counts=Counts(40, 31, 5, 3, 1, 0, 27))
    assert "left" not in progress_text(done), "nothing is left"


def test_the_computers_sleep_does_not_count() -> None:
    night = PlayedClock().gains(1).works(10).gains(10).sleeps(8).works(8).gains(10).works(20).gains(20)
    assert "1.0 frames/s, 1 to 2 min left" in progress_text(state(pace=night.pace))
    assert night.pace.seconds == 40, "8 hours are as one pause"


GPUS = (
    DeviceSample(0, "A", total=12 * GIB, used=5 * GIB, utilisation=98, temperature=71),
    DeviceSample(1, "B"),
    DeviceSample(2, "not used by this plan", total=GIB, used=GIB),
)


@pytest.mark.parametrize("columns", [80, 40])
@pytest.mark.parametrize("stage", ["starting", "extracting"])
def test_the_live_display_as_it_was_looked_at(
    stage: str, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = state(gpus=GPUS, pace=PlayedClock().gains(1).works(30).gains(60).pace)
    shown.began, shown.attempt_began = 1000.0, 1030.0
    monkeypatch.setattr(module.time, "monotonic", lambda: 1095.0)
    for line in SAID:
        shown.add_line(line)
    if stage == "starting":
        shown.stage, shown.counts, shown.pace = STARTING, Counts(40, 0, 0, 0, 0, 40, 0), Pace()
    text = "\n".join(line.rstrip() for line in plain(drawn(shown, columns)).splitlines()) + "\n"
    held_against(f"live-{stage}-{columns}", text)
    assert max(map(len, text.splitlines())) <= columns


SAID = (
    "2026-11-26 20:00:00.123456: I tensorflow/core/platform/cpu_feature_guard.cc:142] This binary is optimized",
    "2026-11-26 20:00:01.123456: W tensorflow/stream_executor/dso_loader.cc:60] Could not load a library",
    "To enable them in other operations, rebuild TensorFlow with the appropriate compiler flags.",
    "C:\\DFL\\python\\lib\\site-packages\\x.py:516: FutureWarning: Passing (type, 1) or '1type' is deprecated",
    '  _np_qint8 = np.dtype([("qint8", np.int8, 1)])',
    "I0000 00:00:1700000000.000001  1234 gpu_device.cc:2022] Created device",
    "WARNING:tensorflow:From x.py:12: y is deprecated",
    "Running on NVIDIA GeForce RTX 3060",
    "  2%|#         | 1/40 [00:00<00:14, 4.19it/s]INFO: Created TensorFlow Lite XNNPACK delegate for CPU.",
    "Could not read the frame 00012.png",
    " 75%|#######   | 30/40 [00:15<00:05, 2.00it/s]",
    "2026-11-26 20:00:09.000001: E tensorflow/core/common_runtime/bfc_allocator.cc:1] out of memory",
)


def test_what_tensorflow_says_in_every_run_is_not_shown_and_what_it_complains_about_is() -> None:
    shown = state()
    for line in SAID:
        shown.add_line(line)
    assert list(shown.lines) == [SAID[7], SAID[9], SAID[10], SAID[11]]


def test_a_bar_that_has_passed_its_total_is_one_line_as_well() -> None:
    """tqdm's, where frames come as a stream: the extractor knows the first 300 of them."""
    shown = state()
    for line in (
        "Running on CPU",
        "100%|##########| 300/300 [00:15<00:00, 20.00it/s]",
        "301it [00:15, 20.02it/s]",
    ):
        shown.add_line(line)
    shown.add_line("302it [00:15, 20.03it/s]")
    assert list(shown.lines) == ["Running on CPU", "302it [00:15, 20.03it/s]"]


def test_the_start_of_an_extractor_is_a_stage_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    reporter = PlainReporter(stream)
    shown = state(stage=STARTING, attempt_began=100.0)
    for now in range(100, 231):
        monkeypatch.setattr(module.time, "monotonic", lambda now=now: float(now))
        reporter.changed(shown)
    said = [line.split(" ", 2)[2] for line in stream.getvalue().splitlines()]
    assert said == [
        f"the extractor has been starting for {time}" for time in ("0 min 00 s", "1 min 00 s", "2 min 00 s")
    ]


def test_an_empty_run_can_be_drawn() -> None:
    assert "0/0" in plain(drawn(RunState()))


@pytest.mark.parametrize("line", HOSTILE)
def test_a_hostile_line_of_the_extractor_is_text_and_nothing_else(line: str) -> None:
    shown = state()
    shown.lines.append(line)
    text = drawn(shown)
    assert escapes(text) == set()
    assert plain(text).count("\n") == plain(drawn(state())).count("\n") + 1
    if "[" in line and "\x1b" not in line:
        assert line in plain(text), "markup is shown as it is"


def test_a_long_line_does_not_break_the_display() -> None:
    shown = state()
    shown.lines.extend(["写" * 400, "x" * 10_000])
    assert max(len(line) for line in plain(drawn(shown, 80)).splitlines()) <= 80


@pytest.mark.parametrize("line", HOSTILE)
def test_a_hostile_notice_is_one_line_of_text(line: str) -> None:
    stream = Terminal()
    console = Console(file=stream, force_terminal=True, width=200, legacy_windows=False)
    with module.Live(console=console, auto_refresh=False, transient=True) as live:
        before = len(stream.getvalue())
        LiveReporter(live).notice(line)
        printed = stream.getvalue()[before:]
    assert "\x1b[2J" not in printed and "\x1b]" not in printed and "\x9b" not in printed
    assert "\x07" not in printed and "\u202e" not in printed
    if "[red]" in line:
        assert "[red]not red[/red]" in printed
    plain_stream = io.StringIO()
    PlainReporter(plain_stream).notice(line)
    text = plain_stream.getvalue()
    assert escapes(text) == set() and "\x1b" not in text
    assert text.count("\n") == 1 and text.endswith("\n")
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", text)
    text.encode()


def test_plain_lines_come_seldom_and_only_when_something_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    stream = io.StringIO()
    reporter = PlainReporter(stream)
    shown = state()
    for _ in range(50):
        reporter.changed(shown)
        clock[0] += 1
    assert stream.getvalue().count("\n") == 1, "nothing changed"
    shown.counts = replace(shown.counts, extracted=22, open=9)
    reporter.changed(shown)
    reporter.changed(replace(shown, stage="preparing frames", counts=Counts(1, 1, 0, 0, 0, 0, 1)))
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert "31/40 frames, 27 faces, 5 without a face, 3 quarantined" in lines[1]


def test_a_stream_that_is_no_terminal_gets_plain_lines() -> None:
    stream = io.StringIO()
    with make_reporter(state(), stream) as reporter:
        assert isinstance(reporter, PlainReporter)
        reporter.notice("hello")
    assert stream.getvalue().endswith(" hello\n") and "\x1b" not in stream.getvalue()


def test_a_terminal_gets_the_live_display_which_ends_with_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with make_reporter(state(), stream) as reporter:
        assert isinstance(reporter, LiveReporter)
        reporter.notice("a decision")
    text = stream.getvalue()
    assert "30/40" in text and "a decision" in text
    assert text.endswith("\x1b[?25h") or "\x1b[?25h" in text, "the cursor is shown again"


def test_a_reader_that_went_away_does_not_end_the_run() -> None:
    read, write = os.pipe()
    os.close(read)
    stream: IO[str] = os.fdopen(write, "w")
    PlainReporter(stream).notice("nobody listens")
    try:
        stream.close()
    except BrokenPipeError:
        pass
    PlainReporter(stream).notice("a closed stream")


def test_letters_that_the_stream_lacks_do_not_lose_the_line() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="cp1252", errors="backslashreplace")
    PlainReporter(stream).notice("写真.png: quarantined")
    assert b"\\u5199\\u771f.png: quarantined" in raw.getvalue()
