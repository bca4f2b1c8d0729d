# ruff: noqa: E501 - the lines of real logs are long
"""Any bytes: no traceback, no hang; matching stays linear in the log's length."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dflwrap.common.verdict import Health
from dflwrap.diagnosis import Rule, diagnose_streams, diagnose_text, load_catalogue
from dflwrap.diagnosis.log.lines import MAX_LINE, Line
from dflwrap.diagnosis.rulebook.literals import MIN_LITERAL
from dflwrap.diagnosis.rulebook.matcher import Run, find_hits

RULES = load_catalogue().rules
_PARTS = st.sampled_from(
    [
        b"Traceback (most recent call last):\n", b'  File "x.py", line 1, in y\n', b"\r 10%|#  | 1/10 [00:01<00:09,  1.00it/s]",
        b"\r\n", b"\0", b"\xff\xfe", b"\x1b[31m", b"```\n", b"> ", b"Extracting faces...\n", b"Done.\n", b"doesnt response, terminating it.",
        b"Images found:        99999999999999999999\n", b"Faces detected:      \n", b"exit code 99999999999999", b"[02:00:00:00<?, ?it/s]",
        b'{"log":"', b"2024-01-01T00:00:00Z ", b"Nov 24 05:38:21 a b[1]: ", b"100%|", b"Running on ", b"KeyboardInterrupt",
    ]
)  # fmt: skip


@settings(max_examples=150, deadline=30_000, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=2000))
def test_any_bytes_give_a_verdict(data: bytes) -> None:
    assert diagnose_text([("any", data)]).health in Health


@settings(max_examples=150, deadline=30_000, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.one_of(_PARTS, st.binary(max_size=30)), max_size=60), st.integers(1, 7))
def test_any_mixture_of_console_pieces_gives_a_verdict_however_it_is_cut(
    pieces: list[bytes], step: int
) -> None:
    data = b"".join(pieces)
    whole = diagnose_text([("any", data)])
    chunked = diagnose_streams(
        [("any", [data[i : i + step * 97] for i in range(0, len(data), step * 97)])]
    ).verdict
    assert chunked.health == whole.health
    assert chunked.primary == whole.primary


@settings(max_examples=60, deadline=30_000)
@given(st.text(max_size=300))
def test_any_text_in_utf16_gives_the_verdict_of_its_utf8(text: str) -> None:
    body = (
        "Killed\n"
        + text.replace("\ufeff", "").replace("\0", "")
        + "\nOSError: [Errno 28] No space left on device\n"
    )
    encoded = body.encode("utf-16", "surrogatepass")
    assert diagnose_text([("a", encoded)]).primary is not None


def _hostile_lines(rule: Rule) -> list[str]:
    """Long lines made of what the rule's expressions look for, in orders that make a backtracker work."""
    generator = random.Random(rule.id)
    words = [gate for signature in rule.signatures for gate in signature.gates]
    words += [sample.strip().splitlines()[0][:60] for sample in rule.matches]
    lines = []
    for word in words[:12]:
        lines.append((word * MAX_LINE)[:MAX_LINE])
        lines.append((word + " " * 300 + word[:-1]) * 8)
        lines.append((word[:-1] * MAX_LINE)[: MAX_LINE - len(word)] + word)
        lines.append(
            "".join(generator.choice(words) + generator.choice(" .'/:0\\") for _ in range(150))[:MAX_LINE]
        )
    return lines


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_no_expression_is_slow_on_lines_made_for_it(rule: Rule) -> None:
    lines = _hostile_lines(rule)
    start = time.process_time()
    for signature in rule.signatures:
        assert min(len(gate.encode()) for gate in signature.gates) >= MIN_LITERAL
        for line in lines:
            signature.regex.search(line)
    assert time.process_time() - start < 0.02 * max(1, len(lines) * len(rule.signatures))


def test_matching_grows_linearly_with_the_log() -> None:
    def seconds(copies: int) -> float:
        text = [word for rule in RULES for word in _hostile_lines(rule)[:1]] * copies
        run = Run([Line("x", number, line[:400]) for number, line in enumerate(text)])
        best = 9.0
        for _ in range(3):
            start = time.process_time()
            find_hits(run, load_catalogue(), frozenset())
            best = min(best, time.process_time() - start)
        return best

    small, large = seconds(4), seconds(16)
    assert large < 4 * small * 2.5 + 0.1


def test_a_log_of_one_endless_line_and_of_endless_text_is_read_within_bounds() -> None:
    endless = diagnose_streams([("a", (b"x" * (1 << 20) for _ in range(24)))])
    assert endless.size == 24 << 20
    generator = random.Random(1)
    chunk = b"\n".join(generator.randbytes(30).hex().encode() for _ in range(16_000))
    start = time.process_time()
    noisy = diagnose_streams([("a", (chunk for _ in range(4)))])
    assert noisy.verdict.primary is None
    assert time.process_time() - start < 60


def test_a_failure_in_the_middle_of_a_huge_log_is_found_with_its_line_number() -> None:
    def chunks() -> list[bytes]:
        noise = b"".join(b"frame %d looked at, value %d\n" % (i, i * 7) for i in range(30_000))
        return [noise] * 4 + [b"OSError: [Errno 28] No space left on device\n"] + [noise] * 6

    verdict = diagnose_streams([("big.log", chunks())]).verdict
    assert verdict.primary is not None
    assert verdict.primary.id == "disk-full"
    assert verdict.primary.evidence[0].line == 120_001


def test_fifty_megabytes_of_bars_do_not_hide_the_end() -> None:
    bar = b"\r 45%|####5     | 450/1000 [03:20<04:05,  2.24it/s]"
    block = bar * 20_000
    tail = b"\nGeForce GTX 1080 doesnt response, terminating it.\nImages found:        1000\nFaces detected:      440\nDone.\n"
    verdict = diagnose_streams([("a", [b"Running on GeForce GTX 1080\n", *([block] * 48), tail])]).verdict
    assert verdict.primary is not None
    assert verdict.primary.id == "worker-native-crash"
    assert verdict.facts["frames_unaccounted"] == 550


@pytest.mark.parametrize(
    "chunk", [b"\n" * (1 << 20), b"\r\n" * (1 << 19), b" " * (1 << 20), b"\0" * (1 << 20)]
)
def test_megabytes_of_nothing_cost_next_to_nothing(chunk: bytes) -> None:
    start = time.process_time()
    verdict = diagnose_streams([("x", [chunk] * 20)]).verdict
    assert verdict.primary is None
    assert time.process_time() - start < 6


def test_random_bytes_and_text_without_sense_are_read_quickly() -> None:
    generator = random.Random(5)
    for blob in ([generator.randbytes(1 << 20)], [bytes(generator.choices(b"abcdefgh0123 \n", k=1 << 20))]):
        start = time.process_time()
        assert diagnose_streams([("x", blob * 5)]).verdict.primary is None
        assert time.process_time() - start < 12


def test_prose_about_folders_is_no_command() -> None:
    prose = "Then extract data_dst with main.py extract --input-dir data_src/aligned as the guide says.\n" * 3
    assert diagnose_text([("x", prose.encode())]).primary is None
