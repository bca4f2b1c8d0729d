"""What is known around a failure: from outside (the supervisor) and from the log's own text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from dflwrap.common.memory import MemoryFacts
from dflwrap.diagnosis.lazy import lazy
from dflwrap.diagnosis.log.lines import BAR
from dflwrap.diagnosis.log.steps import EXTRACTION, step_of
from dflwrap.diagnosis.rulebook.matcher import Run


@dataclass(frozen=True)
class Facts:
    """What the caller knows of the attempt that the log itself does not say. Everything is optional."""

    exit_status: int | None = None
    """Of the extractor; negative = signal (POSIX), or the Windows status in any form."""
    worker_statuses: tuple[int, ...] = ()
    """Exit statuses of workers that were lost."""
    timed_out_phase: str | None = None
    """"start-up" | "first frame" | "steady" | "finishing": the caller ended a silent attempt in this phase."""
    images_given: int | None = None
    frames_done: int | None = None
    platform: str = ""
    """As sys.platform: "win32", "linux", "darwin"."""
    ended_by_us: bool = False
    """True when the caller itself ended the process: its exit status is then no evidence."""
    memory: MemoryFacts | None = None
    """Measured meanwhile; without it a killed process proves nothing about memory."""


@dataclass
class Bar:
    """One drawing of a progress bar: images done of all, seconds elapsed, images per second."""

    index: int
    done: int
    total: int
    elapsed: float
    rate: float | None
    """Frames per second."""


@dataclass
class LogFacts:
    """What one run's lines say by themselves. Indices are into the run's lines."""

    images_found: int | None = None
    faces_detected: int | None = None
    summary_index: int | None = None
    done: bool = False
    bars: list[Bar] = field(default_factory=list)
    lost: list[tuple[int, str]] = field(default_factory=list)
    """(index, worker) of each worker that "doesnt response"."""
    frame_errors: list[int] = field(default_factory=list)
    init_errors: list[int] = field(default_factory=list)
    running_on: list[tuple[int, str]] = field(default_factory=list)
    gpus: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    build: str = ""
    platform: str = ""
    phase: str = "nothing seen"
    phase_index: int = 0
    names: frozenset[str] = frozenset()
    step: str = ""
    """The step of DeepFaceLab that wrote this (steps.py)."""
    seen_start: bool = False
    start_index: int = 0
    whole: bool = False
    """Every image came back and most gave a face, as far as a log can show it."""

    @property
    def last_bar(self) -> Bar | None:
        return self.bars[-1] if self.bars else None

    @property
    def complete(self) -> bool:
        """The last bar reached its total (without any bar: the summary tells of faces), and nothing was lost."""
        bar = self.last_bar
        if self.lost:
            return False
        if bar is None:
            return self.done and bool(self.faces_detected) and not self.frame_errors
        return bar.done >= bar.total > 0

    @property
    def gpu(self) -> bool:
        return any(not name.upper().startswith("CPU") for _, name in self.running_on) or (
            not self.running_on and bool(self.gpus)
        )

    def public(self) -> dict[str, Any]:
        """The `facts` object of the JSON output."""
        bar = self.last_bar
        facts: dict[str, Any] = {
            "images_found": self.images_found,
            "faces_detected": self.faces_detected,
            "progress": {"done": bar.done, "total": bar.total} if bar else None,
            "gpu": sorted(
                set(self.gpus) | {name for _, name in self.running_on if "CPU" not in name.upper()}
            ),
            "build": self.build or None,
            "versions": dict(sorted(self.versions.items())),
            "platform": self.platform or None,
            "phase": self.phase,
            "step": self.step or None,
        }
        if self.lost:
            facts["lost_workers"] = [name for _, name in self.lost]
        return facts


_NUMBER = lazy(r"Images found:\s*(\d+)")
_FACES = lazy(r"Faces detected:\s*(\d+)")
_LOST = lazy(r"(?P<name>[^\]]{0,100}?)\s*doesnt response, terminating it\.?")
_RUNNING = lazy(r"\bRunning on (?P<name>[^\n]{1,160}?)\s*\.?$")
_LISTED = lazy(r"^\s*\[(\d+)\] ?: (?P<name>[A-Z][^\n]{3,80})$")
_BUILD = lazy(
    r"DeepFaceLab[_-](?:NVIDIA|CUDA|OpenCL|OpenCLSSE|DirectX12|AMD)[\w.-]{0,60}|build_\d\d_\d\d_\d{4}"
)
_VERSIONS = (
    ("python", "ython", lazy(r"python-?(\d\.\d{1,2}(?:\.\d+)?)\b|[Pp]ython(3\d{1,2})[\\/]", re.I)),
    (
        "tensorflow",
        "ensorflow",
        lazy(r"tensorflow(?:-gpu|-cpu)?(?:==|-| version:? )(\d+\.\d+(?:\.\d+)?)", re.I),
    ),
    ("driver", "river", lazy(r"driver version:? *(\d{3}\.\d{2}(?:\.\d+)?)", re.I)),
    ("cuda", "cudart64_", lazy(r"cudart64_(\d{2,3})\b")),
    ("cudnn", "cudnn", lazy(r"(?:cudnn64_|libcudnn\.so\.)(\d+(?:\.\d+)*)")),
    ("torch", "orch", lazy(r"\btorch(?:==|-| version:? )(\d+\.\d+(?:\.\d+)?(?:\+cu\d{2,3})?)", re.I)),
    ("numpy", "umpy", lazy(r"numpy(?:==|-| version )(\d+\.\d+(?:\.\d+)?)", re.I)),
)
_PHASES = (
    ("prompts", ("Choose one or several GPU idxs", "Face type ( ", "Write debug images", "Choose detector")),
    ("starting workers", ("Extracting faces...", "Performing 1st pass")),
    ("compiling GPU kernels", ("Caching GPU kernels",)),
    ("loading models", ("Running on ",)),
    ("summary", ("Images found:", "Faces detected:")),
    ("done", ("Done.",)),
)
_GPU_NAME = lazy(
    r"geforce|nvidia|quadro|tesla|radeon|rtx|gtx|titan|amd |intel|mx\d{3}|vega|adreno|apple|metal", re.I
)
_WINDOWS_SIGNS = (":\\", ".dll", ".bat")
_LINUX_SIGNS = ("/home/", "/usr/", "/opt/", "/mnt/", "/content/", "/root/", "/data/", ".so.")
_MAC_SIGNS = ("/Users/", ".dylib", "Metal device")


def _seconds(clock: str) -> float:
    total = 0.0
    for part in clock.split(":"):
        total = total * 60 + float(part or 0)
    return total


def read_facts(run: Run) -> LogFacts:
    """Collect the facts of one run in one pass over its lines."""
    facts = LogFacts()
    for index, line in enumerate(run.lines):
        text = line.text
        if "%|" in text and (bar := _bar(index, text)):
            facts.bars.append(bar)
            facts.phase = "first frame" if bar.done == 0 else "steady"
            facts.phase_index = index
            continue
        for name, words in _PHASES:
            if any(word in text for word in words):
                facts.phase, facts.phase_index = name, index
                break
        _read_line(facts, index, text)
    facts.step = step_of(run.lines)
    facts.platform = _platform(run.text)
    for name, word, pattern in _VERSIONS:
        facts.versions |= _version(run.text, name, word, pattern)
    named = "DeepFaceLab" in run.text or "build_" in run.text
    found = _BUILD.search(run.text[:VERSIONS_LOOK]) if named else None
    facts.build = found.group() if found else ""
    facts.whole = _whole(facts)
    facts.names = _names(run, facts)
    return facts


FEW_FACES = 0.25
"""Share of frames with a face under which a finished run is worth a word."""
ENOUGH_FRAMES = 8
"""Frames under which shares and speeds mean nothing."""


def few_faces(images: int, faces: int) -> bool:
    """Whether so few faces are a finding by themselves."""
    return faces == 0 or (images >= ENOUGH_FRAMES * 2 and faces < FEW_FACES * images)


def _whole(facts: LogFacts) -> bool:
    """Every image came back: a bar over all of them that is full or, in an output without bars, a run that is
    seen from its start to its summary; nothing lost, and faces in it."""
    images, faces = facts.images_found, facts.faces_detected
    if facts.step != EXTRACTION or facts.lost or facts.frame_errors or facts.init_errors:
        return False
    if not images or faces is None or few_faces(images, faces):
        return False
    bar = facts.last_bar
    if bar is None:
        return facts.seen_start
    return bar.done >= bar.total > 0 and any(one.done >= one.total >= images for one in facts.bars)


VERSIONS_LOOK = 1 << 17
"""Characters of a run in which versions and the build's name are looked for."""


