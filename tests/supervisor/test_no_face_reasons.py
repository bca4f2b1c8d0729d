"""Frames without a face come with the reasons that their pixels tell; a run is told at its start what is odd."""

from __future__ import annotations

import json
from pathlib import Path

from frame_folders import change, clean
from support import dflwrap

from dflwrap.planning.paces import PaceStore


def extract(folder: Path, *more: str) -> tuple[int, str]:
    done = dflwrap(
        *(
            "extract",
            "--input-dir",
            folder,
            "--output-dir",
            folder.parent / "aligned",
            "--extractor",
            "builtin",
        ),
        *("--cpu-only", "--image-size", "128", *more),
    )
    return done.code, done.stdout + done.stderr


def test_frames_without_a_face_are_told_with_their_reasons(tmp_path: Path) -> None:
    folder = clean(tmp_path / "frames", 6)
    import cv2
    import numpy as np

    change(folder, lambda picture: cv2.GaussianBlur(picture, (0, 0), 30), names="00001.jpg")
    change(folder, lambda picture: np.clip(picture * 20.0 + 200, 0, 255), names="00002.jpg")
    change(folder, lambda picture: picture * 0.01, names="00003.jpg")
    change(folder, lambda picture: cv2.GaussianBlur(picture, (0, 0), 30) * 0.2, names="00004.jpg")
    code, said = extract(folder)
    assert code == 0, said
    assert "4 without a face: " in said
    line = next(line for line in said.splitlines() if "without a face: " in line)
    assert {part.strip() for part in line.split(": ", 1)[1].split(",")} == {
        *("1 blurred", "1 overexposed", "1 black", "1 dark"),
    }
    report = json.loads((tmp_path / "aligned_dflwrap/report.json").read_text(encoding="utf-8"))
    assert report["no_face_reasons"] == {
        "frames": 4,
        "looked": 4,
        "reasons": {"blurred": 1, "overexposed": 1, "black": 1, "dark": 1},
    }
    code, again = extract(folder)
    assert code == 0 and "4 without a face: " in again, "a finished run still knows"


def test_a_frame_without_a_flaw_is_told_with_the_smallest_face_that_is_looked_for(tmp_path: Path) -> None:
    import cv2
    import numpy as np

    folder = clean(tmp_path / "frames", 3)
    blocks = np.random.default_rng(1).integers(0, 255, (18, 32, 3), dtype=np.uint8)

    def street(picture: np.ndarray) -> np.ndarray:
        return cv2.resize(blocks, (3840, 2880), interpolation=cv2.INTER_NEAREST)

    change(folder, street, names="00002.jpg")
    code, said = extract(folder)
    assert code == 0, said
    # 1.85 % of 2880.
    assert "1 without a face: 1 without a visible flaw (faces under 53 pixels are not extracted)" in said
    report = json.loads((tmp_path / "aligned_dflwrap/report.json").read_text(encoding="utf-8"))
    assert report["no_face_reasons"]["smallest_face"] == 53


def test_odd_names_are_told_at_the_start_and_stop_nothing(tmp_path: Path) -> None:
    folder = clean(tmp_path / "frames", 6)
    for name, new in (
        ("00001.jpg", "img001.jpg"),
        ("00002.jpg", "photo-2.jpg"),
        ("00003.jpg", "IMG_0042.jpg"),
    ):
        (folder / name).rename(folder / new)
    code, said = extract(folder)
    assert code == 0 and "[mixed-schemes]" in said and said.count("[mixed-schemes]") == 1


def test_good_frames_are_told_nothing(tmp_path: Path) -> None:
    code, said = extract(clean(tmp_path / "frames", 4))
    assert code == 0 and "dflwrap check tells more" not in said and "without a face: " not in said


def test_a_pace_is_remembered_by_size(tmp_path: Path) -> None:
    store = PaceStore(tmp_path / "paces.json")
    assert store.latest(1280) is None
    assert not store.remember("dfl", "GPU 0", 1280, 5.0, 3), "three frames tell nothing"
    assert store.remember("dfl", "GPU 0", 1280, 5.0, 500)
    assert store.remember("builtin", "the CPU", 1100, 9.0, 500)
    found = PaceStore(tmp_path / "paces.json").latest(1200)
    assert found is not None and (found.extractor, found.rate) == ("builtin", 9.0)
    assert store.latest(3840) is None
    (tmp_path / "paces.json").write_text("{broken")
    assert store.latest(1280) is None
