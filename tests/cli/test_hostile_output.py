"""Names, paths, logs and ledgers of strangers through every command and error path: text, and nothing else."""

from __future__ import annotations

import io
import json
import os
import pickle
import sqlite3
import subprocess
import sys
import unicodedata
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from support import DOUBLE, Finished, dflwrap, small_frames

from dflwrap.cli.terminal.asking import ask_conflict
from dflwrap.common.text import safe_json
from dflwrap.ledger.ledger import Ledger
from dflwrap.supervisor.reconcile.conflict import ConflictError, Meets
from dflwrap.supervisor.run_folder import RunFolder

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only here may a name be any bytes")

LETTERS = "\x1b[2J\x1b]0;t\x07\x07\x9b31m\x85\u202egnp\u2028\u200b\x7f"
HOSTILE = f"{LETTERS}\nforged"
UNDECODABLE = os.fsdecode(b"\xff\xfe")


def assert_harmless(text: str) -> None:
    """Lines of printable letters; none that a name began."""
    for line in text.split("\n"):
        found = [c for c in line if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}]
        assert not found, (found, line)
        assert not line.startswith("forged"), text


def run(*arguments: str | Path, code: int | None = 2, named: bool = True, **more: dict[str, str]) -> Finished:
    """A call whose output is harmless, and still names what is hostile."""
    done = dflwrap(*arguments, timeout=300, **more)
    assert code is None or done.code == code, (done.code, done.stdout, done.stderr)
    assert_harmless(done.stdout)
    assert_harmless(done.stderr)
    assert "Traceback" not in done.stderr
    if named:
        assert "\\x1b[2J" in (done.stdout + done.stderr).replace("\\\\", "\\"), done.stderr
    return done


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of a hostile name, with frames of ordinary names in it."""
    (tmp_path / HOSTILE).mkdir()
    small_frames(tmp_path / HOSTILE / "frames", 2)
    return tmp_path / HOSTILE


def extract(root: Path, *more: str | Path) -> tuple[str | Path, ...]:
    return (
        *("extract", "--input-dir", root / "frames", "--output-dir", root / "aligned", "--cpu-only"),
        *("--dfl-root", DOUBLE, "--dfl-python", sys.executable, "--extractor", "dfl", "--image-size", "256"),
        *("--second-look", "off", *more),
    )


# -- extract: bad usage ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "option", ["--input-dir", "--output-dir", "--dfl-root", "--dfl-python", "--face-type", "--detector"]
)
def test_hostile_values_of_options(root: Path, option: str) -> None:
    (root / "file").write_text("text")
    value = root / "file" / "none" if option == "--output-dir" else root / HOSTILE
    run(*extract(root, option, value), code=None, named=option not in ("--detector", "--face-type"))


@pytest.mark.parametrize(
    "arguments",
    [
        [HOSTILE],
        [f"--{HOSTILE}"],
        ["extract", f"--{HOSTILE}"],
        ["extract", HOSTILE],
        ["extract", "--input-dir", "x", "--output-dir", "y", "--workers", HOSTILE],
        ["extract", "--input-dir", "x", "--output-dir", "y", "--max-side", HOSTILE],
        ["extract", "--input-dir", "x", "--output-dir", "y", "--blurry-below", HOSTILE],
        ["extract", "--input-dir", "x", "--output-dir", "y", "--force-gpu-idxs", HOSTILE],
        ["extract", "--input-dir", "x", "--output-dir", "y", "--second-look", HOSTILE],
        ["diagnose", f"--{HOSTILE}"],
        ["diagnose", "x", "--rules"],
        ["rules", HOSTILE],
        ["rules", "list", f"--{HOSTILE}"],
        ["rules", "show", HOSTILE],
    ],
)
def test_hostile_words_on_the_command_line(arguments: list[str]) -> None:
    run(*arguments, named=False)


def test_hostile_folders_that_extract_refuses(root: Path) -> None:
    (root / "empty" / HOSTILE).mkdir(parents=True)
    (root / "empty" / f"{LETTERS}.mp4").write_bytes(b"x")
    run(*extract(root, "--input-dir", root / "empty"))
    run(*extract(root, "--input-dir", root / "frames" / "00001.png"))
    run(*extract(root, "--output-dir", root / "frames" / "00001.png"))
    run(*extract(root, "--output-dir", root / "frames"), named=False)
    (root / "aligned_dflwrap").mkdir()
    (root / "aligned_dflwrap" / HOSTILE).touch()
    run(*extract(root))


def test_hostile_folders_with_a_lock_a_damaged_and_a_newer_ledger(root: Path) -> None:
    folder = RunFolder(root / "aligned")
    folder.lock()
    run(*extract(root))
    folder.unlock()
    ledger = Ledger(folder.database)
    ledger.db.execute("PRAGMA user_version=99")
    ledger.close()
    run(*extract(root))
    folder.database.write_bytes(b"no database " * 999)
    run(*extract(root))


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def hostile_face(root: Path) -> bytes:
    picture = cv2.imencode(".jpg", np.zeros((90, 90, 3), np.uint8))[1].tobytes()
    payload = pickle.dumps({HOSTILE: Evil(root / "ran")}, protocol=2)
    return picture[:2] + b"\xff\xef" + (len(payload) + 2).to_bytes(2, "big") + payload + picture[2:]


# -- extract: whole runs --------------------------------------------------------------------------------


def frames_of_hostile_names(folder: Path) -> None:
    picture = (folder / "00001.png").read_bytes()
    for name in (HOSTILE, UNDECODABLE):
        (folder / f"{name}.png").write_bytes(picture)
        (folder / f"{name} text.png").write_text("not a picture")
        (folder / f"{name}.mp4").write_bytes(b"x")


def test_a_whole_run_over_hostile_names(root: Path) -> None:
    frames_of_hostile_names(root / "frames")
    (root / "aligned").mkdir()
    (root / "aligned" / f"{HOSTILE}_0.jpg").write_bytes(b"")
    (root / "aligned" / f"{HOSTILE} stranger.jpg").write_bytes(hostile_face(root))
    (root / "script.json").write_text(
        json.dumps(
            {"00002.png": {"fault": "raise", "text": HOSTILE}, "start": {"fault": "text", "text": HOSTILE}}
        )
    )
    done = run(*extract(root), code=1, env={"DFLWRAP_DOUBLE_SCRIPT": str(root / "script.json")})
    assert "quarantined" in done.stdout
    again = run(*extract(root, "--json"), code=1)
    assert again.stdout.isascii()
    for path in (root / "aligned_dflwrap" / "quarantine").glob("*.txt"):
        assert_harmless(path.read_text("utf-8"))
    report = (root / "aligned_dflwrap" / "report.json").read_text("utf-8")
    assert_harmless(report)
    assert json.loads(report)["run"]["input_dir"] == str(root / "frames")


def test_a_name_that_is_taken(root: Path) -> None:
    frames_of_hostile_names(root / "frames")
    (root / "aligned").mkdir()
    picture = cv2.imencode(".jpg", np.zeros((90, 90, 3), np.uint8))[1].tobytes()
    (root / "aligned" / f"{HOSTILE}_0.jpg").write_bytes(picture)
    run(*extract(root))
    run(*extract(root, "--on-conflict", "set-aside"), code=1)


def test_a_ledger_with_hostile_texts(root: Path) -> None:
    assert dflwrap(*extract(root)).code == 0
    database = sqlite3.connect(root / "aligned_dflwrap" / "run.db")
    database.execute(
        "UPDATE frames SET outcome = 'quarantined', name = ? || id, cause = ?, evidence = ?",
        (HOSTILE, HOSTILE, HOSTILE),
    )
    database.execute("UPDATE attempts SET extractor = ?, reason = ?", (HOSTILE, HOSTILE))
    database.commit()
    database.close()
    run("handover", root / "aligned", code=None)
    run("handover", root / "aligned", "--json", code=None, named=False)
    run("handover", root / "none", code=None)
    run(*extract(root), code=None)
    run(*extract(root, "--json"), code=None)
    run(*extract(root, "--face-type", "head"), code=None, named=False)
    run(*extract(root, "--redo", HOSTILE), code=None, named=False)
    run(*extract(root, "--on-conflict", HOSTILE), code=None, named=False)


def test_verify(root: Path) -> None:
    assert dflwrap(*extract(root)).code == 0
    run("verify", root / "none")
    run("verify", root / "frames" / "00001.png")
    (root / "empty").mkdir()
    run("verify", root / "empty")
    for name, content in ((HOSTILE, b""), (UNDECODABLE, b"\xff\xd8"), (f"{HOSTILE}2", hostile_face(root))):
        (root / "aligned" / f"{name}.jpg").write_bytes(content)
    run("verify", root / "aligned", code=1)
    run("verify", root / "aligned", "--json", code=1, named=False)
    run("verify", root / "aligned", "--frames", root / "none", code=None, named=False)
    for review in root.rglob("*review.txt"):
        assert_harmless(review.read_text("utf-8").replace("\t", " "))
    run(*extract(root), code=None)
    (root / "aligned_dflwrap" / "run.db").write_bytes(b"no database " * 999)
    run("verify", root / "aligned")


# -- diagnose and rules ---------------------------------------------------------------------------------


def hostile_log(folder: Path) -> Path:
    log = folder / f"{LETTERS}.log"
    log.write_bytes(
        (
            f"Extracting faces...\n  0%| | 0/5\r{HOSTILE}\n"
            f"Error while processing data: Traceback (most recent call last):\n"
            f'  File "/opt/{LETTERS}/main.py", line 3, in run\n'
            f"OSError: [Errno 28] No space left on device: '/data/{LETTERS}/aligned'\n"
            f"ValueError: {LETTERS} an error that nobody knows\n"
        ).encode("utf-8", "surrogateescape")
    )
    return log


@pytest.mark.parametrize("flags", [[], ["--json"], ["--share"], ["--json", "--share"]])
def test_diagnose_shows_a_hostile_log_as_text(root: Path, flags: list[str]) -> None:
    log = hostile_log(root)
    done = run("diagnose", log, *flags, code=1, named=False)
    if "--json" in flags:
        body = json.loads(done.stdout)
        assert body["primary"]["id"] == "disk-full"
        assert "--share" in flags or body["log"] == str(log), "as JSON it is the same name"
    else:
        assert "No space left on device" in done.stdout
    (root / "unknown.txt").write_text(f"Extracting faces...\nValueError: {LETTERS} nobody knows this\n")
    run("diagnose", root / "unknown.txt", *flags, code=None, named=False)
    run("diagnose", log, root / "unknown.txt", *flags, code=None, named=False)


def test_what_diagnose_cannot_read(root: Path) -> None:
    (root / "empty").mkdir()
    (root / "run" / "attempts").mkdir(parents=True)
    (root / "bad.zip").write_bytes(b"PK\x03\x04 no zip")
    with zipfile.ZipFile(root / "none.zip", "w") as archive:
        archive.writestr(f"{LETTERS}.jpg", b"x")
    os.mkfifo(root / "pipe")
    for name in ("nothing", "empty", "run", "bad.zip", "none.zip", "pipe", f"nothing{UNDECODABLE}*"):
        run("diagnose", root / name, code=None)
    run("diagnose", root / "none.zip", "--rules", root / "no folder", code=None)


def test_a_hostile_name_in_an_archive(root: Path) -> None:
    with zipfile.ZipFile(root / "logs.zip", "w") as archive:
        archive.writestr(f"{LETTERS}\nforged.log", hostile_log(root).read_bytes())
    run("diagnose", root / "logs.zip", code=1)
    run("diagnose", root / "logs.zip", "--json", code=1, named=False)


RULE = """[[rule]]
id = "my-rule"
title = "A title {t}"
category = "input"
signatures = ['frobnicate (?:failed|{raw})']
explanation = "Because {t}."
steps = ["Do {t}."]
references = ["https://{t}"]
matches = ["frobnicate failed", "frobnicate failed again"]
not_matches = ["all is well"]
"""


def test_rule_files_of_strangers(root: Path) -> None:
    escaped = json.dumps(HOSTILE)[1:-1]
    rules = root / "rules"
    rules.mkdir()
    file = rules / f"{LETTERS}.toml"
    file.write_text(RULE.format(t=escaped, raw="\u202e\u200b"), encoding="utf-8")
    run("rules", "list", "--rules", rules, code=0)
    run("rules", "show", "my-rule", "--rules", rules, code=0)
    run("rules", "lint", file, code=None, named=False)
    run("rules", "test", file, code=None, named=False)
    (root / "log.txt").write_text(f"Extracting faces...\nfrobnicate failed {LETTERS}\n")
    run("diagnose", root / "log.txt", "--rules", rules, code=None)
    run("rules", "adopt", root / "none.toml", root / "log.txt")
    run("rules", "adopt", file, root / "none.txt", code=None)
    for body in ("[[rule]]\nid = 3", f"no toml {LETTERS}", RULE.format(t=escaped, raw="(a+)+")):
        file.write_text(body, encoding="utf-8")
        for command in ("list", "test", "lint"):
            run("rules", command, "--rules", rules, code=None)
    file.write_bytes(b"\xff\xfe\x00")
    run("rules", "list", "--rules", rules, code=None)


# -- whatever goes wrong --------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["extract", "diagnose"])
def test_a_fault_of_dflwrap_itself(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process, for nothing outside makes dflwrap fail."""
    from dflwrap.cli import diagnosing, start

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(HOSTILE)

    monkeypatch.delenv("DFLWRAP_DEBUG", raising=False)
    monkeypatch.setattr(diagnosing, "quick", fail)
    monkeypatch.setattr(typer.Typer, "__call__", fail)
    monkeypatch.setattr(sys, "argv", ["dflwrap", command, "x"])
    with pytest.raises(SystemExit) as ended:
        start.run()
    assert ended.value.code == 5
    text = capsys.readouterr().err
    assert_harmless(text)
    assert "RuntimeError: \\x1b[2J" in text


def test_samples_and_the_built_in_command(root: Path) -> None:
    (root / "file").touch()
    for arguments in (
        ["-m", "dflwrap.samples", str(root / "file" / "none")],
        ["-m", "dflwrap.samples", str(root / "made"), "--frames", "1", "--size", "320x240"],
        [
            *("-m", "dflwrap.extractors.builtin", "extract"),
            *("--input-dir", str(root / "none"), "--output-dir", str(root / "out")),
        ],
    ):
        done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
        assert_harmless(done.stdout + done.stderr.replace("\r", "\n"))
        assert "Traceback" not in done.stderr


def test_a_question_at_the_terminal() -> None:
    stream = io.StringIO()
    ask_conflict(ConflictError(Meets.TAKEN_NAMES, HOSTILE, Path(HOSTILE)), stream, lambda: True)
    assert_harmless(stream.getvalue())
    assert "\\x1b[2J" in stream.getvalue()


def test_safe_json_is_the_same_json() -> None:
    value = {HOSTILE: [LETTERS, "写真", "\U000e0041", UNDECODABLE]}
    text = safe_json(json.dumps(value, ensure_ascii=False, indent=1))
    assert json.loads(text) == value
    assert_harmless(text)
    assert "写真" in text
    text.encode()