def _read_line(facts: LogFacts, index: int, text: str) -> None:
    if "Images found:" in text and (found := _NUMBER.search(text)):
        facts.images_found, facts.summary_index = int(found[1][:12]), index
    if "Faces detected:" in text and (found := _FACES.search(text)):
        facts.faces_detected = int(found[1][:12])
    if text.startswith("Done."):
        facts.done = True
    if "doesnt response" in text:
        facts.lost += [(index, m["name"].strip(" -|")) for m in _LOST.finditer(text)]
    if "Error while processing data" in text or "Exception while process data" in text:
        facts.frame_errors.append(index)
    if "rror while subprocess initialization" in text or "Exception while initialization" in text:
        facts.init_errors.append(index)
    if text.startswith(("Extracting faces...", "Performing 1st pass")):
        facts.seen_start = True
        facts.start_index = facts.start_index or index
    if "Running on " in text and (found := _RUNNING.search(text)):
        facts.running_on.append((index, found["name"]))
    if "] : " in text and (found := _LISTED.match(text)) and _GPU_NAME.search(found["name"]):
        facts.gpus.append(found["name"])


def _version(text: str, name: str, word: str, pattern: re.Pattern[str]) -> dict[str, str]:
    if word not in text:
        return {}
    found = pattern.search(text[:VERSIONS_LOOK])
    return {name: next(group for group in found.groups() if group)} if found else {}


