"""Every finding has a folder that shows it and nothing else, and good frames show none."""

from __future__ import annotations

import base64
import hashlib
import shutil
import sys
import uuid
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from frame_folders import COMPANIONS, MAKERS, clean, save
from frame_folders import pictures as sample_pictures
from one_decoder import shared_by

from dflwrap.check import checking, page
from dflwrap.check.checking import CheckResult, Sample, check_frames
from dflwrap.check.files import is_online_only, may_be_online_only
from dflwrap.check.findings import Severity, kinds
from dflwrap.check.thresholds import Thresholds
from dflwrap.cli.commands.rules import page as rule_page
from dflwrap.diagnosis import load_catalogue
from dflwrap.frames import many

DOCS = Path(__file__).parents[2] / "docs/findings.md"


@pytest.fixture(scope="module", autouse=True)
def _one_decoder() -> Iterator[None]:
    with shared_by(many):
        yield


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clean(tmp_path_factory.mktemp("good") / "frames")


@pytest.fixture
def frames(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good, tmp_path / "frames"))


def check(folder: Path, **limits: float) -> CheckResult:
    return check_frames(folder, limits=Thresholds(**limits), children=1)  # type: ignore[arg-type]


def ids(result: CheckResult) -> set[str]:
    return {finding.kind.id for finding in result.findings.sorted()}


def test_every_finding_has_a_folder() -> None:
    assert list(MAKERS) == list(kinds())


def test_good_frames_show_none(good: Path) -> None:
    result = check(good)
    assert ids(result) == set()
    assert (result.found, result.usable) == (10, 10)


def test_deepfacelabs_own_folders_among_the_frames_are_no_finding(frames: Path) -> None:
    for name in ("aligned", "aligned_debug", "merged", "aligned_dflwrap"):
        (frames / name).mkdir()
        shutil.copyfile(frames / "00001.jpg", frames / name / "00001.jpg")
    assert ids(check(frames)) == set()


def test_a_folder_named_like_a_faceset_is_told_by_what_it_holds(frames: Path) -> None:
    """Older facesets and their debug pictures belong among frames; frames under such a name get lost."""
    MAKERS["faceset-as-input"](frames)
    (frames / "old").mkdir()
    for path in frames.glob("*.jpg"):
        path.rename(frames / "old" / path.name)
    clean(frames)
    shutil.copytree(frames / "old", frames / "aligned_old")
    shutil.rmtree(frames / "old")
    for name in ("aligned_old_debug", "tom/aligned_x", "_debug", "scans_debug"):
        (frames / name).mkdir(parents=True)
        shutil.copyfile(frames / "00001.jpg", frames / name / "00001.jpg")
    (frames / "scans").mkdir()
    shutil.copyfile(frames / "00002.jpg", frames / "scans" / "00001.jpg")
    findings = {finding.kind.id: finding for finding in check(frames).findings.sorted()}
    assert {e.split(" (")[0] for e in findings["passed-over-folders"].examples} == {
        *("_debug", "scans_debug", "tom/aligned_x")
    }


@pytest.mark.parametrize("name", [name for name in MAKERS if name not in ("online-only", "no-faces")])
def test_a_folder_that_shows_it_shows_nothing_else(name: str, frames: Path) -> None:
    if sys.platform == "win32" and name in ("reserved-on-windows", "case-collisions", "too-long"):
        pytest.skip("Windows cannot have such a folder")
    if name == "case-collisions" and (frames / "00001.JPG").exists():
        pytest.skip("this file system ignores case")
    MAKERS[name](frames)
    result = check(frames)
    assert name in ids(result)
    assert ids(result) - {name} <= COMPANIONS.get(name, set())
    for finding in result.findings.sorted():
        assert finding.examples, finding
        assert all(example.isprintable() for example in finding.examples)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        *(("per-person-folders", 2), ("number-gaps", 2), ("zero-bytes", 2), ("damaged-data", 2)),
        *(("unusual-pixels", 5), ("animated", 4), ("turned-by-exif", 2), ("not-a-frame", 2)),
        *(("blurred", 4), ("dark", 4), ("overexposed", 4), ("black", 4), ("too-small", 4)),
        *(("frozen", 34), ("duplicate-stems", 1), ("case-collisions", 1), ("mixed-schemes", 6)),
    ],
)
def test_it_is_counted(name: str, count: int, frames: Path) -> None:
    MAKERS[name](frames)
    assert check(frames).findings.count(name) == count


