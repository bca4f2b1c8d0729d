"""Each row of the cause table: a scripted failure leads to exactly these rungs, in this order."""

from __future__ import annotations

from pathlib import Path

import pytest
from ladder_walk import WIDE, failure, start

from dflwrap.common.plan import Plan
from dflwrap.common.rungs import Rung
from dflwrap.diagnosis.catalogue import load_catalogue
from dflwrap.diagnosis.rule import Role
from dflwrap.planning.decision import Stop
from dflwrap.planning.ladder import BY_CATEGORY, BY_CAUSE, FRAME_FIRST, POISON, ladder_for
from dflwrap.planning.types import OnGpuFailure

VRAM_REST = "smaller_input weights_on_cpu"

# cause, category, GPUs present, --on-gpu-failure, the rungs in order. 4 workers on GPU 0 at the start.
ROWS = [
    ("gpu-oom-tensor", "gpu-memory", 2, "cpu",
     f"wait_for_vram half_workers one_worker {VRAM_REST} other_device cpu user"),
    ("cudnn-handle-oom", "gpu-memory", 1, "cpu",
     f"wait_for_vram half_workers one_worker {VRAM_REST} cpu user"),
    ("cublas-alloc-failed", "gpu-memory", 1, "stop",
     f"wait_for_vram half_workers one_worker {VRAM_REST} user"),
    ("gpu-oom-tensor", "gpu-memory", 1, "builtin",
     f"wait_for_vram half_workers one_worker {VRAM_REST} builtin_extractor user"),
    ("gpu-oom-too-many-workers", "gpu-memory", 1, "cpu",
     f"half_workers one_worker wait_for_vram {VRAM_REST} cpu user"),
    ("gpu-busy", "gpu-driver", 2, "cpu", "fresh_process other_device cpu user"),
    ("no-algorithm-worked", "gpu-memory", 1, "cpu",
     f"wait_for_vram fresh_process half_workers one_worker {VRAM_REST} cpu user"),
    ("tf-hang-after-oom", "hang", 1, "cpu",
     f"wait_for_vram half_workers one_worker {VRAM_REST} cpu user"),
    ("weights-not-loaded", "model-files", 1, "cpu", "wait_for_vram fresh_process user"),
    ("host-memoryerror", "host-memory", 1, "cpu",
     "half_workers one_worker smaller_batch smaller_input user"),
    ("linux-oom-killer", "host-memory", 1, "cpu",
     "half_workers one_worker smaller_batch smaller_input user"),
    ("shm-semaphore-exhausted", "host-memory", 1, "cpu", "user"),
    ("spawn-child-died", "worker-crash", 1, "cpu", "half_workers one_worker same_again user"),
    ("tdr-launch-failed", "gpu-driver", 2, "cpu", "fresh_process exclude_device cpu user"),
    ("gpu-memcpy-failed", "gpu-driver", 1, "cpu", "fresh_process cpu user"),
    ("cuinit-unknown", "gpu-driver", 1, "stop", "fresh_process user"),
    ("driver-too-old", "gpu-driver", 1, "cpu", "cpu user"),
    ("driver-library-mismatch", "gpu-driver", 1, "stop", "user"),
    ("xid-79-off-bus", "hardware", 2, "cpu", "exclude_device cpu user"),
    ("ecc-error", "hardware", 1, "cpu", "cpu user"),
    ("thermal", "hardware", 2, "cpu", "one_worker exclude_device cpu user"),
    ("cuda-dso-missing-silent-cpu", "cuda-library", 1, "cpu", "cpu user"),
    ("no-kernel-image", "cuda-library", 2, "cpu", "exclude_device cpu user"),
    ("wrong-build-new-gpu", "cuda-library", 1, "builtin", "builtin_extractor user"),
    ("ptx-jit-first-run", "hang", 1, "cpu", "patience patience cpu user"),
    ("jit-exceeds-120s", "hang", 1, "stop", "patience patience user"),
    ("slow-device-timeout", "hang", 1, "cpu", "patience one_worker cpu user"),
    ("device-enum-child-died", "hang", 1, "cpu", "fresh_process cpu user"),
    ("init-death-hang", "hang", 1, "cpu", "fresh_process one_worker cpu user"),
    ("np-int-removed", "python-env", 1, "cpu", "user"),
    ("module-not-found", "python-env", 1, "builtin", "builtin_extractor user"),
    ("protobuf-descriptors", "python-env", 1, "cpu", "same_again user"),
    ("no-avx", "tf-version", 1, "builtin", "user"),
    ("tf-api-mismatch", "tf-version", 1, "cpu", "user"),
    ("model-file-missing", "model-files", 1, "cpu", "user"),
    ("model-file-corrupt", "model-files", 1, "builtin", "builtin_extractor user"),
    ("output-not-writable", "antivirus/permission", 1, "cpu", "user"),
    ("disk-full", "output-io", 1, "cpu", "user"),
    ("file-in-use", "output-io", 1, "cpu", "same_again same_again user"),
    ("images-found-0", "input-layout", 1, "cpu", "user"),
    ("prompt-waiting", "prompt/interaction", 1, "cpu", "same_again user"),
    ("worker-native-crash", "worker-crash", 2, "cpu",
     "fresh_process one_worker exclude_device bisect_batch cpu user"),
    ("unable-to-start-subprocesses", "worker-crash", 1, "cpu", "same_again cpu user"),
    ("truncated-log", "unknown", 1, "cpu", "same_again one_worker bisect_batch user"),
]  # fmt: skip


