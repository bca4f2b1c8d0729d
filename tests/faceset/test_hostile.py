"""Faces that would run code in DeepFaceLab are found in every way in which its own reader comes to them."""

from __future__ import annotations

import os
import pickle
import subprocess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dflwrap.faceset.face_file.errors import FaceFileError, HostileMetadataError, NotWholeError
from dflwrap.faceset.face_file.hostile import check_harmless, payloads
from dflwrap.faceset.face_file.metadata import FaceMetadata, dump_payload, write_metadata
from dflwrap.faceset.face_file.verify import verify_bytes

POINTS = tuple((float(i), float(i)) for i in range(68))
WHOLE = FaceMetadata("whole_face", POINTS, "a.png", (0, 0, 9, 9), POINTS, ((1.0, 0, 0), (0, 1.0, 0)))


class Evil:
    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        return self.call[0], self.call[1:]


def evil(path: Path) -> bytes:
    return pickle.dumps({"face_type": Evil(os.mkdir, str(path))}, protocol=2)


def app15(payload: bytes) -> bytes:
    return b"\xff\xef" + (len(payload) + 2).to_bytes(2, "big") + payload


def face() -> bytes:
    image = np.random.default_rng(1).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    return write_metadata(cv2.imencode(".jpg", image)[1].tobytes(), WHOLE)


def in_the_header(bait: Path) -> bytes:
    return face()[:2] + app15(evil(bait)) + face()[2:]


def after_the_end(bait: Path) -> bytes:
    return face() + app15(evil(bait))


def after_a_second_picture(bait: Path) -> bytes:
    return face() + face()[2:] + app15(evil(bait))


def behind_an_end_mark(bait: Path) -> bytes:
    return face()[:2] + b"\xff\xd9" + app15(evil(bait)) + face()[2:]


def behind_a_restart_mark(bait: Path) -> bytes:
    return face()[:2] + b"\xff\xd3" + app15(evil(bait)) + face()[2:]


def inside_a_restart_interval(bait: Path) -> bytes:
    """To others the segment is a DRI of many bytes; DeepFaceLab skips two of it and reads on."""
    hidden = app15(evil(bait))
    return face()[:2] + b"\xff\xdd" + (len(hidden) + 2).to_bytes(2, "big") + hidden + face()[2:]


def broken_for_us_first(bait: Path) -> bytes:
    """A key that our reader refuses, then the call."""
    return face()[:2] + app15(b"\x80\x02}(K\x01\x85K\x01u0" + evil(bait)[2:]) + face()[2:]


def broken_for_pickletools_too(bait: Path) -> bytes:
    return face()[:2] + app15(b"\x80\x02}(K\x01\x85K\x01u0I0x10\n0" + evil(bait)[2:]) + face()[2:]


def with_names_from_the_memo(bait: Path) -> bytes:
    """The names that stand before the call are not those that it takes."""
    module, name = b"\x8c\x02os\x940", b"\x8c\x05mkdir\x940"
    path = str(bait).encode()
    call = b"h\x00h\x01\x93X" + len(path).to_bytes(4, "little") + path + b"\x85R."
    return face()[:2] + app15(b"\x80\x04" + module + name + b"}(K\x01\x85K\x01u0" + call) + face()[2:]


WAYS = [
    in_the_header,
    after_the_end,
    after_a_second_picture,
    behind_an_end_mark,
    behind_a_restart_mark,
    inside_a_restart_interval,
    broken_for_us_first,
    broken_for_pickletools_too,
    with_names_from_the_memo,
]


@pytest.mark.parametrize("way", WAYS)
def test_a_face_that_would_run_code_is_found_and_nothing_is_run(tmp_path: Path, way: Any) -> None:
    bait = tmp_path / "ran"
    data = way(bait)
    with pytest.raises(HostileMetadataError) as raised:
        check_harmless(data)
    assert str(raised.value).isprintable()
    with pytest.raises(NotWholeError) as not_whole:
        verify_bytes(data)
    assert isinstance(not_whole.value.__cause__, HostileMetadataError)
    assert not bait.exists()


@pytest.mark.skipif("DFLWRAP_TEST_DFL_ROOT" not in os.environ, reason="needs the real DeepFaceLab")
@pytest.mark.parametrize("way", WAYS)
def test_the_real_deepfacelab_does_run_them(tmp_path: Path, way: Any) -> None:
    """So that the list above is no invention."""
    bait, path = tmp_path / "ran", tmp_path / "a_0.jpg"
    path.write_bytes(way(bait))
    root = os.environ["DFLWRAP_TEST_DFL_ROOT"]
    script = f"from DFLIMG.DFLJPG import DFLJPG; DFLJPG.load({str(path)!r})"
    subprocess.run([os.environ["DFLWRAP_TEST_DFL_PYTHON"], "-c", script], cwd=root, check=False, timeout=120)
    assert bait.exists()


def test_whole_faces_are_harmless_whatever_wrote_them() -> None:
    check_harmless(face())
    assert verify_bytes(face()).source_filename == "a.png"
    (payload,) = payloads(face())
    assert payload == dump_payload(WHOLE)
    for protocol in (2, 3, 4, 5):
        values = {
            "landmarks": np.zeros((68, 2)),
            "source_rect": np.arange(4),
            "xseg_mask": np.zeros((9, 9), np.uint8),
        }
        check_harmless(face()[:2] + app15(pickle.dumps(values, protocol=protocol)) + face()[2:])


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"\xff\xd8", b"no picture", b"\xff\xd8" * 3, b"\xff\xef\x00\x00"]
)
def test_what_is_no_picture_is_harmless(data: bytes) -> None:
    check_harmless(data)


def test_a_file_of_nothing_but_segments_is_not_walked_for_minutes() -> None:
    with pytest.raises(HostileMetadataError, match="segments"):
        check_harmless(b"\xff\xd0" * 5_000_000)


def test_damaged_metadata_of_a_real_face_is_broken_not_hostile() -> None:
    """A lost or changed byte is no attack: numpy's own calls are in every face."""
    payload = pickle.dumps({"source_rect": np.arange(4), "landmarks": [[1.0, 2.0]] * 68}, protocol=4)
    for cut in range(4, len(payload) - 1, 7):
        check_harmless(face()[:2] + app15(payload[:cut]) + face()[2:])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_end_in_an_answer(data: bytes) -> None:
    for content in (data, face()[:2] + app15(data or b"x") + face()[2:]):
        try:
            check_harmless(content)
        except FaceFileError:
            pass
