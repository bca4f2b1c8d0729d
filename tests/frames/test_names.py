"""Hostile names: safe to show, unchanged on their way through the ledger, never two faces of one name."""

from __future__ import annotations

import errno
import os
import re
import shutil
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dflwrap.common.text import display
from dflwrap.frames.batch import batch_name, link_frame
from dflwrap.frames.inventory import take_inventory
from dflwrap.frames.judgement import Entry
from dflwrap.frames.names import MAX_STEM_BYTES, case_key, face_stem, is_plain, stem_and_suffix
from dflwrap.ledger.ledger import Ledger
from dflwrap.ledger.records import NewFrame

HOSTILE = [
    b"a;rm -rf.jpg",
    b"'quoted'.jpg",
    b'"double".jpg',
    b"line\nbreak.jpg",
    b"carriage\rreturn.jpg",
    b"100%s %d.jpg",
    b"-rf.jpg",
    b"--help.jpg",
    b"bell\x07.jpg",
    b"\x1b[31mred\x1b[0m.jpg",
    b"[bold]markup[bold].jpg",
    "photo\u202egpj.jpg".encode(),
    "zero\u200bwidth.jpg".encode(),
    "写真 Größe 🎬.jpg".encode(),
    b"latin-1 \xe9.jpg",
    b"\xff\xfe.jpg",
    b"back\\slash.jpg",
    b"back\\x0aslash.jpg",
    b"back\nslash.jpg",
    b" leading space.jpg",
    b"..two dots.jpg",
    b"n" * 251 + b".jpg",
    "ü".encode() * 125 + b".jpg",
    b"$(touch x).jpg",
    b"`id`.jpg",
    b"a|b&c.jpg",
    b"CON.jpg",
    b"_.jpg",
    b"dflwrap-0000003.jpg",
    b"DFLWRAP-0000004.JPG",
]


def safe(text: str) -> bool:
    """What may be printed and stored anywhere: one line, no control or direction marks, encodable."""
    text.encode()
    return not any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in text)


posix = pytest.mark.skipif(sys.platform != "linux", reason="only here may a name be any bytes")


@posix
def test_every_name_comes_back_from_the_ledger_as_the_file_system_has_it(tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    for raw in HOSTILE:
        (frames / os.fsdecode(raw)).write_bytes(b"x")
    entries = take_inventory(frames).frames
    assert {os.fsencode(e.name) for e in entries} == set(HOSTILE)
    path = tmp_path / "run.db"
    ledger = Ledger(path)
    ledger.add_frames(
        NewFrame(e.name, f"{n}-{face_stem(stem_and_suffix(e.name)[0])}", 1, 1, Entry.LINK, False, 0, "")
        for n, e in enumerate(entries)
    )
    ledger.close()
    ledger = Ledger(path)
    rows = ledger.frames()
    ledger.close()
    assert {os.fsencode(row.file_name) for row in rows} == set(HOSTILE)
    assert all((frames / row.file_name).read_bytes() == b"x" for row in rows)
    assert all(safe(row.name) and "\n" not in row.name for row in rows)
    assert len({row.name for row in rows}) == len(HOSTILE), "two frames would be shown as one"


@posix
def test_every_name_goes_into_a_batch_as_one_that_no_program_misreads(tmp_path: Path) -> None:
    for number, raw in enumerate(HOSTILE):
        name = os.fsdecode(raw)
        source = tmp_path / name
        source.write_bytes(raw)
        shown = batch_name(number, name, plain=is_plain(name), converted=False)
        assert re.fullmatch(r"[A-Za-z0-9_.-]{1,40}", shown), shown
        target = tmp_path / "batch" / shown
        target.parent.mkdir(exist_ok=True)
        link_frame(source, target)
        assert target.read_bytes() == raw
    assert len(list((tmp_path / "batch").iterdir())) == len(HOSTILE)


@posix
def test_a_face_can_be_written_for_every_name(tmp_path: Path) -> None:
    stems = [face_stem(stem_and_suffix(os.fsdecode(raw))[0]) for raw in HOSTILE]
    for stem in stems:
        stem.encode("utf-8")
        (tmp_path / f"{stem}_png-12_999999.jpg").write_bytes(b"")
    assert len(set(stems)) == len(stems)


def test_an_ordinary_stem_is_kept_to_the_letter() -> None:
    for stem in ("00001", "Zoë_Größe_写真", "a b (1)", "x.y", "n" * MAX_STEM_BYTES):
        assert face_stem(stem) == stem


def test_long_stems_that_differ_at_the_end_stay_apart() -> None:
    first, second = face_stem("ü" * 120 + "1"), face_stem("ü" * 120 + "2")
    assert first != second
    assert len(first.encode()) <= MAX_STEM_BYTES


@given(st.text(st.characters(codec=None), max_size=300))
def test_display_is_safe_and_keeps_what_is_harmless(name: str) -> None:
    shown = display(name)
    shown.encode("utf-8")
    assert not any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in shown)
    assert display(shown) == shown
    if not any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in name):
        assert shown == name


