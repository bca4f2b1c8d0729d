# ruff: noqa: E501 - the lines of real logs are long
"""`dflwrap diagnose` and `dflwrap rules` as a user calls them."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from dflwrap.cli.commands import diagnose, rules
from dflwrap.cli.diagnosing import quick
from dflwrap.cli.words.share import redact
from dflwrap.common.errors import DflwrapError

SAMPLES = Path(__file__).parents[2] / "sample_logs"
OOM = SAMPLES / "gpu-oom-tensor.log"
HEALTHY = SAMPLES / "healthy-windows-gpu.log"
UNKNOWN = SAMPLES / "outside-catalogue.log"

app = typer.Typer()
diagnose.register(app)
rules.register(app)
runner = CliRunner()


def spoken(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int | None, Any]:
    code = quick(["--json", *arguments])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(("log", "code"), [(HEALTHY, 0), (OOM, 1), (UNKNOWN, 3)])
def test_exit_codes(log: Path, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert quick([str(log)]) == code
    assert capsys.readouterr().out


def test_both_ways_in_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    quick(["--json", str(OOM)])
    plain = capsys.readouterr().out
    result = runner.invoke(app, ["diagnose", "--json", str(OOM)])
    assert result.exit_code == 1
    assert json.loads(result.stdout) == json.loads(plain)


@pytest.mark.parametrize("words", [["--help"], ["--bogus", "x"], [], ["x", "--rules"]])
def test_what_the_quick_way_does_not_know_it_leaves_to_the_full_one(words: list[str]) -> None:
    assert quick(words) is None


def test_an_unreadable_log_is_one_clear_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert quick([str(tmp_path / "none.log")]) == 2
    assert capsys.readouterr().err.strip() == f"dflwrap: there is no file or folder {tmp_path / 'none.log'}"
    assert quick([str(tmp_path)]) == 2
    assert "no log in" in capsys.readouterr().err
    (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04 not a zip")
    assert quick([str(tmp_path / "bad.zip")]) == 2
    assert "damaged zip" in capsys.readouterr().err


def test_the_json_has_the_documented_shape(capsys: pytest.CaptureFixture[str]) -> None:
    code, body = spoken(capsys, str(OOM))
    assert code == 1
    assert body["schema_version"] == 1
    assert body["verdict"] == "failure"
    assert body["causes"][0] == body["primary"]
    primary = body["primary"]
    assert set(primary) == {
        "id", "title", "category", "confidence", "explanation", "evidence", "symptoms", "consequences", "remedies", "steps", "references",
        "check",
    }  # fmt: skip
    assert primary["evidence"][0]["line"] > 1
    assert "OOM when allocating" in " ".join(item["text"] for item in primary["evidence"])
    facts = body["facts"]
    assert (facts["images_found"], facts["faces_detected"]) == (655, 0)
    assert facts["gpu"] == ["GeForce GTX 1650"]
    assert facts["progress"] == {"done": 0, "total": 655}


def test_the_page_answers_what_why_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    quick([str(OOM)])
    page = capsys.readouterr().out
    for part in ("[gpu-oom-tensor]", "Confidence:", "The lines that show it:", "gpu-oom-tensor.log:", "Why:",
                 "What you can do", "What dflwrap extract does by itself", "655 images found"):  # fmt: skip
        assert part in page


def test_a_cause_in_the_machine_ends_with_the_check_that_would_prove_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for log, check in (("tf-dll-missing", "tensorflow-import"), ("gpu-oom-tensor", "gpu-memory")):
        quick([str(SAMPLES / f"{log}.log")])
        page = capsys.readouterr().out.rstrip()
        assert page.endswith(f"To prove it on the machine where it happened: dflwrap doctor --only {check}")
        _, body = spoken(capsys, str(SAMPLES / f"{log}.log"))
        assert body["primary"]["check"] == check
    quick([str(SAMPLES / "imread-failed.log")])
    assert "dflwrap doctor" not in capsys.readouterr().out


def test_what_it_does_by_itself_is_what_it_does_without_options(capsys: pytest.CaptureFixture[str]) -> None:
    quick([str(SAMPLES / "module-not-found.log")])
    page = capsys.readouterr().out
    by_itself = page[page.index("by itself:") :].split("\n\n")[0]
    assert "stop and ask you" in by_itself
    assert "With --on-gpu-failure builtin it may also let the built-in extractor finish" in by_itself


def test_several_logs_give_a_list_and_the_worst_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    code, body = spoken(capsys, str(HEALTHY), str(OOM))
    assert code == 1
    assert [one["verdict"] for one in body] == ["healthy", "failure"]


def test_packed_logs_and_folders_are_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = OOM.read_bytes()
    (tmp_path / "a.log.gz").write_bytes(gzip.compress(data))
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("logs/one.log", data)
        archive.writestr("logs/picture.png", b"\x89PNG")
    code, body = spoken(capsys, str(tmp_path))
    assert code == 1
    assert [one["primary"]["id"] for one in body] == ["gpu-oom-tensor"] * 2
    cut = tmp_path / "cut"
    cut.mkdir()
    packed = gzip.compress(data)
    (cut / "a.gz").write_bytes(packed[:-20])
    code, body = spoken(capsys, str(cut))
    assert body["primary"]["id"] == "gpu-oom-tensor"


def test_wildcards_that_the_shell_left_are_expanded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.log", "b.log", "c.txt"):
        (tmp_path / name).write_bytes(OOM.read_bytes())
    _, body = spoken(capsys, str(tmp_path / "*.log"))
    assert [Path(one["log"]).name for one in body] == ["a.log", "b.log"]


def test_a_run_folder_is_judged_attempt_by_attempt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, log in (("0001", OOM), ("0002", HEALTHY)):
        folder = tmp_path / "attempts" / name
        folder.mkdir(parents=True)
        (folder / "stdout.log").write_bytes(log.read_bytes())
        (folder / "stderr.log").write_bytes(b"")
    _, body = spoken(capsys, str(tmp_path))
    assert [one["verdict"] for one in body] == ["failure", "healthy"]
    _, body = spoken(capsys, str(tmp_path / "attempts" / "0001"))
    assert body["primary"]["evidence"][0]["source"] == "stdout.log"


def test_standard_input_is_a_log() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from dflwrap.cli.start import run; run()", "diagnose", "--json", "-"],
        input=OOM.read_bytes(), capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert json.loads(done.stdout)["primary"]["id"] == "gpu-oom-tensor"


def test_a_reader_that_goes_away_changes_nothing() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", "from dflwrap.cli.start import run; run()", "diagnose", str(OOM)],
        stdout=write, stderr=subprocess.PIPE, timeout=60, check=False,
    )  # fmt: skip
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")


def test_neither_opencv_nor_numpy_nor_typer_is_imported() -> None:
    code = (
        "import sys; from dflwrap.cli.diagnosing import quick; quick([sys.argv[1]]);"
        "print([m for m in ('cv2', 'numpy', 'tensorflow', 'typer', 'rich') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(OOM)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr.strip() == "[]"


def test_share_leaves_out_names_and_places(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "x.log"
    log.write_text(
        "OSError: [Errno 28] No space left on device: '/home/marie.curie/films/secret project/1_0.jpg'\n"
        "OSError: [Errno 28] No space left on device: 'C:\\Users\\Marie Curie\\films\\1_0.jpg'\n"
    )
    for more in ([], ["--json"]):
        quick([*more, "--share", str(log)])
        out = capsys.readouterr().out
        for word in ("marie", "Marie", "curie", "films", "secret", str(tmp_path)):
            assert word not in out


@pytest.mark.parametrize(
    ("text", "gone", "kept"),
    [
        (r'File "D:\Marie\DeepFaceLab_NVIDIA\_internal\DeepFaceLab\main.py", line 3', "Marie", "DeepFaceLab/main.py"),
        ('File "/home/marie/DeepFaceLab/core/nn.py", line 3', "marie", "core/nn.py"),
        (r"\\nas-of-marie\faces\a.jpg", "nas-of-marie", ".jpg"),
        ("marie@workstation:~$ ./extract.sh", "workstation", "extract.sh"),
        ("write to marie@example.org", "marie@example.org", "write to"),
        ("host 192.168.1.17 lost", "192.168.1.17", "lost"),
        ("on /job:localhost/replica:0/task:0/device:GPU:0 by allocator", "zzz", "/job:localhost/replica:0/task:0/device:GPU:0"),
        ("OSError: /dev/shm full", "zzz", "/dev/shm"),
    ],
)  # fmt: skip
def test_redaction(text: str, gone: str, kept: str) -> None:
    assert gone not in redact(text)
    assert kept in redact(text)


RULE = """[[rule]]
id = "flux-capacitor"
title = "Flux"
category = "own"
explanation = "The flux capacitor is empty."
remedies = ["user"]
steps = ["Fill it."]
signatures = ['flux capacitor (?:empty|gone)']
matches = ['the flux capacitor empty', 'a flux capacitor gone here']
not_matches = ['the flux is fine']
"""


def test_a_users_own_rule_names_a_cause(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = tmp_path / "rules"
    own.mkdir()
    (own / "own.toml").write_text(RULE)
    log = tmp_path / "x.log"
    log.write_text("Extracting faces...\nthe flux capacitor empty\n")
    _, body = spoken(capsys, "--rules", str(own), str(log))
    assert body["primary"]["id"] == "flux-capacitor"
    (own / "own.toml").write_text(RULE.replace("matches = ['the flux capacitor empty', ", "matches = ["))
    assert quick(["--rules", str(own), str(log)]) == 2
    assert "at least 2 samples" in capsys.readouterr().err


def test_rules_list_show_test_and_lint(tmp_path: Path) -> None:
    assert "gpu-oom-tensor" in runner.invoke(app, ["rules", "list"]).stdout
    shown = runner.invoke(app, ["rules", "show", "disk-full"]).stdout
    for part in ("Why it happens", "What dflwrap does about it", "What you can do", "What it is found by"):
        assert part in shown
    assert isinstance(runner.invoke(app, ["rules", "show", "nope"]).exception, DflwrapError)
    file = tmp_path / "own.toml"
    file.write_text(RULE)
    assert runner.invoke(app, ["rules", "test", str(file)]).exit_code == 0
    assert runner.invoke(app, ["rules", "lint", str(file)]).exit_code == 0
    file.write_text(RULE.replace('"user"', '"pray"').replace("'the flux capacitor empty'", "'Killed'"))
    assert "unknown remedy pray" in runner.invoke(app, ["rules", "lint", str(file)]).stdout
    tested = runner.invoke(app, ["rules", "test", str(file)])
    assert tested.exit_code == 1
    assert "linux-oom-killer" in tested.stdout


def test_a_log_attached_to_a_new_rule_becomes_its_sample(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text(RULE)
    log = tmp_path / "x.log"
    log.write_text("Extracting faces...\n'C:\\Users\\Marie\\x.png': the flux capacitor gone\nDone.\n")
    done = runner.invoke(app, ["rules", "adopt", str(file), str(log)])
    assert done.exit_code == 0, done.output
    text = file.read_text()
    assert "Extracting faces..." in text
    assert "Marie" not in text
    assert runner.invoke(app, ["rules", "test", str(file)]).exit_code == 0


def test_many_logs_get_a_line_each_and_a_closing_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(40):
        (tmp_path / f"{number:02}.log").write_bytes((OOM if number % 4 else HEALTHY).read_bytes())
    (tmp_path / "unknown.log").write_bytes(UNKNOWN.read_bytes())
    assert quick([str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) < 41 + 10
    assert sum("[gpu-oom-tensor], certain, line" in line for line in lines[:41]) == 30
    assert any(line.strip().startswith("30  ") and "[gpu-oom-tensor]" in line for line in lines)
    assert any(line.strip() == "10  complete and healthy" for line in lines)
    assert any("unknown: " in line for line in lines[:41])
