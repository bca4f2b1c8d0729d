"""One worker process: it gets a frame's path, writes its faces, and says so, until its pipe closes."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from multiprocessing.connection import Connection, wait
from pathlib import Path

from dflwrap.extractors.builtin.settings import (
    FrameDone,
    FrameFailed,
    Message,
    Ready,
    StartFailed,
    WorkerSettings,
)

_PR_SET_PDEATHSIG = 1
_TRACEBACK_LIMIT = 8000
"""Characters of a traceback that are kept."""


def run_worker(connection: Connection, settings: WorkerSettings) -> None:
    """The worker's life. It never outlives the host: see `_die_with_the_host`."""
    _die_with_the_host()
    try:
        handler = FrameHandler(settings)
    except Exception as error:
        _send(connection, StartFailed(_last_line(error), traceback.format_exc()[-_TRACEBACK_LIMIT:]))
        return
    if not _send(connection, Ready()):
        return
    while True:
        try:
            path = connection.recv()
        except (EOFError, OSError):
            return
        if not _send(connection, handler.handle(path)):
            return


def _send(connection: Connection, message: Message) -> bool:
    try:
        connection.send(message)
    except OSError:
        return False
    return True


def _last_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".strip().splitlines()[-1][:500]


def _die_with_the_host() -> None:
    """Stop signals are the host's affair (it lets the frame be finished); its death ends the worker.

    On Linux the kernel sees to that; everywhere a thread waits for the host's end, as a worker deep in
    native code would notice the closed pipe only after its frame.
    """
    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        number = getattr(signal, name, None)
        if number is not None:
            signal.signal(number, signal.SIG_IGN)
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    host = multiprocessing.parent_process()
    if host is not None:
        threading.Thread(target=_end_after, args=(host.sentinel,), daemon=True).start()


def _end_after(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


class FrameHandler:
    """Reads, finds, aligns, writes: one frame at a time. Heavy imports happen here, in the worker only."""

    def __init__(self, settings: WorkerSettings) -> None:
        import cv2

        from dflwrap.extractors.builtin.facefile import FaceFormat
        from dflwrap.extractors.builtin.finding.finder import FaceFinder

        if settings.threads > 0:
            cv2.setNumThreads(settings.threads)
        self._settings = settings
        self._finder = FaceFinder(settings.threads)
        self._format = FaceFormat(
            settings.face_type, settings.image_size, settings.jpeg_quality, settings.warp
        )
        self._output = Path(settings.output_dir)

    def handle(self, frame: str) -> FrameDone | FrameFailed:
        """The frame's result; whatever goes wrong in it is the frame's failure, not the worker's end.

        frame: its name in the input folder, or the path of one that lies elsewhere, and is only read.
        """
        from dflwrap.extractors.builtin.images import UnreadableFrameError

        began = time.perf_counter()
        source = Path(self._settings.input_dir, frame)
        name = source.name
        written: list[Path] = []
        try:
            rects, looked = self._extract(source, written)
        except UnreadableFrameError as error:
            return FrameFailed(name, str(error), "", "unreadable")
        except Exception as error:
            for path in written:
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)
            return FrameFailed(
                name, _last_line(error), traceback.format_exc()[-_TRACEBACK_LIMIT:], "exception"
            )
        faces = tuple(path.name for path in written)
        return FrameDone(name, faces, rects, time.perf_counter() - began, looked)

    def _extract(
        self, source: Path, written: list[Path]
    ) -> tuple[tuple[tuple[int, int, int, int], ...], bool]:
        from dflwrap.extractors.builtin.facefile import debug_picture, face_file, write_whole
        from dflwrap.extractors.builtin.finding.finder import is_looked_at
        from dflwrap.extractors.builtin.images import read_frame

        frame = read_frame(source)
        looked = is_looked_at(frame)
        faces = self._finder.faces(frame, self._settings.max_faces)
        shown = []
        for face in faces:
            content = face_file(frame, face, source.name, self._format)
            if content is None:
                continue
            path = self._output / f"{source.stem}_{len(written)}.jpg"
            write_whole(path, content)
            written.append(path)
            shown.append(face)
        if self._settings.debug_dir is not None:
            content = debug_picture(frame, shown, self._format)
            write_whole(Path(self._settings.debug_dir, f"{source.stem}.jpg"), content)
        return tuple(face.rect for face in faces), looked
