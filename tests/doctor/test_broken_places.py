# ruff: noqa: E501 - messages of others are long
"""Each broken place gives its finding and no other; a clean one gives none."""

from __future__ import annotations

import contextlib
import errno
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from disks import remount, small_disk
from support import environment, find_python
from surroundings import POINTER, Place

from dflwrap.common.plan import ExtractOptions
from dflwrap.doctor import machine as machine_module
from dflwrap.doctor.check import Result

FAILURE, WARNING, NOTE, OK, SKIPPED = (
    *(Result.FAILURE, Result.WARNING, Result.NOTE),
    *(Result.OK, Result.SKIPPED),
)


def test_a_clean_place_has_no_finding(place: Place) -> None:
    assert place.findings() == {}


def test_the_clean_place_was_really_looked_at(place: Place) -> None:
    answers = place.look()
    for name in ("dfl-python", "dfl-packages", "model-files", "model-contents", "tensorflow-import"):
        assert answers[name].result is OK, answers[name]


def test_no_model(place: Place) -> None:
    (place.dfl.root / "facelib/S3FD.npy").unlink()
    assert place.findings() == {"model-files": FAILURE}
    assert "S3FD.npy (finds faces) is missing" in place.look("model-files")["model-files"].explanation


def test_a_model_that_only_head_needs_is_a_warning(place: Place) -> None:
    (place.dfl.root / "facelib/3DFAN.npy").unlink()
    assert place.findings() == {"model-files": WARNING}


def test_a_model_that_a_fork_alone_has_is_a_warning(place: Place) -> None:
    facelib = place.dfl.root / "facelib"
    source = 'path = Path(__file__).parent / "RetinaFaceR50.npy"\n'
    (facelib / "RetinaFaceExtractor.py").write_text(source)
    assert place.findings() == {"model-files": WARNING}
    said = place.look("model-files")["model-files"].explanation
    assert "RetinaFaceR50.npy (of this fork) is missing" in said
    (facelib / "RetinaFaceR50.npy").write_bytes(POINTER)
    assert "is a Git LFS pointer" in place.look("model-files")["model-files"].explanation
    (facelib / "RetinaFaceR50.npy").write_bytes(b"\x80\x04 weights.")
    assert place.findings() == {}


RETINA, PIPNET = "RetinaFaceR50.npy", "PIPNet68.npy"
REVAMPED = {"detector": "retinaface-r50", "more": ("--landmarker=pipnet-68", "--min-face-size=25")}


@pytest.mark.parametrize(
    ("missing", "asked", "result", "said"),
    [
        ("S3FD.npy", {}, FAILURE, "S3FD.npy (finds faces) is missing"),
        ("S3FD.npy", REVAMPED, NOTE, "Not needed by this run"),
        ("2DFAN.npy", REVAMPED, NOTE, "Not needed by this run"),
        ("2DFAN.npy", {"detector": "retinaface-r50"}, FAILURE, "2DFAN.npy (finds landmarks) is missing"),
        (RETINA, REVAMPED, FAILURE, f"{RETINA} (of this fork, --detector retinaface-r50) is missing"),
        (PIPNET, REVAMPED, FAILURE, f"{PIPNET} (of this fork, --landmarker pipnet-68) is missing"),
        (RETINA, {}, NOTE, "Not needed by this run"),
        (RETINA, {"detector": "s3fd-full"}, NOTE, "Not needed by this run"),
        ("S3FD.npy", {"detector": "s3fd-full"}, FAILURE, "S3FD.npy (finds faces) is missing"),
        ("3DFAN.npy", {}, NOTE, "Not needed by this run"),
        ("3DFAN.npy", {"face_type": "head"}, FAILURE, "--face-type head) is missing"),
        ("3DFAN.npy", {"more": ("--landmarker=fan-3d",)}, FAILURE, "--landmarker fan-3d) is missing"),
        ("2DFAN.npy", {"more": ("--landmarker=fan-3d",)}, NOTE, "Not needed by this run"),
    ],
    ids=str,
)
def test_the_models_of_a_run_are_those_that_it_asks_for(
    place: Place, missing: str, asked: dict[str, Any], result: Result, said: str
) -> None:
    facelib = place.dfl.root / "facelib"
    for name in (RETINA, PIPNET):
        (facelib / f"{name.removesuffix('.npy')}Extractor.py").write_text(f'path = folder / "{name}"\n')
        (facelib / name).write_bytes(b"\x80\x04 weights.")
    place.asked = ExtractOptions(**asked)
    assert place.look("model-files")["model-files"].result is OK
    (facelib / missing).unlink()
    answer = place.look("model-files")["model-files"]
    assert (answer.result, said in answer.explanation) == (result, True), answer.explanation
    assert missing in answer.explanation


