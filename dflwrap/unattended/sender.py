"""The child process that sends one message: an order on stdin, one line of JSON on stdout. Prints no address."""

from __future__ import annotations

import json
import logging
import os
import sys
from contextlib import redirect_stdout
from typing import Any


def main() -> int:
    """`bad`: numbers, from 1, of addresses that are not understood, or did not take the message."""
    order: dict[str, Any] = json.loads(sys.stdin.buffer.read())
    logging.disable(logging.CRITICAL)
    answer = sys.stdout
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):  # noqa: PTH123
        told = _carry_out(order)
    answer.write(json.dumps(told) + "\n")
    return 0


def _carry_out(order: dict[str, Any]) -> dict[str, Any]:
    try:
        import apprise
    except ImportError:
        return {"missing": True}
    _refuse_moved()
    bad = []
    for number, address in enumerate(order["addresses"], 1):
        try:
            one = apprise.Apprise()
            good = one.add(address) and (
                order.get("check") or one.notify(order["body"], title=order["title"])
            )
        except Exception:
            good = False
        if not good:
            bad.append(number)
    return {"bad": bad}


def _refuse_moved() -> None:
    """A service that has moved (301, 302; http to https) is not asked at its new place.

    `requests` would ask there with GET and without the message, as browsers do, and take the answer for a success.
    """
    import requests

    follow = requests.Session.get_redirect_target

    def target(self: requests.Session, answer: requests.Response) -> str | None:
        if answer.request.method == "POST" and answer.status_code in (301, 302):
            raise requests.ConnectionError("moved")
        return follow(self, answer)

    setattr(requests.Session, follow.__name__, target)


if __name__ == "__main__":
    sys.exit(main())
