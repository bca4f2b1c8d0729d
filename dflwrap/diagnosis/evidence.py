# ruff: noqa: E501 - an expression is read more easily in one piece
"""What is no evidence although the words stand there: echoed commands, answers to questions, names in paths,
and kernel lines about another program."""

from __future__ import annotations

from dflwrap.diagnosis.lazy import lazy

_COMMAND = lazy(
    r"^(?:\([\w. -]{1,40}\) ?)?(?:PS )?(?:[A-Za-z]:\\[^<>|\"\r\n]{0,200}>|\[?[\w.-]{1,40}@[\w.-]{1,60}[: ][^$#]{0,120}[$#] |(?:\$|%|>>>) )"
    r"|^\++ \S|^(?:#(?: |$)|REM |rem |echo |::)|^(?:set|export) \w+="
)
"""A line that a shell, or a batch file with echo on, shows as typed; comments in between."""
_QUESTION = lazy(
    r"^\[[^\]]{0,30}\] [A-Z][^\n]{1,120}(?:\?:help|\( ?y/n|\? ?:|\( ?[\w/-]{1,40} ?\) ?:)|^(?:Enter|Choose) [^\n]{1,80}: "
)
"""A question of DeepFaceLab with the answer behind it."""
_PATH = lazy(r"(?P<quote>['\"`])(?:[A-Za-z]:)?[^'\"`\r\n]{0,300}[\\/][^'\"`\r\n]{0,300}['\"`]")
_KERNEL = lazy(
    r"\bNVRM: Xid|Out of memory: Kill|\boom-kill:|invoked oom-killer|\bsegfault at |trap invalid opcode|traps: "
)
_KERNEL_NAME = lazy(
    r"name=(?P<a>[\w.:+/ -]{1,60}?)(?:,|\s*$|\s+Ch)|\btask=(?P<b>[\w.+-]{1,40})|process \d+ \((?P<c>[^)]{1,40})\)"
    r"|^(?:[^:]{0,80}kernel: ?(?:\[ *[\d.]+\] )?)?(?P<d>[\w.+-]{1,40}) invoked oom-killer"
    r"|(?P<e>[\w.+-]{1,40})\[\d+\]:? (?:segfault|trap)"
)
_OURS = lazy(r"python|^py\b|main\.py|dfl|deepface|unknown|pt_main_thread|<", 2)
_SUSPEND = lazy(
    r"\bPM: (?:suspend|hibernat)|systemd-sleep|Entering sleep state|resumed from (?:sleep|suspend|hibernat)"
)


def is_command(text: str) -> bool:
    """Whether the line is a command, or a comment, and no output."""
    return _COMMAND.search(text) is not None


def is_question(text: str) -> bool:
    """Whether the line is a question of the program with what was typed behind it."""
    return _QUESTION.search(text) is not None


def in_path(text: str, start: int, end: int) -> bool:
    """Whether text[start:end] is only part of the name of a file or folder."""
    before, after = text[start - 1 : start], text[end : end + 1]
    if before in ("/", "\\") and after in ("/", "\\"):
        return True
    return any(found.start() < start and end < found.end() for found in _PATH.finditer(text))


def of_another_program(text: str) -> bool:
    """Whether a kernel line names a process that cannot be the extractor's."""
    if _KERNEL.search(text) is None:
        return False
    found = _KERNEL_NAME.search(text)
    if found is None:
        return False
    name = next(group for group in found.groups() if group)
    return _OURS.search(name.strip()) is None


def is_suspend(text: str) -> bool:
    """Whether the line tells of the computer going to sleep or waking."""
    return _SUSPEND.search(text) is not None
