"""Faults of every kind at every stage, in every frame, and kills of dflwrap itself; then: is anything lost?

    python -m benchmarks.chaos [--quick] [--kills 200] [--seed S] [--jobs N] [--targets double,built-in,real]
                               [--only PATTERN ...] [--sample N] [--no-matrix] [--diagonal] [--record FILE] [--warm]

After each fault: every frame is accounted for, with cause and evidence where it was not extracted; no face is
there twice or half-written; no process is left; the input is unchanged; and the same command, without the
fault, completes. A line per case; the violations again at the end; exit code 1 if there are any.

The real DeepFaceLab is tried where DFLWRAP_TEST_DFL_ROOT and DFLWRAP_TEST_DFL_PYTHON name an install. Full
disks and read-only folders need the right to mount (Linux, root), the clock that is set back a C compiler;
without them these are left out, and it is said. POSIX only. A case whose fault never came about ("not
reached") proves nothing; they are listed at the end. The whole takes many hours: --diagonal tries each fault at
one stage and each stage with some faults; with --record, each case that held is noted, and the next
call with the same file tries only the others.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path

from benchmarks._clock import build as build_clock
from benchmarks._common import Target, builtin, double, end_with_me, real_dfl, start_warm
from benchmarks._every_frame import every_frame_cases
from benchmarks._holding import MARKER
from benchmarks._kills import KILLS_A_RUN, Killed, kill_and_resume
from benchmarks._matrix import double_cases, hooked_cases, outside_cases
from benchmarks._shims import hooked_builtin, hooked_real
from benchmarks._trial import POISON, Case, Outcome, try_case

QUICK = (
    ("frame", "raise"),
    ("frame", "segfault"),
    ("frame", "half_jpeg"),
    ("worker_start", "kill once"),
    ("finish", "done"),
    ("start", "exit"),
    ("outside", "kill -9 the extractor"),
    ("outside", "disk full, 4096 bytes left at face 2"),
)
"""Stage and fault of the cases in `--quick`: one of each family, none that waits for a bound."""
QUICK_KILLS = 6


def may_mount() -> bool:
    """True where a tmpfs can be mounted: asked by doing it."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return False
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True, check=False
        )
        if done.returncode == 0:
            subprocess.run(["umount", folder], check=False)
        return done.returncode == 0


def targets(names: str) -> list[Target]:
    available = {"double": double(), "built-in": builtin(), "real": real_dfl()}
    return [target for name in names.split(",") if (target := available[name]) is not None]


def cases_of(chosen: Sequence[Target], scratch: Path, *, mount: bool) -> list[Case]:
    clock = build_clock(scratch / "clock")
    if clock is None:
        print("left out, no Linux or no C compiler: the clock set back")
    cases: list[Case] = []
    for target in chosen:
        if target.name == "double":
            cases += [*double_cases(target), *every_frame_cases(target)]
        elif target.name == "built-in":
            hooked = hooked_builtin(target, scratch / "built-in")
            cases += [*hooked_cases(hooked), *every_frame_cases(hooked)]
        else:
            cases += hooked_cases(hooked_real(target, scratch / "DeepFaceLab", f"{POISON}.png"))
        cases += outside_cases(target, may_mount=mount, clock=clock)
    return cases


def key_of(case: Case) -> str:
    return f"{case.target.name}, {case.stage}, {case.fault}"


def held_before(record: Path) -> set[str]:
    """The cases that held in earlier calls. A fault that was never brought about is tried again."""
    if not record.exists():
        return set()
    lines = map(json.loads, record.read_text(encoding="utf-8").splitlines())
    return {line["case"] for line in lines if line["holds"]}


def note(record: Path, outcome: Outcome) -> None:
    line = {
        "case": key_of(outcome.case),
        "holds": outcome.provoked and not outcome.violations,
        "exit": outcome.code,
        "workers": outcome.case.workers,
        "seconds": round(outcome.seconds, 1),
        "commit": commit(),
        "violations": outcome.violations,
    }
    with record.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


@functools.cache
def commit() -> str:
    """Of the working tree that is tried; "" outside a clone."""
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def diagonal(cases: Sequence[Case]) -> list[Case]:
    """Per target each fault once, the stages taken in turn; what is done from outside has one stage anyway."""
    by_fault: dict[tuple[str, str], list[Case]] = {}
    for case in cases:
        by_fault.setdefault((case.target.name, case.fault), []).append(case)
    return [group[turn % len(group)] for turn, group in enumerate(by_fault.values())]


def run_matrix(cases: Sequence[Case], jobs: int, scratch: Path, record: Path | None) -> list[Outcome]:
    """The outcomes, as they come; each printed and noted."""
    outcomes = []
    with ThreadPoolExecutor(jobs) as pool:
        waiting = [pool.submit(try_case, case, scratch / f"case{i}") for i, case in enumerate(cases)]
        for number, future in enumerate(as_completed(waiting), 1):
            outcome = future.result()
            outcomes.append(outcome)
            if record:
                note(record, outcome)
            case = outcome.case
            verdict = "holds" if outcome.provoked else "not reached"
            verdict = "VIOLATED" if outcome.violations else verdict
            print(
                f"{number:4}/{len(cases)} {case.target.name:9} {case.stage:12} {case.fault:36} "
                f"exit {outcome.code!s:4} {outcome.seconds:6.1f} s  {verdict}",
                flush=True,
            )
            for text in outcome.violations:
                print(f"          {text}", flush=True)
    return outcomes