def _platform(text: str) -> str:
    counts = {
        "windows": sum(text.count(sign) for sign in _WINDOWS_SIGNS),
        "linux": sum(text.count(sign) for sign in _LINUX_SIGNS),
        "macos": 2 * sum(text.count(sign) for sign in _MAC_SIGNS),
    }
    best = max(counts, key=lambda name: counts[name])
    return best if counts[best] else ""


def _bar(index: int, text: str) -> Bar | None:
    found = BAR.match(text)
    if found is None:  # a bar with a name belongs to another step
        return None
    rate = None if found["rate"] == "?" else float(found["rate"])
    if rate and found["unit"] == "s/it":
        rate = 1 / rate
    done, total = int(found["done"]), int(found["total"])
    return Bar(index, done, total, _seconds(found["elapsed"]), rate)


def _names(run: Run, facts: LogFacts) -> frozenset[str]:
    """The facts that a rule may ask for as "fact:NAME" (docs/rules.md lists them)."""
    names: set[str] = set()
    bar = facts.last_bar
    add = names.add
    if facts.gpu:
        add("gpu")
    if any(name.upper().startswith("CPU") for _, name in facts.running_on):
        add("cpu")
    if facts.complete:
        add("complete")
    if facts.whole:
        add("whole")
    if facts.done:
        add("done")
    if facts.lost:
        add("lost-worker")
    if facts.faces_detected == 0:
        add("zero-faces")
    if facts.faces_detected:
        add("some-faces")
    if bar is not None:
        add("started")
        if bar.done > 0:
            add("progressed")
        if bar.done < bar.total:
            add("incomplete")
    if facts.frame_errors:
        add("frame-error")
    if facts.init_errors:
        add("init-error")
    if facts.platform:
        add(facts.platform)
    devices = [name.rsplit("#", 1)[0].strip() for _, name in facts.running_on if "CPU" not in name.upper()]
    if any("#" in name for _, name in facts.running_on) or len(devices) > max(
        len(set(devices)), len(facts.gpus), 1
    ):
        add("shared-gpu")
    if "Traceback (most recent call last)" in run.text:
        add("traceback")
    return frozenset(names)
