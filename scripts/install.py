"""Install, upgrade or remove dflwrap: `python3 scripts/install.py [--help]`. Needs Python 3.11 to 3.13."""

from _start import start

start("_install")
