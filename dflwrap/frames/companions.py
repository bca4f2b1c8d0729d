"""Files that systems and cameras' tools leave in every folder, and that nobody means as frames."""

from __future__ import annotations

import os

_SYSTEM_NAMES = frozenset(
    {
        # Windows
        *("thumbs.db", "thumbs.db:encryptable", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini"),
        *("$recycle.bin", "system volume information"),
        # macOS
        *(".ds_store", ".localized", ".apdisk", ".volumeicon.icns", "icon\r", "__macosx", ".appledouble"),
        *(".trashes", ".spotlight-v100", ".fseventsd", ".temporaryitems", ".documentrevisions-v100"),
        # dflwrap prepare's own; Linux desktops, network storage, picture browsers
        *(".directory", ".hidden", ".thumbnails", "lost+found", "@eadir", ".@__thumb", "#recycle"),
        *("dflwrap-prepare.jsonl", ".dflwrap-prepare"),
        *(".nomedia", ".picasa.ini", "picasa.ini", ".bridgecache", ".bridgecachet", ".bridgesort"),
    }
)
_APPLE = (b"\x00\x05\x16\x07", b"\x00\x05\x16\x00")
"""How AppleDouble and AppleSingle files begin (RFC 1740)."""


def why_companion(entry: os.DirEntry[str]) -> str | None:
    """What the entry is, or None where it is none of these. At most four bytes of it are read."""
    if entry.name.casefold() in _SYSTEM_NAMES:
        return "a file of the system"
    if entry.name.startswith("._") and _is_apple(entry):
        return "a companion file of macOS, without a picture"
    return None


def _is_apple(entry: os.DirEntry[str]) -> bool:
    """By content: somebody's picture may have such a name. Never opens a pipe, which could block."""
    try:
        if not entry.is_file():
            return False
        with open(entry.path, "rb") as file:  # noqa: PTH123 - a name that need not be valid UTF-8
            return file.read(4) in (*_APPLE, b"")
    except OSError:
        return False
