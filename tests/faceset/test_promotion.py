"""From the extractor's output into the faceset: no face lost, none twice, none half, nothing overwritten."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from disks import small_disk
from support import contents

from dflwrap.common.errors import NeedsUserError
from dflwrap.faceset import moving, promotion
from dflwrap.faceset.face_file.metadata import FaceMetadata, read_metadata, write_metadata
from dflwrap.faceset.face_file.verify import verify_face
from dflwrap.faceset.moving import move_without_overwriting
from dflwrap.faceset.promotion import FinishedFrame, Promoter, set_aside
from dflwrap.frames.judgement import Entry
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.records import NewFrame, Outcome

SIZE = 64
FRAMES = ("a.png", "b.png", "c.png")
FACES = {"a.png": ("a_0.jpg", "a_1.jpg"), "b.png": (), "c.png": ("c_0.jpg",)}


def face(source: str, seed: int = 0, size: int = SIZE) -> bytes:
    image = np.random.default_rng(seed).integers(0, 255, (size, size, 3), dtype=np.uint8)
    points = tuple((float(i), float(i) * 2) for i in range(68))
    matrix = ((0.5, 0.0, -3.0), (0.0, 0.5, 4.0))
    metadata = FaceMetadata("whole_face", points, source, (10, 20, 30, 40), points, matrix)
    return write_metadata(cv2.imencode(".jpg", image)[1].tobytes(), metadata)


class Bench:
    """A run folder with one attempt's output, its ledger and its promoter."""

    def __init__(self, root: Path) -> None:
        self.faceset = root / "aligned"
        self.run_folder = root / "aligned_dflwrap"
        self.output = self.run_folder / "attempts" / "0001" / "out"
        self.debug = self.output.with_name("out_debug")
        self.ledger: Ledger
        self.promoter: Promoter

    def make(self) -> Bench:
        self.faceset.mkdir()
        self.output.mkdir(parents=True)
        self.debug.mkdir()
        self.open()
        self.ledger.add_frames(NewFrame(n, n[:-4], 1, 1, Entry.LINK, True, 0, "") for n in FRAMES)
        return self

    def open(self) -> Bench:
        self.ledger = Ledger(self.run_folder / "run.db")
        self.promoter = Promoter(self.ledger, self.run_folder, self.faceset, SIZE)
        return self

    def extract(self) -> None:
        """What an extractor leaves: the faces of every frame that is still open."""
        for row in self.ledger.open_frames():
            for index, name in enumerate(FACES[row.file_name]):
                (self.output / name).write_bytes(face(row.file_name, index))
            (self.debug / f"{row.stem}.jpg").write_bytes(b"debug picture")

    def finished(self, **changes: object) -> list[FinishedFrame]:
        return [
            replace(FinishedFrame(row, row.file_name, FACES[row.file_name]), **changes)  # type: ignore[arg-type]
            for row in self.ledger.open_frames()
        ]

    def promote(self, attempt: int = 1) -> list[promotion.Refused]:
        return self.promoter.promote(self.finished(), self.output, attempt, keep_debug=True)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path).make()


def assert_complete(bench: Bench) -> None:
    """Every frame settled, every face there once, whole, and nothing else."""
    outcomes = {row.file_name: (row.outcome, row.faces) for row in bench.ledger.frames()}
    assert outcomes == {
        "a.png": (Outcome.EXTRACTED, 2),
        "b.png": (Outcome.NO_FACE, 0),
        "c.png": (Outcome.EXTRACTED, 1),
    }
    expected = {name: face(source, i) for source, names in FACES.items() for i, name in enumerate(names)}
    assert contents(bench.faceset) == expected
    assert bench.ledger.face_names() == set(expected)
    assert bench.ledger.pending_moves() == []


def test_faces_and_debug_pictures_arrive(bench: Bench) -> None:
    bench.extract()
    assert bench.promote() == []
    assert_complete(bench)
    debug = bench.faceset.with_name("aligned_debug")
    assert sorted(path.name for path in debug.iterdir()) == ["a.jpg", "b.jpg", "c.jpg"]
    assert list(bench.output.iterdir()) == []


# -- a crash after every step ---------------------------------------------------------------------------

MOVES = 6  # three faces, three debug pictures


