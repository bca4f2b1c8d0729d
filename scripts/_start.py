"""The first lines of install.py, demo.py and test.py. Every Python from 2.7 on has to be able to read this file."""

import sys

FIRST, LAST = (3, 11), (3, 13)


def refusal(version, bits):
    """Why a Python of this (major, minor) and pointer width in bits will not do, in one sentence; None if it will."""
    wanted = "dflwrap needs a 64-bit Python 3.11, 3.12 or 3.13"
    where = (
        "get one with 'winget install Python.Python.3.13' or from https://www.python.org/downloads/windows/"
        if sys.platform == "win32"
        else "get one from your system's packages (python3.13, python3.12) or https://www.python.org/downloads/"
    )
    this = "%d.%d" % tuple(version)
    if tuple(version) > LAST:
        return (
            "%s; this is Python %s, with which it has not been tested: %s, or add --any-python to try it."
            % (wanted, this, where)
        )
    if tuple(version) < FIRST or bits < 64:
        return "%s; this is Python %s (%d-bit): %s." % (wanted, this, bits, where)
    return None


def start(name):
    """Run `main()` of the module `name`, unless this Python cannot."""
    problem = refusal(sys.version_info[:2], 64 if sys.maxsize > 2**32 else 32)
    if problem and not ("--any-python" in sys.argv and tuple(sys.version_info[:2]) > LAST):
        sys.stderr.write(problem + "\n")
        sys.exit(2)
    sys.argv[1:] = [word for word in sys.argv[1:] if word != "--any-python"]
    try:
        sys.exit(__import__(name).main())
    except KeyboardInterrupt:
        sys.exit(4)
