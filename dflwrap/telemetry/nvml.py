"""GPU readings through NVML (`pynvml`, from NVIDIA's nvidia-ml-py).

Every driver lacks something: a symbol, a sensor, the right to look, the device itself. Each call stands for
itself, and what it cannot tell is None. Calls may hang in an unhealthy driver: `bounded.BoundedReader` wraps this.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from dflwrap.common.retrying import retrying
from dflwrap.telemetry.base import DeviceDescription, DeviceSample, ProcessMemory

THROTTLE_REASONS = {
    0x001: "gpu_idle",
    0x002: "application_clocks",
    0x004: "sw_power_cap",
    0x008: "hw_slowdown",
    0x010: "sync_boost",
    0x020: "sw_thermal_slowdown",
    0x040: "hw_thermal_slowdown",
    0x080: "hw_power_brake",
    0x100: "display_clocks",
}
"""Bits of NVML's clock-event reasons (formerly "throttle" reasons: same bits, other symbol)."""

STARTUP_BOUND = 3.0
"""Seconds to let a driver that is loading or resetting come up."""
REINIT_EVERY = 10
"""Samples without any answer before NVML is initialised again: a driver that was reset needs it."""
XIDS_AT_ONCE = 16


class NvmlUnavailableError(Exception):
    """NVML cannot be used here; the message says why, for the user."""


class _LostError(Exception):
    """The device is gone."""


