"""The ten questions of the morning, answered in a sentence or two each; docs/reading-the-report.md lists them."""

from __future__ import annotations

from collections.abc import Callable

from dflwrap.common.text import counted
from dflwrap.report.night.facts import CUT_OFF, RUNNING, Answer, Facts
from dflwrap.report.night.failures import steps_of, title_of
from dflwrap.report.night.values import GIB, length, listed, number, pace, text, texts
from dflwrap.report.page.slow import WORTH_SECONDS, WORTH_SHARE, what_was_slow

FEW_FREE = 10 * GIB
"""Bytes of the faceset's disk under which the next run may not fit."""
MOST_STEPS = 6
LONG_WAIT = WORTH_SECONDS
"""Seconds of waiting for a card's memory from which it is worth a change."""


def headline(facts: Facts) -> tuple[str, str]:
    """The first thing to read, and its tone."""
    counts, rest = facts.counts, facts.without_result
    if facts.state == RUNNING:
        return (
            f"Still at work: {counts.total - counts.open:,} of {counted(counts.total, 'frame')} done.",
            "plain",
        )
    if facts.state == CUT_OFF:
        return f"dflwrap was cut off with {counted(counts.open, 'frame')} to go.", "bad"
    if facts.state == "stopped":
        return f"The run stopped with {counted(facts.unfinished, 'frame')} to go. It needs you.", "bad"
    if facts.state == "interrupted":
        return f"The run was interrupted with {counted(facts.unfinished, 'frame')} to go.", "look"
    if not counts.total:
        return "There was no frame to extract.", "look"
    if rest:
        return f"It went well, but for {counted(rest, 'frame')}.", "look"
    if not counts.faces:
        return "The run finished, and found no face at all.", "bad"
    return "It went well: every frame has its result.", "good"


def answers(facts: Facts) -> list[Answer]:
    """All ten, in order."""
    return [make(facts) for make in _QUESTIONS]


def to_do(facts: Facts) -> list[str]:
    """What the user must do, the most urgent first; empty where that is nothing."""
    steps: list[str] = []
    if facts.hostile:
        hostile = f"the {counted(len(facts.hostile), 'face')} that would run code"
        steps.append(f"Do not open the faceset with DeepFaceLab before you have looked at {hostile}.")
    if facts.stop is not None:
        steps += texts(facts.stop.steps, MOST_STEPS)
    if facts.state in ("interrupted", CUT_OFF) and facts.unfinished:
        steps.append("Run the same command again: it resumes where it stopped.")
    if facts.counts.quarantined:
        quarantined = counted(facts.counts.quarantined, "quarantined frame")
        steps.append(f"Look at the {quarantined}; replace what is broken, then run with --redo quarantined.")
    if facts.missing_faces and facts.state != RUNNING:
        steps.append("Faces were taken out of the faceset. If that was not you, run with --redo missing.")
    if facts.faces.damaged:
        damaged = counted(facts.faces.damaged, "face")
        steps.append(f"Run dflwrap verify on the faceset: it names {damaged} that cannot be read.")
    if facts.review:
        steps.append(f"Look at the {counted(len(facts.faces.odd), 'face')} of the review before you train.")
    if facts.manual:
        left = counted(len(facts.manual), "frame")
        steps.append(f"Left for DeepFaceLab's manual re-extract: {left} (dflwrap handover prepares it).")
    return list(dict.fromkeys(steps))


def _finished(facts: Facts) -> Answer:
    when = facts.sessions[-1].ended if facts.sessions else None
    at = f" at {facts.clock(when)}" if when is not None else ""
    sentence = text(facts.stop.sentence) if facts.stop is not None else ""
    words, tone = {
        RUNNING: (f"Not yet: it is at work as of {facts.clock(facts.made)}.", "plain"),
        CUT_OFF: (
            f"No: dflwrap itself ended unexpectedly{at} (a power cut, a crash, or it was killed).",
            "bad",
        ),
        "stopped": (f"No: it stopped{at}. {_as_sentence(sentence)}".rstrip(), "bad"),
        "interrupted": (f"No: interrupted{at}{_by_what(facts)}.", "look"),
        "quarantined": (
            f"Yes{at}, but {counted(facts.without_result, 'frame')} came out without a result.",
            "look",
        ),
    }.get(facts.state, (f"Yes: complete{at}.", "good"))
    return Answer("finished", "Did it finish?", words, tone, "sessions")


def _as_sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + ("." if words[-1:].isalnum() or words.endswith(")") else "")


def _by_what(facts: Facts) -> str:
    why = text(facts.sessions[-1].sentence, 200) if facts.sessions else ""
    return f": {why}" if why else " (Ctrl-C, a closed window, or a signal)"


