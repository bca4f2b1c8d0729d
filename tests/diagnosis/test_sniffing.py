"""What is no log gets its own sentence and exit code 2; what is damaged is judged as far as it can be read."""

from __future__ import annotations

import gzip
import json
import random
import zipfile
from pathlib import Path

import pytest

from dflwrap.cli.diagnosing import quick
from dflwrap.cli.sniffing import not_a_log

SAMPLES = Path(__file__).parents[2] / "sample_logs"
OOM = SAMPLES / "gpu-oom-tensor.log"
HEALTHY = SAMPLES / "healthy-windows-gpu.log"
FEW = "Extracting faces...\n100%|####| 90/90 [00:30<00:00,  3.0it/s]\nImages found: 90\nFaces detected: 0\nDone.\n"
NOT_LOGS = {
    "empty": b"",
    "picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
    "a picture": b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(range(256)),
    "a picture ": b"BM\x36\x00\x0c\x00" + bytes(200),
    "program": b"MZ\x90\x00\x03\x00\x00\x00" + bytes(200),
    "program or library": b"\x7fELF\x02\x01\x01" + bytes(200),
    "model": b"\x93NUMPY\x01\x00v\x00" + bytes(200),
    "archive": b"7z\xbc\xaf\x27\x1c\x00\x04" + bytes(200),
    "video": b"\x00\x00\x00\x18ftypmp42" + bytes(200),
    "document": b"%PDF-1.7\n%\xe2\xe3" + bytes(200),
    "binary": random.Random(3).randbytes(5000),
}


@pytest.mark.parametrize("kind", NOT_LOGS)
def test_what_is_no_log_is_called_by_its_name(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "thing.log"
    path.write_bytes(NOT_LOGS[kind])
    assert quick([str(path)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert kind.strip().split()[-1] in told.err


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.log")), ids=lambda path: path.stem)
def test_every_sample_is_taken_for_a_log(path: Path) -> None:
    assert not_a_log(path.read_bytes()) is None


@pytest.mark.parametrize(
    "text", ["BMW 3 series renders\n", "MZ is where it stopped\n", "ошибка\n" * 9, "错误" * 99]
)
@pytest.mark.parametrize("codec", ["utf-8", "utf-16", "gb18030"])
def test_words_that_begin_like_a_picture_are_text(text: str, codec: str) -> None:
    assert not_a_log(text.encode(codec)) is None


def test_one_log_that_cannot_be_read_does_not_silence_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "screen.png").write_bytes(NOT_LOGS["picture"])
    assert quick(["--json", str(tmp_path / "screen.png"), str(OOM)]) == 2
    told = capsys.readouterr()
    assert json.loads(told.out)["primary"]["id"] == "gpu-oom-tensor"
    assert "screen.png is a picture" in told.err


def test_in_a_folder_what_is_no_log_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "screen.txt").write_bytes(NOT_LOGS["picture"])
    (tmp_path / "run.log").write_bytes(OOM.read_bytes())
    assert quick([str(tmp_path)]) == 1


def test_a_damaged_archive_is_told_and_judged_as_far_as_it_goes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = tmp_path / "a.log.gz"
    cut.write_bytes(gzip.compress(OOM.read_bytes())[:-20])
    assert quick(["--json", str(cut)]) == 2
    told = capsys.readouterr()
    assert json.loads(told.out)["primary"]["id"] == "gpu-oom-tensor"
    assert "damaged or cut short" in told.err
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("one.log", HEALTHY.read_bytes())
    data = bytearray((tmp_path / "b.zip").read_bytes())
    data[60:90] = bytes(30)
    (tmp_path / "b.zip").write_bytes(data)
    assert quick([str(tmp_path / "b.zip")]) == 2
    assert "damaged" in capsys.readouterr().err


def test_exit_codes_of_complete_runs_and_other_steps(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text(FEW)
    assert quick([str(path)]) == 1
    path.write_text(FEW.replace("detected: 0", "detected: 9"))
    assert quick([str(path)]) == 1
    path.write_text("Running trainer.\n[11:20:14][#000001][9421ms][1.7011][1.5402]\n")
    assert quick([str(path)]) == 3
