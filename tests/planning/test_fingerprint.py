"""The same failure has the same fingerprint; another one has another."""

from __future__ import annotations

from ladder_walk import failure

from dflwrap.planning.fingerprint import fingerprint


def oom(text: str) -> str:
    return fingerprint(failure("gpu-oom-tensor", "gpu-memory", text), phase="steady")


def test_numbers_addresses_paths_and_frames_do_not_matter() -> None:
    a = oom(
        "OOM when allocating tensor with shape[1,64,640,360] at 0x7f00 in /opt/dfl/core/leras/nn.py: 0001.png"
    )
    b = oom(
        "OOM when allocating tensor with shape[8,64,320,360] at 0x8a00 in /home/x/core/leras/nn.py: 0207.png"
    )
    c = oom(r"OOM when allocating tensor with shape[8,64,320,360] at 0x1 in C:\DFL\leras\nn.py: b.png")
    assert a == b == c
    assert a.startswith("gpu-oom-tensor/steady/")


def test_another_text_cause_or_phase_matters() -> None:
    base = oom("OOM when allocating tensor")
    assert oom("failed to allocate memory") != base
    assert fingerprint(failure("cudnn-handle-oom", "gpu-memory"), phase="steady") != base
    assert (
        fingerprint(failure("gpu-oom-tensor", "gpu-memory", "OOM when allocating tensor"), phase="start")
        != base
    )


def test_an_unknown_failure_is_known_by_its_death() -> None:
    killed = fingerprint(None, exit_status=-9, last_error="")
    assert killed == fingerprint(None, exit_status=-9)
    assert killed != fingerprint(None, exit_status=-11)
    assert killed.startswith("unknown/")
