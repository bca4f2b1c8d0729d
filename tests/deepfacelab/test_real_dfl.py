"""The same promises on a real DeepFaceLab: DFLWRAP_TEST_DFL_ROOT and DFLWRAP_TEST_DFL_PYTHON.

With weights whose detector sees a face at a small pure-green dot; frames are made here. A fork is tested
where DFLWRAP_TEST_DFL_FORKS names its folder, or "folder|python"; os.pathsep between several.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from dflwrap.common.plan import AttemptSpec, ExtractOptions, Plan
from dflwrap.extractors.base import Launch
from dflwrap.extractors.deepfacelab import DeepFaceLabExtractor, find_install
from dflwrap.faceset.face_file.verify import verify_face

from .conftest import Double, Ran

ROOT, PYTHON = os.environ.get("DFLWRAP_TEST_DFL_ROOT"), os.environ.get("DFLWRAP_TEST_DFL_PYTHON")
FORKS = [path for path in os.environ.get("DFLWRAP_TEST_DFL_FORKS", "").split(os.pathsep) if path]
pytestmark = [
    pytest.mark.dfl,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not (ROOT and PYTHON),
        reason="NOT TESTED ON A REAL DEEPFACELAB: set DFLWRAP_TEST_DFL_ROOT and DFLWRAP_TEST_DFL_PYTHON",
    ),
]


def frame(number: int, faces: int) -> np.ndarray:
    noise = np.random.default_rng(number).integers(0, 160, (9, 16, 3), dtype=np.uint8)
    image = cv2.resize(noise, (320, 180), interpolation=cv2.INTER_CUBIC)
    for index in range(faces):
        x = 100 + 120 * index + number % 5
        cv2.rectangle(image, (x - 4, 86), (x + 4, 94), (0, 255, 0), -1)
    return image


class Real(Double):
    """The agent over a real install, as the extractor launches it."""

    def make(self, faces: list[int]) -> None:
        for number, count in enumerate(faces, start=1):
            cv2.imwrite(str(self.frames / f"{number:05d}.png"), frame(number, count))

    def launch(self, named: str, plan: Plan, *, black_box: bool = False) -> Launch:
        root, _, python = named.partition("|")
        install = find_install(Path(root), Path(python or str(PYTHON)), os.environ, self.folder)
        assert install is not None
        names = tuple(sorted(path.name for path in self.frames.iterdir()))
        options = ExtractOptions(image_size=256)
        folder, events = str(self.folder), str(self.events_path)
        spec = AttemptSpec(1, plan, options, folder, str(self.frames), str(self.output), events, names)
        return DeepFaceLabExtractor(install).launch(spec, black_box=black_box)

    def begin(
        self, plan: Plan, *, root: str | None = None, black_box: bool = False
    ) -> subprocess.Popen[bytes]:
        made = self.launch(root or str(ROOT), plan, black_box=black_box)
        return subprocess.Popen(
            made.argv,
            env=made.env,
            cwd=made.cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def end(self, process: subprocess.Popen[bytes]) -> Ran:
        began = time.monotonic()
        try:
            text = process.communicate(timeout=600)[0].decode("utf-8", "replace")
        finally:
            process.kill()
        return self.ran(process.returncode, time.monotonic() - began, text)


@pytest.fixture
def real(tmp_path: Path) -> Real:
    return Real(tmp_path, str(PYTHON))


def pixels(folder: Path) -> dict[str, bytes]:
    """Each face's decoded picture and metadata."""
    result = {}
    for path in sorted(folder.glob("*.jpg")):
        image = cv2.imread(str(path))
        result[path.name] = image.tobytes() + repr(verify_face(path)).encode()
    return result


def test_a_clean_run_writes_what_stock_writes(real: Real) -> None:
    real.make([1, 0, 2, 1])
    ran = real.end(real.begin(Plan(threads=2)))
    assert ran.code == 0, ran.text
    supervised = pixels(real.output)
    faces = {event["frame"]: event["faces"] for event in ran.of("frame_done")}
    assert faces["00002.png"] == [] and faces["00003.png"] == ["00003_0.jpg", "00003_1.jpg"]
    real.output = real.folder / "stock"
    real.end(real.begin(Plan(threads=2), black_box=True))
    assert supervised.keys() == pixels(real.output).keys() == {n for names in faces.values() for n in names}
    assert supervised == pixels(real.output)


