"""What the table of fit (fit.py) says about the card, the build and the driver that a log names."""

from __future__ import annotations

from collections.abc import Sequence

from dflwrap.diagnosis.lazy import lazy
from dflwrap.diagnosis.tables.fit import Fit, Generation, Table, card_and_cuda, table
from dflwrap.diagnosis.tables.fit_answer import sentence

RULES = frozenset({
    "driver-too-old", "no-kernel-image", "wrong-build-new-gpu", "wrong-build-old-gpu", "cudnn-version-mismatch",
    "cuda-dso-missing-silent-cpu", "ptx-jit-first-run", "jit-exceeds-120s",
})  # fmt: skip
"""The rules whose explanations are filled from the table."""
_CARD_RULES = RULES - {"driver-too-old", "cudnn-version-mismatch", "cuda-dso-missing-silent-cpu"}
"""Those that are about what a build holds for a card."""
_CAPABILITY = lazy(r"(?:compute )?capability:? (\d{1,2}\.\d)\b")
_DRIVER = lazy(r"(?:driver version:?|Kernel Module|NVIDIA-SMI) +(\d{3}\.\d{2,3}(?:\.\d{1,3})?)")


def note(
    rule: str, cards: Sequence[str], versions: dict[str, str], build: str, platform: str, text: str
) -> str:
    """One sentence with the figures that decide, or "" where the log names too little."""
    if rule not in RULES:
        return ""
    known = table()
    card, generation = _card(known, cards, text)
    cuda, what = _cuda(known, versions, build)
    system = platform if platform in ("windows", "wsl", "macos") else "linux"
    parts: list[str] = []
    if generation is not None and rule in _CARD_RULES and known.deepfacelab_build(build) is None:
        for name, product in (("tensorflow", "tensorflow"), ("torch", "pytorch")):
            told = sentence(known, card, product, versions[name], system) if name in versions else ""
            if told:
                return told
    if generation is not None and rule in ("no-kernel-image", "wrong-build-new-gpu", "wrong-build-old-gpu"):
        parts.append(
            f"{card} is of the generation {generation.name}, which needs CUDA {generation.first_cuda} or newer"
        )
        if cuda:
            fit = card_and_cuda(generation, cuda)
            parts.append(f"{what} brings CUDA {cuda}" + ("" if fit is Fit.FITS else f": {fit.value} for it"))
    if rule == "driver-too-old" and cuda:
        where = known.system(system)
        whose = where.driver if where is not None else system
        least = known.least_driver(cuda, whose)
        found = _DRIVER.search(text)
        driver = versions.get("driver") or (found[1] if found else "")
        if least:
            parts.append(f"{what} brings CUDA {cuda}, which needs a driver of at least {least}")
            if driver and known.driver_does(driver, cuda, whose) is False:
                parts.append(f"installed is {driver}")
    if rule in ("cudnn-version-mismatch", "cuda-dso-missing-silent-cpu") and "tensorflow" in versions:
        row = known.build("tensorflow", versions["tensorflow"])
        if row is not None:
            parts.append(
                f"TensorFlow {versions['tensorflow']} was built with CUDA {row.cuda} and cuDNN {row.cudnn}"
            )
    return "; ".join(parts)


def _card(known: Table, cards: Sequence[str], text: str) -> tuple[str, Generation | None]:
    for card in cards:
        generation = known.generation_of(card)
        if generation is not None:
            return card, generation
    found = _CAPABILITY.search(text)
    return ("the card", known.generation_for(found[1])) if found else ("", None)


def _cuda(known: Table, versions: dict[str, str], build: str) -> tuple[str, str]:
    """(CUDA version, what brings it) of the build at hand."""
    own = known.deepfacelab_build(build) if build else None
    if own is not None:
        return own.cuda, "this build"
    for name, product, shown in (
        ("tensorflow", "tensorflow", "TensorFlow"),
        ("torch", "pytorch", "PyTorch"),
    ):
        row = known.build(product, versions[name]) if name in versions else None
        if row is not None:
            return row.cuda, f"{shown} {versions[name]}"
    digits = versions.get("cuda", "")
    return (f"{digits[:-1]}.{digits[-1]}", "this build") if len(digits) > 1 else ("", "")
