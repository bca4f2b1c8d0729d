"""Files that nobody has recorded, looked at in children: the same answers as here, whatever becomes of a child."""

from __future__ import annotations

import os
import pickle
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_promotion import face

from dflwrap.common.errors import StoppedError
from dflwrap.faceset import many_strangers
from dflwrap.faceset.face_file.metadata import read_metadata
from dflwrap.faceset.facts import face_facts
from dflwrap.faceset.many_strangers import look_at_all
from dflwrap.faceset.strangers import Stranger, StrangerKind, Strangers, look_at, main, parsed, request
from dflwrap.ledger.records import FaceFacts

SIDE = 64
ODD = "främe 日本\udcff.png" if os.name != "nt" else "främe 日本.png"


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("false",)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two hundred faces, and one of each other kind."""
    whole = face("a.png")
    for number in range(200):
        (tmp_path / f"a_{number}.jpg").write_bytes(face(f"{number}.png", number))
    (tmp_path / "odd_0.jpg").write_bytes(face(ODD))
    (tmp_path / "torn.jpg").write_bytes(whole[:-20])
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_bytes(b"hello")
    payload = pickle.dumps(Evil())
    evil = b"\xff\xef" + (len(payload) + 2).to_bytes(2, "big") + payload
    (tmp_path / "evil.jpg").write_bytes(whole[:2] + evil + whole[2:])
    (tmp_path / "folder.jpg").mkdir()
    return tmp_path


def names_in(folder: Path) -> list[str]:
    return [*sorted(path.name for path in folder.iterdir()), "gone.jpg"]


def looked(folder: Path) -> list[Stranger]:
    return list(look_at_all(folder, names_in(folder), SIDE))


@pytest.fixture
def in_children(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many_strangers, "FEW", 10)
    monkeypatch.setattr(many_strangers, "AT_ONCE", 20)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)


def test_a_whole_face_is_told_with_what_it_is_known_by(folder: Path) -> None:
    path = folder / "a_7.jpg"
    metadata = read_metadata(path)
    assert metadata is not None
    assert look_at(path, SIDE) == Stranger(
        "a_7.jpg", StrangerKind.WHOLE, "7.png", "whole_face", (SIDE, SIDE), face_facts(path, metadata)
    )


@pytest.mark.usefixtures("in_children")
def test_children_say_what_would_be_said_here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    really = many_strangers.request
    monkeypatch.setattr(
        many_strangers, "request", lambda f, names, side: asked.append(len(names)) or really(f, names, side)
    )
    monkeypatch.setattr(many_strangers, "look_at", None)  # nothing is looked at here
    found = looked(folder)
    assert sum(asked) == len(found)
    assert found == [look_at(folder / name, SIDE) for name in names_in(folder)]
    kinds = {one.name: one.kind for one in found if not one.name.startswith("a_")}
    assert kinds == {
        "odd_0.jpg": StrangerKind.WHOLE,
        "torn.jpg": StrangerKind.TORN,
        "empty.jpg": StrangerKind.TORN,
        "text.jpg": StrangerKind.TORN,
        "evil.jpg": StrangerKind.HOSTILE,
        "folder.jpg": StrangerKind.OTHER,
        "gone.jpg": StrangerKind.OTHER,
    }
    assert next(one.source for one in found if one.name == "odd_0.jpg") == ODD


@pytest.mark.usefixtures("in_children")
@pytest.mark.parametrize(
    "program",
    [
        "import sys; sys.exit(3)",
        "import sys; print('no answer', flush=True); sys.stdin.read()",
        "import sys; print('[1, 2]', flush=True); sys.stdin.read()",
        "import sys; sys.stdin.readline(); print('[null]', flush=True)",
        None,
    ],
    ids=["dead", "nonsense", "other JSON", "too short", "cannot be started"],
)
def test_a_child_that_is_of_no_use_costs_no_answer(
    folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    program: str | None,
) -> None:
    expected = [look_at(folder / name, SIDE) for name in names_in(folder)]
    python = tmp_path_factory.mktemp("bin") / "python"
    if program is not None:
        if os.name == "nt":
            pytest.skip("a script is no program there")
        python.write_text(f"#!{sys.executable}\n{program}\n")
        python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    assert looked(folder) == expected


@pytest.mark.usefixtures("in_children")
def test_a_stop_is_heard(folder: Path) -> None:
    asked = 0

    def stopping() -> bool:
        nonlocal asked
        asked += 1
        return asked > 20

    with pytest.raises(StoppedError):
        list(look_at_all(folder, names_in(folder) * 20, SIDE, stopping))


def test_the_program_answers_a_line_with_a_line(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    questions = tmp_path_factory.mktemp("in") / "questions"
    questions.write_bytes(request(folder, ["a_1.jpg"], SIDE) + request(folder, ["torn.jpg", "a_2.jpg"], SIDE))
    with questions.open() as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        main()
    first, second = capsys.readouterr().out.splitlines()
    assert parsed(first.encode(), ["a_1.jpg"]) == [look_at(folder / "a_1.jpg", SIDE)]
    assert [one.kind for one in parsed(second.encode(), ["torn.jpg", "a_2.jpg"])] == [
        StrangerKind.TORN,
        StrangerKind.WHOLE,
    ]
    with pytest.raises(ValueError, match=r"argument 2 is shorter"):
        parsed(first.encode(), ["a_1.jpg", "a_2.jpg"])


def test_strangers_are_kept_in_little_room_and_come_out_as_they_were(folder: Path) -> None:
    found = looked(folder)
    kept = Strangers(found)
    assert list(kept) == found and len(kept) == len(found) and kept[3] == found[3]
    assert ODD in {stranger.source for stranger in kept}
    kept.leave_out({found[0].name, found[-1].name})
    assert list(kept) == found[1:-1]
    assert not Strangers()


def test_a_hundred_thousand_strangers_take_no_more_than_their_names_and_facts() -> None:
    count = 2000

    def found() -> Iterator[Stranger]:
        for number in range(count):
            facts = FaceFacts(30_000 + number, 10**18 + number, os.urandom(16), (1.5, 2.5, 3.5, number + 0.5))
            name, source = f"{number:06d}_0.jpg", f"{number:06d}.png"
            yield Stranger(name, StrangerKind.WHOLE, source, "whole_face", (256, 256), facts)

    tracemalloc.start()
    try:
        kept = Strangers(found())
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(kept) == count
    assert held / count < 300, "as objects they take 650 bytes each"
