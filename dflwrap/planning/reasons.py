"""The sentence of a decision: what changed and why, from what was measured."""

from __future__ import annotations

from dflwrap.common.memory import GIB
from dflwrap.common.telemetry import DeviceSummary, TelemetrySummary
from dflwrap.common.verdict import Cause
from dflwrap.planning.inputs import AttemptRecord


def unhealthy_device(record: AttemptRecord, telemetry: TelemetrySummary | None) -> int | None:
    """The GPU of this failure: the lost worker's, else one that reported trouble, else the only one."""
    if record.device is not None:
        return record.device
    if telemetry is not None:
        marked = [d.index for d in telemetry.devices if (d.lost or d.xids) and d.index in record.plan.devices]
        if len(marked) == 1:
            return marked[0]
    return record.plan.devices[0] if len(record.plan.devices) == 1 else None


def reason(cause: Cause | None, record: AttemptRecord, telemetry: TelemetrySummary | None) -> str:
    """Like "GPU 0 had 0.4 of 8.0 GiB free when worker GPU0.1 died (stderr.log:214)"."""
    if cause is None:
        text = "the cause is not known"
        if record.worker is not None:
            text += f", worker {record.worker} died"
        return text
    category = cause.category
    when = "" if record.worker is None else f" when worker {record.worker} died"
    text = measured = cause.title
    if category == "gpu-memory":
        text = _vram(record, telemetry, when) or text
    elif category == "host-memory" and telemetry is not None and telemetry.ram_available_min is not None:
        total = "" if telemetry.ram_total is None else f" of {telemetry.ram_total / GIB:.1f}"
        text = f"{telemetry.ram_available_min / GIB:.1f}{total} GiB of RAM were free{when}"
    elif category in ("gpu-driver", "hardware"):
        text = measured = text + _device_note(record, telemetry)
    # What was measured tells by itself; a title ("a package is missing") needs the line that says which.
    return text + (where(cause, with_text=True) if text == measured else where(cause))


TELLING = 140
"""Characters of a log's line that a sentence quotes."""


def where(cause: Cause, with_text: bool = False) -> str:
    """ " (stderr.log:214)", with the line itself if asked for, or nothing."""
    if not cause.evidence:
        return ""
    # Of what dflwrap saw itself, the last says most: a status, and then what it means here.
    line = cause.evidence[-1 if all(one.source == "dflwrap" for one in cause.evidence) else 0]
    text = " ".join(line.text.split())
    if not with_text or not text or text in cause.title:
        return f" ({line.source}:{line.line})"
    return f" ({line.source}:{line.line}: {text if len(text) <= TELLING else text[: TELLING - 1] + '…'})"


def evidence_lines(cause: Cause) -> tuple[str, ...]:
    """Each evidence line as "source:line: text"."""
    return tuple(f"{line.source}:{line.line}: {line.text}" for line in cause.evidence)


def _vram(record: AttemptRecord, telemetry: TelemetrySummary | None, when: str) -> str:
    device = _tightest(record, telemetry)
    if device is None or device.free_min is None:
        return ""
    text = f"GPU {device.index} had {device.free_min / GIB:.1f} of {device.total / GIB:.1f} GiB free{when}"
    holders = [p for p in device.foreign if p.used]
    if holders:
        most = max(holders, key=lambda p: p.used or 0)
        text += f", {most.name or f'process {most.pid}'} held {(most.used or 0) / GIB:.1f} GiB"
    return text


def _tightest(record: AttemptRecord, telemetry: TelemetrySummary | None) -> DeviceSummary | None:
    if telemetry is None:
        return None
    unhealthy = unhealthy_device(record, telemetry)
    known = [d for d in telemetry.devices if d.index in record.plan.devices and d.free_min is not None]
    mine = [d for d in known if d.index == unhealthy] or known
    return min(mine, key=lambda d: d.free_min or 0, default=None)


def _device_note(record: AttemptRecord, telemetry: TelemetrySummary | None) -> str:
    index = unhealthy_device(record, telemetry)
    device = telemetry.device(index) if telemetry is not None and index is not None else None
    if device is None:
        return "" if index is None else f" on GPU {index}"
    notes = [f"Xid {xid}" for xid in device.xids]
    if device.lost:
        notes.append("the driver lost it")
    if device.temperature_max is not None and device.temperature_max >= 85:
        notes.append(f"{device.temperature_max} °C")
    return f" on GPU {device.index}" + (f": {', '.join(notes)}" if notes else "")
