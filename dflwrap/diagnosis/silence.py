"""What a run shows by arithmetic, by what is missing, and by its exit status.

A finding here never outranks a line that names a cause: strengths are 1 (only if nothing else explains the
end) to 4.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dflwrap.diagnosis.facts import ENOUGH_FRAMES, Facts, LogFacts, few_faces
from dflwrap.diagnosis.lazy import lazy
from dflwrap.diagnosis.rulebook.matcher import Run
from dflwrap.diagnosis.tables import exits
from dflwrap.diagnosis.tables.fit import table, version

WATCHDOG = 110.0
"""Seconds on the clock of a bar that stands at 0 from which the 120 s watchdog is the likely end."""
SUSPICIONS = frozenset(
    {"few-faces-hard-shots", "env-not-activated-cpu", "wrong-build-new-gpu", "mac-zero-faces"}
)
"""Conclusions from a complete run's numbers alone."""
POWER_CUT_NULS = 16
"""NUL bytes at the end of a log that only a lost power or a crashed system leaves."""

_PROMPT = lazy(
    r"\[[^\]]{0,20}\] (?:Which GPU index(?:es)? to choose\?|Face type|Max number of faces from image|Image size"
    r"|Jpeg quality|Write debug images to .{1,60}\?|Continue extraction\?).{0,80}: ?$"
    r"|Choose detector type\.?$|Press any key to continue[ .]*$|^Press enter to continue\.?$"
    r"|(?:Для продолжения нажмите любую клавишу|Presione una tecla para continuar|Drücken Sie eine beliebige Taste"
    r"|请按任意键继续|Appuyez sur une touche pour continuer|Pressione qualquer tecla para continuar"
    r"|Aby kontynuować, naciśnij dowolny klawisz)[ .…。]{0,20}$"
)
_DATA_ERROR = lazy(
    r"^(?!\w{0,30}: (?:partially initialized )?module '|TypeError: .{0,80}unexpected keyword)"
    r"(?:[\w.]{1,60}\.)?(?:ValueError|IndexError|KeyError|TypeError|AttributeError|ZeroDivisionError|AssertionError"
    r"|FloatingPointError|OverflowError|struct\.error|error|LinAlgError|cv2\.error)\b"
)


@dataclass(frozen=True)
class Finding:
    """A cause concluded from where and how a log ends, at the line `index`."""

    rule_id: str
    index: int
    strength: int
    note: str
    shown: str = ""
    """The evidence, where it is no line of the log."""
    sigkill: bool = False
    """As `Signature.sigkill`."""


def infer(run: Run, log: LogFacts, facts: Facts, nul_tail: int, ends_open: bool) -> list[Finding]:
    """Every conclusion that the run allows without a line that names it."""
    if not run.lines:
        return _statuses(run, log, facts)
    found: list[Finding] = []
    found += _statuses(run, log, facts)
    found += _lost_workers(log)
    found += _one_frame(run, log)
    found += _zero_or_few(run, log)
    found += _endings(run, log, facts, nul_tail)
    if "Performing manual extract" not in run.text:  # there a person sets the pace
        found += _speed(log)
    if facts.images_given is not None:
        # A supervisor counts faces and frames itself; what is only a suspicion must not end its run.
        found = [finding for finding in found if finding.rule_id not in SUSPICIONS]
    return found


def _statuses(run: Run, log: LogFacts, facts: Facts) -> list[Finding]:
    found: list[Finding] = []
    importing = not log.bars and not log.running_on
    platform = facts.platform or log.platform
    for index, line in enumerate(run.lines):
        if not any(gate in line.text for gate in exits.STATUS_GATES):
            continue
        status = exits.parse_status(line.text)
        told = None if status is None else exits.meaning(status, platform, importing)
        if told:
            name, words = told
            note = f"the log names an exit status: {words}"
            found.append(Finding(name, index, 2, note, sigkill=words == exits.KILLED))
    if not facts.ended_by_us:
        last = len(run.lines) - 1
        for whose, status in _ended(facts):
            told = exits.meaning(status, platform, importing)
            if told:
                shown = f"{whose} ended with exit status {status}: {told[1]}"
                killed = told[1] == exits.KILLED
                found.append(Finding(told[0], max(last, 0), 2, shown, shown, killed))
    return found


