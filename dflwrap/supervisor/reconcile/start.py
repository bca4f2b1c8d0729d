"""The start of a run: does it resume the run that its folder holds, start over, or must the user choose?

What lies on the disk decides, not what the ledger remembers. Until a choice is made nothing is changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from dflwrap.common.choices import OnConflict
from dflwrap.common.errors import NeedsUserError
from dflwrap.common.text import display
from dflwrap.common.waits import never
from dflwrap.faceset.census import Census, take_census
from dflwrap.faceset.identity import Match
from dflwrap.faceset.listing import PAK
from dflwrap.faceset.promotion import Promoter
from dflwrap.frames.inventory import Inventory
from dflwrap.ledger.ledger import STEM_PREFIX, Ledger
from dflwrap.supervisor.reconcile.archive import lay_aside_files, lay_aside_run, new_archive
from dflwrap.supervisor.reconcile.clip import ClipJudge, ClipNow, look_at_clip
from dflwrap.supervisor.reconcile.conflict import ConflictError, Meets
from dflwrap.supervisor.reconcile.end import folder_id
from dflwrap.supervisor.reconcile.faces import FacesNow, faces_in_words
from dflwrap.supervisor.request import RunRequest
from dflwrap.supervisor.run_folder import RunFolder

SAME_OPTIONS = ("detector", "face_type", "max_faces_from_image", "image_size", "jpeg_quality", "more")
"""What makes the look of the faces, which must be one within a run; debug pictures may come and go."""
JOINED = "joined"
"""Key of the ledger: whether the frames of sub-folders belong to the run."""
_FOLDER = "output folder"
"""Key of the ledger: device and inode of the faceset folder at the last start."""


@dataclass(slots=True)
class Begun:
    """A ledger to continue with, its faces held against the disk."""

    ledger: Ledger
    census: Census
    clip: ClipNow | None
    """None in a new run."""
    notices: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Found:
    """Why the run in the folder cannot continue."""

    meets: Meets | None
    """None: nothing of it is left that could be lost, a new run begins by itself."""
    sentence: str


def begin(
    request: RunRequest,
    folder: RunFolder,
    inventory: Inventory,
    judge: ClipJudge,
    stopping: Callable[[], bool] = never,
) -> Begun:
    """Open the run's ledger, or lay the earlier run aside and begin a new one.

    Raises ConflictError where the user must choose, StoppedError when `stopping` says so, and other DflwrapErrors.
    """
    ledger = Ledger(folder.database)
    try:
        fresh = ledger.get_table("options") is None
        if not fresh:
            _finish_moves(request, folder, ledger)
        census = _census(request, ledger, stopping)
        if fresh:
            clip, found = None, _packed() if census.pak else None
        else:
            clip, found = _compare(request, ledger, inventory, census, judge)
        if found is None:
            _remember_folders(request, ledger)
            return _new(request, ledger, census) if fresh else Begun(ledger, census, clip)
        if found.meets is not None and not _chosen(request, found):
            raise ConflictError(
                found.meets, found.sentence, request.output_dir, may_add=found.meets is not Meets.PACKED
            )
    except BaseException:
        ledger.close()
        raise
    return _anew(request, folder, ledger, census, found)


def _chosen(request: RunRequest, found: _Found) -> bool:
    if found.meets is Meets.PACKED:  # DeepFaceLab reads a pack alone, and not the faces beside it
        return request.on_conflict is OnConflict.SET_ASIDE
    return request.on_conflict is not OnConflict.STOP


def _packed() -> _Found:
    return _Found(Meets.PACKED, f"The output folder holds a packed faceset ({PAK})")


def _finish_moves(request: RunRequest, folder: RunFolder, ledger: Ledger) -> None:
    """What a crash interrupted, under the options that it was begun with."""
    size = (ledger.get_table("options") or {}).get("image_size")
    size = size if isinstance(size, int) else request.options.image_size
    Promoter(ledger, folder.path, request.output_dir, size).repair()


def _census(request: RunRequest, ledger: Ledger, stopping: Callable[[], bool] = never) -> Census:
    size = request.options.image_size
    return take_census(request.output_dir, ledger.each_face(), ledger.source_of, size, stopping)


def _compare(
    request: RunRequest, ledger: Ledger, inventory: Inventory, census: Census, judge: ClipJudge
) -> tuple[ClipNow | None, _Found | None]:
    if census.pak and not census.found:
        return None, _packed()
    if census.all_gone:
        _check_mounted(request, ledger)
        count = len(census.missing)
        return None, _Found(
            None,
            f"The {faces_in_words(count)} of the earlier run are gone from the faceset: a new run starts",
        )
    differing = _other_options(request, ledger)
    if not census.recorded and differing:
        return None, _Found(
            None, "The earlier run has no faces, and was started with other options: a new run starts"
        )
    faces = FacesNow(ledger, census, request.output_dir)
    clip = look_at_clip(request.input_dir, inventory.frames, ledger, faces.of, judge)
    found = _another_clip(clip, census) if inventory.frames else None
    if found is None and differing:
        found = _Found(Meets.OTHER_OPTIONS, f"This faceset was started with {', '.join(differing)}")
    return clip, found


def _remember_folders(request: RunRequest, ledger: Ledger) -> None:
    """As they are now: the clip and the faceset may have been moved since."""
    here = folder_id(request.output_dir)
    now = {
        _FOLDER: None if here is None else list(here),
        "input_dir": str(request.input_dir),
        "output_dir": str(request.output_dir),
        JOINED: request.joined,
    }
    for key, value in now.items():
        if value is not None and ledger.get(key) != value:
            ledger.put(key, value)


def _check_mounted(request: RunRequest, ledger: Ledger) -> None:
    """An empty mount point is no deleted faceset. Raises NeedsUserError."""
    output, before, here = request.output_dir, ledger.get(_FOLDER), folder_id(request.output_dir)
    if (
        isinstance(before, list)
        and here is not None
        and before[:1] != [here[0]]
        and not any(output.iterdir())
    ):
        raise NeedsUserError(
            "output-dir-missing",
            f"The faceset folder is empty, and is on another disk than before: {display(str(output))}. "
            "Its disk does not seem to be mounted.",
            ("Mount the disk or connect the share.", "Then run the same command again to resume."),
        )


def _another_clip(clip: ClipNow, census: Census) -> _Found | None:
    another = Match.OTHER if clip.nothing_known_is_there else clip.another
    if another is None:
        return None
    if not census.recorded:
        return _Found(
            None, "These frames are another clip, and the earlier run had no faces: a new run starts"
        )
    if another is Match.RESIZED:
        return _Found(
            Meets.OTHER_SIZE,
            "These frames are the pictures that this faceset was made from, at another size; its faces do not fit them",
        )
    return _Found(
        Meets.ANOTHER_CLIP, "These frames are another clip than the one that this faceset was made from"
    )


def _other_options(request: RunRequest, ledger: Ledger) -> list[str]:
    asked, begun = request.options.to_dict(), {"more": [], **(ledger.get_table("options") or {})}
    asked["more"] = list(asked["more"])  # as the ledger, which is JSON, gives it back
    return [
        f"{_WORDS.get(key, key.replace('_', ' '))} {_shown(begun.get(key))} (asked now: {_shown(asked[key])})"
        for key in SAME_OPTIONS
        if begun.get(key) != asked[key]
    ]


_WORDS = {"more": "the install's options"}


def _shown(value: object) -> str:
    return display(" ".join(map(str, value)) or "none") if isinstance(value, list) else str(value)


def _new(request: RunRequest, ledger: Ledger, census: Census) -> Begun:
    ledger.put("options", request.options.to_dict())
    return Begun(ledger, census, None)


def _anew(request: RunRequest, folder: RunFolder, ledger: Ledger, census: Census, found: _Found) -> Begun:
    """Lay the earlier run aside, with its faces where that was chosen, and begin a new one."""
    folder.keep()  # what is moved must not be undone by halves
    archive = new_archive(folder)
    moved = 0
    adding = found.meets is not None and request.on_conflict is OnConflict.ADD
    if found.meets is not None and not adding:
        output = request.output_dir
        names = FacesNow(ledger, census, output).names()
        files = [output / name for name in names] + ([output / PAK] if found.meets is Meets.PACKED else [])
        moved = lay_aside_files(archive, files)
    ledger.close()
    lay_aside_run(folder, archive)
    ledger = Ledger(folder.database)
    try:
        _remember_folders(request, ledger)
        begun = _new(request, ledger, _census(request, ledger))
        if adding:
            ledger.put(STEM_PREFIX, free_prefix(request.output_dir))
    except BaseException:
        ledger.close()
        raise
    where = f"{archive.relative_to(folder.path.parent)}"
    what = f"The earlier run and its {faces_in_words(moved)} are" if moved else "The earlier run is"
    begun.notices.append(f"{found.sentence}. {what} now in {where}")
    ledger.decide(None, begun.notices[-1])
    return begun


def free_prefix(output: Path) -> str:
    """A prefix for another clip's faces that no file of the faceset has: clip2-, clip3- ..."""
    names = [path.name.casefold() for path in output.iterdir()]
    number = 2
    while any(name.startswith(f"clip{number}-") for name in names):
        number += 1
    return f"clip{number}-"
