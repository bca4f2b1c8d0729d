# ruff: noqa: E501 - the lines of real logs are long
"""One table of what fits what: cards, builds, CUDA, drivers; each row with its source."""

from __future__ import annotations

import itertools

import pytest

from dflwrap.diagnosis import diagnose_text
from dflwrap.diagnosis.tables.fit import Fit, card_and_cuda, table, version

TABLE = table()


def test_every_row_names_its_source() -> None:
    rows = [
        *TABLE.generations,
        *TABLE.toolkits,
        *TABLE.builds,
        *TABLE.deepfacelab,
        *TABLE.systems,
        *TABLE.seen,
    ]
    assert all(row.source.startswith("https://") for row in [*rows, *TABLE.directml])


@pytest.mark.parametrize(
    ("card", "generation"),
    [
        ("GeForce GTX 660", "Kepler"), ("GeForce GT 740M", "Kepler"), ("GeForce GTX 780 Ti", "Kepler (GK110)"),
        ("Tesla K80", "Kepler (GK210)"), ("GeForce GTX 750 Ti", "Maxwell"), ("GeForce GTX 960M", "Maxwell"),
        ("GeForce 940MX", "Maxwell"), ("GeForce GTX 1050 Ti", "Pascal"), ("GeForce GTX 1080", "Pascal"),
        ("GeForce GT 1030", "Pascal"), ("Tesla V100-SXM2-16GB", "Volta"), ("GeForce GTX 1650", "Turing"),
        ("NVIDIA GeForce RTX 2080 Ti", "Turing"), ("Tesla T4", "Turing"), ("NVIDIA A100-SXM4-40GB", "Ampere (A100)"),
        ("NVIDIA GeForce RTX 3060 Laptop GPU", "Ampere"), ("NVIDIA RTX A6000", "Ampere"),
        ("NVIDIA GeForce RTX 4070 SUPER", "Ada"), ("NVIDIA H100 80GB HBM3", "Hopper"),
        ("NVIDIA GeForce RTX 5070 Ti", "Blackwell"),
    ],
)  # fmt: skip
def test_a_card_is_known_by_its_name(card: str, generation: str) -> None:
    found = TABLE.generation_of(card)
    assert found is not None
    assert found.name == generation


def test_cards_that_are_not_nvidias_are_none() -> None:
    for card in ("AMD Radeon RX 580", "Intel(R) UHD Graphics 630", "Apple M1", "CPU0"):
        assert TABLE.generation_of(card) is None, card


@pytest.mark.parametrize(
    ("card", "cuda", "fit"),
    [
        ("RTX 3070", "10.1", Fit.CARD_TOO_NEW), ("RTX 3070", "11.2", Fit.FITS), ("RTX 5080", "12.5", Fit.CARD_TOO_NEW),
        ("GTX 660", "11.0", Fit.CARD_TOO_OLD), ("GTX 1080", "11.0", Fit.FITS), ("GTX 1080", "13.0", Fit.CARD_TOO_OLD),
        ("RTX 2070", "9.2", Fit.CARD_TOO_NEW),
    ],
)  # fmt: skip
def test_a_card_and_a_cuda_version_go_together_or_not(card: str, cuda: str, fit: Fit) -> None:
    generation = TABLE.generation_of(card)
    assert generation is not None
    assert card_and_cuda(generation, cuda) is fit


def test_the_builds_of_tensorflow_leave_no_gap_and_do_not_overlap() -> None:
    rows = [row for row in TABLE.builds if row.product == "tensorflow"]
    for one, other in itertools.pairwise(rows):
        assert version(one.versions[1]) < version(other.versions[0])
    for release, cuda in (
        ("1.12.0", "9.0"),
        ("2.3.1", "10.1"),
        ("2.4.0", "11.0"),
        ("2.10.1", "11.2"),
        ("2.19.0", "12.5"),
    ):
        row = TABLE.build("tensorflow", release)
        assert row is not None
        assert row.cuda == cuda
    assert TABLE.build("tensorflow", "0.12") is None


def test_each_build_s_cuda_has_a_driver_and_drivers_only_grow() -> None:
    for row in TABLE.builds:
        if row.product == "tensorflow":
            assert TABLE.least_driver(row.cuda, "linux"), row.cuda
    for system in ("linux", "windows"):
        drivers = [version(row.driver[system]) for row in TABLE.toolkits]
        assert drivers == sorted(drivers)
    assert TABLE.driver_does("384.69", "9.0", "linux") is False
    assert TABLE.driver_does("390.77", "9.0", "linux") is True
    assert TABLE.driver_does("390.77", "7.0", "linux") is None


def test_an_explanation_holds_the_figures_of_the_table() -> None:
    text = (
        "[0] : NVIDIA GeForce RTX 3070\nExtracting faces...\nRunning on NVIDIA GeForce RTX 3070\n"
        "W dso_loader.cc:59] opened cudart64_101.dll\n"
        "InternalError: no kernel image is available for execution on the device\n"
    )
    primary = diagnose_text([("x.log", text.encode())]).primary
    assert primary is not None
    assert "of the generation Ampere, which needs CUDA 11.1 or newer" in primary.explanation
    assert "this build brings CUDA 10.1: card too new for it" in primary.explanation
    text = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  384.69  Wed\ntensorflow-gpu==2.3.0\nCUDA driver version is insufficient for CUDA runtime version\n"
    primary = diagnose_text([("x.log", text.encode())]).primary
    assert primary is not None
    assert "needs a driver of at least 418.39; installed is 384.69" in primary.explanation
