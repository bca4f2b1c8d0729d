"""Face metadata: read as data, written for Python 3.6, untouched where it is not ours."""

from __future__ import annotations

import builtins
import collections
import math
import os
import pickle
import pickletools
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dflwrap.faceset.face_file.errors import (
    BrokenMetadataError,
    FaceFileError,
    HostileMetadataError,
    MetadataTooLargeError,
    TornFaceError,
)
from dflwrap.faceset.face_file.metadata import (
    FaceMetadata,
    dump_payload,
    parse_metadata,
    read_metadata,
    rewrite,
    scale_source,
    write_metadata,
)
from dflwrap.faceset.face_file.pickle_data import Array, load_data


def jpeg(size: int = 64) -> bytes:
    rng = np.random.default_rng(3)
    ok, encoded = cv2.imencode(".jpg", rng.integers(0, 255, (size, size, 3), dtype=np.uint8))
    assert ok
    return encoded.tobytes()


def with_payload(picture: bytes, payload: bytes) -> bytes:
    """A JPEG with `payload` as APP15 after APP0, placed as DeepFaceLab places it."""
    app0_end = 4 + int.from_bytes(picture[4:6], "big")
    segment = b"\xff\xef" + (len(payload) + 2).to_bytes(2, "big") + payload
    return picture[:app0_end] + segment + picture[app0_end:]


def points(seed: int) -> list[list[float]]:
    return np.random.default_rng(seed).uniform(0, 900, (68, 2)).tolist()


def stock_dict() -> dict[str, Any]:
    """The dictionary as DeepFaceLab fills it, numpy objects and later steps' keys included."""
    return {
        "face_type": "whole_face",
        "landmarks": points(1),
        "source_filename": "00012.png",
        "source_rect": np.array([101, 52, 320, 333]),
        "source_landmarks": points(2),
        "image_to_face_mat": np.array([[0.5, 0.1, -30.0], [-0.1, 0.5, 12.5]]),
        "seg_ie_polys": {"polys": [{"type": 1, "pts": np.float32([[1, 2], [3, 4]])}]},
        "xseg_mask": np.arange(500, dtype=np.uint8).reshape(500, 1),
        "eyebrows_expand_mod": 1.5,
    }


def stock_payload(protocol: int = 3, old_numpy: bool = True) -> bytes:
    payload = pickle.dumps(stock_dict(), protocol=protocol)
    if old_numpy:
        assert protocol < 4, "protocol 4 keeps lengths"
        payload = payload.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    return payload


STOCK = [(2, True), (3, True), (3, False), (4, False), (5, False)]


@pytest.mark.parametrize(("protocol", "old_numpy"), STOCK)
def test_reads_what_deepfacelab_writes_under_every_python_and_numpy(protocol: int, old_numpy: bool) -> None:
    metadata = parse_metadata(with_payload(jpeg(), stock_payload(protocol, old_numpy)))
    expected = stock_dict()
    assert metadata is not None
    assert metadata.face_type == "whole_face"
    assert metadata.source_filename == "00012.png"
    assert metadata.source_rect == (101.0, 52.0, 320.0, 333.0)
    assert np.array_equal(metadata.source_landmarks, expected["source_landmarks"])
    assert np.array_equal(metadata.landmarks, expected["landmarks"])
    assert np.array_equal(metadata.image_to_face_mat, expected["image_to_face_mat"])
    assert set(metadata.extras) == {"seg_ie_polys", "xseg_mask", "eyebrows_expand_mod"}


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype=">f4").reshape(3, 4),
        np.asfortranarray(np.arange(12, dtype=np.float64).reshape(3, 4)),
        np.arange(24, dtype=np.int16).reshape(2, 3, 4),
        np.array([True, False]),
        np.zeros((0, 2)),
        np.float16([[1.5]]),
    ],
)
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_arrays_read_as_numpy_reads_them(array: Any, protocol: int) -> None:
    value, _ = load_data(pickle.dumps([array], protocol=protocol))
    assert isinstance(value[0], Array)
    assert value[0].values() == array.tolist()


