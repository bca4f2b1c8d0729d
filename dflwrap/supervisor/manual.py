"""What is left for a person: DeepFaceLab's manual options, of which dflwrap does the automatic part.

With `--manual-fix` DeepFaceLab extracts, then opens its window for every frame without a face. With
`--manual-output-debug-fix` it opens it for every frame whose debug picture the user has deleted. Here the run is the
same as without them, and those frames are named.
"""

from __future__ import annotations

from pathlib import Path

from dflwrap.common.errors import DflwrapError
from dflwrap.common.text import display
from dflwrap.common.trees import is_folder
from dflwrap.ledger.ledger import Ledger
from dflwrap.supervisor.request import RunRequest


def debug_folder(output: Path) -> Path:
    """Where DeepFaceLab puts the debug pictures of the faceset `output`."""
    return output.with_name(output.name + "_debug")


def check_debug_pictures(request: RunRequest) -> None:
    """Raises DflwrapError where `--manual-output-debug-fix` has nothing to compare with, as DeepFaceLab refuses it."""
    folder = debug_folder(request.output_dir)
    if request.manual_output_debug_fix and not is_folder(folder):
        raise DflwrapError(
            f"There are no debug pictures: {display(str(folder))}. --manual-output-debug-fix names the frames whose "
            "pictures you have deleted from it: extract with --output-debug first."
        )


def deleted_debug_pictures(request: RunRequest, ledger: Ledger) -> list[int]:
    """Frames (ids) with a result whose debug picture is gone. To be asked before the run makes new ones."""
    if not request.manual_output_debug_fix:
        return []
    there = {path.stem for path in debug_folder(request.output_dir).iterdir()}
    done = ledger.frames("outcome IN ('extracted', 'no_face')")
    return [row.id for row in done if row.stem not in there]


def left_for_a_person(request: RunRequest, ledger: Ledger, deleted: list[int]) -> list[str] | None:
    """Names of the frames, in order; None where nothing of the kind was asked for."""
    if not (request.manual_fix or request.manual_output_debug_fix):
        return None
    wanted = set(deleted)
    rows = ledger.frames("outcome IN ('extracted', 'no_face')")
    empty = {row.id for row in rows if request.manual_fix and not row.faces}
    return [row.name for row in rows if row.id in wanted | empty]
