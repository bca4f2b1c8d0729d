"""The whole suite, ruff and mypy: `python3 scripts/test.py [arguments for pytest]`."""

import sys

sys.dont_write_bytecode = True  # the unpacked folder stays as it was

from _start import start  # noqa: E402

start("_test")
