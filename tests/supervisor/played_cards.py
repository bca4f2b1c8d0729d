"""Runs of dflwrap on played video cards: the real pynvml on a look-alike driver, the double as DeepFaceLab."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from support import DOUBLE, Finished, dflwrap


def cards(number: int, free: int = 23000) -> str:
    """The play of that many cards of 24000 MiB, `free` MiB of each free, on a driver that lists no processes:
    those of the double would never be among them."""
    lines = [f"0 - count {number}"]
    for index in range(number):
        lines += [f"0 {index} name Played", f"0 {index} total 24000", f"0 {index} free {free}"]
        lines += [f"0 {index} procs -", f"0 {index} graphics -"]
    return "\n".join(lines) + "\n"


def extract(
    tmp_path: Path,
    driver: Path | None,
    count: int,
    script: dict[str, Any],
    *more: str,
    size: tuple[int, int] = (150, 140),
    limits: str = "",
) -> Finished:
    """Extract `count` frames; `tmp_path`/play.txt is what the cards do, `script` what the double does.

    driver: the folder of the look-alike; None = without one. limits: as `support.dflwrap`.
    """
    source = tmp_path / "frames"
    source.mkdir(exist_ok=True)
    for number in range(1, count + 1):
        image = np.full((size[1], size[0], 3), number % 250, np.uint8)
        cv2.imwrite(str(source / f"{number:05d}.png"), image)
    path = tmp_path / "script.json"
    path.write_text(json.dumps(script))
    env = {"DFLWRAP_DOUBLE_SCRIPT": str(path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    if driver is not None:
        env |= {"LD_LIBRARY_PATH": str(driver), "NVML_PLAY": str(tmp_path / "play.txt")}
    return dflwrap(
        *("extract", "--input-dir", source, "--output-dir", tmp_path / "aligned", "--json"),
        *("--dfl-root", DOUBLE, "--dfl-python", sys.executable, "--extractor", "dfl"),
        *("--image-size", "256", "--second-look", "off", *more),
        env=env,
        limits=limits,
    )


def plans(report: dict[str, Any]) -> list[tuple[list[int], int, bool]]:
    """(devices, workers, weights on the CPU) of each attempt."""
    return [
        (a["plan"]["devices"], a["plan"]["workers"], a["plan"]["weights_on_cpu"]) for a in report["attempts"]
    ]


def sentences(report: dict[str, Any]) -> list[str]:
    """Of the decisions that answered an attempt, in order."""
    return [d["sentence"] for d in report["decisions"] if d["attempt"] is not None]
