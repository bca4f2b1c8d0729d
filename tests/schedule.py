"""Which worker of pytest-xdist begins with what: files that take long are spread, and each worker begins with its own.

Left in the order of their names, the whole extractions would be one worker's, and the last of them nobody else's: the
others take over what lies at the end of a worker's list, not what it is about to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

SECONDS = {
    "supervisor/crosscheck/test_silent_failures.py": 117,
    "supervisor/attempt/test_width_on_cards.py": 110,
    "deepfacelab/test_agent_workers.py": 100,
    "chaos/test_slice.py": 86,
    "supervisor/test_every_frame_fails.py": 65,
    "supervisor/disk/test_folder_gone.py": 65,
    "supervisor/test_double_faults.py": 63,
    "deepfacelab/test_agent_width.py": 60,
    "cli/test_unattended.py": 60,
    "supervisor/liveness/test_hung_workers.py": 55,
    "supervisor/stream/test_frames_in_place.py": 54,
    "scripts/test_door.py": 52,
    "supervisor/jobs/test_layouts.py": 52,
    "unattended/test_notify.py": 51,
    "supervisor/attempt/test_main_process.py": 50,
    "cli/test_looking_in.py": 45,
    "supervisor/test_gpu_plans.py": 40,
    "cli/test_extract_builtin.py": 40,
    "supervisor/test_poison_first.py": 38,
    "supervisor/stream/test_streamed_runs.py": 37,
    "cli/test_job_folder.py": 35,
    "supervisor/attempt/test_suspects.py": 35,
    "supervisor/attempt/test_killed.py": 33,
    "cli/test_signals.py": 30,
    "supervisor/crosscheck/test_crosscheck.py": 28,
    "report/test_page.py": 26,
    "cli/test_surroundings.py": 25,
    "cli/test_config.py": 25,
    "cli/test_hostile_output.py": 24,
    "launchers/test_cmd.py": 24,
    "supervisor/disk/test_read_errors.py": 24,
    "deepfacelab/test_agent_devices.py": 22,
    "prepare/test_video.py": 21,
    "deepfacelab/test_fallback_run.py": 19,
    "supervisor/reconcile/test_hostile_faces.py": 18,
    "supervisor/disk/test_disk_pause.py": 18,
    "prepare/test_prepare.py": 17,
    "cli/test_second_day.py": 16,
    "builtin/test_host.py": 15,
    "builtin/test_scenes.py": 15,
    "check/test_check_command.py": 14,
    "deepfacelab/test_double.py": 14,
    "report/test_ten_questions.py": 14,
    "supervisor/disk/test_full_disk.py": 13,
    "supervisor/stream/test_frame_stream.py": 13,
    "supervisor/test_input_notices.py": 13,
    "deepfacelab/test_fork_options.py": 13,
    "supervisor/liveness/test_awake_clock.py": 11,
    "cli/test_prepared_frames.py": 11,
    "supervisor/test_damaged_frames.py": 10,
    "ledger/test_snapshot.py": 10,
    "deepfacelab/test_agent_frames.py": 10,
    "prepare/test_manifest.py": 10,
    "supervisor/test_no_face_reasons.py": 10,
    "cli/test_stock_questions.py": 10,
    "builtin/test_engines.py": 9,
    "cli/test_printer.py": 9,
    "report/test_share.py": 9,
    "report/test_browser.py": 9,
    "telemetry/test_recorder.py": 9,
    "doctor/test_machines.py": 8,
    "supervisor/test_rungs_taken.py": 8,
    "chaos/test_lost_reader.py": 8,
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
