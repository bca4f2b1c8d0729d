"""DeepFaceLab's console lines become progress, prompts and marked log lines; garbage becomes nothing."""

from __future__ import annotations

import os
import tracemalloc

import pytest

from dflwrap.common.events import Event, EventKind
from dflwrap.extractors.deepfacelab.console import DflConsole, Mark

BAR = " 42%|####1     | 5/12 [00:11<00:16,  2.37s/it]"


def feed(line: bytes | str, stream: str = "stdout") -> list[Event]:
    data = line.encode("utf-8") if isinstance(line, str) else line
    return list(DflConsole(clock=lambda: 1.0).feed(stream, data))


def test_the_bar_is_progress() -> None:
    [event] = feed(BAR, "stderr")
    assert event.kind is EventKind.PROGRESS and event.data == {"done": 5, "total": 12}
    [first] = feed("  0%|          | 0/12 [00:00<?, ?it/s]", "stderr")
    assert first.data == {"done": 0, "total": 12}


def test_several_bars_on_one_line_count_as_the_last() -> None:
    [event] = feed(BAR + BAR.replace("5/12", "6/12"), "stderr")
    assert event.data["done"] == 6


def test_text_glued_to_the_bar_is_read_too() -> None:
    events = feed(BAR + "/!\\ Failed to open D:\\x y.png, reason: cv2_imread() fail.")
    assert [event.kind for event in events] == [EventKind.PROGRESS, EventKind.LOG_LINE]
    assert events[1].data["name"] == "D:\\x y.png"


@pytest.mark.parametrize(
    ("line", "mark", "extra"),
    [
        ("Images found:        12", Mark.IMAGES_FOUND, {"count": 12}),
        ("Faces detected:      0", Mark.FACES_DETECTED, {"count": 0}),
        ("Running on NVIDIA GeForce RTX 3060.", Mark.WORKER_READY, {"name": "NVIDIA GeForce RTX 3060"}),
        ("Error while processing data: Traceback (most recent call last):", Mark.FRAME_ERROR, {}),
        ("Error while subprocess initialization: Traceback (most", Mark.START_ERROR, {}),
        ("CPU0 doesnt response, terminating it.", Mark.NO_RESPONSE, {"name": "CPU0"}),
        ("Duplicate filenames are not allowed, skipping: a.jpg", Mark.DUPLICATE, {"name": "a.jpg"}),
        ("/!\\ Input directory not found. Please ensure it exists.", Mark.ERROR, {}),
        ("Done.", Mark.DONE, {}),
    ],
)
def test_known_lines_are_marked(line: str, mark: Mark, extra: dict[str, object]) -> None:
    [event] = feed(line)
    assert event.kind is EventKind.LOG_LINE
    assert event.data["mark"] == mark.value
    assert event.data["text"] == line
    assert extra.items() <= event.data.items()


@pytest.mark.parametrize(
    "line", ["", "hello", "He said: Images found: 12", "Done. Or not", "12/13 of them", "\u200b"]
)
def test_other_lines_say_nothing(line: str) -> None:
    assert feed(line) == []


@pytest.mark.parametrize(
    "text",
    [
        "[n] Write debug images to aligned_debug? ( y/n ) : ",
        "[wf] Face type ( f/wf/head ?:help ) : ",
        "[0] Max number of faces from image ( ?:help ) : ",
        "[0] : ",
        "Continue extraction? ( y/n ?:help ) : ",
    ],
)
def test_a_question_that_stands_is_a_prompt(text: str) -> None:
    [event] = DflConsole().idle("stdout", text.encode())
    assert event.kind is EventKind.PROMPT and event.data["text"] == text.strip()


def test_the_warning_that_deletes_the_output_is_a_prompt_although_its_line_has_ended() -> None:
    [event] = feed(" Press enter to continue.")
    assert event.kind is EventKind.PROMPT


@pytest.mark.parametrize(
    ("stream", "text"), [("stderr", BAR), ("stdout", "Extracting fa"), ("stderr", "Loading:")]
)
def test_a_standing_bar_or_half_a_line_is_no_prompt(stream: str, text: str) -> None:
    events = DflConsole().idle(stream, text.encode())
    assert all(event.kind is not EventKind.PROMPT for event in events)


@pytest.mark.parametrize(
    "line",
    [b"\xff\xfe\xc3\x28", b"\0" * 65536, "Fehler".encode("utf-16"), b"\x1b[31m\x1b[0m", os.urandom(65536)],
    ids=["bad utf-8", "nuls", "utf-16", "colours", "noise"],
)
def test_garbage_never_raises(line: bytes) -> None:
    console = DflConsole()
    assert len(list(console.feed("stdout", line))) <= 1
    assert len(list(console.idle("stdout", line))) <= 1


def test_utf_16_and_colours_are_read_through() -> None:
    assert feed("Images found:        7".encode("utf-16-le"))[0].data["count"] == 7
    assert feed("\x1b[32mDone.\x1b[0m")[0].data["mark"] == "done"


def test_a_flood_costs_no_memory() -> None:
    console, line = DflConsole(), b"Error while processing data: " + b"x" * 60_000
    list(console.feed("stdout", line))
    tracemalloc.start()
    try:
        for _ in range(2000):
            for event in console.feed("stdout", line):
                assert len(event.data["text"]) <= 2000
        assert tracemalloc.get_traced_memory()[0] < 500_000
    finally:
        tracemalloc.stop()
