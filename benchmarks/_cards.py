"""Runs of dflwrap on one video card whose memory other programs share: a played one, or a real one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks._common import Finished, double, environment, extract_command, run, small_frames

TESTS = Path(__file__).parents[1] / "tests"


@dataclass(frozen=True)
class Done:
    """A run that has ended."""

    finished: Finished
    events: list[dict[str, Any]]

    @property
    def sentences(self) -> list[str]:
        report = self.finished.report or {}
        return [str(decision["sentence"]) for decision in report.get("decisions", ())]

    @property
    def extracted(self) -> int:
        return int((self.finished.report or {}).get("frames", {}).get("extracted", 0))

    @property
    def attempts(self) -> int:
        return len((self.finished.report or {}).get("attempts", ()))

    def count(self, kind: str) -> int:
        return sum(event["event"] == kind for event in self.events)

    def rate(self, since: float = 0.0, until: float = 1.0) -> float:
        """Frames per second between two parts of the frames, by the times at which they came back."""
        times = sorted(event["time"] for event in self.events if event["event"] == "frame_done")
        part = times[int(len(times) * since) : int(len(times) * until)]
        return (len(part) - 1) / (part[-1] - part[0]) if len(part) > 2 and part[-1] > part[0] else 0.0


def read_events(output: Path) -> list[dict[str, Any]]:
    """What the extractor reported so far, all attempts together."""
    found = []
    for path in sorted(output.with_name(output.name + "_dflwrap").glob("attempts/*/events.jsonl")):
        for line in path.read_bytes().splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue  # half a line
    return found


def watch(output: Path, seen: Callable[[list[dict[str, Any]]], bool], then: Callable[[], None]) -> None:
    """In a thread: do something as soon as the events of a run show it."""

    def look() -> None:
        end = time.monotonic() + 3600
        while time.monotonic() < end:
            if seen(read_events(output)):
                then()
                return
            time.sleep(0.25)

    threading.Thread(target=look, daemon=True).start()


def extract(
    scratch: Path, frames: int, options: dict[str, Any], env: dict[str, str], *more: str, bound: float = 1800
) -> Done:
    """Extract `frames` flat frames with the double on GPU 0. `scratch`/aligned is the faceset."""
    scratch.mkdir(parents=True, exist_ok=True)
    source, output = scratch / "frames", scratch / "aligned"
    if not source.exists():
        small_frames(source, frames)
    script = scratch / "script.json"
    script.write_text(json.dumps({"options": {"gpus": 1, **options}}))
    more_env = {"DFLWRAP_DOUBLE_SCRIPT": str(script), "XDG_CACHE_HOME": str(scratch / "cache"), **env}
    command = extract_command(double(), source, output, "--second-look", "off", *more, devices=())
    finished = run(command, scratch / "logs", environment(more_env), bound)
    return Done(finished, read_events(output))


class PlayedCard:
    """A card whose memory is a counter: needs Linux and a C compiler."""

    def __init__(self, folder: Path, total: int) -> None:
        """total: MiB."""
        sys.path[:0] = [str(TESTS / "telemetry")]
        from nvml_play import compile_player

        self.pool = folder / "pool"
        self.pool.mkdir(parents=True)
        play = folder / "play.txt"
        lines = ["0 - count 1", "0 0 name Played", f"0 0 total {total}", f"0 0 pool {self.pool}"]
        play.write_text("\n".join(lines) + "\n")
        self.env = {"LD_LIBRARY_PATH": str(compile_player(folder / "nvml")), "NVML_PLAY": str(play)}

    def another_program_holds(self, mib: int) -> None:
        new = self.pool / "game.new"
        new.write_text(str(mib))
        new.replace(self.pool / "game")


_HOLDER = """
import sys, time, torch
held = []
print(torch.cuda.mem_get_info(0)[0] >> 20, flush=True)
for line in sys.stdin:
    held.clear()
    torch.cuda.empty_cache()
    end = time.monotonic() + 30
    while int(line) and not held:  # the workers' frames come and go
        try:
            held.append(torch.empty(int(line) << 20, dtype=torch.uint8, device="cuda:0"))
        except torch.OutOfMemoryError:
            if time.monotonic() > end:
                raise
            time.sleep(0.002)
    print("done", flush=True)
"""


class AnotherProgram:
    """A process that holds memory of the real card, as much as it is told."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _HOLDER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=dict(os.environ),
        )
        assert self._process.stdout is not None
        self.free = int(self._process.stdout.readline() or 0)
        """MiB of the card that it can take: its own context is there already."""

    def holds(self, mib: int) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(b"%d\n" % max(0, mib))
        self._process.stdin.flush()
        if not self._process.stdout.readline():
            raise RuntimeError(f"the other program could not take {mib} MiB of the card")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
