"""Sending word (apprise): in a child process with a time limit, so that no service can hold up or harm a run.

The addresses hold passwords. They go to the child through a pipe, and into no text of ours.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from dflwrap.common.waits import join, never

SEND_BOUND = 45.0
"""Seconds for one message to all addresses."""
END_BOUND = 50.0
"""Seconds that the end of dflwrap waits for the last message."""
_SENDER = "dflwrap.unattended.sender"
INSTALL = 'pip install "dflwrap[notify]"'


class Notifier:
    """Messages of one start of dflwrap, each in a thread of its own. No method raises, or waits for a network."""

    def __init__(
        self, addresses: Sequence[str], say: Callable[[str], None], bound: float = SEND_BOUND
    ) -> None:
        """say: told what went wrong; never an address, nor what a service answered. bound: seconds."""
        self._addresses, self._say, self._bound = tuple(addresses), say, bound
        self._threads: list[threading.Thread] = []

    def check(self) -> None:
        """Tell, in the evening, of addresses that no service understands, and where apprise is missing."""
        self._start({"check": True})

    def send(self, title: str, body: str) -> None:
        """To all addresses."""
        self._start({"title": title, "body": body})

    def finish(self, bound: float = END_BOUND, stopping: Callable[[], bool] = never) -> None:
        """Let what is under way arrive, for `bound` seconds at most."""
        for thread in self._threads:
            join(thread, bound, stopping)

    def _start(self, order: dict[str, object]) -> None:
        if not self._addresses:
            return
        thread = threading.Thread(target=self._carry_out, args=(order,), name="notify", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _carry_out(self, order: dict[str, object]) -> None:
        try:
            problem = self._ask({**order, "addresses": self._addresses})
        except Exception as error:  # whatever it is: its text may hold an address
            problem = f"the sender failed ({type(error).__name__})"
        if problem:
            with suppress(Exception):
                self._say(f"Notification: {problem}.")

    def _ask(self, order: dict[str, object]) -> str:
        """What is wrong, or ""."""
        child = subprocess.Popen(
            [sys.executable, "-m", _SENDER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # the libraries below name addresses there
        )
        try:
            answer, _ = child.communicate(json.dumps(order).encode(), timeout=self._bound)
        except subprocess.TimeoutExpired:
            return f"no answer within {self._bound:.0f} s, given up"
        finally:
            if child.poll() is None:
                child.kill()
                with suppress(subprocess.TimeoutExpired):
                    child.wait(5)
        return _read(answer, child.returncode, len(self._addresses), "check" in order)


def _read(answer: bytes, status: int | None, count: int, is_check: bool) -> str:
    """The sender's last line, in words."""
    try:
        told = json.loads(answer.strip().splitlines()[-1])
        if told.get("missing"):
            return f"apprise is not installed, nothing will be sent. Install it with {INSTALL}"
        bad = [int(number) for number in told["bad"]]
    except (ValueError, IndexError, KeyError, TypeError, AttributeError):
        return f"the sender failed (exit status {status})"
    if not bad:
        return ""
    which = ", ".join(map(str, bad))
    plural = "es" if len(bad) > 1 else ""
    if is_check:
        return f"address{plural} {which} of {count}: not one that apprise understands"
    return f"address{plural} {which} of {count} did not take it"
