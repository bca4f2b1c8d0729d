"""From what was asked to a loop that is ready to run: what is refused, devices, first plan, watchers."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from dflwrap.common.errors import DflwrapError
from dflwrap.common.plan import AttemptSpec, Plan
from dflwrap.common.telemetry import DeviceInfo
from dflwrap.common.text import display
from dflwrap.common.trees import check_output, is_inside, is_same_folder
from dflwrap.extractors.base import Extractor
from dflwrap.faceset.promotion import Promoter
from dflwrap.frames.decoder_child import SpareDecoders
from dflwrap.frames.inventory import check_folder
from dflwrap.ledger.history import ProgressLog
from dflwrap.ledger.ledger import Ledger
from dflwrap.planning.inputs import RunContext
from dflwrap.planning.learning import FirstPlan, Learner
from dflwrap.planning.store import PeakStore
from dflwrap.report.page.background import PageMaker
from dflwrap.supervisor.attempt.runner import AttemptRunner
from dflwrap.supervisor.attempt.width import ElasticWidth
from dflwrap.supervisor.crosscheck.budget import CrossCheckBudget
from dflwrap.supervisor.crosscheck.crosscheck import CrossCheck
from dflwrap.supervisor.crosscheck.final_check import why_nobody_can
from dflwrap.supervisor.disk.folder_wait import FolderWait
from dflwrap.supervisor.disk.storage import Storage
from dflwrap.supervisor.loop import Loop
from dflwrap.supervisor.observer import Observer
from dflwrap.supervisor.outside.presence import Presence
from dflwrap.supervisor.progress import Reporter, RunState
from dflwrap.supervisor.request import RunRequest
from dflwrap.supervisor.run_folder import RunFolder, run_folder_of
from dflwrap.supervisor.services import RunServices
from dflwrap.supervisor.stop_request import Control
from dflwrap.telemetry.base import NoGpu
from dflwrap.telemetry.gpu import open_gpu
from dflwrap.telemetry.limits import usable_cores, usable_memory
from dflwrap.telemetry.machine import machine_facts


def check_folders(request: RunRequest) -> None:
    """Raises DflwrapError for folders that no run can be made of."""
    source, output = request.input_dir, request.output_dir
    check_folder(source)
    check_output(output, " with --output-dir")
    if is_same_folder(source, output):
        raise DflwrapError("Input and output are the same folder. Give another one with --output-dir.")
    debug = output.with_name(output.name + "_debug")
    if request.options.output_debug and is_same_folder(source, debug):
        raise DflwrapError(
            f"The debug pictures would be written among the frames: {display(str(debug))}. "
            "Give another --output-dir, or leave --output-debug out."
        )
    if is_inside(source, run_folder_of(output)):
        raise DflwrapError(
            f"The input lies in the run folder of that output: {display(str(source))}. "
            "Give another --output-dir, or copy the frames out of it."
        )


def make_services(
    request: RunRequest,
    folder: RunFolder,
    ledger: Ledger,
    reporter: Reporter,
    control: Control,
    state: RunState,
    decoders: SpareDecoders,
) -> RunServices:
    """Opens the video cards' driver: close the observer when the run is over."""
    roles = {"input": request.input_dir, "output": request.output_dir, "temp": Path(tempfile.gettempdir())}
    gpu = NoGpu("not looked for: --cpu-only") if request.cpu_only else open_gpu()
    promoter = Promoter(
        ledger, folder.path, request.output_dir, request.options.image_size, request.input_dir
    )
    observer = Observer(ledger, roles, gpu)
    progress, page, presence = ProgressLog(ledger), PageMaker(folder.database, folder.page), Presence(ledger)
    return RunServices(
        *(request, folder, ledger, promoter, observer, reporter, control, state, progress, page, presence),
        decoders,
    )


