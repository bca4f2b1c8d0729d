# ruff: noqa: E501 - the lines of real logs are long
"""An exception that no rule knows is the answer, and it is called unknown, with where to look."""

from __future__ import annotations

import pytest

from dflwrap.common.verdict import Health, Verdict
from dflwrap.diagnosis import diagnose_text
from dflwrap.diagnosis.next_steps import headline, next_steps, raised_at


def judge(text: str) -> Verdict:
    return diagnose_text([("dfl.log", text.encode())])


TRACE = """{head}Traceback (most recent call last):
  File "/opt/DeepFaceLab/core/joblib/SubprocessorBase.py", line 62, in _subprocess_run
    self.on_initialize(client_dict)
  File "/opt/venv/lib/python3.8/site-packages/fluxlib/capacity.py", line 31, in charge
    raise CapacityError(level)
fluxlib.CapacityError: level 9 is above the rim
"""
GENERAL = {
    "no device": "Exception: Unable to start Subprocessor 'Extractor'\n",
    "a worker vanished": " 40%|####      | 40/100 [02:03<02:03,  1.50it/s]GeForce GTX 1080 doesnt response, terminating it.\nImages found:        100\nFaces detected:      38\nDone.\n",
    "no subprocess": "Exception: Unable to start subprocesses.\n",
    "a crash afterwards": "Segmentation fault (core dumped)\n",
    "nothing done at all": "  0%|          | 0/300 [02:03<?, ?it/s]GeForce RTX 3070 doesnt response, terminating it.\n",
    "a broken pipe": '  File "multiprocessing\\reduction.py", line 60, in dump\nBrokenPipeError: [Errno 32] Broken pipe\n',
    "a status": "Process finished with exit code -1073740791 (0xC0000409)\n",
}


@pytest.mark.parametrize("beside", GENERAL)
def test_a_general_sign_does_not_explain_a_named_exception(beside: str) -> None:
    verdict = judge(
        "Extracting faces...\n"
        + TRACE.format(head="Error while subprocess initialization: ")
        + GENERAL[beside]
    )
    assert (verdict.health, verdict.primary) == (Health.UNKNOWN, None)
    error = verdict.facts["unknown_error"]
    assert headline(error) == "fluxlib.CapacityError in fluxlib: level 9 is above the rim"
    assert raised_at(error) == "capacity.py, line 31, in charge (dfl.log:7)"
    steps = next_steps(verdict)
    assert "pip show fluxlib" in " ".join(steps)
    assert "--share" in steps[-1]


def test_the_first_exception_of_a_chain_is_the_one_to_look_at() -> None:
    text = (
        TRACE.format(head="Process Process-1:\n")
        + "\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n"
        + '  File "/opt/DeepFaceLab/core/leras/device.py", line 101, in _get_tf_devices_proc\nRuntimeError: the device list is empty\n'
    )
    assert judge(text).facts["unknown_error"]["type"] == "fluxlib.CapacityError"


@pytest.mark.parametrize(
    ("file", "module"),
    [
        (r"D:\DFL\_internal\python-3.6.8\lib\site-packages\fluxlib\a.py", "fluxlib"),
        ("/usr/lib/python3/dist-packages/fluxlib/a.py", "fluxlib"),
        (r"D:\DFL\_internal\python-3.6.8\lib\asyncio\events.py", "Python itself"),
        (r"D:\DFL\_internal\DeepFaceLab\mainscripts\Extractor.py", "DeepFaceLab"),
        ("/home/u/script.py", None),
    ],
)
def test_the_module_is_told_from_the_innermost_frame(file: str, module: str | None) -> None:
    text = f'Extracting faces...\nTraceback (most recent call last):\n  File "{file}", line 3, in f\nCapacityError: rim\n'
    assert judge(text).facts["unknown_error"]["module"] == module


def test_a_traceback_whose_head_was_cut_off_is_read_too() -> None:
    text = TRACE.format(head="").split("\n", 2)[2] + "Exception: Unable to start subprocesses.\n"
    assert judge(text).facts["unknown_error"]["module"] == "fluxlib"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "F tensorflow/core/flux.cc:61] Rim of the capacitor was left: 9 vs. 3\nGeForce GTX 1080 doesnt response, terminating it.\n",
            "Rim of the capacitor",
        ),
        (
            "terminate called after throwing an instance of 'flux::Overflow'\n  what():  the rim was left\nAborted (core dumped)\n",
            "the rim was left",
        ),
        ("fluxlib.CapacityError: level 9 is above the rim\n", "level 9"),
    ],
)
def test_the_last_words_of_native_code_are_an_unknown_error_not_a_crash_without_one(
    text: str, told: str
) -> None:
    verdict = judge("Extracting faces...\nRunning on GeForce GTX 1080\n" + text)
    assert (verdict.health, verdict.primary) == (Health.UNKNOWN, None)
    assert told in verdict.facts["unknown_error"]["message"]


def test_an_exception_of_a_foreign_package_is_not_a_mixed_deepfacelab() -> None:
    foreign = TRACE.format(head="").replace(
        "fluxlib.CapacityError: level 9 is above the rim",
        "TypeError: charge() got an unexpected keyword argument 'rim'",
    )
    fitting = judge(foreign).primary
    assert fitting is not None
    assert fitting.id == "package-mismatch"
    own = foreign.replace("/opt/venv/lib/python3.8/site-packages/fluxlib", "/opt/DeepFaceLab/facelib")
    primary = judge(own).primary
    assert primary is not None
    assert primary.id == "mixed-source-tree"


def test_what_python_says_while_it_ends_is_no_unknown_error() -> None:
    text = "Exception ignored in: <function Pool.__del__ at 0x7f>\nTraceback (most recent call last):\n  File \"/usr/lib/python3.8/multiprocessing/pool.py\", line 268, in __del__\nTypeError: 'NoneType' object is not callable\n"
    assert "unknown_error" not in judge(text).facts


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello\n",
        "Extracting faces...\nRunning on CPU0\n 10%|#         | 10/100 [00:10<01:30,  1.00it/s]\n",
        "Running trainer.\n",
    ],
)
def test_an_unknown_answer_always_says_what_to_do_next(text: str) -> None:
    verdict = judge(text)
    assert verdict.health is Health.UNKNOWN
    assert next_steps(verdict)


def test_consequences_stand_under_their_root_and_only_what_is_independent_beside_it() -> None:
    verdict = judge(
        "Extracting faces...\nE tensorflow/stream_executor/cuda/cuda_driver.cc:1] CUDA driver version is insufficient for CUDA runtime version\n"
        "E tensorflow/stream_executor/cuda/cuda_blas.cc:238] failed to create cublas handle: CUBLAS_STATUS_NOT_INITIALIZED\n"
        "/!\\ Failed to open C:\\ws\\data_src\\00042.png, reason: cv2_imread() fail.\nException: Unable to start subprocesses.\n"
    )
    assert verdict.primary is not None
    assert verdict.primary.id == "driver-too-old"
    assert set(verdict.primary.symptoms) == {"cublas-alloc-failed", "unable-to-start-subprocesses"}
    assert any(
        text.startswith("cuBLAS could not start") and text.endswith("(dfl.log:3)")
        for text in verdict.primary.consequences
    )
    assert [cause.id for cause in verdict.causes] == ["driver-too-old", "imread-failed"]
