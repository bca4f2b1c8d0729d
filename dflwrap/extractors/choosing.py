"""Which extractor works: the user's DeepFaceLab where one is found, else the built-in one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dflwrap.common.errors import DflwrapError
from dflwrap.extractors.base import Extractor
from dflwrap.extractors.builtin.extractor import BuiltinExtractor
from dflwrap.extractors.builtin.parts import HOW_TO_INSTALL, is_complete
from dflwrap.extractors.deepfacelab import DeepFaceLabExtractor, find_install, without_python


def choose_extractors(
    kind: str,
    *,
    dfl_root: Path | None,
    dfl_python: Path | None,
    environ: Mapping[str, str],
    cwd: Path | None,
) -> tuple[Extractor, ...]:
    """The chosen extractor first, then the one that may take over.

    kind: "auto", "dfl" or "builtin". Raises DflwrapError when what is asked for is not there.
    """
    can_builtin = is_complete()
    if kind == "builtin":
        if not can_builtin:
            raise DflwrapError(f"The built-in extractor is not installed here: {HOW_TO_INSTALL}")
        return (BuiltinExtractor("requested"),)
    install = find_install(dfl_root, dfl_python, environ, cwd)
    if install is not None:
        chosen: tuple[Extractor, ...] = (DeepFaceLabExtractor(install),)
        return (*chosen, BuiltinExtractor("takes over")) if can_builtin else chosen
    lying = without_python(environ, cwd)
    if lying is not None and (kind == "dfl" or not can_builtin):
        raise DflwrapError(
            f"DeepFaceLab is in {lying}, but the Python that runs it was not found; name it with --dfl-python."
        )
    if kind == "dfl":
        raise DflwrapError(
            "No DeepFaceLab was found near here. Name its folder with --dfl-root "
            "(the one that holds _internal, or main.py)."
        )
    if not can_builtin:
        raise DflwrapError(
            "No DeepFaceLab was found near here, and the built-in extractor is not installed. "
            f"Name the DeepFaceLab folder with --dfl-root, or {HOW_TO_INSTALL}"
        )
    if lying is not None:
        why = f"DeepFaceLab is in {lying}, but its Python was not found (name it with --dfl-python)"
    else:
        why = "no DeepFaceLab install was found near here"
    return (BuiltinExtractor(why),)
