"""Sample frames: a clip of two public-domain photographs, and what real folders hold besides."""

from dflwrap.samples.generator import SampleManifest, make_frames

__all__ = ["SampleManifest", "make_frames"]
