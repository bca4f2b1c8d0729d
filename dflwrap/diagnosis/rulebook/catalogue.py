"""Loading the rules, with a cache: TOML is read and checked once per content, not once per start."""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import asdict, dataclass, fields
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from dflwrap.diagnosis.rulebook.places import cache_folder
from dflwrap.diagnosis.rulebook.rule import Role, Rule, RuleError, Signature, Variant, rule_from_table

RULES_FOLDER = Path(__file__).parents[1] / "rules"
_CACHE_VERSION = 4
_ENGINE_FILES = ("rule.py", "literals.py", "catalogue.py")


@dataclass(frozen=True)
class Catalogue:
    """All rules, found by id and in an order that never changes."""

    rules: tuple[Rule, ...]

    @cached_property
    def by_id(self) -> dict[str, Rule]:
        return {rule.id: rule for rule in self.rules}

    @cached_property
    def literals(self) -> tuple[str, ...]:
        """Every gate literal once."""
        return tuple(sorted({gate for rule in self.rules for sig in rule.signatures for gate in sig.gates}))


@lru_cache(maxsize=1)
def _built_in() -> Catalogue:
    return Catalogue(tuple(_load_folder(RULES_FOLDER, "built in")))


def load_catalogue(extra_folder: Path | None = None) -> Catalogue:
    """The built-in rules and, after them, those of `extra_folder` (a user's rule replaces one of the same id).

    Raises RuleError, in one sentence, for a rule that does not load.
    """
    if extra_folder is None:
        return _built_in()
    rules = dict(_built_in().by_id)
    for rule in _load_folder(extra_folder, str(extra_folder)):
        rules[rule.id] = rule
    return Catalogue(tuple(rules.values()))


def parse_rules(text: str, origin: str) -> list[Rule]:
    """The rules of one TOML text. Raises RuleError."""
    import tomllib

    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RuleError(f"{origin} is not valid TOML: {error}") from None
    tables = document.get("rule", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise RuleError(f"{origin}: rules are [[rule]] tables")
    rules = [rule_from_table(table, origin) for table in tables]
    seen: set[str] = set()
    for rule in rules:
        if rule.id in seen:
            raise RuleError(f"{origin}: id {rule.id} appears twice")
        seen.add(rule.id)
    return rules


def _load_folder(folder: Path, origin: str) -> list[Rule]:
    try:
        texts = [(path.name, path.read_bytes()) for path in sorted(folder.glob("*.toml"))]
    except OSError as error:
        raise RuleError(f"cannot read the rules in {folder}: {error.strerror}") from None
    key = _content_key(
        [(name, (Path(__file__).parent / name).read_bytes()) for name in _ENGINE_FILES] + texts
    )
    cached = _read_cache(key)
    if cached is not None:
        return cached
    rules: list[Rule] = []
    for name, data in texts:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise RuleError(f"{folder / name} is not UTF-8") from None
        rules += parse_rules(text, name if origin == "built in" else str(folder / name))
    ids = [rule.id for rule in rules]
    twice = {name for name in ids if ids.count(name) > 1}
    if twice:
        raise RuleError(f"id {sorted(twice)[0]} appears in two files of {folder}")
    _write_cache(key, rules)
    return rules


def _content_key(files: list[tuple[str, bytes]]) -> str:
    """Names, sizes and two check sums of everything that decides what the cache holds."""
    crc, adler, size = zlib.crc32(str(_CACHE_VERSION).encode()), 1, 0
    for name, data in files:
        part = name.encode() + b"\0" + data
        crc, adler, size = zlib.crc32(part, crc), zlib.adler32(part, adler), size + len(part)
    return f"{crc:08x}{adler:08x}{size:x}"


def _read_cache(key: str) -> list[Rule] | None:
    try:
        body = json.loads((cache_folder() / f"rules-{key}.json").read_bytes())
        return [_revive(item) for item in body]
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _revive(item: dict[str, Any]) -> Rule:
    values: dict[str, Any] = _tuples({f.name: item[f.name] for f in fields(Rule)})
    values["role"] = Role(item["role"])
    values["variants"] = tuple(Variant(one["when"], tuple(one["steps"])) for one in item["variants"])
    values["signatures"] = tuple(Signature(**_tuples(sig)) for sig in item["signatures"])
    rule = object.__new__(Rule)  # as __init__ does, without 17 calls a rule
    rule.__dict__.update(values)
    return rule


def _tuples(item: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in item.items()}


def _write_cache(key: str, rules: list[Rule]) -> None:
    """Best effort: a cache that cannot be written costs time, nothing else."""
    import tempfile

    try:
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=folder, suffix=".tmp")
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump([asdict(rule) for rule in rules], stream)
        Path(name).replace(folder / f"rules-{key}.json")
    except OSError:
        pass