def _exit_at(original: Callable[..., object], call: int, after: bool) -> Callable[..., object]:
    calls = 0

    def wrapped(*arguments: object, **options: object) -> object:
        nonlocal calls
        calls += 1
        own = calls  # files are flushed from several threads
        if own == call and not after:
            os._exit(77)
        result = original(*arguments, **options)
        if own == call:
            os._exit(77)
        return result

    return wrapped


def crash(root: Path, point: str) -> None:
    """Runs in a child: promote, and end without any clean-up at `point`."""
    bench = Bench(root).open()
    point, _, group = point.partition("/")
    promotion.MOST_AT_ONCE = int(group or promotion.MOST_AT_ONCE)
    step, _, number = point.partition(":")
    call = int(number or 1)
    match step:
        case "verified":
            bench.ledger.journal = _exit_at(bench.ledger.journal, call, after=False)  # type: ignore[method-assign]
        case "journalled":
            bench.ledger.journal = _exit_at(bench.ledger.journal, call, after=True)  # type: ignore[method-assign]
        case "flushed":
            moving.flush_to_disk = _exit_at(moving.flush_to_disk, call, after=True)  # type: ignore[assignment]
        case "linked":
            moving.os.link = _exit_at(os.link, call, after=True)  # type: ignore[attr-defined]
        case "copied":
            moving.os.fsync = _exit_at(os.fsync, call, after=True)  # type: ignore[attr-defined]
        case "moved":
            promotion.move_without_overwriting = _exit_at(move_without_overwriting, call, after=True)  # type: ignore[attr-defined]
        case "settling":
            original = bench.ledger.settle_promoted
            bench.ledger.settle_promoted = _exit_at(original, call, after=False)  # type: ignore[method-assign]
        case "settled":
            original = bench.ledger.settle_promoted
            bench.ledger.settle_promoted = _exit_at(original, call, after=True)  # type: ignore[method-assign]
    bench.promote()
    os._exit(0)