@pytest.mark.parametrize(
    ("name", "lost"),
    [
        ("unreadable", 1),
        ("truncated", 1),
        ("damaged-data", 2),
        ("zero-bytes", 2),
        ("not-a-frame", 2),
        ("too-small", 4),
    ],
)
def test_frames_that_extract_will_refuse_are_not_usable(name: str, lost: int, frames: Path) -> None:
    MAKERS[name](frames)
    result = check(frames)
    assert result.found - result.usable == lost


@pytest.mark.parametrize(
    ("platform", "field", "value"),
    [
        *(("win32", "st_file_attributes", 0x400000 | 0x20), ("win32", "st_file_attributes", 0x1000)),
        ("darwin", "st_flags", 0x40000000),
    ],
)
def test_online_only_files_are_known_by_their_attributes(platform: str, field: str, value: int) -> None:
    assert may_be_online_only(platform) and not may_be_online_only("linux")
    assert is_online_only(SimpleNamespace(st_mode=0o100644, **{field: value}), platform)
    assert not is_online_only(SimpleNamespace(st_mode=0o100644, **{field: 0x20}), platform)
    assert not is_online_only(SimpleNamespace(st_mode=0o100644, **{field: value}), "linux")
    assert not is_online_only(SimpleNamespace(st_mode=0o040755, **{field: value}), platform)