def _missing(facts: Facts) -> Answer:
    counts = facts.counts
    parts = [
        f"{number_:,} {words}"
        for number_, words in (
            (counts.quarantined, "quarantined"),
            (counts.not_attempted - facts.left_out, "not attempted"),
            (counts.open, "not reached"),
        )
        if number_
    ]
    without, gone = counted(counts.no_face, "frame"), counted(len(facts.missing_faces), "face")
    more = f" No face was found in {without}: that is a result, not a loss." if counts.no_face else ""
    more += f" You left {counted(facts.left_out, 'frame')} out." if facts.left_out else ""
    more += f" Recorded earlier and gone: {gone}." if facts.missing_faces else ""
    if not parts:
        return Answer("missing", "What is missing?", f"No frame is missing.{more}", "good", "frames")
    missing = f"{facts.without_result:,} of {counted(counts.total, 'frame')}: {listed(parts)}."
    tone = "plain" if facts.state == RUNNING else "look"
    return Answer("missing", "What is missing?", missing + more, tone, "frames")


def _why(facts: Facts) -> Answer:
    failed = len([attempt for attempt in facts.attempts if attempt.cause])
    why = title_of(facts.stop.cause) if facts.stop is not None and facts.stop.cause else ""
    first = f"It stopped because: {why}." if why else ""
    others = [cause for cause in facts.causes if cause.title != why]
    shown = [f"{cause.title} ({counted(cause.frames, 'frame')})" for cause in others[:3]]
    more = len(others) - len(shown)
    shown += [counted(more, "other cause")] if more > 0 else []
    words = "; ".join([*shown[:1], *map(_lower, shown[1:])])
    after = f" {counted(failed, 'attempt')} failed on the way." if failed else ""
    if not words and not first:
        words = "Nothing is missing for a reason." if not failed else "Whatever failed was made good."
    sentence = f"{first} {words}".strip()
    sentence += "" if sentence.endswith(".") else "."
    return Answer("why", "Why?", sentence + after, "look" if shown or first else "good", "failures")


def _lower(sentence: str) -> str:
    """For the middle of a sentence; what begins with a name or an abbreviation stays."""
    return (
        sentence[:1].lower() + sentence[1:] if sentence[1:2].islower() or sentence[1:2] == " " else sentence
    )


def _card(facts: Facts) -> Answer:
    question, devices = "Was the card used?", facts.line.telemetry.devices
    planned = sorted({index for attempt in facts.attempts for index in facts.devices_of(attempt)})
    if not planned:
        why = "; a card was measured, but not asked for" if devices else ""
        return Answer("card", question, f"No: the CPU did the work{why}.", "plain", "timeline")
    parts, tone = [], "good"
    for index in planned:
        use = devices.get(index)
        if use is None or not use.busy.count:
            words = f"GPU {index}: it was in the plan; how busy it was could not be measured"
            parts.append(words + _waited(facts, index))
            tone = "plain"
            continue
        words = f"GPU {index} ({use.name}) was busy {use.busy.value:.0f} % of the time"
        if use.most_used is not None:
            of = f" of {use.total / GIB:.1f}" if use.total else ""
            words += f", held {use.most_used / GIB:.1f}{of} GiB at most"
        if use.hottest is not None:
            words += f", {use.hottest:.0f} °C at its hottest"
        if use.throttled:
            words += f", and was slowed down ({listed(sorted(use.throttled))})"
            tone = "look"
        parts.append(words + _waited(facts, index))
    tone = "look" if any(_waited(facts, index) for index in planned) else tone
    on_cpu = [attempt for attempt in facts.attempts if not facts.devices_of(attempt)]
    cpu = f" {counted(len(on_cpu), 'attempt')} ran on the CPU." if on_cpu else ""
    return Answer("card", question, f"{'; '.join(parts)}.{cpu}", "look" if on_cpu else tone, "timeline")


def _waited(facts: Facts, index: int) -> str:
    seconds, total = facts.line.spent.card_waits.get(index, 0.0), facts.line.spent.total
    share = seconds / total if total else 0.0
    if seconds < 1 or (seconds < LONG_WAIT and share < WORTH_SHARE):
        return ""
    return f"; it waited {length(seconds)} of {length(total)} for its memory"


