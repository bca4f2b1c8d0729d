"""The words of `dflwrap status`: one run in full, several in a line each, and all of it as data."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from dflwrap.cli.terminal.display import GIB, TITLES, duration, left_words, speed
from dflwrap.common.text import counted, display
from dflwrap.status.reading import Status
from dflwrap.supervisor.outside.time_left import TimeLeft

SCHEMA_VERSION = 1
HEADINGS = {
    "running": "running",
    "silent": "no sign of life",
    "ended": "ended unexpectedly (killed, or the power went)",
    "complete": "finished: every frame is extracted, or has no face",
    "quarantined": "finished, with frames set aside",
    "stopped": "stopped, needs you",
    "interrupted": "interrupted",
    "unknown": "not known (made by an earlier dflwrap)",
    "unreadable": "cannot be read",
}
SHORT = {
    "ended": "killed",
    "complete": "finished",
    "quarantined": "finished, quarantined",
    "stopped": "needs you",
}
RESUME = "Run the same command again to resume."


def page(status: Status) -> list[str]:
    """Lines about one run; what came from the ledger is safe to print already."""
    faceset = display(str(status.faceset))
    if status.state == "unreadable":
        return [f"{faceset}: cannot be read", f"  {display(status.problem)}"]
    lines = [f"{faceset}: {HEADINGS[status.state]}"]
    lines += [f"  {line}" for line in _frames(status)]
    lines += [f"  {line}" for line in (_under_way(status) if status.under_way else _ended(status))]
    if status.decisions:
        lines.append("Last decisions:")
        lines += [f"  {_clock(moment)} {text}" for moment, text in status.decisions]
    return lines


def line(status: Status) -> tuple[str, str, str, str]:
    """Of several runs: faceset, state, frames, time left."""
    counts = status.counts
    state = SHORT.get(status.state, HEADINGS[status.state])
    if status.state == "running":
        state = status.stage or state
    done = f"{counts.total - counts.open}/{counts.total}" if status.state != "unreadable" else ""
    left = _left(status) if status.under_way and counts.open else ""
    return f"{display(status.faceset.parent.name)}/{display(status.faceset.name)}", state, done, left


def _frames(status: Status) -> list[str]:
    counts = status.counts
    done = counts.total - counts.open
    share = f" ({100 * done // counts.total} %)" if counts.total else ""
    return [
        f"{done} of {counts.total} frames{share}, {counts.faces} faces",
        f"{counts.extracted} extracted, {counts.no_face} without a face, {counts.quarantined} quarantined, "
        f"{counts.not_attempted} not attempted",
    ]


def _under_way(status: Status) -> list[str]:
    since = f" for {duration(max(0.0, status.time - status.stage_since))}" if status.stage_since else ""
    parts = [f"{status.stage or 'preparing'}{since}"]
    if status.rate:
        parts.append(speed(status.rate))
    if status.counts.open:
        parts.append(_left(status))
    lines = [", ".join(parts)]
    if status.attempt:
        lines.append(f"attempt {status.attempt}: {_plan(status)}")
    lines += [_device(device) for device in status.devices if _is_used(status, device)]
    if status.began:
        lines.append(f"started {_clock(status.began)}, on {status.host or 'an unknown computer'}")
    if status.last_sign is not None:
        ago = max(0.0, status.time - status.last_sign)
        if status.state == "silent" or ago > 60:
            lines.append(f"last written {duration(ago)} ago")
    if status.state == "silent":
        lines.append("it may have ended, be asleep, or wait; that computer knows")
    if status.asked_to_stop:
        lines.append("asked to stop: it finishes the frames at work")
    return lines


def _ended(status: Status) -> list[str]:
    lines = []
    if status.last_sign is not None:
        word = "last written" if status.state == "ended" else "ended"
        lines.append(f"{word} {_clock(status.last_sign)}" + (f", on {status.host}" if status.host else ""))
    if status.stop_sentence:
        lines.append(status.stop_sentence)
        lines += [f"- {step}" for step in status.stop_steps]
    if status.stop_cause:
        lines.append(f"cause: {status.stop_cause}")
    elif status.reason:
        lines.append(f"why: {status.reason}")
    if status.state in ("interrupted", "ended") or (status.counts.open and status.state == "unknown"):
        lines.append(RESUME)
    return lines


def _left(status: Status) -> str:
    return left_words(TimeLeft(*status.left) if status.left else None)


def _plan(status: Status) -> str:
    name = TITLES.get(status.extractor, display(status.extractor))
    devices, workers = status.plan.get("devices"), status.plan.get("workers")
    where = (
        f"GPU {','.join(display(str(d)) for d in devices)}"
        if isinstance(devices, list) and devices
        else "CPU"
    )
    count = workers if type(workers) is int else 0
    if status.workers:
        now = [f"{_title(one)}: {_workers(n)}" for one, n in status.workers.items() if _is_shown(one, n)]
        return ", ".join([name, *now])
    return f"{name}, {where}, {_workers(count)}"


def _title(device: str) -> str:
    return f"GPU {display(device[3:])}" if device.startswith("GPU") else display(device)


def _workers(count: int) -> str:
    return counted(count, "worker") if count else "no worker"


def _is_shown(device: str, count: int) -> bool:
    """The CPU is nothing to be missed beside cards."""
    return bool(count) or device.startswith("GPU")


def _is_used(status: Status, device: dict[str, Any]) -> bool:
    devices = status.plan.get("devices")
    return isinstance(devices, list) and device["index"] in devices


def _device(device: dict[str, Any]) -> str:
    words = []
    if device["used"] is not None and device["total"]:
        words.append(f"VRAM {device['used'] / GIB:.1f}/{device['total'] / GIB:.1f} GiB")
    if device["temperature"] is not None:
        words.append(f"{device['temperature']:.0f} °C")
    if device["utilisation"] is not None:
        words.append(f"{device['utilisation']:.0f} %")
    return f"GPU {device['index']:.0f}: {', '.join(words) or 'no readings'}"


def _clock(moment: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))
    except (OverflowError, ValueError, OSError):  # a ledger may hold any number
        return "at an unknown time"


def as_data(runs: Sequence[Status]) -> dict[str, Any]:
    """For `--json`."""
    return {"schema_version": SCHEMA_VERSION, "runs": [_plain(status) for status in runs]}


def _plain(status: Status) -> dict[str, Any]:
    counts = status.counts
    stop = {"cause": status.stop_cause, "sentence": status.stop_sentence, "steps": list(status.stop_steps)}
    return {
        "faceset": str(status.faceset),
        "run_folder": str(status.run_folder),
        "input_dir": status.input_dir,
        "state": status.state,
        "time": _iso(status.time),
        "frames": {
            "total": counts.total,
            "extracted": counts.extracted,
            "no_face": counts.no_face,
            "quarantined": counts.quarantined,
            "not_attempted": counts.not_attempted,
            "open": counts.open,
            "removed": counts.removed,
        },
        "faces": counts.faces,
        "stage": status.stage,
        "stage_since": _iso(status.stage_since),
        "began": _iso(status.began),
        "last_sign": _iso(status.last_sign),
        "host": status.host,
        "attempt": status.attempt,
        "extractor": status.extractor,
        "plan": status.plan,
        "workers": status.workers,
        "frames_per_second": status.rate,
        "seconds_left": list(status.left) if status.left else None,
        "asked_to_stop": status.asked_to_stop,
        "stop": stop if status.stop_cause else None,
        "reason": status.reason,
        "devices": list(status.devices),
        "decisions": [{"time": _iso(moment), "sentence": text} for moment, text in status.decisions],
        "problem": display(status.problem),
    }


def _iso(moment: float | None) -> str | None:
    if moment is None:
        return None
    try:
        return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
    except (OverflowError, ValueError, OSError):
        return None
