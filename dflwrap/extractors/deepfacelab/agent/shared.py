"""What the agent shares with the built-in extractor, loaded from its files: dflwrap is not on that sys.path."""
# mypy: ignore-errors
# ruff: noqa: PTH100, PTH120

import importlib
import os
import sys
import types

PACKAGE = "dflwrap_shared"


def _package():
    """A package of our own name over the folder of these files; of it only what is named below is loaded."""
    if PACKAGE not in sys.modules:
        package = types.ModuleType(PACKAGE)
        package.__path__ = [os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))]
        sys.modules[PACKAGE] = package


_package()
control_file = importlib.import_module(PACKAGE + ".control_file")
device_slots = importlib.import_module(PACKAGE + ".device_slots")
frame_queue = importlib.import_module(PACKAGE + ".frame_queue")
memory_errors = importlib.import_module(PACKAGE + ".memory_errors")
