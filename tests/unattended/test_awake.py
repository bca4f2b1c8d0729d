"""The computer is kept awake during a run: asked of a desktop's real message bus, with a power manager on it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dflwrap.unattended.awake import kept_awake

MANAGER = """
import json, sys
from jeepney import DBusAddress, HeaderFields, MessageType, new_method_return
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import open_dbus_connection

connection = open_dbus_connection(bus="SESSION")
connection.send_and_get_reply(message_bus.RequestName("org.freedesktop.PowerManagement"))
print("ready", flush=True)
while True:
    message = connection.receive()
    if message.header.message_type is not MessageType.method_call:
        continue
    name = message.header.fields.get(HeaderFields.member)
    with open(sys.argv[1], "a") as file:
        file.write(json.dumps([name, list(message.body)]) + "\\n")
    answer = ("u", (7,)) if name == "Inhibit" else (None, ())
    connection.send(new_method_return(message, *answer))
"""
RUN = """
import subprocess, sys
manager = subprocess.Popen([sys.executable, "-c", sys.argv[1], sys.argv[2]], stdout=subprocess.PIPE)
manager.stdout.readline()
from pathlib import Path
from dflwrap.unattended.awake import kept_awake
try:
    with kept_awake(True) as state:
        print(repr(state.why_not))
        print(Path(sys.argv[2]).read_text().count("Inhibit"))
finally:
    manager.kill()
"""


@pytest.mark.skipif(shutil.which("dbus-run-session") is None, reason="NOT PROVEN HERE: no message bus")
def test_the_power_manager_is_asked_and_the_wish_ends_with_the_run(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    done = subprocess.run(
        ["dbus-run-session", "--", sys.executable, "-c", RUN, MANAGER, str(asked)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["''", "1"], done.stderr
    calls = [json.loads(line)[0] for line in asked.read_text().splitlines()]
    assert calls == ["Inhibit", "UnInhibit"]


def test_without_a_desktop_it_says_why_and_harms_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere/at/all")
    with kept_awake(True) as state:
        assert state.why_not
    assert state.expected is True, "a desktop whose bus does not answer: the user is told"
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS")
    with kept_awake(True) as state:
        assert state.expected is (sys.platform != "linux") or not state.why_not


def test_not_wanted_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wakepy", None)
    with kept_awake(False) as state:
        assert not state.expected
    with kept_awake(True) as state:
        assert state.why_not, "a library that does not load ends no run"
    assert os.getpid()
