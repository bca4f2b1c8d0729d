"""DeepFaceLab's own tools over our faces: those of the built-in extractor, and its own that we rescaled.

Needs DFLWRAP_TEST_DFL_ROOT and DFLWRAP_TEST_DFL_PYTHON, with weights as `test_real_dfl` describes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
from moving_faces import landmarks_of, make_clip, picture, rect_of
from support import dflwrap

from dflwrap.faceset.audit import Kind, audit
from dflwrap.faceset.face_file.metadata import FaceMetadata, rewrite, scale_source
from dflwrap.faceset.face_file.verify import verify_face

from .test_real_dfl import PYTHON, ROOT, frame

pytestmark = [
    pytest.mark.dfl,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not (ROOT and PYTHON),
        reason="NOT TESTED WITH DEEPFACELAB'S TOOLS: set DFLWRAP_TEST_DFL_ROOT and DFLWRAP_TEST_DFL_PYTHON",
    ),
]
SIZE = 256
QUICK = {"NN_DEVICES_INITIALIZED": "1", "NN_DEVICES_COUNT": "0", "PYTHONIOENCODING": "utf-8:backslashreplace"}
"""DeepFaceLab then looks for no devices: none of these tools needs one."""


def tool(*arguments: str | Path, answers: str = "") -> str:
    """Run `main.py ARGUMENTS`; what it printed. Its prompts take `answers`, then their defaults."""
    done = subprocess.run(
        [str(PYTHON), str(Path(str(ROOT), "main.py")), *map(str, arguments)],
        input=answers.encode(),
        capture_output=True,
        timeout=300,
        env={**os.environ, **QUICK},
        check=False,
    )
    text = (done.stdout + done.stderr).decode("utf-8", "replace")
    assert done.returncode == 0, text
    assert "Traceback" not in text and "/!\\" not in text, text
    return text


@pytest.fixture(scope="module", params=["builtin", "dfl", "dfl-landmarks"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A faceset as a run of dflwrap leaves it; DeepFaceLab's is of frames that entered downscaled."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "dfl-landmarks":
        return of_its_last_stage(folder)
    if request.param == "builtin":
        from dflwrap.samples.generator import make_frames

        make_frames(folder / "frames", 6, (640, 360), 0, False)
        more: tuple[str, ...] = ("--extractor", "builtin")
    else:
        (folder / "frames").mkdir()
        for number in range(1, 5):
            large = cv2.resize(frame(number, 1 + number % 2), (960, 540), interpolation=cv2.INTER_NEAREST)
            cv2.imwrite(str(folder / "frames" / f"{number:05d}.png"), large)
        more = (
            "--extractor",
            "dfl",
            "--dfl-root",
            str(ROOT),
            "--dfl-python",
            str(PYTHON),
            "--max-side",
            "640",
        )
    done = dflwrap(
        *("extract", "--input-dir", folder / "frames", "--output-dir", folder / "aligned"),
        *("--cpu-only", "--image-size", str(SIZE), "--json", *more),
    )
    assert done.code == 0, done.stderr
    return folder / "aligned"


LAST_STAGE = """
import json, sys
root, folder, size = sys.argv[1:]
sys.path.insert(0, root)
from pathlib import Path
import numpy as np
from core.cv2ex import cv2_imread
from facelib import FaceType
from mainscripts.Extractor import ExtractSubprocessor
for name, rect, points in json.load(open(folder + "/faces.json")):
    path = Path(folder, "small", name)
    data = ExtractSubprocessor.Data(filepath=path, rects=[rect], landmarks=[np.array(points)])
    out = {"final_output_path": Path(folder, "aligned")}
    ExtractSubprocessor.Cli.final_stage(data, cv2_imread(path), FaceType.WHOLE_FACE, int(size), 90, **out)
