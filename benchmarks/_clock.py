"""A clock that is set back for one run's processes alone: a preloaded library between them and the kernel."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

BACK = 26 * 3600
"""Seconds: more than a day, as when a mainboard's battery is empty."""
SWITCH_ENV = "CHAOS_CLOCK_BACK"
"""Environment variable: path of a file; from its appearance on the time of day is `BACK` seconds earlier."""

_SOURCE = """\
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long back(void) {
    const char *path = getenv("%(switch)s");
    return path && access(path, F_OK) == 0 ? %(back)d : 0;
}

int clock_gettime(clockid_t id, struct timespec *to) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int code = real(id, to);
    if (code == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) to->tv_sec -= back();
    return code;
}

int gettimeofday(struct timeval *to, void *zone) {
    struct timespec now;
    (void)zone;
    int code = clock_gettime(CLOCK_REALTIME, &now);
    if (code == 0 && to) { to->tv_sec = now.tv_sec; to->tv_usec = now.tv_nsec / 1000; }
    return code;
}

time_t time(time_t *to) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (to) *to = now.tv_sec;
    return now.tv_sec;
}
"""


def build(folder: Path) -> Path | None:
    """The library; None where there is no Linux or no C compiler."""
    compiler = next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)
    if sys.platform != "linux" or compiler is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    source, library = folder / "clock.c", folder / "clock.so"
    source.write_text(_SOURCE % {"switch": SWITCH_ENV, "back": BACK})
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library
