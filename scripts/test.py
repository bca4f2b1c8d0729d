"""The whole suite, ruff and mypy: `python3 scripts/test.py [arguments for pytest]`."""

from _start import start

start("_test")