def _change(facts: Facts) -> Answer:
    question, advice = "What should I change?", []
    first = facts.stop.cause if facts.stop is not None else ""
    causes = [cause for cause in (first, *(failure.cause for failure in facts.failures)) if cause]
    for cause in sorted(set(causes), key=lambda one: (one != first, -causes.count(one), one))[:2]:
        steps = steps_of(cause)
        if steps:
            advice.append(f"{title_of(cause)}: {steps[0]}")
    room = facts.line.telemetry.least_disk.get("output")
    if room is not None and room < FEW_FREE:
        advice.append(f"The faceset's disk was down to {room / GIB:.1f} GiB: make room.")
    for index, seconds in sorted(facts.line.spent.card_waits.items()):
        if seconds >= LONG_WAIT and seconds >= WORTH_SHARE * facts.line.spent.total:
            advice.append(
                f"GPU {index} waited {length(seconds)} for its memory: close other programs that use it."
            )
    if any(use.throttled for use in facts.line.telemetry.devices.values()):
        advice.append("The card was slowed down by heat or power: look at its cooling.")
    if not advice:
        return Answer("change", question, "Nothing: the settings fit this machine.", "good", "machine")
    return Answer("change", question, " ".join(advice), "look", "failures")


def _good(facts: Facts) -> Answer:
    question, look, faces = "Is the faceset good?", facts.faces, facts.counts.faces
    if not faces:
        return Answer("good", question, "There is no face in it.", "bad", "faces")
    parts = [f"It holds {counted(faces, 'face')}; each was checked to be whole before it was moved in"]
    if look.sizes[2]:
        least, half, most = look.sizes
        sizes = f"{least} to {most} pixels in their frames, half of them over {half}"
        parts.append(f"they measure {sizes if least < most else f'{least} pixels in their frames'}")
    if look.sights:
        read = f" (of {look.read:,} that were read)" if look.read < look.faces else ""
        odd = f"{counted(len(look.odd), 'face')} look odd" if look.odd else "none looks odd"
        parts.append(odd + read)
    elif not look.damaged:
        parts.append("their files could not be looked at for this page")
    if look.damaged:
        parts.append(f"{counted(look.damaged, 'face')} cannot be read any more")
    if look.gone and look.sights:
        parts.append(
            f"{counted(look.gone, 'face')} of the run {'is' if look.gone == 1 else 'are'} not there any more"
        )
    if facts.hostile:
        parts.append(f"{counted(len(facts.hostile), 'face')} would run code in DeepFaceLab")
    tone = "bad" if facts.hostile or look.damaged else "look" if look.odd or not look.sights else "good"
    return Answer("good", question, "; ".join(parts) + ".", tone, "faces")


def _look_at(facts: Facts) -> Answer:
    odd = len(facts.faces.odd)
    shown = [counted(facts.counts.quarantined, "quarantined frame")] if facts.counts.quarantined else []
    shown += [f"{counted(odd, 'face')} of the review"] if odd else []
    found = facts.second_look.get("found")
    if isinstance(found, list) and found:
        shown.append(f"{counted(len(found), 'frame')} in which the second extractor sees a face")
    without = counted(facts.counts.no_face, "frame")
    empty = f" In {without} no face was found: worth a glance." if facts.counts.no_face else ""
    if not shown:
        return Answer("look", "Which frames should I look at?", f"None needs it.{empty}", "good", "look")
    return Answer("look", "Which frames should I look at?", f"{listed(shown)}.{empty}", "look", "look")


def _go_on(facts: Facts) -> Answer:
    question, left = "Can I go on?", facts.unfinished
    if facts.state == RUNNING:
        words = "It goes on by itself; the faces that are there can be looked at."
        return Answer("go-on", question, words, "plain", "do")
    if left:
        first = "after the steps above, " if facts.stop is not None else ""
        words = f"Yes: {first}run the same command again; it continues with {counted(left, 'frame')}."
        return Answer("go-on", question, words, "look", "do")
    if facts.hostile:
        return Answer("go-on", question, "Not before you have looked at the hostile faces.", "bad", "do")
    if facts.faces.damaged:
        words = "Not before you have looked at the faces that cannot be read."
        return Answer("go-on", question, words, "bad", "do")
    if not facts.counts.faces:
        return Answer("go-on", question, "There is nothing to train with.", "bad", "do")
    return Answer("go-on", question, "Yes: the faceset can be sorted and trained with.", "good", "do")


def _how_long(facts: Facts) -> Answer:
    spent, done = facts.line.spent, facts.counts.extracted + facts.counts.no_face
    words = f"{length(spent.total)} in {counted(len(facts.sessions) or 1, 'start')} of dflwrap"
    if spent.attempts >= 1 and done:
        words += f"; {pace(done / spent.attempts)} while an extractor was at work"
    left = number(facts.unfinished)
    if facts.state == RUNNING and left and done and spent.attempts >= 10:
        seconds = left * spent.attempts / done
        words += f"; at this pace about {length(0.8 * seconds)} to {length(1.4 * seconds)} are left"
    return Answer("how-long", "How long did it take?", words + ".", "plain", "timeline")


_QUESTIONS: tuple[Callable[[Facts], Answer], ...] = (
    _finished,
    _missing,
    _why,
    what_was_slow,
    _card,
    _change,
    _good,
    _look_at,
    _go_on,
    _how_long,
)
