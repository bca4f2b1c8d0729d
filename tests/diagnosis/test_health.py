# ruff: noqa: E501 - the lines of real logs are long
"""What counts as healthy, and what is no evidence in a run that is complete."""

from __future__ import annotations

import pytest

from dflwrap.cli.diagnosing import DiagnoseExit, exit_code
from dflwrap.cli.words.wording import page
from dflwrap.common.verdict import Confidence, Health, Verdict
from dflwrap.diagnosis import Facts, diagnose_streams, diagnose_text

BAR = "100%|##########| 60/60 [00:31<00:00,  1.93it/s]\n"
SUMMARY = "-------------------------\nImages found:        60\nFaces detected:      60\n-------------------------\nDone.\n"
START = "Extracting faces...\nRunning on NVIDIA GeForce RTX 2070\n"
COMPLETE = START + BAR + SUMMARY


def judge(text: str, facts: Facts | None = None) -> Verdict:
    return diagnose_text([("dfl.log", text.encode())], facts)


def test_a_summary_without_faces_is_a_finding_whatever_else_is_missing() -> None:
    verdict = judge("Images found:        655\nFaces detected:      0\nDone.\n")
    assert verdict.health is Health.FAILURE
    assert verdict.primary is not None
    assert verdict.primary.id == "few-faces-hard-shots"
    assert verdict.primary.confidence is Confidence.POSSIBLE


def test_a_whole_run_is_healthy_with_and_without_a_bar() -> None:
    assert judge(COMPLETE).health is Health.HEALTHY
    assert judge(START + SUMMARY).health is Health.HEALTHY, "standard output alone has no bars"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (BAR, "a bar alone may be of any step"),
        (START + BAR, "no summary: the log may be cut"),
        (SUMMARY, "without its start an error may be cut off"),
        (START + BAR.replace("60/60", "41/60") + SUMMARY, "the bar stands at 41 of 60"),
        (START + BAR.replace("60/60", "30/30") + SUMMARY, "half the images were never handed out"),
        ("Some words about faces.\n", "nothing of an extraction"),
    ],
)
def test_what_does_not_show_a_whole_extraction_is_not_healthy(text: str, why: str) -> None:
    assert judge(text).health is Health.UNKNOWN, why


TRAINING = (
    "Running trainer.\nLoading samples: 100%|##########| 143/143 [00:05<00:00, 248.22it/s]\n"
    "================ Model Summary =================\nStarting. Press \"Enter\" to stop training and save model.\n"
    "[11:20:14][#000001][9421ms][1.7011][1.5402]\n"
)  # fmt: skip
OTHER_STEPS = {
    "training": TRAINING,
    "merging": "Running merger.\nCollecting alignments: 100%|####| 60/60 [00:00<00:00, 900.1it/s]\nMerging: 100%|######| 60/60 [01:00<00:00,  1.00it/s]\nDone.\n",
    "XSeg masking": "Applying trained XSeg model to aligned/ folder.\n100%|##########| 60/60 [00:31<00:00,  1.93it/s]\nDone.\n",
    "sorting faces": "Running sort tool.\nSorting by blur...\nLoading: 100%|####| 60/60 [00:00<00:00, 900.1it/s]\nRenaming: 100%|###| 60/60 [00:00<00:00, 900.1it/s]\nDone.\n",
}


@pytest.mark.parametrize("step", OTHER_STEPS)
def test_the_log_of_another_step_is_said_to_be_that(step: str) -> None:
    verdict = judge(OTHER_STEPS[step])
    assert (verdict.health, verdict.primary) == (Health.UNKNOWN, None)
    assert verdict.facts["step"] == step


def test_an_extraction_followed_by_training_is_judged_as_the_extraction() -> None:
    diagnosis = diagnose_streams([("all.log", [(COMPLETE + TRAINING).encode()])])
    assert diagnosis.verdict.health is Health.HEALTHY
    assert [verdict.facts["step"] for verdict in diagnosis.runs] == ["extraction", "training"]
    turned = diagnose_streams([("all.log", [(TRAINING + COMPLETE).encode()])])
    assert turned.verdict.health is Health.HEALTHY


ALARMING = {
    "sleep before the start": ("Oct 3 08:01:12 box kernel: PM: suspend exit\n", ""),
    "Xid 31 of a browser": ("", "Oct 03 08:31:12 box kernel: NVRM: Xid (PCI:0000:01:00): 31, pid=2211, name=firefox, Ch 00000008, intr 00000000. MMU Fault\n"),
    "a folder with a bad name": ("python main.py extract --input-dir '/data/No space left on device/src' --output-dir /o\n", ""),
    "a sentence about an earlier error": ("(last night this ended with OSError: [Errno 28] No space left on device)\n", ""),
    "the browser was killed": ("", "kernel: Out of memory: Killed process 4242 (chrome) total-vm:9200000kB\n"),
    "a message of the last run": ("ResourceExhaustedError: OOM when allocating tensor with shape[1] on device:GPU:0\n", ""),
}  # fmt: skip