def _ended(facts: Facts) -> Iterator[tuple[str, int]]:
    yield from (("a worker", status) for status in facts.worker_statuses)
    if facts.exit_status is not None:
        yield "the extractor", facts.exit_status


def _lost_workers(log: LogFacts) -> list[Finding]:
    if not log.lost:
        return []
    index, name = log.lost[0]
    before = [bar for bar in log.bars if bar.index <= index]
    bar = before[-1] if before else log.last_bar
    on_cpu = re.match(r"(?:.*\b)?CPU ?\d*$", name) is not None
    missing = _missing(log)
    if (bar.done == 0) if bar is not None else log.faces_detected == 0:
        if on_cpu:
            return [
                Finding(
                    "slow-device-timeout",
                    index,
                    2,
                    f"the worker was ended before its first frame was done{missing}",
                )
            ]
        return [
            Finding(
                "jit-exceeds-120s",
                index,
                2,
                f"the worker was ended while it was still at its first frame{missing}",
            )
        ]
    slow = bar is not None and bar.rate is not None and bar.rate < 0.05
    if on_cpu and (slow or len({worker for _, worker in log.lost}) > 1):
        return [
            Finding(
                "slow-device-timeout", index, 2, f"CPU workers took longer than the watchdog allows{missing}"
            )
        ]
    return [Finding("worker-native-crash", index, 1, f"a worker vanished and was given up{missing}")]


def unaccounted(log: LogFacts) -> int | None:
    """Frames listed that were never handed out or never came back; None if the log does not tell.

    Without any bar, after a lost worker, it is the frames without a face: no more than these are missing.
    """
    bar, images = log.last_bar, log.images_found or 0
    if bar is not None:
        missing = max(bar.total, images) - bar.done
    elif log.lost and log.faces_detected is not None:
        missing = images - log.faces_detected
    else:
        return None
    return missing if missing > 0 else None


def _missing(log: LogFacts) -> str:
    missing = unaccounted(log)
    if missing is None:
        return ""
    total = max(log.last_bar.total if log.last_bar else 0, log.images_found or 0)
    about = "" if log.last_bar else "up to "
    return f"; {about}{missing} of {total} frames are unaccounted for"


def _one_frame(run: Run, log: LogFacts) -> list[Finding]:
    """One frame that raises; the same exception on three frames or more is no poison frame."""
    if not log.frame_errors or len(log.frame_errors) > 2:
        return []
    index = log.frame_errors[0]
    tail = [line.text for line in run.lines[index : index + 120]]
    last = next((text for text in tail if _DATA_ERROR.match(text)), "")
    bar = log.last_bar
    if not last or (bar is not None and bar.done == 0):
        return []  # where the very first frame fails, nothing shows that another one would not
    return [Finding("poison-frame", index, 1, f"one frame made its worker fail: {last[:120]}{_missing(log)}")]


def _zero_or_few(run: Run, log: LogFacts) -> list[Finding]:
    images, faces = log.images_found, log.faces_detected
    if images is None or faces is None or log.summary_index is None:
        return []
    if images == 0:
        return [Finding("images-found-0", log.summary_index, 4, "no usable image was in the input folder")]
    bar = log.last_bar
    if log.lost or log.frame_errors or log.init_errors or (bar is not None and bar.done < bar.total):
        return []
    if faces == 0:
        if log.platform == "macos":
            return [
                Finding(
                    "mac-zero-faces",
                    log.summary_index,
                    2,
                    f"{images} images were looked at and no face was found",
                )
            ]
        if log.gpu and (not log.build or not re.search(r"RTX3000|DirectX12", log.build)):
            cards = [*log.gpus, *(name for _, name in log.running_on)]
            if _needs_a_newer_build(cards):
                return [
                    Finding(
                        "wrong-build-new-gpu",
                        log.summary_index,
                        2,
                        f"{images} images on a newer GPU and not one face, without any error",
                    )
                ]
        words = f"{images} images were listed and no face was found"
        return [Finding("few-faces-hard-shots", log.summary_index, 1, words)]
    if few_faces(images, faces) and (log.complete or log.seen_start):
        return [
            Finding("few-faces-hard-shots", log.summary_index, 1, f"only {faces} faces in {images} images")
        ]
    return []


