# ruff: noqa: E501 - the lines of real logs are long
"""Whatever a window, a web page or a logger made of a log: the same answer, or none; never another one."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from benchmarks._accuracy import answer, as_text, labelled
from benchmarks._forms import FORMS
from dflwrap.diagnosis import diagnose_text
from dflwrap.diagnosis.log.wrapping import unwrap

LOGS = list(labelled(Path(__file__).parents[2] / "sample_logs"))
MOST_LOST = 0.06
"""Share of logs of one form that may end as unknown: what told them stands in their very last bytes, or is lost."""


@functools.cache
def plain() -> dict[str, str]:
    """The answer to each log as it is."""
    return {log.name: answer(diagnose_text([(log.name, log.data)])) for log in LOGS}


def test_there_are_forms_enough() -> None:
    assert len(FORMS) >= 36


@pytest.mark.parametrize("form", FORMS)
def test_a_log_in_another_form_gets_the_same_answer_or_none(form: str) -> None:
    lost, other = [], []
    for log in LOGS:
        got = answer(diagnose_text([(log.name, FORMS[form](as_text(log.data)))]))
        if got != (wanted := plain()[log.name]):
            (lost if got == "unknown" else other).append((log.name, wanted, got))
    assert other == []
    assert len(lost) <= MOST_LOST * len(LOGS), lost


LONG = (
    "tensorflow.python.framework.errors_impl.InternalError: the first of three long lines that a window breaks at eighty",
    "W tensorflow/core/common_runtime/bfc_allocator.cc:243] another one of about the same length which it breaks there too",
    "a third line, of words only, that goes on for more than the eighty columns of that old window and is broken as well",
)


def numbered(lines: list[str]) -> list[tuple[int, str]]:
    return list(enumerate(lines, 1))


def test_one_long_line_does_not_stop_the_joining() -> None:
    broken = [piece for line in LONG for piece in (line[:80], line[80:])]
    outlier = "x" * 300
    joined = [text for _, text in unwrap(numbered([*broken, *("short one", "Done.") * 9, outlier]))]
    assert [line for line in LONG if line in joined] == list(LONG)
    assert outlier in joined


def test_the_width_is_that_of_the_window_also_with_a_prefix_in_each_line() -> None:
    dressed = [f"[05:38:0{n}] {line}" for n, line in enumerate(LONG)]
    broken = [piece for line in dressed for piece in (line[:80], line[80:])]
    assert [text for _, text in unwrap(numbered(broken))] == dressed


def test_one_broken_line_is_sign_enough_just_before_an_editors_width() -> None:
    """A short log that a mail program has broken at 80 holds too few lines to show a width of its own."""
    text = (
        "$ bash extract.sh\n"
        "2021-11-19 20:31:02.551029: F tensorflow/core/platform/cpu_feature_guard.cc:37]\n"
        "The TensorFlow library was compiled to use AVX instructions, but these aren't\n"
        "available on your machine.\n"
        "Aborted (core dumped)\n"
    )
    verdict = diagnose_text([("mail.log", text.encode())])
    assert verdict.primary is not None and verdict.primary.id == "no-avx"
