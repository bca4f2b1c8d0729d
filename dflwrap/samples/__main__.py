"""`python -m dflwrap.samples OUT [--frames N] [--size WxH] [--seed N] [--ugly]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dflwrap.common.errors import DflwrapError, ExitCode
from dflwrap.common.text import display


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    return int(width), int(height)


def main(arguments: list[str] | None = None) -> int:
    """Make the sample frames; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m dflwrap.samples", description="Make sample frames.")
    parser.add_argument("folder", type=Path, help="where the frames go; made if missing")
    parser.add_argument("--frames", type=int, default=60, help="number of good frames (default 60)")
    parser.add_argument("--size", type=_size, default=(1280, 720), metavar="WxH", help="default 1280x720")
    parser.add_argument("--seed", type=int, default=0, help="the same seed makes the same bytes")
    parser.add_argument(
        "--ugly", action="store_true", help="add what real folders hold: broken and odd files"
    )
    options = parser.parse_args(arguments)
    try:
        from dflwrap.samples.generator import make_frames

        manifest = make_frames(options.folder, options.frames, options.size, options.seed, options.ugly)
    except DflwrapError as error:
        print(f"error: {display(str(error))}", file=sys.stderr)
        return int(error.exit_code)
    except ImportError as error:
        print(f"error: {error}; install it with: dflwrap setup samples", file=sys.stderr)
        return int(ExitCode.USAGE)
    except OSError as error:
        print(display(f"error: cannot write {options.folder}: {error.strerror or error}"), file=sys.stderr)
        return int(ExitCode.USAGE)
    print(f"{len(manifest.frames)} frames in {display(str(options.folder))}")
    for name, wrong in manifest.ugly.items():
        print(f"  {name}: {wrong}")
    for name, reason in manifest.skipped.items():
        print(f"  {name}: left out, {reason}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
