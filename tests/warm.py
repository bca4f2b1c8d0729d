"""A dflwrap that has read its own code already: starting Python and importing (0.3 s of CPU) is paid once.

`run_warm` runs a command in a process of its own, as `subprocess.run` does, and `WarmPopen` starts one, as
`subprocess.Popen` does: forked from a process that has imported dflwrap and has diagnosed a few logs. It ends as every
Python ends, with its own exit code. Linux only. A test about starting itself (imports, settings of Python, a signal)
starts a fresh Python.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, NoReturn

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
SAMPLE_LOGS = Path(__file__).parents[1] / "sample_logs"
DIAGNOSED = ("cublas-alloc-failed", "disk-full", "eof-on-input")
OWN = frozenset(
    {
        *("DFLWRAP_CONFIG", "DFLWRAP_DEBUG", "DFLWRAP_DOUBLE_SCRIPT", "DFLWRAP_DOUBLE_STARTED"),
        *("XDG_CACHE_HOME", "WIN_PD_OVERRIDE_LOCAL_APPDATA", "NVML_PLAY"),
        *("HOME", "USERPROFILE", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "PATH", "DISPLAY", "COLUMNS"),
    }
)
"""Variables that are read when they are needed. Any other one may be read while Python or a library starts."""
_LIBRARIES = "LD_LIBRARY_PATH"
END_BOUND = 30.0
"""Seconds until a killed command, or the server at the end of the tests, is gone."""

_STARTED_WITH = {
    name: value for name, value in os.environ.items() if name not in OWN and not name.startswith("PYTEST_")
}
"""Before a test has changed anything."""
_servers: dict[tuple[int, str], _Server] = {}
"""By the process that asks, and the folders in which the system's loader looks first: they are read as it starts."""
_forking = threading.Lock()


def can_run_warm(env: dict[str, str]) -> bool:
    """Whether a command with this environment would do the same in a process that was forked."""
    if sys.platform != "linux":
        return False
    wanted = {name: value for name, value in env.items() if not name.startswith("PYTEST_")}
    same = {_LIBRARIES: ""}
    return {**_STARTED_WITH, **_own(env), **same} == {**wanted, **same}


def _libraries(env: dict[str, str]) -> str:
    """cv2 puts its own folder before the others as it is imported: by a test here, or by none."""
    places = [place for place in env.get(_LIBRARIES, "").split(":") if place and "/cv2/" not in place]
    return ":".join(places)


def run_warm(
    arguments: list[str], code: str, env: dict[str, str], timeout: float
) -> tuple[int, bytes, bytes]:
    """Exit code, stdout and stderr of `python -c CODE ARGUMENTS` (`python -m dflwrap ARGUMENTS` where code is empty).

    Raises subprocess.TimeoutExpired.
    """
    return _server(env).run(arguments, code, env, timeout)


class WarmPopen:
    """A command under way, with what the tests use of subprocess.Popen; in bytes."""

    def __init__(
        self,
        arguments: list[str],
        code: str,
        env: dict[str, str],
        *,
        stdout: int | IO[bytes],
        stderr: int | IO[bytes],
        start_new_session: bool = False,
    ) -> None:
        """Its stdin is the null device. stdout, stderr: a file, subprocess.PIPE or subprocess.DEVNULL."""
        told, status = os.pipe()
        pipes, handed = [], [status]
        for stream in (stdout, stderr):
            mine, theirs = _ends(stream)
            pipes.append(mine)
            handed.append(theirs)
        try:
            _server(env).start(arguments, code, env, handed, start_new_session)
        finally:
            for descriptor in handed:
                os.close(descriptor)
        self.args = arguments
        self.stdout, self.stderr = pipes
        self.returncode: int | None = None
        self._told = os.fdopen(told, "rb", buffering=0)  # by a process of its own, which ends with it
        self.pid = int(self._told.readline())

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self._told], [], [], 0)[0]:
            self.returncode = os.waitstatus_to_exitcode(int(self._told.readline()))
            self._told.close()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None and not select.select([self._told], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        code = self.poll()
        assert code is not None
        return code

    def communicate(self, timeout: float | None = None) -> tuple[bytes, bytes]:
        texts = [b"", b""]

        def read(number: int, pipe: IO[bytes]) -> None:
            texts[number] = pipe.read()

        threads = [
            threading.Thread(target=read, args=(number, pipe), daemon=True)
            for number, pipe in enumerate((self.stdout, self.stderr))
            if pipe is not None
        ]
        for thread in threads:
            thread.start()
        self.wait(timeout)
        for thread in threads:
            thread.join(timeout)
            if thread.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return texts[0], texts[1]

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def also_own(name: str) -> None:
    """Another variable that nothing reads while Python or a library starts."""
    global OWN
    OWN = OWN | {name}


def fork_warm(
    arguments: list[str], env: dict[str, str], stdout: IO[bytes], stderr: IO[bytes]
) -> WarmPopen | None:
    """`dflwrap ARGUMENTS` under way; None where it has to be started. From any thread."""
    if not can_run_warm(env):
        return None
    with _forking:
        return WarmPopen(arguments, "", env, stdout=stdout, stderr=stderr)


def _ends(stream: int | IO[bytes]) -> tuple[IO[bytes] | None, int]:
    """What is read here, and the descriptor that the command gets."""
    if stream == subprocess.PIPE:
        mine, theirs = os.pipe()
        return os.fdopen(mine, "rb"), theirs
    if stream == subprocess.DEVNULL:
        return None, os.open(os.devnull, os.O_WRONLY)
    return None, os.dup(stream if isinstance(stream, int) else stream.fileno())


def _own(env: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name in OWN}


def _server(env: dict[str, str]) -> _Server:
    libraries = _libraries(env)
    key = os.getpid(), libraries
    if key not in _servers:
        as_started = libraries == _libraries(_STARTED_WITH)
        _servers[key] = _Server(_STARTED_WITH if as_started else {**_STARTED_WITH, _LIBRARIES: libraries})
    return _servers[key]


class _Server:
    """The process that has imported dflwrap, as its client sees it."""

    def __init__(self, env: dict[str, str]) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                env=env,
                pass_fds=(theirs.fileno(),),
            )
        self._socket, self._answers = ours, ours.makefile("r", encoding="utf-8")
        atexit.register(self._end)

    def run(
        self, arguments: list[str], code: str, env: dict[str, str], timeout: float
    ) -> tuple[int, bytes, bytes]:
        wanted = _request_for(arguments, code, env)
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

    def start(
        self, arguments: list[str], code: str, env: dict[str, str], descriptors: list[int], new_session: bool
    ) -> None:
        """descriptors: where its process number and its status are written, its stdout, its stderr."""
        wanted = {**_request_for(arguments, code, env), "new_session": new_session}
        socket.send_fds(self._socket, [json.dumps(wanted).encode() + b"\n"], descriptors)

    def _end(self) -> None:
        for key in [key for key, one in _servers.items() if one is self]:
            del _servers[key]
        self._answers.close()
        self._socket.close()
        try:
            self._process.wait(END_BOUND)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _request_for(arguments: list[str], code: str, env: dict[str, str]) -> dict[str, object]:
    return {"arguments": arguments, "code": code, "env": _own(env), "cwd": str(Path.cwd())}


