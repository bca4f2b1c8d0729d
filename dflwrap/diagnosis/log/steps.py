# ruff: noqa: E501 - an expression is read more easily in one piece
"""Which step of DeepFaceLab wrote a log: only the extraction is judged as one."""

from __future__ import annotations

from collections.abc import Sequence

from dflwrap.diagnosis.lazy import lazy
from dflwrap.diagnosis.log.lines import Line

EXTRACTION = "extraction"

_EXTRACTION = lazy(
    r"^(?:Running extractor\.|Extracting faces\.\.\.|Performing (?:1st|2nd|3rd) pass\.\.\.|Performing (?:manual )?extract\b"
    r"|Images found: |Faces detected: )|Face type \( f/|Write debug images to |mainscripts[\\/.]Extractor\b"
    r"|main\.py[\"']? extract\b|doesnt response, terminating|Choose detector type|extract_faces|faceset extract"
)
_OTHER = (
    (
        "training",
        lazy(
            r"^Running trainer\.|^\[\d\d:\d\d:\d\d\]\[#\d{1,9}\]\[\d{1,6}m?s\]|^=+ Model Summary =+|mainscripts[\\/.]Trainer\b"
            r"|main\.py[\"']? train\b|to stop training and save model|^Trying to do the first iteration"
            r"|^=*-*\s*Model [Oo]ptions?\s*-*=*|No saved models found\. Enter a name|Choose one of saved models"
        ),
    ),
    (
        "merging",
        lazy(
            r"^Running (?:merger|converter)\.|^(?:Merging|Converting|Computing motion vectors): {0,3}\d|main\.py[\"']? (?:merge|convert)\b"
            r"|mainscripts[\\/.](?:Merger|Converter)\b|Use interactive merger\?"
        ),
    ),
    (
        "XSeg masking",
        lazy(
            r"^Running XSeg editor|Applying trained XSeg model|main\.py[\"']? xseg\b|mainscripts[\\/.]XSegUtil\b|XSegEditor[\\/.]"
            r"|^(?:XSeg|Xseg) masks? "
        ),
    ),
    (
        "sorting faces",
        lazy(r"^Running sort tool\.|^Sorting by |main\.py[\"']? sort\b|mainscripts[\\/.]Sorter\b|^Choose sorting method"),
    ),
    (
        "cutting a video into frames",
        lazy(r"main\.py[\"']? videoed\b|mainscripts[\\/.]VideoEd\b|^Enter FPS \( ?\?:help|^frame= *\d+ fps= *[\d.]+ q="),
    ),
    (
        "a faceset tool",
        lazy(r"main\.py[\"']? (?:util|facesettool)\b|mainscripts[\\/.](?:Util|FacesetEnhancer|FacesetResizer)\b|^Enhancing '"),
    ),
)  # fmt: skip
_OTHER_START = lazy(
    r"^Running (?:trainer|merger|converter|sort tool|XSeg editor)\.?"
    r"|main\.py[\"']? (?:train|merge|convert|xseg|sort|videoed|util|facesettool)\b"
)


def step_of(lines: Sequence[Line]) -> str:
    """EXTRACTION, another step's name in words for a sentence ("training"), or "" where nothing tells.

    One sign of an extraction makes it one: a prompt or a path of another step may stand in the same window.
    """
    seen = ""
    for line in lines:
        if _EXTRACTION.search(line.text):
            return EXTRACTION
        if not seen:
            seen = next((name for name, pattern in _OTHER if pattern.search(line.text)), "")
    return seen


def of_another_step(step: str | None) -> bool:
    """Whether `step_of` has named a step, and not the extraction."""
    return step not in (None, "", EXTRACTION)


def starts_other(text: str) -> bool:
    """Whether another step starts at this line."""
    return _OTHER_START.search(text) is not None