def _needs_a_newer_build(cards: list[str]) -> bool:
    """Whether one of the cards is newer than the CUDA of the builds without a generation in their name."""
    known = table()
    found = (known.generation_of(card) for card in cards)
    return any(one is not None and version(one.first_cuda) >= version(FIRST_RTX) for one in found)


FIRST_RTX = "10.0"
"""CUDA that knew the first RTX cards."""


def _endings(run: Run, log: LogFacts, facts: Facts, nul_tail: int) -> list[Finding]:
    last = len(run.lines) - 1
    text = run.lines[last].text
    if nul_tail >= POWER_CUT_NULS and not log.done:
        return [
            Finding(
                "psu-reboot",
                last,
                4,
                f"the log breaks off in {nul_tail} NUL bytes: the machine stopped while writing",
            )
        ]
    if _PROMPT.search(text) and not re.search(
        r"Press any key|нажмите|tecla|Taste|任意键|touche|klawisz", text
    ):
        return [Finding("prompt-waiting", last, 4, "the log ends at a question that nobody answered")]
    if log.done or log.summary_index is not None or "traceback" in log.names or log.init_errors:
        return []
    if log.lost or log.frame_errors:
        return []
    if log.bars:
        bar = log.bars[-1]
        if bar.done == 0 and bar.elapsed >= WATCHDOG:
            return [Finding("jit-exceeds-120s", bar.index, 1, f"no frame was done in {bar.elapsed:.0f} s")]
        return []
    if len({name.rsplit("#", 1)[0] for _, name in log.running_on if "CPU" not in name.upper()}) > 1:
        return [Finding("mixed-gpu-init", last, 1, "the log ends while several different cards are prepared")]
    if re.search(r"^Caching GPU kernels\.\.\.", text):
        return [Finding("ptx-jit-first-run", last, 1, "the log ends while GPU kernels are compiled")]
    if re.search(r"\bRunning on (?!CPU)[^\n]{3,160}$|Adding visible gpu devices: \d", text) and _after_start(
        log
    ):
        return [
            Finding(
                "ptx-jit-first-run",
                last,
                1,
                "the log ends after the worker started and before its first frame",
            )
        ]
    if re.search(r"^Extracting faces\.\.\.", text) or (
        log.phase == "starting workers" and last - log.phase_index < 3
    ):
        return [
            Finding(
                "init-death-hang", last, 1, 'the log ends at "Extracting faces...": no worker ever reported'
            )
        ]
    return []


def _after_start(log: LogFacts) -> bool:
    return log.phase in (
        "loading models",
        "starting workers",
        "compiling GPU kernels",
        "prompts",
        "nothing seen",
    )


def _speed(log: LogFacts) -> list[Finding]:
    bar = log.last_bar
    if bar is None or bar.rate is None or not log.gpu or bar.done < ENOUGH_FRAMES * 2:
        return []
    if not any("CPU" not in name.upper() for _, name in log.running_on):
        return []
    if bar.rate <= 1.0 and not log.lost and not log.frame_errors:
        return [
            Finding(
                "env-not-activated-cpu",
                bar.index,
                1,
                f"a GPU was announced, but a frame takes {1 / bar.rate:.1f} s",
            )
        ]
    return []
