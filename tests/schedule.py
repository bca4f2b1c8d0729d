"""Which worker of pytest-xdist begins with what: files that take long are spread, and each worker begins with its own.

Left in the order of their names, the whole extractions would be one worker's, and the last of them nobody else's: the
others take over what lies at the end of a worker's list, not what it is about to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

SECONDS = {
    "chaos/test_slice.py": 95,
    "supervisor/crosscheck/test_silent_failures.py": 110,
    "supervisor/test_double_faults.py": 100,
    "supervisor/attempt/test_width_on_cards.py": 115,
    "deepfacelab/test_agent_workers.py": 95,
    "prepare/test_prepare.py": 40,
    "scripts/test_door.py": 65,
    "cli/test_extract_builtin.py": 30,
    "supervisor/test_every_frame_fails.py": 70,
    "supervisor/disk/test_folder_gone.py": 68,
    "unattended/test_notify.py": 40,
    "supervisor/liveness/test_hung_workers.py": 60,
    "cli/test_hostile_output.py": 30,
    "supervisor/attempt/test_main_process.py": 50,
    "report/test_page.py": 25,
    "supervisor/stream/test_streamed_runs.py": 50,
    "supervisor/disk/test_full_disk.py": 15,
    "supervisor/test_gpu_plans.py": 40,
    "supervisor/test_rungs_taken.py": 39,
    "supervisor/attempt/test_suspects.py": 36,
    "check/test_check_command.py": 35,
    "supervisor/crosscheck/test_crosscheck.py": 33,
    "launchers/test_cmd.py": 32,
    "builtin/test_scenes.py": 32,
    "faceset/test_audit.py": 10,
    "report/test_browser.py": 25,
    "report/test_ten_questions.py": 25,
    "cli/test_looking_in.py": 48,
    "deepfacelab/test_agent_devices.py": 23,
    "check/test_findings.py": 7,
    "supervisor/test_run_folder.py": 22,
    "supervisor/test_input_notices.py": 21,
    "cli/test_verify_command.py": 21,
    "supervisor/attempt/test_killed.py": 21,
    "supervisor/disk/test_read_errors.py": 19,
    "cli/test_folder_mixups.py": 19,
    "deepfacelab/test_fallback_run.py": 19,
    "deepfacelab/test_double.py": 18,
    "cli/test_second_day.py": 16,
    "supervisor/test_asked_devices.py": 16,
    "supervisor/liveness/test_awake_clock.py": 16,
    "cli/test_manual.py": 15,
    "cli/test_exit_codes.py": 7,
    "scripts/test_importing.py": 15,
    "supervisor/reconcile/test_hostile_faces.py": 14,
    "launchers/test_folder.py": 14,
    "deepfacelab/test_agent_frames.py": 13,
    "cli/test_signals.py": 13,
    "builtin/test_engines.py": 13,
    "supervisor/disk/test_disk_pause.py": 13,
    "cli/test_surroundings.py": 12,
    "diagnosis/test_hostile.py": 12,
    "deepfacelab/test_agent_width.py": 56,
    "supervisor/test_poison_first.py": 38,
    "cli/test_unattended.py": 25,
    "cli/test_job_folder.py": 24,
    "deepfacelab/test_fork_options.py": 18,
    "cli/test_closed_folders.py": 12,
    "supervisor/stream/test_frames_in_place.py": 12,
    "ledger/test_snapshot.py": 12,
}
"""File to seconds, one worker on a busy machine. A figure that is wrong costs time, nothing else."""
HERE = Path(__file__).parent


def spread(items: Sequence[pytest.Item], workers: int) -> list[pytest.Item]:
    """The same tests, so ordered that the equal shares with which the workers begin take about the same time.

    The tests of a file stay beside each other, for their fixtures' sake, but where a share ends within it.
    """
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    slow = {path: SECONDS.get(path.relative_to(HERE).as_posix(), 0) for path in files}
    shares: list[list[pytest.Item]] = [[] for _ in range(workers)]
    load = [0.0] * workers
    for path in sorted((path for path in files if slow[path]), key=lambda path: -slow[path]):
        lightest = load.index(min(load))
        shares[lightest] += files[path]
        load[lightest] += slow[path]
    rest = [test for path, tests in files.items() if not slow[path] for test in tests]
    ordered: list[pytest.Item] = []
    for number, share in enumerate(shares, 1):
        room = len(items) * number // workers - len(ordered) - len(share)
        ordered += [*share, *rest[: max(0, room)]]
        del rest[: max(0, room)]
    return [*ordered, *rest]
