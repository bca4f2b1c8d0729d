"""DeepFaceLab: finding an install, its command line, its console, and the agent that runs inside it."""

from dflwrap.extractors.deepfacelab.extractor import DeepFaceLabExtractor
from dflwrap.extractors.deepfacelab.install import DflInstall, NoPythonError, find_install, without_python

__all__ = ["DeepFaceLabExtractor", "DflInstall", "NoPythonError", "find_install", "without_python"]
