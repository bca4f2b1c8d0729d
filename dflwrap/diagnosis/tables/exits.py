"""Exit statuses of Linux and Windows, in decimal, hexadecimal and negative form, and what they mean."""

from __future__ import annotations

from dflwrap.diagnosis.lazy import lazy

_WINDOWS = {
    0xC0000005: ("worker-native-crash", "access violation (0xC0000005)"),
    0xC000001D: ("no-avx", "illegal instruction (0xC000001D)"),
    0xC0000017: ("paging-file-too-small", "no memory could be committed (0xC0000017)"),
    0xC000012D: ("paging-file-too-small", "commitment limit reached (0xC000012D)"),
    0xC000007B: ("bad-image-dll", "a DLL is damaged or of the wrong kind (0xC000007B)"),
    0xC000012F: ("bad-image-dll", "a DLL is not a valid image (0xC000012F)"),
    0xC0000135: ("tf-dll-missing", "a DLL was not found (0xC0000135)"),
    0xC000013A: ("ctrl-c", "ended by Ctrl-C or a closed window (0xC000013A)"),
    0xC0000409: ("exit-code-409-no-text", "aborted inside a DLL (0xC0000409)"),
    0xC00000FD: ("worker-native-crash", "stack overflow (0xC00000FD)"),
    0xC0000374: ("worker-native-crash", "heap corruption (0xC0000374)"),
    0x80000003: ("worker-native-crash", "a breakpoint was hit (0x80000003)"),
    0xC0000006: ("failing-disk", "a page could not be read from disk (0xC0000006)"),
    0xC0000008: ("worker-native-crash", "an invalid handle (0xC0000008)"),
    0xC0000022: ("library-access-denied", "access denied (0xC0000022)"),
    0xC0000025: ("worker-native-crash", "an exception that cannot be continued (0xC0000025)"),
    0xC0000044: ("paging-file-too-small", "the quota is used up (0xC0000044)"),
    0xC0000094: ("worker-native-crash", "division by zero (0xC0000094)"),
    0xC0000096: ("worker-native-crash", "a privileged instruction (0xC0000096)"),
    0xC000009A: ("host-memoryerror", "insufficient system resources (0xC000009A)"),
    0xC000009C: ("failing-disk", "a bad block of the disk (0xC000009C)"),
    0xC0000102: ("failing-disk", "a file or folder is corrupted (0xC0000102)"),
    0xC0000138: ("library-wrong-version", "an ordinal is missing in a DLL (0xC0000138)"),
    0xC0000139: ("library-wrong-version", "an entry point is missing in a DLL (0xC0000139)"),
    0xC0000142: ("library-init-failed", "a DLL failed while it started (0xC0000142)"),
    0xC000026B: ("ctrl-c", "the system was logging off (0xC000026B)"),
    0xC0000420: ("exit-code-409-no-text", "a check inside a DLL failed (0xC0000420)"),
    0xC0000428: ("application-control", "the signature of a file is not accepted (0xC0000428)"),
    0xC0000602: ("exit-code-409-no-text", "a DLL ended the process at once (0xC0000602)"),
    0xC06D007E: ("tf-dll-missing", "a DLL was not found when it was needed (0xC06D007E)"),
    0xC06D007F: ("library-wrong-version", "a function was not found when it was needed (0xC06D007F)"),
    0xE06D7363: ("worker-native-crash", "an exception of C++ that nobody caught (0xE06D7363)"),
    0x40010004: ("ctrl-c", "ended by a debugger or the system (0x40010004)"),
    0x40010005: ("ctrl-c", "ended by Ctrl-C (0x40010005)"),
}
"""NTSTATUS values (Microsoft, [MS-ERREF] 2.3.1) that an extraction has been seen to end with."""
KILLED = "killed (SIGKILL)"
_SIGNALS = {
    2: ("ctrl-c", "interrupted (SIGINT)"),
    4: ("no-avx", "illegal instruction (SIGILL)"),
    6: ("worker-native-crash", "aborted (SIGABRT)"),
    7: ("shm-semaphore-exhausted", "bus error (SIGBUS)"),
    9: ("linux-oom-killer", KILLED),
    11: ("worker-native-crash", "segmentation fault (SIGSEGV)"),
    15: ("ctrl-c", "asked to end (SIGTERM)"),
}
TIMED_OUT = 124
_MAC_SIGNALS = {10: _SIGNALS[7]}

STATUS = lazy(
    r"(?:\b(?:exit(?:ed)?(?: with)?(?: non-zero)?(?: the)?(?: exit)?[ _]?(?:status|code)?|return(?:ed)?[ _]?(?:code)?"
    r"|errorlevel|(?:process )?finished with exit code|status code|rc|code)\b[ :=]{1,3}\(?(?:status )?"
    r"(?P<number>-?\d{1,10}|0[xX][0-9a-fA-F]{8})\b)"
    r"|(?P<hex>\b0[xX](?:[cC]0[0-9a-fA-F]{6}|80000003|[eE]06[dD]7363)\b)"
    r"|(?P<bare>(?<!\d)-(?:10737\d{5}|2147483645|529697949)\b|\b(?:32212\d{5}|3765269347)\b)"
)
_ENDED_BY_AGENT = lazy(r"\((?:hang|spin|stopped|errors?|protocol), exit status -?\d")
"""The agent's words for a worker that it ended itself: that status says nothing."""
STATUS_GATES = (
    "exit",
    "Exit",
    "return",
    "errorlevel",
    "ERRORLEVEL",
    "status",
    "rc=",
    "code",
    "0xC0",
    "0xc0",
    "-10737",
    "32212",
    "0xE06D",
    "0xe06d",
    "0x80000003",
    "-2147483645",
    "-529697949",
    "3765269347",
)


def parse_status(text: str) -> int | None:
    """The first exit status named in `text`, as a signed or unsigned number; None if there is none."""
    found = STATUS.search(text)
    if found is None or _ENDED_BY_AGENT.search(text):
        return None
    word = found["number"] or found["hex"] or found["bare"]
    return int(word, 16) if word.lower().startswith("0x") else int(word)


def meaning(status: int, platform: str = "", importing: bool = False) -> tuple[str, str] | None:
    """(rule id, words) for an exit status, or None for one that says nothing (0, 1, 2, 120, ...).

    `status` may be negative (a signal, as Python reports it), 128 + signal (a shell), or a Windows status as
    a signed or unsigned 32-bit number. `importing` tells that TensorFlow had not been loaded yet.
    """
    unsigned = status & 0xFFFFFFFF
    if unsigned in _WINDOWS and (status < -255 or status > 255):
        name, words = _WINDOWS[unsigned]
        if unsigned == 0xC0000005 and importing:
            name = "exit-code-005-import"
        return name, words
    signal = -status if -64 <= status < 0 else status - 128 if 128 < status < 160 else 0
    if platform in ("darwin", "macos") and signal in _MAC_SIGNALS:
        return _MAC_SIGNALS[signal]
    if status == TIMED_OUT:
        return "ctrl-c", "ended by a time limit (the command timeout)"
    return _SIGNALS.get(signal)
