"""Bytes that must outlive a power cut."""

from __future__ import annotations

import os
import sys


def sync(descriptor: int) -> None:
    """Force what was written to `descriptor` onto the medium. Raises OSError.

    macOS: `fsync` leaves the bytes in the drive's own cache (fsync(2) there says so); F_FULLFSYNC empties that
    too. Shares and some file systems do not know it: then `fsync` has to do.
    """
    if sys.platform == "darwin":
        import fcntl

        try:
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
        except OSError:
            pass
        else:
            return
    os.fsync(descriptor)
