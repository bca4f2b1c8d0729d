"""Frames that enter prepared, or not at all: what comes out refers to the user's own frames."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from support import assert_conserved, dflwrap

from dflwrap.faceset.face_file.metadata import FaceMetadata, read_metadata
from dflwrap.samples.generator import make_frames

BUILTIN = ("--extractor", "builtin", "--cpu-only", "--image-size", "128", "--json")


@pytest.fixture(scope="module")
def large_frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large") / "frames"
    make_frames(folder, 3, (1600, 900), 0, False)
    return folder


def faces(faceset: Path) -> dict[str, FaceMetadata]:
    return {path.name: read_metadata(path) for path in sorted(faceset.iterdir())}  # type: ignore[misc]


def test_metadata_of_a_downscaled_frame_refers_to_the_original(large_frames: Path, tmp_path: Path) -> None:
    for name, more in (("whole", ()), ("scaled", ("--max-side", "800"))):
        done = dflwrap(
            "extract", "--input-dir", large_frames, "--output-dir", tmp_path / name, *BUILTIN, *more
        )
        assert done.code == 0, done.stderr
    whole, scaled = faces(tmp_path / "whole"), faces(tmp_path / "scaled")
    assert list(whole) == list(scaled)
    for name, face in whole.items():
        other = scaled[name]
        assert face.source_filename == other.source_filename
        points, others = np.array(face.source_landmarks), np.array(other.source_landmarks)
        outer_eyes = float(np.linalg.norm(points[36] - points[45]))
        assert np.linalg.norm(points - others, axis=1).mean() < 0.1 * outer_eyes
        # Each matrix carries the landmarks of the original frame onto those of the face.
        matrix = np.array(other.image_to_face_mat)
        mapped = others @ matrix[:, :2].T + matrix[:, 2]
        assert np.abs(mapped - np.array(other.landmarks)).max() < 0.5
        rect, small = np.array(face.source_rect, float), np.array(other.source_rect, float)
        assert np.abs(rect - small).max() < 0.35 * (rect[2] - rect[0])


def test_filtered_frames_are_not_attempted_with_their_reason(large_frames: Path, tmp_path: Path) -> None:
    source = tmp_path / "frames"
    shutil.copytree(large_frames, source)
    sharp = cv2.imread(str(sorted(source.iterdir())[0]))
    cv2.imwrite(str(source / "blurry.png"), cv2.GaussianBlur(sharp, (0, 0), 25))
    cv2.imwrite(str(source / "black.png"), np.zeros((720, 1280, 3), np.uint8))
    cv2.imwrite(str(source / "small.png"), cv2.resize(sharp, (320, 180)))
    asked = ("--skip-black", "--skip-blurry", "--min-side", "200")
    done = dflwrap("extract", "--input-dir", source, "--output-dir", tmp_path / "aligned", *BUILTIN, *asked)
    assert done.code == 0, done.stderr
    assert_conserved(done.report)
    left_out = {row["frame"]: row["evidence"] for row in done.report["not_attempted"]}
    assert set(left_out) == {"blurry.png", "black.png", "small.png"}
    assert (
        "blurry" in left_out["blurry.png"]
        and "black" in left_out["black.png"]
        and "200" in left_out["small.png"]
    )
    again = dflwrap("extract", "--input-dir", source, "--output-dir", tmp_path / "aligned", *BUILTIN)
    assert again.report["frames"]["not_attempted"] == 0
    assert "black.png" in again.report["no_face"]


def test_a_bound_on_the_size_leaves_a_wide_strip_large_enough_to_be_looked_at(tmp_path: Path) -> None:
    source = tmp_path / "frames"
    source.mkdir()
    cv2.imwrite(str(source / "strip.png"), np.full((500, 4000, 3), 90, np.uint8))
    done = dflwrap(
        "extract", "--input-dir", source, "--output-dir", tmp_path / "aligned", *BUILTIN, "--max-side", "960"
    )
    assert done.code == 0, done.stderr
    assert done.report["no_face"] == ["strip.png"], "the detector looked at it"
