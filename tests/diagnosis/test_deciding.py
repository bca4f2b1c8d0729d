# ruff: noqa: E501 - the lines of real logs are long
"""Root or symptom: the traps that the same words set."""

from __future__ import annotations

import pytest

from dflwrap.common.verdict import Health, Verdict
from dflwrap.diagnosis import Facts, diagnose_streams, diagnose_text


def judge(text: str, facts: Facts | None = None) -> Verdict:
    return diagnose_text([("dfl.log", text.encode())], facts)


def named(text: str) -> str | None:
    verdict = judge(text)
    return verdict.primary.id if verdict.primary else None


TRAPS = {
    "convolution algorithm, nothing else": ("UnknownError: Failed to get convolution algorithm. This is probably because cuDNN", "cudnn-handle-oom"),
    "convolution algorithm, version line": (
        "Loaded runtime CuDNN library: 7.1.4 but source was compiled with: 7.6.0.\nUnknownError: Failed to get convolution algorithm.",
        "cudnn-version-mismatch",
    ),
    "convolution algorithm, damaged unpacking": (
        "Unexpected end of archive\nUnknownError: Failed to get convolution algorithm.",
        "corrupt-archive",
    ),
    "end of file while a model is loaded": (
        '  File "core/leras/layers/Saveable.py", line 70, in load_weights\n    d = pickle.loads(x)\nEOFError: Ran out of input',
        "model-file-corrupt",
    ),
    "end of file of a dead child": (
        '  File "multiprocessing\\spawn.py", line 115, in _main\n    self = reduction.pickle.load(from_parent)\nEOFError: Ran out of input',
        "spawn-child-died",
    ),
    "end of file at a question": ("Press enter to continue.\nEOFError: EOF when reading a line", "eof-on-input"),
    "set_face_type alone": ("AttributeError: 'NoneType' object has no attribute 'set_face_type'", "output-not-writable"),
    "set_face_type after a lost mount": (
        "OSError: [Errno 107] Transport endpoint is not connected\nAttributeError: 'NoneType' object has no attribute 'set_face_type'",
        "cloud-sync-folder",
    ),
    "set_face_type after too long a path": (
        "OSError: [Errno 36] File name too long: 'x'\nAttributeError: 'NoneType' object has no attribute 'set_face_type'",
        "path-too-long",
    ),
    "set_face_type on a full disk": (
        "OSError: [Errno 28] No space left on device\n\nDuring handling of the above exception, another exception occurred:\n\n"
        "Exception: cannot save /ws/1_0.jpg\nAttributeError: 'NoneType' object has no attribute 'set_face_type'",
        "disk-full",
    ),
    "no space for a semaphore": (
        '  File "/usr/lib/python3.6/multiprocessing/synchronize.py", line 59, in __init__\nOSError: [Errno 28] No space left on device',
        "shm-semaphore-exhausted",
    ),
    "implicit initialization, memory": ("InternalError: CUDA runtime implicit initialization on GPU:0 failed. Status: out of memory", "gpu-oom-tensor"),
    "implicit initialization, kernel": (
        "InternalError: CUDA runtime implicit initialization on GPU:0 failed. Status: device kernel image is invalid",
        "no-kernel-image",
    ),
    "implicit initialization, busy": (
        "InternalError: CUDA runtime implicit initialization on GPU:0 failed. Status: all CUDA-capable devices are busy or unavailable",
        "gpu-busy",
    ),
    "memory of the computer, not of the card": (
        "ResourceExhaustedError: OOM when allocating tensor with shape[64,642,362] and type float on /job:localhost/replica:0/task:0/device:CPU:0 by allocator cpu",
        "host-memoryerror",
    ),
    "allocation noise beside a reset card": (
        "E cuda_driver.cc:806] failed to allocate 1.00G (1073741824 bytes) from device: CUDA_ERROR_OUT_OF_MEMORY: out of memory\n"
        "E cuda_event.cc:29] Error polling for event status: failed to query event: CUDA_ERROR_LAUNCH_FAILED: unspecified launch failure",
        "tdr-launch-failed",
    ),
    "a native line outranks the outer text": (
        "F tensorflow/core/common_runtime/gpu/gpu_util.cc:293] GPU->CPU Memcpy failed\nGeForce doesnt response, terminating it.\n"
        "Faces detected:      0\nDone.",
        "gpu-memcpy-failed",
    ),
    "the first of two roots": (
        "OSError: [Errno 28] No space left on device: '/ws/1.jpg'\nAttributeError: module 'numpy' has no attribute 'int'",
        "disk-full",
    ),
    "a bad frame before the fatal end": (
        "/!\\ Failed to open /ws/7.png, reason: cv2_imread() fail.\n"
        "ResourceExhaustedError: OOM when allocating tensor with shape[1] and type float on device:GPU:0 by allocator GPU_0_bfc",
        "gpu-oom-tensor",
    ),
}  # fmt: skip


