"""What the sample frames need beside dflwrap. Imports nothing heavy."""

from __future__ import annotations

from dflwrap.common.parts import Part

SAMPLE_PARTS = (
    Part("Pillow, for the odd files among them (20 MB on the disk)", ("pillow>=11.3",)),
    Part(
        "two public-domain photographs (in scikit-image and matplotlib: about 23 MB to load, 70 MB on the disk)",
        ("scikit-image>=0.22", "matplotlib>=3.8"),
        dependencies=False,
    ),
)
"""The two packages without what they need (SciPy and others, 200 MB): their files are taken by path."""
