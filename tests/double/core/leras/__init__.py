"""Stands for the neural-network library: importing it is where TensorFlow may fail."""

from .nn import nn

__all__ = ["nn"]