@given(st.text(st.characters(codec=None), max_size=300))
def test_any_stem_becomes_one_that_can_be_written(stem: str) -> None:
    made = face_stem(stem)
    assert len(made.encode("utf-8")) <= MAX_STEM_BYTES
    assert face_stem(made) == made


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("IMG", "img"),
        ("é", "e\u0301"),
        ("É", "e\u0301"),
        ("straße", "STRASSE"),
        ("\u01f0", "J\u030c"),
        ("Å", "\u212b"),
    ],
)
def test_names_that_are_one_file_elsewhere_have_one_key(one: str, other: str) -> None:
    assert case_key(one) == case_key(other)


def test_names_that_are_two_files_everywhere_have_two_keys() -> None:
    assert len({case_key(name) for name in ("a", "b", "a ", "a_", "ä", "à")}) == 6


@pytest.mark.parametrize(
    "name", ["-a.jpg", ".a.jpg", "a\n.jpg", "a.", "a ", "é.jpg", "a/b.jpg", "a;b.jpg", "", "%d.jpg"]
)
def test_what_is_not_plain(name: str) -> None:
    assert not is_plain(name)


@posix
def test_a_link_is_never_written_through_into_another_frame(tmp_path: Path) -> None:
    (tmp_path / "one.jpg").write_bytes(b"one")
    (tmp_path / "two.jpg").write_bytes(b"two")
    link_frame(tmp_path / "one.jpg", tmp_path / "taken.jpg")
    with pytest.raises(FileExistsError):
        link_frame(tmp_path / "two.jpg", tmp_path / "taken.jpg")
    assert (tmp_path / "one.jpg").read_bytes() == b"one"


def test_a_frame_named_as_we_would_name_another_gets_a_name_of_its_own() -> None:
    ours = batch_name(7, "写真.png", plain=is_plain("写真.png"), converted=False)
    assert batch_name(3, ours, plain=is_plain(ours), converted=False) != ours
    assert batch_name(3, ours.upper(), plain=is_plain(ours.upper()), converted=False).lower() != ours


@pytest.mark.parametrize(
    "name",
    [
        "a.PNG",
        ".png",
        "..png",
        "a..png",
        "a.",
        "a",
        "",
        "a.b/c",
        "a/.png",
        "a/b.Png",
        "a.b c",
        "ä.ÄP",
        ". .x",
        "...a.b",
        "a.png ",
    ],
)
def test_the_last_dot_splits_as_pythons_own_does(name: str) -> None:
    stem, suffix = os.path.splitext(name)  # noqa: PTH122
    assert stem_and_suffix(name) == (stem, suffix.lower())


def test_a_copy_that_is_no_conversion_shows_only_when_it_is_whole_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without links (exFAT, a share): an extractor that lists the folder meanwhile would read half of a JPEG."""
    source, target = tmp_path / "00001.jpg", tmp_path / "in" / "00001.jpg"
    source.write_bytes(b"a whole frame")
    target.parent.mkdir()

    def refused(*_: object) -> None:
        raise PermissionError("no links here")

    seen: list[list[str]] = []
    copy = shutil.copyfile

    def copyfile(one: Path, other: Path) -> None:
        copy(one, other)
        seen.append([path.name for path in target.parent.glob("*.jpg")])

    monkeypatch.setattr(os, "symlink", refused)
    monkeypatch.setattr(os, "link", refused)
    monkeypatch.setattr(shutil, "copyfile", copyfile)
    link_frame(source, target)
    assert seen == [[]] and [path.name for path in target.parent.iterdir()] == ["00001.jpg"]

    def full(one: Path, other: Path) -> None:
        other.write_bytes(b"a wh")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OSError, match="No space"):
        link_frame(source, target.with_name("00002.jpg"))
    assert len(list(target.parent.iterdir())) == 1, "nothing half-written stays"
