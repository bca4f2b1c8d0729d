"""`dflwrap rules`: list, show, test and lint the rules that `diagnose` knows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dflwrap.common.errors import DflwrapError
from dflwrap.common.text import display

if TYPE_CHECKING:
    from dflwrap.diagnosis import Catalogue, Rule

_RULES = Annotated[Path | None, typer.Option("--rules", help="Folder with rules of your own.", metavar="DIR")]
FAILED = 1
"""Exit code when a rule fails its own samples or the lint."""


def register(app: typer.Typer) -> None:
    """Add the group of commands to `app`."""
    group = typer.Typer(no_args_is_help=True, help="The causes that diagnose knows, and rules of your own.")
    group.command("list")(list_rules)
    group.command("show")(show)
    group.command("test")(check)
    group.command("lint")(lint)
    group.command("adopt")(adopt)
    app.add_typer(group, name="rules")


def _catalogue(folder: Path | None) -> Catalogue:
    from dflwrap.cli.diagnosing import open_catalogue

    return open_catalogue(folder)


def list_rules(
    rules: _RULES = None,
    category: Annotated[str, typer.Option(help="Only this category.")] = "",
) -> None:
    """One line per rule: id, role, category, title."""
    for rule in _catalogue(rules).rules:
        if category in ("", rule.category):
            typer.echo(display(f"{rule.id:34} {rule.role.value:8} {rule.category:24} {rule.title}"))


def show(name: Annotated[str, typer.Argument(metavar="ID")], rules: _RULES = None) -> None:
    """The full page of one rule."""
    rule = _catalogue(rules).by_id.get(name)
    if rule is None:
        raise DflwrapError(f"there is no rule {name}; see dflwrap rules list")
    typer.echo(page(rule))


def check(
    file: Annotated[Path | None, typer.Argument(help="A rule file; without it, all rules.")] = None,
    rules: _RULES = None,
) -> None:
    """Check that every rule's samples lead to that rule, against all other rules."""
    from dflwrap.diagnosis.proof import failures

    catalogue = _with_file(_catalogue(rules), file)
    wanted = None if file is None else {rule.id for rule in _read(file)}
    found = [fault for fault in failures(catalogue) if wanted is None or fault.rule_id in wanted]
    for fault in found:
        typer.echo(display(f"{fault.rule_id}: {fault.reason}"))
    count = len(catalogue.rules) if wanted is None else len(wanted)
    typer.echo(f"{count} rules tested, {len(found)} samples fail")
    raise typer.Exit(FAILED if found else 0)


def lint(
    file: Annotated[Path | None, typer.Argument(help="A rule file; without it, all rules.")] = None,
    rules: _RULES = None,
) -> None:
    """Check names, remedies, references between rules, and that no pattern can be slow."""
    from dflwrap.diagnosis.proof import lint_catalogue

    catalogue = _with_file(_catalogue(rules), file)
    faults = lint_catalogue(catalogue)
    for fault in faults:
        typer.echo(display(f"{fault.rule_id}: {fault.reason}"))
    typer.echo(f"{len(catalogue.rules)} rules, {len(faults)} faults")
    raise typer.Exit(FAILED if faults else 0)


def adopt(
    file: Annotated[Path, typer.Argument(help="Your rule file (one [[rule]]).")],
    log: Annotated[Path, typer.Argument(help="A log that this rule explains.")],
) -> None:
    """Attach a log to a new rule: what it shows, without names and paths, becomes one of its samples."""
    from dflwrap.cli.diagnosing import run
    from dflwrap.cli.words.share import redact

    rules = _read(file)
    if len(rules) != 1:
        raise DflwrapError(f"{file} must hold exactly one rule")
    (_, diagnosis), *_rest = run([str(log)], None)
    text = _sample(log, rules[0])
    if text is None:
        raise DflwrapError(f"no line of {log} matches rule {rules[0].id}")
    body = file.read_text(encoding="utf-8-sig")
    quoted = redact(text).replace("'''", "' ' '")
    mark = "matches = ["
    at = body.find(f"\n{mark}") + 1
    if at == 0:
        raise DflwrapError(f"{file} has no line that starts with {mark!r}")
    at += len(mark)
    file.write_text(f"{body[:at]}'''\n{quoted}''', {body[at:]}", encoding="utf-8")
    _read(file)
    typer.echo(f"{rules[0].id} has one sample more ({len(text.splitlines())} lines)")
    typer.echo(f"without your rule this log is: {diagnosis.verdict.health.value}")


