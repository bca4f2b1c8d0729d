"""What names people and places, taken out of everything that a report shows, so that it can be shown to others."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

Redact = Callable[[str], str]

SHORTEST = 3
"""Letters of a name from which it is looked for inside of texts."""
_TOKEN = re.compile(r"[^\s\"'`<>|,;:!?=()\[\]{}\\/]+")
_COMMON = frozenset({
    "data", "data_src", "data_dst", "src", "dst", "aligned", "aligned_debug", "debug", "frame", "frames",
    "face", "faces", "workspace", "result", "source", "target", "input", "output", "out", "home",
    "users", "user", "documents", "desktop", "downloads", "pictures", "picture", "image", "images",
    "img", "photo", "photos", "videos", "video", "clip", "scene", "shot", "media", "mnt", "tmp", "temp",
    "drive", "internal", "deepfacelab", "dflwrap", "gpu", "cpu", "the", "and", "not",
})  # fmt: skip
"""Words that name nobody."""
_WORD = re.compile(r"[^\W\d_]{3,}")
_FACE = re.compile(r"^(.+)_(\d+)$")


class Hider:
    """Frames and faces get numbers, folders of the run lose their names, and `redact` takes out the rest."""

    def __init__(self, frames: Iterable[str], folders: Iterable[Path], redact: Redact) -> None:
        """frames: file names in the clip's order. redact: takes paths, users, hosts and secrets out of a text."""
        self._redact = redact
        self._names: dict[str, str] = {}
        frames = tuple(frames)
        for number, name in enumerate(frames, 1):
            self._names[name] = f"frame {number}"
            stem = Path(name).stem
            if len(stem) >= SHORTEST and not stem.isdigit():
                self._names.setdefault(stem, f"frame {number}")
            else:
                self._names.setdefault(f"{stem}_", f"frame {number}")
        self._odd = [name for name in self._names if _TOKEN.fullmatch(name) is None]
        self._odd.sort(key=len, reverse=True)
        parts = {part for folder in folders for part in folder.parts if part.strip("/\\:")}
        self._folders = sorted((p for p in parts if not _common(p)), key=len, reverse=True)
        words = {word for name in (*parts, *map(_stem, frames)) for word in _WORD.findall(name)}
        known = sorted((re.escape(word) for word in words if not _common(word)), key=len, reverse=True)
        self._words = re.compile(rf"(?<![^\W\d_])(?:{'|'.join(known)})(?![^\W\d_])", re.I) if known else None

    def __call__(self, text: str) -> str:
        """`text` without them."""
        for name in self._odd:
            if name in text:
                text = text.replace(name, self._names[name])
        for part in self._folders:
            if part in text:
                text = text.replace(part, "<folder>")
        text = self._redact(_TOKEN.sub(self._token, text))
        return self._words.sub("<name>", text) if self._words is not None else text

    def _token(self, found: re.Match[str]) -> str:
        token = found.group()
        for end in ("", "."):
            known = self._names.get(token.removesuffix(end)) if end else self._names.get(token)
            if known is not None:
                return known + (end if end and token.endswith(end) else "")
        path = Path(token.rstrip("."))
        face = _FACE.match(path.stem)
        if face is not None:
            known = self._names.get(face[1]) or self._names.get(f"{face[1]}_")
            if known is not None:
                return f"face {face[2]} of {known}"
        return token

    def all(self, value: Any) -> Any:
        """Every text in plain data, keys left as they are."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, dict):
            return {key: self.all(item) for key, item in value.items()}
        return [self.all(item) for item in value] if isinstance(value, list | tuple) else value


def _common(word: str) -> bool:
    return len(word) < SHORTEST or word.casefold() in _COMMON


def _stem(name: str) -> str:
    return Path(name).stem
