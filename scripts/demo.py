"""A minute with dflwrap: `python3 scripts/demo.py`. Needs Python 3.11 to 3.13 and nothing else."""

import sys

sys.dont_write_bytecode = True  # the unpacked folder stays as it was

from _start import start  # noqa: E402

start("_demo")
