"""What the agent shares with the built-in extractor, loaded from its file: dflwrap is not on DeepFaceLab's sys.path."""
# mypy: ignore-errors
# ruff: noqa: PTH100, PTH118, PTH120

import importlib.util
import os


def _load(name):
    folder = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    spec = importlib.util.spec_from_file_location("dflwrap_" + name, os.path.join(folder, name + ".py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


control_file = _load("control_file")
frame_queue = _load("frame_queue")
