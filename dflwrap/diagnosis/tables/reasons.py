# ruff: noqa: E501 - an expression is read more easily in one piece
"""Why the operating system refused to load a library, or refused a file: its reason is the cause.

"DLL load failed" and "cannot open shared object file" only say that something was refused. The reason stands
behind it, in the language of that Windows, or as a number. One that cannot be read is called unknown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from dflwrap.diagnosis.lazy import lazy
from dflwrap.diagnosis.rulebook.catalogue import Catalogue
from dflwrap.diagnosis.rulebook.matcher import Hit, Run, innermost_file

TABLE = Path(__file__).parent / "reasons.toml"
GATES = (
    "DLL load failed", "WinError", "shared object", ".so", "dlopen", "Library not loaded", "Could not find module",
    "DLL(s)", ".dll", "load library, error", "static TLS block", "0x800", "undefined symbol",
)  # fmt: skip
UNKNOWN = "library-load-failed"
"""The symptom where the reason is not given or cannot be read."""
_STRENGTH = {"missing": 6, "initialisation failed": 6, "not mapped": 5}
SILENT = 2
_DECISIVE = 8
_ELSEWHERE = 6

_DLL = lazy(
    r"DLL load failed(?: while importing (?P<what>[\w.]{1,80}))?(?: with error code (?P<code>-?\d{1,11}))?:? ?(?P<reason>.{0,400})"
)
_WINERROR = lazy(r"\[WinError (?P<number>\d{1,5})\] ?(?P<reason>.{0,300})")
_NUMBERED = lazy(
    r"(?:LoadLibrary failed with error|[Ff]ailed to load library, error code:?) (?P<number>\d{1,5})"
)
_CUDNN = lazy(
    r"Could not load library (?P<what>(?:lib)?cudnn_\w[\w.]{0,60}?)\.? {1,8}Error(?: code (?P<number>\d{1,5})|: (?P<reason>.{1,400}))"
)
_LOADING = lazy(
    r"Error loading [\"']|or one of its dependencies|LoadLibrary|CDLL|_dlopen|[\\/]ctypes[\\/]|\.dll\b|\.pyd\b"
)
_OBJECT = lazy(
    r"(?P<what>[\w./+-]{1,300}\.so[\w.]{0,20}): (?P<reason>(?:cannot open shared object file|failed to map segment|cannot map zero-fill|undefined symbol|cannot enable executable stack"
    r"|invalid ELF header|file too short|wrong ELF class|cannot allocate memory in static TLS|symbol .{1,80} not found|segment cannot be mapped).{0,300})"
)
_NO_FAILURE = lazy(
    r"Could not load dynamic library|dlerror:|Could not load library lib|Unable to load any of|Could not install packages"
)
_FILE_MISSING = lazy(
    r"Could not find (?:module|the DLL\(s\)) '(?P<a>[^']{1,300})'|because (?P<b>[\w.+-]{1,80}\.dll) (?:was not found|is missing)|(?P<c>[\w.+-]{1,80}\.dll) (?:is missing from your computer|was not found)"
)
_ENTRY_POINT = lazy(
    r"procedure entry point .{1,200}could not be located|ordinal \d{1,6} could not be located"
)
_MAC = lazy(
    r"(?:Library not loaded: (?P<what>.{1,200})|dlopen\((?P<lib>[^,)]{1,300})(?:, \d\w{0,10})?\)): ?(?P<reason>.{0,400})|^Reason: (?P<why>.{1,300})"
)
_HRESULT = lazy(r"0x(?P<code>80[0-9A-Fa-f]{6})\b")
_UNREADABLE = 0.3
"""Share of letters lost to '?' from which a reason is not guessed at."""
_CUDA = lazy(
    r"lib(?:cublas|cudart|cudnn|cufft|curand|cusolver|cusparse|nvrtc|nvinfer|nccl|cupti|nvjitlink)\w*\.so|(?:cublas|cudart|cudnn|cufft|curand|cusolver|cusparse|nvrtc)\w*\.dll",
    re.I,
)
_SCREEN = lazy(r"lib(?:GL|SM|Xrender|Xext|X11|gthread-2\.0|glib-2\.0|EGL|GLU|ICE|xcb|gomp)\.so")
_TENSORFLOW = lazy(r"tensorflow|pywrap|nvcuda|msvcp140|vcruntime140", re.I)


@dataclass(frozen=True)
class Reason:
    """One row of reasons.toml."""

    key: str
    loading: str
    elsewhere: str
    numbers: frozenset[int]
    statuses: frozenset[int]
    hresults: frozenset[str]
    words: re.Pattern[str]


@lru_cache(maxsize=1)
def table() -> tuple[Reason, ...]:
    """The rows, in the order in which their words are tried."""
    import tomllib

    rows = tomllib.loads(TABLE.read_text(encoding="utf-8"))["reason"]
    return tuple(
        Reason(
            row["key"],
            row["loading"],
            row["elsewhere"],
            frozenset(row.get("numbers", ())),
            frozenset(row.get("ntstatus", ())),
            frozenset(row.get("hresults", ())),
            re.compile("|".join(f"(?:{word})" for word in row["words"])),
        )
        for row in rows
    )


def fold(text: str) -> str:
    """Lower case, without the accents of Latin letters, blanks single."""
    import unicodedata

    plain = "".join(
        unicodedata.normalize("NFD", char)[0] if "\u00c0" <= char <= "\u024f" else char
        for char in text.lower()
    )
    return " ".join(plain.split())


def by_words(text: str) -> Reason | None:
    """The reason that `text` gives, in any language known; None if it gives none that can be read."""
    letters = sum(char.isalpha() for char in text)
    lost = text.count("?") + text.count("\ufffd")
    if lost > 2 and lost > _UNREADABLE * (letters + lost):
        return None
    folded = fold(text)
    return next((reason for reason in table() if reason.words.search(folded)), None)


def by_number(number: int) -> Reason | None:
    """The reason of a [WinError N], an NTSTATUS (signed or not) or None."""
    unsigned = number & 0xFFFFFFFF
    return next((r for r in table() if number in r.numbers or unsigned in r.statuses), None)


def reason_hits(run: Run, catalogue: Catalogue) -> list[Hit]:
    """A hit for each refusal of the operating system that the run shows."""
    hits: list[Hit] = []
    for index, line in enumerate(run.lines):
        text = line.text
        if "%|" in text or not any(gate in text for gate in GATES):
            continue
        found = _refusal(run, index, text)
        if found is None:
            continue
        name, strength = found
        rule = catalogue.by_id.get(name)
        if rule is not None:
            hits.append(Hit(rule, index, strength))
    return hits


def _refusal(run: Run, index: int, text: str) -> tuple[str, int] | None:
    """(rule id, strength) of what one line says, or None."""
    part = _CUDNN.search(text)
    if part is not None:
        return _of_cudnn(by_number(int(part["number"])) if part["number"] else by_words(part["reason"]))
    if _NO_FAILURE.search(text):
        return None
    dll = _DLL.search(text)
    if dll is not None:
        said = _with_next(run, index, dll["reason"])
        reason = by_number(int(dll["code"])) if dll["code"] else _read(said)
        if reason is None and not said.strip(" .:") and _TENSORFLOW.search(_place(run, index)):
            return "tf-dll-missing", SILENT  # no reason at all: the most frequent one, as a guess
        return _named(reason, f"{dll['what'] or ''} {_place(run, index)}")
    winerror = _WINERROR.search(text)
    if winerror is not None:
        reason = by_number(int(winerror["number"]))
        if _LOADING.search(text) or _LOADING.search(innermost_file(run, index)):
            return _named(reason or by_words(winerror["reason"]), f"{text} {_place(run, index)}")
        return (reason.elsewhere, _ELSEWHERE) if reason is not None and reason.elsewhere else None
    numbered = _NUMBERED.search(text)
    if numbered is not None:
        return _named(by_number(int(numbered["number"])), f"{text} {_place(run, index)}")
    shared = _OBJECT.search(text)
    if shared is not None:
        return _named(_read(shared["reason"].replace("cannot open shared object file:", "")), shared["what"])
    if _ENTRY_POINT.search(text):
        return "library-wrong-version", _DECISIVE
    missing = _FILE_MISSING.search(text)
    if missing is not None:
        what = next(group for group in missing.groups() if group)
        return _missing(f"{what} {_place(run, index)}"), _STRENGTH["missing"]
    mac = _MAC.search(text)
    if mac is not None and (
        "dlopen" in text or "not loaded" in text or (index and "not loaded" in run.lines[index - 1].text)
    ):
        said = mac["reason"] or mac["why"] or ""
        if "not loaded" in text:  # its reason stands on the next lines; without one the file was not found
            said += " " + " ".join(
                one.text for one in run.lines[index + 1 : index + 4] if "Reason" in one.text
            )
            return _named(by_words(said) or by_words("no such file"), f"{text} .dylib")
        reason = by_words(said)
        return _named(reason, text) if reason is not None or "dlopen" in text else None
    code = _HRESULT.search(text)
    if code is not None:
        reason = next((r for r in table() if code["code"].upper() in r.hresults), None)
        return None if reason is None else (reason.loading, _DECISIVE)
    return None


def _of_cudnn(reason: Reason | None) -> tuple[str, int] | None:
    """What a part of cuDNN was refused for; None if it was not found, or the reason cannot be read (a rule of its own)."""
    if reason is None or reason.key == "missing":
        return None
    if reason.key == "version":
        return "cudnn-version-mismatch", _DECISIVE
    if reason.key == "initialisation failed":
        return "library-init-failed", _STRENGTH[reason.key]
    return reason.loading, _STRENGTH.get(reason.key, _DECISIVE)


def _read(said: str) -> Reason | None:
    return by_words(said) if said.strip() else None


def _with_next(run: Run, index: int, said: str) -> str:
    """A reason that a narrow window broke off, with the line that holds its rest."""
    if len(said.strip()) > 60 or index + 1 >= len(run.lines):
        return said
    following = run.lines[index + 1]
    if following.indent or following.text.startswith(("Traceback", "During", "File ", "Failed", "Exception")):
        return said
    return said if by_words(said) is not None else f"{said} {following.text}"


def _place(run: Run, index: int) -> str:
    """Where the refused library belongs: the innermost frame, and the line of code under it."""
    code = run.lines[index - 1].text if index else ""
    return f"{innermost_file(run, index)} {code[:120]}"


def _named(reason: Reason | None, what: str) -> tuple[str, int]:
    if reason is None:
        return UNKNOWN, 1
    strength = _STRENGTH.get(reason.key, _DECISIVE)
    if reason.key == "missing":
        return _missing(what), strength
    if reason.key == "initialisation failed" and _is_other(what):
        return "library-init-failed", strength
    return reason.loading, strength


def _missing(what: str) -> str:
    if re.search(r"\bcv2\b", what):
        return "cv2-dll-missing"
    if "providers_cuda" in what:
        return "cuda-dso-missing-silent-cpu"
    if re.search(r"libcuda\.so", what):
        return "libcuda-missing-container"
    if _SCREEN.search(what):
        return "libgl-missing"
    if ".so" in what and _CUDA.search(what):
        return "linux-cuda-so-missing"
    return "library-missing" if _is_other(what) or ".so" in what else "tf-dll-missing"


def _is_other(what: str) -> bool:
    """Whether it is known to belong to a package other than TensorFlow."""
    return (
        bool(what.strip())
        and bool(
            re.search(
                r"-packages|^[\w.]+ |\.so|\.dll|\.pyd|\.dylib|\.py import \w[\w.]*(?: as \w+)?\s*$", what
            )
        )
        and not _TENSORFLOW.search(what)
        and not _CUDA.search(what)
    )