@pytest.mark.parametrize("trap", TRAPS)
def test_trap(trap: str) -> None:
    text, cause = TRAPS[trap]
    assert named(text) == cause


def test_symptoms_are_told_as_symptoms() -> None:
    verdict = judge("Exception: Unable to load S3FD.npy\nException: Unable to start subprocesses.\n")
    assert verdict.primary is not None
    assert verdict.primary.id == "model-file-missing"
    assert "unable-to-start-subprocesses" in verdict.primary.symptoms


def test_an_incomplete_run_says_how_many_frames_are_unaccounted_for() -> None:
    verdict = judge(
        "Running on GeForce GTX 1050 Ti\n 55%|#####     | 480/879 [06:45<05:36,  1.18it/s]\n"
        "GeForce GTX 1050 Ti doesnt response, terminating it.\nImages found:        879\nFaces detected:      480\nDone.\n"
    )
    assert verdict.primary is not None
    assert verdict.primary.id == "worker-native-crash"
    assert verdict.facts["frames_unaccounted"] == 399
    assert "399 of 879" in verdict.primary.explanation


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "hello world\n",
        "Error while processing data: Traceback (most recent call last):\nquantum.FluxError: warp\nImages found: 5\nFaces detected: 0\nDone.\n",
        "Running on CPU0\n 40%|####      | 40/100 [02:03<02:03,  1.50it/s]",
        'Traceback (most recent call last):\n  File "main.py", line 3\nflux.CoreBreach: containment lost\n',
    ],
)
def test_what_is_not_known_is_called_unknown(text: str) -> None:
    verdict = judge(text)
    assert verdict.health is Health.UNKNOWN
    assert verdict.primary is None


def test_an_unknown_exception_is_shown_as_what_is_known() -> None:
    verdict = judge(
        'Traceback (most recent call last):\n  File "main.py", line 3\nflux.CoreError: containment lost\n'
    )
    assert verdict.facts["unexplained"] == ["dfl.log:3: flux.CoreError: containment lost"]


def test_a_symptom_without_its_cause_is_unknown_but_named() -> None:
    verdict = judge("Exception: Unable to start subprocesses.\n")
    assert verdict.health is Health.UNKNOWN
    assert verdict.primary is not None
    assert verdict.primary.id == "unable-to-start-subprocesses"


@pytest.mark.parametrize(
    ("facts", "cause"),
    [
        (Facts(exit_status=-9, platform="linux"), "linux-oom-killer"),
        (Facts(exit_status=137, platform="linux"), "linux-oom-killer"),
        (Facts(exit_status=-11, platform="linux"), "worker-native-crash"),
        (Facts(exit_status=-4, platform="linux"), "no-avx"),
        (Facts(exit_status=-7, platform="linux"), "shm-semaphore-exhausted"),
        (Facts(exit_status=0xC0000005, platform="win32"), "exit-code-005-import"),
        (Facts(exit_status=-1073741819, platform="win32"), "exit-code-005-import"),
        (Facts(exit_status=-1073740791, platform="win32"), "exit-code-409-no-text"),
        (Facts(exit_status=3221225501, platform="win32"), "no-avx"),
        (Facts(exit_status=0xC000013A, platform="win32"), "ctrl-c"),
        (Facts(exit_status=0xC0000135, platform="win32"), "tf-dll-missing"),
        (Facts(worker_statuses=(-9,), platform="linux"), "linux-oom-killer"),
    ],
)
def test_an_exit_status_alone_is_evidence(facts: Facts, cause: str) -> None:
    verdict = judge("", facts)
    assert verdict.primary is not None
    assert verdict.primary.id == cause


def test_an_access_violation_after_the_first_frames_is_no_import_fault() -> None:
    text = "Running on GeForce GTX 1080\n 50%|#####     | 50/100 [02:03<02:03,  1.00it/s]\n"
    verdict = judge(text, Facts(exit_status=0xC0000005, platform="win32"))
    assert verdict.primary is not None
    assert verdict.primary.id == "worker-native-crash"


def test_the_callers_own_kill_is_no_evidence() -> None:
    assert judge("", Facts(exit_status=-9, ended_by_us=True)).primary is None


def test_a_text_outranks_an_exit_status() -> None:
    verdict = judge("OSError: [Errno 28] No space left on device: '/x'\n", Facts(exit_status=-9))
    assert verdict.primary is not None
    assert verdict.primary.id == "disk-full"


