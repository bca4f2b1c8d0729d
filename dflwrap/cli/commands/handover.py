"""`dflwrap handover RUN`: prepare what is left for DeepFaceLab's manual extraction."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from dflwrap.common.text import display


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("handover")(handover)


def handover(
    run: Annotated[
        Path, typer.Argument(help="The faceset, its run folder, or its report.json.", metavar="RUN")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Prepare the frames without a face for DeepFaceLab's MANUAL RE-EXTRACT.

    Their debug pictures are moved into the run folder, so that DeepFaceLab asks for exactly these frames. The
    faces that you then make are yours: the next dflwrap extract keeps them. Exit codes: 0 prepared, or nothing
    is left to do by hand; 1 the run wrote no debug pictures (the frames are listed); 2 no finished run is there.
    """
    from dflwrap.supervisor.handover import hand_over
    from dflwrap.supervisor.run_folder import find_run

    folder, faceset = find_run(run)
    result = hand_over(folder, faceset)
    left = [*result.without_face, *result.quarantined]
    prepared = result.has_debug or not left
    if as_json:
        body = {
            "schema_version": 1,
            "debug_folder": str(result.debug),
            "prepared": prepared,
            "without_face": result.without_face,
            "quarantined": result.quarantined,
            "moved": result.moved,
        }
        print(json.dumps(body, ensure_ascii=True))
    elif not left:
        print("Every frame has a face: nothing is left to do by hand.")
    else:
        _list("Frames without a face", result.without_face)
        _list("Quarantined frames (DeepFaceLab may fail on them)", result.quarantined)
        if result.has_debug:
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
    raise typer.Exit(0 if prepared else 1)


def _list(title: str, names: tuple[str, ...]) -> None:
    if names:
        print(f"{title}:")
        for name in names:
            print(f"  {display(name)}")
