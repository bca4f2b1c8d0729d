"""The parent's side of the decoder child: restarts it when an image kills it, limits every wait."""

from __future__ import annotations

import errno
import json
import os
import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dflwrap.common.errors import StoppedError
from dflwrap.common.waits import never, take
from dflwrap.frames.decoder_child import DecoderChild, SpareDecoders
from dflwrap.frames.decoding.damage import PNG, Checked
from dflwrap.frames.decoding.likeness import Likeness, Piece
from dflwrap.frames.decoding.measures import Measures, failed

TIMEOUT = 120.0
"""Seconds for one image; 20000x20000 takes about 30."""


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

    def __init__(self, stopping: Callable[[], bool] = never, spares: SpareDecoders | None = None) -> None:
        """stopping: asked while an image is waited for; True ends its child, and raises StoppedError.

        spares: where its child comes from, if there is one, and where it is left.
        """
        self._stopping, self._spares = stopping, spares
        # Reentrant: whatever hears of a new child, a signal's handler too, may close the converter at once.
        self._lock = threading.RLock()
        self._child: DecoderChild | None = None
        self._closed = 0
        """Times; one that is closed may be asked again."""

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
        child.send(json.dumps(request).encode("ascii") + b"\n")
        try:
            line = take(child.answers, TIMEOUT, self._stopping)
        except queue.Empty:
            self.close()
            if self._stopping():
                raise StoppedError from None
            raise ConversionError(f"decoding it took more than {TIMEOUT:.0f} s") from None
        if not line:
            if self._stopping():  # whoever stops it may have ended the child already
                raise StoppedError
            status = child.exit_status()
            self.close()
            raise ConversionError(f"the decoder died of it (exit status {status})")
        child.busy = False
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

    def close(self) -> None:
        """Ends a child that owes an answer, also in the middle of it; any other one becomes a spare one."""
        with self._lock:  # a child is ended, or given away: by one thread, and once
            child, self._child = self._child, None
            self._closed += 1
        if child is None:
            return
        if child.busy or self._spares is None:
            child.end()
        else:
            self._spares.take_back(child)

    def rest(self) -> None:
        """Leaves its child to others until it is asked again; without spares it keeps it."""
        if self._spares is not None:
            self.close()

    def _started(self) -> DecoderChild:
        """The child that is to be asked; `close` ends it from now on."""
        with self._lock:
            child = self._child
            if child is not None:
                child.busy = True
        if child is None or not child.alive:
            self.close()
            closed = self._closed
            child = (self._spares.lend() if self._spares is not None else None) or DecoderChild()
            child.busy = True
            # By a name of its own: another thread may close the converter at any moment, also while the child starts.
            with self._lock:
                self._child = child if closed == self._closed else None
            if self._child is not child:
                child.end()
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
