# ruff: noqa: E501 - the lines of real logs are long
"""`--share` shows nobody: a corpus of names, places, hosts, mail, tokens and Windows SIDs."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from dflwrap.cli.diagnosing import quick
from dflwrap.cli.words.share import Redactor, redact

NAMES = ["marie", "Marie Curie", "maría-josé", "Мария", "田中太郎", "m.curie"]
HOMES = [
    "C:\\Users\\{}\\DFL\\workspace\\data_src\\1.png",
    "/home/{}/dfl/src/1.png",
    "/Users/{}/dfl/1.png",
    "D:/Benutzer/{}/x/1.png",
    "C:\\\\Users\\\\{}\\\\Desktop\\\\x.png",
    "/media/{}/disk/1.png",
    "/mnt/c/Users/{}/x.png",
]
LINES = [
    "OSError: [Errno 28] No space left on device: '{}'",
    'File "{}", line 3, in main',
    "/!\\ Failed to open {}, reason: cv2_imread() fail.",
    "python main.py extract --input-dir {} --output-dir out",
]


@pytest.mark.parametrize("name", NAMES)
def test_no_name_of_a_home_folder_is_left(name: str) -> None:
    for home, line in itertools.product(HOMES, LINES):
        redactor = Redactor()
        text = redactor.finish(redactor(line.format(home.format(name))))
        for part in {name, *name.split()}:
            assert part not in text, (home, line, text)


SECRETS = {
    "mail": ("reported by marie.curie@sorbonne.fr today", "sorbonne"),
    "shell": ("marie@radium-lab:~/dfl$ python main.py", "radium-lab"),
    "share": (r"\\radium-nas\films\src\1.png", "radium-nas"),
    "windows host": ("on DESKTOP-4F7K2QX the run failed", "4F7K2QX"),
    "variable": ("COMPUTERNAME=RADIUM01", "RADIUM01"),
    "user variable": ("USERNAME: Marie", "Marie"),
    "address": ("connect to 192.168.7.21 failed", "192.168.7.21"),
    "ipv6": ("connect to fe80::1c2a:3b4c:5d6e:7f80 failed", "1c2a"),
    "mac": ("adapter 00-1A-2B-3C-4D-5E", "1A-2B"),
    "sid": ("owner S-1-5-21-1004336348-1177238915-682003330-512", "1004336348"),
    "card": ("GPU-3a5c1f7e-0b1d-4c2e-9f3a-7b6c5d4e3f2a", "3a5c1f7e"),
    "hugging face": ("token hf_abcdefghijklmnopqrstuvwxyzABCD used", "hf_abc"),
    "github": ("remote https://marie:ghp_abcdefghijklmnopqrst1234567890ABCDEF@github.com/x", "ghp_"),
    "aws": ("AWS key AKIAIOSFODNN7EXAMPLE", "AKIAIOSF"),
    "password": ("smb mount password=radium88!", "radium88"),
    "bearer": ("Authorization: Bearer abcdef0123456789abcdef", "abcdef0123"),
    "jwt": ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJtYXJpZSJ9.c2lnbmF0dXJl", "eyJzdWIi"),
    "api key": ("api_key: 'A1B2C3D4E5F6'", "A1B2C3"),
    "syslog": ("Nov 24 05:38:21 radium-lab dfl[42]: Killed", "radium-lab"),
}  # fmt: skip


@pytest.mark.parametrize("kind", SECRETS)
def test_no_host_address_or_secret_is_left(kind: str) -> None:
    text, gone = SECRETS[kind]
    assert gone not in redact(text), redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "tensorflow.python.framework.errors_impl.ResourceExhaustedError: OOM when allocating tensor with shape[1,64] on /job:localhost/replica:0/task:0/device:GPU:0",
        "CUDA_ERROR_OUT_OF_MEMORY: out of memory",
        "2021-02-14 10:10:10.123456: F tensorflow/core/common_runtime/gpu/gpu_util.cc:293] GPU->CPU Memcpy failed",
        "kernel: NVRM: Xid (PCI:0000:01:00): 79, pid=1234, GPU has fallen off the bus.",
        " 27%|##7       | 512/1893 [02:35<06:58,  3.30it/s]",
        "ModuleNotFoundError: No module named 'cv2'",
    ],
)
def test_what_tells_the_cause_stays(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_name_that_a_path_gave_away_is_gone_everywhere(
    more: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "x.log"
    log.write_text(
        "ValueError: curie is no known project\nTraceback (most recent call last):\n"
        '  File "/home/curie/venv/lib/python3.8/site-packages/fluxlib/a.py", line 3, in f\n'
        "fluxlib.CapacityError: project of Curie: /home/curie/films/secret project/1.png is gone\n"
    )
    quick([*more, "--share", str(log)])
    assert "curie" not in capsys.readouterr().out.lower()
