"""`dflwrap extract`: in place of DeepFaceLab's own extract."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dflwrap.cli import arguments
from dflwrap.cli import unattended_options as unattended
from dflwrap.cli.fork_options import ExtractCommand, install_options
from dflwrap.cli.jobs import options as input_options
from dflwrap.common.choices import (
    BLURRY_BELOW,
    Clip,
    ExtractorKind,
    FaceType,
    LayoutChoice,
    OnConflict,
    OnGpuFailure,
    SecondLook,
    Warp,
)
from dflwrap.common.errors import DflwrapError
from dflwrap.unattended.wishes import STALL_MINUTES, Wishes

if TYPE_CHECKING:
    from dflwrap.supervisor.request import RunRequest

_EPILOG = """Examples:

  In place of DeepFaceLab's script "4) data_src faceset extract":
    dflwrap extract --clip data_src
    dflwrap extract --input-dir frames --output-dir frames/aligned
  Overnight, with nobody there to answer:
    dflwrap extract --clip data_dst --on-gpu-failure builtin --wait-for-disk
  Why did it fail?
    dflwrap diagnose frames/aligned_dflwrap

Exit codes:

0 every frame extracted or without a face; 1 finished, some frames quarantined; 2 bad usage or input, nothing started;
3 stopped, needs you (the cause is the last line on stderr); 4 interrupted: run the same command again to resume;
5 a fault of dflwrap itself."""

_DFL = "DeepFaceLab options"
_DEVICES = "Devices and parallelism"
_FRAMES = "Frames"
_UNATTENDED = "Unattended"
_OUTPUT = "Output"


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("extract", epilog=_EPILOG, cls=ExtractCommand)(extract)


def extract(
    context: typer.Context,
    frames: Annotated[
        list[Path] | None,
        typer.Argument(
            help="DATA: the frames (a folder or a video), as --input-dir. OUT: the faceset, as --output-dir "
            "[DATA/aligned].",
            metavar="[DATA [OUT]]",
            rich_help_panel=_DFL,
        ),
    ] = None,
    input_dir: Annotated[
        Path | None,
        typer.Option("--input-dir", help="Folder with the frames.", metavar="DIR", rich_help_panel=_DFL),
    ] = None,
    output_dir: Annotated[
        Path | None,
        typer.Option("--output-dir", help="Folder of the faceset.", metavar="DIR", rich_help_panel=_DFL),
    ] = None,
    layout: input_options.Layout = LayoutChoice.AUTO,
    job: input_options.Job = None,
    job_list: input_options.JobList = None,
    clip: Annotated[
        Clip | None,
        typer.Option(
            help="A clip of DeepFaceLab's workspace, in place of the two folders.",
            rich_help_panel=_DFL,
        ),
    ] = None,
    detector: Annotated[
        str,
        typer.Option(help="s3fd, or another one that a fork knows.", metavar="NAME", rich_help_panel=_DFL),
    ] = "s3fd",
    face_type: Annotated[
        FaceType, typer.Option(help="How much of the head.", metavar="TYPE", rich_help_panel=_DFL)
    ] = FaceType.WHOLE_FACE,
    max_faces_from_image: Annotated[
        int,
        typer.Option(min=0, help="Largest faces kept per frame; 0 = all.", metavar="N", rich_help_panel=_DFL),
    ] = 0,
    image_size: Annotated[
        int | None,
        typer.Option(
            min=64,
            max=4096,
            help="Side of a face, in pixels. [512; 768 for head]",
            metavar="N",
            rich_help_panel=_DFL,
        ),
    ] = None,
    jpeg_quality: Annotated[
        int, typer.Option(min=1, max=100, help="1 to 100.", metavar="N", rich_help_panel=_DFL)
    ] = 90,
    warp: Annotated[
        Warp,
        typer.Option(
            help="How the built-in extractor samples faces: as DeepFaceLab does, or faster.",
            rich_help_panel=_DEVICES,
        ),
    ] = Warp.LANCZOS,
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
        int,
        typer.Option(
            help="Accepted, without effect: no window is opened.",
            metavar="N",
            show_default=False,
            rich_help_panel=_DFL,
        ),
    ] = 1368,
    dfl_root: Annotated[
        Path | None,
        typer.Option(help="Folder of the DeepFaceLab install.", metavar="DIR", rich_help_panel=_DFL),
    ] = None,
    dfl_python: Annotated[
        Path | None,
        typer.Option(help="The Python that runs DeepFaceLab.", metavar="FILE", rich_help_panel=_DFL),
    ] = None,
    no_agent: Annotated[
        bool,
        typer.Option(
            "--no-agent",
            help="Run DeepFaceLab unmodified and watch it from outside (black-box mode).",
            rich_help_panel=_DFL,
        ),
    ] = False,
    extractor: Annotated[
        ExtractorKind,
        typer.Option(
            help="auto: DeepFaceLab where one is found, else builtin, which needs none.",
            metavar="NAME",
            rich_help_panel=_DEVICES,
        ),
    ] = ExtractorKind.AUTO,
    cpu_only: Annotated[
        bool, typer.Option("--cpu-only", help="Use no GPU.", rich_help_panel=_DEVICES)
    ] = False,
    force_gpu_idxs: Annotated[
        str | None,
        typer.Option(help='GPUs to use, such as "0" or "0,1".', metavar="LIST", rich_help_panel=_DEVICES),
    ] = None,
    workers: Annotated[
        str, typer.Option(help="Workers per device, or auto.", metavar="N", rich_help_panel=_DEVICES)
    ] = "auto",
    batch_size: Annotated[
        str,
        typer.Option(
            help="Frames per attempt (one start of the extractor), or auto.",
            metavar="N",
            rich_help_panel=_DEVICES,
        ),
    ] = "auto",
    on_gpu_failure: Annotated[
        OnGpuFailure,
        typer.Option(help="What may take over.", metavar="CHOICE", rich_help_panel=_DEVICES),
    ] = OnGpuFailure.CPU,
    max_side: Annotated[
        int,
        typer.Option(
            min=0, help="Scale longer frames down to N pixels; 0 = no.", metavar="N", rich_help_panel=_FRAMES
        ),
    ] = 0,
    min_side: Annotated[
        int,
        typer.Option(
            min=0,
            help="Leave out frames with a side shorter than N pixels.",
            metavar="N",
            rich_help_panel=_FRAMES,
        ),
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
            help="Blurry means a sharpness (variance of the Laplacian) below X.",
            metavar="X",
            rich_help_panel=_FRAMES,
        ),
    ] = BLURRY_BELOW,
    redo: Annotated[
        list[str] | None,
        typer.Option(
            help="Extract frames again: all, missing (their faces were removed), no-face, quarantined, changed "
            "(edited since), or a pattern of frame names. May be given several times.",
            metavar="WORD",
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
    second_look: Annotated[
        SecondLook,
        typer.Option(
            help="Check frames without a face with the built-in extractor: a sample is reported, all are "
            "extracted, auto takes a sample in long runs.",
            metavar="CHOICE",
            rich_help_panel=_FRAMES,
        ),
    ] = SecondLook.AUTO,
    ask: Annotated[
        bool,
        typer.Option(
            "--ask",
            help="At a terminal: ask DeepFaceLab's questions, waiting a minute for each answer.",
            rich_help_panel=_UNATTENDED,
        ),
    ] = False,
    on_conflict: Annotated[
        OnConflict | None,
        typer.Option(
            help="When the faceset is of another clip, or has other faces: stop, set them aside (into the run "
            "folder), or add (under other names). At a terminal you are asked.",
            metavar="CHOICE",
            show_default="stop",
            rich_help_panel=_UNATTENDED,
        ),
    ] = None,
    wait_for_disk: Annotated[
        bool,
        typer.Option(
            "--wait-for-disk",
            help="A full disk, or a folder that is gone: wait without limit, do not stop.",
            rich_help_panel=_UNATTENDED,
        ),
    ] = False,
    folder_timeout: Annotated[
        float,
        typer.Option(
            min=0,
            help="Seconds to wait for a folder or disk that goes away.",
            metavar="S",
            rich_help_panel=_UNATTENDED,
        ),
    ] = 1800.0,
    frame_timeout: Annotated[
        float,
        typer.Option(
            min=5,
            help="Seconds without progress that count as a hang.",
            metavar="S",
            rich_help_panel=_UNATTENDED,
        ),
    ] = 300.0,
    startup_timeout: Annotated[
        float,
        typer.Option(
            min=10,
            help="The same, until the first frame is done.",
            metavar="S",
            rich_help_panel=_UNATTENDED,
        ),
    ] = 1800.0,
    keep_awake: unattended.KeepAwake = True,
    stop_at: unattended.StopAt = "",
    max_hours: unattended.MaxHours = 0.0,
    when_done: unattended.WhenDone = "",
    low_priority: unattended.LowPriority = False,
    notify: unattended.Notify = None,
    stall_minutes: unattended.StallMinutes = STALL_MINUTES,
    output_debug: Annotated[
        bool,
        typer.Option(
            "--output-debug/--no-output-debug",
            help="Also write <output>_debug pictures.",
            rich_help_panel=_OUTPUT,
        ),
    ] = False,
    json_output: Annotated[
        bool,
        typer.Option(
            "--json", help="One JSON object on stdout, everything else on stderr.", rich_help_panel=_OUTPUT
        ),
    ] = False,
) -> None:
    """Extract faces from a folder of frames, and account for every frame.

    Takes the options of DeepFaceLab's extract. Run the same command again to resume.
    """
    del manual_window_size
    if detector == "manual":
        raise DflwrapError(
            "Manual extraction needs a person at the screen: use DeepFaceLab's own script for it. "
            "dflwrap runs --detector s3fd."
        )
    from dflwrap.cli.jobs.inputs import asked
    from dflwrap.cli.jobs.running import extract_all
    from dflwrap.common.plan import ExtractOptions

    detector, more = install_options(context, detector, extractor.value, dfl_root, dfl_python)
    given = frozenset(name for name in context.params if _is_given(context, name))
    options = ExtractOptions(
        detector=detector,
        face_type=face_type.value,
        max_faces_from_image=max_faces_from_image,
        image_size=image_size or (768 if face_type is FaceType.HEAD else 512),
        jpeg_quality=jpeg_quality,
        warp=warp.value,
        output_debug=output_debug,
        more=more,
    )
    from dflwrap.frames.filters import Filters
    from dflwrap.supervisor.request import RunRequest

    targets = asked(input_dir, output_dir, frames or (), clip, job or (), job_list, dfl_root, dfl_python)
    request: RunRequest = RunRequest(
        input_dir=targets.targets[0].source,
        output_dir=targets.targets[0].output,
        options=options,
        cpu_only=cpu_only,
        gpus=arguments.gpus(force_gpu_idxs),
        workers=arguments.number("--workers", workers),
        batch_size=arguments.number("--batch-size", batch_size),
        max_side=arguments.longest_side(max_side),
        filters=Filters(
            min_side, skip_black, arguments.finite("--blurry-below", blurry_below) if skip_blurry else 0.0
        ),
        on_conflict=on_conflict or OnConflict.STOP,
        on_gpu_failure=on_gpu_failure,
        redo=tuple(redo or ()),
        even_edited=even_edited,
        black_box=no_agent,
        second_look=second_look,
        manual_fix=manual_fix,
        manual_output_debug_fix=manual_output_debug_fix,
        may_wait=wait_for_disk,
        folder_timeout=arguments.finite("--folder-timeout", folder_timeout),
        frame_timeout=arguments.finite("--frame-timeout", frame_timeout),
        startup_timeout=arguments.finite("--startup-timeout", startup_timeout),
    )
    raise typer.Exit(
        extract_all(
            targets,
            request,
            layout,
            extractor.value,
            dfl_root,
            dfl_python,
            as_json=json_output,
            may_ask=on_conflict is None,
            questions=given if ask else None,
            wishes=Wishes(
                keep_awake, stop_at, max_hours, when_done, low_priority, tuple(notify or ()), stall_minutes
            ),
        )
    )


def _is_given(context: typer.Context, name: str) -> bool:
    """On the command line; its default does not count."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
