"""The status names of CUDA, cuDNN and cuBLAS, and the kernel's Xid numbers: what they mean, as facts in a table.

What a rule says of a line is more specific and outranks this; the table sees to it that every name is either mapped
or explicitly unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from dflwrap.diagnosis.evidence import is_command, of_another_program
from dflwrap.diagnosis.lazy import lazy
from dflwrap.diagnosis.rulebook.catalogue import Catalogue
from dflwrap.diagnosis.rulebook.matcher import Hit, Run

TABLE = Path(__file__).parent / "statuses.toml"
GATES = ("CUDA_ERROR_", "CUDNN_STATUS_", "CUBLAS_STATUS_", "cudaError", "Xid (")
STRENGTH = 4
"""General: a rule's own signature for the same line says more."""
XID_STRENGTH = 6
MOST = 20
"""Lines of one status that are kept; more prove nothing new."""

_NAME = lazy(
    r"\b(?:CUDA_ERROR_[A-Z_]{3,60}|CUDNN_STATUS_[A-Z_]{3,80}|CUBLAS_STATUS_[A-Z_]{3,60}|cudaError[A-Z]\w{3,50})\b"
)
_XID = lazy(r"\bXid \((?:PCI:)?[0-9a-fA-F:.]{4,20}\): (?P<number>\d{1,3})\b")
_NO_ERROR = ("SUCCESS",)


@dataclass(frozen=True)
class Xid:
    """One row: what the kernel driver's number means. `rule` is empty where it concerns no extraction."""

    number: int
    meaning: str
    fault: str
    rule: str
    step: str


@dataclass(frozen=True)
class Status:
    """One name of an enumeration. `rule` is empty where the name alone tells no cause."""

    name: str
    rule: str
    meaning: str


@lru_cache(maxsize=1)
def tables() -> tuple[dict[str, Status], dict[int, Xid]]:
    """Every status by its name, every Xid by its number."""
    import tomllib

    body = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    names = {
        name: Status(name, rule, meaning)
        for section in ("cuda", "cuda_runtime", "cudnn", "cublas")
        for name, (rule, meaning) in body[section].items()
    }
    xids = {
        int(number): Xid(int(number), row["meaning"], row["fault"], row["rule"], row["step"])
        for number, row in body["xid"].items()
    }
    return names, xids


def status_hits(run: Run, catalogue: Catalogue) -> tuple[list[Hit], dict[int, Status]]:
    """Hits for the names and numbers that lead to a rule, and by line the names that are explicitly unknown."""
    hits: list[Hit] = []
    unknown: dict[int, Status] = {}
    if not any(gate in run.text for gate in GATES):
        return hits, unknown
    names, xids = tables()
    for index, line in enumerate(run.lines):
        text = line.text
        if not any(gate in text for gate in GATES) or is_command(text) or of_another_program(text):
            continue
        xid = _XID.search(text)
        if xid is not None:
            row = xids.get(int(xid["number"]))
            rule = catalogue.by_id.get(row.rule) if row is not None else None
            if row is not None and rule is not None:
                hits.append(Hit(rule, index, XID_STRENGTH, _words(row)))
            continue
        for name in _NAME.findall(text):
            if name.endswith(_NO_ERROR):
                continue
            status = names.get(name) or Status(name, "", "a status that is in no table")
            rule = catalogue.by_id.get(status.rule)
            if rule is None:
                unknown.setdefault(index, status)
            elif len(hits) < MOST:
                hits.append(Hit(rule, index, STRENGTH))
    return hits, unknown


def _words(row: Xid) -> str:
    todo = f"; {row.step}" if row.step else ""
    return f"Xid {row.number} is: {row.meaning}; the fault lies with: {row.fault}{todo}"
