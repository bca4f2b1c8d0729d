"""Face types in DeepFaceLab's order: those up to FULL_NO_ALIGN drop faces by their area."""


class FaceType:
    HALF = 0
    FULL = 2
    FULL_NO_ALIGN = 3
    WHOLE_FACE = 4
    HEAD = 10
    MARK_ONLY = 100

    @classmethod
    def fromString(cls, text):
        return _NAMES[text.lower()]

    @classmethod
    def toString(cls, value):
        return {number: name for name, number in _NAMES.items()}[value]


_NAMES = {
    "half_face": FaceType.HALF,
    "full_face": FaceType.FULL,
    "whole_face": FaceType.WHOLE_FACE,
    "head": FaceType.HEAD,
    "mark_only": FaceType.MARK_ONLY,
}