@pytest.mark.parametrize("name", ["S3FD.npy", "2DFAN.npy", "3DFAN.npy"])
def test_a_git_lfs_pointer_in_the_place_of_a_model(place: Place, name: str) -> None:
    (place.dfl.root / "facelib" / name).write_bytes(POINTER)
    assert place.findings() == {"model-files": FAILURE}
    answer = place.look("model-files")["model-files"]
    assert f"{name} (" in answer.explanation and "is a Git LFS pointer of" in answer.explanation
    assert "git lfs pull" in answer.fix


@pytest.mark.parametrize(
    ("data", "said"), [(b"", "is empty"), (None, "is cut short"), (b"<html>no", "no model")]
)
def test_a_model_that_is_not_whole(place: Place, data: bytes | None, said: str) -> None:
    path = place.dfl.root / "facelib/2DFAN.npy"
    path.write_bytes(path.read_bytes()[:-20] if data is None else data)
    assert place.findings() == {"model-files": FAILURE}
    assert said in place.look("model-files")["model-files"].explanation


def test_an_unknown_model_is_a_note_and_so_is_one_of_the_right_size(place: Place) -> None:
    path = place.dfl.root / "facelib/2DFAN.npy"
    whole = path.read_bytes()
    path.write_bytes(whole[:9] + b"!" + whole[10:])
    assert place.findings() == {"model-contents": NOTE}
    assert "perhaps damaged: 2DFAN.npy" in place.look("model-contents")["model-contents"].explanation
    path.write_bytes(whole[:9] + whole[8:])
    assert place.findings() == {"model-files": NOTE, "model-contents": NOTE}


def test_the_wrong_numpy(place: Place) -> None:
    place.dfl.package("numpy", "1.24.4")
    assert place.findings() == {"dfl-packages": NOTE, "package-traps": FAILURE}
    answers = place.look("dfl-packages", "package-traps")
    assert "numpy 1.24.4 (made for 1.22.3)" in answers["dfl-packages"].explanation
    assert f'"{place.dfl.python}" -m pip install' in answers["package-traps"].fix
    assert "np.int" in answers["package-traps"].explanation and '"numpy<1.24"' in answers["package-traps"].fix


def test_a_numpy_that_a_patched_source_can_do_with_is_no_trap(place: Place) -> None:
    place.dfl.package("numpy", "1.24.4")
    (place.dfl.root / "facelib/S3FDExtractor.py").write_text(
        "# np.int was removed in numpy 2\nx = boxes.astype(np.int32)  # np.float was too\n"
    )
    assert place.findings() == {"dfl-packages": NOTE}


@pytest.mark.parametrize(
    ("package", "release", "result", "words"),
    [
        ("protobuf", "4.25.1", FAILURE, "Descriptors"),
        ("protobuf", "3.19.6", OK, ""),
        ("h5py", "3.1.0", OK, ""),
        ("opencv_python_headless", "4.5.5", WARNING, "overwrite"),
        ("numpy", "2.0.1", FAILURE, "numpy 1"),
    ],
)
def test_the_known_traps(place: Place, package: str, release: str, result: Result, words: str) -> None:
    text = (place.dfl.site / "tensorflow/__init__.py").read_text()
    place.dfl.package("tensorflow", "2.8.0", text)
    place.dfl.package(package, release, module="google" if package == "protobuf" else "")
    answer = place.look("package-traps")["package-traps"]
    assert (answer.result, words in answer.explanation) == (result, True), answer


def test_tensorflow_is_missing(place: Place) -> None:
    place.dfl.remove("tensorflow")
    assert place.findings() == {"dfl-packages": FAILURE, "tensorflow-import": FAILURE}
    answer = place.look("tensorflow-import")["tensorflow-import"]
    assert (
        "TensorFlow cannot be imported." in answer.explanation and "[module-not-found]" in answer.explanation
    )
    assert any("No module named 'tensorflow'" in line for line in answer.lines)


def test_tensorflow_aborts_at_import(place: Place) -> None:
    place.dfl.tensorflow(
        "import os, sys\nsys.stderr.write('F tensorflow/core/platform/cpu_feature_guard.cc:38] The TensorFlow library "
        "was compiled to use AVX instructions, but these aren\\'t available on your machine.\\n')\n"
        "sys.stderr.flush()\nos.abort()\n"
    )
    assert place.findings() == {"tensorflow-import": FAILURE}
    answer = place.look("tensorflow-import")["tensorflow-import"]
    assert "[no-avx]" in answer.explanation and any("compiled to use AVX" in line for line in answer.lines)
    assert "status" in answer.explanation and answer.fix