def test_failures_of_all_kinds_cost_only_their_frames(real: Real) -> None:
    """One run, because a start costs seconds: a face that cannot be written, a small, a broken frame."""
    real.make([1, 1, 1, 1, 1])
    cv2.imwrite(str(real.frames / "00003.png"), frame(3, 1)[:100])
    (real.frames / "00004.png").write_bytes(b"no picture")
    process = real.begin(Plan())
    real.wait_for("extractor_started", limit=120)
    (real.output / "00002_0.jpg").mkdir()  # DeepFaceLab raises when it reads the face back
    ran = real.end(process)
    failed = {event["frame"]: event for event in ran.of("frame_failed")}
    assert failed.keys() == {"00002.png", "00004.png"}
    assert failed["00002.png"]["kind"] == "exception" and "Traceback" in failed["00002.png"]["traceback"]
    assert failed["00004.png"]["kind"] == "unreadable"
    done = {event["frame"]: event for event in ran.of("frame_done")}
    assert done["00003.png"]["looked"] is False and done["00003.png"]["faces"] == []
    assert done["00001.png"]["faces"] and done["00005.png"]["faces"]
    assert not ran.of("worker_lost")


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_killed_and_stopped_workers_cost_no_frame(real: Real) -> None:
    """Two workers: one is killed, the other stopped; both are replaced, every frame is delivered."""
    real.make([1] * 8)
    process = real.begin(Plan(workers=2, threads=1))
    first, second = real.wait_for("worker_started", 2, limit=240)
    real.wait_for("frame_started", 2, limit=240)
    os.kill(first["pid"], signal.SIGKILL)
    killed = time.time()
    os.kill(second["pid"], signal.SIGSTOP)
    ran = real.end(process)
    assert ran.code == 0, ran.text
    assert sorted(ran.frames("frame_done")) == [f"{n:05d}.png" for n in range(1, 9)]
    assert len(ran.faces) == 8
    lost = {event["pid"]: event for event in ran.of("worker_lost")}
    assert lost[first["pid"]]["time"] - killed < 2.0
    assert lost[second["pid"]]["reason"] == "stopped"
    for name in ran.faces:
        verify_face(real.output / name, expected_size=256)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="one system is enough: a slow test")
def test_an_error_swallowed_in_the_real_landmark_stage_is_seen(real: Real) -> None:
    """A broken landmark model: DeepFaceLab says nothing at all and ends with 0 faces."""
    real.make([1, 0])
    site = real.folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import sys\n"
        "class Late:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'mainscripts.Extractor':\n"
        "            import facelib\n"
        "            facelib.FANExtractor.get_pts_from_predict = lambda *a: 1 / 0\n"
        "sys.meta_path.insert(0, Late())\n"
    )
    ran = real.end(real.begin(Plan(env={"PYTHONPATH": str(site)})))
    assert [e["kind"] for e in ran.of("frame_failed")] == ["landmarks"]
    assert "ZeroDivisionError" in ran.of("frame_failed")[0]["error"]
    assert ran.frames("frame_done") == ["00002.png"]


@pytest.mark.parametrize("fork", FORKS or [""])
def test_a_fork_is_hooked_or_says_why_not(real: Real, fork: str) -> None:
    if not fork:
        pytest.skip("NOT TESTED ON A FORK OF DEEPFACELAB: set DFLWRAP_TEST_DFL_FORKS")
    real.make([1, 0, 1])
    ran = real.end(real.begin(Plan(), root=fork))
    failed = ran.of("agent_failed")
    if failed:
        assert len(failed[0]["error"]) > 20
    else:
        assert ran.frames("frame_done") == ["00001.png", "00002.png", "00003.png"]
    assert ran.faces == ["00001_0.jpg", "00003_0.jpg"], ran.text
