"""`python -m dflwrap.launchers FOLDER`: write the generic scripts (those of scripts/deepfacelab in the repository)."""

from __future__ import annotations

import sys
from pathlib import Path

from dflwrap.launchers.texts import JOBS, Shell, generic_text


def main() -> int:
    """Write the generic scripts of the repository into the folder that is named; the exit status."""
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    for shell in Shell:
        for job in JOBS:
            path = folder / job.names[shell]
            path.write_bytes(generic_text(job, shell))
            path.chmod(0o755 if shell is Shell.SH else 0o644)
    return 0


if __name__ == "__main__":
    sys.exit(main())
