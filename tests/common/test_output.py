"""Files and pipes get UTF-8, whatever the code page; no letter ends a command."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dflwrap.common.output import prepare_output

NAME = "写真 ü"


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


def written(kind: type[io.TextIOWrapper], text: str) -> bytes:
    raw = io.BytesIO()
    stream = kind(raw, encoding="cp1252")
    prepare_output(stream)
    stream.write(text)
    stream.flush()
    return raw.getvalue()


def test_a_file_is_utf8_and_a_terminal_keeps_its_code_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONIOENCODING", raising=False)
    assert written(io.TextIOWrapper, NAME) == NAME.encode()
    assert written(Terminal, NAME) == b"\\u5199\\u771f \xfc"
    assert written(io.TextIOWrapper, "\udcff") == b"\\udcff"
    monkeypatch.setenv("PYTHONIOENCODING", "cp1252")
    assert written(io.TextIOWrapper, "ü写") == b"\xfc\\u5199", "what the user asked for"


def test_streams_that_are_closed_or_not_there_are_no_error() -> None:
    prepare_output(None, io.StringIO())


def test_json_into_a_file_is_utf8_where_the_system_is_not(tmp_path: Path) -> None:
    """LC_ALL=C without Python's own remedies stands for a code page of Windows."""
    log = Path(__file__).parents[2] / "sample_logs" / "paging-file-ru.log"
    env = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""}
    with (tmp_path / "out").open("wb") as file:
        subprocess.run(
            [sys.executable, "-m", "dflwrap", "diagnose", "--json", str(log)],
            stdout=file,
            env=env,
            check=False,
            timeout=120,
        )
    evidence = json.loads((tmp_path / "out").read_bytes().decode("utf-8"))["primary"]["evidence"]
    assert any("Файл подкачки" in one["text"] for one in evidence), evidence
