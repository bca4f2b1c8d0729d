"""The parent's side of the decoder child: restarts it when an image kills it, limits every wait."""

from __future__ import annotations

import errno
import json
import os
import queue
import select
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from dflwrap.common.errors import StoppedError
from dflwrap.common.waits import never, take, wait_until
from dflwrap.frames.decoding.damage import PNG, Checked
from dflwrap.frames.decoding.likeness import Likeness, Piece
from dflwrap.frames.decoding.measures import Measures, failed

TIMEOUT = 120.0
"""Seconds for one image; 20000x20000 takes about 30."""

END_BOUND = 5.0
"""Seconds for a killed child to be gone; one whose disk does not answer cannot be killed, and is left behind."""

_OWN_GROUP: dict[str, Any] = (
    {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}  # type: ignore[attr-defined,unused-ignore]
    if sys.platform == "win32"
    else {"process_group": 0}
)


AT_ONCE: int = 0 if sys.platform == "win32" else getattr(select, "PIPE_BUF", 512)
"""Bytes that an empty pipe takes without waiting for its reader (POSIX). A child has read what it has answered."""

_KEPT = str(32 * 1024**2)
KEEPS_MEMORY = {"MALLOC_MMAP_THRESHOLD_": _KEPT, "MALLOC_TRIM_THRESHOLD_": _KEPT}
"""For glibc (mallopt(3)): memory that a decoder frees, up to 32 MiB, is there for the next frame. Fresh pages for each
cost a third of the time of a small frame."""


class ConversionError(Exception):
    """An image could not be converted; the text is the evidence."""

    damaged = False
    """The decoder made a picture of it, and said that data are missing."""


class SourceUnreadError(Exception):
    """The operating system did not hand out the source: it is missing, or its device fails. No fault of the image."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True, slots=True)
class Converted:
    """Sizes in pixels of the source and of what was written."""

    width: int
    height: int
    out_width: int
    out_height: int

    @property
    def scale(self) -> tuple[float, float] | None:
        """Pixels of the source per pixel written, across and down; None where it was not scaled."""
        if (self.out_width, self.out_height) == (self.width, self.height):
            return None
        return self.width / self.out_width, self.height / self.out_height


@dataclass(frozen=True, slots=True)
class Look:
    """Of the luma, at a long side of at most 640 pixels."""

    mean: float
    brightest: float
    """99.5th percentile, of 255."""
    sharpness: float
    """Variance of the Laplacian."""


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small picture as text, for a page."""

    webp: str
    """Base64."""
    width: int
    height: int
    """Pixels."""
    sharpness: float
    """Of the image itself: variance of the Laplacian."""


