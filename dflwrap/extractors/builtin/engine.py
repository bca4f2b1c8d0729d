"""What runs the networks: LiteRT where it is installed, else TensorFlow's own interpreter.

The same code in two packages, and the same faces (a test). LiteRT is ready in half a second instead of four, and
takes 60 MB on the disk instead of 2 GB; it has no wheel for some systems (Macs with an Intel CPU).
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

_version = cache(version)
"""Each question reads the package's files anew (2 ms), and a run asks seven times."""


@dataclass(frozen=True, slots=True)
class Engine:
    """One package that runs .tflite files."""

    title: str
    module: str
    """What must be importable."""
    distribution: str
    load: Callable[[], Any]
    """Imports it; the class of its interpreters."""

    @property
    def installed(self) -> bool:
        return find_spec(self.module) is not None

    def describe(self) -> str:
        """Name and version, without importing it."""
        try:
            return f"{self.title} {_version(self.distribution)}"
        except PackageNotFoundError:
            return self.title


def _litert() -> Any:
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter


def _tensorflow() -> Any:
    """Takes seconds: it imports TensorFlow."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # The interpreter runs on the CPU; without this TensorFlow would look for GPUs all the same.
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    # The announcement of the move to LiteRT comes with every interpreter.
    warnings.filterwarnings("ignore", message=r"(?s).*tf\.lite\.Interpreter is deprecated.*")
    from tensorflow.lite.python.interpreter import Interpreter

    return Interpreter


LITERT = Engine("LiteRT", "ai_edge_litert", "ai-edge-litert", _litert)
TENSORFLOW = Engine("TensorFlow", "tensorflow", "tensorflow", _tensorflow)
ENGINES = (LITERT, TENSORFLOW)
"""The preferred one first."""


def installed_engine() -> Engine | None:
    """The engine that will be used."""
    return next((engine for engine in ENGINES if engine.installed), None)


def engine_version() -> str:
    """Name and version of the engine that will be used, without importing it."""
    engine = installed_engine()
    return engine.describe() if engine is not None else "no LiteRT (not installed)"