def crashed(root: Path, point: str) -> None:
    folders = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    script = (
        f"import sys; sys.path[:0] = {folders!r}\n"
        f"from pathlib import Path\nfrom test_promotion import crash\ncrash(Path({str(root)!r}), {point!r})"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 77


STEPS = ("verified", "journalled", "settling", "settled")
POINTS = [
    *STEPS,
    *(f"flushed:{n}" for n in (1, 3)),
    *(f"linked:{n}" for n in (1, 3)),
    *(f"moved:{n}" for n in range(1, MOVES + 1)),
    # In groups of one and of two frames: between the groups, and within the last one.
    *(f"{step}:{group}/1" for step in STEPS for group in (2, 3)),
    *(f"{step}:2/2" for step in STEPS),
    *(f"moved:{n}/{size}" for n in (3, 4, MOVES) for size in (1, 2)),
]


@pytest.mark.skipif(sys.platform == "win32", reason="the points are those of POSIX moves")
@pytest.mark.parametrize("point", POINTS)
def test_a_crash_at_any_step_loses_and_doubles_nothing(tmp_path: Path, point: str) -> None:
    bench = Bench(tmp_path).make()
    bench.extract()
    bench.ledger.close()
    crashed(tmp_path, point)
    bench.open()
    bench.promoter.repair()
    assert bench.ledger.pending_moves() == []
    for row in bench.ledger.frames("outcome = 'extracted'"):
        assert row.faces == len(FACES[row.file_name])
    for path in bench.faceset.iterdir():
        verify_face(path, SIZE)
        assert path.name in bench.ledger.face_names(), "a face that no frame accounts for"
    bench.promoter.repair()  # again does nothing more
    bench.extract()
    assert bench.promote(2) == []
    assert_complete(bench)


def test_a_crash_while_a_group_is_mended_is_mended_too(tmp_path: Path) -> None:
    bench = Bench(tmp_path).make()
    bench.extract()
    bench.ledger.close()
    crashed(tmp_path, "journalled")
    for made in range(MOVES):
        bench.open()
        really = promotion.move_without_overwriting
        calls = 0

        def cut_off(source: Path, target: Path, stop_at: int = made) -> None:
            nonlocal calls
            if calls == min(stop_at, 1):
                raise KeyboardInterrupt
            calls += 1
            really(source, target)  # noqa: B023

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(promotion, "move_without_overwriting", cut_off)
            with pytest.raises(KeyboardInterrupt):
                bench.promoter.repair()
        bench.ledger.close()
    bench.open()
    bench.promoter.repair()
    assert_complete(bench)


@pytest.mark.parametrize("damage", ["torn", "lost"])
def test_a_face_that_did_not_outlive_the_power_cut_is_extracted_anew(bench: Bench, damage: str) -> None:
    bench.extract()
    bench.ledger.close()
    crashed(bench.faceset.parent, "moved:1")
    (left,) = bench.faceset.iterdir()
    other = bench.output / ({"a_0.jpg": "a_1.jpg", "a_1.jpg": "a_0.jpg"}[left.name])
    other.write_bytes(other.read_bytes()[:-700]) if damage == "torn" else other.unlink()
    bench.open()
    bench.promoter.repair()
    open_ = {row.file_name for row in bench.ledger.open_frames()}
    assert "a.png" in open_
    assert not list(bench.faceset.glob("a_*"))
    assert (bench.run_folder / "set_aside" / left.name).exists(), "set aside, never deleted"
    bench.extract()
    assert bench.promote(2) == []
    assert_complete(bench)


def test_a_crash_between_two_file_systems_is_mended_too(bench: Bench) -> None:
    """There a move is a copy: after a crash both files stand, and they are not one."""
    bench.extract()
    bench.ledger.close()
    crashed(bench.faceset.parent, "journalled")
    (bench.faceset / "a_0.jpg").write_bytes((bench.output / "a_0.jpg").read_bytes())
    bench.open()
    bench.promoter.repair()
    bench.extract()
    bench.promote(2)
    assert_complete(bench)


@pytest.mark.skipif(sys.platform == "win32", reason="the points are those of POSIX moves")
@pytest.mark.parametrize("point", ["copied:1", "copied:9", "linked:2", "linked:4", "moved:1"])
def test_a_crash_between_two_disks_leaves_no_part_of_a_copy(tmp_path: Path, point: str) -> None:
    """`linked` counts the tries between the disks, which fail, too; not every flush is that of a copy."""
    with small_disk(tmp_path / "disk") as disk:
        (disk / "aligned").mkdir()
        (tmp_path / "aligned").symlink_to(disk / "aligned")
        bench = Bench(tmp_path)
        bench.output.mkdir(parents=True)
        bench.debug.mkdir()
        bench.open()
        bench.ledger.add_frames(NewFrame(n, n[:-4], 1, 1, Entry.LINK, True, 0, "") for n in FRAMES)
        bench.extract()
        bench.ledger.close()
        crashed(tmp_path, point)
        bench.open()
        bench.promoter.repair()
        for path in bench.faceset.iterdir():
            assert path.name in bench.ledger.face_names(), "a file that no frame accounts for"
            verify_face(path, SIZE)
        bench.extract()
        assert bench.promote(2) == []
        assert_complete(bench)
        bench.ledger.close()


def test_a_link_in_the_place_of_the_copy_is_not_written_through(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        users = tmp_path / "users.txt"
        users.write_bytes(b"precious")
        (tmp_path / "a.jpg").write_bytes(b"face")
        (disk / "a.jpg.dflwrap-part").symlink_to(users)
        move_without_overwriting(tmp_path / "a.jpg", disk / "a.jpg")
        assert users.read_bytes() == b"precious"
        assert sorted(path.name for path in disk.iterdir()) == ["a.jpg", "a.jpg.dflwrap-part"]
        assert (disk / "a.jpg").read_bytes() == b"face"


def test_of_the_parts_of_a_copy_only_ours_are_removed(tmp_path: Path) -> None:
    (tmp_path / "whole").write_bytes(b"the whole face")
    for name, content in (
        ("", b"the whole"),
        ("2", b"a note of the user's"),
        ("3", b"the whole face, and more"),
    ):
        (tmp_path / f"a[1].jpg.dflwrap-part{name}").write_bytes(content)
    (tmp_path / "a1.jpg.dflwrap-part").write_bytes(b"the whole")
    moving.remove_parts(tmp_path / "a[1].jpg", tmp_path / "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a1.jpg.dflwrap-part",
        "a[1].jpg.dflwrap-part2",
        "a[1].jpg.dflwrap-part3",
        "whole",
    ]


# -- nothing of the user's is touched -------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["file", "folder", "link", "broken link"])
def test_what_stands_there_is_never_replaced(bench: Bench, kind: str) -> None:
    taken = bench.faceset / "a_1.jpg"
    users = bench.faceset.parent / "users.jpg"
    users.write_bytes(b"precious")
    match kind:
        case "file":
            taken.write_bytes(b"precious")
        case "folder":
            taken.mkdir()
        case "link":
            taken.symlink_to(users)
        case "broken link":
            taken.symlink_to(users.with_name("gone"))
    before = contents(bench.faceset)
    bench.extract()
    with pytest.raises(NeedsUserError) as raised:
        bench.promote()
    assert raised.value.cause == "file-in-use"
    assert contents(bench.faceset).items() >= before.items()
    assert users.read_bytes() == b"precious"
    bench.ledger.close()
    bench.open().promoter.repair()
    assert contents(bench.faceset).items() >= before.items()
    a = bench.ledger.frames("name = 'a.png'")[0]
    assert a.outcome is None, "half of its faces is not extracted"
    assert not (bench.faceset / "a_0.jpg").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX moves")
def test_between_file_systems_nothing_is_overwritten_and_no_part_is_left(tmp_path: Path) -> None:
    source = tmp_path / "face.jpg"
    with small_disk(tmp_path / "disk") as disk:
        source.write_bytes(b"face")
        move_without_overwriting(source, disk / "a.jpg")
        assert not source.exists() and (disk / "a.jpg").read_bytes() == b"face"
        source.write_bytes(b"other")
        with pytest.raises(FileExistsError):
            move_without_overwriting(source, disk / "a.jpg")
        assert (disk / "a.jpg").read_bytes() == b"face" and source.read_bytes() == b"other"
        source.write_bytes(os.urandom(2_000_000))
        with pytest.raises(OSError, match="No space"):
            move_without_overwriting(source, disk / "b.jpg")
        assert [path.name for path in disk.iterdir()] == ["a.jpg"]
        assert source.stat().st_size == 2_000_000


@pytest.mark.skipif(sys.platform == "win32", reason="see tests/common/test_windows_files.py for drives")
def test_a_faceset_that_is_a_link_to_another_disk_takes_all_and_replaces_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        (disk / "aligned").mkdir()
        (disk / "aligned" / "mine_0.jpg").write_bytes(b"the user's")
        bench = Bench(tmp_path)
        bench.faceset.symlink_to(disk / "aligned")
        bench.output.mkdir(parents=True)
        bench.debug.mkdir()
        bench.open()
        bench.ledger.add_frames(NewFrame(n, n[:-4], 1, 1, Entry.LINK, True, 0, "") for n in FRAMES)
        bench.extract()
        assert bench.promote() == []
        assert (disk / "aligned" / "mine_0.jpg").read_bytes() == b"the user's"
        (disk / "aligned" / "mine_0.jpg").unlink()
        assert_complete(bench)
        assert list(bench.output.iterdir()) == []
        bench.ledger.close()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX moves")
@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_copy_between_file_systems_spares_what_has_the_name_of_its_part(tmp_path: Path, kind: str) -> None:
    users, source = tmp_path / "users", tmp_path / "face.jpg"
    users.write_bytes(b"precious")
    source.write_bytes(b"face")
    with small_disk(tmp_path / "disk") as disk:
        part = disk / "a.jpg.dflwrap-part"
        part.write_bytes(b"precious") if kind == "file" else part.symlink_to(users)
        move_without_overwriting(source, disk / "a.jpg")
        assert part.read_bytes() == users.read_bytes() == b"precious"
        assert (disk / "a.jpg").read_bytes() == b"face"
        assert sorted(path.name for path in disk.iterdir()) == ["a.jpg", part.name]


def test_a_full_disk_under_the_faceset_stops_and_is_made_good(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        bench = Bench(tmp_path)
        bench.faceset.symlink_to(disk / "aligned")
        (disk / "aligned").mkdir()
        bench.output.mkdir(parents=True)
        bench.debug.mkdir()
        bench.open()
        bench.ledger.add_frames(NewFrame(n, n[:-4], 1, 1, Entry.LINK, True, 0, "") for n in FRAMES)
        bench.extract()
        room = os.statvfs(disk)
        (disk / "filler").write_bytes(bytes(room.f_bavail * room.f_frsize - 8192))
        with pytest.raises(NeedsUserError) as raised:
            bench.promote()
        assert raised.value.cause == "disk-full"
        for path in bench.faceset.iterdir():
            verify_face(path, SIZE)
        (disk / "filler").unlink()
        bench.promoter.repair()
        bench.extract()
        bench.promote(2)
        assert_complete(bench)
        bench.ledger.close()


def test_set_aside_finds_a_free_name(bench: Bench) -> None:
    for content in (b"1", b"2", b"3"):
        (bench.faceset / "x_0.jpg").write_bytes(content)
        set_aside(bench.faceset / "x_0.jpg", bench.run_folder)
    kept = contents(bench.run_folder / "set_aside")
    assert kept == {"x_0.jpg": b"1", "x_0.1.jpg": b"2", "x_0.2.jpg": b"3"}


# -- what an extractor may not pass off as faces --------------------------------------------------------


def refused(bench: Bench, *faces: str, name: str = "c.png") -> str:
    item = next(f for f in bench.finished() if f.batch_name == name)
    before = contents(bench.faceset)
    (refusal,) = bench.promoter.promote([replace(item, faces=faces)], bench.output, 1, keep_debug=False)
    assert contents(bench.faceset) == before
    assert bench.ledger.pending_moves() == []
    assert bench.ledger.frames("name = ?", (name,))[0].outcome is None
    return refusal.reason


class _Evil:
    def __init__(self, marker: str) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return os.system, (f"touch {self.marker}",)


def test_a_face_that_would_run_a_command_is_refused_and_nothing_runs(bench: Bench, tmp_path: Path) -> None:
    marker = tmp_path / "it_ran"
    payload = pickle.dumps({"face_type": "whole_face", "source_filename": "c.png", "x": _Evil(str(marker))})
    good = face("c.png")
    start = good.index(b"\xff\xef")
    end = start + 2 + int.from_bytes(good[start + 2 : start + 4], "big")
    segment = b"\xff\xef" + (len(payload) + 2).to_bytes(2, "big") + payload
    (bench.output / "c_0.jpg").write_bytes(good[:start] + segment + good[end:])
    assert refused(bench, "c_0.jpg")
    assert not marker.exists()
    os.system(f"touch {marker}")
    assert marker.exists(), "the command would have been seen"


@pytest.mark.parametrize(
    "name",
    [
        "../c_0.jpg",
        "../../../../c_0.jpg",
        "sub/c_0.jpg",
        "sub\\c_0.jpg",
        "/etc/c_0.jpg",
        "C:c_0.jpg",
        "a_0.jpg",
        "c_0.jpg\0",
        "c_0.jpg\n",
        "c_-1.jpg",
        "c_٠.jpg",
        "c_0.png",
        "c_0.JPG",
        "c_.jpg",
        "",
        "c_0000000.jpg",
        ".",
    ],
)
def test_a_name_that_is_not_of_the_frame_is_refused(bench: Bench, name: str) -> None:
    bench.extract()
    (bench.output.parent / "c_0.jpg").write_bytes(face("c.png"))
    (bench.output / "sub").mkdir()
    (bench.output / "sub" / "c_0.jpg").write_bytes(face("c.png"))
    assert "not of this frame" in refused(bench, name)


@pytest.mark.skipif(sys.platform == "win32", reason="links and pipes of POSIX")
@pytest.mark.parametrize("kind", ["link", "broken link", "pipe", "folder", "missing"])
def test_what_is_no_file_of_its_own_is_refused(bench: Bench, kind: str) -> None:
    path = bench.output / "c_0.jpg"
    other = bench.output.parent / "other.jpg"
    other.write_bytes(face("c.png"))
    match kind:
        case "link":
            path.symlink_to(other)
        case "broken link":
            path.symlink_to("nowhere")
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
    assert refused(bench, "c_0.jpg")
    assert other.exists()


def test_claims_that_do_not_match_the_folder_are_refused(bench: Bench) -> None:
    bench.extract()
    assert "gaps or repeats" in refused(bench, "a_0.jpg", "a_0.jpg", name="a.png")
    assert "gaps or repeats" in refused(bench, "a_1.jpg", name="a.png")
    assert "more faces" in refused(bench, "a_0.jpg", name="a.png")
    assert "more faces" in refused(bench, name="a.png")
    (bench.output / "c_0.jpg").write_bytes(face("other.png"))
    assert "says it is from" in refused(bench, "c_0.jpg")
    (bench.output / "c_0.jpg").write_bytes(face("c.png", size=32))
    assert "32x32" in refused(bench, "c_0.jpg")


def test_a_bad_frame_does_not_hold_up_the_others(bench: Bench) -> None:
    bench.extract()
    (bench.output / "a_1.jpg").write_bytes(b"\xff\xd8 torn")
    (bad,) = bench.promote()
    assert bad.frame.file_name == "a.png"
    assert {r.file_name for r in bench.ledger.open_frames()} == {"a.png"}
    assert sorted(path.name for path in bench.faceset.iterdir()) == ["c_0.jpg"]


# -- metadata as of the user's frame --------------------------------------------------------------------


def test_metadata_speaks_of_the_users_frame_in_its_own_pixels(bench: Bench) -> None:
    """The extractor saw a converted copy under another name, at half the width and a third of the height."""
    (bench.output / "dflwrap-0000003_0.jpg").write_bytes(face("dflwrap-0000003.png"))
    item = replace(
        bench.finished()[2],
        batch_name="dflwrap-0000003.png",
        faces=("dflwrap-0000003_0.jpg",),
        scale=(2.0, 3.0),
    )
    assert bench.promoter.promote([item], bench.output, 1, keep_debug=False) == []
    (path,) = bench.faceset.iterdir()
    assert path.name == "c_0.jpg"
    metadata = read_metadata(path)
    assert metadata is not None and metadata.source_landmarks is not None
    assert metadata.source_filename == "c.png"
    assert metadata.source_rect == (20, 60, 60, 120)
    assert metadata.source_landmarks[10] == (20.0, 60.0)
    assert metadata.landmarks is not None and metadata.landmarks[10] == (10.0, 20.0), (
        "the face did not change"
    )
    # A point of the user's frame must fall on the same point of the face as before.
    matrix = np.array(metadata.image_to_face_mat)
    seen = np.array([[0.5, 0.0, -3.0], [0.0, 0.5, 4.0]]) @ [10.0, 20.0, 1.0]
    assert np.allclose(matrix @ [20.0, 60.0, 1.0], seen)


@pytest.mark.skipif(sys.platform != "linux", reason="only here may a name be any bytes")
def test_a_frame_whose_name_is_no_text_gets_its_faces(bench: Bench) -> None:
    name = os.fsdecode(b"\xff.png")
    bench.ledger.add_frames([NewFrame(name, "_xff", 1, 1, Entry.LINK, False, 0, "")])
    row = next(r for r in bench.ledger.frames() if r.file_name == name)
    (bench.output / "dflwrap-0000004_0.jpg").write_bytes(face("dflwrap-0000004.png"))
    item = FinishedFrame(row, "dflwrap-0000004.png", ("dflwrap-0000004_0.jpg",))
    assert bench.promoter.promote([item], bench.output, 1, keep_debug=False) == []
    assert verify_face(bench.faceset / "_xff_0.jpg", SIZE).source_filename == name


@pytest.mark.parametrize("way", ["attempts", "attempts/0001", "attempts/0001/out"])
def test_a_repair_takes_nothing_from_behind_a_link(bench: Bench, tmp_path: Path, way: str) -> None:
    """Someone has put a link to his own files on the way to a journalled one."""
    bench.extract()
    bench.ledger.close()
    crashed(tmp_path, "journalled")
    place, users = bench.run_folder / way, tmp_path / "users"
    place.rename(users)
    place.symlink_to(users, target_is_directory=True)
    before = contents(users)
    bench.open()
    bench.promoter.repair()
    assert contents(users) == before
    assert contents(bench.faceset) == {}
    assert bench.ledger.pending_moves() == []
    assert {row.file_name for row in bench.ledger.open_frames()} >= {"a.png", "c.png"}
