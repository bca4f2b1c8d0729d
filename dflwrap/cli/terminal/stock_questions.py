"""DeepFaceLab's own questions before an extract, where a person is there to answer (`--ask`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import IO, TypeVar

from dflwrap.cli.terminal.asking import ANSWER_BOUND, ask
from dflwrap.common.plan import ExtractOptions

T = TypeVar("T")
_LETTERS = {"h": "half_face", "f": "full_face", "wf": "whole_face", "head": "head", "m": "mark_only"}
_YES = {"y": True, "yes": True, "1": True, "n": False, "no": False, "0": False}


def ask_options(
    options: ExtractOptions,
    given: frozenset[str],
    stream: IO[str],
    stopping: Callable[[], bool],
    bound: float = ANSWER_BOUND,
) -> ExtractOptions:
    """`options` with the answers. given: names of options on the command line, which are not asked for.

    Enter, no answer in `bound` seconds and the end of the input take what stands in brackets.
    """

    def question(name: str, text: str, now: T, shown: str, read: Callable[[str], T | None]) -> T:
        if name in given or stopping():
            return now
        prompt = f"{text} [{shown}]: "
        while answer := ask(prompt, stream, stopping, bound):
            value = read(answer)
            if value is not None:
                return value
            prompt = f"That will not do. {text} [{shown}]: "
        if answer is None:
            stream.write(f"{shown}\n")
        return now

    face_type = question(
        "face_type",
        "Face type (h, f, wf, head, m)",
        options.face_type,
        next(letter for letter, name in _LETTERS.items() if name == options.face_type),
        lambda answer: _LETTERS.get(answer) or (answer if answer in _LETTERS.values() else None),
    )
    faces = question(
        "max_faces_from_image",
        "Most faces per image (0 = all)",
        options.max_faces_from_image,
        str(options.max_faces_from_image),
        lambda answer: _number(answer, 0, 10_000),
    )
    side = options.image_size if "image_size" in given else 768 if face_type == "head" else 512
    size = question(
        "image_size",
        "Image size, pixels (256-2048)",
        side,
        str(side),
        lambda answer: _number(answer, 256, 2048),
    )
    quality = question(
        "jpeg_quality",
        "JPEG quality (1-100)",
        options.jpeg_quality,
        str(options.jpeg_quality),
        lambda answer: _number(answer, 1, 100),
    )
    debug = question(
        "output_debug",
        "Write debug pictures (y, n)",
        options.output_debug,
        "y" if options.output_debug else "n",
        _YES.get,
    )
    return replace(
        options,
        face_type=face_type,
        max_faces_from_image=faces,
        image_size=size,
        jpeg_quality=quality,
        output_debug=debug,
    )


def _number(text: str, least: int, most: int) -> int | None:
    if not (text.isascii() and text.isdigit() and len(text) < 9):
        return None
    return int(text) if least <= int(text) <= most else None