def test_numpy_scalars_read_as_numbers() -> None:
    value, _ = load_data(pickle.dumps([np.float32(1.25), np.int64(-7)], protocol=4))
    assert value == [1.25, -7]


plain_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=5) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner, max_size=5)
    ),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(value=plain_values, protocol=st.integers(2, 5))
def test_the_data_reader_agrees_with_pickle_on_plain_values(value: Any, protocol: int) -> None:
    payload = pickle.dumps(value, protocol=protocol)
    read, stop = load_data(payload)
    assert read == value
    assert stop == len(payload) - 1


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_damaged_metadata_ends_in_a_clear_error_or_in_data(data: st.DataObject) -> None:
    payload = bytearray(stock_payload())
    for _ in range(data.draw(st.integers(1, 6))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(payload)))
    try:
        metadata = parse_metadata(with_payload(jpeg(), bytes(payload[:cut])))
    except FaceFileError:
        return
    assert metadata is not None


class Evil:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_metadata_that_would_run_code_is_hostile_and_runs_nothing(tmp_path: Path, protocol: int) -> None:
    bait = tmp_path / "ran"
    payload = pickle.dumps({"face_type": Evil(os.mkdir, str(bait))}, protocol=protocol)
    face = tmp_path / "f_0.jpg"
    face.write_bytes(with_payload(jpeg(), payload))
    with pytest.raises(HostileMetadataError):
        read_metadata(face)
    assert not bait.exists()


@pytest.mark.parametrize(
    "call",
    [
        (builtins.eval, "1"),
        (builtins.getattr, "a", "b"),
        (builtins.bytearray, 10**12),
        (builtins.bytes, 10**12),
        (np.ndarray, (10**6, 10**6)),
        (np.dtype, [("a", "O")]),
        (collections.OrderedDict, [("a", 1)]),
        (collections.deque,),
    ],
)
def test_calls_that_deepfacelabs_files_never_make_are_hostile(call: Any) -> None:
    with pytest.raises(HostileMetadataError):
        load_data(pickle.dumps(Evil(*call), protocol=3))


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_name_that_loading_would_import_is_hostile_though_nothing_calls_it(protocol: int) -> None:
    """pickle.loads imports the module of a name, which runs its code."""
    with pytest.raises(HostileMetadataError, match="mkdir"):
        load_data(pickle.dumps({"face_type": os.mkdir}, protocol=protocol))


def test_a_hostile_segment_is_found_also_before_a_good_one() -> None:
    bad = with_payload(with_payload(jpeg(), stock_payload()), pickle.dumps(Evil(os.getpid), protocol=3))
    with pytest.raises(HostileMetadataError):
        parse_metadata(bad)


@pytest.mark.parametrize(
    "payload",
    [
        b"\x80\x03" + b"]" + b"r\xff\xff\xff\xff" + b".",  # memo index 2**32 - 1
        b"\x80\x05" + b"\x96" + (2**40).to_bytes(8, "little") + b".",  # BYTEARRAY8 of a terabyte
        b"\x80\x04" + b"\x95" + (2**60).to_bytes(8, "little") + b"N.",  # frame of an exabyte
        b"\x80\x03](" + b"]q\x00h\x00" * 12_000 + b"e.",
        b"\x80\x03(" * 10_000 + b".",
        b"\x80\x03})q\x00" + b"0h\x00h\x00\x86q\x00" * 5_000 + b"Ns.",  # a key of 2**5000 parts
        b"\x80\x03}(" + b"".join(b"K%cK\x01" % i for i in range(200)) + b"u.",
    ],
)
def test_a_pickle_bomb_eats_neither_memory_nor_time(payload: bytes) -> None:
    tracemalloc.start()
    began = time.process_time()
    try:
        load_data(payload)
    except FaceFileError:
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000
    assert time.process_time() - began < 2


