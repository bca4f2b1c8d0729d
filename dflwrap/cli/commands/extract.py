"""`dflwrap extract`: in place of DeepFaceLab's own extract."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dflwrap.cli import arguments
from dflwrap.cli.clips import folders
from dflwrap.common.choices import OnConflict, OnGpuFailure, SecondLook
from dflwrap.common.defaults import BLURRY_BELOW
from dflwrap.common.errors import DflwrapError

if TYPE_CHECKING:
    from dflwrap.supervisor.request import RunRequest

_EXIT_CODES = """Exit codes:

0 every frame extracted or without a face; 1 finished, some frames quarantined;
2 bad usage or input, nothing started; 3 stopped, needs you (the cause is the last line on stderr);
4 interrupted: run the same command again to resume; 5 a fault of dflwrap itself."""

_DFL = "As DeepFaceLab's own extract"
_RUN = "The run"
_DEVICES = "Devices and width"
_FRAMES = "Frames"


def register(app: typer.Typer) -> None:
    app.command("extract", epilog=_EXIT_CODES)(extract)


def extract(
    context: typer.Context,
    frames: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Folder with the frames, in place of --input-dir; the faceset goes into its folder `aligned`.",
            metavar="[FRAMES]",
        ),
    ] = None,
    input_dir: Annotated[
        Path | None, typer.Option("--input-dir", help="Folder with the frames.", rich_help_panel=_DFL)
    ] = None,
    output_dir: Annotated[
        Path | None, typer.Option("--output-dir", help="Folder of the faceset.", rich_help_panel=_DFL)
    ] = None,
    detector: Annotated[str, typer.Option(help="s3fd, the automatic one.", rich_help_panel=_DFL)] = "s3fd",
    face_type: Annotated[
        str, typer.Option(help="half_face, full_face, whole_face, head, mark_only.", rich_help_panel=_DFL)
    ] = "whole_face",
    max_faces_from_image: Annotated[
        int, typer.Option(min=0, help="Largest faces kept per frame; 0 = all.", rich_help_panel=_DFL)
    ] = 0,
    image_size: Annotated[
        int | None,
        typer.Option(
            min=64, max=4096, help="Side of a face in pixels.  [512; 768 for head]", rich_help_panel=_DFL
        ),
    ] = None,
    jpeg_quality: Annotated[int, typer.Option(min=1, max=100, rich_help_panel=_DFL)] = 90,
    output_debug: Annotated[
        bool,
        typer.Option(
            "--output-debug/--no-output-debug",
            help="Also write <output>_debug pictures.",
            rich_help_panel=_DFL,
        ),
    ] = False,
    cpu_only: Annotated[bool, typer.Option("--cpu-only", help="Use no GPU.", rich_help_panel=_DFL)] = False,
    force_gpu_idxs: Annotated[
        str | None, typer.Option(help='GPUs to use, such as "0" or "0,1".', rich_help_panel=_DFL)
    ] = None,
    manual_fix: Annotated[
        bool,
        typer.Option(
            "--manual-fix",
            help="Name the frames left without a face, for you to do by hand.",
            rich_help_panel=_DFL,
        ),
    ] = False,
    manual_output_debug_fix: Annotated[
        bool,
        typer.Option(
            "--manual-output-debug-fix",
            help="Name the frames whose debug pictures you deleted, for you to do by hand.",
            rich_help_panel=_DFL,
        ),
    ] = False,
    manual_window_size: Annotated[
        int, typer.Option(help="Accepted, without effect: no window is opened.", rich_help_panel=_DFL)
    ] = 1368,
    clip: Annotated[
        str | None,
        typer.Option(
            help="data_src or data_dst of DeepFaceLab's workspace, in place of the two folders.",
            rich_help_panel=_RUN,
        ),
    ] = None,
    ask: Annotated[
        bool,
        typer.Option(
            "--ask", help="At a terminal: ask what DeepFaceLab asks, a minute each.", rich_help_panel=_RUN
        ),
    ] = False,
    extractor: Annotated[
        str, typer.Option(help="auto, dfl, or builtin (no DeepFaceLab needed).", rich_help_panel=_RUN)
    ] = "auto",
    dfl_root: Annotated[
        Path | None, typer.Option(help="Folder of the DeepFaceLab install.", rich_help_panel=_RUN)
    ] = None,
    dfl_python: Annotated[
        Path | None, typer.Option(help="The Python that runs DeepFaceLab.", rich_help_panel=_RUN)
    ] = None,
    no_agent: Annotated[
        bool,
        typer.Option(
            "--no-agent",
            help="Do not hook into the extractor: watch it from outside (black-box mode).",
            rich_help_panel=_RUN,
        ),
    ] = False,
    workers: Annotated[
        str, typer.Option(help="Workers per device, or auto.", rich_help_panel=_DEVICES)
    ] = "auto",
    batch_size: Annotated[
        str, typer.Option(help="Frames per attempt, or auto.", rich_help_panel=_DEVICES)
    ] = "auto",
    on_gpu_failure: Annotated[
        str, typer.Option(help="What may take over: cpu, builtin, stop.", rich_help_panel=_DEVICES)
    ] = "cpu",
    max_side: Annotated[
        int,
        typer.Option(min=0, help="Downscale larger frames on their way in; 0 = no.", rich_help_panel=_FRAMES),
    ] = 0,
    min_side: Annotated[
        int, typer.Option(min=0, help="Leave out frames with a shorter side.", rich_help_panel=_FRAMES)
    ] = 0,
    skip_black: Annotated[
        bool, typer.Option("--skip-black", help="Leave out black frames.", rich_help_panel=_FRAMES)
    ] = False,
    skip_blurry: Annotated[
        bool, typer.Option("--skip-blurry", help="Leave out blurry frames.", rich_help_panel=_FRAMES)
    ] = False,
    blurry_below: Annotated[
        float,
        typer.Option(
            min=0,
            help="What counts as blurry: sharpness (variance of the Laplacian) under this.",
            rich_help_panel=_FRAMES,
        ),
    ] = BLURRY_BELOW,
    redo: Annotated[
        list[str] | None,
        typer.Option(
            help="Extract frames again: all, missing (their faces were removed), no-face, quarantined, changed "
            "(edited since), or a pattern of frame names. May be given several times.",
            rich_help_panel=_FRAMES,
        ),
    ] = None,
    even_edited: Annotated[
        bool,
        typer.Option(
            "--even-edited",
            help="With --redo: also frames whose faces you have worked on (moved to set_aside).",
            rich_help_panel=_FRAMES,
        ),
    ] = False,
    on_conflict: Annotated[
        str | None,
        typer.Option(
            help="When the faceset is of another clip, or has other faces: stop, set-aside (into the run "
            "folder), or add (under other names). At a terminal you are asked.  [stop]",
            rich_help_panel=_RUN,
        ),
    ] = None,
    second_look: Annotated[
        str,
        typer.Option(
            help="Frames without a face, looked at again by the built-in extractor: off, sample (reported), "
            "all (and extracted), auto (a sample, in long runs).",
            rich_help_panel=_FRAMES,
        ),
    ] = "auto",
    wait_for_disk: Annotated[
        bool,
        typer.Option(
            "--wait-for-disk",
            help="A full disk, or a folder that is gone: wait without limit, do not stop.",
            rich_help_panel=_RUN,
        ),
    ] = False,
    folder_timeout: Annotated[
        float,
        typer.Option(
            min=0, help="Seconds to wait for a folder or disk that goes away.", rich_help_panel=_RUN
        ),
    ] = 1800.0,
    frame_timeout: Annotated[
        float, typer.Option(min=5, help="Seconds without progress before a hang.", rich_help_panel=_RUN)
    ] = 300.0,
    startup_timeout: Annotated[
        float,
        typer.Option(min=10, help="The same, until the first frame is done.", rich_help_panel=_RUN),
    ] = 1800.0,
    json_output: Annotated[
        bool,
        typer.Option("--json", help="One JSON object on stdout, all else on stderr.", rich_help_panel=_RUN),
    ] = False,
) -> None:
    """Extract faces from a folder of frames, and account for every frame.

    Takes the flags of DeepFaceLab's extract. Run the same command again to resume.
    """
    del manual_window_size
    if detector == "manual":
        raise DflwrapError(
            "Manual extraction needs a person at the screen: use DeepFaceLab's own script for it. "
            "dflwrap runs --detector s3fd."
        )
    from dflwrap.cli.running import run_and_tell
    from dflwrap.common.plan import ExtractOptions

    given = frozenset(name for name in context.params if _is_given(context, name))
    options = ExtractOptions(
        detector=arguments.one_of("--detector", detector, ("s3fd",)),
        face_type=arguments.one_of(
            "--face-type", face_type, ("half_face", "full_face", "whole_face", "head", "mark_only")
        ),
        max_faces_from_image=max_faces_from_image,
        image_size=image_size or (768 if face_type == "head" else 512),
        jpeg_quality=jpeg_quality,
        output_debug=output_debug,
    )
    from dflwrap.frames.filters import Filters
    from dflwrap.supervisor.request import RunRequest

    source, faceset = folders(input_dir, output_dir, frames or (), clip, dfl_root, dfl_python)
    request: RunRequest = RunRequest(
        input_dir=source,
        output_dir=faceset,
        options=options,
        cpu_only=cpu_only,
        gpus=arguments.gpus(force_gpu_idxs),
        workers=arguments.number("--workers", workers),
        batch_size=arguments.number("--batch-size", batch_size),
        max_side=arguments.longest_side(max_side),
        filters=Filters(
            min_side, skip_black, arguments.finite("--blurry-below", blurry_below) if skip_blurry else 0.0
        ),
        on_conflict=OnConflict(arguments.one_of("--on-conflict", on_conflict or "stop", tuple(OnConflict))),
        on_gpu_failure=OnGpuFailure(
            arguments.one_of("--on-gpu-failure", on_gpu_failure, tuple(OnGpuFailure))
        ),
        redo=tuple(redo or ()),
        even_edited=even_edited,
        black_box=no_agent,
        second_look=SecondLook(arguments.one_of("--second-look", second_look, tuple(SecondLook))),
        manual_fix=manual_fix,
        manual_output_debug_fix=manual_output_debug_fix,
        may_wait=wait_for_disk,
        folder_timeout=arguments.finite("--folder-timeout", folder_timeout),
        frame_timeout=arguments.finite("--frame-timeout", frame_timeout),
        startup_timeout=arguments.finite("--startup-timeout", startup_timeout),
    )
    kind = arguments.one_of("--extractor", extractor, ("auto", "dfl", "builtin"))
    raise typer.Exit(
        run_and_tell(
            request,
            kind,
            dfl_root,
            dfl_python,
            as_json=json_output,
            may_ask=on_conflict is None,
            questions=given if ask else None,
        )
    )


def _is_given(context: typer.Context, name: str) -> bool:
    """On the command line; its default does not count."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
