"""Which extractor works, and what is said about it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support import DOUBLE

from dflwrap.common.errors import DflwrapError
from dflwrap.extractors.choosing import choose_extractors


def choose(kind: str, cwd: Path, **more: Path) -> tuple[str, str]:
    named: dict[str, Path | None] = {"dfl_root": None, "dfl_python": None, **more}
    info = choose_extractors(kind, environ={}, cwd=cwd, **named)[0].info()
    return info.name, info.why


def test_an_install_that_is_named_is_taken(tmp_path: Path) -> None:
    name, why = choose("auto", tmp_path, dfl_root=DOUBLE, dfl_python=Path(sys.executable))
    assert name == "deepfacelab" and "--dfl-root" in why


def test_an_install_near_the_working_directory_is_taken(tmp_path: Path) -> None:
    name, why = choose("auto", DOUBLE, dfl_python=Path(sys.executable))
    assert name == "deepfacelab" and str(DOUBLE) in why


def test_without_an_install_the_built_in_one_works_and_says_why(tmp_path: Path) -> None:
    name, why = choose("auto", tmp_path)
    assert name == "builtin" and "no DeepFaceLab install was found" in why


def test_a_deepfacelab_without_its_python_is_named(tmp_path: Path) -> None:
    name, why = choose("auto", DOUBLE)
    assert name == "builtin" and str(DOUBLE) in why and "--dfl-python" in why
    with pytest.raises(DflwrapError, match="--dfl-python"):
        choose("dfl", DOUBLE)


def test_dfl_asked_for_and_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DflwrapError, match="--dfl-root"):
        choose("dfl", tmp_path)