def test_nested_tuples_as_keys_are_refused() -> None:
    with pytest.raises(FaceFileError):
        load_data(pickle.dumps({((),): 1}, protocol=3))


def own() -> FaceMetadata:
    return FaceMetadata(
        face_type="head",
        landmarks=tuple((float(x), float(y)) for x, y in points(5)),
        source_filename="Zoë_ü 01.png",
        source_rect=(1.0, 2.0, 3.5, 4.0),
        source_landmarks=tuple((float(x), float(y)) for x, y in points(6)),
        image_to_face_mat=((1.0, 0.0, 5.0), (0.0, 1.0, 6.0)),
    )


def test_what_is_written_reads_back_and_the_picture_is_untouched() -> None:
    picture = jpeg()
    face = write_metadata(picture, own())
    assert parse_metadata(face) == own()
    decoded = [cv2.imdecode(np.frombuffer(d, np.uint8), cv2.IMREAD_UNCHANGED) for d in (picture, face)]
    assert np.array_equal(*decoded)
    assert parse_metadata(picture) is None


NUMPY_119 = {"numpy.core.multiarray _reconstruct", "numpy ndarray", "numpy dtype"}
"""The globals in a pickled array that numpy 1.19 writes; numpy 2 still loads them."""


def test_what_is_written_holds_nothing_that_python36_or_numpy119_lacks() -> None:
    opcodes = list(pickletools.genops(dump_payload(own())))
    assert max(opcode.proto for opcode, _, _ in opcodes) <= 3
    assert {argument for opcode, argument, _ in opcodes if "GLOBAL" in opcode.name} == NUMPY_119


def loaded(payload: bytes) -> dict[str, Any]:
    """As DeepFaceLab loads it; the bytes are made by this test."""
    return pickle.loads(payload)


def test_what_is_written_is_of_deepfacelabs_own_types() -> None:
    """Its tools index the rectangle as an array, and draw it with whole pixels."""
    metadata = replace(own(), source_rect=(1.0, -2.0, 3.0, 400.0))
    values = loaded(dump_payload(metadata))
    assert type(values["source_rect"]) is type(values["image_to_face_mat"]) is np.ndarray
    assert values["source_rect"].dtype == np.int64 and values["source_rect"].tolist() == [1, -2, 3, 400]
    assert values["image_to_face_mat"].dtype == np.float64
    assert np.array_equal(values["image_to_face_mat"], own().image_to_face_mat)
    assert type(values["landmarks"]) is type(values["source_landmarks"]) is list
    assert values["source_rect"][[0, 2, 2, 0]].tolist() == [1, 3, 3, 1]
    fractional = loaded(dump_payload(own()))["source_rect"]
    assert fractional.dtype == np.float64 and fractional.tolist() == [1.0, 2.0, 3.5, 4.0]
    mark = loaded(dump_payload(replace(own(), face_type="mark_only", image_to_face_mat=None)))
    assert "image_to_face_mat" not in mark


def as_lists(payload: bytes) -> bytes:
    values = loaded(payload)
    return pickle.dumps(
        {k: v.tolist() if type(v) is np.ndarray else v for k, v in values.items()}, protocol=3
    )


@pytest.mark.parametrize("before", [stock_payload(), as_lists(stock_payload()), stock_payload(5, False)])
def test_a_rescaled_face_has_deepfacelabs_own_types_whatever_it_had_before(before: bytes) -> None:
    face = rewrite(with_payload(jpeg(), before), lambda m: scale_source(m, 1.3, 1.3))
    metadata = parse_metadata(face)
    assert metadata is not None
    values = loaded(dump_payload(metadata))
    assert type(values["source_rect"]) is type(values["image_to_face_mat"]) is np.ndarray
    assert values["source_rect"].dtype == np.int64 and values["source_rect"].tolist() == [131, 68, 416, 433]