def second_extractor(extractors: Sequence[Extractor]) -> Extractor | None:
    """The built-in extractor, where another one does the work."""
    others = (e for e in extractors[1:] if e.info().name == "builtin")
    return next(others, None)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A loop that is ready to run, and what is needed after it."""

    loop: Loop
    crosscheck: CrossCheck
    """To be closed when the run is over."""
    template: AttemptSpec
    """Options of the run; what differs per attempt is filled in."""
    budget: CrossCheckBudget


def prepare(services: RunServices, extractors: Sequence[Extractor]) -> Prepared:
    """The loop over `extractors`, the chosen one first. Tells what the user should know before it starts."""
    devices = _devices(services, extractors[0])
    learner = _learner(services, extractors[0])
    first = _first_plan(services, extractors[0], learner, devices)
    template = AttemptSpec(0, first.plan, services.request.options, "", "", "", "", ())
    budget = CrossCheckBudget(services.ledger)
    crosscheck = CrossCheck(services, second_extractor(extractors), template, budget)
    _tell_no_second_look(services, extractors)
    storage = _storage(services)
    loop = Loop(
        services,
        AttemptRunner(services, template, crosscheck, storage, ElasticWidth(services, first.worker_peak)),
        {extractor.info().name: extractor for extractor in extractors},
        _context(services, extractors, devices, first),
        learner,
        first.plan,
        FolderWait(storage, float("inf") if services.request.may_wait else services.request.folder_timeout),
    )
    return Prepared(loop, crosscheck, template, budget)


def _devices(services: RunServices, chosen: Extractor) -> tuple[DeviceInfo, ...]:
    request, observer = services.request, services.observer
    devices = usable_devices(request, chosen, observer)
    notice = device_notice(request, chosen, observer, devices)
    if notice:
        services.reporter.notice(notice)
    return devices


def _learner(services: RunServices, chosen: Extractor) -> Learner:
    info = chosen.info()
    return Learner(
        PeakStore(),
        build=f"{info.name} {info.version}",
        driver=services.observer.driver(),
        longest_side=services.ledger.longest_side(),
        asked_workers=services.request.workers,
        elastic=is_elastic(services.request, chosen),
    )


def _first_plan(
    services: RunServices, chosen: Extractor, learner: Learner, devices: tuple[DeviceInfo, ...]
) -> FirstPlan:
    first = learner.first_plan(
        asked_plan(services.request, devices),
        cores=usable_cores(),
        open_frames=services.ledger.counts().open,
        devices=devices,
        rooms=services.observer.rooms() if devices else (),
        ram_available=usable_memory().available,
    )
    services.ledger.put("extractor", asdict(chosen.info()))
    driver = services.observer.driver()
    services.ledger.put("machine", machine_facts() | ({"NVIDIA driver": driver} if driver else {}))
    words = first.fit.sentence
    if services.request.black_box and services.request.workers is None:
        words += "; fixed for each attempt, as a black box"
    services.ledger.decide(None, f"first plan: {words}")
    services.reporter.notice(words)
    return first


def _context(
    services: RunServices, extractors: Sequence[Extractor], devices: tuple[DeviceInfo, ...], first: FirstPlan
) -> RunContext:
    request, chosen, counts = services.request, extractors[0], services.ledger.counts()
    return RunContext(
        widest=first.plan,
        devices=devices,
        cores=usable_cores(),
        ram_total=usable_memory().total,
        on_gpu_failure=request.on_gpu_failure,
        extractor=chosen.info().name,
        builtin_available=any(e.info().name == "builtin" for e in extractors),
        supported_fields=chosen.supported_fields,
        may_wait=request.may_wait,
        worker_peak=first.worker_peak,
        done_before=counts.extracted + counts.no_face,
        elastic=is_elastic(request, chosen),
    )


def is_elastic(request: RunRequest, extractor: Extractor) -> bool:
    """The width of an attempt changes while it runs; a black box has the one of its plan."""
    return extractor.reports_frames and not request.black_box


def _tell_no_second_look(services: RunServices, extractors: Sequence[Extractor]) -> None:
    mode, at_work = services.request.second_look, extractors[0].info().name
    nobody = why_nobody_can(mode, at_work, second_extractor(extractors))
    if nobody:
        services.note(nobody)


def _storage(services: RunServices) -> Storage:
    storage = Storage(
        services.input_dir,
        services.output_dir,
        services.folder.database,
        services.ledger,
        lambda: services.control.stopping,
    )
    storage.remember(services.ledger.file_names("outcome IS NOT 'not_attempted'"))
    return storage


# -- which GPUs a run may use, and what the user should know of them ------------------------------


def opening(request: RunRequest, extractor: Extractor, observer: Observer) -> str:
    """The first line of a run: which extractor, where from, and on what."""
    count = 0
    if "devices" in extractor.supported_fields and not request.cpu_only:
        count = len(request.gpus) or len(observer.devices())
    where = "CPU" if not count else "1 GPU" if count == 1 else f"{count} GPUs"
    info = extractor.info()
    return f"{info.title or info.name}, {where}"


def refuse_missing_gpus(request: RunRequest, extractor: Extractor, observer: Observer) -> None:
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
    seen = {device.index: device.name for device in observer.devices()}
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
