"""Before a release: the version in dflwrap/__init__.py is the tag's. `python3 scripts/check_release.py v0.1.0`.

Without an argument the tag of the current commit is taken (needs git). Exit codes: 0 the same, 1 another one.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def version() -> str:
    """Read, not imported: nothing has to be installed for it."""
    text = (ROOT / "dflwrap" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if found is None:
        raise SystemExit("dflwrap/__init__.py holds no __version__.")
    return found[1]


def main() -> int:
    """Compare the tag with the version; the exit status."""
    tag = sys.argv[1] if len(sys.argv) > 1 else _tag_here()
    if tag.removeprefix("v") == version():
        print(f"{tag} is version {version()}.")
        return 0
    print(
        f"The tag is {tag or 'missing'}, dflwrap/__init__.py says {version()}: change one.", file=sys.stderr
    )
    return 1


def _tag_here() -> str:
    done = subprocess.run(
        ["git", "describe", "--tags", "--exact-match"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