def run_kills(chosen: Sequence[Target], kills: int, seed: int, jobs: int, scratch: Path) -> list[Killed]:
    """At least `kills` kills that came in time: most on the first target, a twentieth on each other."""
    results: list[Killed] = []
    for place, target in enumerate(chosen):
        wanted = kills if place == 0 else max(3, kills // 20)
        frames = {"double": 40, "built-in": 24, "real DFL": 8}[target.name]
        done = 0
        turn = 0
        with ThreadPoolExecutor(jobs) as pool:
            while done < wanted:
                batch: list[Future[Killed]] = []
                for _ in range(min(jobs, -(-(wanted - done) // KILLS_A_RUN))):
                    turn += 1
                    count = min(KILLS_A_RUN, wanted - done)
                    number = seed * 100_000 + place * 10_000 + turn
                    folder = scratch / f"kill{place}-{turn}"
                    batch.append(pool.submit(kill_and_resume, target, frames, count, number, folder))
                for future in as_completed(batch):
                    killed = future.result()
                    results.append(killed)
                    done += killed.kills
                    verdict = "VIOLATED" if killed.violations else "holds"
                    after = ", ".join(
                        f"{moment:.1f} s/{faces}"
                        for moment, faces in zip(killed.moments, killed.faces, strict=True)
                    )
                    print(
                        f"{target.name:9} kills {done:4}/{wanted} (at s/faces: {after})  {verdict}",
                        flush=True,
                    )
                    for text in killed.violations:
                        print(f"          {text}", flush=True)
    return results


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a slice of it, well under a minute when idle")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 2) // 2))
    parser.add_argument("--targets", default="double,built-in,real")
    parser.add_argument(
        "--only", nargs="+", default=[""], help="cases whose stage and fault match such a pattern"
    )
    parser.add_argument("--sample", type=int, default=0, help="so many cases of the matrix, by chance")
    parser.add_argument("--diagonal", action="store_true", help="each fault at one stage, the stages in turn")
    parser.add_argument("--workers", type=int, default=2, help="of the extractor, in the matrix")
    parser.add_argument("--no-matrix", action="store_true")
    parser.add_argument("--record", type=Path, help="file of the cases that held: they are not tried again")
    parser.add_argument(
        "--warm", action="store_true", help="fork dflwrap from a process that has imported it"
    )
    options = parser.parse_args()
    end_with_me()
    if options.warm:
        start_warm(MARKER)
    began = time.monotonic()
    mount = may_mount()
    if not mount:
        print("left out, no right to mount: full disk, read-only output")
    chosen = targets("double" if options.quick else options.targets)
    kills = options.kills
    with tempfile.TemporaryDirectory(prefix="dflwrap-chaos-") as folder:
        scratch = Path(folder)
        cases = [] if options.no_matrix else cases_of(chosen, scratch, mount=mount)
        if options.quick:
            cases = [case for case in cases if (case.stage, case.fault) in QUICK]
            kills = min(kills, QUICK_KILLS)
        cases = [
            case
            for case in cases
            if any(re.search(text, f"{case.stage} {case.fault}") for text in options.only)
        ]
        for case in cases:
            case.workers = options.workers
        if options.diagonal:
            cases = diagonal(cases)
        if options.record:
            held = held_before(options.record)
            before = len(cases)
            cases = [case for case in cases if key_of(case) not in held]
            print(f"held before, by {options.record}: {before - len(cases)} of {before}", flush=True)
        if options.sample:
            cases = random.Random(options.seed).sample(cases, min(options.sample, len(cases)))
        outcomes = run_matrix(cases, options.jobs, scratch, options.record)
        killed = run_kills(chosen, kills, options.seed, options.jobs, scratch) if kills else []
    bad = sum(bool(o.violations) for o in outcomes) + sum(bool(k.violations) for k in killed)
    print(
        f"\n{sum(o.provoked for o in outcomes)} of {len(outcomes)} cases reached, "
        f"{sum(k.kills for k in killed)} kills of dflwrap on {len(killed)} facesets "
        f"in {time.monotonic() - began:.0f} s: {bad or 'none'} violated"
    )
    for outcome in outcomes:
        if not outcome.provoked:
            print(f"  not reached: {key_of(outcome.case)}")
    for outcome in outcomes:
        if outcome.violations:
            print(f"  {key_of(outcome.case)}: {'; '.join(outcome.violations)}")
    for one in killed:
        if one.violations:
            print(f"  kills on {one.target}: {'; '.join(one.violations)}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
