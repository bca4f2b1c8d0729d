"""A minute with dflwrap: `python3 scripts/demo.py`. Needs Python 3.11 to 3.13 and nothing else."""

from _start import start

start("_demo")
