"""A dflwrap that has read its own code already: starting Python and importing (0.3 s of CPU) is paid once.

`run_warm` runs a command in a process of its own, as `subprocess.run` does: forked from a process that has imported
dflwrap and has done nothing else. It ends as every Python ends, with its own exit code. Linux only. A test about
starting itself (imports, settings of Python, a signal) starts a fresh Python.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

PRELOADED = (
    *("dflwrap.cli.main", "dflwrap.cli.running", "dflwrap.cli.diagnosing", "dflwrap.cli.face_sample"),
    *(
        "dflwrap.check.checking",
        "dflwrap.check.forecast",
        "dflwrap.prepare.preparing",
        "dflwrap.faceset.audit",
    ),
    *("dflwrap.cli.jobs.running", "dflwrap.doctor.quick", "dflwrap.doctor.running", "dflwrap.settings.file"),
    *("rich.live", "rich.progress", "rich._emoji_codes", "typer._adapters", "wakepy"),
)
OWN = frozenset(
    {
        *("DFLWRAP_CONFIG", "DFLWRAP_DEBUG", "DFLWRAP_DOUBLE_SCRIPT"),
        *("XDG_CACHE_HOME", "WIN_PD_OVERRIDE_LOCAL_APPDATA"),
    }
)
"""Variables that are read when they are needed. Any other one may be read while Python or a library starts."""
END_BOUND = 30.0
"""Seconds until a killed command, or the server at the end of the tests, is gone."""

_STARTED_WITH = {
    name: value for name, value in os.environ.items() if name not in OWN and not name.startswith("PYTEST_")
}
"""Before a test has changed anything."""
_servers: dict[int, _Server] = {}


def can_run_warm(env: dict[str, str]) -> bool:
    """Whether a command with this environment would do the same in a process that was forked."""
    if sys.platform != "linux":
        return False
    return {**_STARTED_WITH, **_own(env)} == {
        name: value for name, value in env.items() if not name.startswith("PYTEST_")
    }


def run_warm(
    arguments: list[str], code: str, env: dict[str, str], timeout: float
) -> tuple[int, bytes, bytes]:
    """Exit code, stdout and stderr of `python -c CODE ARGUMENTS` (`python -m dflwrap ARGUMENTS` where code is empty).

    Raises subprocess.TimeoutExpired.
    """
    return _server().run(arguments, code, env, timeout)


def _own(env: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name in OWN}


def _server() -> _Server:
    if os.getpid() not in _servers:
        _servers[os.getpid()] = _Server()
    return _servers[os.getpid()]


class _Server:
    """The process that has imported dflwrap, as its client sees it."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                env=_STARTED_WITH,
                pass_fds=(theirs.fileno(),),
            )
        self._socket, self._answers = ours, ours.makefile("r", encoding="utf-8")
        atexit.register(self._end)

    def run(
        self, arguments: list[str], code: str, env: dict[str, str], timeout: float
    ) -> tuple[int, bytes, bytes]:
        wanted = {"arguments": arguments, "code": code, "env": _own(env), "cwd": str(Path.cwd())}
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            line = json.dumps(wanted).encode() + b"\n"
            socket.send_fds(self._socket, [line], [out.fileno(), err.fileno()])
            pid = int(self._answers.readline())
            self._socket.settimeout(timeout)
            try:
                status = int(self._answers.readline())
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                self._end()
                raise subprocess.TimeoutExpired(arguments, timeout) from None
            finally:
                self._socket.settimeout(None)
            texts = []
            for file in (out, err):
                file.seek(0)
                texts.append(file.read())
        return os.waitstatus_to_exitcode(status), texts[0], texts[1]

    def _end(self) -> None:
        _servers.pop(os.getpid(), None)
        self._answers.close()
        self._socket.close()
        try:
            self._process.wait(END_BOUND)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


# -- in the server -----------------------------------------------------------------------------------


def serve(connection: socket.socket) -> str:
    """Fork a process for each request until the client goes away. Returns in those processes only: the code to run."""
    while True:
        line, descriptors = _request(connection)
        if not line:
            raise SystemExit(0)
        wanted = json.loads(line)
        child = os.fork()
        if not child:
            connection.close()
            return _become(wanted, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        connection.sendall(f"{child}\n".encode())
        _, status = os.waitpid(child, 0)
        connection.sendall(f"{status}\n".encode())


def _request(connection: socket.socket) -> tuple[bytes, list[int]]:
    line, descriptors, _, _ = socket.recv_fds(connection, 1 << 16, 2)
    while line and not line.endswith(b"\n"):
        line += connection.recv(1 << 16)
    return line, list(descriptors)


def _become(wanted: dict[str, object], descriptors: list[int]) -> str:
    for number, descriptor in enumerate(descriptors, 1):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.update(wanted["env"])  # type: ignore[arg-type]
    os.chdir(str(wanted["cwd"]))
    code = str(wanted["code"])
    sys.argv = ["-c" if code else "dflwrap", *wanted["arguments"]]  # type: ignore[misc]
    sys.path[0] = ""
    return code


def main() -> NoReturn:
    connection = socket.socket(fileno=int(sys.argv[1]))
    connection.set_inheritable(False)
    for name in PRELOADED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # or each fork would copy every page in which the collector counts
    code = serve(connection)
    if code:
        exec(code, {"__name__": "__main__"})
    else:
        runpy.run_module("dflwrap", run_name="__main__", alter_sys=True)
    sys.exit(0)


if __name__ == "__main__":
    main()
