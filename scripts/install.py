"""Install, upgrade or remove dflwrap: `python3 scripts/install.py [--help]`. Needs Python 3.11 to 3.13."""

import sys

sys.dont_write_bytecode = True  # the unpacked folder stays as it was

from _start import start  # noqa: E402

start("_install")
