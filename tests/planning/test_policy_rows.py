"""Each row of the cause table: a scripted failure leads to exactly these rungs, in this order."""

from __future__ import annotations

import pytest
from ladder_walk import NOTHING_KNOWN, WIDE, Walk, failure, start

from dflwrap.common.choices import OnGpuFailure
from dflwrap.common.plan import Plan
from dflwrap.common.rungs import Rung
from dflwrap.diagnosis.rulebook.catalogue import load_catalogue
from dflwrap.diagnosis.rulebook.rule import Role
from dflwrap.planning.decision import Stop, rungs_of
from dflwrap.planning.ladder import BY_CATEGORY, BY_CAUSE, FRAME_FIRST, POISON, ladder_for

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
    ("process-killed", "worker-crash", 1, "cpu",
     "fresh_process fresh_process one_worker bisect_batch user"),
    ("unable-to-start-subprocesses", "worker-crash", 1, "cpu", "same_again cpu user"),
    ("truncated-log", "unknown", 1, "cpu", "same_again one_worker bisect_batch user"),
    ("gpu-oom-benign-allocator-warning", "gpu-memory", 1, "cpu", "same_again one_worker bisect_batch user"),
    ("no-capable-gpus-dfl1", "gpu-memory", 1, "builtin", "wait_for_vram builtin_extractor user"),
    ("dml-device-removed", "gpu-driver", 2, "cpu", "fresh_process exclude_device cpu user"),
    ("exit-code-409-no-text", "cuda-library", 2, "builtin",
     "fresh_process exclude_device builtin_extractor user"),
    ("wrong-build-old-gpu", "cuda-library", 2, "cpu", "exclude_device cpu user"),
    ("bad-image-dll", "cuda-library", 1, "builtin", "builtin_extractor user"),
    ("cuda-cache-maxsize-typo", "hang", 1, "cpu", "patience patience cpu user"),
    ("plaidml-slow-init", "hang", 1, "cpu", "patience one_worker cpu user"),
    ("extractor-spinning", "hang", 1, "cpu", "patience one_worker cpu user"),
    ("mixed-gpu-init", "hang", 2, "builtin", "patience one_worker builtin_extractor user"),
    ("sleep-hibernate", "hang", 1, "cpu", "same_again same_again user"),
    ("console-quickedit", "hang", 1, "cpu", "same_again same_again user"),
    ("ctrl-c", "unknown", 1, "cpu", "same_again same_again user"),
    ("exit-code-005-import", "tf-version", 1, "builtin", "same_again builtin_extractor user"),
    ("console-encode-error", "python-env", 1, "builtin", "same_again builtin_extractor user"),
    ("failing-disk", "hardware", 1, "cpu", "same_again user"),
    ("psu-reboot", "hardware", 2, "cpu", "one_worker user"),
    ("cloud-sync-folder", "output-io", 1, "cpu", "same_again same_again user"),
    ("resume-underscore", "input-naming", 1, "cpu", "same_again same_again user"),
    ("resume-wrong-start", "input-layout", 1, "cpu", "same_again same_again user"),
    ("no-device-for-extractor", "worker-crash", 2, "cpu", "cpu user"),
    ("plaidml-access-violation", "worker-crash", 1, "builtin", "builtin_extractor user"),
    ("mp-bootstrap-error", "worker-crash", 1, "builtin", "builtin_extractor user"),
    ("manual-mode-none-landmarks", "worker-crash", 1, "builtin", "user"),
    ("bad-gpu-index", "prompt/interaction", 2, "cpu", "other_device cpu user"),
    ("mac-zero-faces", "quality (few/no faces)", 1, "cpu", "cpu user"),
    # Rows of frames, where no frame is known: as unknown.
    ("corrupted-dfljpg", "output-io", 1, "cpu", "same_again one_worker bisect_batch user"),
    ("path-too-long", "output-io", 1, "cpu", "same_again one_worker bisect_batch user"),
    ("poison-frame", "worker-crash", 1, "cpu", "same_again one_worker bisect_batch user"),
    ("non-ascii-path", "input-naming", 1, "cpu", "same_again one_worker bisect_batch user"),
    ("imread-failed", "input-image", 1, "cpu", "same_again one_worker bisect_batch user"),
    # Categories that no cause above goes by.
    ("output-file-locked-away", "output-io", 1, "builtin", "user"),
    ("few-faces-hard-shots", "quality (few/no faces)", 1, "builtin", "user"),
    ("a-rule-of-the-user", "unknown", 1, "builtin", "same_again one_worker bisect_batch user"),
]  # fmt: skip

FRAME_ROWS = [
    ("corrupted-dfljpg", "output-io"),
    ("path-too-long", "output-io"),
    ("poison-frame", "worker-crash"),
    ("duplicate-stem", "input-naming"),
    ("imread-failed", "input-image"),
    ("worker-native-crash", "worker-crash"),
    ("init-death-hang", "hang"),
]
"""Causes that put a named frame aside: repaired and tried alone, then quarantined."""

