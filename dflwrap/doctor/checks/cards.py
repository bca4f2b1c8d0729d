"""The NVIDIA cards: the driver, video memory, who else uses it, and Windows' timeout."""

from __future__ import annotations

from collections.abc import Sequence

import psutil

from dflwrap.common.memory import GIB
from dflwrap.doctor.check import Answer, Check
from dflwrap.doctor.machine import Machine
from dflwrap.doctor.windows import adapters
from dflwrap.planning.fit import ASSUMED_GPU_PEAK
from dflwrap.telemetry.base import DeviceSample

NVIDIA = "0x10de"
"""The vendor's number on the PCI bus."""
LEAST_TOTAL = 2 * GIB
"""DeepFaceLab's detector and landmark model together need nearly that."""
SMALL_TOTAL = 4 * GIB
"""Below this DeepFaceLab keeps the weights on the CPU."""
LITTLE_FREE = 2 * GIB
MANY = 4
"""Programs that are named."""
GRAPHICS = r"SYSTEM\CurrentControlSet\Control\GraphicsDrivers"
STOCK_DELAY = 2
"""Seconds until Windows resets a card that does not answer, unless TdrDelay says otherwise."""
SHORT_DELAY = 8
_NONE = "No NVIDIA card answers here."


class GpuDriver(Check):
    """Is there a card, and does its driver answer?"""

    id = "gpu-driver"
    timeout = 15.0

    def look(self, machine: Machine) -> Answer:
        cards = machine.cards
        if cards.described:
            names = ", ".join(card.name for card in cards.described)
            return self.ok(f"{names}; driver {cards.driver or 'of unknown version'}.")
        there = _on_the_bus(machine)
        if there:
            return self.failure(f"{there} is in this computer, but {cards.why_not}.")
        if "no NVIDIA driver" in cards.why_not:
            return self.skipped("There is no NVIDIA card in this computer; the CPU does the work.")
        return self.warning(f"No NVIDIA card can be used: {cards.why_not}.")


def _on_the_bus(machine: Machine) -> str:
    """A card that the system lists, with or without a driver."""
    if machine.windows is not None:
        return next((name for name in adapters(machine.windows) if "NVIDIA" in name.upper()), "")
    for device in sorted((machine.root / "sys/bus/pci/devices").glob("*")):
        where = device.relative_to(machine.root).as_posix()
        if machine.read(f"{where}/vendor").strip() == NVIDIA and machine.read(f"{where}/class")[:4] == "0x03":
            return f"An NVIDIA card (PCI {device.name})"
    return ""


class GpuMemory(Check):
    """Is there enough video memory?"""

    id = "gpu-memory"
    timeout = 15.0

    def look(self, machine: Machine) -> Answer:
        samples = [sample for sample in machine.cards.samples if sample.total]
        if not samples:
            return self.skipped(_NONE)
        told = "; ".join(
            f"{_which(s, samples)}: {_gib(s.free)} of {_gib(s.total)} GiB free"
            for s in samples
            if s.free is not None
        )
        told = (told or "The driver does not tell what is free") + "."
        if all((sample.total or 0) < LEAST_TOTAL * 0.95 for sample in samples):
            return self.failure(f"{told} An extraction needs a card with at least 2 GiB.")
        if any(sample.free is not None and sample.free < LITTLE_FREE for sample in samples):
            return self.warning(told)
        if any((sample.total or 0) < SMALL_TOTAL * 0.95 for sample in samples):
            return self.note(f"{told} Below 4 GiB the weights stay on the CPU, which is slower.", "")
        return self.ok(told)


def _which(sample: DeviceSample, samples: Sequence[DeviceSample]) -> str:
    """Its name; with its number where there are several, which often have the same name."""
    return sample.name if len(samples) == 1 else f"GPU {sample.index} ({sample.name})"


def _gib(size: int | None) -> str:
    return f"{(size or 0) / GIB:.1f}"


class GpuPrograms(Check):
    """Who else uses the card?"""

    id = "gpu-programs"
    timeout = 15.0

    def look(self, machine: Machine) -> Answer:
        samples = machine.cards.samples
        if not samples:
            return self.skipped(_NONE)
        if all(sample.processes is None for sample in samples):
            return self.skipped("The driver does not tell who uses the card.")
        told, crowded = [], False
        for sample in samples:
            programs = _programs(sample)
            if programs:
                told.append(f"{_which(sample, samples)}: {', '.join(programs[:MANY])}")
            held = sum(process.used or 0 for process in sample.processes or ())
            short = sample.free is not None and sample.free < ASSUMED_GPU_PEAK
            crowded = crowded or bool(sample.total and held > sample.total // 4 and short)
        if crowded:
            return self.warning("; ".join(told) + ".")
        return self.ok("; ".join(told) + "." if told else "Nobody else.")


def _programs(sample: DeviceSample) -> list[str]:
    """ "blender 3.2 GiB", the largest first."""
    found = []
    for process in sorted(sample.processes or (), key=lambda one: -(one.used or 0)):
        try:
            name = psutil.Process(process.pid).name()
        except (psutil.Error, OSError):
            name = f"process {process.pid}"
        found.append(f"{name} {_gib(process.used)} GiB" if process.used else name)
    return found


class GpuTimeout(Check):
    """Does Windows give it time?"""

    id = "gpu-timeout"

    def look(self, machine: Machine) -> Answer:
        windows = machine.windows
        if windows is None:
            return self.skipped("Windows only.")
        if windows.value(GRAPHICS, "TdrLevel") == 0:
            return self.ok("Windows never resets the card (TdrLevel 0).")
        delay = windows.value(GRAPHICS, "TdrDelay")
        seconds = delay if isinstance(delay, int) else STOCK_DELAY
        if seconds < SHORT_DELAY:
            return self.note(f"Windows resets the card after {seconds} s without an answer.")
        return self.ok(f"TdrDelay is {seconds} s.")