def test_online_only_files_are_named_and_not_opened(frames: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = (frames / "00003.jpg").stat().st_size
    monkeypatch.setattr(checking, "may_be_online_only", lambda: True)
    monkeypatch.setattr(checking, "is_online_only", lambda info: info.st_size == there)
    (frames / "00003.jpg").write_bytes(bytes(there))  # whoever opens it finds zeros
    result = check(frames)
    assert ids(result) == {"online-only"}
    assert result.findings.count("online-only") == 1 and result.usable == 10


@pytest.mark.windows
def test_a_file_marked_offline_by_windows_is_online_only(frames: Path) -> None:
    import ctypes

    offline = 0x1000
    assert ctypes.windll.kernel32.SetFileAttributesW(str(frames / "00003.jpg"), offline)  # type: ignore[attr-defined]
    assert ids(check(frames)) == {"online-only"}


def test_thresholds_can_be_moved(frames: Path) -> None:
    MAKERS["blurred"](frames)
    assert "blurred" not in ids(check(frames, blurred_below=0.1))
    assert check(frames, blurred_below=1e6).findings.count("blurred") == 10
    assert check(frames, dark_below=256).findings.count("dark") == 10
    assert check(frames, overexposed_above=-1).findings.count("overexposed") == 10
    assert "huge" in ids(check(frames, huge_pixels=1000))


def test_a_folder_of_square_portraits_is_not_called_squashed(tmp_path: Path) -> None:
    import cv2

    for number, picture in enumerate(sample_pictures(), 1):
        square = picture[:, 140:500]
        save(tmp_path / f"{number:05d}.jpg", cv2.resize(square, (256, 256), interpolation=cv2.INTER_AREA))  # type: ignore[arg-type]
    assert "aspect-changed" not in ids(check(tmp_path))


def test_both_trees_of_the_document(tmp_path: Path) -> None:
    for name, arrangement, found, severity in (
        ("per-person-folders", "per-person", 6, Severity.WARNING),
        ("mixed-layout", "mixed", 4, Severity.ERROR),
    ):
        folder = clean(tmp_path / name / "data")
        MAKERS[name](folder)
        result = check(folder)
        assert (result.layout.arrangement.value, result.found, result.usable) == (arrangement, found, found)
        first = result.findings.sorted()[0]
        assert (first.kind.id, first.severity) == (name, severity)


def test_one_sub_folder_with_everything_is_a_warning(frames: Path) -> None:
    (frames / "clip").mkdir()
    for path in frames.glob("*.jpg"):
        path.rename(frames / "clip" / path.name)
    (only,) = check(frames).findings.sorted()
    assert (only.kind.id, only.severity) == ("images-in-subfolders", Severity.WARNING)


def test_a_video_beside_frames_is_a_warning_and_alone_an_error(frames: Path) -> None:
    (frames / "data_src.mp4").write_bytes(b"\0")
    (beside,) = check(frames).findings.sorted()
    MAKERS["videos-not-frames"](frames)
    (alone,) = check(frames).findings.sorted()
    assert (beside.severity, alone.severity) == (Severity.WARNING, Severity.ERROR)


def test_the_page_is_current() -> None:
    assert DOCS.read_text(encoding="utf-8") == page.page(), "python -m dflwrap.check.page > docs/findings.md"


def test_a_finding_and_its_page_in_the_catalogue_name_each_other() -> None:
    catalogue = load_catalogue().by_id
    for kind in kinds().values():
        if kind.cause:
            assert kind.cause in catalogue, kind.id
            assert kind.id in rule_page(catalogue[kind.cause]), kind.id


def test_a_sample_is_bounded_and_spread() -> None:
    sample = Sample[int](60)
    for number in range(100_000):
        sample.add(number)
        assert len(sample._kept) < 120
    items = sample.items()
    assert len(items) == 60 and items[0] == 0 and items[-1] > 90_000
    gaps = [after - before for before, after in pairwise(items)]
    assert max(gaps) <= 2 * min(gaps)


def test_examples_of_sub_folders_are_named_with_their_folder(frames: Path) -> None:
    people = frames.parent / "people"
    for number, name in enumerate(("mixed-schemes", "number-gaps", "width-changes", "wrong-suffix", "huge")):
        MAKERS[name](Path(shutil.copytree(frames, people / f"person {number}")))
    for finding in check(people).findings.sorted():
        assert all(example.startswith("person ") for example in finding.examples), finding


def test_any_other_format_under_a_known_ending_is_told(frames: Path) -> None:
    from PIL import Image

    with Image.open(frames / "00002.jpg") as picture:
        picture.save(frames / "00003.jpg", "JPEG2000")
        picture.save(frames / "00004.jp2", "JPEG2000")
    (frames / "00004.jpg").unlink()
    result = check(frames)
    assert result.findings.count("wrong-suffix") == 1 and result.usable == 10


@pytest.mark.parametrize(
    "names",
    [
        [hashlib.sha256(bytes([number])).hexdigest()[:16] for number in range(10)],
        [str(uuid.UUID(int=7919**9 * (number + 3) ** 31 % 2**128)) for number in range(10)],
        [base64.urlsafe_b64encode(hashlib.sha256(bytes([n])).digest())[:15].decode() for n in range(10)],
    ],
    ids=["hash", "uuid", "base64"],
)
def test_downloads_named_by_random_ids_are_not_mixed(names: list[str], frames: Path) -> None:
    for path, name in zip(sorted(frames.iterdir()), names, strict=True):
        path.rename(path.with_name(f"{name}.jpg"))
    assert ids(check(frames)) <= {"not-numbered", "several-underscores"}


@pytest.mark.parametrize(
    "pattern",
    [
        *("IMG_202405{:02d}_1{:02d}0000.jpg", "PXL_202405{:02d}_12{:02d}30123.jpg", "DSC{:02d}{:03d}.JPG"),
        *(
            "Screenshot 2024-05-{:02d} at 11.{:02d}.10.jpg",
            "IMG-202405{:02d}-WA00{:02d}.jpg",
            "scene{:02d}{:03d}.jpg",
        ),
        *(
            "video_f{:06d}_t{:02d}.40.jpg",
            "101{:02d}_3456{:02d}_99887766_n.jpg",
            "WhatsApp Image 2024-05-{:02d} {:02d}.jpg",
        ),
    ],
)
def test_names_of_cameras_phones_and_programs_are_no_warning(pattern: str, frames: Path) -> None:
    for number, path in enumerate(sorted(frames.iterdir()), 10):
        path.rename(path.with_name(pattern.format(number, number)))
    assert not check(frames).findings.above_note
