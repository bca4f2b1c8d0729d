"""A container's limits count, not the machine it runs on."""

from __future__ import annotations

from pathlib import Path

import psutil

from dflwrap.telemetry.limits import count_since, oom_kills, usable_cores, usable_memory

MIB = 1024**2


def group(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def self_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "self"
    path.write_text(text)
    return path


def test_without_limits_the_machine_counts(tmp_path: Path) -> None:
    mine = self_file(tmp_path, "0::/user.slice\n")
    group(tmp_path / "root", memory__max="max\n", memory__current="5\n", cpu__max="max 100000\n")
    memory = usable_memory(tmp_path / "root", mine)
    assert memory.total == psutil.virtual_memory().total
    assert usable_cores(tmp_path / "root", mine) == usable_cores(tmp_path / "none", tmp_path / "none") >= 1


def test_a_container_of_version_2_sees_its_own_limit_and_gets_its_cache_back(tmp_path: Path) -> None:
    mine = self_file(tmp_path, "0::/\n")
    group(
        tmp_path / "root",
        memory__max=f"{700 * MIB}\n",
        memory__current=f"{500 * MIB}\n",
        memory__stat=f"anon 1\nfile 2\ninactive_file {200 * MIB}\n",
        cpu__max="50000 100000\n",
    )
    memory = usable_memory(tmp_path / "root", mine)
    assert (memory.total, memory.available) == (700 * MIB, 400 * MIB)
    assert usable_cores(tmp_path / "root", mine) == 1


def test_a_limit_of_a_group_above_counts(tmp_path: Path) -> None:
    mine = self_file(tmp_path, "0::/job/step\n")
    group(tmp_path / "root" / "job" / "step", memory__max="max\n", memory__current="1\n")
    group(tmp_path / "root" / "job", memory__max=f"{900 * MIB}\n", memory__current=f"{100 * MIB}\n")
    assert usable_memory(tmp_path / "root", mine).available == 800 * MIB


def test_version_1_is_read_too(tmp_path: Path) -> None:
    mine = self_file(tmp_path, "5:cpu,cpuacct:/box\n4:memory:/box\n1:name=systemd:/box\n")
    group(
        tmp_path / "root" / "memory" / "box",
        memory__limit_in_bytes=f"{600 * MIB}\n",
        memory__usage_in_bytes=f"{100 * MIB}\n",
    )
    group(
        tmp_path / "root" / "memory", memory__limit_in_bytes=str(2**63 - 4096), memory__usage_in_bytes="1\n"
    )
    group(tmp_path / "root" / "cpu" / "box", cpu__cfs_quota_us="100000\n", cpu__cfs_period_us="100000\n")
    assert usable_memory(tmp_path / "root", mine).available == 500 * MIB
    assert usable_cores(tmp_path / "root", mine) == 1


def test_nonsense_in_the_files_is_no_limit(tmp_path: Path) -> None:
    mine = self_file(tmp_path, "::::\n0::/../..\n")
    group(tmp_path / "root", memory__max="lots", memory__current="", cpu__max="0 0")
    assert usable_memory(tmp_path / "root", mine).total == psutil.virtual_memory().total
    assert usable_cores(tmp_path / "root", mine) >= 1


def test_the_kernels_killings_are_counted_in_ones_own_group_first(tmp_path: Path) -> None:
    vmstat = tmp_path / "vmstat"
    vmstat.write_text("nr_free_pages 1\noom_kill 7\n")
    root = tmp_path / "root"
    second = self_file(tmp_path, "0::/job\n")
    assert oom_kills(root, second, vmstat) == 7, "nothing of its own: the machine's count"
    group(root / "job", memory__events="low 0\noom 3\noom_kill 2\n")
    assert oom_kills(root, second, vmstat) == 2
    first = tmp_path / "first"
    first.write_text("4:memory:/box\n")
    group(root / "memory" / "box", memory__oom_control="oom_kill_disable 0\nunder_oom 0\noom_kill 5\n")
    assert oom_kills(root, first, vmstat) == 5
    assert oom_kills(tmp_path / "no", tmp_path / "no", tmp_path / "no") is None


def test_a_count_that_is_not_known_or_starts_anew_says_nothing() -> None:
    assert (count_since(2, 3), count_since(2, 2)) == (1, 0)
    assert count_since(None, 3) is count_since(2, None) is count_since(3, 2) is None
