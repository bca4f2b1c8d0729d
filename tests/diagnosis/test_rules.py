# ruff: noqa: E501 - the lines of real logs are long
"""The catalogue proves itself: samples, lint, and what rules, planning and docs say of each other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dflwrap.common.rungs import Rung
from dflwrap.diagnosis import Role, RuleError, diagnose_text, load_catalogue
from dflwrap.diagnosis.proof import failures, lint_catalogue
from dflwrap.diagnosis.rulebook.catalogue import _built_in, parse_rules
from dflwrap.diagnosis.rulebook.literals import lint, required_literals

CATALOGUE = load_catalogue()
DOCS = Path(__file__).parents[2] / "docs" / "rules.md"

RULE = """
[[rule]]
id = "my-rule"
title = "Mine"
category = "own"
explanation = "It happens."
remedies = ["user"]
steps = ["Do it."]
signatures = ['flux capacitor (?:empty|gone)']
matches = ['the flux capacitor empty', 'a flux capacitor gone here']
not_matches = ['the flux is fine']
"""


def test_every_sample_leads_to_its_own_rule_among_all_rules() -> None:
    assert failures(CATALOGUE) == []


def test_the_catalogue_passes_its_own_lint() -> None:
    assert lint_catalogue(CATALOGUE) == []


def test_every_rung_is_reachable_from_some_rule() -> None:
    used = {name for rule in CATALOGUE.rules for name in rule.remedies}
    assert used == {rung.value for rung in Rung}


def test_every_id_is_in_the_docs_and_every_id_in_the_docs_exists() -> None:
    listed = set(re.findall(r"^\| `([a-z0-9-]+)` \|", DOCS.read_text(encoding="utf-8"), re.MULTILINE))
    assert listed == set(CATALOGUE.by_id)


def test_every_signature_is_reached_only_through_literals_that_its_matches_hold() -> None:
    for rule in CATALOGUE.rules:
        for sample in rule.matches:
            for line in sample.splitlines():
                for signature in rule.signatures:
                    if signature.regex.search(line.lstrip()):
                        assert any(gate in line for gate in signature.gates), (rule.id, signature.pattern)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            ("matches = ['the flux capacitor empty', 'a flux capacitor gone here']", "matches = ['one']"),
            "samples",
        ),
        (("not_matches = ['the flux is fine']", ""), "samples"),
        (("signatures = ['flux capacitor (?:empty|gone)']", "signatures = ['(a+)+b-------']"), "repeat"),
        (
            ("signatures = ['flux capacitor (?:empty|gone)']", "signatures = ['flux .* gone']"),
            "bound the repeat",
        ),
        (("signatures = ['flux capacitor (?:empty|gone)']", "signatures = ['\\d+']"), "literal"),
        (("signatures = ['flux capacitor (?:empty|gone)']", "signatures = ['flux (']"), "regular expression"),
        (('id = "my-rule"', 'id = "My Rule"'), "lower-case"),
        (('title = "Mine"', 'title = ""'), "title"),
        (('category = "own"', 'category = "own"\nrole = "hero"'), "role"),
        (('category = "own"', 'category = "own"\ncolour = "red"'), "unknown key"),
        (('category = "own"', 'category = "own"\nstrength = 40'), "strength"),
    ],
)
def test_a_rule_that_does_not_prove_itself_is_not_loaded(change: tuple[str, str], reason: str) -> None:
    with pytest.raises(RuleError, match=reason):
        parse_rules(RULE.replace(*change), "mine.toml")


def test_a_users_own_rule_is_loaded_beside_the_built_in_ones(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(RULE, encoding="utf-8")
    catalogue = load_catalogue(tmp_path)
    assert catalogue.by_id["my-rule"].origin.endswith("mine.toml")
    assert len(catalogue.rules) == len(CATALOGUE.rules) + 1
    assert [fault for fault in failures(catalogue) if fault.rule_id == "my-rule"] == []


def test_a_rule_whose_sample_belongs_to_another_rule_is_reported(tmp_path: Path) -> None:
    greedy = RULE.replace("'the flux capacitor empty'", "'Killed'")
    (tmp_path / "mine.toml").write_text(greedy, encoding="utf-8")
    faults = [fault for fault in failures(load_catalogue(tmp_path)) if fault.rule_id == "my-rule"]
    assert len(faults) == 1
    assert "linux-oom-killer" in faults[0].reason


def test_the_same_id_in_two_files_of_a_folder_is_refused(tmp_path: Path) -> None:
    for name in ("a.toml", "b.toml"):
        (tmp_path / name).write_text(RULE, encoding="utf-8")
    with pytest.raises(RuleError, match="two files"):
        load_catalogue(tmp_path)


def test_the_cache_gives_the_same_rules_as_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DFLWRAP_CACHE_DIR", str(tmp_path))
    _built_in.cache_clear()
    fresh = load_catalogue()
    assert list(tmp_path.glob("rules-*.json"))
    _built_in.cache_clear()
    assert load_catalogue() == fresh
    next(tmp_path.glob("rules-*.json")).write_bytes(b"{ not json")
    _built_in.cache_clear()
    assert load_catalogue() == fresh
    _built_in.cache_clear()


def test_roots_and_symptoms_carry_a_remedy_a_step_and_plain_words() -> None:
    for rule in CATALOGUE.rules:
        if rule.role in (Role.ROOT, Role.SYMPTOM):
            assert rule.remedies and rule.steps, rule.id
            assert len(rule.explanation) > 30, rule.id


@pytest.mark.parametrize(
    ("pattern", "literals"),
    [
        ("No algorithm worked!", ("No algorithm worked!",)),
        ("(?:alpha|bravo) x", ("alpha", "bravo")),
        ("CUDA_ERROR_(?:LAUNCH|ECC)", ("CUDA_ERROR_",)),
        (r"\d+ of \d+ operations", (" operations",)),
        ("(?:maybe)?certain", ("certain",)),
    ],
)
def test_required_literals_are_those_every_match_holds(pattern: str, literals: tuple[str, ...]) -> None:
    assert required_literals(pattern) == literals


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(?:x{1,50}y?){2,60}", r"(\w)\1", ".*a", "[^x]*y", ".{0,9}a.{0,9}b.{0,9}c.{0,9}d"]
)
def test_patterns_that_could_be_slow_are_refused(pattern: str) -> None:
    assert lint(pattern)


def test_every_cause_cites_what_its_steps_rest_on() -> None:
    own = {rule.id for rule in CATALOGUE.rules if "dflwrap" in " ".join(rule.matches) or rule.inferred}
    lacking = [
        rule.id
        for rule in CATALOGUE.rules
        if rule.role in (Role.ROOT, Role.SYMPTOM) and not rule.references and rule.id not in own
    ]
    assert set(lacking) <= OWN_SENTENCES
    for rule in CATALOGUE.rules:
        assert all(url.startswith("https://") for url in rule.references), rule.id


OWN_SENTENCES = {
    "extractor-deadlocked", "extractor-stopped", "extractor-spinning", "disk-read-error", "ledger-damaged",
    "output-dir-missing", "process-killed", "frame-removed", "weights-not-loaded", "image-too-small",
    "zero-byte-image", "huge-image", "aligned-as-source", "model-file-missing", "ecc-error",
}  # fmt: skip
"""What dflwrap or DeepFaceLab says itself: measured, not read in a thread."""


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("ModuleNotFoundError: No module named 'cv2'", "opencv-python"),
        ("ModuleNotFoundError: No module named 'fluxlib'", "python -m pip install fluxlib"),
        ("ModuleNotFoundError: No module named 'PIL'", "Pillow"),
        ("zsh: illegal hardware instruction  python main.py extract", "tensorflow-macos"),
        ("A module that was compiled using NumPy 1.x cannot be run in NumPy 2.1.0 as it may crash.", "numpy<2"),
        ("forward compatibility was attempted on non supported HW", "Restart"),
        ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.", "Secure Boot"),
        ("OSError: [WinError 362] The cloud file provider is not running: 'C:\\\\x'", "Start OneDrive"),
        ("Could not locate zlibwapi.dll. Please make sure it is in your library path!", "zlibwapi.dll beside"),
        ("ImportError: libSM.so.6: cannot open shared object file: No such file or directory", "libsm6"),
        ("/mnt/c/Users/x/dfl\nExtracting faces...\nRunning on CPU0\nKilled", ".wslconfig"),
        ("Possibly insufficient driver version: 388.13.0", "388.13.0"),
        ("Ignoring visible gpu device (device: 0, name: GeForce GTX 660) with Cuda compute capability 3.0. The minimum required Cuda capability is 3.5.", "no TensorFlow build"),
    ],
)  # fmt: skip
def test_the_first_steps_are_for_the_form_at_hand(text: str, step: str) -> None:
    primary = diagnose_text([("x.log", (text + "\n").encode())]).primary
    assert primary is not None
    assert step in " ".join(primary.steps[:2]), primary.id


def test_a_variant_whose_condition_is_unsafe_is_refused() -> None:
    bad = RULE + 'variants = [{when = "(a+)+", steps = ["x"]}]\n'
    with pytest.raises(RuleError, match="repeat"):
        parse_rules(bad, "mine.toml")
