"""How often `diagnose` is right, over labelled logs and over every form in which they may reach it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks._forms import FORMS
from dflwrap.common.verdict import Health, Verdict
from dflwrap.diagnosis import diagnose_text, load_catalogue
from dflwrap.diagnosis.log.encodings import detect


@dataclass(frozen=True)
class Labelled:
    """A log and what is right for it."""

    name: str
    data: bytes
    accept: frozenset[str]
    """Ids that count as right; "healthy", "unknown", or "novel:MEANING" (unknown, or a new id of that meaning)."""
    categories: frozenset[str]


@dataclass
class Tally:
    """`confident` holds [right, all] of the answers at each confidence."""

    right: int = 0
    category: int = 0
    unknown: int = 0
    wrong: int = 0
    false_alarms: int = 0
    logs: int = 0
    confident: dict[str, list[int]] = field(default_factory=dict)
    wrongs: list[str] = field(default_factory=list)

    def line(self) -> str:
        return (
            f"{self.right}/{self.logs} right, {self.category} in the right category, {self.unknown} unknown, "
            f"{self.wrong} wrong ({self.confidently_wrong} confidently), {self.false_alarms} false alarms"
        )

    confidently_wrong: int = 0


def labelled(folder: Path) -> Iterator[Labelled]:
    """The logs of a folder: labels.json beside them, or one NAME.toml each as in sample_logs/."""
    table = folder / "labels.json"
    if table.is_file():
        for name, row in json.loads(table.read_text(encoding="utf-8")).items():
            categories = row.get("category_accept") or [row.get("category", "")]
            yield Labelled(
                name, (folder / name).read_bytes(), frozenset(row["accept"]), frozenset(categories)
            )
        return
    known = load_catalogue().by_id
    for path in sorted(folder.glob("*.toml")):
        row = tomllib.loads(path.read_text(encoding="utf-8"))
        ids = row.get("accept") or [row["id"] if "id" in row else row["verdict"]]
        categories = row.get("categories") or [known[name].category for name in ids if name in known]
        yield Labelled(
            path.stem, path.with_suffix(".log").read_bytes(), frozenset(ids), frozenset(categories)
        )


def answer(verdict: Verdict) -> str:
    """The id that was named, or "healthy" or "unknown"."""
    if verdict.health is Health.FAILURE and verdict.primary is not None:
        return verdict.primary.id
    return verdict.health.value


def judged(log: Labelled, verdict: Verdict, tally: Tally) -> str:
    """Count one answer; "right", "category", "unknown", "wrong" or "false alarm"."""
    got = answer(verdict)
    tally.logs += 1
    shown = verdict.primary.id if verdict.primary is not None else ""
    novel = any(one.startswith("novel:") for one in log.accept)
    told = "wrong"
    if got in log.accept or (shown in log.accept and got == "unknown") or (novel and _means(got, log.accept)):
        told = "right"
    elif got == "unknown":
        told = "right" if novel or "truncated-log" in log.accept else "unknown"
    elif got in load_catalogue().by_id and load_catalogue().by_id[got].category in log.categories:
        told = "right" if novel else "category"
    elif log.accept == {"healthy"}:
        told = "false alarm"
    if verdict.health is Health.FAILURE and verdict.primary is not None:
        confidence = verdict.primary.confidence.value
        entry = tally.confident.setdefault(confidence, [0, 0])
        entry[0] += told == "right"
        entry[1] += 1
        if told in ("wrong", "false alarm") and confidence != "possible":
            tally.confidently_wrong += 1
    tally.right += told == "right"
    tally.category += told == "category"
    tally.unknown += told == "unknown"
    tally.wrong += told == "wrong"
    tally.false_alarms += told == "false alarm"
    if told in ("wrong", "false alarm", "category", "unknown"):
        tally.wrongs.append(f"{log.name}: {got} instead of {'/'.join(sorted(log.accept))}")
    return told


def _means(got: str, accept: frozenset[str]) -> bool:
    return any(one == f"novel:{got}" for one in accept)


def over(logs: list[Labelled], form: str = "plain") -> Tally:
    """Judge every log in one form."""
    tally = Tally()
    for log in logs:
        data = log.data if form == "plain" else FORMS[form](as_text(log.data))
        judged(log, diagnose_text([(log.name, data)]), tally)
    return tally


def as_text(data: bytes) -> str:
    """The text of a log, whatever its encoding."""
    return data.decode(detect(data), "replace").lstrip("\ufeff")


CERTAIN, LIKELY = 0.98, 0.90
"""Shares of right answers that the two confidences promise."""
ENOUGH = 150
"""Answers from which a share is held against its promise."""


def report(folders: list[Path]) -> int:
    """Print the figures of each folder, of each form of all their logs, and the calibration over all forms.

    1 if a promise is broken (benchmarks/diagnose.py names them), else 0.
    """
    everything: list[Labelled] = []
    broken: list[str] = []
    for folder in folders:
        logs = list(labelled(folder))
        everything += logs
        tally = over(logs)
        print(f"{folder.name}: {tally.line()}")
        for text in tally.wrongs:
            print(f"    {text}")
        if tally.false_alarms:
            broken.append(f"{tally.false_alarms} false alarms in {folder.name}")
    plain = [answer(diagnose_text([(log.name, log.data)])) for log in everything]
    answers: dict[str, list[int]] = {}
    print(f"{'form':24} same  lost other  (of {len(everything)})")
    for form, dress in FORMS.items():
        same = lost = other = 0
        tally = Tally()
        for log, unchanged in zip(everything, plain, strict=True):
            verdict = diagnose_text([(log.name, dress(as_text(log.data)))])
            judged(log, verdict, tally)
            got = answer(verdict)
            same += got == unchanged
            lost += got != unchanged and got == "unknown"
            other += got not in (unchanged, "unknown")
        for confidence, (good, count) in tally.confident.items():
            entry = answers.setdefault(confidence, [0, 0])
            entry[0] += good
            entry[1] += count
        print(f"{form:24} {same:4}  {lost:4} {other:5}")
        if other:
            broken.append(f"{other} other answers in the form {form}")
    for confidence, (good, count) in sorted(answers.items()):
        print(f'"{confidence}": right {good} of {count} ({100 * good / count:.1f} %)')
        promise = {"certain": CERTAIN, "likely": LIKELY}.get(confidence, 0.0)
        if count >= ENOUGH and good < promise * count:
            broken.append(f'"{confidence}" is right in {100 * good / count:.1f} %')
    for text in broken:
        print(f"BROKEN: {text}")
    return 1 if broken else 0
