"""Prepares an output folder: each frame in order is linked, converted or left out, and that is written down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from dflwrap.common.errors import DflwrapError
from dflwrap.common.text import counted, display
from dflwrap.common.trees import check_output, is_inside
from dflwrap.common.waits import never
from dflwrap.frames.conversion import ConversionError, Converter, SourceUnreadError
from dflwrap.frames.decoding.measures import Measures
from dflwrap.frames.inventory import FrameEntry
from dflwrap.frames.many import DecoderPool, Job
from dflwrap.prepare.deciding import Became, Decider, Step
from dflwrap.prepare.manifest import WORK, Manifest, Row
from dflwrap.prepare.options import PrepareOptions
from dflwrap.prepare.placing import held, in_words, link, move_in, remove_work
from dflwrap.prepare.sources import Group, groups_of

LEAST_DIGITS = 5
"""As DeepFaceLab numbers the frames of a video."""


@dataclass(slots=True)
class Prepared:
    """What became of the frames."""

    output: Path
    counts: Counter[str] = field(default_factory=Counter)
    """By the words of `Became`."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Of frames that were converted or left out, by the id of the reason."""
    lost: int = 0
    """Left out because they cannot be used."""
    new: int = 0
    """Frames that this start has dealt with."""
    notes: list[str] = field(default_factory=list)
    """Sentences on what may be wrong with the input as a whole."""

    @property
    def found(self) -> int:
        return sum(self.counts.values())

    def add(self, row: Row) -> None:
        self.counts[row.became] += 1
        for reason in filter(None, row.why.split(", ")):
            self.reasons[reason] += 1
        self.lost += row.lost


@dataclass(frozen=True, slots=True)
class _Frame:
    folder: Path
    entry: FrameEntry
    original: str

    @property
    def path(self) -> Path:
        return self.folder / self.entry.name


Told = Callable[[Row], None]
Progress = Callable[[int, int], None]


def prepare_folder(
    source: Path,
    output: Path,
    options: PrepareOptions,
    *,
    children: int,
    dry_run: bool = False,
    tell: Told = lambda row: None,
    progress: Progress | None = None,
    stopping: Callable[[], bool] = never,
    groups: tuple[Group, ...] | None = None,
    named: str | None = None,
) -> Prepared:
    """Prepare `output` from the folder `source`.

    tell: each row, as it is decided. groups, named: for frames that were cut from a video of that name.
    Raises DflwrapError, StoppedError: the same call continues.
    """
    result = Prepared(output)
    groups = groups or groups_of(source, options.layout, stopping, result.notes.append)
    header = {"input": named or str(source), "options": options.to_json()}
    manifest = Manifest(output, header)
    total = sum(len(list(group.frames(stopping))) for group in groups) if progress is not None else 0

    gone = {row.original for row in manifest.rows() if row.target is not None}

    def done(row: Row) -> None:
        gone.discard(row.original)
        result.add(row)
        tell(row)
        if progress is not None:
            progress(result.found, total)

    with DecoderPool(children, stopping) as measuring, DecoderPool(children, stopping) as writing:
        work = [_Folder(source, output, group, options, manifest, measuring, stopping) for group in groups]
        if dry_run:
            for folder in work:
                for row, _ in folder.plan():
                    done(row)
            result.notes += _gone(output, manifest, gone)
            return result
        try:
            with held(output), manifest:
                for folder in work:
                    for row, is_new in writing.map(folder.jobs()):
                        if is_new:
                            manifest.add(row)
                            result.new += 1
                        done(row)
                remove_work(output)
                if result.new or not manifest.finished:
                    manifest.finish(dict(result.counts))
        except OSError as error:
            raise in_words(error, output) from error
    result.notes += _gone(output, manifest, gone)
    return result


def _gone(output: Path, manifest: Manifest, originals: set[str]) -> list[str]:
    """A sentence on frames of earlier starts that are in the output still, and not in the input any more."""
    left = [row for row in manifest.rows() if row.original in originals and is_kept(output, row)]
    if not left:
        return []
    shown = ", ".join(f"{display(row.target or '')} (was {display(row.original)})" for row in left[:3])
    more = ", ..." if len(left) > 3 else ""
    return [
        f"{counted(len(left), 'frame')} of the output came of originals that are gone: {shown}{more}. Nothing was "
        "removed; delete what you do not want."
    ]


def is_kept(output: Path, row: Row) -> bool:
    """What an earlier start has made of the frame is still there, if anything."""
    if row.target is None:
        return True
    try:
        return (output / row.target).stat().st_size > 0
    except OSError:
        return False


def check_places(source: Path, output: Path) -> None:
    """Raises DflwrapError where the two overlap: the next look at the input would find the output in it."""
    if is_inside(output, source) or is_inside(source, output):
        raise DflwrapError(
            f"The output {display(str(output))} and the input lie in one another. Give a folder beside the input."
        )
    check_output(output, "")


