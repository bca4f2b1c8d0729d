"""docs/doctor.md, made from the table of checks: `python -m dflwrap.doctor.page > docs/doctor.md`."""

from __future__ import annotations

import sys

from dflwrap.doctor.check import HEADINGS, Group, texts
from dflwrap.doctor.registry import by_id

_HEAD = """# `dflwrap doctor`: will this machine do it?

Made from dflwrap/doctor/checks.toml by `python -m dflwrap.doctor.page`; do not edit. The ids are stable.

```
dflwrap doctor
dflwrap doctor --dfl-root D:\\DeepFaceLab --output-dir D:\\work\\aligned
dflwrap doctor --only tensorflow-import
dflwrap doctor --share > doctor.txt
```

looks at the install, the card, the machine and the folders, with or without a DeepFaceLab. It changes nothing: the
small files by which it learns whether it may write are removed again. TensorFlow is imported by DeepFaceLab's own
Python, in a child process that may crash or hang, never by dflwrap. A check has a time limit, and one that breaks is a
result too.

`--all` also shows what is well, `--quick` leaves out the checks that take longer (marked "slow" below), `--only ID`
asks one check (may be given several times). `--share` leaves out user names, paths and host names.

`extract` asks the quick checks too, for two seconds at most, before it starts; it tells what is worse than a note, and
starts all the same. A cause that `diagnose` names and that lies in the machine ends with the check that would prove it.

| result | means | exit code |
|---|---|---|
| ok | as it should be | 0 |
| note | harmless, or for some uses only | 0 |
| warning | an extraction may be slower, end early or lose faces | 0 |
| failure | an extraction with this install cannot work, or not where it was asked to | 1 |
| skipped | there is nothing to look at here | 0 |
| crashed | the check itself failed, or gave no answer in time | 1 |

2 is bad usage. `--json` prints `{"schema_version": 1, "checks": [{"id", "result", "explanation", "fix"}]}` in the order
below; `fix` is empty where nothing is to be done, and what a program said stands at the end of `explanation`.
"""


def page() -> str:
    """The whole page."""
    lines = [_HEAD]
    checks = by_id()
    for group in Group:
        lines.append(f"## {HEADINGS[group]}\n")
        for name, text in texts().items():
            if text.group is not group:
                continue
            check = checks[name]
            limit = f"at most {check.timeout:g} s"
            lines += [
                f"### `{name}`{'' if check.quick else ' (slow)'}\n",
                f"{text.about}\n",
                f"- Fix: {text.fix}",
                f"- Time: {limit}\n",
            ]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