@pytest.mark.parametrize("case", ALARMING)
def test_in_a_complete_run_strong_words_are_no_cause(case: str) -> None:
    before, after = ALARMING[case]
    verdict = judge(before + START + BAR + after + SUMMARY)
    assert (verdict.health, verdict.causes) == (Health.HEALTHY, ())


def test_what_costs_single_frames_is_still_named_in_a_complete_run_and_never_certain() -> None:
    verdict = judge(
        START
        + "/!\\ Failed to open C:\\ws\\data_src\\00042.png, reason: cv2_imread() fail.\n"
        + BAR
        + SUMMARY
    )
    assert verdict.primary is not None
    assert verdict.primary.id == "imread-failed"
    assert verdict.primary.confidence is not Confidence.CERTAIN


@pytest.mark.parametrize(
    "line",
    [
        "/!\\ Failed to look at /data/No space left on device/src/1.png",
        "D:\\Killed\\paging file is too small>dir",
        "(dfl) C:\\ws> echo WinError 1455",
        "$ grep 'CUDA out of memory.' old.log",
        "[wf] Face type ( f/wf/head ?:help ) : WinError 1455",
        "# Illegal instruction, says the manual",
        "marie@box:~/dfl$ echo Segmentation fault",
        "kernel: NVRM: Xid (PCI:0000:01:00): 13, pid=88, name=Xorg, Graphics Exception",
        "kernel: firefox[211]: segfault at 0 ip 00007f1 sp 00007ff error 4 in libxul.so",
        "kernel: Out of memory: Killed process 91 (mysqld) total-vm:1kB",
    ],
)
def test_commands_answers_names_of_folders_and_other_programs_are_no_evidence(line: str) -> None:
    assert (
        judge(f"Extracting faces...\n{line}\n 10%|#         | 6/60 [00:10<01:30,  1.00it/s]\n").primary
        is None
    )


def test_the_kernels_line_about_the_extractors_own_process_counts() -> None:
    verdict = judge(
        START
        + "kernel: NVRM: Xid (PCI:0000:01:00): 13, pid=88, name=python3.7, Graphics Exception\n 10%|#         | 6/60 [00:10<01:30,  1.00it/s]\n"
    )
    assert verdict.primary is not None
    assert verdict.primary.id == "gpu-memcpy-failed"


def test_a_supervisor_that_counts_itself_is_not_told_that_all_is_well() -> None:
    text = START + "OSError: [Errno 28] No space left on device: '/o/1_0.jpg'\n" + BAR + SUMMARY
    verdict = judge(text, Facts(images_given=60))
    assert verdict.primary is not None
    assert verdict.primary.id == "disk-full"


OUT_OF_MEMORY = "tensorflow.python.framework.errors_impl.ResourceExhaustedError: OOM when allocating tensor\n"


def test_a_failed_training_is_no_finding_about_an_extraction() -> None:
    """What stands in it is listed; the explanation and the steps of an extraction's failure are none for it."""
    diagnosis = diagnose_streams([("train.log", [(TRAINING + OUT_OF_MEMORY).encode()])])
    verdict = diagnosis.verdict
    assert verdict.facts["step"] == "training"
    assert (verdict.health, verdict.primary) == (Health.UNKNOWN, None)
    assert [cause.id for cause in verdict.causes] == ["gpu-oom-tensor"]
    assert exit_code([verdict]) == DiagnoseExit.UNKNOWN
    shown = page("train.log", diagnosis, str)
    assert "This is the log of training" in shown and "The graphics card ran out of memory" in shown
    assert "face detector" not in shown and "dflwrap extract does" not in shown


def test_what_is_wrong_with_the_machine_is_named_whichever_step_met_it() -> None:
    verdict = judge(TRAINING + "ModuleNotFoundError: No module named 'cv2'\n")
    assert verdict.primary is not None and verdict.primary.id == "module-not-found"
    assert exit_code([verdict]) == DiagnoseExit.UNKNOWN


def test_the_same_words_in_an_extraction_are_a_finding() -> None:
    verdict = judge(START + OUT_OF_MEMORY)
    assert verdict.primary is not None and verdict.primary.id == "gpu-oom-tensor"
