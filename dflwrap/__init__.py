"""dflwrap: an extraction that finishes."""

__version__ = "0.1.0"
