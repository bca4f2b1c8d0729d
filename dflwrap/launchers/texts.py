"""The text of each script. Paths are written for the shell that reads them; nothing else varies."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dflwrap import __version__
from dflwrap.common.errors import DflwrapError

MARK = "Written by: dflwrap scripts install"
"""In the second line of each script: what holds it there is ours."""


class Shell(StrEnum):
    """What runs a script."""

    CMD = "cmd"
    SH = "sh"


@dataclass(frozen=True, slots=True)
class Job:
    """What one script does."""

    names: dict[Shell, str]
    """File name per shell, beside DeepFaceLab's own."""
    what: str
    arguments: str
    """Of dflwrap; alike in both shells, and without anything that a shell would look into."""
    dropped: str
    """What may be dropped onto it."""


def _extract(number: int, clip: str, more: str) -> Job:
    """Unattended: an earlier faceset of another clip or kind is set aside (stock would have deleted it)."""
    return Job(
        {
            Shell.CMD: f"{number}) {clip} faceset extract (dflwrap).bat",
            Shell.SH: f"{number}_{clip}_extract_faces_dflwrap.sh",
        },
        f"Extracts the faces of {clip}. Nothing is asked; with --ask DeepFaceLab's questions are.",
        f"extract --clip {clip} {more}--on-conflict set-aside",
        "a folder of frames, or a video,",
    )


JOBS = (
    _extract(4, "data_src", ""),
    _extract(5, "data_dst", "--max-faces-from-image 0 --output-debug "),
    Job(
        {Shell.CMD: "diagnose last run (dflwrap).bat", Shell.SH: "diagnose_last_run_dflwrap.sh"},
        "Says what went wrong in the last run.",
        "scripts last-run",
        "a log",
    ),
)

_CMD = r"""@echo off
rem {mark} ({version})
rem {what} {dropped} may be dropped onto this file.
setlocal EnableExtensions DisableDelayedExpansion
{codepage}set "DFLWRAP_PYTHON={python}"
if not exist "%DFLWRAP_PYTHON%" goto missing
set "DFLWRAP_STARTED_AS=%cmdcmdline:"=?%"
"%DFLWRAP_PYTHON%" -I -m dflwrap {command} --dfl-root "%~dp0."{dfl_python}{rest} %*
set "DFLWRAP_CODE=%errorlevel%"
"%DFLWRAP_PYTHON%" -I -m dflwrap.cli.window
if not "%errorlevel%"=="0" goto end
pause
rem Not "exit /b": what stands behind an "&" in the name of a dropped folder would be run as a command.
exit %DFLWRAP_CODE%
:missing
echo dflwrap is not here any more: "%DFLWRAP_PYTHON%"
echo Install it again, then run: dflwrap scripts install
set "DFLWRAP_CODE=2"
rem Waits for a key where a person can press one; at once done where the input is not a keyboard.
timeout /t 60
:end
{restore}exit /b %DFLWRAP_CODE%
"""

_SH = r"""#!/bin/sh
# {mark} ({version})
# {what} {dropped} may be dropped onto this file.
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd) || exit 2
python={python}
if [ ! -x "$python" ]; then
    echo "dflwrap is not here any more: $python" >&2
    echo "Install it again, then run: dflwrap scripts install" >&2
    exit 2
fi
trap : INT # dflwrap heeds Ctrl-C; this script passes its exit code on
"$python" -I -m dflwrap {command} --dfl-root "$here"{dfl_python}{rest} "$@"
code=$?
if "$python" -I -m dflwrap.cli.window; then
    printf 'Press Enter to close this window. '
    read -r _
fi
exit "$code"
"""
_UTF8 = 'for /f "tokens=2 delims=:." %%c in (\'chcp\') do set "DFLWRAP_PAGE=%%c"\nchcp 65001 >nul\n'
"""cmd reads a script in the console's code page, line by line; from there on the paths are UTF-8. (German cmd
says "Aktive Codepage: 850.")"""


def text_of(job: Job, shell: Shell, python: str, dfl_python: str = "", home: str = "") -> bytes:
    """The script. python: the interpreter of the dflwrap to start; dfl_python: "" where DeepFaceLab's is found; home:
    the user's folder, for cmd, where a name outside ASCII is better not written at all.

    Raises DflwrapError for a path that cannot be written into a script.
    """
    command, _, rest = (
        job.arguments.partition(" ") if job.arguments.startswith("extract") else (job.arguments, "", "")
    )
    quoted = _for_cmd if shell is Shell.CMD else _for_sh
    other_python = f" --dfl-python {quoted(dfl_python)}" if dfl_python and rest else ""
    start = quoted(python)
    if shell is Shell.CMD:
        start = start[1:-1]
        if not python.isascii() and home and python.lower().startswith(home.lower() + "\\"):
            start = "%USERPROFILE%" + _for_cmd(python[len(home) :])[1:-1]
    needs_utf8 = shell is Shell.CMD and not (start + other_python).isascii()
    text = (_CMD if shell is Shell.CMD else _SH).format(
        mark=MARK,
        version=__version__,
        what=job.what,
        dropped=job.dropped.capitalize(),
        python=start,
        command=command,
        rest=f" {rest}" if rest else "",
        dfl_python=other_python,
        codepage=_UTF8 if needs_utf8 else "",
        restore="if defined DFLWRAP_PAGE chcp %DFLWRAP_PAGE% >nul 2>nul\n" if needs_utf8 else "",
    )
    if shell is Shell.CMD:
        text = text.replace("\n", "\r\n")
    return text.encode("utf-8")


def generic_text(job: Job, shell: Shell) -> bytes:
    """The script as it lies in the repository: it starts what scripts/install.py has installed in its usual place."""
    text = text_of(job, shell, "@").replace(f" ({__version__})".encode(), b" (generic)", 1)
    if shell is Shell.CMD:
        return text.replace(b"=@", rb"=%USERPROFILE%\.dflwrap\env\Scripts\python.exe", 1)
    return text.replace(b"'@'", b'"${XDG_DATA_HOME:-$HOME/.local/share}/dflwrap/env/bin/python"', 1)


def _for_cmd(path: str) -> str:
    """Between quotes only the percent sign is special to cmd in a script; a path holds no quote on Windows."""
    if any(sign in path for sign in '"\r\n'):
        raise DflwrapError(f"A script cannot name this path: {path!r}. Install dflwrap into another folder.")
    return '"' + path.replace("%", "%%") + '"'


def _for_sh(path: str) -> str:
    return "'" + path.replace("'", "'\\''") + "'"
