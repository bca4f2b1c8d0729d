"""As wide as it fits, never wider; what was measured is remembered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dflwrap.common.memory import GIB
from dflwrap.common.plan import Plan
from dflwrap.common.telemetry import DeviceInfo, DeviceSummary, TelemetrySummary
from dflwrap.planning.fit import (
    BLACK_BOX_BATCH,
    MAX_WORKERS_PER_GPU,
    GpuHeadroom,
    cpu_plan,
    fit_batch,
    fit_cpu,
    fit_gpu,
    fit_workers,
    for_frames,
    measured_peak,
    reserve,
    rooms_of,
)
from dflwrap.planning.store import Peak, PeakKey, PeakStore


def room(total: float, free: float, display: bool = False, index: int = 0) -> GpuHeadroom:
    return GpuHeadroom(index, int(total * GIB), int(free * GIB), display)


@pytest.mark.parametrize(
    ("cores", "workers", "threads"), [(1, 1, 1), (2, 2, 1), (8, 8, 1), (16, 16, 1), (64, 16, 4)]
)
def test_the_cpu_gets_a_worker_per_core_with_its_share_of_threads(
    cores: int, workers: int, threads: int
) -> None:
    fit = fit_cpu(cores)
    assert (fit.workers, fit.threads) == (workers, threads)


def test_little_ram_means_fewer_workers_with_more_threads() -> None:
    fit = fit_cpu(8, ram_available=3 * GIB, worker_ram=GIB)
    assert (fit.workers, fit.threads, fit.limit) == (2, 4, "ram")
    assert "3.0 GiB of free RAM" in fit.sentence


def test_a_measured_peak_replaces_the_assumption() -> None:
    card = room(12, 11.5)
    assert fit_gpu((card,), cores=16).workers == 2
    measured = fit_gpu((card,), cores=16, worker_vram=int(2.5 * GIB))
    assert measured.workers == 3
    assert "measured" in measured.sentence


def test_a_display_card_keeps_its_reserve() -> None:
    peak = int(2.5 * GIB)
    assert fit_gpu((room(8, 7.5),), 16, worker_vram=peak).workers == 2
    assert fit_gpu((room(8, 7.5, display=True),), 16, worker_vram=peak).workers == 1


def test_the_fullest_card_decides() -> None:
    fit = fit_gpu((room(24, 23), room(24, 7, index=1)), cores=32)
    assert fit.workers == 1 and "GPU 1 has 7.0" in fit.sentence


def test_cores_and_ram_bound_gpu_workers_too() -> None:
    assert fit_gpu((room(80, 79),), cores=2).workers == 2
    assert fit_gpu((room(80, 79),), cores=64, ram_available=5 * GIB).limit == "ram"


@given(
    total=st.integers(1, 96),
    share=st.floats(0, 1),
    peak=st.integers(1, 24 * 1024),
    display=st.booleans(),
    cores=st.integers(1, 128),
)
def test_the_plan_never_takes_what_is_not_there(
    total: int, share: float, peak: int, display: bool, cores: int
) -> None:
    card = room(total, total * share, display)
    worker = peak * 1024**2
    fit = fit_gpu((card,), cores, worker_vram=worker)
    assert 1 <= fit.workers <= min(max(1, cores), MAX_WORKERS_PER_GPU)
    if fit.workers > 1:
        assert fit.workers * worker <= card.free - reserve(card.total, display)


def test_a_machine_of_many_cores_gets_what_its_memory_takes() -> None:
    """The second look over all frames once took every core: 64 workers of 1 GiB each in 8 GiB."""
    assert cpu_plan(64, 8 * GIB).workers == 7
    assert (cpu_plan(64, 512 * GIB).workers, cpu_plan(64, 512 * GIB).threads) == (16, 4)
    assert (cpu_plan(2, None).workers, cpu_plan(2, None).threads) == (2, 1)


def test_what_the_user_asked_for_is_taken_as_it_is() -> None:
    plan, fit = fit_workers(Plan(devices=(0,)), cores=4, rooms=(room(4, 1),), asked=3)
    assert plan.workers == 3 and fit.limit == "asked"
    plan, _ = fit_workers(Plan(), cores=4, asked=2)
    assert (plan.workers, plan.threads) == (2, 2)


@pytest.mark.parametrize(
    ("devices", "frames", "workers", "said"),
    [
        ((), 100, 4, "CPU: 4 workers, not 9 as requested: there are 4 cores"),
        ((), 3, 3, "CPU: 3 workers, not 9 as requested: there are 3 frames"),
        ((), 1, 1, "CPU: 1 worker, not 9 as requested: there is 1 frame"),
        ((0,), None, 4, "GPU: 4 workers per card, not 9 as requested: there are 4 cores"),
        ((0, 1), 100, 2, "GPU: 2 workers per card, not 9 as requested: there are 4 cores"),
        ((0, 1), 3, 2, "GPU: 2 workers per card, not 9 as requested: there are 4 cores"),
        ((0, 1), 2, 1, "GPU: 1 worker per card, not 9 as requested: there are 2 frames"),
        (tuple(range(8)), 100, 1, "GPU: 1 worker per card, not 9 as requested: there are 4 cores"),
    ],
)
def test_more_workers_than_cores_or_frames_are_fewer_and_said(
    devices: tuple[int, ...], frames: int | None, workers: int, said: str
) -> None:
    plan, fit = fit_workers(Plan(devices=devices), cores=4, asked=9, frames=frames)
    assert (plan.workers, fit.sentence) == (workers, said)


def test_few_frames_get_few_workers_with_the_threads_of_the_others() -> None:
    plan, fit = fit_workers(Plan(), cores=4, ram_available=64 * GIB, frames=1)
    assert (plan.workers, plan.threads, fit.limit) == (1, 4, "frames")
    assert fit.sentence == "CPU: 1 worker for 1 frame"
    assert fit_workers(Plan(), cores=4, ram_available=64 * GIB, frames=4)[0].workers == 4
    assert for_frames(Plan(workers=4, threads=1), 3) == Plan(workers=3, threads=1)
    assert for_frames(Plan(workers=4, threads=1), 1) == Plan(workers=1, threads=4)
    assert for_frames(Plan(workers=4, threads=1), 40) == Plan(workers=4, threads=1)
    assert for_frames(Plan(devices=(0, 1), workers=2), 3) == Plan(devices=(0, 1), workers=2)
    assert for_frames(Plan(devices=(0, 1), workers=2), 2) == Plan(devices=(0, 1), workers=1)
    assert for_frames(Plan(devices=(0, 1), workers=2), 1) == Plan(devices=(0,), workers=1)


def test_gpu_plans_count_cards_as_the_driver_does_unless_the_user_says_otherwise() -> None:
    plan, _ = fit_workers(Plan(devices=(1,)), cores=2)
    assert plan.env == {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    asked = {"CUDA_DEVICE_ORDER": "FASTEST_FIRST"}
    plan, _ = fit_workers(Plan(devices=(1,), env=asked), cores=2)
    assert plan.env == asked
    assert fit_workers(Plan(), cores=2)[0].env == {}


def test_a_card_that_cannot_be_read_gets_one_worker() -> None:
    plan, fit = fit_workers(Plan(devices=(0,)), cores=8)
    assert plan.workers == 1 and "cannot be read" in fit.sentence


def test_a_run_without_failures_has_one_attempt() -> None:
    assert fit_batch(100_000, black_box=False, failed_before=True) == 0
    assert fit_batch(100_000, black_box=True, failed_before=False) == 0
    assert fit_batch(100_000, black_box=True, failed_before=True) == BLACK_BOX_BATCH
    assert fit_batch(100, black_box=True, failed_before=True) == 0


def test_an_elastic_card_says_how_far_it_may_come_and_a_fixed_one_what_fits() -> None:
    plan = Plan(devices=(0,), workers=1)
    seen = DeviceSummary(0, "Card", 8 * GIB, 7 * GIB, 5 * GIB, 7 * GIB, worker_peak=2 * GIB)
    telemetry = TelemetrySummary(devices=(seen,))
    peak = measured_peak(telemetry, plan)
    assert peak == 2 * GIB
    rooms = rooms_of((DeviceInfo(0, "Card", 8 * GIB), DeviceInfo(1, "Unread", 8 * GIB)), telemetry)
    assert rooms == (GpuHeadroom(0, 8 * GIB, 7 * GIB),)
    fixed, _ = fit_workers(plan, cores=8, rooms=rooms, worker_vram=peak)
    assert fixed.workers == 2
    elastic, fit = fit_workers(plan, cores=8, rooms=rooms, worker_vram=peak, elastic=True)
    assert elastic.workers == 16 and "1 worker per card to begin with" in fit.sentence
    unread, _ = fit_workers(plan, cores=8, rooms=(), elastic=True)
    assert unread.workers == 1
    asked, _ = fit_workers(plan, cores=8, rooms=rooms, asked=3, elastic=True)
    assert asked.workers == 3


def test_a_peak_that_was_not_seen_is_not_made_up() -> None:
    assert measured_peak(None, Plan(devices=(0,))) is None
    blind = TelemetrySummary(devices=(DeviceSummary(0, "Card", ours_peak=6 * GIB),))
    assert measured_peak(blind, Plan(devices=(0,))) is None


KEY = PeakKey("Card 0", "550.1", "deepfacelab 46fc239", 1920)


def test_peaks_are_remembered_per_size_and_only_grow(tmp_path: Path) -> None:
    store = PeakStore(tmp_path / "deep" / "peaks.json")
    assert store.get(KEY) is None
    assert store.remember(KEY, Peak(vram=3 * GIB))
    assert store.remember(KEY, Peak(vram=2 * GIB, ram=GIB))
    again = PeakStore(store.path)
    assert again.get(KEY) == Peak(3 * GIB, GIB)
    assert again.get(PeakKey("Card 0", "550.1", "deepfacelab 46fc239", 1700)) == Peak(3 * GIB, GIB)
    assert again.get(PeakKey("Card 0", "550.1", "deepfacelab 46fc239", 3840)) is None
    assert [p.name for p in store.path.parent.iterdir()] == ["peaks.json"], "no temporary file is left"


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff\xfe", b'{"version": 9, "peaks": {}}', b'{"version": 1, "peaks": [1]}'],
)
def test_a_corrupted_store_is_read_as_empty_and_written_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "peaks.json"
    path.write_bytes(content)
    store = PeakStore(path)
    assert store.get(KEY) is None
    assert store.remember(KEY, Peak(vram=GIB))
    assert store.get(KEY) == Peak(vram=GIB)


def test_nonsense_in_an_entry_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "peaks.json"
    path.write_text(json.dumps({"version": 1, "peaks": {KEY.text(): {"vram": "much", "ram": -5}}}))
    assert PeakStore(path).get(KEY) == Peak()


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert PeakStore(tmp_path / "file" / "peaks.json").remember(KEY, Peak(vram=1)) is False
