"""TensorFlow (or PyTorch): does it start, does it see the card, do the two fit."""

from __future__ import annotations

from dataclasses import replace

from dflwrap.common.verdict import Verdict
from dflwrap.diagnosis import Facts, diagnose_text
from dflwrap.diagnosis.tables.fit import table
from dflwrap.diagnosis.tables.fit_answer import Outcome, answer, dfl_answer, driver_answer
from dflwrap.doctor.asking import NOT_STARTED, Asked
from dflwrap.doctor.check import Answer, Check
from dflwrap.doctor.checks.python import DflPython, last_lines, python_fault, signal_name
from dflwrap.doctor.machine import ENGINE_BOUND, PACKAGES_BOUND, Machine

NAMES = {"tensorflow": "TensorFlow", "torch": "PyTorch"}
SHOWN = 5
"""Lines of a program that are shown."""
WIDTH = 200
_OF_FRAMES = frozenset({"worker-native-crash"})
"""Causes whose words and steps are about frames, of which an import has none."""
_NO_ENGINE = "No install tells what it computes with."


class Diagnosed:
    """What dflwrap's own diagnosis makes of what a child said."""

    def __init__(self, asked: Asked, system: str) -> None:
        platform = {"windows": "win32", "macos": "darwin"}.get(system, "linux")
        status = None if asked.status in (0, 1, NOT_STARTED) else asked.status
        facts = Facts(exit_status=status, platform=platform)
        self.verdict: Verdict = diagnose_text([("import", asked.output)], facts)
        self._last = last_lines(asked)
        primary = self.verdict.primary
        self._cause = primary if primary and primary.id not in _OF_FRAMES else None

    @property
    def lines(self) -> tuple[str, ...]:
        """Those that show the cause, else the last ones."""
        primary = self.verdict.primary
        told = [item.text[:WIDTH] for item in primary.evidence if item.source == "import"] if primary else []
        return tuple((told or self._last)[:SHOWN])

    @property
    def why(self) -> str:
        """ " Title [id]: explanation", or "" where the cause is not known."""
        primary = self._cause
        return f" {primary.title} [{primary.id}]: {primary.explanation}" if primary else ""

    @property
    def fix(self) -> str | None:
        primary = self._cause
        return " ".join(primary.steps) if primary and primary.steps else None


class TensorflowImport(Check):
    """Does it start?"""

    id = "tensorflow-import"
    quick = False
    timeout = ENGINE_BOUND + 30

    def look(self, machine: Machine) -> Answer:
        asked = machine.engine_answer
        if asked is None or machine.install is None:
            return self.skipped(_NO_ENGINE)
        name = NAMES[machine.engine]
        if asked.answer is None and python_fault(machine):
            return self.failure(f"{name} cannot be imported: {python_fault(machine)}", DflPython().fix)
        if asked.answer is not None:
            cuda = asked.answer.get("cuda")
            built = (
                f", built with CUDA {cuda}" if cuda else "" if asked.answer["with_cuda"] else ", for the CPU"
            )
            return self.ok(f"{name} {asked.answer['version']}{built}, starts.")
        found = Diagnosed(asked, machine.system)
        if asked.status is None:
            how = f"gave no answer within {ENGINE_BOUND:g} s"
        elif asked.status == 1:
            how = "cannot be imported"
        else:
            how = f"ends Python with status {asked.status}{signal_name(asked.status)} while it is imported"
        return self.failure(f"{name} {how}.{found.why}", found.fix, found.lines)


