"""A folder for each finding: made from good frames, wrong in one way."""

from __future__ import annotations

import functools
import io
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from damaged import cut, encoded, flipped
from numpy.typing import NDArray
from PIL import Image as PilImage

from dflwrap.faceset.face_file.metadata import FaceMetadata, write_metadata
from dflwrap.samples.clip import Clip

Picture = NDArray[np.uint8]
SIZE = (640, 360)


def pictures(count: int = 10, size: tuple[int, int] = SIZE) -> Iterator[Picture]:
    """Frames of the sample clip, far enough from one another to be no near duplicates."""
    clip = Clip(4 * count, size, 0)
    for index in range(count):
        yield clip.frame(4 * index)


def save(path: Path, picture: Picture) -> None:
    ok, data = cv2.imencode(path.suffix, picture)
    assert ok
    path.write_bytes(data.tobytes())


def clean(folder: Path, count: int = 10) -> Path:
    """Good frames, numbered as DeepFaceLab numbers them."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(_good(count), 1):
        (folder / f"{number:05d}.jpg").write_bytes(data)
    return folder


@functools.cache
def _good(count: int) -> tuple[bytes, ...]:
    return tuple(cv2.imencode(".jpg", picture)[1].tobytes() for picture in pictures(count))


def rename(folder: Path, name: Callable[[int, str], str]) -> None:
    for number, path in enumerate(sorted(folder.iterdir()), 1):
        path.rename(folder / name(number, path.name))


def change(folder: Path, how: Callable[[Picture], Picture], *, names: str = "0000[1-4].jpg") -> None:
    for path in sorted(folder.glob(names)):
        save(path, np.asarray(how(cv2.imread(str(path))), np.uint8))


# -- layout


def empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def per_person_folders(folder: Path) -> None:
    """The tree that the user's document recommends."""
    for person, wanted in (("personA", "0000[1-3].jpg"), ("personB", "0000[4-6].jpg")):
        (folder / person).mkdir()
        for number, path in enumerate(sorted(folder.glob(wanted)), 1):
            path.rename(folder / person / f"{number:04d}.jpg")
    for path in folder.glob("*.jpg"):
        path.unlink()


def images_in_subfolders(folder: Path) -> None:
    (folder / "more").mkdir()
    (folder / "00010.jpg").rename(folder / "more/00001.jpg")


def passed_over_folders(folder: Path) -> None:
    for name in ("aligned_bob", "bob_debug"):
        (folder / name).mkdir()
        shutil.copyfile(folder / "00001.jpg", folder / name / "00001.jpg")


def folder_without_pictures(folder: Path) -> None:
    per_person_folders(folder)
    (folder / "personC/clip").mkdir(parents=True)
    (folder / "personD").mkdir()
    (folder / "personD/clip.MP4").write_bytes(b"")
    (folder / ".hidden").mkdir()


def mixed_layout(folder: Path) -> None:
    """The tree that the user's document warns of."""
    (folder / "personA").mkdir()
    (folder / "other_images").mkdir()
    (folder / "00001.jpg").rename(folder / "personA/001.jpg")
    save(folder / "personA/image1.png", cv2.imread(str(folder / "00002.jpg")))
    (folder / "00003.jpg").rename(folder / "personB.jpg")
    (folder / "00004.jpg").rename(folder / "other_images/001.jpg")
    for path in folder.glob("0*.jpg"):
        path.unlink()


def stray_files(folder: Path) -> None:
    (folder / "notes.docx").write_bytes(b"PK\x03\x04")


def videos_not_frames(folder: Path) -> None:
    empty(folder)
    (folder / "data_src.mp4").write_bytes(b"\0\0\0\x18ftypmp42")


