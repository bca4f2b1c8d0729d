"""Which GPUs a run may use, and what the user should know of them."""

from __future__ import annotations

from dflwrap.common.errors import DflwrapError
from dflwrap.common.plan import Plan
from dflwrap.common.telemetry import DeviceInfo
from dflwrap.extractors.base import Extractor
from dflwrap.supervisor.observer import Observer
from dflwrap.supervisor.request import RunRequest
from dflwrap.telemetry.base import GpuReader


def opening(request: RunRequest, extractor: Extractor, gpu: GpuReader) -> str:
    """The first line of a run: which extractor, where from, and on what."""
    count = 0
    if "devices" in extractor.supported_fields and not request.cpu_only:
        count = len(request.gpus) or len(gpu.describe())
    where = "CPU" if not count else "1 GPU" if count == 1 else f"{count} GPUs"
    info = extractor.info()
    return f"{info.title or info.name}, {where}"


def refuse_missing_gpus(request: RunRequest, extractor: Extractor, gpu: GpuReader) -> None:
    """Raises DflwrapError for an index asked for that no card has.

    DeepFaceLab would run on the CPU silently. Only where that is known: the driver shows cards, and this
    build counts them as the driver does. A DirectML build has numbers of its own, for AMD and Intel cards too.
    """
    if (
        request.cpu_only
        or "devices" not in extractor.supported_fields
        or not extractor.info().numbers_as_driver
    ):
        return
    seen = {device.index: device.name for device in gpu.describe()}
    missing = [index for index in request.gpus if index not in seen]
    if seen and missing:
        cards = ", ".join(f"{index} ({name})" for index, name in sorted(seen.items()))
        raise DflwrapError(
            f"--force-gpu-idxs: there is no GPU {', '.join(map(str, missing))}. The driver shows: {cards}. "
            "Give one of these numbers, or leave the option out to use all."
        )


def usable_devices(request: RunRequest, extractor: Extractor, observer: Observer) -> tuple[DeviceInfo, ...]:
    """The GPUs that may be used: those asked for, else all that are seen; none for a CPU extractor."""
    if request.cpu_only or "devices" not in extractor.supported_fields:
        return ()
    seen = observer.devices()
    if not request.gpus:
        return seen
    by_index = {device.index: device for device in seen}
    # A card that NVML does not see (AMD, Intel) may still be asked for by its index.
    return tuple(by_index.get(index, DeviceInfo(index, f"GPU {index}", 0)) for index in request.gpus)


def device_notice(
    request: RunRequest, extractor: Extractor, observer: Observer, devices: tuple[DeviceInfo, ...]
) -> str:
    """What the user should know of GPUs that are not used, or not seen; "" = nothing."""
    if "devices" not in extractor.supported_fields:
        used = request.gpus and not request.cpu_only
        return "--force-gpu-idxs has no effect: the built-in extractor works on the CPU" if used else ""
    if request.cpu_only:
        return ""
    if devices:
        return f"GPU telemetry: {observer.why_no_gpu}" if observer.why_no_gpu else ""
    why = observer.why_no_gpu or "the driver shows none"
    return (
        f"No NVIDIA card can be used ({why}): everything runs on the CPU. "
        "To use an AMD or Intel card: --force-gpu-idxs 0"
    )


def asked_plan(request: RunRequest, devices: tuple[DeviceInfo, ...]) -> Plan:
    """The plan as the user asked for it, before anything is fitted to the machine."""
    return Plan(
        devices=tuple(device.index for device in devices),
        batch_size=request.batch_size or 0,
        max_side=request.max_side,
        startup_timeout=request.startup_timeout,
        frame_timeout=request.frame_timeout,
    )
