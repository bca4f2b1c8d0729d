"""The detector and the landmark model of the double: fixed answers, with the original's seams.

`model.run`, `crop` and `get_pts_from_predict` exist because the original's do: there errors come
from, and the landmark stage swallows them.
"""

from .extractors import FANExtractor, S3FDExtractor
from .face_type import FaceType

__all__ = ["FANExtractor", "FaceType", "S3FDExtractor"]