class TensorflowGpu(Check):
    """Does it see the card?"""

    id = "tensorflow-gpu"
    quick = False
    timeout = ENGINE_BOUND + 30

    def look(self, machine: Machine) -> Answer:
        asked = machine.engine_answer
        if asked is None:
            return self.skipped(_NO_ENGINE)
        name = NAMES[machine.engine]
        if asked.answer is None:
            return self.skipped(f"{name} does not start (tensorflow-import).")
        seen = len(asked.answer["devices"])
        cards = machine.cards.described
        if not cards:
            if seen:
                return self.ok(f"{name} sees {_cards(seen)}.")
            return self.skipped("No NVIDIA card answers here; the CPU does the work.")
        if seen >= len(cards):
            return self.ok(f"{name} sees {_cards(seen)}.")
        if not asked.answer["with_cuda"] and "directml" not in machine.release[0]:
            return self.failure(
                f"This {name} is built for the CPU only; {cards[0].name} lies idle.",
                f"Install a {name} with CUDA into DeepFaceLab's Python, of the version in its requirements file.",
            )
        found = Diagnosed(asked, machine.system)
        told = f"The driver lists {_cards(len(cards))}, {name} sees {seen or 'none'}.{found.why}"
        if seen:
            return self.warning(told, found.fix, found.lines)
        return self.failure(told, found.fix, found.lines)


class OpencvImport(Check):
    """Does OpenCV start?"""

    id = "opencv-import"
    quick = False
    timeout = PACKAGES_BOUND + 30

    def look(self, machine: Machine) -> Answer:
        asked = machine.opencv_answer
        if asked is None:
            return self.skipped(_NO_ENGINE)
        if asked.answer is not None:
            return self.ok(f"OpenCV {asked.answer['version']} starts.")
        if python_fault(machine):
            return self.failure(f"OpenCV cannot be imported: {python_fault(machine)}", DflPython().fix)
        found = Diagnosed(asked, machine.system)
        how = "gave no answer in time" if asked.status is None else "cannot be imported"
        return self.failure(f"OpenCV {how}.{found.why}", found.fix, found.lines)


def _cards(number: int) -> str:
    return f"{number} card{'s' * (number != 1)}"


class TensorflowFit(Check):
    """Do they fit?"""

    id = "tensorflow-fit"
    timeout = 30.0

    def look(self, machine: Machine) -> Answer:
        if machine.install is None:
            return self.skipped("There is no DeepFaceLab to look at.")
        product, release = machine.release
        if not product:
            return self.skipped("Its Python has neither TensorFlow nor PyTorch.")
        cards = machine.cards.described
        if not cards:
            return self.skipped("No NVIDIA card answers here.")
        build = table().build(product, release)
        if build is not None and machine.real_cuda:
            build = replace(build, cuda=machine.real_cuda)
        own = table().deepfacelab_build(str(machine.install.main))
        told: dict[Outcome, list[str]] = {}
        for card in cards:
            generation = table().generation_of(card.name)
            if generation is None:
                told.setdefault(Outcome.UNKNOWN, []).append(f"{card.name} is not in the table of fit.")
                continue
            found = (own and dfl_answer(generation, own)) or answer(
                generation, product, release, machine.system
            )
            pair = f"{card.name} ({generation.name}) with {product} {release}"
            sentence = f"{pair}: {found.outcome.value}; {found.reason}."
            wrong = driver_answer(card.driver, build, machine.system, generation) if build else ""
            if wrong and found.outcome is not Outcome.CANNOT:
                told.setdefault(Outcome.CANNOT, []).append(wrong)
            told.setdefault(found.outcome, []).append(sentence)
        words = " ".join(sentence for outcome in Outcome for sentence in told.get(outcome, ()))
        if build is not None and build.cuda:
            words += f" It was built with CUDA {build.cuda} and cuDNN {build.cudnn}."
        if Outcome.CANNOT in told:
            fits = {Outcome.RUNS, Outcome.COMPILES_FIRST} & set(told)
            return self.warning(words) if fits and len(cards) > 1 else self.failure(words)
        if Outcome.UNKNOWN in told:
            return self.note(words, "Try five frames before the whole clip.")
        if Outcome.COMPILES_FIRST in told:
            return self.note(
                words, "Nothing: let the first start take its time (up to half an hour, once per driver)."
            )
        return self.ok(words)
