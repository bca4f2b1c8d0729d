"""`dflwrap handover RUN`: prepare what is left for DeepFaceLab's manual extraction."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dflwrap.common.text import display

if TYPE_CHECKING:
    from dflwrap.supervisor.handover import Handover


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("handover")(handover)


def handover(
    run: Annotated[
        Path,
        typer.Argument(
            help="The faceset, its run folder or report.json; or a folder of facesets (a job).", metavar="RUN"
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Prepare the frames without a face for DeepFaceLab's MANUAL RE-EXTRACT.

    Their debug pictures are moved into the run folder, so that DeepFaceLab asks for exactly these frames. The
    faces that you then make are yours: the next dflwrap extract keeps them. Exit codes: 0 prepared, or nothing
    is left to do by hand; 1 the run wrote no debug pictures, or joins several folders (the frames are listed);
    2 no finished run is there.
    """
    from dflwrap.supervisor.handover import hand_over
    from dflwrap.supervisor.run_folder import find_runs

    runs = find_runs(run)
    results = [hand_over(folder, faceset) for folder, faceset in runs]
    if as_json:
        bodies = [_as_data(result) for result in results]
        body = bodies[0] if len(bodies) == 1 else {"schema_version": 1, "runs": bodies}
        print(json.dumps(body, ensure_ascii=True))
    else:
        for (_, faceset), result in zip(runs, results, strict=True):
            if len(runs) > 1:
                print(f"{display(str(faceset))}:")
            _tell(result)
    raise typer.Exit(0 if all(_is_prepared(result) for result in results) else 1)


def _left(result: Handover) -> list[str]:
    return [*result.without_face, *result.quarantined]


def _is_prepared(result: Handover) -> bool:
    """DeepFaceLab's MANUAL RE-EXTRACT can do what is left."""
    return not _left(result) or (result.has_debug and not result.joined)


def _as_data(result: Handover) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "debug_folder": str(result.debug),
        "prepared": _is_prepared(result),
        "without_face": result.without_face,
        "quarantined": result.quarantined,
        "moved": result.moved,
    }


def _tell(result: Handover) -> None:
    left = _left(result)
    if not left:
        print("Every frame has a face: nothing is left to do by hand.")
    else:
        _list("Frames without a face", result.without_face)
        _list("Quarantined frames (DeepFaceLab may fail on them)", result.quarantined)
        if result.joined:
            print(
                "This faceset joins several folders, and MANUAL RE-EXTRACT works on one. To go on by hand, make one of "
                "them first: dflwrap prepare INPUT OUTPUT --layout join, and extract that with --output-debug."
            )
        elif result.has_debug:
            print(
                f"{len(left)} frames are ready for DeepFaceLab's MANUAL RE-EXTRACT (it asks for the frames without "
                f"a picture in {display(str(result.debug))}; {result.moved} were moved to the run folder now)."
            )
        else:
            print(
                f"This run wrote no debug pictures ({display(str(result.debug))} is not there), and MANUAL RE-EXTRACT "
                "needs them. Extract these frames by hand with --detector manual, or run dflwrap extract again with "
                "--output-debug --redo no-face."
            )


def _list(title: str, names: tuple[str, ...]) -> None:
    if names:
        print(f"{title}:")
        for name in names:
            print(f"  {display(name)}")