@pytest.mark.parametrize(("cause", "category", "gpus", "on_failure", "rungs"), ROWS)
def test_a_failure_that_never_goes_away_walks_its_row(
    cause: str, category: str, gpus: int, on_failure: str, rungs: str
) -> None:
    walk = start(gpus=gpus, on_gpu_failure=OnGpuFailure(on_failure), builtin_available=True)
    taken = walk.fail_until_stop(failure(cause, category))
    assert " ".join(taken) == rungs
    for number, sentence in enumerate(walk.sentences, 1):
        assert sentence.startswith(f"attempt {number}: ")
        assert "(stderr.log:214)" in sentence
    last = walk.decisions[-1]
    assert isinstance(last, Stop)
    assert last.cause == cause and last.steps == ("Do this.", "Then that.")


def test_no_attempt_runs_the_same_plan_for_ever() -> None:
    """Whatever the cause, each row ends after few attempts without a frame."""
    for cause, category in [(c, "unknown") for c in BY_CAUSE] + [("made-up", c) for c in BY_CATEGORY]:
        taken = start(gpus=3).fail_until_stop(failure(cause, category), most=12)
        assert taken[-1] == "user", cause


def test_rows_end_with_the_user_or_with_the_frame_put_aside() -> None:
    for name, row in {**BY_CAUSE, **BY_CATEGORY}.items():
        assert row[-1] in (Rung.USER, Rung.QUARANTINE_FRAME), name


def test_a_rule_of_no_known_category_brings_its_own_rungs() -> None:
    remedies = ("one_worker", "no such rung", "user")
    assert ladder_for("new-rule", "new category", remedies) == (Rung.ONE_WORKER, Rung.USER)
    assert ladder_for("new-rule", "new category") == BY_CATEGORY["unknown"]


def test_a_rung_that_the_extractor_does_not_honour_is_skipped() -> None:
    walk = start(honours=frozenset({"workers", "devices"}))
    taken = walk.fail_until_stop(failure("gpu-oom-tensor", "gpu-memory"))
    assert "smaller_input" not in taken and "weights_on_cpu" not in taken


def test_rungs_that_cannot_change_anything_are_skipped() -> None:
    walk = start(Plan(devices=(), workers=1))
    assert walk.fail_until_stop(failure("gpu-oom-tensor", "gpu-memory")) == ["smaller_input", "user"]
    assert WIDE.workers == 4


def test_the_table_in_the_docs_is_the_table_in_the_code() -> None:
    text = (Path(__file__).parents[2] / "docs" / "planning.md").read_text(encoding="utf-8")
    for name, row in {**BY_CAUSE, **BY_CATEGORY}.items():
        assert f"| {name} | " + " → ".join(f"`{rung.value}`" for rung in row) + " |" in text


def test_no_rule_promises_a_remedy_that_its_row_does_not_hold() -> None:
    wrong = {}
    for rule in load_catalogue().rules:
        if rule.role in (Role.ROOT, Role.SYMPTOM):
            row = {rung.value for rung in ladder_for(rule.id, rule.category, rule.remedies)}
            frames_own = {rung.value for rung in POISON} if rule.id in FRAME_FIRST else set()
            if beyond := set(rule.remedies) - row - frames_own:
                wrong[rule.id] = beyond
    assert not wrong
