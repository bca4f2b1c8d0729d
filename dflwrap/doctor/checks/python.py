"""The Python that runs DeepFaceLab, and its packages against what the build needs."""

from __future__ import annotations

import re
import signal
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dflwrap.diagnosis.tables.fit import Version, table, version
from dflwrap.doctor.asking import Asked
from dflwrap.doctor.check import Answer, Check, Result
from dflwrap.doctor.machine import NEEDED, Machine

LAST_LINES = 5
OLDEST = (3, 6)
_REQUIREMENT = re.compile(r"^([A-Za-z][\w.-]*)\s*==\s*(\d[\w.]*)\s*$", re.M)
_MODULE_OF = {"opencv-python": "cv2", "tensorflow-gpu": "tensorflow"}
_NO_INSTALL = "There is no DeepFaceLab to look at."


def last_lines(asked: Asked) -> tuple[str, ...]:
    """The end of what a child said."""
    lines = [line.strip() for line in asked.output.decode("utf-8", "replace").splitlines() if line.strip()]
    return tuple(lines[-LAST_LINES:])


def how_it_ended(asked: Asked) -> str:
    """Of a child that gave no answer."""
    if asked.status is None:
        return "gave no answer in time"
    if asked.status == 0:
        return "gave no answer that a Python gives"
    return f"ended with status {asked.status}{signal_name(asked.status)}"


def signal_name(status: int) -> str:
    """`` (SIGSEGV)`` for a status that is a signal."""
    try:
        return f" ({signal.Signals(-status).name})" if status < 0 else ""
    except ValueError:
        return ""


def python_fault(machine: Machine) -> str:
    """Why no module can be imported by the install's Python at all; "" where it starts."""
    asked = machine.packages
    if machine.install is None or asked is None or asked.answer is not None:
        return ""
    return f"{machine.install.python} {how_it_ended(asked)} (dfl-python)."


class DflPython(Check):
    """Does it start?"""

    id = "dfl-python"
    timeout = 25.0

    def look(self, machine: Machine) -> Answer:
        install = machine.install
        if install is None:
            return self.skipped(_NO_INSTALL)
        asked = machine.packages
        assert asked is not None
        if asked.answer is None:
            return self.failure(f"{install.python} {how_it_ended(asked)}.", lines=last_lines(asked))
        python, bits = str(asked.answer["python"]), int(asked.answer["bits"])
        shown = f"Python {python}, {bits}-bit ({install.python})"
        if version(python) < OLDEST:
            return self.failure(f"{shown}: DeepFaceLab needs Python 3.6 or newer.")
        if bits != 64:
            return self.failure(f"{shown}: TensorFlow exists for 64-bit Pythons only.")
        product, release = machine.release
        build = table().build(product, release) if product else None
        if build is not None:
            low, high = (version(one) for one in build.python)
            if not low <= version(python)[:2] <= high:
                made_for = f"{build.python[0]} to {build.python[1]}"
                return self.warning(f"{shown}; {product} {release} was made for Python {made_for}.")
        return self.ok(shown)


class DflPackages(Check):
    """Has it all that an extraction imports?"""

    id = "dfl-packages"
    timeout = 25.0

    def look(self, machine: Machine) -> Answer:
        install = machine.install
        if install is None:
            return self.skipped(_NO_INSTALL)
        asked = machine.packages
        if asked is None or asked.answer is None:
            return self.skipped("Its Python does not start (dfl-python).")
        if not machine.engine:
            return self.skipped("Its sources do not tell what they need.")
        missing = [str(name) for name in asked.answer["missing"]]
        if missing:
            fix = with_python(self.fix, machine)
            return self.failure(f"Not found by {install.python}: {', '.join(missing)}.", fix)
        differing = [
            f"{name} {have} (made for {wanted})"
            for name, wanted in wanted_versions(machine).items()
            if (have := machine.versions.get(name, "")) and version(have)[:2] != version(wanted)[:2]
            if _MODULE_OF.get(name, name) in (*NEEDED, machine.engine)
        ]
        if differing:
            return self.note(f"Other versions than this DeepFaceLab was made for: {', '.join(differing)}.")
        return self.ok(f"{', '.join((*NEEDED, machine.engine))} are there.")


def with_python(fix: str, machine: Machine) -> str:
    """A fix with the command as it is typed here, in place of PYTHON."""
    return fix if machine.install is None else fix.replace("PYTHON -m", f'"{machine.install.python}" -m')


def wanted_versions(machine: Machine) -> dict[str, str]:
    """Package to version, by the install's requirements file; its GPU file comes first."""
    if machine.install is None:
        return {}
    folder = machine.install.main.parent
    files = sorted(folder.glob("requirements*.txt"), key=lambda path: "cuda" not in path.name)
    return dict(_REQUIREMENT.findall(machine.source(files[0]))) if files else {}


@dataclass(frozen=True, slots=True)
class Trap:
    """Versions of packages that are known not to go together."""

    package: str
    at_least: Version
    below: Version
    beside: str
    """Another package that must be there; "" where none must."""
    beside_below: Version
    source_has: str
    """An expression that must be found in DeepFaceLab's sources; "" where none must."""
    result: Result
    explanation: str
    fix: str
    cause: str
    """The id under which the catalogue knows what it leads to."""

    def holds(self, versions: dict[str, str], source: str) -> bool:
        have = versions.get(self.package)
        if have is None or not self.at_least <= version(have) or (self.below and version(have) >= self.below):
            return False
        if self.beside:
            other = versions.get(self.beside) or versions.get(
                f"{self.beside}-gpu"
            )  # one thing under two names
            if other is None or (self.beside_below and version(other) >= self.beside_below):
                return False
        return not self.source_has or re.search(self.source_has, source) is not None


@cache
def traps() -> tuple[Trap, ...]:
    """Of traps.toml."""
    rows = tomllib.loads(Path(__file__).with_name("traps.toml").read_text(encoding="utf-8"))["trap"]
    return tuple(
        Trap(
            row["package"],
            version(row.get("at_least", "")),
            version(row.get("below", "")),
            row.get("beside", ""),
            version(row.get("beside_below", "")),
            row.get("source_has", ""),
            Result(row["result"]),
            row["explanation"],
            row["fix"],
            row["cause"],
        )
        for row in rows
    )


_ORDER = (Result.FAILURE, Result.WARNING, Result.NOTE)


class PackageTraps(Check):
    """Do its packages go together?"""

    id = "package-traps"
    timeout = 25.0

    def look(self, machine: Machine) -> Answer:
        if machine.install is None:
            return self.skipped(_NO_INSTALL)
        versions = machine.versions
        found = [trap for trap in traps() if trap.holds(versions, _sources(machine))]
        found.sort(key=lambda trap: _ORDER.index(trap.result))
        if not found:
            return self.ok("No known trap in its packages.")
        told = [f"{trap.package} {versions[trap.package]}: {trap.explanation}" for trap in found]
        fixes = dict.fromkeys(trap.fix for trap in found)
        return Answer(found[0].result, " ".join(told), with_python(" ".join(fixes), machine))


def _sources(machine: Machine) -> str:
    """The sources of the detectors, without comments: what they use decides which numpy does."""
    if machine.install is None:
        return ""
    folder = machine.install.main.parent / "facelib"
    code = "".join(
        machine.source(folder / name)
        for name in ("S3FDExtractor.py", "FANExtractor.py", "LandmarksProcessor.py")
    )
    return re.sub(r"#[^\n]*", "", code)