class _Folder:
    """One folder of the output."""

    def __init__(
        self,
        source: Path,
        output: Path,
        group: Group,
        options: PrepareOptions,
        manifest: Manifest,
        pool: DecoderPool,
        stopping: Callable[[], bool],
    ) -> None:
        self._source, self._output, self._group = source, output, group
        self._manifest, self._pool, self._stopping = manifest, pool, stopping
        self._options, self._decider = options, Decider(options)
        self._number = 0
        self._digits = LEAST_DIGITS

    def jobs(self) -> Iterator[Job[tuple[Row, bool]]]:
        """For each frame what is to be done, which returns its row and whether that is new."""
        for row, step in self.plan():
            yield _job(self._source, self._output, row, step)

    def plan(self) -> Iterator[tuple[Row, Step | None]]:
        """Each frame's row; with it what is to be done, or None where an earlier start has done it."""
        frames = list(self._frames())
        self._digits = max(LEAST_DIGITS, len(str(len(frames))))
        # The measures come ahead of the decisions: what is not to be opened is told by the same rules before.
        files = ((f.path, f.entry.size) for f in frames if self._is_opened(f))
        measured = self._pool.measure(files, self._options.limits.dark_below)
        every = Decider(self._options)
        for frame in frames:
            skipped = every.is_skipped()
            row = self._kept(frame)
            if self._manifest.is_changed(frame.original, frame.entry.size, frame.entry.mtime_ns):
                raise DflwrapError(
                    f"{display(frame.original)} has changed since {display(str(self._output))} was begun. "
                    "Give a new folder."
                )
            if row is not None:
                self._again(row)
                yield row, None
                continue
            step = self._decider.skipped() if skipped else self._decider.decide_unopened(frame.entry)
            if step is None:
                step = self._decider.decide(frame.entry.name, _next(measured, frame))
            yield self._row(frame, step), step

    def _frames(self) -> Iterator[_Frame]:
        for folder, entry in self._group.frames(self._stopping):
            original = (folder / entry.name).relative_to(self._source).as_posix()
            yield _Frame(folder, entry, original)

    def _is_opened(self, frame: _Frame) -> bool:
        """Asked once for each frame, in order."""
        skipped, entry = self._decider.is_skipped(), frame.entry
        return not skipped and self._kept(frame) is None and self._decider.decide_unopened(entry) is None

    def _kept(self, frame: _Frame) -> Row | None:
        """What an earlier start has made of it and is still there."""
        row = self._manifest.known(frame.original)
        return row if row is not None and is_kept(self._output, row) else None

    def _again(self, row: Row) -> None:
        self._decider.again(None if row.dhash is None else int(row.dhash, 16))
        if row.target is None:
            return
        number = int(Path(row.target).stem)
        if number <= self._number:
            raise DflwrapError(
                f"Frames were added since {display(str(self._output))} was begun, and its numbers do not fit any "
                "more. Give a new folder."
            )
        self._number = number

    def _stem(self) -> str:
        return f"{self._number:0{self._digits}d}"

    def _row(self, frame: _Frame, step: Step) -> Row:
        target = None
        if step.became is not Became.LEFT_OUT:
            self._number += 1
            name = f"{self._stem()}{step.suffix}"
            target = f"{self._group.name}/{name}" if self._group.name else name
        return Row(
            frame.original,
            frame.entry.size,
            frame.entry.mtime_ns,
            step.became.value,
            target,
            step.why,
            step.reason,
            step.lost,
            None if step.dhash is None or target is None else f"{step.dhash:x}",
        )


def _next(measured: Iterator[tuple[Path, Measures]], frame: _Frame) -> Measures:
    path, found = next(measured)
    assert path == frame.path, "the measures come in the order of the frames"
    return found


def _job(source: Path, output: Path, row: Row, step: Step | None) -> Job[tuple[Row, bool]]:
    def do(converter: Converter) -> tuple[Row, bool]:
        if step is None:
            return row, False
        if row.target is None:
            return row, True
        origin, target = source / row.original, output / row.target
        target.parent.mkdir(parents=True, exist_ok=True)
        if step.became is Became.LINKED:
            link(origin, target)
        else:
            part = output / WORK / row.target
            part.parent.mkdir(parents=True, exist_ok=True)
            part.unlink(missing_ok=True)
            try:
                converter.convert(origin, part, step.max_side, step.orientation)
            except ConversionError as error:
                lost = replace(row, became=Became.LEFT_OUT.value, target=None, why="unreadable", dhash=None)
                return replace(lost, reason=display(str(error)), lost=True), True
            except SourceUnreadError as error:
                raise DflwrapError(
                    f"{display(row.original)} cannot be read just now ({error.error.strerror}). Check that its disk is "
                    "connected, then run the same command again to resume."
                ) from None
            move_in(part, target)
        return row, True

    return do
