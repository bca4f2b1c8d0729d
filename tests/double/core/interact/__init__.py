"""The console of the double: what is printed where, in the grammar of DeepFaceLab's logs."""

from .interact import interact

__all__ = ["interact"]
