"""The words of a diagnosis, for an artist, not a programmer."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

from dflwrap.common.text import display
from dflwrap.common.verdict import Cause, Confidence, Health, Verdict
from dflwrap.diagnosis.log.steps import of_another_step
from dflwrap.diagnosis.next_steps import headline, next_steps, raised_at
from dflwrap.diagnosis.verdict import Diagnosis

WIDTH = 96
BUILTIN = "builtin_extractor"
"""The rung that is only climbed if an option says so."""
ONLY_IF = {BUILTIN: ", only with --on-gpu-failure builtin"}
"""Rungs that an option must allow."""

RUNG_WORDS = {
    "wait_for_vram": "wait until video memory is free again",
    "half_workers": "continue with half the workers",
    "one_worker": "continue with one worker",
    "smaller_input": "scale the frames down on their way in",
    "weights_on_cpu": "keep the networks' weights in main memory",
    "other_device": "use another graphics card",
    "cpu": "continue on the CPU",
    "smaller_batch": "hand over fewer frames at a time",
    "repair_frame": "re-encode the suspect frame and try it alone",
    "quarantine_frame": "set the bad frame aside and name it",
    "fresh_process": "start again in a new process",
    "exclude_device": "continue without this graphics card",
    "patience": "wait longer",
    "same_again": "run the same again",
    "bisect_batch": "halve the batch until the bad frame stands alone",
    "wait_for_disk": "wait until there is room on the disk",
    "builtin_extractor": "let the built-in extractor finish",
    "user": "stop and ask you",
}
_SURE = {
    Confidence.CERTAIN: "certain (stated in the log)",
    Confidence.LIKELY: "likely (other readings are possible)",
    Confidence.POSSIBLE: "possible (concluded from what is missing or from a general sign)",
}


def page(name: str, diagnosis: Diagnosis, hide: Callable[[str], str]) -> str:
    """All that is said about one log."""
    lines = [f"== {hide(name)}"]
    if len(diagnosis.runs) > 1:
        lines.append(f"This log holds {len(diagnosis.runs)} runs, one after another:")
        for number, verdict in enumerate(diagnosis.runs, 1):
            lines.append(f"  {number}. {_short(verdict)}")
        lines.append("What follows is about the last conclusive run.")
    lines += _verdict(diagnosis.verdict, hide)
    return "\n".join(map(display, lines))


def _short(verdict: Verdict) -> str:
    if verdict.primary is not None and verdict.health is Health.FAILURE:
        return f"{verdict.primary.title} [{verdict.primary.id}]"
    return {"healthy": "finished without a fault", "unknown": "cause unknown"}.get(
        verdict.health.value, "failed"
    )


def _verdict(verdict: Verdict, hide: Callable[[str], str]) -> list[str]:
    lines: list[str] = []
    primary = verdict.primary
    step = str(verdict.facts.get("step") or "")
    if verdict.health is Health.HEALTHY:
        lines.append("No fault found: the extraction is complete. " + _counts(verdict))
        aside = verdict.facts.get("did_not_stop_it", [])
        if aside:
            lines.append("  Signs of other trouble that did not stop it: " + hide("; ".join(aside)))
    elif of_another_step(step) and primary is None:
        lines.append(f"This is the log of {step}, not of an extraction. dflwrap explains extractions only.")
        lines += _unknown_error(verdict, hide)
    elif not step and primary is None and not verdict.facts.get("unexplained"):
        lines.append(
            "Nothing in this text comes from an extraction: no start, no progress, no error that is known."
        )
        lines.append("  Give the whole output of the extract script, from its first line.")
    elif verdict.health is Health.UNKNOWN:
        lines.append("The cause is not known from this log. " + _counts(verdict))
        lines += _unknown_error(verdict, hide)
        phase = verdict.facts.get("phase")
        if phase:
            lines.append(f"  the log ends in this phase: {phase}")
        if primary is not None:
            lines.append("  What it does show:")
    if primary is not None and of_another_step(step):
        lines.append(f"This is the log of {step}, not of an extraction.")
    if primary is not None:
        lines += _cause(primary, hide)
        counts = _counts(verdict)
        if counts and verdict.health is Health.FAILURE:
            lines += ["", counts]
    todo = next_steps(verdict)
    if todo:
        lines += ["", "What you can do, in this order:"]
        for number, one in enumerate(todo, 1):
            lines += _wrap(hide(one), f"  {number}. ")
    if primary is not None or verdict.causes:
        others = [cause for cause in verdict.causes if cause is not primary]
        if others:
            heading = (
                "Also in this log:"
                if primary is not None
                else "What stands in it:"
                if of_another_step(step)
                else "Seen beside it, but no explanation of it:"
            )
            lines += ["", heading]
            lines += [f"  - {cause.title} [{cause.id}], line {_first_line(cause)}" for cause in others[:6]]
    if verdict.benign:
        lines += ["", "Alarming but harmless: " + ", ".join(verdict.benign)]
    if primary is not None and primary.proof:
        lines += ["", f"To prove it on the machine where it happened: {primary.proof}"]
    return lines


def _unknown_error(verdict: Verdict, hide: Callable[[str], str]) -> list[str]:
    error = verdict.facts.get("unknown_error")
    if not isinstance(error, dict):
        return []
    return [f"  unknown: {hide(headline(error))}", f"  raised at: {hide(raised_at(error))}"]


def _cause(cause: Cause, hide: Callable[[str], str]) -> list[str]:
    lines = ["", f"{cause.title}   [{cause.id}]", f"Confidence: {_SURE[cause.confidence]}"]
    if cause.evidence:
        lines += ["", "The lines that show it:"]
        for item in cause.evidence:
            lines.append(f"  {hide(item.source)}:{item.line}: {hide(item.text)[:200]}")
    lines += ["", "Why:", *_wrap(hide(cause.explanation))]
    if cause.steps:
        lines += ["", "What you can do, in this order:"]
        for number, step in enumerate(cause.steps, 1):
            lines += _wrap(step, f"  {number}. ")
    lines += _by_itself(cause)
    if cause.consequences:
        lines += ["", "Follow-on errors; they go away with it:"]
        lines += [line for text in cause.consequences[:6] for line in _wrap(hide(text), "  - ")]
    if cause.references:
        lines += ["", "More: " + "  ".join(cause.references[:3])]
    return lines


def _by_itself(cause: Cause) -> list[str]:
    """What `dflwrap extract` does without further options, by the table that it goes by; and what one would add."""
    from dflwrap.planning.ladder import ladder_for

    ladder = [rung.value for rung in ladder_for(cause.id, cause.category, cause.remedies)]
    rungs = [RUNG_WORDS.get(rung, rung) for rung in dict.fromkeys(ladder) if rung != BUILTIN]
    lines = ["", "What dflwrap extract does by itself:", *_wrap("; then ".join(rungs) + ".")] if rungs else []
    if BUILTIN in ladder:
        lines += _wrap(f"With --on-gpu-failure builtin it may also {RUNG_WORDS[BUILTIN]}.")
    return lines


def _counts(verdict: Verdict) -> str:
    facts = verdict.facts
    parts: list[str] = []
    if facts.get("images_found") is not None:
        parts.append(f"{facts['images_found']} images found")
    if facts.get("faces_detected") is not None:
        parts.append(f"{facts['faces_detected']} faces detected")
    progress = facts.get("progress")
    if progress:
        parts.append(f"progress {progress['done']} of {progress['total']}")
    if facts.get("frames_unaccounted"):
        parts.append(f"{facts['frames_unaccounted']} frames unaccounted for: the run is incomplete")
    return "The log says: " + ", ".join(parts) + "." if parts else ""


def _first_line(cause: Cause) -> str:
    return str(cause.evidence[0].line) if cause.evidence else "?"


def _wrap(text: str, head: str = "  ") -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=head, subsequent_indent=" " * len(head)) or [
        head.rstrip()
    ]