class NvmlReader:
    """NVML in the calling thread. Raises NvmlUnavailableError when made where there is nothing to read."""

    def __init__(self, startup_bound: float = STARTUP_BOUND) -> None:
        """Raises NvmlUnavailableError."""
        try:
            self._nvml: Any = importlib.import_module("pynvml")
        except ImportError as error:
            raise NvmlUnavailableError("the Python package nvidia-ml-py is not installed") from error
        self._bound = startup_bound
        self._handles: dict[int, Any] = {}
        self._descriptions: tuple[DeviceDescription, ...] = ()
        self._events: Any = None
        self._silent = 0
        self._init()
        if not self._descriptions:
            self.close()
            raise NvmlUnavailableError("the NVIDIA driver sees no GPU")

    @property
    def why_not(self) -> str | None:
        return None

    def describe(self) -> tuple[DeviceDescription, ...]:
        return self._descriptions

    def sample(self) -> tuple[DeviceSample, ...]:
        xids = self._xids()
        samples = tuple(
            self._device(description, tuple(xids.get(description.index, ())))
            for description in self._descriptions
        )
        answered = any(sample.free is not None or sample.lost for sample in samples)
        self._silent = 0 if answered else self._silent + 1
        if self._silent >= REINIT_EVERY:
            self._silent = 0
            self._restart()
        return samples

    def close(self) -> None:
        if self._events is not None:
            self._ask(self._nvml.nvmlEventSetFree, self._events)
            self._events = None
        self._ask(self._nvml.nvmlShutdown)

    def _init(self) -> None:
        nvml = self._nvml
        transient = (
            nvml.NVML_ERROR_UNKNOWN,
            nvml.NVML_ERROR_IRQ_ISSUE,
            nvml.NVML_ERROR_TIMEOUT,
            nvml.NVML_ERROR_RESET_REQUIRED,
            nvml.NVML_ERROR_DRIVER_NOT_LOADED,
        )

        def _is_transient(error: BaseException) -> bool:  # a driver that is still starting or resetting
            return isinstance(error, nvml.NVMLError) and error.value in transient

        try:
            retrying(_is_transient, self._bound, first=0.2, longest=2.0)(nvml.nvmlInit)
        except nvml.NVMLError as error:
            raise NvmlUnavailableError(_why_no_nvml(nvml, error.value, str(error))) from error
        except Exception as error:  # a library of any age and origin is behind this
            raise NvmlUnavailableError(f"the NVIDIA driver library cannot be used: {error}") from error
        self._descriptions = self._find_devices()
        self._register_events()

    def _restart(self) -> None:
        known = self._descriptions
        self.close()
        try:
            self._init()
        except NvmlUnavailableError:
            return
        finally:
            self._descriptions = known  # the run's indices stay what they were

    def _find_devices(self) -> tuple[DeviceDescription, ...]:
        nvml = self._nvml
        driver = _text(self._ask(nvml.nvmlSystemGetDriverVersion))
        found = []
        for index in range(self._ask(nvml.nvmlDeviceGetCount) or 0):
            handle = self._ask(nvml.nvmlDeviceGetHandleByIndex, index)
            if handle is None:
                continue
            self._handles[index] = handle
            memory = self._ask(nvml.nvmlDeviceGetMemoryInfo, handle)
            active = self._ask(getattr(nvml, "nvmlDeviceGetDisplayActive", None), handle)
            found.append(
                DeviceDescription(
                    index=index,
                    name=_text(self._ask(nvml.nvmlDeviceGetName, handle)) or f"GPU {index}",
                    uuid=_text(self._ask(nvml.nvmlDeviceGetUUID, handle)),
                    total=int(memory.total) if memory is not None else 0,
                    driver=driver,
                    drives_display=bool(active),
                )
            )
        return tuple(found)

    def _register_events(self) -> None:
        """Xid errors come as events (Linux only); one set serves all devices."""
        nvml = self._nvml
        self._events = self._ask(nvml.nvmlEventSetCreate)
        if self._events is None:
            return
        kinds = nvml.nvmlEventTypeXidCriticalError
        registered = 0
        for handle in self._handles.values():
            try:
                nvml.nvmlDeviceRegisterEvents(handle, kinds, self._events)
                registered += 1
            except Exception:  # noqa: S112 - not supported on this device
                continue
        if not registered:
            self._ask(nvml.nvmlEventSetFree, self._events)
            self._events = None

    def _xids(self) -> dict[int, list[int]]:
        """New Xid codes by device; those of an unknown device count for the first."""
        nvml, found = self._nvml, dict[int, list[int]]()
        for _ in range(XIDS_AT_ONCE if self._events is not None else 0):
            data = self._ask(getattr(nvml, "nvmlEventSetWait_v2", None), self._events, 0)
            if data is None:  # a time-out: nothing is waiting
                break
            if data.eventType & nvml.nvmlEventTypeXidCriticalError:
                index = self._index_of(data.device)
                found.setdefault(index, []).append(int(data.eventData))
        return found

    def _index_of(self, handle: Any) -> int:
        wanted = self._ask(self._nvml.nvmlDeviceGetIndex, handle)
        if wanted in self._handles:
            return int(wanted)
        return min(self._handles, default=0)

    def _device(self, description: DeviceDescription, xids: tuple[int, ...]) -> DeviceSample:
        handle = self._handles[description.index]
        try:
            return self._read(description, handle, xids)
        except _LostError:
            return DeviceSample(description.index, description.name, xids=xids, lost=True)

    def _read(self, description: DeviceDescription, handle: Any, xids: tuple[int, ...]) -> DeviceSample:
        nvml = self._nvml
        memory = self._ask_live(nvml.nvmlDeviceGetMemoryInfo, handle)
        use = self._ask_live(nvml.nvmlDeviceGetUtilizationRates, handle)
        power = self._ask_live(nvml.nvmlDeviceGetPowerUsage, handle)
        ecc = self._ask_live(
            nvml.nvmlDeviceGetTotalEccErrors,
            handle,
            nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED,
            nvml.NVML_VOLATILE_ECC,
        )
        return DeviceSample(
            index=description.index,
            name=description.name,
            total=None if memory is None else int(memory.total),
            used=None if memory is None else int(memory.used),
            free=None if memory is None else int(memory.free),
            utilisation=None if use is None else int(use.gpu),
            memory_utilisation=None if use is None else int(use.memory),
            temperature=self._ask_live(nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU),
            power=None if power is None else power / 1000,
            clock_sm=self._ask_live(nvml.nvmlDeviceGetClockInfo, handle, nvml.NVML_CLOCK_SM),
            clock_memory=self._ask_live(nvml.nvmlDeviceGetClockInfo, handle, nvml.NVML_CLOCK_MEM),
            throttle=self._throttle(handle),
            ecc_uncorrected=ecc,
            processes=self._processes(handle),
            xids=xids,
        )

    def _throttle(self, handle: Any) -> tuple[str, ...] | None:
        for symbol in ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"):
            bits = self._ask_live(getattr(self._nvml, symbol, None), handle)
            if bits is not None:
                return tuple(name for bit, name in THROTTLE_REASONS.items() if bits & bit)
        return None

    def _processes(self, handle: Any) -> tuple[ProcessMemory, ...] | None:
        """Compute and graphics processes together; a process in both lists counts once."""
        found: dict[int, int | None] = {}
        told = False
        for kind in ("Compute", "Graphics"):
            listed = None
            for version in ("", "_v3", "_v2"):
                listed = self._ask_live(
                    getattr(self._nvml, f"nvmlDeviceGet{kind}RunningProcesses{version}", None), handle
                )
                if listed is not None:
                    break
            told = told or listed is not None
            for process in listed or ():
                used = process.usedGpuMemory
                found[int(process.pid)] = found.get(int(process.pid)) if used is None else int(used)
        return tuple(ProcessMemory(pid, used) for pid, used in found.items()) if told else None

    def _ask_live(self, function: Callable[..., Any] | None, *arguments: Any) -> Any:
        """As `_ask`; raises _LostError when the answer is that the device is gone."""
        nvml = self._nvml
        if function is None:
            return None
        try:
            return function(*arguments)
        except nvml.NVMLError as error:
            if error.value in (nvml.NVML_ERROR_GPU_IS_LOST, nvml.NVML_ERROR_RESET_REQUIRED):
                raise _LostError from error
            return None
        except Exception:
            return None

    def _ask(self, function: Callable[..., Any] | None, *arguments: Any) -> Any:
        """The answer, or None for whatever reason there is none."""
        try:
            return self._ask_live(function, *arguments)
        except _LostError:
            return None


def _why_no_nvml(nvml: Any, code: int, text: str) -> str:
    if code == nvml.NVML_ERROR_LIBRARY_NOT_FOUND:
        return "no NVIDIA driver is installed here"
    if code == nvml.NVML_ERROR_DRIVER_NOT_LOADED:
        return "the NVIDIA driver is installed but not loaded"
    if code == nvml.NVML_ERROR_NO_PERMISSION:
        return "this user may not ask the NVIDIA driver"
    if code == nvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH:
        return "the NVIDIA driver was updated: the machine needs a restart"
    return f"the NVIDIA driver does not answer: {text}"


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else ""