# -- in the server -----------------------------------------------------------------------------------


def serve(connection: socket.socket) -> str:
    """Fork a process for each request until the client goes away. Returns in those processes only: the code to run."""
    while True:
        line, descriptors = _request(connection)
        if not line:
            raise SystemExit(0)
        wanted = json.loads(line)
        _reap()
        child = os.fork()
        if not child:
            connection.close()
            if "new_session" in wanted:
                _begin_beside(descriptors, wanted["new_session"])
            return _become(wanted, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        if "new_session" in wanted:
            continue
        connection.sendall(f"{child}\n".encode())
        _, status = os.waitpid(child, 0)
        connection.sendall(f"{status}\n".encode())


def _reap() -> None:
    """Those that waited for a command under way."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _begin_beside(descriptors: list[int], new_session: bool) -> None:
    """Returns in a process of its own. The one that called waits for it, tells its number and its status, and ends."""
    told = descriptors.pop(0)
    child = os.fork()
    if not child:
        os.close(told)
        if new_session:
            os.setsid()
        return
    for descriptor in descriptors:
        os.close(descriptor)
    os.write(told, f"{child}\n".encode())
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(BrokenPipeError):  # nobody asks any more
        os.write(told, f"{status}\n".encode())
    os._exit(0)


def _request(connection: socket.socket) -> tuple[bytes, list[int]]:
    line, descriptors, _, _ = socket.recv_fds(connection, 1 << 16, 3)
    while line and not line.endswith(b"\n"):
        line += connection.recv(1 << 16)
    return line, list(descriptors)


def _become(wanted: dict[str, object], descriptors: list[int]) -> str:
    for number, descriptor in enumerate(descriptors, 1):
        os.dup2(descriptor, number)
        os.close(descriptor)
    # Anew, as a Python that starts: whether a stream can be sought is asked once.
    sys.stdout = sys.__stdout__ = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.__stderr__ = open(2, "w", 1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.environ.update(wanted["env"])  # type: ignore[arg-type]
    os.chdir(str(wanted["cwd"]))
    code = str(wanted["code"])
    sys.argv = ["-c" if code else "dflwrap", *wanted["arguments"]]  # type: ignore[misc]
    sys.path[0] = ""
    return code


def _diagnose_logs() -> None:
    """What is diagnosed first reads the rules and compiles patterns (0.1 s of CPU); what comes after is the same."""
    from dflwrap.diagnosis import diagnose_text

    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder  # not the user's own
        for name in DIAGNOSED:
            diagnose_text([("stderr.log", (SAMPLE_LOGS / f"{name}.log").read_bytes())])
        del os.environ["XDG_CACHE_HOME"]


def main() -> NoReturn:
    connection = socket.socket(fileno=int(sys.argv[1]))
    connection.set_inheritable(False)
    for name in PRELOADED:
        importlib.import_module(name)
    _diagnose_logs()
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
