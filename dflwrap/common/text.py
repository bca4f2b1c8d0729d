"""Text of others (names, paths, logs, error texts) on its way to the screen or into a record."""

from __future__ import annotations

import unicodedata


def display(name: str) -> str:
    """`name` safe to print and to store: control, bidirectional and undecodable characters escaped.

    A file name is hostile input: a newline would forge a log line, a right-to-left mark would hide
    a suffix, a lone surrogate (a name that is not valid UTF-8) cannot be encoded. So does a log, an error
    text, a ledger: everything that is not ours passes here on its way to the screen. The result is one line.
    """
    if name.isprintable():
        return name
    return "".join(_escaped(char) if _unsafe(char) else char for char in name)


def counted(number: int, thing: str) -> str:
    """ "1 frame", "2,000 frames", "2 passes"."""
    plural = thing if number == 1 else f"{thing}es" if thing.endswith("s") else f"{thing}s"
    return f"{number:,} {plural}"


def display_start(text: str, length: int) -> str:
    """The first `length` characters of `display(text)`: of a long text, no more than those are looked at."""
    return display(text[:length])[:length]


def safe_json(text: str) -> str:
    """A JSON text with the same characters as JSON escapes; the line breaks between its parts stay.

    For JSON that keeps letters of all languages readable: `json` itself then escapes only those below 0x20.
    """
    if text.isprintable():
        return text
    # Line by line: nearly all are printable, and a list of a report's characters takes 100 MB.
    return "\n".join(line if line.isprintable() else _safe_line(line) for line in text.split("\n"))


def _safe_line(line: str) -> str:
    return "".join(_json_escaped(char) if _unsafe(char) else char for char in line)


def _json_escaped(char: str) -> str:
    code = ord(char)
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def _unsafe(char: str) -> bool:
    return unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def _escaped(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # an undecodable byte, as os.fsdecode represents it
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
