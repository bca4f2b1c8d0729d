"""The model files: there, whole, and those that DeepFaceLab ships."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from dflwrap.common.plan import ExtractOptions
from dflwrap.common.trees import is_file
from dflwrap.doctor.check import Answer, Check
from dflwrap.doctor.machine import Machine

POINTER = b"version https://git-lfs"
PICKLE_START, PICKLE_STOP = b"\x80", b"."
"""DeepFaceLab's .npy files are pickles: from protocol 2 on they begin with the one; a whole one ends in the other."""


_NPY = re.compile(r"""["']([A-Za-z0-9_-]{1,60}\.npy)["']""")


@dataclass(frozen=True, slots=True)
class Model:
    """A model file as DeepFaceLab ships it."""

    name: str
    size: int
    sha256: str
    use: str


MODELS = (
    Model(
        "S3FD.npy", 89_840_843, "b4894ecfba8e6461eb1a69490f76184620c816605238ff0ba3216f1143a06c29",
        "finds faces",
    ),
    Model(
        "2DFAN.npy", 95_570_245, "ca2dc7f0b2aa146842e6de2119fedff1142188b7cff5ab702564952d6cba4624",
        "finds landmarks",
    ),
    Model(
        "3DFAN.npy", 95_564_988, "b50d2faf0fd4d6503aba9d19365e7aff06f2ea96bac37fc5f8f25a191a0a63a9",
        "finds landmarks for --face-type head",
    ),
)  # fmt: skip
"""Sizes and sums of the files in the releases of DeepFaceLab."""


def _folder(machine: Machine) -> Path | None:
    """facelib, where it is laid out as in the stock DeepFaceLab."""
    if machine.sources is None:
        return None
    folder = machine.sources / "facelib"
    return folder if is_file(folder / "S3FDExtractor.py") else None


def fault(path: Path) -> str:
    """What is wrong with a model file, as far as its two ends tell; "" for nothing. Raises OSError."""
    size = path.stat().st_size
    if size == 0:
        return "is empty"
    with path.open("rb") as file:
        start = file.read(len(POINTER))
        file.seek(size - 1)
        end = file.read(1)
    if start == POINTER:
        return f"is a Git LFS pointer of {size} bytes, not the model"
    if start[:1] != PICKLE_START:
        return "is no model: something else was saved under its name"
    return "" if end == PICKLE_STOP else f"is cut short ({size:,} bytes)"


def _of_the_fork(folder: Path, machine: Machine) -> list[tuple[str, str]]:
    """Other models that its extractors name, and what is wrong with them; what they should hold is not known."""
    sources = "".join(machine.source(path) for path in sorted(folder.glob("*Extractor.py")))
    names = sorted(set(_NPY.findall(sources)) - {model.name for model in MODELS})
    found = []
    for name in names:
        try:
            found.append((name, fault(folder / name)))
        except OSError:
            found.append((name, "is missing"))
    return found


class _Loaded:
    """Which models a run loads, by what it asks for."""

    def __init__(self, asked: ExtractOptions | None) -> None:
        """asked: None = nothing is known of a run."""
        self.known = asked is not None
        self._detector = asked.detector if asked is not None else ""
        more = dict(option.partition("=")[::2] for option in asked.more) if asked is not None else {}
        self._landmarker = more.get("--landmarker", "")
        self._head = asked is not None and asked.face_type == "head"

    def why(self, name: str) -> str | None:
        """The option that has a model loaded; "" where every run does, None where this one does not."""
        detector, landmarker = _plain(self._detector), _plain(self._landmarker)
        stem = _plain(name.removesuffix(".npy"))
        if stem == "s3fd":
            return "" if not detector or detector.startswith(("s3fd", "manual")) else None
        if stem in _FANS and landmarker:
            return f"--landmarker {self._landmarker}" if landmarker == _FANS[stem] else None
        if stem == "2dfan":
            return ""
        if stem == "3dfan":
            return "--face-type head" if self._head else None
        if stem == detector:
            return f"--detector {self._detector}"
        return f"--landmarker {self._landmarker}" if stem == landmarker else None


_FANS = {"2dfan": "fan2d", "3dfan": "fan3d"}
"""The models behind these values of a fork's --landmarker."""


def _plain(name: str) -> str:
    """`RetinaFaceR50` and `retinaface-r50` are the same."""
    return re.sub(r"[\W_]", "", name).casefold()


class ModelFiles(Check):
    """Are they there, and whole?"""

    id = "model-files"

    def look(self, machine: Machine) -> Answer:
        if machine.sources is None:
            return self.skipped("There is no DeepFaceLab to look at.")
        folder = _folder(machine)
        if folder is None:
            return self.skipped("This DeepFaceLab keeps its models elsewhere.")
        loaded = _Loaded(machine.asked)
        bad: list[str] = []
        lacking: list[str] = []
        spared: list[str] = []
        other: list[str] = []

        def tell(name: str, use: str, wrong: str, others: list[str]) -> None:
            why = loaded.why(name)
            if why is not None:
                bad.append(f"{name} ({use}{', ' * bool(why)}{why}) {wrong}")
            else:
                (spared if loaded.known else others).append(f"{name} ({use}) {wrong}")

        for model in MODELS:
            path = folder / model.name
            try:
                wrong = fault(path)
                size = path.stat().st_size
            except FileNotFoundError:
                tell(model.name, model.use, "is missing", lacking)
                continue
            except OSError as error:
                bad.append(f"{model.name} cannot be read: {error.strerror or error}")
                continue
            if wrong:
                tell(model.name, model.use, wrong, bad)
            elif size != model.size:
                other.append(f"{model.name} has {size:,} bytes, DeepFaceLab's {model.size:,}")
        for name, wrong in _of_the_fork(folder, machine):
            if wrong:
                tell(name, "of this fork", wrong, lacking)
        if bad:
            return self.failure(f"In {folder}: {'; '.join((*bad, *lacking))}.")
        if lacking:
            return self.warning(f"In {folder}: {'; '.join(lacking)}.")
        if spared:
            return self.note(f"Not needed by this run; in {folder}: {'; '.join(spared)}.")
        if other:
            fix = "Nothing, if you have put other models there; else unpack the build again."
            return self.note(f"Whole, but not those of DeepFaceLab's releases: {'; '.join(other)}.", fix)
        return self.ok("S3FD.npy, 2DFAN.npy and 3DFAN.npy are there, of the right size.")


class ModelContents(Check):
    """Are they those that DeepFaceLab ships?"""

    id = "model-contents"
    quick = False
    timeout = 120.0

    def look(self, machine: Machine) -> Answer:
        folder = _folder(machine)
        if folder is None:
            return self.skipped("There are no model files to look at.")
        unknown: list[str] = []
        damaged: list[str] = []
        for model in MODELS:
            path = folder / model.name
            try:
                if not is_file(path) or fault(path):
                    continue  # model-files tells
                with path.open("rb") as file:
                    found = hashlib.file_digest(file, "sha256").hexdigest()
                size = path.stat().st_size
            except OSError as error:
                return self.failure(
                    f"{model.name} cannot be read: {error.strerror or error}.", "Check that disk."
                )
            if found != model.sha256:
                (damaged if size == model.size else unknown).append(f"{model.name} {found[:12]}...")
        told = []
        if damaged:
            told.append(
                f"of DeepFaceLab's size but with another content, so perhaps damaged: {', '.join(damaged)}"
            )
        if unknown:
            told.append(f"not known: {', '.join(unknown)}")
        if told:
            return self.note(f"Sums {'; '.join(told)}.")
        return self.ok("The sums are those of DeepFaceLab's releases.")
