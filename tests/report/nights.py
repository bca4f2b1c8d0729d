"""Runs to make a page of: a ledger as a night leaves it, and the folders beside it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dflwrap.common.events import Event, EventKind
from dflwrap.common.plan import ExtractOptions, Plan
from dflwrap.common.verdict import Cause, Confidence, EvidenceLine, Health, Verdict, verdict_to_dict
from dflwrap.frames.judgement import Entry
from dflwrap.ledger.history import PROGRESS, SESSIONS
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.records import FaceFacts, Move, NewFrame, Outcome

GIB = 2**30


@dataclass(frozen=True)
class Night:
    """Where it lies."""

    database: Path
    page: Path
    frames: Path
    faceset: Path


def oom(line: str = "CUDA_ERROR_OUT_OF_MEMORY: out of memory", title: str = "") -> dict[str, Any]:
    """The verdict on an attempt that ran out of video memory."""
    cause = Cause(
        "gpu-oom-tensor",
        title or "The graphics card ran out of memory",
        "gpu-memory",
        Confidence.CERTAIN,
        (EvidenceLine("stderr.log", 12, line),),
        steps=("Close other programs that use the card.",),
        explanation="The networks did not fit.",
    )
    return verdict_to_dict(Verdict(Health.FAILURE, cause))


def make_night(
    folder: Path,
    names: Sequence[str],
    *,
    hours: float = 8.0,
    samples: int = 200,
    state: str = "quarantined",
    hostile: str = "",
) -> Night:
    """A night over `names` (one frame in 100 quarantined, one in 50 without a face), with one failed attempt.

    hostile: a text that stands wherever a log, an error or a decision may bring one. samples: of telemetry.
    """
    run_folder, frames, faceset = folder / "aligned_dflwrap", folder / "data_src", folder / "aligned"
    for path in (run_folder, frames, faceset):
        path.mkdir(parents=True)
    end = time.time()
    start = end - hours * 3600
    ledger = Ledger(run_folder / "run.db")
    ledger.put("options", ExtractOptions().to_dict())
    ledger.put("input_dir", str(frames))
    ledger.put("output_dir", str(faceset))
    ledger.put("extractor", {"name": "deepfacelab", "title": f"DeepFaceLab {hostile}", "python": "3.6"})
    ledger.add_frames(
        NewFrame(name, f"s{number}", 1000, number, Entry.LINK, True, 0, "", 1920)
        for number, name in enumerate(names)
    )
    rows = ledger.frames()
    plan = Plan(devices=(0,), workers=2).to_dict()
    ledger.begin_attempt(1, "deepfacelab", plan, "first", len(rows))
    extracted, settled = [], []
    for number, row in enumerate(rows):
        if number % 100 == 7:
            settled.append((row.id, Outcome.QUARANTINED, 1, "poison-frame", f"it died {hostile}"))
        elif number % 50 == 3:
            settled.append((row.id, Outcome.NO_FACE, 1, None, None))
        else:
            extracted.append(row)
    ledger.settle_many(settled)
    facts = FaceFacts(1000, 1, b"0123456789abcdef", (10.0, 10.0, 200.0, 200.0))
    for begin in range(
        0, len(extracted), 500
    ):  # each frame's faces are sought among all that were journalled
        part = extracted[begin : begin + 500]
        ledger.journal([Move(f"attempts/0001/out/{r.id}", f"{r.stem}_0.jpg", r.id, 1, facts) for r in part])
        ledger.settle_promoted([row.id for row in part], 1)
    ledger.end_attempt(
        1,
        gained=len(rows) // 2,
        ended_by="exit",
        exit_status=1,
        cause="gpu-oom-tensor",
        verdict=oom(hostile or "OOM"),
    )
    ledger.decide(1, f"attempt 1: 2 workers -> 1: GPU 0 was full {hostile}")
    ledger.begin_attempt(2, "deepfacelab", {**plan, "workers": 1}, "narrower", len(rows) // 2)
    ledger.add_events(2, [Event(EventKind.WORKER_STARTED, start + 1000, "GPU0", None, {})])
    ledger.end_attempt(2, gained=len(rows) // 2, ended_by="exit", exit_status=0, cause=None, verdict=None)
    with ledger.transaction():  # the night as it was: the calls above took no time
        half = start + hours * 1800
        ledger.db.execute("UPDATE attempts SET started = ?, ended = ? WHERE number = 1", (start + 60, half))
        ledger.db.execute("UPDATE attempts SET started = ?, ended = ? WHERE number = 2", (half + 90, end))
        ledger.db.execute("UPDATE decisions SET time = ?", (half,))
    step = (end - start) / max(1, samples)
    ledger.add_samples(1, [(start + n * step, sample(n, hostile)) for n in range(samples)])
    ledger.put(PROGRESS, [[start + (end - start) * n / 800, len(rows) * n // 800, 0] for n in range(801)])
    ledger.put(
        SESSIONS,
        [
            {
                "started": start,
                "ended": half - 5,
                "state": "cut_off",
                "cause": "",
                "sentence": "",
                "steps": [],
            },
            {"started": half, "ended": end, "state": state, "cause": "", "sentence": hostile, "steps": []},
        ],
    )
    ledger.close()
    (run_folder / "report.json").write_text(
        json.dumps({"ignored": [{"name": f"x{hostile}", "reason": f"y{hostile}"}], "run": {"state": state}})
    )
    return Night(run_folder / "run.db", run_folder / "report.html", frames, faceset)


def sample(number: int, hostile: str = "") -> dict[str, Any]:
    """As the recorder writes one, of a card and a host."""
    processes = [{"pid": 1000 + n, "used": GIB, "shared": None} for n in range(4)]
    device = {"index": 0, "name": f"Played {hostile}", "total": 12 * GIB, "used": 9 * GIB, "free": 3 * GIB}
    device |= {"utilisation": 80 + number % 20, "temperature": 60 + number % 20, "power": 170.0}
    device |= {
        "throttle": [f"sw_thermal_slowdown{hostile}"] if number % 7 == 0 else [],
        "processes": processes,
    }
    host = {"ram_total": 32 * GIB, "ram_available": 20 * GIB, "cpu_percent": 180.0 + number % 30}
    host |= {"disk_free": {"output": 300 * GIB - number * 1000, f"role{hostile}": 1}}
    return {"time": 0.0, "devices": [device], "host": host | {"processes": processes}}