SAID = {
    Rung.WAIT_FOR_VRAM: "waiting until GPU 0 has ",
    Rung.HALF_WORKERS: "4 workers -> 2",
    Rung.ONE_WORKER: " workers -> 1",
    Rung.SMALLER_INPUT: "longest side 1920 px -> 960 px",
    Rung.WEIGHTS_ON_CPU: "weights on the GPU -> on the CPU",
    Rung.OTHER_DEVICE: "GPU 0 -> GPU 1",
    Rung.CPU: " -> CPU with 4 workers",
    Rung.SMALLER_BATCH: "300 frames per attempt -> 75",
    Rung.REPAIR_FRAME: "bad.png re-encoded and retried alone",
    Rung.QUARANTINE_FRAME: "bad.png quarantined: it failed again after re-encoding",
    Rung.FRESH_PROCESS: "the same plan in a fresh process",
    Rung.EXCLUDE_DEVICE: "GPU 0 is left out, continuing with GPU 1",
    Rung.PATIENCE: "start-up may take ",
    Rung.SAME_AGAIN: "again",
    Rung.BISECT_BATCH: "the 100 frames left of the batch are bisected to find the one that breaks it",
    Rung.WAIT_FOR_DISK: "waiting until the output disk has 2 GiB (or a tenth of it) free",
    Rung.BUILTIN_EXTRACTOR: "deepfacelab -> the built-in extractor",
    Rung.USER: "stopped",
}
"""What the sentence of each rung says; see `spoken`."""


def spoken(walk: Walk) -> list[Rung]:
    """The rungs of a walk, each of whose sentences was found to say what was done, and why."""
    for number, (decision, sentence) in enumerate(zip(walk.decisions, walk.sentences, strict=True), 1):
        assert sentence.startswith(f"attempt {number}: ")
        assert sentence.endswith(("(stderr.log:214)", "(stderr.log:214: it broke)"))
        for rung in rungs_of(decision):
            assert SAID[rung] in sentence, sentence
    return walk.rungs


@pytest.mark.parametrize(("cause", "category", "gpus", "on_failure", "rungs"), ROWS)
def test_a_failure_that_never_goes_away_walks_its_row(
    cause: str, category: str, gpus: int, on_failure: str, rungs: str
) -> None:
    walk = start(gpus=gpus, on_gpu_failure=OnGpuFailure(on_failure), builtin_available=True)
    taken = walk.fail_until_stop(failure(cause, category))
    assert " ".join(taken) == rungs
    assert spoken(walk) == taken
    measured = "gpu-memory" in category  # else the title of the cause is the reason
    for sentence in walk.sentences:
        assert cause.replace("-", " ") in sentence or (measured and "had 0.4 of 8.0 GiB free" in sentence)
    last = walk.decisions[-1]
    assert isinstance(last, Stop)
    assert last.cause == cause and last.steps == ("Do this.", "Then that.")


@pytest.mark.parametrize(("cause", "category"), FRAME_ROWS)
def test_a_named_frame_is_repaired_and_then_put_aside(cause: str, category: str) -> None:
    walk = start()
    for gained in (60, 0):
        walk.fail(failure(cause, category), gained=gained, suspects=("bad.png",))
    assert spoken(walk) == [Rung.REPAIR_FRAME, Rung.QUARANTINE_FRAME]


def test_a_full_disk_is_waited_for_where_the_user_allows_it() -> None:
    walk = start(may_wait=True)
    walk.fail_until_stop(failure("disk-full", "output-io"))
    assert spoken(walk) == [Rung.WAIT_FOR_DISK, Rung.USER]


def test_a_failure_that_no_rule_knows_walks_the_row_of_the_unknown() -> None:
    walk = start()
    assert " ".join(walk.fail_until_stop(NOTHING_KNOWN)) == "same_again one_worker bisect_batch user"
    assert all("the cause is not known" in sentence for sentence in walk.sentences)
    last = walk.decisions[-1]
    assert isinstance(last, Stop) and any("stderr.log" in step for step in last.steps)


def test_every_row_of_the_table_is_walked_here() -> None:
    walked = {cause for cause, *_ in ROWS} | {cause for cause, _ in FRAME_ROWS}
    assert set(BY_CAUSE) - walked == set()
    by_category = {category for cause, category, *_ in [*ROWS, *FRAME_ROWS] if cause not in BY_CAUSE}
    assert set(BY_CATEGORY) - by_category == set()


def test_every_rung_has_its_sentence_checked_here() -> None:
    taken = {name for *_, rungs in ROWS for name in rungs.split()}
    others = {Rung.REPAIR_FRAME, Rung.QUARANTINE_FRAME, Rung.WAIT_FOR_DISK}
    assert taken | others == set(Rung) == set(SAID)


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
    walk = start(supported_fields=frozenset({"workers", "devices"}))
    taken = walk.fail_until_stop(failure("gpu-oom-tensor", "gpu-memory"))
    assert "smaller_input" not in taken and "weights_on_cpu" not in taken


def test_rungs_that_cannot_change_anything_are_skipped() -> None:
    walk = start(Plan(devices=(), workers=1))
    assert walk.fail_until_stop(failure("gpu-oom-tensor", "gpu-memory")) == ["smaller_input", "user"]
    assert WIDE.workers == 4


def test_no_rule_promises_a_remedy_that_its_row_does_not_hold() -> None:
    wrong = {}
    for rule in load_catalogue().rules:
        if rule.role in (Role.ROOT, Role.SYMPTOM):
            row = {rung.value for rung in ladder_for(rule.id, rule.category, rule.remedies)}
            frames_own = {rung.value for rung in POISON} if rule.id in FRAME_FIRST else set()
            if beyond := set(rule.remedies) - row - frames_own:
                wrong[rule.id] = beyond
    assert not wrong
