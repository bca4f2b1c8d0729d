"""From what was asked of a folder to the runs that it takes: one, or one for each person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from dflwrap.common.choices import LayoutChoice
from dflwrap.common.errors import DflwrapError
from dflwrap.common.text import display
from dflwrap.common.trees import is_inside, is_same_folder
from dflwrap.common.waits import never
from dflwrap.frames.inventory import check_folder
from dflwrap.frames.joined import layout_without
from dflwrap.frames.layout import Arrangement, Layout
from dflwrap.ledger.read_only import recorded
from dflwrap.prepare.sources import Group, per_person_groups
from dflwrap.supervisor.input_notices import passed_over
from dflwrap.supervisor.reconcile.start import JOINED
from dflwrap.supervisor.request import RunRequest
from dflwrap.supervisor.run_folder import RunFolder


@dataclass(frozen=True, slots=True)
class Job:
    """The runs of one command, in their order."""

    runs: tuple[RunRequest, ...]
    several: bool
    """It was asked for several: told as a job, also where there is but one."""
    notices: tuple[str, ...] = ()
    """What is to be told of the folder that they lie in."""


def job_of(request: RunRequest, choice: LayoutChoice, stopping: Callable[[], bool] = never) -> Job:
    """The runs of `request` under `choice`.

    Raises DflwrapError where the input cannot be listed, the user must choose, or a run is unlike what was asked;
    StoppedError.
    """
    source, output = request.input_dir, request.output_dir
    check_folder(source)
    if choice is LayoutChoice.FLAT:
        if _was_joined(request):
            raise DflwrapError(
                f"The faceset {display(str(output))} was made of this folder joined with its sub-folders. Leave "
                "--layout flat out to resume, or give another --output-dir."
            )
        return Job((request,), several=False)
    joined = Job((replace(request, joined=True),), several=False)
    if choice is LayoutChoice.JOIN or (choice is LayoutChoice.AUTO and _was_joined(request)):
        return joined
    try:
        layout = layout_without(source, output, stopping)
    except OSError:
        return Job((request,), several=False)  # it went away just now: the run says so, or waits
    if choice is LayoutChoice.AUTO:
        choice = _automatic(layout)
    if choice is LayoutChoice.FLAT:
        return Job((request,), several=False)
    return Job(tuple(_per_person(request, layout)), several=True, notices=passed_over(layout))


def _was_joined(request: RunRequest) -> bool:
    """The run that is resumed joined the sub-folders of this input."""
    database = RunFolder(request.output_dir).database
    source = recorded(database, "input_dir")
    if not isinstance(source, str) or recorded(database, JOINED) is not True:
        return False
    return is_same_folder(Path(source), request.input_dir)


def _automatic(layout: Layout) -> LayoutChoice:
    arrangement = layout.arrangement
    if arrangement is Arrangement.PER_PERSON or (arrangement is Arrangement.EMPTY and layout.unreadable):
        return LayoutChoice.PER_PERSON
    if arrangement is Arrangement.MIXED:
        loose = "1 loose picture" if layout.images == 1 else f"{layout.images:,} loose pictures"
        raise DflwrapError(
            f"{display(str(layout.folder))} holds {loose}, and {layout.below:,} in sub-folders. Say what belongs "
            "together: --layout join (all of it is one person: one faceset), --layout per-person (a faceset for "
            "each sub-folder, and one for the loose pictures), or --layout flat (the loose ones only)."
        )
    return LayoutChoice.FLAT


def _per_person(request: RunRequest, layout: Layout) -> list[RunRequest]:
    groups = per_person_groups(layout)
    if not groups and not layout.unreadable:
        raise DflwrapError(f"There is no picture in {display(str(layout.folder))} or below it.")
    runs = [_of_group(request, layout, group) for group in groups]
    known = {run.input_dir for run in runs}
    for lost in layout.unreadable:  # its run says that it cannot be read, and does not stop the others
        person = layout.folder / lost.relative_to(layout.folder).parts[0]
        if person not in known and not is_inside(lost, request.output_dir):
            runs.append(replace(request, input_dir=person, output_dir=request.output_dir / person.name))
            known.add(person)
    return runs


def _of_group(request: RunRequest, layout: Layout, group: Group) -> RunRequest:
    """A person whose pictures lie in several folders, or deeper, is joined."""
    output = request.output_dir / group.name
    if group.folders == (layout.folder,):
        return replace(request, output_dir=output)
    person = layout.folder / group.folders[0].relative_to(layout.folder).parts[0]
    deeper = group.folders != (person,) or any(is_inside(lost, person) for lost in layout.unreadable)
    return replace(request, input_dir=person, output_dir=output, joined=deeper)