"""


def of_its_last_stage(folder: Path) -> Path:
    """Faces that DeepFaceLab's own last stage makes of landmarks that are a face's; made-up weights give none.

    It sees the frames at two thirds of their size, and the metadata is brought back as a run does it.
    """
    faces = []
    for name in ("frames", "small", "aligned"):
        (folder / name).mkdir()
    for number in range(1, 7):
        name, points = f"{number:05d}.png", landmarks_of("astronaut", number)
        small = picture("astronaut", number)
        cv2.imwrite(str(folder / "small" / name), small)
        cv2.imwrite(str(folder / "frames" / name), cv2.resize(small, (960, 540)))
        faces.append((name, rect_of(points), points.tolist()))
    (folder / "faces.json").write_text(json.dumps(faces))
    command = [str(PYTHON), "-c", LAST_STAGE, str(ROOT), str(folder), str(SIZE)]
    subprocess.run(command, check=True, timeout=300, env={**os.environ, **QUICK}, stdin=subprocess.DEVNULL)
    for path in (folder / "aligned").iterdir():
        path.write_bytes(rewrite(path.read_bytes(), lambda face: scale_source(face, 1.5, 1.5)))
    return folder / "aligned"


@pytest.fixture
def faceset(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "aligned")
    return tmp_path / "aligned"


def by_identity(folder: Path, size: int = SIZE) -> dict[tuple[str, tuple[float, ...]], FaceMetadata]:
    """Every JPEG of the folder, whole, by what it is a face of."""
    faces = {}
    for path in sorted(folder.glob("*.jpg")):
        metadata = verify_face(path, size)
        assert metadata.source_filename is not None and metadata.source_rect is not None
        faces[metadata.source_filename, metadata.source_rect] = metadata
    return faces


def check(faceset: Path, made: Path) -> None:
    """Every face is still whole and still shows its frame, as `dflwrap verify` sees it."""
    found = audit(faceset, frames=made.parent / "frames")
    assert not found.faulty, found.findings
    if (made.parent / "faces.json").exists() or "builtin" in made.parent.name:
        faces = found.files - len(found.of(Kind.OTHER))
        assert found.compared == faces > 0 and not found.of(Kind.UNCHECKED)


def test_deepfacelab_finds_its_own_types(made: Path) -> None:
    """In its own Python 3.6 with numpy 1.19."""
    program = (
        "import sys, json; sys.path.insert(0, sys.argv[1]); from pathlib import Path\n"
        "from DFLIMG import DFLIMG\n"
        "for name in sorted(Path(sys.argv[2]).glob('*.jpg')):\n"
        "    d = DFLIMG.load(name).get_dict()\n"
        "    print(json.dumps({k: type(v).__name__ + str(getattr(v, 'dtype', '')) for k, v in d.items()}))\n"
    )
    command = [str(PYTHON), "-c", program, str(ROOT), str(made)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    for line in done.stdout.splitlines():
        types = json.loads(line)
        assert types["source_rect"] == "ndarrayint64" and types["image_to_face_mat"] == "ndarrayfloat64"
        assert types["landmarks"] == types["source_landmarks"] == "list"


METHODS = ["blur", "hist", "face-yaw", "face-source-rect-size"]


@pytest.mark.parametrize("method", [*METHODS, "best", "best-faster"])
def test_its_sorters_keep_every_face(made: Path, faceset: Path, method: str) -> None:
    before = by_identity(faceset)
    if method in METHODS:
        tool("sort", "--input-dir", faceset, "--by", method)
    else:  # no name for --by reaches these: they are chosen by number
        tool("sort", "--input-dir", faceset, answers="13\n" if method == "best" else "14\n")
    assert not faceset.with_name("aligned_trash").exists()
    assert by_identity(faceset) == before
    assert sorted(p.name for p in faceset.iterdir()) == [f"{n:05d}.jpg" for n in range(len(before))]
    check(faceset, made)


def test_sorting_by_rectangle_size_sorts_by_it(faceset: Path) -> None:
    tool("sort", "--input-dir", faceset, "--by", "face-source-rect-size")
    areas = []
    for path in sorted(faceset.iterdir()):
        rect = verify_face(path).source_rect
        assert rect is not None
        areas.append((rect[2] - rect[0]) * (rect[3] - rect[1]))
    assert areas == sorted(areas, reverse=True)


def test_packing_and_unpacking_changes_no_byte(faceset: Path) -> None:
    before = {path.name: path.read_bytes() for path in faceset.iterdir()}
    tool("util", "--input-dir", faceset, "--pack-faceset")
    assert [path.name for path in faceset.iterdir()] == ["faceset.pak"]
    tool("util", "--input-dir", faceset, "--unpack-faceset")
    assert {path.name: path.read_bytes() for path in faceset.iterdir()} == before


def test_metadata_that_is_saved_comes_back_onto_edited_pictures(made: Path, faceset: Path) -> None:
    before = by_identity(faceset)
    tool("util", "--input-dir", faceset, "--save-faceset-metadata")
    for path in faceset.glob("*.jpg"):
        cv2.imwrite(str(path), cv2.resize(cv2.imread(str(path)), (2 * SIZE, 2 * SIZE)))
    tool("util", "--input-dir", faceset, "--restore-faceset-metadata")
    assert by_identity(faceset) == before
    check(faceset, made)


def test_resizing_keeps_faces_on_their_frames(made: Path, faceset: Path) -> None:
    before = by_identity(faceset)
    tool("facesettool", "resize", "--input-dir", faceset, answers="512\nsame\ny\n")
    after = by_identity(faceset, 512)
    assert after.keys() == before.keys()
    for identity, face in after.items():
        matrix = np.array(before[identity].image_to_face_mat) * 2
        assert np.allclose(face.image_to_face_mat, matrix, rtol=0.02, atol=0.5)
        assert np.allclose(face.landmarks, np.array(before[identity].landmarks) * 2)
    check(faceset, made)


def test_retyping_keeps_faces_on_their_frames(made: Path, faceset: Path) -> None:
    before = by_identity(faceset)
    tool("facesettool", "resize", "--input-dir", faceset, answers="256\nf\ny\n")
    after = by_identity(faceset)
    assert after.keys() == before.keys()
    assert {face.face_type for face in after.values()} == {"full_face"}
    check(faceset, made)


def test_its_landmark_pictures_are_made(made: Path, faceset: Path) -> None:
    faces = sorted(path.stem for path in faceset.iterdir())
    tool("util", "--input-dir", faceset, "--add-landmarks-debug-images")
    assert sorted(path.name for path in faceset.glob("*_debug.jpg")) == [f"{n}_debug.jpg" for n in faces]
    check(faceset, made)


def test_its_landmark_pictures_of_mark_only_faces_are_made(tmp_path: Path) -> None:
    """There it draws the rectangle too, which must be of whole pixels."""
    make_clip(tmp_path / "frames", tmp_path / "aligned", "astronaut", 2, face_type="mark_only")
    tool("util", "--input-dir", tmp_path / "aligned", "--add-landmarks-debug-images")
    assert len(list((tmp_path / "aligned").glob("*_debug.jpg"))) == 2