def test_two_runs_in_one_log_are_judged_each() -> None:
    failed = "Extracting faces...\nRunning on GeForce GTX 1650\nResourceExhaustedError: OOM when allocating tensor with shape[1] on device:GPU:0 by allocator GPU_0_bfc\nDone.\n"
    good = "Extracting faces...\nRunning on CPU0\n100%|##########| 4/4 [00:10<00:00,  2.50s/it]\nImages found:        4\nFaces detected:      4\nDone.\n"
    diagnosis = diagnose_streams([("x", [(failed + good).encode()])])
    assert [verdict.health for verdict in diagnosis.runs] == [Health.FAILURE, Health.HEALTHY]
    assert diagnosis.verdict.health is Health.HEALTHY
    turned = diagnose_streams([("x", [(good + failed).encode()])])
    assert turned.verdict.primary is not None
    assert turned.verdict.primary.id == "gpu-oom-tensor"


def test_stdout_and_stderr_apart_say_the_same_as_together() -> None:
    verdict = diagnose_text(
        [
            ("stdout.log", b"Extracting faces...\nRunning on GeForce GTX 1080\nImages found:        100\nFaces detected:      38\nDone.\n"),
            ("stderr.log", b"\r 40%|####      | 40/100 [02:03<02:03,  1.50it/s]F tensorflow/core/common_runtime/gpu/gpu_util.cc:293] GPU->CPU Memcpy failed\n"),
        ]
    )  # fmt: skip
    assert verdict.primary is not None
    assert verdict.primary.id == "gpu-memcpy-failed"
    assert verdict.primary.evidence[0].source == "stderr.log"


def test_to_a_supervisor_that_counts_itself_few_faces_are_no_cause() -> None:
    text = "100%|##########| 200/200 [01:00<00:00,  3.00it/s]\nImages found:        200\nFaces detected:      3\nDone.\n"
    told = judge(text)
    assert told.primary is not None
    assert told.primary.id == "few-faces-hard-shots"
    assert judge(text, Facts(images_given=200)).primary is None


def _weave(*texts: str) -> str:
    """Letters of several outputs in turn, as two or three workers write at once."""
    longest = max(map(len, texts))
    return "".join(text[i] for i in range(longest) for text in texts if i < len(text))


@pytest.mark.parametrize("workers", [2, 3])
def test_messages_of_several_workers_woven_into_each_other_are_read_out(workers: int) -> None:
    message = "E tensorflow/stream_executor/cuda/cuda_driver.cc:806] failed to allocate 2.20G (2362232064 bytes) from device: CUDA_ERROR_OUT_OF_MEMORY: out of memory"
    shifted = [" " * 3 * n + message for n in range(workers)]
    text = f"Running on GeForce GTX 1080 #0.\nRunning on GeForce GTX 1080 #1.\n{_weave(*shifted)}\nGeForce GTX 1080 #1 doesnt response, terminating it.\n"
    assert named(text) == "gpu-oom-too-many-workers"


def test_a_real_fragment_of_two_outputs_at_once() -> None:
    text = (
        "22019019--0022--08 15:40:19.4540818:8 1 E 5:40tensor:flow/s19.tre453015: F tensoram_executoflow/stream_executor/cuda/cuda_rd/cuda/cnuda_timn.ecr.cc:6c0:21] "
        "Int1ernal: erro] Checr deks failedt: stroyiatus n== g CCUUDA DNeN_STvenATt inUS_SUCCESS (7 vs cont.ext 00 0)F0001AFa9ileAd to D35set3C0: cuDNN st rCeUamD.\n"
        "A_ERROR_LAUNCH_FAILED: unspecified launch failure\n"
    )
    assert named(text) == "tdr-launch-failed"


def test_ordinary_text_is_not_taken_for_woven_messages() -> None:
    prose = "The quick brown fox jumps over the lazy dog while a CUDA kernel of the tensor library is compiled for this device, and none of it failed to do so. "
    assert judge((prose * 8 + "\n") * 40).causes == ()


def test_a_lost_worker_without_any_bar_still_tells_how_many_frames_may_be_missing() -> None:
    verdict = judge(
        "Running on GeForce GTX 1050 Ti\nGeForce GTX 1050 Ti doesnt response, terminating it.\n"
        "Images found:        879\nFaces detected:      480\nDone.\n"
    )
    assert verdict.primary is not None
    assert verdict.primary.id == "worker-native-crash"
    assert verdict.facts["frames_unaccounted"] == 399
    assert "up to 399 of 879" in verdict.primary.explanation
