"""The full-range network sees the same faces in an input that is not square."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from dflwrap.extractors.builtin.engine import ENGINES, Engine
from dflwrap.extractors.builtin.finding.detector import Detector, Reduced, View, best_of_overlapping, overlap
from dflwrap.extractors.builtin.finding.models import FULL_RANGE_FILE, MESH_FILE, Model, model_path
from dflwrap.extractors.builtin.finding.wide_network import with_input
from dflwrap.samples.photos import ASTRONAUT


@pytest.mark.parametrize("size", [(288, 160), (256, 192), (288, 192), (160, 288)])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_face_lies_where_the_square_network_sees_it(size: tuple[int, int], turns: int) -> None:
    """Also where the frame is turned before the network sees it, and off the frame's middle."""
    photo = ASTRONAUT.load()
    frame = np.full((2 * size[1], 2 * size[0], 3), 110, np.uint8)
    part = cv2.resize(photo[:280, 60:380], (200, 175), interpolation=cv2.INTER_AREA)
    place = np.s_[2 * size[1] - 180 : 2 * size[1] - 5, 2 * size[0] - 210 : 2 * size[0] - 10]
    frame[place] = np.rot90(part, -turns)[:175, :200] if turns % 2 == 0 else 110
    if turns % 2:
        turned = np.rot90(part, -turns)
        frame[2 * size[1] - 205 : 2 * size[1] - 5, 2 * size[0] - 185 : 2 * size[0] - 10] = turned
    height, width = frame.shape[:2]
    square_view = View(width - 250, height - 250, 250, 250, turns)
    view = View(0, 0, width, height, turns, size)
    shape = size if turns % 2 == 0 else (size[1], size[0])
    expected = best_of_overlapping(
        Detector.full_range(1).look(Reduced(frame, square_view.scale), square_view)
    )
    found = best_of_overlapping(Detector.full_range(1, shape).look(Reduced(frame, view.scale), view))
    assert len(expected) == len(found) == 1
    assert overlap(expected[0].box, found[0].box) > 0.75
    side = expected[0].box[2] - expected[0].box[0]
    assert np.linalg.norm(expected[0].points - found[0].points, axis=1).mean() < 0.1 * side


def test_the_bytes_are_the_files_where_the_size_is() -> None:
    content = model_path(FULL_RANGE_FILE).read_bytes()
    assert with_input(content, 192, 192) == content
    wide = with_input(content, 288, 160)
    assert len(wide) == len(content)
    changed = sum(a != b for a, b in zip(wide, content, strict=True))
    assert 0 < changed <= 10 * 4


@pytest.mark.parametrize("size", [(288, 150), (0, 192), (-32, 192)])
def test_other_sides_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="multiples of 32"):
        with_input(model_path(FULL_RANGE_FILE).read_bytes(), *size)


def test_another_network_is_refused() -> None:
    with pytest.raises(ValueError, match="not the full-range network"):
        with_input(model_path(MESH_FILE).read_bytes(), 288, 160)


@pytest.mark.parametrize(
    "engine", [engine for engine in ENGINES if engine.installed], ids=lambda one: one.title
)
def test_every_engine_runs_it(engine: Engine) -> None:
    model = Model(FULL_RANGE_FILE, 1, engine, size=(288, 160))
    boxes, scores = model(np.zeros((160, 288, 3), np.float32))
    assert boxes.shape == (1, 40 * 72, 16)
    assert scores.shape == (1, 40 * 72, 1)
    assert np.isfinite(boxes).all()