def test_tensorflow_that_hangs_is_ended_with_its_children(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(machine_module, "ENGINE_BOUND", 3.0)
    mark = tmp_path / "alive"
    touching = f"import time, pathlib\nwhile True: pathlib.Path({str(mark)!r}).touch(); time.sleep(.1)"
    place.dfl.tensorflow(
        f"import subprocess, sys, time\nsubprocess.Popen([sys.executable, '-c', {touching!r}])\ntime.sleep(600)\n"
    )
    answer = place.look("tensorflow-import")["tensorflow-import"]
    assert answer.result is FAILURE and "no answer" in answer.explanation
    assert mark.exists(), "the child had a child"
    mark.unlink()
    time.sleep(1)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("ImportError: libcublas.so.11: cannot open shared object file: No such file or directory", "linux-cuda-so-missing"),
        ("TypeError: Descriptors cannot not be created directly.", "protobuf-descriptors"),
        ("RuntimeError: module compiled against API version 0xe but this version of numpy is 0xd", "numpy-abi-mismatch"),
        ("ImportError: DLL load failed: The specified module could not be found.", "tf-dll-missing"),
        ("ImportError: /lib/x86_64-linux-gnu/libm.so.6: version `GLIBC_2.29' not found", "glibc-too-old"),
    ],
)  # fmt: skip
def test_what_it_says_is_diagnosed_by_the_catalogue(place: Place, said: str, cause: str) -> None:
    kind, _, words = said.partition(": ")
    place.dfl.tensorflow(f"raise {kind}({words!r})\n")
    answer = place.look("tensorflow-import")["tensorflow-import"]
    assert answer.result is FAILURE and f"[{cause}]" in answer.explanation, answer.explanation
    assert any(words[:30] in line for line in answer.lines)


def test_an_opencv_that_lacks_a_library_of_the_desktop(place: Place) -> None:
    said = "libGL.so.1: cannot open shared object file: No such file or directory"
    (place.dfl.site / "cv2/__init__.py").write_text(f"raise ImportError({said!r})\n")
    assert place.findings() == {"opencv-import": FAILURE}
    answer = place.look("opencv-import")["opencv-import"]
    assert "[libgl-missing]" in answer.explanation and any("libGL.so.1" in line for line in answer.lines)


def test_an_unknown_error_of_it_is_shown_as_it_is(place: Place) -> None:
    place.dfl.tensorflow("raise RuntimeError('the moon is in the wrong house')\n")
    answer = place.look("tensorflow-import")["tensorflow-import"]
    assert answer.result is FAILURE and "the moon is in the wrong house" in answer.lines[-1]


def test_no_permission_to_write(place: Place, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "3g") as disk:
        remount(disk, "ro")
        place.output = disk / "aligned"
        assert place.findings() == {"write-permission": FAILURE}
        assert "Read-only file system" in place.look("write-permission")["write-permission"].explanation


def test_a_full_disk(place: Place, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "1m") as disk:
        with (disk / "filling").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        place.output = disk / "aligned"
        assert place.findings() == {"disk-space": FAILURE}
        assert "No space left" in place.look("disk-space")["disk-space"].explanation


def test_a_disk_without_inodes(place: Place, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "3g", inodes=4) as disk:
        for number in range(3):
            (disk / str(number)).touch()
        place.output = disk / "aligned"
        assert place.findings()["disk-inodes"] is FAILURE


@pytest.mark.posix
def test_a_limit_on_the_size_of_files(place: Place) -> None:
    """`ulimit -f`: a real child of this process under it, for the limit cannot be lifted again."""
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))\n"
        "from dflwrap.cli.start import run\nsys.argv = ['dflwrap', 'doctor', '--only', 'disk-space']\nrun()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=place.folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1, done.stderr
    assert "File too large" in done.stdout
    assert errno.EFBIG in machine_module.FULL


@pytest.mark.parametrize(
    ("name", "finding", "result"),
    [
        ("a & b", "path-special-characters", WARNING),
        ("100%", "path-special-characters", WARNING),
        ("wow!", "path-special-characters", WARNING),
        ("two words", "path-spaces", NOTE),
        ("Größe", "path-non-ascii", NOTE),
        ("OneDrive", "path-cloud-sync", WARNING),
        ("Dropbox", "path-cloud-sync", WARNING),
        ("Program Files", "path-program-files", WARNING),
    ],
)  # fmt: skip
def test_paths_that_make_trouble(place: Place, name: str, finding: str, result: Result) -> None:
    place.output = place.folder / name / "aligned"
    found = place.findings()
    assert found.pop(finding) is result
    assert set(found) <= {"path-spaces"} and (" " in name or not found), found


def test_a_fork(place: Place) -> None:
    (place.dfl.root / "mainscripts/AmpConverter.py").touch()
    assert place.findings() == {"dfl-version": NOTE}
    assert "MVE" in place.look("dfl-version")["dfl-version"].explanation


