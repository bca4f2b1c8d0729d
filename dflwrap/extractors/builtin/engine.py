"""What runs the networks: the one place to change when TensorFlow's interpreter moves to ai-edge-litert."""

from __future__ import annotations

import os
import warnings
from importlib.metadata import PackageNotFoundError, version
from typing import Any


def interpreter_class() -> Any:
    """TensorFlow's interpreter for .tflite files. Takes seconds: it imports TensorFlow."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # The interpreter runs on the CPU; without this TensorFlow would look for GPUs all the same.
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    # The announcement of the move comes with every interpreter.
    warnings.filterwarnings("ignore", message=r"(?s).*tf\.lite\.Interpreter is deprecated.*")
    from tensorflow.lite.python.interpreter import Interpreter

    return Interpreter


def engine_version() -> str:
    """Its name and version, without importing it."""
    try:
        return f"TensorFlow {version('tensorflow')}"
    except PackageNotFoundError:
        return "TensorFlow (not installed)"
