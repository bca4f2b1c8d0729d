# ruff: noqa: E501
"""The table of fit against two things that it was not made from: the vendor's list of cards, and what users reported."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from dflwrap.diagnosis import diagnose_text
from dflwrap.diagnosis.tables.fit import Generation, table, version
from dflwrap.diagnosis.tables.fit_answer import Outcome, answer, dfl_answer, driver_answer
from dflwrap.diagnosis.tables.fit_page import page

TABLE = table()
SYSTEMS = ("linux", "windows", "wsl", "macos")

# developer.nvidia.com/cuda-gpus and .../cuda-legacy-gpus: compute capability to cards, as the driver names them.
VENDOR = {
    "12.0": "RTX 5090, RTX 5080, RTX 5070 Ti, RTX 5070, RTX 5060 Ti, RTX 5060, RTX 5050, RTX 5090 Laptop GPU, RTX PRO 6000 Blackwell Workstation Edition",
    "10.0": "B200, GB200",
    "9.0": "H100 PCIe, H200, GH200 480GB",
    "8.9": "RTX 4090, RTX 4080 SUPER, RTX 4070 Ti, RTX 4060, RTX 4050 Laptop GPU, L4, L40, L40S, RTX 6000 Ada Generation",
    "8.6": "RTX 3090 Ti, RTX 3080, RTX 3070 Laptop GPU, RTX 3060 Ti, RTX 3050, A40, A10, A16, A2, RTX A6000, RTX A2000 12GB, MX570",
    "8.0": "A100-SXM4-80GB, A100-PCIE-40GB, A30",
    "7.5": "RTX 2080 Ti, RTX 2080 SUPER, RTX 2070, RTX 2060, GTX 1660 Ti, GTX 1660 SUPER, GTX 1650, TITAN RTX, Tesla T4, Quadro RTX 8000, Quadro RTX 5000, Quadro T2000, T1000, T600, MX450, MX550",
    "7.0": "TITAN V, Tesla V100-SXM2-16GB, Quadro GV100",
    "6.1": "TITAN Xp, GTX 1080 Ti, GTX 1070, GTX 1060 6GB, GTX 1050 Ti, GT 1030, MX150, MX250, MX330, Tesla P40, Tesla P4, Quadro P6000, Quadro P2000",
    "6.0": "Tesla P100-PCIE-16GB, Quadro GP100",
    "5.2": "TITAN X, GTX 980 Ti, GTX 980, GTX 970, GTX 960, GTX 950, GTX 980M, GTX 970M, GTX 965M, Quadro M6000, Quadro M4000, Quadro M2000, Tesla M40, Tesla M60",
    "5.0": "GTX 750 Ti, GTX 750, GTX 960M, GTX 950M, 940M, 940MX, 930MX, GTX 860M, GTX 850M, MX110, MX130, Quadro K2200, Quadro K620, Quadro M2000M, Tesla M10",
    "3.7": "Tesla K80",
    "3.5": "GTX TITAN Black, GTX TITAN, GTX 780 Ti, GTX 780, GT 730, GT 720, GT 710, 920M, Quadro K6000, Tesla K40m, Tesla K20Xm",
    "3.0": "GTX 770, GTX 760, GTX 690, GTX 680, GTX 660 Ti, GTX 650, GTX 880M, GTX 870M, GTX 780M, GTX 765M, GT 755M, GT 750M, GT 740M, GT 730M, GTX 675MX, GTX 660M, Quadro K5000, Quadro K420, Tesla K10, GRID K520",
    "2.1": "GTX 560 Ti, GTX 550 Ti, GTX 460, GT 430, GT 640M LE",
}  # fmt: skip
BOTH = {"GT 640M LE"}
"""Sold with chips of two generations."""


@pytest.mark.parametrize(
    ("card", "capability"), [(c, cap) for cap, cards in VENDOR.items() for c in cards.split(", ")]
)
@pytest.mark.parametrize("head", ["", "NVIDIA GeForce ", "GeForce "])
def test_the_capability_is_the_vendors(card: str, capability: str, head: str) -> None:
    if head and not card.startswith(("RTX ", "GT", "MX", "9")):
        return
    found = TABLE.generation_of(head + card)
    assert found is not None
    assert capability in found.capability or card in BOTH


# What people reported: card, product, release, system, what happened, where.
THREADS = [
    ("RTX 3090", "tensorflow", "2.4.0", "linux", Outcome.COMPILES_FIRST, "iperov/DeepFaceLab#5227: works fine on Linux"),
    ("RTX 3080", "tensorflow", "2.4.0", "windows", Outcome.COMPILES_FIRST, "iperov/DeepFaceLab#5227: works, at first slowly"),
    ("RTX 3060 Ti", "tensorflow", "2.4.0", "linux", Outcome.COMPILES_FIRST, "tensorflow#46043: runs the training script"),
    ("RTX 3070", "tensorflow", "2.3.0", "windows", Outcome.CANNOT, "iperov/DeepFaceLab#895: no face on the card, faces on the CPU"),
    ("GTX 1080 Ti", "tensorflow", "2.4.1", "linux", Outcome.RUNS, "tensorflow#47875"),
    ("RTX 2080 SUPER", "tensorflow", "2.4.0", "linux", Outcome.RUNS, "tensorflow#46043"),
    ("RTX 2060", "tensorflow", "2.0.0", "windows", Outcome.RUNS, "tensorflow#27819: works, slowly"),
    ("RTX 5080 Laptop GPU", "tensorflow", "2.20.0", "linux", Outcome.CANNOT, "tensorflow#101746"),
    ("RTX 5080 Laptop GPU", "tensorflow", "2.16.2", "linux", Outcome.CANNOT, "tensorflow#101746"),
    ("RTX 5070 Ti", "tensorflow", "2.18.0", "wsl", Outcome.CANNOT, "tensorflow#90291"),
    ("RTX 5090", "tensorflow", "2.20.0", "wsl", Outcome.CANNOT, "tensorflow#89272"),
    ("RTX 5080", "pytorch", "2.9.0+cu128", "wsl", Outcome.RUNS, "tensorflow#89272: works flawlessly on the same machine"),
    ("RTX PRO 6000 Blackwell", "pytorch", "2.9.0+cu126", "linux", Outcome.CANNOT, "cudaErrorNoKernelImage with cu126, cured by cu128"),
    ("GTX 660", "tensorflow", "1.15.0", "windows", Outcome.CANNOT, "the minimum required Cuda capability is 3.5"),
    ("GTX 960", "tensorflow", "2.17.0", "linux", Outcome.CANNOT, "release notes of 2.17: no compute capability 5.x"),
    ("GTX 960", "tensorflow", "2.16.1", "linux", Outcome.RUNS, "release notes of 2.17: it was the first without"),
    ("RTX 4090", "tensorflow", "2.15.0", "windows", Outcome.CANNOT, "tensorflow.org/install/pip: none on Windows after 2.10"),
    ("RTX 4090", "tensorflow", "2.15.0", "wsl", Outcome.RUNS, "tensorflow.org/install/pip"),
    ("GTX 1060", "pytorch", "2.7.1+cu128", "linux", Outcome.CANNOT, "pytorch#167244: 7.5 and later only"),
    ("GTX 1060", "pytorch", "2.7.1+cu118", "windows", Outcome.RUNS, "moi90: sm_60 in cu118"),
    ("TITAN V", "pytorch", "2.9.0+cu128", "linux", Outcome.RUNS, "pytorch#160269: Volta is still in cu128"),
    ("TITAN V", "pytorch", "2.11.0+cu128", "linux", Outcome.CANNOT, "pytorch#172352: gone from 2.11 on"),
    ("TITAN V", "pytorch", "2.11.0+cu126", "linux", Outcome.RUNS, "pytorch#172352: cu126 keeps it"),
    ("GTX 1060", "pytorch", "2.13.0+cu130", "windows", Outcome.CANNOT, "pytorch#172352: Turing and later"),
    ("RTX 5090", "pytorch", "2.13.0+cu130", "windows", Outcome.RUNS, "the flags of the wheel 2.14.1+cu130: sm_120"),
    ("GTX 660", "tensorflow-directml", "1.15.8", "windows", Outcome.RUNS, "the DirectX 12 build"),
    ("GTX 1060", "tensorflow-directml", "1.15.8", "linux", Outcome.CANNOT, "Windows and WSL only"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("card", "product", "release", "system", "outcome", "thread"),
    THREADS,
    ids=lambda value: value if isinstance(value, str) and len(value) < 25 else "",
)
def test_the_answer_is_what_people_saw(
    card: str, product: str, release: str, system: str, outcome: Outcome, thread: str
) -> None:
    found = answer(generation(f"NVIDIA GeForce {card}"), product, release, system)
    assert found.outcome is outcome, (found, thread)
    assert found.source.startswith("https://")


def generation(card: str) -> Generation:
    found = TABLE.generation_of(card)
    assert found is not None
    return found


def test_every_pair_of_the_table_has_an_answer_with_a_source() -> None:
    """GTX 7xx to RTX 50xx, TensorFlow 1.13 to 2.21 and PyTorch, on each system."""
    seen = set()
    for card, build, system in itertools.product(TABLE.generations, TABLE.builds, SYSTEMS):
        for release in build.versions:
            name = f"{release}.0" + (
                f"+cu{build.cuda.replace('.', '')}" if build.product == "pytorch" else ""
            )
            found = answer(card, build.product, name, system)
            assert found.source.startswith("https://") and found.reason, (card.name, build, system)
            seen.add(found.outcome)
    assert seen == set(Outcome)


def test_the_document_is_current() -> None:
    path = Path(__file__).parents[2] / "docs/fit.md"
    assert path.read_text(encoding="utf-8") == page(), "python -m dflwrap.diagnosis.tables.fit_page"


def test_the_table_reaches_from_1_13_to_2_21_without_a_gap() -> None:
    for release in (*(f"1.{n}" for n in range(13, 16)), *(f"2.{n}" for n in range(22))):
        assert TABLE.build("tensorflow", f"{release}.0") is not None, release
    for release in (*(f"1.{n}" for n in range(8, 14)), *(f"2.{n}" for n in range(15))):
        assert TABLE.build("pytorch", f"{release}.0") is not None, release


def test_no_build_holds_code_for_a_card_that_its_cuda_does_not_know() -> None:
    for build in TABLE.builds:
        for capability in (*build.sass, *build.ptx):
            card = TABLE.generation_for(capability)
            if card is not None:
                assert version(card.first_cuda) <= version(build.cuda), (build, capability)
                assert not card.last_cuda or version(build.cuda) <= version(card.last_cuda), (
                    build,
                    capability,
                )


def test_a_driver_that_is_too_old_is_told_with_both_figures() -> None:
    build = TABLE.build("tensorflow", "2.4.0")
    assert build is not None
    assert driver_answer("425.31", build, "windows") == (
        "The driver is 425.31; CUDA 11.0 needs 451.22 or newer."
    )
    assert driver_answer("390.77", build, "linux", generation("GTX 580")).endswith(
        "For this card, 391.35 was about the last."
    )
    assert driver_answer("536.40", build, "windows") == ""
    assert driver_answer("460.79", build, "wsl") == ""
    assert driver_answer("", build, "linux") == ""


def test_what_diagnose_explains_is_the_table_s_answer() -> None:
    text = (
        "tensorflow==2.16.2\n[0] : NVIDIA GeForce RTX 5080\nRunning on NVIDIA GeForce RTX 5080\n"
        "W tf_gpu_runtime_wrappers.cc:40] 'cuModuleLoadData(&module, data)' failed with 'CUDA_ERROR_INVALID_PTX'\n"
    )
    primary = diagnose_text([("x.log", text.encode())]).primary
    assert primary is not None and primary.id == "no-kernel-image"
    assert "TensorFlow 2.16.2 on NVIDIA GeForce RTX 5080 (Blackwell): cannot" in primary.explanation


def test_pytorch_and_wsl_are_told_too() -> None:
    text = (
        "torch==2.7.1+cu118\n[0] : NVIDIA GeForce RTX 5080\nRunning on NVIDIA GeForce RTX 5080\n"
        "RuntimeError: CUDA error: no kernel image is available for execution on the device\n"
    )
    primary = diagnose_text([("x.log", text.encode())]).primary
    assert primary is not None
    assert "PyTorch 2.7.1+cu118 on NVIDIA GeForce RTX 5080 (Blackwell): cannot" in primary.explanation
    text = (
        "tensorflow==2.15.0\n/usr/lib/wsl/lib/libcuda.so.1\nRunning on NVIDIA GeForce RTX 3060\n"
        "CUDA driver version is insufficient for CUDA runtime version\nDriver Version: 471.11\n"
    )
    primary = diagnose_text([("x.log", text.encode())]).primary
    assert primary is not None
    assert "needs a driver of at least 528.33; installed is 471.11" in primary.explanation, "that of Windows"


@pytest.mark.parametrize(
    ("folder", "card", "fits"),
    [
        ("DeepFaceLab_NVIDIA_up_to_RTX2080Ti", "RTX 3080", False),
        ("DeepFaceLab_NVIDIA_up_to_RTX2080Ti", "RTX 2080", True),
        ("DeepFaceLab_NVIDIA_RTX3000_series", "RTX 4090", True),
        ("DeepFaceLab_NVIDIA_RTX3000_series", "RTX 5090", False),
        ("DeepFaceLab_NVIDIA_RTX3000_series", "GTX 660", False),
    ],
)
def test_builds_of_deepfacelab_have_their_own_bounds(folder: str, card: str, fits: bool) -> None:
    build = TABLE.deepfacelab_build(folder)
    assert build is not None
    assert (dfl_answer(generation(f"GeForce {card}"), build) is None) is fits


# tensorflow.org/install/source#gpu (tensorflow/docs, site/en/install/source.md, 2026-03-11): Python, cuDNN, CUDA.
TESTED_BUILDS = """
2.21 3.10-3.13 9.3 12.5
2.20 3.9-3.13 9.3 12.5
2.19 3.9-3.12 9.3 12.5
2.18 3.9-3.12 9.3 12.5
2.17 3.9-3.12 8.9 12.3
2.16 3.9-3.12 8.9 12.3
2.15 3.9-3.11 8.9 12.2
2.14 3.9-3.11 8.7 11.8
2.13 3.8-3.11 8.6 11.8
2.12 3.8-3.11 8.6 11.8
2.11 3.7-3.10 8.1 11.2
2.10 3.7-3.10 8.1 11.2
2.9 3.7-3.10 8.1 11.2
2.8 3.7-3.10 8.1 11.2
2.7 3.7-3.9 8.1 11.2
2.6 3.6-3.9 8.1 11.2
2.5 3.6-3.9 8.1 11.2
2.4 3.6-3.8 8.0 11.0
2.3 3.5-3.8 7.6 10.1
2.2 3.5-3.8 7.6 10.1
2.1 3.5-3.7 7.6 10.1
2.0 3.3-3.7 7.4 10.0
1.15 3.3-3.7 7.4 10.0
1.14 3.3-3.7 7.4 10.0
1.13 3.3-3.7 7.4 10.0
1.12 3.3-3.6 7 9.0
1.5 3.3-3.6 7 9.0
1.4 3.3-3.6 6 8.0
1.3 3.3-3.6 6 8.0
"""


@pytest.mark.parametrize("row", TESTED_BUILDS.split("\n")[1:-1])
def test_each_release_is_as_the_maker_tested_it(row: str) -> None:
    release, python, cudnn, cuda = row.split()
    build = TABLE.build("tensorflow", f"{release}.0")
    assert build is not None
    assert ("-".join(build.python), build.cudnn, build.cuda) == (python, cudnn, cuda)


def test_the_last_branch_for_pascal_has_drivers_for_cuda_13() -> None:
    """R580 is their last, and CUDA 13 asks for no more: another reason must be given than the driver."""
    build = TABLE.build("pytorch", "2.13.0+cu130")
    assert build is not None
    said = driver_answer("572.16", build, "windows", generation("GTX 1060"))
    assert "needs 580 or newer" in said and "about the last" not in said
    said = driver_answer("572.16", build, "linux", generation("GTX 1060"))
    assert "needs 580.65.06 or newer" in said and "about the last" not in said