def test_no_deepfacelab_at_all(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place.dfl, place.folder = None, tmp_path
    assert place.findings() == {"dfl-install": WARNING}
    monkeypatch.setattr(machine_module, "is_complete", lambda: False)
    assert place.findings() == {"dfl-install": FAILURE, "builtin-extractor": NOTE}
    assert all(
        place.look()[name].result is SKIPPED for name in ("tensorflow-import", "model-files", "dfl-python")
    )


def test_a_deepfacelab_whose_files_are_gone(place: Place) -> None:
    (place.dfl.root / "core/cv2ex.py").unlink()
    assert place.findings() == {"dfl-files": FAILURE}


def test_a_python_that_does_not_start(place: Place) -> None:
    place.dfl.python.unlink()
    place.dfl.python.write_text("#!/bin/sh\necho 'no Python at all' >&2\nexit 3\n")
    place.dfl.python.chmod(0o755)
    found = place.findings()
    assert (
        found["dfl-python"] is FAILURE
        and found["opencv-import"] is FAILURE
        and found["tensorflow-import"] is FAILURE
    )
    answer = place.look("dfl-python")["dfl-python"]
    assert "status 3" in answer.explanation and answer.lines == ("no Python at all",)
    for name, answer in place.look("opencv-import", "tensorflow-import").items():
        assert answer.explanation.endswith("ended with status 3 (dfl-python)."), name
        assert "--dfl-python" in answer.fix, "the module is not to blame"


def test_a_python_that_answers_nonsense(place: Place) -> None:
    place.dfl.python.unlink()
    place.dfl.python.write_text("#!/bin/sh\necho '{}'\n")
    place.dfl.python.chmod(0o755)
    answer = place.look("dfl-python")["dfl-python"]
    assert answer.result is FAILURE and "no answer that a Python gives" in answer.explanation


@pytest.mark.posix
def test_an_import_that_crashes_is_not_told_about_frames(place: Place) -> None:
    place.dfl.tensorflow("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    answer = place.look("tensorflow-import")["tensorflow-import"]
    assert answer.result is FAILURE and "SIGSEGV" in answer.explanation
    assert "frame" not in answer.explanation + answer.fix


@pytest.mark.posix
def test_what_can_be_looked_at_without_a_python_is(place: Place) -> None:
    """A clone without Git LFS whose environment died with an upgrade of the system: both are told at once."""
    environment = place.dfl.root / ".venv"
    (environment / "bin").mkdir(parents=True)
    (environment / "pyvenv.cfg").write_text("home = /usr/bin\n")
    (environment / "bin/python").symlink_to("/nonexistent/python3.6")
    (place.dfl.root / "facelib/2DFAN.npy").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid x\n")
    (place.dfl.root / "core/cv2ex.py").unlink()
    place.dfl.python = None
    found = {name: answer for name, answer in place.look().items() if answer.result is FAILURE}
    assert set(found) == {"dfl-install", "dfl-files", "model-files"}
    assert str(environment) in found["dfl-install"].explanation


def test_a_python_that_is_no_program(place: Place) -> None:
    place.dfl.python.unlink()
    place.dfl.python.write_bytes(b"\x7fELF no program of this machine")
    place.dfl.python.chmod(0o755)
    answer = place.look("dfl-python")["dfl-python"]
    assert answer.result is FAILURE and "cannot be started" in answer.lines[0]
    assert place.look("tensorflow-import")["tensorflow-import"].result is FAILURE


def test_a_python_that_is_far_too_old(place: Place) -> None:
    old = find_python("2.7")
    if old is None:
        pytest.skip("NOT PROVEN HERE: Python 2.7")
    place.dfl.python = Path(old)
    answer = place.look("dfl-python")["dfl-python"]
    assert answer.result is FAILURE and "needs Python 3.6 or newer" in answer.explanation


def test_a_python_that_its_tensorflow_was_not_made_for(place: Place) -> None:
    place.dfl.package("tensorflow", "1.15.0", (place.dfl.site / "tensorflow/__init__.py").read_text())
    assert place.look("dfl-python")["dfl-python"].result is WARNING


def test_nothing_is_left_where_writing_was_tried(place: Place) -> None:
    place.output = place.folder / "aligned"
    place.output.mkdir()
    before = sorted(path.name for path in place.folder.iterdir())
    place.look("write-permission", "disk-space")
    assert (
        list(place.output.iterdir()) == [] and sorted(path.name for path in place.folder.iterdir()) == before
    )


def test_what_others_wrote_cannot_reach_the_terminal(place: Place) -> None:
    place.dfl.package("numpy", "1.24.4\x1b]0;owned\x07\n")
    place.dfl.tensorflow("raise RuntimeError('\\x1b[2J\\u202egone')\n")
    answers = place.look("package-traps", "dfl-packages", "tensorflow-import")
    text = "".join(part for a in answers.values() for part in (a.explanation, a.fix, *a.lines))
    assert "1.24.4" in text and text.isprintable()
