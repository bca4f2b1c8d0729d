"""`python -m dflwrap`."""

from dflwrap.cli.main import run

if __name__ == "__main__":
    run()
