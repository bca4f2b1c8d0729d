"""What to do where the cause is not known: an answer that says only "unknown" helps nobody."""

from __future__ import annotations

from pathlib import PureWindowsPath
from typing import Any

from dflwrap.common.verdict import Health, Verdict
from dflwrap.diagnosis.log.steps import of_another_step

_QUOTED = 120
"""Characters of a message that are worth searching for."""


def next_steps(verdict: Verdict) -> tuple[str, ...]:
    """What the user can do after a verdict without a named cause, in order; empty where a cause is named."""
    if verdict.health is not Health.UNKNOWN:
        return ()
    facts = verdict.facts
    error = facts.get("unknown_error")
    if isinstance(error, dict):
        return _after_error(error)
    step = facts.get("step")
    if verdict.primary is not None:
        return ()
    if of_another_step(step):
        return (
            "To have an extraction explained, give the output of the extract script "
            "(4) data_src faceset extract, 5) data_dst faceset extract).",
        )
    if step is None:
        return (
            "Give the whole output of the extract script, from its first line to its last: start it in a window of "
            "its own (cmd, a terminal) and write it to a file with > log.txt 2>&1 behind the command.",
            "A picture of the window is no help: mark the text and copy it.",
        )
    return (
        "Run it again and keep the whole output (dflwrap extract does); the reason may stand above the first line "
        "of this log or have gone to another window.",
        "Run five frames on the CPU (--cpu-only): if that works, look at the card, its driver and the build.",
        "Ask others with a log that names neither you nor your folders: dflwrap diagnose --share LOG.",
    )


def headline(error: dict[str, Any]) -> str:
    """ "AttributeError in keras: 'str' object has no attribute 'decode'" """
    where = f" in {error['module']}" if error.get("module") else ""
    said = f": {error['message']}" if error.get("message") else ""
    return f"{error['type']}{where}{said}"


def raised_at(error: dict[str, Any]) -> str:
    """ "saving.py, line 224, in _deserialize_model (log line 19)" """
    parts = []
    if error.get("file"):
        parts.append(PureWindowsPath(str(error["file"])).name)
    if error.get("line"):
        parts.append(f"line {error['line']}")
    if error.get("function") and error["function"] != "<module>":
        parts.append(f"in {error['function']}")
    return f"{', '.join(parts)} ({error['source']}:{error['log_line']})".strip()


def _after_error(error: dict[str, Any]) -> tuple[str, ...]:
    module = error.get("module")
    words = f"{error['type']}: {error['message']}"[:_QUOTED]
    search = (
        f'Search the web for this text in quotes, together with "{module}"'
        if module
        else "Search the web for it"
    )
    steps = [f"{search}: {words}" if module else f"{search}, in quotes: {words}"]
    if module == "DeepFaceLab":
        steps.append(
            "The error arose in DeepFaceLab's own files: if they were updated or changed by hand, unpack a complete "
            "build into a new folder and try that."
        )
    elif module == "Python itself":
        steps.append(
            "Read the lines of the traceback above it: the last file that is not Python's own asked for this."
        )
    elif module:
        steps.append(
            f"Compare the version of {module} (python -m pip show {module}, with DeepFaceLab's Python) with the one "
            "that DeepFaceLab's requirements ask for: a package that is too new or too old is the most frequent reason "
            "for an error inside it."
        )
    steps.append(
        "Run it with dflwrap extract: it tells a frame that cannot be read from a machine that does not work, and "
        "--extractor builtin needs nothing of DeepFaceLab's Python."
    )
    steps.append(
        "Ask others with a log that names neither you nor your folders: dflwrap diagnose --share LOG."
    )
    return tuple(steps)
