"""A face is its frame's when it shows it, whatever was done to either of them, and whatever they are called."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from moving_faces import HEIGHT, WIDTH, face_of, make_clip, picture
from support import contents

from dflwrap.faceset.face_file.metadata import FaceMetadata, parse_metadata, rewrite, write_metadata
from dflwrap.faceset.identity import SAME_FROM, FaceMatch, FaceMatcher, Match, Pair, match_of, similarity
from dflwrap.frames.conversion import ConversionError, Converter
from dflwrap.frames.decoding.likeness import Likeness, Piece

COUNT = 8


@pytest.fixture(scope="module")
def matcher():  # type: ignore[no-untyped-def]
    with FaceMatcher(workers=2) as made:
        yield made


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    make_clip(tmp_path / "frames", tmp_path / "faces", "astronaut", COUNT)
    return tmp_path


def pairs(clip: Path, frames: str = "frames") -> list[Pair]:
    return [
        Pair(clip / frames / f"{n:05d}.png", (clip / "faces" / f"{n:05d}_0.jpg",))
        for n in range(1, COUNT + 1)
    ]


def found(matcher: FaceMatcher, clip: Path) -> list[FaceMatch]:
    before = contents(clip)
    result = [match for [match] in matcher.matches(pairs(clip))]
    assert contents(clip) == before
    return result


def rewritten(clip: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    for path in (clip / "frames").iterdir():
        cv2.imwrite(str(path), change(cv2.imread(str(path))))


def denoised(image: np.ndarray) -> np.ndarray:
    return cv2.fastNlMeansDenoisingColored(image, None, 7, 7, 5, 15)


def reencoded(image: np.ndarray) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 15])[1], cv2.IMREAD_COLOR)


def graded(image: np.ndarray) -> np.ndarray:
    return (255 * (image / 255.0) ** 0.6 * (0.7, 0.9, 1.0)).astype(np.uint8)


def grained(image: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, 20, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("change", [lambda image: image, denoised, reencoded, graded, grained])
def test_an_edited_frame_is_still_the_frame_of_its_face(
    matcher: FaceMatcher, clip: Path, change: Callable[[np.ndarray], np.ndarray]
) -> None:
    rewritten(clip, change)
    for match in found(matcher, clip):
        assert match.match is Match.SAME
        assert match.correlation is not None and match.correlation > 0.95


def recoloured(image: np.ndarray) -> np.ndarray:
    lab = cv2.cvtColor(image, cv2.COLOR_BGR2LAB).astype(float)
    lab = (lab - lab.mean((0, 1))) * (0.6, 1.5, 1.5) + (90, 110, 150)
    return cv2.cvtColor(np.clip(lab, 0, 255).astype(np.uint8), cv2.COLOR_LAB2BGR)


def enhanced(image: np.ndarray) -> np.ndarray:
    return cv2.addWeighted(image, 2.5, cv2.GaussianBlur(image, (0, 0), 3), -1.5, 0)


def enlarged(image: np.ndarray) -> np.ndarray:
    return cv2.resize(image, (512, 512), interpolation=cv2.INTER_CUBIC)


def test_a_resized_face_whose_matrix_was_forgotten_is_still_of_its_frame(
    matcher: FaceMatcher, clip: Path
) -> None:
    for path in (clip / "faces").iterdir():
        metadata = parse_metadata(path.read_bytes())
        assert metadata is not None and metadata.landmarks is not None
        twice = tuple((2 * x, 2 * y) for x, y in metadata.landmarks)
        image = enlarged(cv2.imread(str(path)))
        path.write_bytes(
            write_metadata(cv2.imencode(".jpg", image)[1].tobytes(), replace(metadata, landmarks=twice))
        )
    assert {match.match for match in found(matcher, clip)} == {Match.SAME}


@pytest.mark.parametrize("change", [recoloured, enhanced])
def test_an_edited_face_is_still_of_its_frame(
    matcher: FaceMatcher, clip: Path, change: Callable[[np.ndarray], np.ndarray]
) -> None:
    for path in (clip / "faces").iterdir():
        metadata = parse_metadata(path.read_bytes())
        assert metadata is not None
        image = change(cv2.imread(str(path)))
        masked = replace(metadata, origin=None, extras={"xseg_mask": b"a mask"})
        path.write_bytes(write_metadata(cv2.imencode(".jpg", image)[1].tobytes(), masked))
    assert {match.match for match in found(matcher, clip)} == {Match.SAME}


def test_another_person_another_take_and_a_mirrored_frame_are_others(
    matcher: FaceMatcher, clip: Path
) -> None:
    make_clip(clip / "frames", clip / "other", "hopper", COUNT)
    assert {match.match for match in found(matcher, clip)} == {Match.OTHER}
    make_clip(clip / "frames", clip / "other", "astronaut", COUNT, start=40)
    matches = found(matcher, clip)
    assert {match.match for match in matches} == {Match.OTHER}
    assert max(match.correlation or -1 for match in matches) < SAME_FROM - 0.2, "the margin"
    make_clip(clip / "frames", clip / "other", "astronaut", COUNT)
    rewritten(clip, lambda image: image[:, ::-1])
    assert {match.match for match in found(matcher, clip)} == {Match.OTHER}


def test_neighbours_of_one_clip_are_not_told_apart_where_little_moves(
    matcher: FaceMatcher, tmp_path: Path
) -> None:
    """A documented limit, not a wish: it is why clips are decided on many frames."""
    make_clip(tmp_path / "frames", tmp_path / "faces", "astronaut", COUNT, speed=0.05)
    shifted = [
        Pair(tmp_path / "frames" / f"{n + 1:05d}.png", (tmp_path / "faces" / f"{n:05d}_0.jpg",))
        for n in range(1, COUNT)
    ]
    assert set(matcher.judge(shifted)) == {Match.SAME}


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("size", [(1280, 720), (320, 180)])
def test_a_frame_at_another_size_is_said_to_be_resized(
    matcher: FaceMatcher, clip: Path, known: bool, size: tuple[int, int]
) -> None:
    rewritten(clip, lambda image: cv2.resize(image, size))
    asked = [replace(pair, longest_side=WIDTH if known else 0) for pair in pairs(clip)]
    assert set(matcher.judge(asked)) == {Match.RESIZED}


def without(clip: Path, **changes: object) -> None:
    for path in (clip / "faces").iterdir():
        data = path.read_bytes()
        metadata = parse_metadata(data)
        assert metadata is not None
        path.write_bytes(write_metadata(data, replace(metadata, origin=None, **changes)))  # type: ignore[arg-type]


def test_without_a_matrix_the_landmarks_give_it(matcher: FaceMatcher, clip: Path) -> None:
    without(clip, image_to_face_mat=None)
    assert {match.match for match in found(matcher, clip)} == {Match.SAME}
    make_clip(clip / "frames", clip / "other", "hopper", COUNT)
    assert {match.match for match in found(matcher, clip)} == {Match.OTHER}


def test_without_any_coordinates_of_the_face_its_place_in_the_frame_has_to_do(
    matcher: FaceMatcher, clip: Path
) -> None:
    without(clip, image_to_face_mat=None, source_landmarks=None)
    assert [(match.match, match.correlation) for match in found(matcher, clip)] == [
        (Match.SAME, None)
    ] * COUNT
    without(clip, source_rect=(9000.0, 9000.0, 9100.0, 9100.0))
    assert {match.match for match in found(matcher, clip)} == {Match.OTHER}
    without(clip, source_rect=None)
    assert {match.match for match in found(matcher, clip)} == {Match.UNDECIDED}


def test_a_mark_only_face_is_compared_where_its_landmarks_are(matcher: FaceMatcher, tmp_path: Path) -> None:
    make_clip(tmp_path / "frames", tmp_path / "faces", "astronaut", COUNT, face_type="mark_only")
    assert {match.match for match in found(matcher, tmp_path)} == {Match.SAME}
    make_clip(tmp_path / "frames", tmp_path / "other", "hopper", COUNT)
    assert {match.match for match in found(matcher, tmp_path)} == {Match.OTHER}


def test_a_face_at_the_border_is_not_alike_for_the_black_beside_it(
    matcher: FaceMatcher, tmp_path: Path
) -> None:
    """What lies outside of the frame is black in every face with that matrix."""
    matrix = ((1.0, 0.0, 180.0), (0.0, 1.0, 150.0))
    points = tuple((float(n), float(n)) for n in range(68))
    files = []
    for number, person in enumerate(("astronaut", "hopper")):
        frame = picture(person, 30)
        cv2.imwrite(str(tmp_path / f"{number}.png"), frame)
        square = cv2.warpAffine(frame, np.array(matrix), (256, 256))
        face = FaceMetadata("whole_face", points, f"{number}.png", (0, 0, 9, 9), points, matrix)
        path = tmp_path / f"{number}_0.jpg"
        path.write_bytes(write_metadata(cv2.imencode(".jpg", square)[1].tobytes(), face))
        files.append((tmp_path / f"{number}.png", path))
    [(one, first), (_, second)] = files
    assert matcher.judge([Pair(one, (first,)), Pair(one, (second,))]) == [Match.SAME, Match.OTHER]


def test_black_frames_tell_nothing(matcher: FaceMatcher, tmp_path: Path) -> None:
    face = parse_metadata(face_of("astronaut", 1, "a.png"))
    assert face is not None
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    black = cv2.imencode(".jpg", np.zeros((256, 256, 3), np.uint8))[1].tobytes()
    (tmp_path / "a_0.jpg").write_bytes(write_metadata(black, face))
    (tmp_path / "a_1.jpg").write_bytes(face_of("astronaut", 1, "a.png"))
    [[both, one]] = matcher.matches([Pair(tmp_path / "a.png", (tmp_path / "a_0.jpg", tmp_path / "a_1.jpg"))])
    assert both == FaceMatch(Match.UNDECIDED)
    assert one.match is Match.OTHER


@pytest.mark.parametrize(
    "matrix",
    [
        ((float("nan"), 0, 0), (0, 1, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((1e300, 0, 0), (0, 1e300, 0)),
        ((1e-3, 1e3, 0), (-1e3, 1e-6, 1e9)),
        ((1, 0, 1e18), (0, 1, -1e18)),
        ((1, 0, float("inf")), (0, 1, 0)),
    ],
)
def test_a_nonsensical_matrix_ends_in_an_answer(
    matcher: FaceMatcher, clip: Path, matrix: tuple[tuple[float, ...], ...]
) -> None:
    nonsense = tuple(tuple(map(float, row)) for row in matrix)
    without(
        clip, image_to_face_mat=nonsense, landmarks=((0.0, 0.0),) * 68, source_landmarks=((5.0, 5.0),) * 68
    )
    assert {match.match for match in found(matcher, clip)} <= {Match.OTHER, Match.UNDECIDED}


def test_what_cannot_be_read_is_told_and_costs_no_other_face(matcher: FaceMatcher, clip: Path) -> None:
    faces = clip / "faces"
    whole = (faces / "00001_0.jpg").read_bytes()
    (faces / "no_0.jpg").write_bytes(b"no picture")
    (faces / "bare_0.jpg").write_bytes(cv2.imencode(".jpg", np.zeros((9, 9, 3), np.uint8))[1].tobytes())
    hurt = bytearray(whole)
    start = whole.index(b"\xff\xda") + 400
    hurt[start : start + 200] = bytes(range(1, 201))
    (faces / "hurt_0.jpg").write_bytes(hurt)
    (faces / "folder_0.jpg").mkdir()
    names = ("00001", "no", "bare", "hurt", "folder", "gone")
    pair = Pair(clip / "frames/00001.png", tuple(faces / f"{name}_0.jpg" for name in names))
    [[one, no, bare, damaged, folder, gone]] = matcher.matches([pair])
    assert one.match is Match.SAME
    assert "not a JPEG" in no.face_problem
    assert "no metadata" in bare.face_problem
    assert "JPEG" in damaged.face_problem
    assert folder.face_problem and gone.face_problem
    assert match_of([one, no, bare, damaged]) is Match.SAME
    lost = Pair(clip / "frames/99999.png", (faces / "00001_0.jpg", faces / "hurt_0.jpg"))
    [[sound, broken]] = matcher.matches([lost])
    assert sound == FaceMatch(Match.UNDECIDED, frame_problem="there is no such file")
    assert broken.face_problem and match_of([sound, broken]) is Match.UNDECIDED


def test_a_face_that_claims_gigapixels_is_not_decoded(matcher: FaceMatcher, clip: Path) -> None:
    path = clip / "faces/00001_0.jpg"
    data = bytearray(path.read_bytes())
    start = data.index(b"\xff\xc0") + 5  # height and width in the frame header
    data[start : start + 4] = (60_000).to_bytes(2, "big") * 2
    path.write_bytes(data)
    assert "60000x60000" in found(matcher, clip)[0].face_problem


def test_hostile_metadata_is_named_and_not_run(matcher: FaceMatcher, clip: Path) -> None:
    bait = clip / "ran"
    payload = b"\x80\x03cos\nmkdir\nX" + len(str(bait)).to_bytes(4, "little") + str(bait).encode() + b"\x85R."
    path = clip / "faces/00001_0.jpg"
    data = path.read_bytes()
    app0 = 4 + int.from_bytes(data[4:6], "big")
    segment = b"\xff\xef" + (len(payload) + 2).to_bytes(2, "big") + payload
    path.write_bytes(data[:app0] + segment + data[app0:])
    match = found(matcher, clip)[0]
    assert match.hostile and match.match is Match.UNDECIDED
    assert not bait.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")
def test_a_decoder_that_dies_is_replaced(clip: Path) -> None:
    with FaceMatcher(workers=1) as matcher:
        assert matcher.judge(pairs(clip)[:1]) == [Match.SAME]
        child = matcher._free[0]._child
        assert child is not None
        os.kill(child.process.pid, signal.SIGKILL)
        child.process.wait(timeout=60)
        assert matcher.judge(pairs(clip)) == [Match.SAME] * COUNT


class Dying(Converter):
    """A decoder that the face `poison_0.jpg` kills: no file at hand really does."""

    def likeness(self, source: Path | None, pieces: Sequence[Piece]) -> list[Likeness]:
        if any(piece.picture.name == "poison_0.jpg" for piece in pieces):
            raise ConversionError("the decoder died of it (exit status -11)")
        return super().likeness(source, pieces)


def test_a_face_that_kills_its_decoder_costs_no_other_face(clip: Path) -> None:
    faces = clip / "faces"
    shutil.copy(faces / "00001_0.jpg", faces / "poison_0.jpg")
    shutil.copy(faces / "00002_0.jpg", faces / "wrong_0.jpg")
    files = tuple(faces / name for name in ("00001_0.jpg", "poison_0.jpg", "wrong_0.jpg"))
    with FaceMatcher(workers=1) as matcher:
        matcher._free = [Dying()]
        [[sound, poison, wrong]] = matcher.matches([Pair(clip / "frames/00001.png", files)])
    assert sound.match is Match.SAME and not sound.frame_problem
    assert poison.match is Match.UNDECIDED and "died" in poison.face_problem
    assert wrong.match is Match.OTHER


def test_the_similarity_is_the_one_that_moved_the_points() -> None:
    points = tuple((float(x), float(y)) for x, y in np.random.default_rng(1).uniform(0, 900, (68, 2)))
    moved = tuple((1.2 * x - 0.7 * y + 30, 0.7 * x + 1.2 * y - 5) for x, y in points)
    assert similarity(points, moved) == pytest.approx((1.2, -0.7, 30, 0.7, 1.2, -5))
    assert similarity(((1.0, 1.0),) * 68, moved) is None


def test_a_renamed_face_keeps_its_identity(matcher: FaceMatcher, clip: Path) -> None:
    """As DeepFaceLab's sort leaves it; and the metadata that is rewritten with it."""
    path = clip / "faces/00001_0.jpg"
    data = rewrite(path.read_bytes(), lambda m: replace(m, source_filename="another.png"))
    (clip / "faces/77777.jpg").write_bytes(data)
    assert matcher.judge([Pair(clip / "frames/00001.png", (clip / "faces/77777.jpg",))]) == [Match.SAME]


