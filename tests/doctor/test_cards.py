# ruff: noqa: E501 - messages of others are long
"""Cards as their driver tells of them, against the release in DeepFaceLab's Python."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from surroundings import GIB, MadeCards, MadeWindows, Place

from dflwrap.doctor.check import Answer, Result
from dflwrap.doctor.windows import VIDEO_CLASS
from dflwrap.telemetry.base import NoGpu, ProcessMemory

CARDS = ("gpu-driver", "gpu-memory", "gpu-programs", "tensorflow-gpu", "tensorflow-fit")


def results(answers: dict[str, Answer]) -> list[str]:
    return [answers[name].result.value for name in CARDS]


def with_release(place: Place, release: str) -> None:
    place.dfl.package("tensorflow", release, (place.dfl.site / "tensorflow/__init__.py").read_text())


def test_a_card_that_runs(place: Place) -> None:
    place.dfl.tensorflow(devices=1)
    with_release(place, "2.8.0")
    place.cards = MadeCards("NVIDIA GeForce RTX 2070")
    answers = place.look(*CARDS)
    assert results(answers) == ["ok"] * 5, answers
    assert "built with CUDA 11.2 and cuDNN 8.1" in answers["tensorflow-fit"].explanation


@pytest.mark.parametrize(
    ("card", "release", "driver", "result", "words"),
    [
        ("RTX 5090", "2.16.1", "580.65.06", "failure", "cannot; its kernels are translated wrongly"),
        ("RTX 3080", "2.4.0", "580.65.06", "note", "compiles first"),
        ("RTX 3080", "2.3.0", "580.65.06", "failure", "no face is found"),
        ("GTX 1060", "2.4.0", "440.33", "failure", "CUDA 11.0 needs 450.36.06 or newer"),
        ("GTX 660", "2.4.0", "470.82", "failure", "CUDA 11.0 has dropped cards of compute capability 3.0"),
        ("Never Heard 9000", "2.4.0", "580.65.06", "note", "not in the table of fit"),
    ],
)
def test_a_card_and_a_release(
    place: Place, card: str, release: str, driver: str, result: str, words: str
) -> None:
    with_release(place, release)
    place.cards = MadeCards(f"NVIDIA GeForce {card}", driver=driver)
    place.system = "linux"
    answer = place.look("tensorflow-fit")["tensorflow-fit"]
    assert (answer.result, words in answer.explanation) == (result, True), answer
    assert answer.fix


def test_one_card_of_two_that_cannot_is_a_warning(place: Place) -> None:
    with_release(place, "2.4.0")
    place.cards = MadeCards("NVIDIA GeForce GTX 660", "NVIDIA GeForce GTX 1060")
    assert place.look("tensorflow-fit")["tensorflow-fit"].result is Result.WARNING


def test_windows_own_wheels_have_no_card_after_2_10(place: Place) -> None:
    with_release(place, "2.15.0")
    place.cards, place.system = MadeCards("NVIDIA GeForce RTX 4090"), "windows"
    assert (
        "no support for cards after TensorFlow 2.10"
        in place.look("tensorflow-fit")["tensorflow-fit"].explanation
    )


def test_a_tensorflow_that_does_not_see_the_card(place: Place) -> None:
    place.cards = MadeCards("NVIDIA GeForce RTX 2070")
    line = "Could not load dynamic library 'libcudart.so.11.0'; dlerror: libcudart.so.11.0: cannot open shared object file"
    place.dfl.tensorflow(
        f"import sys\nsys.stderr.write({line!r} + '\\nCannot dlopen some GPU libraries. Skipping registering GPU devices...\\n')\n"
        + (place.dfl.site / "tensorflow/__init__.py").read_text()
    )
    answer = place.look("tensorflow-gpu")["tensorflow-gpu"]
    assert answer.result is Result.FAILURE
    assert "[cuda-dso-missing-silent-cpu]" in answer.explanation and any(
        "libcudart" in shown or "dlopen" in shown for shown in answer.lines
    )


def test_a_tensorflow_for_the_cpu_only(place: Place) -> None:
    place.cards = MadeCards("NVIDIA GeForce RTX 2070")
    place.dfl.tensorflow(with_cuda=False)
    answer = place.look("tensorflow-gpu")["tensorflow-gpu"]
    assert answer.result is Result.FAILURE and "for the CPU only" in answer.explanation


@pytest.mark.parametrize(
    ("total", "free", "result"),
    [(12, 11, "ok"), (12, 1, "warning"), (3, 2.9, "note"), (1, 1, "failure")],
)
def test_video_memory(place: Place, total: int, free: float, result: str) -> None:
    place.cards = MadeCards("NVIDIA GeForce RTX 2070", total=total * GIB, free=int(free * GIB))
    assert place.look("gpu-memory")["gpu-memory"].result == result


def test_other_programs_are_named(place: Place) -> None:
    mine = ProcessMemory(os.getpid(), 9 * GIB)
    place.cards = MadeCards("NVIDIA GeForce RTX 2070", free=2 * GIB, processes=(mine,))
    answer = place.look("gpu-programs")["gpu-programs"]
    assert answer.result is Result.WARNING and "9.0 GiB" in answer.explanation
    place.cards = MadeCards("NVIDIA GeForce RTX 2070", processes=None)
    assert place.look("gpu-programs")["gpu-programs"].result is Result.SKIPPED


def test_cards_of_the_same_name_are_told_apart(place: Place) -> None:
    mine = ProcessMemory(os.getpid(), 9 * GIB)
    place.cards = MadeCards(*["NVIDIA GeForce RTX 3090"] * 2, free=1 * GIB, processes=(mine,))
    for check in ("gpu-memory", "gpu-programs"):
        told = place.look(check)[check].explanation
        assert "GPU 0 (NVIDIA GeForce RTX 3090): " in told and "GPU 1 (NVIDIA GeForce RTX 3090): " in told
    place.cards = MadeCards("NVIDIA GeForce RTX 3090", free=1 * GIB)
    assert place.look("gpu-memory")["gpu-memory"].explanation.startswith("NVIDIA GeForce RTX 3090: ")


def test_a_card_without_a_driver(place: Place, tmp_path: Path) -> None:
    device = tmp_path / "root/sys/bus/pci/devices/0000:01:00.0"
    device.mkdir(parents=True)
    (device / "vendor").write_text("0x10de\n")
    (device / "class").write_text("0x030000\n")
    place.root = tmp_path / "root"
    answer = place.look("gpu-driver")["gpu-driver"]
    assert answer.result is Result.FAILURE and "0000:01:00.0" in answer.explanation
    (device / "vendor").write_text("0x1002\n")
    assert place.look("gpu-driver")["gpu-driver"].result is Result.SKIPPED


def test_a_card_without_a_driver_on_windows(place: Place) -> None:
    key = (rf"{VIDEO_CLASS}\0001", "DriverDesc")
    place.windows = MadeWindows({key: "NVIDIA GeForce RTX 3060"})
    answer = place.look("gpu-driver")["gpu-driver"]
    assert answer.result is Result.FAILURE and answer.explanation.startswith(
        "NVIDIA GeForce RTX 3060 is in this"
    )


def test_a_driver_that_does_not_answer(place: Place) -> None:
    place.cards = NoGpu("the NVIDIA driver was updated: the machine needs a restart")
    answer = place.look("gpu-driver")["gpu-driver"]
    assert answer.result is Result.WARNING and "needs a restart" in answer.explanation


def test_the_folder_of_a_build_says_for_which_cards_it_is(place: Place) -> None:
    with_release(place, "2.4.0")
    place.cards = MadeCards("NVIDIA GeForce RTX 3080")
    named = place.folder / "DeepFaceLab_NVIDIA_up_to_RTX2080Ti"
    named.mkdir()
    place.dfl.root = place.dfl.root.rename(named / "DeepFaceLab")
    answer = place.look("tensorflow-fit")["tensorflow-fit"]
    assert answer.result is Result.FAILURE and "was made for cards up to Turing" in answer.explanation


def test_what_it_says_it_was_built_with_counts_more_than_the_table(place: Place) -> None:
    with_release(place, "2.8.0")
    place.cards = MadeCards("NVIDIA GeForce RTX 2070", driver="440.33")
    text = (place.dfl.site / "tensorflow/__init__.py").read_text().replace("11.2", "10.1")
    place.dfl.package("tensorflow", "2.8.0", text)
    place.system = "linux"
    assert place.look("tensorflow-fit")["tensorflow-fit"].result is Result.FAILURE
    assert place.look("tensorflow-import", "tensorflow-fit")["tensorflow-fit"].result is Result.OK


def test_a_fork_on_pytorch(place: Place) -> None:
    (place.dfl.root / "core/leras/nn.py").write_text("import torch\n")
    place.dfl.remove("tensorflow")
    text = "class version:\n    cuda = '12.8'\nclass cuda:\n    is_available = staticmethod(lambda: True)\n"
    text += (
        "    device_count = staticmethod(lambda: 1)\n    get_device_name = staticmethod(lambda n: 'a card')\n"
    )
    place.dfl.package("torch", "2.9.0+cu128", text + "__version__ = '2.9.0+cu128'\n")
    place.cards, place.system = MadeCards("NVIDIA GeForce RTX 5090"), "linux"
    answers = place.look("dfl-packages", "tensorflow-import", *CARDS)
    assert [answers[name].result for name in answers] == [Result.OK] * 7, answers
    assert "PyTorch 2.9.0+cu128, built with CUDA 12.8" in answers["tensorflow-import"].explanation