def faceset_as_input(folder: Path) -> None:
    points = tuple((float(i % 60), float(i // 2)) for i in range(68))
    matrix = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
    for path in folder.glob("*.jpg"):
        known = FaceMetadata("whole_face", points, path.name, (0, 0, 160, 160), points, matrix)
        path.write_bytes(write_metadata(path.read_bytes(), known))


def wrong_step(folder: Path) -> None:
    source = folder / "data_src"
    source.mkdir()
    for path in folder.glob("*.jpg"):
        path.rename(source / path.name)


def faceset_pak(folder: Path) -> None:
    (folder / "aligned").mkdir()
    (folder / "faceset.pak").write_bytes(b"\1\0\0\0")


# -- names


def not_numbered(folder: Path) -> None:
    words = ("ash", "birch", "cedar", "elm", "fir", "larch", "lime", "maple", "oak", "pine")
    rename(folder, lambda number, _: f"{words[number - 1]}.jpg")


def mixed_schemes(folder: Path) -> None:
    """Six names of six kinds, as in the user's document."""
    names = ("img001.jpg", "photo-2.jpg", "1.jpg", "IMG_0042.jpg", "frame5 copy.jpg", "person.jpg")
    for path in sorted(folder.iterdir())[len(names) :]:
        path.unlink()
    rename(folder, lambda number, _: names[number - 1])


def number_gaps(folder: Path) -> None:
    (folder / "00004.jpg").unlink()
    (folder / "00005.jpg").unlink()


def width_changes(folder: Path) -> None:
    rename(folder, lambda number, _: f"{number}.jpg")


def several_underscores(folder: Path) -> None:
    rename(folder, lambda _, name: f"my_clip_{name}")


def duplicate_stems(folder: Path) -> None:
    save(folder / "00002.png", cv2.imread(str(folder / "00009.jpg"))[:, ::-1])


def non_ascii(folder: Path) -> None:
    rename(folder, lambda _, name: f"Zoë{name}")


def control_characters(folder: Path) -> None:
    rename(folder, lambda _, name: f"a\u202e{name}")


def too_long(folder: Path) -> None:
    rename(folder, lambda _, name: f"{'a' * 200}{name}")


def reserved_on_windows(folder: Path) -> None:
    rename(folder, lambda _, name: f"what?{name}")


def case_collisions(folder: Path) -> None:
    save(folder / "00002.JPG", cv2.imread(str(folder / "00009.jpg"))[:, ::-1])


# -- files


def unreadable(folder: Path) -> None:
    (folder / "00003.jpg").write_bytes(os.urandom(5000))


def truncated(folder: Path) -> None:
    data = (folder / "00003.jpg").read_bytes()
    (folder / "00003.jpg").write_bytes(data[: len(data) // 2])


def damaged_data(folder: Path) -> None:
    (folder / "00003.jpg").write_bytes(cut((folder / "00003.jpg").read_bytes()))
    save(folder / "00011.png", next(pictures(1)))
    (folder / "00011.png").write_bytes(flipped((folder / "00011.png").read_bytes()))


def wrong_suffix(folder: Path) -> None:
    (folder / "00003.jpg").write_bytes(encoded(folder / "00003.jpg", "PNG"))


def zero_bytes(folder: Path) -> None:
    (folder / "00003.jpg").write_bytes(b"")
    (folder / "00004.jpg").write_bytes(bytes(4096))


def unusual_pixels(folder: Path) -> None:
    picture = cv2.imread(str(folder / "00003.jpg"))
    (folder / "00003.jpg").unlink()
    ok, data = cv2.imencode(".png", picture.astype(np.uint16) * 257)
    assert ok
    (folder / "00003.png").write_bytes(data.tobytes())
    for name, mode in (("00004", "CMYK"), ("00005", "P"), ("00006", "RGBA")):
        with PilImage.open(folder / f"{name}.jpg") as image:
            changed = image.convert(mode)
        (folder / f"{name}.jpg").unlink()
        changed.save(folder / (f"{name}.jpg" if mode == "CMYK" else f"{name}.png"))
    ok, data = cv2.imencode(".tif", cv2.imread(str(folder / "00007.jpg")).astype(np.float32) / 255)
    assert ok
    (folder / "00007.jpg").unlink()
    (folder / "00007.tif").write_bytes(data.tobytes())


def animated(folder: Path) -> None:
    images = [PilImage.fromarray(picture[:, :, ::-1]) for picture in pictures(3)]
    for number, (kind, suffix) in enumerate(
        (("GIF", ".gif"), ("PNG", ".png"), ("WEBP", ".webp"), ("TIFF", ".tif"))
    ):
        buffer = io.BytesIO()
        images[0].save(buffer, kind, save_all=True, append_images=images[1:])
        (folder / f"{number + 11:05d}{suffix}").write_bytes(buffer.getvalue())


def turned_by_exif(folder: Path) -> None:
    for name, value in (("00003.jpg", 6), ("00004.jpg", 3)):
        with PilImage.open(folder / name) as image:
            exif = image.getexif()
            exif[274] = value
            image.save(folder / name, exif=exif, quality=95)


def mixed_sizes(folder: Path) -> None:
    change(folder, lambda picture: cv2.resize(picture, (480, 270)))


def near_duplicates(folder: Path) -> None:
    change(folder, lambda picture: np.clip(picture.astype(int) + 2, 0, 255), names="00003.jpg")
    shutil.copyfile(folder / "00003.jpg", folder / "00004.jpg")


def aspect_changed(folder: Path) -> None:
    change(folder, lambda picture: cv2.resize(picture, (256, 256)), names="*.jpg")


def not_a_frame(folder: Path) -> None:
    (folder / "00003.jpg").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    (folder / "00004.jpg").unlink()
    (folder / "00004.jpg").mkdir()


def online_only(folder: Path) -> None:
    """Made so by the test: no file system of Linux has such files."""


# -- quality


def too_small(folder: Path) -> None:
    change(folder, lambda picture: cv2.resize(picture, (160, 90), interpolation=cv2.INTER_AREA))


def huge(folder: Path) -> None:
    picture = cv2.resize(cv2.imread(str(folder / "00003.jpg")), (10_800, 6_075))
    save(folder / "00003.jpg", np.asarray(picture, np.uint8))


def blurred(folder: Path) -> None:
    change(folder, lambda picture: cv2.GaussianBlur(picture, (0, 0), 3))


def dark(folder: Path) -> None:
    change(folder, lambda picture: picture * 0.25)


def overexposed(folder: Path) -> None:
    change(folder, lambda picture: np.clip(picture * 3.0 + 60, 0, 255))


def black(folder: Path) -> None:
    change(folder, lambda picture: picture * 0.02)


def frozen(folder: Path) -> None:
    rng = np.random.default_rng(0)
    still = next(pictures(1))
    for number in range(11, 45):
        noise = rng.integers(-2, 3, still.shape)
        save(folder / f"{number:05d}.jpg", np.asarray(np.clip(still + noise, 0, 255), np.uint8))


def no_faces(folder: Path) -> None:
    """Only --faces tells."""
    change(folder, lambda picture: np.random.default_rng(1).integers(0, 160, picture.shape), names="*.jpg")


MAKERS: dict[str, Callable[[Path], None]] = {
    maker.__name__.replace("_", "-"): maker
    for maker in (
        *(empty, per_person_folders, images_in_subfolders, passed_over_folders, folder_without_pictures),
        mixed_layout,
        *(stray_files, videos_not_frames, faceset_as_input, wrong_step, faceset_pak),
        *(not_numbered, mixed_schemes, number_gaps, width_changes, several_underscores, duplicate_stems),
        *(non_ascii, control_characters, too_long, reserved_on_windows, case_collisions),
        *(unreadable, truncated, damaged_data, wrong_suffix, zero_bytes, unusual_pixels, animated),
        *(turned_by_exif, mixed_sizes, near_duplicates, aspect_changed, not_a_frame, online_only),
        *(too_small, huge, blurred, dark, overexposed, black, frozen, no_faces),
    )
}
COMPANIONS: dict[str, set[str]] = {
    "folder-without-pictures": {"per-person-folders"},
    "mixed-schemes": {"several-underscores"},
    "several-underscores": set(),
    "damaged-data": set(),
    "unusual-pixels": set(),
    "animated": {"unusual-pixels", "near-duplicates"},
    "too-small": {"mixed-sizes"},
    "huge": {"mixed-sizes", "blurred"},
    "frozen": {"near-duplicates"},
}
"""What else such a folder rightly shows."""