class _Counting(Converter):
    asked = 0

    def likeness(self, source: Path | None, pieces: Sequence[Piece]) -> list[Likeness]:
        self.asked += 1
        return super().likeness(source, pieces)


def test_a_face_without_a_picture_is_not_sought_at_every_size(tmp_path: Path) -> None:
    make_clip(tmp_path / "frames", tmp_path / "faces", "astronaut", 1)
    frame, face = tmp_path / "frames" / "00001.png", tmp_path / "faces" / "00001_0.jpg"
    metadata = parse_metadata(face.read_bytes())
    assert metadata is not None
    black = cv2.imencode(".jpg", np.zeros((256, 256, 3), np.uint8))[1].tobytes()
    noise = cv2.imencode(".jpg", np.random.default_rng(1).integers(0, 255, (256, 256, 3), np.uint8))[1]
    asked = {}
    for name, image in (("black", black), ("noise", noise.tobytes())):
        face.write_bytes(write_metadata(image, metadata))
        counting = _Counting()
        with FaceMatcher(workers=1) as matcher:
            matcher._free = [counting]
            [[found]] = matcher.matches([Pair(frame, (face,))])
        asked[name] = (found.match, counting.asked)
    assert asked == {"black": (Match.UNDECIDED, 1), "noise": (Match.OTHER, 2)}
