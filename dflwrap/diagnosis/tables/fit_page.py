"""docs/fit.md, made from the table of fit: `python -m dflwrap.diagnosis.tables.fit_page > docs/fit.md`."""

from __future__ import annotations

import sys

from dflwrap.diagnosis.tables.fit import Build, table
from dflwrap.diagnosis.tables.fit_answer import Outcome, answer

_HEAD = """# Which card runs with which TensorFlow

Made from dflwrap/diagnosis/tables/fit.toml by `python -m dflwrap.diagnosis.tables.fit_page`; do not edit.
`dflwrap doctor` asks the same table about your machine (`tensorflow-fit`), and `dflwrap diagnose` explains with it.

**runs**: the release holds code for the card. **compiles**: the driver translates code at the first start, which takes
minutes, up to half an hour, once. **no**: it cannot. **?**: nobody has said. On Windows TensorFlow's own wheels use no
card after 2.10 (DeepFaceLab's builds bring their own); WSL is as Linux, with Windows' driver. TensorFlow-DirectML runs
on every card with DirectX 12, on Windows and in WSL.
"""
_SHORT = {
    Outcome.RUNS: "runs",
    Outcome.COMPILES_FIRST: "compiles",
    Outcome.CANNOT: "no",
    Outcome.UNKNOWN: "?",
}
SYSTEM = "linux"


def page() -> str:
    """The whole page."""
    known = table()
    lines = [_HEAD]
    for product, title in (
        ("tensorflow", "TensorFlow (Linux, WSL; Windows up to 2.10)"),
        ("pytorch", "PyTorch"),
    ):
        builds = [build for build in known.builds if build.product == product]
        lines += [f"## {title}\n", "| release | CUDA | cuDNN | Python | " + _names() + " |"]
        lines.append("|---" * (4 + len(known.generations)) + "|")
        lines += [_row(build) for build in builds]
        lines.append("")
    lines += ["## Drivers\n", "| CUDA | Linux | Windows, WSL |", "|---|---|---|"]
    lines += [f"| {one.cuda} | {one.driver['linux']} | {one.driver['windows']} |" for one in known.toolkits]
    lines += ["", "## Sources\n"]
    sources = {row.source for row in known.generations} | {row.source for row in known.toolkits}
    sources |= {row.source for row in known.builds} | {row.source for row in known.seen}
    sources |= {row.source for row in known.deepfacelab}
    lines += [f"- <{source}>" for source in sorted(sources)]
    return "\n".join(lines) + "\n"


def _names() -> str:
    return " | ".join(f"{one.name} {one.capability[0]}" for one in table().generations)


def _row(build: Build) -> str:
    low, high = build.versions
    tag = f"+cu{build.cuda.replace('.', '')}" if build.product == "pytorch" else ""
    found = [_SHORT[answer(card, build.product, low + tag, SYSTEM).outcome] for card in table().generations]
    releases = low if low == high else f"{low} to {high}"
    python = f"{build.python[0]} to {build.python[1]}"
    return f"| {' | '.join((releases, build.cuda, build.cudnn, python, *found))} |"


if __name__ == "__main__":
    sys.stdout.write(page())
