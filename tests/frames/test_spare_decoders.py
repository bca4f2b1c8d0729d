"""Decoders go from one part of a run to the next, never with an answer to come, and none outlives the run."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest
from support import DOUBLE, dflwrap, until

from dflwrap.frames import conversion, decoder_child
from dflwrap.frames.conversion import ConversionError, Converter
from dflwrap.frames.decoder_child import SpareDecoders

posix = pytest.mark.posix


@pytest.fixture
def frame(tmp_path: Path) -> Path:
    path = tmp_path / "00001.png"
    assert cv2.imwrite(str(path), np.full((40, 60, 3), 90, np.uint8))
    return path


def decoders() -> set[int]:
    """Those of this process that are alive."""
    return {
        child.pid
        for child in psutil.Process().children()
        if child.status() != psutil.STATUS_ZOMBIE and "decoding.decoder" in str(child.cmdline())
    }


def test_a_child_goes_from_one_converter_to_the_next_and_ends_with_the_block(frame: Path) -> None:
    before = decoders()
    with SpareDecoders() as spares:
        for _ in range(3):
            with Converter(spares=spares) as converter:
                assert converter.look(frame).mean == pytest.approx(90, abs=1)
            assert len(decoders() - before) == 1
    assert decoders() == before


def test_what_is_in_use_is_nobody_elses(frame: Path) -> None:
    before = decoders()
    with SpareDecoders() as spares, Converter(spares=spares) as one, Converter(spares=spares) as other:
        one.look(frame)
        other.look(frame)
        assert len(decoders() - before) == 2


def test_one_that_rests_is_anybodys(frame: Path) -> None:
    before = decoders()
    with SpareDecoders() as spares, Converter(spares=spares) as one, Converter(spares=spares) as other:
        for converter in (one, other, one):
            assert converter.look(frame).mean == pytest.approx(90, abs=1)
            converter.rest()
        assert len(decoders() - before) == 1
    with Converter() as alone:
        alone.look(frame)
        mine = decoders() - before
        alone.rest()
        alone.look(frame)
        assert decoders() - before == mine and len(mine) == 1, (
            "without spares it would start anew for each image"
        )
    assert decoders() == before


@posix
def test_one_that_owes_an_answer_is_ended_and_not_handed_on(frame: Path, tmp_path: Path) -> None:
    """Its answer would be taken for that to the next one's question."""
    before = decoders()
    os.mkfifo(tmp_path / "pipe.png")
    with SpareDecoders() as spares:
        converter = Converter(spares=spares)
        raised: list[BaseException] = []

        def ask() -> None:
            try:
                converter.look(tmp_path / "pipe.png")  # it waits in the pipe
            except ConversionError as error:
                raised.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        assert until(lambda: decoders() - before, 60)
        busy = decoders() - before
        converter.close()
        asking.join(60)
        assert "died" in str(raised[0])
        assert spares.lend() is None
        assert not busy & decoders()
        with Converter(spares=spares) as another:
            assert another.look(frame).mean == pytest.approx(90, abs=1)
    assert decoders() == before


def test_one_that_is_closed_while_its_child_starts_leaves_none(
    frame: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Closed(decoder_child.DecoderChild):
        def __init__(self) -> None:
            super().__init__()
            converter.close()

    before, converter = decoders(), Converter()
    monkeypatch.setattr(conversion, "DecoderChild", Closed)
    with pytest.raises(ConversionError, match="died"):
        converter.look(frame)
    assert decoders() == before
    monkeypatch.undo()
    with converter:
        assert converter.look(frame).mean == pytest.approx(90, abs=1), "it may be asked again"
    assert decoders() == before


@posix
def test_one_that_died_as_a_spare_costs_no_image(frame: Path) -> None:
    with SpareDecoders() as spares:
        with Converter(spares=spares) as converter:
            converter.look(frame)
        dead = spares.lend()
        assert dead is not None
        dead.process.kill()
        dead.process.wait(60)
        spares.take_back(dead)
        with Converter(spares=spares) as converter:
            assert converter.look(frame).mean == pytest.approx(90, abs=1)


def test_an_image_that_fails_does_not_end_its_decoder(frame: Path, tmp_path: Path) -> None:
    (tmp_path / "junk.png").write_bytes(b"junk")
    before = decoders()
    with SpareDecoders() as spares:
        with Converter(spares=spares) as converter, pytest.raises(ConversionError):
            converter.look(tmp_path / "junk.png")
        first = decoders() - before
        with Converter(spares=spares) as converter:
            assert converter.look(frame).mean == pytest.approx(90, abs=1)
        assert decoders() - before == first


def test_no_more_are_kept_than_are_worth_their_memory(frame: Path) -> None:
    before = decoders()
    with SpareDecoders() as spares:
        converters = [Converter(spares=spares) for _ in range(decoder_child.MOST_SPARE + 2)]
        for converter in converters:
            converter.look(frame)
        for converter in converters:
            converter.close()
        assert len(decoders() - before) == decoder_child.MOST_SPARE
    assert decoders() == before


def test_one_that_comes_back_after_the_end_is_ended(frame: Path) -> None:
    """A thread that a dead disk held up may be late."""
    before = decoders()
    with SpareDecoders() as spares:
        late = Converter(spares=spares)
        late.look(frame)
    late.close()
    assert decoders() == before


COUNTED = """
import sys
from dflwrap.frames import conversion
class Counted(conversion.DecoderChild):
    def __init__(self):
        super().__init__()
        print(f"decoder {self.process.pid}", file=sys.stderr)
conversion.DecoderChild = Counted
"""


@posix
@pytest.mark.parametrize("broken", [False, True])
def test_a_run_of_several_attempts_starts_one_and_leaves_none(
    tmp_path: Path, clean_frames: Path, broken: bool
) -> None:
    """Each attempt checks its JPEGs. broken: dflwrap itself fails after the last of them."""
    limits = COUNTED
    if broken:
        limits += "import dflwrap.supervisor.run as run\nrun.learn_from_the_end = None\n"
    done = dflwrap(
        *("extract", "--json", "--cpu-only", "--workers", "1", "--second-look", "off", "--batch-size", "4"),
        *("--input-dir", clean_frames, "--output-dir", tmp_path / "aligned", "--extractor", "dfl"),
        *("--dfl-root", DOUBLE, "--dfl-python", sys.executable),
        limits=limits,
    )
    started = [int(line.split()[1]) for line in done.stderr.splitlines() if line.startswith("decoder ")]
    assert len(started) == 1, done.stderr
    assert not psutil.pid_exists(started[0])
    if broken:
        assert "dflwrap itself failed" in (tmp_path / "aligned_dflwrap" / "report.json").read_text()
    else:
        assert done.code == 0 and len(done.report["attempts"]) == 3, done.stderr
