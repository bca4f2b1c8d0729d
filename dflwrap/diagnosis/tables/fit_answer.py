"""Whether a card runs with a release of TensorFlow or PyTorch on a system: one answer from the table of fit."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dflwrap.diagnosis.tables.fit import Build, DflBuild, Generation, Table, table, version


class Outcome(StrEnum):
    """What becomes of it."""

    RUNS = "runs"
    COMPILES_FIRST = "compiles first"
    """The driver translates its code at the first start, which takes minutes, up to half an hour."""
    CANNOT = "cannot"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """An outcome, why, and where that is from."""

    outcome: Outcome
    reason: str
    source: str


def answer(card: Generation, product: str, release: str, system: str) -> Answer:
    """product: "tensorflow", "pytorch", "tensorflow-directml"; release: "2.4.0", "2.1.0+cu121"; system: "linux",
    "windows", "wsl" or "macos". The driver is another question (`driver_answer`)."""
    known = table()
    for ml in known.directml:
        if ml.product == product:
            return _directml(card, ml.least_capability, system in ml.systems, ml.source)
    where = known.system(system)
    if where is not None and where.last[0] == product and version(release)[:2] > version(where.last[1]):
        return Answer(Outcome.CANNOT, f"{where.name}: {where.rule}", where.source)
    for seen in known.seen:
        if seen.holds(card.name, product, release):
            return Answer(Outcome(seen.outcome), seen.reason, seen.source)
    build = known.build(product, release)
    if build is None:
        return Answer(Outcome.UNKNOWN, "the table of fit does not know this release", "")
    return _by_capability(known, card, build)


def _directml(card: Generation, least: str, here: bool, source: str) -> Answer:
    if not here:
        return Answer(Outcome.CANNOT, "DirectML is a part of Windows", source)
    if version(card.capability[0]) < version(least):
        return Answer(Outcome.UNKNOWN, "it needs a card with DirectX 12", source)
    return Answer(Outcome.RUNS, "through DirectX 12", source)


def _by_capability(known: Table, card: Generation, build: Build) -> Answer:
    """By the least capability of the generation: what runs on it runs on all of them."""
    least = version(card.capability[0])
    shown = f"compute capability {card.capability[0]}"
    if card.last_cuda and version(build.cuda) > version(card.last_cuda):
        reason = f"CUDA {build.cuda} has dropped cards of {shown}; {card.last_cuda} was the last for them"
        return Answer(Outcome.CANNOT, reason, card.source)
    native = any(version(one)[0] == least[0] and version(one) <= least for one in build.sass)
    translated = any(version(one) <= least for one in build.ptx)
    if not native and not translated:
        reason = f"it holds no code for {shown}, only for {', '.join(build.sass)}"
        return Answer(Outcome.CANNOT, reason, build.source)
    first = known.first_cuda_of_family(card)
    if version(build.cuda) < version(first):
        reason = (
            f"its CUDA {build.cuda} is older than this card (CUDA {first}); nobody has said that it works"
        )
        return Answer(Outcome.UNKNOWN, reason, build.source)
    if native:
        return Answer(Outcome.RUNS, f"it holds code for {shown}", build.source)
    reason = f"its code for {max(build.ptx, key=version)} is translated for {shown} at the first start"
    return Answer(Outcome.COMPILES_FIRST, reason, build.source)


def dfl_answer(card: Generation, build: DflBuild) -> Answer | None:
    """Of a build of DeepFaceLab for Windows, whose libraries are its own; None where it says nothing against it."""
    newest = next(one for one in table().generations if one.name == build.newest)
    if version(card.capability[0]) < version(build.least_capability):
        reason = f"this build of DeepFaceLab needs compute capability {build.least_capability} or newer"
        return Answer(Outcome.CANNOT, reason, build.source)
    if version(card.capability[0]) > version(newest.capability[0]):
        reason = f"this build of DeepFaceLab (CUDA {build.cuda}) was made for cards up to {newest.name}"
        return Answer(Outcome.CANNOT, reason, build.source)
    return None


def driver_answer(driver: str, build: Build, system: str, card: Generation | None = None) -> str:
    """What is wrong with a driver for a build's CUDA, in one sentence; "" where it does, or that is not known."""
    known = table()
    where = known.system(system)
    if where is None or known.driver_does(driver, build.cuda, where.driver) is not False:
        return ""
    least = known.least_driver(build.cuda, where.driver)
    last = card.last_driver if card is not None else ""
    end = f" For this card, {last} was about the last." if last and version(last) < version(least) else ""
    return f"The driver is {driver}; CUDA {build.cuda} needs {least} or newer.{end}"


def sentence(known: Table, card: str, product: str, release: str, system: str) -> str:
    """ "TensorFlow 2.4.0 on RTX 3080 (Ampere): compiles first (...)"; "" where card or release is not known."""
    generation = known.generation_of(card)
    if generation is None:
        return ""
    found = answer(generation, product, release, system)
    if found.outcome is Outcome.UNKNOWN and not found.source:
        return ""
    name = {"tensorflow": "TensorFlow", "pytorch": "PyTorch"}.get(product, "TensorFlow-DirectML")
    return f"{name} {release} on {card} ({generation.name}): {found.outcome.value}, {found.reason}"