class Converter:
    """Converts images one at a time in a child process that starts on first use."""

    def __init__(self, stopping: Callable[[], bool] = never) -> None:
        """stopping: asked while an image is waited for; True ends its child, and raises StoppedError."""
        self._stopping = stopping
        self._child: subprocess.Popen[bytes] | None = None
        self._said: IO[bytes] | None = None
        """What the child's decoders say; the child reads and empties it."""
        self._answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def convert(self, source: Path, target: Path, max_side: int = 0, orientation: int = 1) -> Converted:
        """Write `source` to `target` as PNG, with a longest side of `max_side` pixels where `scaled_size` can,
        turned as an orientation tag of that value says.

        Raises ConversionError when the image is to blame, SourceUnreadError when it is missing or its device
        fails, OSError when `target` cannot be written (it must not exist yet), StoppedError. None leaves a part of
        it behind.
        """
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        request = {
            "source": os.fsencode(source).hex(),
            "target": os.fsencode(target).hex(),
            "max_side": max_side,
            "orientation": orientation,
        }
        try:
            answer = self._ask(request)
        except BaseException:
            target.unlink(missing_ok=True)
            raise
        return Converted(answer["width"], answer["height"], answer["out_width"], answer["out_height"])

    def check(self, source: Path, *, thorough: bool = True) -> Checked:
        """Whether the data of the image at `source` are whole. Raises ConversionError where that cannot be told.

        thorough: a PNG too; no decoder makes a picture of a damaged one, so whoever could read it need not ask.
        """
        if not thorough and _is_png(source):
            return Checked()
        answer = self._ask({"source": os.fsencode(source).hex(), "check": True})
        return Checked(answer["damage"], answer["note"])

    def look(self, source: Path) -> Look:
        """Brightness and sharpness of the image at `source`. Raises as `convert`, but for its target."""
        answer = self._ask({"source": os.fsencode(source).hex()})
        return Look(answer["mean"], answer["brightest"], answer["sharpness"])

    def thumbnail(self, source: Path, side: int, quality: int) -> Thumbnail:
        """A WebP of the image at `source`, at most `side` pixels long. Raises as `convert`, but for its target."""
        answer = self._ask({"source": os.fsencode(source).hex(), "thumbnail": [side, quality]})
        return Thumbnail(
            str(answer["webp"]), int(answer["width"]), int(answer["height"]), answer["sharpness"]
        )

    def measure(self, files: Sequence[tuple[Path, int]], dark_below: float) -> list[Measures]:
        """What each file is like; files: paths with their sizes in bytes. One that kills the decoder is named.

        dark_below: brightness of 255, for `Pixels.dark`.

        Raises StoppedError.
        """
        wanted = [(os.fsencode(path).hex(), size) for path, size in files]
        try:
            answer = self._ask({"measure": wanted, "dark_below": dark_below})
        except ConversionError as error:
            if len(files) == 1:
                return [failed(str(error))]
            return [one for file in files for one in self.measure([file], dark_below)]
        return [Measures.from_json(one) for one in answer["measured"]]

    def likeness(self, source: Path | None, pieces: Sequence[Piece]) -> list[Likeness]:
        """Each piece against the image at `source`; without it they are only decoded.

        Raises ConversionError when `source` cannot be decoded, or when one of them all kills the decoder.
        """
        answer = self._ask(
            {
                "source": os.fsencode(source).hex() if source is not None else "",
                "pieces": [piece.to_json() for piece in pieces],
            }
        )
        return [
            Likeness(**{**found, "correlations": tuple(found.get("correlations", ()))})
            for found in answer["pieces"]
        ]

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._stopping():
            raise StoppedError
        child = self._started()
        assert child.stdin is not None
        data = json.dumps(request).encode("ascii") + b"\n"
        if len(data) <= AT_ONCE:
            _write(child.stdin, data)
        else:  # in a thread: a child that hangs before it reads would hold a long request up forever
            threading.Thread(
                target=_write, args=(child.stdin, data), name="decoder-request", daemon=True
            ).start()
        try:
            line = take(self._answers, TIMEOUT, self._stopping)
        except queue.Empty:
            self.close()
            if self._stopping():
                raise StoppedError from None
            raise ConversionError(f"decoding it took more than {TIMEOUT:.0f} s") from None
        if not line:
            if self._stopping():  # whoever stops it may have ended the child already
                raise StoppedError
            raise ConversionError(f"the decoder died of it (exit status {self._status_of(child)})")
        answer: dict[str, Any] = json.loads(line)
        if "unwritable" in answer:  # a full disk is no fault of the image
            raise OSError(answer["unwritable"], os.strerror(answer["unwritable"]))
        if "unread" in answer:
            raise SourceUnreadError(_os_error(request["source"], *answer["unread"]))
        if "error" in answer:
            error = ConversionError(answer["error"])
            error.damaged = answer.get("damaged") is True
            raise error
        return answer

    def _status_of(self, child: subprocess.Popen[bytes]) -> int | None:
        wait_until(lambda: child.poll() is not None, END_BOUND)
        self.close()
        return child.returncode

    def close(self) -> None:
        child, self._child = self._child, None
        said, self._said = self._said, None
        if said is not None:
            said.close()
        if child is None:
            return
        child.kill()
        wait_until(lambda: child.poll() is not None, END_BOUND)
        if child.stdin and child.returncode is not None:
            with suppress(OSError):
                child.stdin.close()

    def _started(self) -> subprocess.Popen[bytes]:
        child = self._child
        if child is None or child.poll() is not None:
            self.close()
            with suppress(OSError):  # a full temporary folder: decoding continues, and says less
                self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the child
            # By a name of its own: another thread may close the converter at any moment.
            self._child = child = subprocess.Popen(
                [sys.executable, "-P", "-m", "dflwrap.frames.decoding.decoder"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said or subprocess.DEVNULL,
                env=KEEPS_MEMORY | os.environ,
                # Ctrl+C is for dflwrap: a decoder that died of it would look like an image that kills it.
                **_OWN_GROUP,
            )
            assert child.stdout is not None
            # A queue of its own per child: an answer of a killed one is never taken for the next's.
            self._answers = queue.SimpleQueue()
            threading.Thread(
                target=_pump, args=(child.stdout, self._answers), name="decoder-answers", daemon=True
            ).start()
        return child


def _is_png(source: Path) -> bool:
    """By its first bytes. What cannot be read is for the decoder to tell."""
    with suppress(OSError), source.open("rb") as file:
        return file.read(len(PNG)) == PNG
    return False


def _os_error(source: str, number: int | None, winerror: int | None) -> OSError:
    """The child's error, made again. source: the path's bytes in hexadecimal."""
    name = os.fsdecode(bytes.fromhex(source))
    number = number or errno.EIO
    error = OSError(number, os.strerror(number), name, winerror)
    if winerror is not None and os.name != "nt":  # elsewhere the constructor drops it
        error.winerror = winerror  # type: ignore[attr-defined,unused-ignore]
    return error


def _write(stream: IO[bytes], data: bytes) -> None:
    """What cannot be written is told by the end of the answers."""
    with suppress(OSError, ValueError):
        stream.write(data)
        stream.flush()


def _pump(stream: IO[bytes], answers: queue.SimpleQueue[bytes]) -> None:
    with stream:
        for line in stream:
            answers.put(line)
    answers.put(b"")
