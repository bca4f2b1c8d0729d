"""`python -m dflwrap.extractors.builtin extract --input-dir A --output-dir B ...`."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    # Inside, as every spawned worker imports this module again.
    from dflwrap.extractors.builtin.cli import main

    sys.exit(main())
