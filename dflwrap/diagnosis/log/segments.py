"""A log may hold several extractions, one after another; each is judged by itself."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from dflwrap.diagnosis.lazy import lazy
from dflwrap.diagnosis.log.lines import Line
from dflwrap.diagnosis.log.steps import starts_other

_START = lazy(
    r"Running extractor\.|Choose one or several GPU idxs|^\[(?:wf|f|head|hf|half_face|full_face|whole_face)\] Face type"
    r"|^Extracting faces\.\.\.|Performing 1st pass\.\.\.|main\.py\"? extract |Performing extract(?:ion)?\.\.\."
)
_WORK = lazy(r"^Extracting faces\.\.\.|Performing 1st pass\.\.\.")
_EXTRACTION_START = lazy(r"Running extractor\.|main\.py\"? extract |Face type \( f/")
"""What only an extraction starts with; the question for the card belongs to other steps as well."""
_END = lazy(
    r"^Done\.|Press any key to continue|Для продолжения нажмите|Presione una tecla|Drücken Sie eine beliebige Taste"
    r"|请按任意键继续|Appuyez sur une touche|Pressione qualquer tecla|Aby kontynuować, naciśnij"
    r"|Unable to start subprocesses\.|Unable to start Subprocessor|^KeyboardInterrupt|^-{6,}$"
)


def split_runs(lines: Sequence[Line]) -> list[Sequence[Line]]:
    """Cut `lines` into runs. A run starts at the first sign of a start after the former one ended or, where
    no end is seen, at the prompts that precede the next "Extracting faces..."; another step of DeepFaceLab
    before or after an extraction is a run of its own."""
    cuts = [0]
    ended, worked, other = False, False, False
    prompt_at: int | None = None
    for index, line in enumerate(lines):
        text = line.text
        if line.source != lines[max(index - 1, 0)].source:
            prompt_at = None
        if starts_other(text):
            if (worked or ended) and not other:
                cuts.append(index)
            ended, worked, other, prompt_at = False, False, True, None
            continue
        if other and (_WORK.search(text) or _EXTRACTION_START.search(text)):
            if index > cuts[-1]:
                cuts.append(index)
            ended, worked, other, prompt_at = False, _WORK.search(text) is not None, False, None
            continue
        if _START.search(text):
            if not _WORK.search(text) and prompt_at is None:
                prompt_at = index
            if ended and worked and _after_end(lines, cuts[-1], index):
                cuts.append(prompt_at if prompt_at is not None and prompt_at > cuts[-1] else index)
                ended, worked = False, False
            if _WORK.search(text):
                if worked:
                    start = prompt_at if prompt_at is not None and prompt_at > cuts[-1] else index
                    cuts.append(start)
                worked, ended, prompt_at = True, False, None
        elif _END.search(text):
            ended = ended or not text.startswith("---")
            prompt_at = None
    cuts.append(len(lines))
    return [lines[start:end] for start, end in pairwise(cuts) if end > start] or [lines]


def _after_end(lines: Sequence[Line], start: int, index: int) -> bool:
    return index > start and lines[start].source == lines[index].source
