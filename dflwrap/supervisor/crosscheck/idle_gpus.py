"""Cards of a plan that stay idle: workers are said to run on them, and nothing of the extractor is there.

TensorFlow places what a GPU cannot take on the CPU silently. What the driver says cannot be argued with:
no process of the extractor on the card, and hardly a change of its memory, while frames come back.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from dflwrap.common.events import Event, EventKind, gpu_of
from dflwrap.common.plan import Plan
from dflwrap.common.telemetry import DeviceSummary, TelemetrySummary
from dflwrap.planning.steps import gpus

FRAMES = 8
"""Frames that have come back before the cards are looked at, so that no kernel is still being compiled."""
SECONDS = 5.0
"""Seconds since the first of them: the recorder has taken some samples."""
TAKEN = 256 << 20
"""Bytes. TensorFlow with CUDA's context, cuDNN and DeepFaceLab's weights takes more on any card. Where a driver
shows other process ids than the system (containers), the change of the memory alone must speak."""


class CardWatch:
    """Watches the cards of one attempt. It says nothing where the driver lists no processes (WSL, old cards)."""

    def __init__(
        self,
        plan: Plan,
        telemetry: Callable[[], TelemetrySummary | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """plan: whose `devices` matter to the extractor. telemetry: of the running attempt, so far."""
        self._plan, self._telemetry, self._clock = plan, telemetry, clock
        self._at_work: set[int] = set()
        self._waiting: set[int] = set()
        """Cards that are to have no worker for now: they wait for memory."""
        self._beside: set[str | None] = set()
        """Workers that are on the CPU because they were asked to be."""
        self._frames_beside = 0
        self._frames, self._first, self._looked = 0, 0.0, False

    def event(self, event: Event) -> None:
        """Labels of workers name their cards."""
        if event.kind in (EventKind.WORKER_STARTING, EventKind.WORKER_STARTED, EventKind.WORKER_REPLACED):
            index = gpu_of(event.worker)
            if index is not None:
                self._at_work.add(index)
            elif event.data.get("beside_gpus") is True:
                self._beside.add(event.worker)
        elif event.kind is EventKind.FRAME_DONE and event.worker in self._beside:
            self._frames_beside += 1
        elif event.kind is EventKind.WIDTH_CHANGED:
            self._width(event.data.get("device"), event.data.get("workers"))

    def _width(self, device: object, workers: object) -> None:
        index = gpu_of(device) if isinstance(device, str) else None
        if index is not None and workers == 0:
            self._waiting.add(index)
        elif index is not None:
            self._waiting.discard(index)

    def frames(self, count: int) -> bool:
        """So many frames came back. True once, when it is time to look: see `left_out` and `untouched`."""
        count, self._frames_beside = max(0, count - self._frames_beside), max(0, self._frames_beside - count)
        if not self._frames and count:
            self._first = self._clock()
        self._frames += count
        if self._looked or not self._plan.devices:
            return False
        self._looked = self._frames >= FRAMES and self._clock() - self._first >= SECONDS
        return self._looked

    def left_out(self) -> tuple[int, ...]:
        """Cards of the plan on which no worker runs or starts, though workers do on others."""
        idle = set(self._plan.devices) - self._at_work - self._waiting if self._at_work else set()
        return tuple(index for index in self._plan.devices if index in idle)

    def untouched(self) -> str:
        """What shows that no card of the plan is used at all; empty where one is, or it cannot be told."""
        telemetry = self._telemetry()
        if telemetry is None:
            return ""
        used = [index for index in self._plan.devices if index not in self._waiting]
        cards = [telemetry.device(index) for index in used]
        if not cards or not all(card is not None and _untouched(card) for card in cards):
            return ""
        return f"{self._frames} frames came back, and no process of the extractor is on {gpus(tuple(used))}"


def _untouched(card: DeviceSummary) -> bool:
    if card.ours_seen is not False or card.free_max is None or card.free_min is None:
        return False
    return card.free_max - card.free_min < TAKEN
