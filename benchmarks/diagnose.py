# ruff: noqa: E501 - log lines as they are
"""How often `dflwrap diagnose` is right, and how fast it reads.

    python benchmarks/diagnose.py --accuracy [--logs FOLDER]
    python benchmarks/diagnose.py [--size MB] [--rg PATH]

First it judges sample_logs/ and each FOLDER of labelled logs (labels.json, or a NAME.toml beside each NAME.log):
right, right category, unknown, wrong, false alarms; then every log in every form of benchmarks/_forms.py (same
answer, lost, another answer), and calibration: how often "certain" and "likely" are right over all forms. Exit code 1
if a log in another form gets another answer, a healthy log a finding, or "certain" is right in less than 98 %,
"likely" in less than 90 % of at least 150 answers.

Then, without `--accuracy` or `--logs`, the speed: a big log of progress bars against ripgrep and a plain loop of `re`.

Makes a log of `--size` megabytes (default 1000), 97 % of it progress bars, with one failure near its end, and in
one run measures, best of `--repeat`: `dflwrap diagnose` (whole process, peak memory), `rg -c -f` with the
catalogue's literals, and a plain loop that tries every expression on every line (on a part of the log, its rate
is what counts). Also: the start of `dflwrap diagnose` on a small log against `python -c pass`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # also as a script
from benchmarks._accuracy import report
from dflwrap.diagnosis import load_catalogue

MEGA = 1 << 20
PLAIN_BYTES = 200_000
"""Bytes of the log that the plain loop gets; it would need hours for all of it."""
_CHATTER = (
    "2021-02-14 10:{m:02d}:{s:02d}.123456: I tensorflow/core/common_runtime/gpu/gpu_device.cc:1402] Created device GPU:0",
    "/!\\ Frame {n} looked at in {s} ms, nothing special to say about it, continuing with the next one of this folder",
    "WARNING:tensorflow:From session.py:{n}: is deprecated and will be removed in a future version.",
)


def write_log(path: Path, size: int) -> None:
    """A log of about `size` bytes: refreshed bars, 3 % other lines, and a fatal line before the last part."""
    total = size // 105
    with path.open("wb") as out:
        out.write(b"Extracting faces...\nRunning on GeForce GTX 1080\n")
        written, n = 50, 0
        fatal = False
        while written < size:
            block = []
            for _ in range(2000):
                n += 1
                done = n * 100 // total
                block.append(
                    f"\r{min(done, 99):3d}%|{'#' * (done // 3):<34}| {n}/{total} [{n // 7200 % 60:02d}:{n // 120 % 60:02d}<"
                    f"{n % 60:02d}:{n % 59:02d},  {2 + n % 7}.{n % 100:02d}it/s]"
                )
                if n % 50 == 0:
                    block.append("\n" + _CHATTER[n // 50 % 3].format(m=n // 60 % 60, s=n % 60, n=n) + "\n")
            data = "".join(block).encode()
            out.write(data)
            written += len(data)
            if not fatal and written > size * 0.98:
                fatal = True
                out.write(
                    b"2021-02-14 10:10:10.123456: F tensorflow/core/common_runtime/gpu/gpu_util.cc:293] GPU->CPU Memcpy failed\n"
                )
        out.write(b"\nGeForce GTX 1080 doesnt response, terminating it.\n")


def timed(command: list[str], accept: tuple[int, ...] = (0, 1)) -> tuple[float, int]:
    """(seconds, peak memory in bytes or 0 where the system does not tell) of one process."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        if hasattr(os, "wait4"):
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        else:
            process.wait()
            peak = 0
    seconds = time.perf_counter() - start
    if process.returncode not in accept:
        raise SystemExit(f"{command[0]} ended with {process.returncode}")
    return seconds, peak


def plain_loop(path: Path) -> float:
    """Bytes per second of a loop that tries every expression on every line."""
    patterns = [re.compile(sig.pattern) for rule in load_catalogue().rules for sig in rule.signatures]
    with path.open("rb") as stream:
        lines = stream.read(PLAIN_BYTES).decode("utf-8", "replace").replace("\r", "\n").splitlines()
    start = time.perf_counter()
    for line in lines:
        for pattern in patterns:
            pattern.search(line)
    return PLAIN_BYTES / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=1000, help="megabytes")
    parser.add_argument("--rg", default=shutil.which("rg"), help="ripgrep's program")
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--accuracy", action="store_true", help="how often it is right, not how fast")
    parser.add_argument("--logs", type=Path, action="append", default=[], help="a folder of labelled logs")
    options = parser.parse_args()
    broken = report([Path(__file__).parents[1] / "sample_logs", *options.logs])
    if not (options.accuracy or options.logs):
        speed(options)
    sys.exit(broken)


def speed(options: argparse.Namespace) -> None:
    """Measure and print how fast it reads."""
    diagnose = [sys.executable, "-c", "from dflwrap.cli.start import run; run()", "diagnose"]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "big.log"
        write_log(log, options.size * MEGA)
        size = log.stat().st_size
        subprocess.run([*diagnose, str(log)], stdout=subprocess.DEVNULL, check=False)  # fill caches
        runs = [timed([*diagnose, str(log)]) for _ in range(options.repeat)]
        seconds, peak = min(runs)[0], max(run[1] for run in runs)
        result: dict[str, float] = {
            "log_mb": size / MEGA,
            "diagnose_s": seconds,
            "diagnose_mb_per_s": size / MEGA / seconds,
            "diagnose_peak_mb": peak / MEGA,
        }
        if options.rg:
            words = Path(folder) / "literals.txt"
            words.write_text("\n".join(load_catalogue().literals), encoding="utf-8")
            rg = min(
                timed([options.rg, "-c", "-a", "-F", "-f", str(words), str(log)])[0]
                for _ in range(options.repeat)
            )
            result |= {"rg_s": rg, "rg_mb_per_s": size / MEGA / rg, "of_ripgrep": rg / seconds}
        plain = plain_loop(log)
        result |= {"plain_mb_per_s": plain / MEGA, "times_plain": size / seconds / plain}
        small = Path(folder) / "small.log"
        small.write_text("Extracting faces...\nException: Unable to start subprocesses.\n")
        bare = min(timed([sys.executable, "-c", "pass"])[0] for _ in range(7))
        start = min(timed([*diagnose, str(small)], (0, 1, 3))[0] for _ in range(7))
        result |= {"python_pass_s": bare, "start_s": start, "start_times_python": start / bare}
    print(json.dumps({key: round(value, 3) for key, value in result.items()}, indent=2))


if __name__ == "__main__":
    main()