SAMPLE_LINES = 12
"""Lines around the hit that become the sample."""


def _sample(log: Path, rule: Rule) -> str | None:
    from dflwrap.diagnosis.log.reading import read_source

    lines = read_source(log.name, [log.read_bytes()]).unwrapped
    for index, line in enumerate(lines):
        if any(signature.regex.search(line.text) for signature in rule.signatures):
            part = lines[max(0, index - SAMPLE_LINES) : index + SAMPLE_LINES]
            return "\n".join(" " * item.indent + item.text for item in part)
    return None


def _read(file: Path) -> list[Rule]:
    from dflwrap.diagnosis.rulebook.catalogue import parse_rules
    from dflwrap.diagnosis.rulebook.rule import RuleError

    try:
        return parse_rules(file.read_text(encoding="utf-8-sig"), str(file))
    except RuleError as error:
        raise DflwrapError(str(error)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DflwrapError(f"cannot read {file}: {error}") from None


def _with_file(catalogue: Catalogue, file: Path | None) -> Catalogue:
    from dflwrap.diagnosis.rulebook.catalogue import Catalogue as Kind

    if file is None:
        return catalogue
    merged = {rule.id: rule for rule in catalogue.rules} | {rule.id: rule for rule in _read(file)}
    return Kind(tuple(merged.values()))


def page(rule: Rule) -> str:
    """The same questions in the same order for every rule."""
    from dflwrap.check.page import ids_for
    from dflwrap.cli.words.wording import ONLY_IF, RUNG_WORDS

    lines = [f"{rule.title}   [{rule.id}]", f"{rule.category}, {rule.role.value}, strength {rule.strength}"]
    lines += ["", "Why it happens", *(f"  {line}" for line in rule.explanation.split("\n"))]
    if rule.remedies:
        lines += [
            "",
            "What dflwrap does about it",
            *(f"  - {RUNG_WORDS.get(r, r)} ({r}{ONLY_IF.get(r, '')})" for r in rule.remedies),
        ]
    if rule.steps:
        lines += ["", "What you can do", *(f"  {n}. {step}" for n, step in enumerate(rule.steps, 1))]
    for variant in rule.variants:
        lines += ["", f"Instead, where the log holds {variant.when}"]
        lines += [f"  {n}. {step}" for n, step in enumerate(variant.steps, 1)]
    if rule.not_proof:
        lines += ["", "What a match does not prove", f"  {rule.not_proof}"]
    lines += ["", "What it is found by", *(f"  {sig.pattern}" for sig in rule.signatures)]
    if rule.inferred:
        lines += ["  (also concluded from arithmetic, silence or an exit status)"]
    if rule.explained_by:
        lines += ["", "Only a symptom beside", "  " + ", ".join(rule.explained_by)]
    found = ids_for(rule.id)
    if found:
        lines += ["", "Found beforehand by dflwrap check (docs/findings.md)", "  " + ", ".join(found)]
    if rule.check:
        lines += ["", "Proved by (docs/doctor.md)", f"  dflwrap doctor --only {rule.check}"]
    if rule.references:
        lines += ["", "More", *(f"  {url}" for url in rule.references)]
    return "\n".join(map(display, lines))


if __name__ == "__main__":
    standalone = typer.Typer(add_completion=False)
    register(standalone)
    standalone()
