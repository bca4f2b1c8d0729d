"""`python -m dflwrap`."""

from dflwrap.cli.start import run

if __name__ == "__main__":
    run()
