"""From bytes to lines: numbers, glued bars, wrapped lines, bounded memory."""

from __future__ import annotations

import pytest

from dflwrap.diagnosis.log.encodings import detect
from dflwrap.diagnosis.log.lines import MAX_LINE, clean
from dflwrap.diagnosis.log.reading import read_source
from dflwrap.diagnosis.log.wrapping import unwrap

BAR = " 45%|####5     | 450/1000 [03:20<04:05,  2.24it/s]"
NEXT = " 46%|####6     | 460/1000 [03:24<04:01,  2.24it/s]"


def read(text: str) -> list[tuple[int, str]]:
    return [(line.number, line.text) for line in read_source("x", [text.encode()]).unwrapped]


def test_a_native_line_glued_to_a_bar_stands_alone_with_its_line_number() -> None:
    text = f"Running on CPU0\n\r{BAR}2021-01-01: F tensorflow/x.cc:1] Check failed\nDone.\n"
    assert read(text) == [
        (1, "Running on CPU0"),
        (2, BAR.strip()),
        (2, "2021-01-01: F tensorflow/x.cc:1] Check failed"),
        (3, "Done."),
    ]


def test_of_refreshed_bars_the_one_before_a_text_and_the_last_stay() -> None:
    text = "Running on CPU0\n" + f"\r{BAR}" * 50 + "\n/!\\ a frame failed\n" + f"\r{BAR}" * 50 + f"\r{NEXT}"
    assert read(text) == [
        (1, "Running on CPU0"),
        (3, BAR.strip()),
        (3, "/!\\ a frame failed"),
        (4, NEXT.strip()),
    ]


def test_no_line_is_read_twice() -> None:
    text = f"{BAR}note one\nnote two\n{BAR}\nnote three\n"
    assert [line for line in read(text) if "note" in line[1]] == [
        (1, "note one"),
        (2, "note two"),
        (4, "note three"),
    ]


def test_line_numbers_count_line_feeds_also_over_chunks_and_crlf() -> None:
    body = b"".join(b"line %d\r\n" % n for n in range(1, 3000))
    for size in (7, 100, 4096, len(body)):
        reading = read_source("x", [body[i : i + size] for i in range(0, len(body), size)])
        assert [(line.number, line.text) for line in reading.lines] == [
            (n, f"line {n}") for n in range(1, 3000)
        ]


def test_long_lines_are_cut_into_bounded_pieces() -> None:
    lines = read_source("x", [b"y" * 10_000 + b"\nz\n"]).lines
    assert max(len(line.text) for line in lines) <= MAX_LINE
    assert lines[-1].text == "z"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("\x1b[31mError\x1b[0m", "Error"),
        ("2024-01-01T00:00:00.123456Z stderr F Killed", "Killed"),
        ("Nov 24 05:38:21 box dfl[42]: Killed", "Killed"),
        ("dfl-1  | Killed", "Killed"),
        ("> > Killed", "Killed"),
        ('{"log":"Killed\\n","stream":"stderr","time":"2024-01-01T00:00:00Z"}', "Killed"),
        ("[2024-01-01 00:00:00,123: WARNING/ForkPoolWorker-1] Killed", "Killed"),
        ("WARNING !!!", "WARNING !!!"),
        (
            "INFO:plaidml:Analyzing Ops: 1 of 2 operations complete",
            "INFO:plaidml:Analyzing Ops: 1 of 2 operations complete",
        ),
        ("[0] : GeForce GTX 1080", "[0] : GeForce GTX 1080"),
        (
            "[n] Write debug images to aligned_debug? ( y/n ) :",
            "[n] Write debug images to aligned_debug? ( y/n ) :",
        ),
    ],
)
def test_what_is_put_before_a_line_is_dropped_and_what_belongs_to_it_stays(raw: str, text: str) -> None:
    assert clean(raw) == text


def test_lines_broken_by_a_console_are_joined_and_others_are_not() -> None:
    long = "tensorflow.python.framework.errors_impl.ResourceExhaustedError: OOM when allocating tensor with shape[1,64]"
    wrapped = [(1, long[:80]), (2, long[80:]), (3, "short")]
    assert unwrap(wrapped) == [(1, long), (3, "short")]
    plain = [
        (1, "one line of words"),
        (2, "another line of words that is longer than sixty characters in all"),
        (3, "x"),
    ]
    assert unwrap(plain) == plain


@pytest.mark.parametrize("codec", ["utf-8", "utf-16", "utf-16-le", "utf-16-be", "cp1251", "cp866", "gb18030"])
def test_the_encoding_is_told(codec: str) -> None:
    text = (
        "Ошибка: Не найден указанный модуль.\n" * 3
        if codec != "gb18030"
        else "错误: 找不到指定的模块。请按任意键继续\n" * 3
    )
    data = (text + "Traceback (most recent call last):\n" * 4).encode(codec)
    assert data.decode(detect(data)).lstrip("\ufeff").startswith(text[:10])


def test_memory_is_bounded_and_repeated_lines_are_kept_a_few_times() -> None:
    chunk = b"".join(b"frame %d is fine, nothing to say about it at all\n" % n for n in range(20_000))
    reading = read_source("x", [chunk] * 20, lambda lines: [False] * len(lines))
    assert reading.newlines == 400_000
    assert len(reading.lines) < 15_000
    assert reading.lines[-1].number == 400_000
    assert reading.dropped
