"""How fast are faces promoted where each flush of the disk costs 10 ms, as on a share or an old disk?

    python -m benchmarks.slow_disk [--frames 1000] [--delay 10]

A library that is compiled here and loaded before all others (LD_PRELOAD) makes each fsync and fdatasync of dflwrap
take so much longer, SQLite's included. Side by side in one run: with and without it, on the test double, whose frames
take no time. Linux only; without a C compiler it says so and measures nothing.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks._common import double, end_with_me, environment, extract_command, run, small_frames

BOUND = 900.0
"""Seconds for one run."""
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static atomic_long calls;

static int slow(const char *name, int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    const char *delay = getenv("SLOW_FLUSH_US");
    usleep(delay ? (useconds_t)atol(delay) : 0);
    atomic_fetch_add(&calls, 1);
    return real(fd);
}

int fsync(int fd) { return slow("fsync", fd); }
int fdatasync(int fd) { return slow("fdatasync", fd); }

__attribute__((destructor)) static void tell(void) {
    const char *path = getenv("SLOW_FLUSH_LOG");
    FILE *file = path && calls ? fopen(path, "a") : NULL;
    if (file) {
        fprintf(file, "%ld\n", (long)calls);
        fclose(file);
    }
}
"""


def compiled(folder: Path) -> Path | None:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None or sys.platform != "linux":
        return None
    source, library = folder / "slow_flush.c", folder / "slow_flush.so"
    source.write_text(SHIM)
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"]
    return library if subprocess.run(command, timeout=60, check=False).returncode == 0 else None


def main() -> int:
    parser = argparse.ArgumentParser(description="Frames per second where a flush is slow")
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--delay", type=float, default=10.0, help="milliseconds that a flush takes longer")
    options = parser.parse_args()
    end_with_me()
    with tempfile.TemporaryDirectory(prefix="dflwrap-slow-") as name:
        root = Path(name)
        library = compiled(root)
        if library is None:
            print("SKIPPED: Linux with a C compiler is needed to slow the flushes down", file=sys.stderr)
            return 1
        small_frames(root / "frames", options.frames)
        print("| delay of a flush | seconds | faces | frames/s | flushes | flushes a frame | load |")
        print("|---|---|---|---|---|---|---|")
        for delay in (0.0, options.delay):
            print(_row(root, library, delay, options.frames), flush=True)
    return 0


def _row(root: Path, library: Path, delay: float, frames: int) -> str:
    output, log = root / f"aligned{delay:g}", root / f"flushes{delay:g}"
    env = environment(
        {"LD_PRELOAD": str(library), "SLOW_FLUSH_US": str(round(delay * 1000)), "SLOW_FLUSH_LOG": str(log)}
    )
    command = extract_command(double(), root / "frames", output, "--workers", "2")
    done = run(command, root / f"logs{delay:g}", env, BOUND)
    faces = len(list(output.glob("*.jpg"))) if output.is_dir() else 0
    flushes = sum(int(line) for line in log.read_text().split()) if log.exists() else 0
    return (
        f"| {delay:g} ms | {done.seconds:.1f} | {faces:,} | {frames / done.seconds:.0f} | {flushes:,} "
        f"| {flushes / frames:.2f} | {os.getloadavg()[0]:.1f} |"
    )


if __name__ == "__main__":
    sys.exit(main())