def test_rewriting_a_face_mends_the_types_that_an_earlier_version_wrote() -> None:
    face = rewrite(
        with_payload(jpeg(), as_lists(stock_payload())), lambda m: replace(m, source_filename="b.png")
    )
    metadata = parse_metadata(face)
    assert metadata is not None
    values = loaded(dump_payload(metadata))
    assert type(values["source_rect"]) is type(values["image_to_face_mat"]) is np.ndarray


def test_metadata_stands_right_after_the_last_app_segment_and_only_once() -> None:
    face = write_metadata(write_metadata(jpeg(), own()), replace(own(), face_type="full_face"))
    app0_end = 4 + int.from_bytes(face[4:6], "big")
    assert face[app0_end : app0_end + 2] == b"\xff\xef"
    assert face.count(b"source_landmarks") == 1
    metadata = parse_metadata(face)
    assert metadata is not None
    assert metadata.face_type == "full_face"


@pytest.mark.parametrize(("protocol", "old_numpy"), STOCK)
def test_a_new_source_filename_leaves_every_other_key_as_it_was(protocol: int, old_numpy: bool) -> None:
    face = with_payload(jpeg(), stock_payload(protocol, old_numpy))
    renamed = rewrite(face, lambda m: replace(m, source_filename="Fotos_übers Meer.webp"))
    # The judge is numpy's own unpickler, on bytes made by this test.
    start = renamed.index(b"\xff\xef") + 4
    length = int.from_bytes(renamed[start - 2 : start], "big") - 2
    loaded = pickle.loads(renamed[start : start + length])
    expected = stock_dict()
    assert loaded.pop("source_filename") == "Fotos_übers Meer.webp"
    expected.pop("source_filename")
    assert set(loaded) == set(expected)
    np.testing.assert_equal(loaded, expected)
    assert loaded["xseg_mask"].dtype == np.uint8
    assert (
        renamed[start + length :]
        == face[face.index(b"\xff\xef") + 4 + len(stock_payload(protocol, old_numpy)) :]
    )


def test_the_same_name_again_changes_no_byte() -> None:
    face = with_payload(jpeg(), stock_payload())
    assert rewrite(face, lambda m: replace(m, source_filename="00012.png")) == face


def test_scaling_the_source_keeps_every_landmark_where_it_is_in_the_face() -> None:
    metadata = own()
    scaled = scale_source(metadata, 2.0, 3.0)
    assert scaled.source_rect == (2.0, 6.0, 7.0, 12.0)
    for before, after in zip(metadata.source_landmarks or (), scaled.source_landmarks or (), strict=True):
        assert after == (before[0] * 2, before[1] * 3)
        mapped = [np.array(m.image_to_face_mat) @ [*p, 1] for m, p in ((metadata, before), (scaled, after))]
        assert np.allclose(*mapped)
    with pytest.raises(FaceFileError):
        scale_source(metadata, math.nan, 1.0)


def test_metadata_that_fits_no_segment_is_refused() -> None:
    with pytest.raises(MetadataTooLargeError):
        write_metadata(jpeg(), replace(own(), extras={"xseg_mask": bytes(70_000)}))


def test_objects_are_not_written() -> None:
    with pytest.raises(BrokenMetadataError):
        write_metadata(jpeg(), replace(own(), extras={"x": np.zeros(3)}))


@pytest.mark.parametrize("content", [b"", b"\xff\xd8", b"GIF89a", b"\xff\xd8\xff\xe0\x00", b"\xff\xd8junk"])
def test_what_is_no_jpeg_is_torn(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.jpg"
    path.write_bytes(content)
    with pytest.raises(TornFaceError):
        read_metadata(path)


def test_metadata_behind_a_large_header_is_found(tmp_path: Path) -> None:
    face = with_payload(jpeg(), stock_payload())
    comment = b"\xff\xfe\xff\xff" + bytes(65_533)
    path = tmp_path / "x.jpg"
    path.write_bytes(face[:2] + comment * 3 + face[2:])
    metadata = read_metadata(path)
    assert metadata is not None
    assert metadata.source_filename == "00012.png"
