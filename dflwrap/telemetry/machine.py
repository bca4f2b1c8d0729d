"""What a run runs on, for a report that is read elsewhere: no name of a host or of a user."""

from __future__ import annotations

import os
import platform
import sys
from contextlib import suppress
from pathlib import Path

from dflwrap.telemetry.limits import usable_cores, usable_memory

GIB = 2**30


def machine_facts() -> dict[str, str]:
    """Heading to value, in the order to show them. Raises nothing."""
    facts = {"System": _system(), "Processor": _processor()}
    with suppress(Exception):
        facts["Cores"] = str(usable_cores())
    with suppress(Exception):
        total = usable_memory().total
        facts["Main memory"] = f"{total / GIB:.1f} GiB" if total else ""
    facts["Python"] = platform.python_version()
    return {name: value for name, value in facts.items() if value}


def _system() -> str:
    if sys.platform == "linux":
        with suppress(OSError):
            return f"{platform.freedesktop_os_release()['PRETTY_NAME']}, kernel {platform.release()}"
    return f"{platform.system()} {platform.release()} ({platform.version()})"


def _processor() -> str:
    if sys.platform == "linux":
        with suppress(OSError):
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    return platform.processor() or os.environ.get("PROCESSOR_IDENTIFIER", "")
