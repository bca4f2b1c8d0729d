"""The worker pool."""

from .SubprocessorBase import Subprocessor

__all__ = ["Subprocessor"]
