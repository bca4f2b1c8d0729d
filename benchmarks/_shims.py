"""The double's faults inside extractors that know nothing of them: by stand-ins beside the real modules.

A DeepFaceLab is seen through a temporary view made of links, in which main.py and the detector's module are
ours; nothing of the install is changed. Into the built-in extractor a `sitecustomize` on PYTHONPATH hooks
itself. Both call `hit` of tests/double/faults.py at the stages that they have.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from benchmarks._common import DOUBLE_ROOT, Target

MARK = (255, 0, 255)
"""BGR colour in the corner of the poison frame, by which a detector's stand-in knows it. No face to the
made-up weights."""
STAGES = ("start", "import", "worker_start", "first_frame", "steady", "frame", "finish")
"""What both have of the double's stages; the list of devices is preset on the CPU."""

_LOAD = """\
import importlib.util, os, sys
_spec = importlib.util.spec_from_file_location("chaos_faults", {faults!r})
_faults = sys.modules.get("chaos_faults")
if _faults is None:
    _faults = sys.modules["chaos_faults"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(_faults)


def _hit(stage, frame=None):
    output = os.path.join(os.path.dirname(os.environ.get("DFLWRAP_EVENTS") or "."), "out")
    return _faults.hit(stage, frame=frame, output=output, frame_path="")
"""

_MAIN = """\
if __name__ == "__main__":
    import atexit
{load}
    _hit("start")
    atexit.register(_hit, "finish")
"""

_DETECTOR = """\
{load}
_hit("import")
_spec = importlib.util.spec_from_file_location("facelib.real_S3FDExtractor", {original!r})
_real = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_real)


class S3FDExtractor(_real.S3FDExtractor):
    chaos_frames = 0

    def __init__(self, *args, **kwargs):
        _hit("worker_start")
        super().__init__(*args, **kwargs)

    def extract(self, input_image, *args, **kwargs):
        if input_image.shape[0] < input_image.shape[1]:  # not a square cut out around a face
            _hit("steady" if self.chaos_frames else "first_frame", frame="")
            self.chaos_frames += 1
            if tuple(int(value) for value in input_image[4, 4][:3]) == {mark!r}:
                _hit({poison!r}, frame={poison!r})
        return super().extract(input_image, *args, **kwargs)
"""

_BUILTIN = """\
import importlib.abc, importlib.machinery
{load}


def _main(module):
    original = module.main

    def main(*args, **kwargs):
        _hit("start")
        code = original(*args, **kwargs)
        _hit("finish")
        return code

    module.main = main


def _worker(module):
    handler, seen = module.FrameHandler, []
    begin, extract = handler.__init__, handler._extract

    def __init__(self, settings):
        _hit("worker_start")
        begin(self, settings)

    def _extract(self, source, written):
        name = source.name
        _hit("steady" if seen else "first_frame", frame=name)
        seen.append(name)
        if "unreadable" in _hit(name, frame=name):
            from dflwrap.extractors.builtin.images import UnreadableFrameError

            raise UnreadableFrameError("commanded to be unreadable")
        return extract(self, source, written)

    handler.__init__, handler._extract = __init__, _extract


PACKAGE = "dflwrap.extractors.builtin."
HOOKS = {{PACKAGE + "cli": _main, PACKAGE + "worker": _worker, PACKAGE + "engine": lambda module: _hit("import")}}


class Hook(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name not in HOOKS:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        run = spec.loader.exec_module

        def exec_module(module):
            run(module)
            HOOKS[name](module)

        spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, Hook())
"""


def _load() -> str:
    return _LOAD.format(faults=str(DOUBLE_ROOT / "faults.py"))


def linked_view(target: Target, folder: Path, main: str, detector: str) -> Target:
    """The install seen through links. main: text before main.py's own. detector: the whole stand-in;
    `{original!r}` in it is the path of the real module."""
    root = Path(target.root)
    entry_point = root if root.is_file() else root / "main.py"
    folder.mkdir(parents=True)
    for entry in entry_point.parent.iterdir():
        if entry.name == entry_point.name:  # a linked main.py would put the real folder on sys.path
            shutil.copyfile(entry, folder / entry.name)
        elif entry.name != "facelib" and not entry.name.startswith("."):
            (folder / entry.name).symlink_to(entry)
    if main:
        path = folder / entry_point.name
        path.write_text(main + path.read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "facelib").mkdir()
    for entry in (entry_point.parent / "facelib").iterdir():
        if entry.name not in ("S3FDExtractor.py", "__pycache__"):
            (folder / "facelib" / entry.name).symlink_to(entry)
    original = str(entry_point.parent / "facelib" / "S3FDExtractor.py")
    stand_in = detector.replace("{original!r}", repr(original))
    (folder / "facelib" / "S3FDExtractor.py").write_text(stand_in, encoding="utf-8")
    arguments = ("--extractor", "dfl", "--dfl-root", str(folder), "--dfl-python", target.python)
    return replace(target, arguments=arguments, root=str(folder))


def hooked_real(target: Target, folder: Path, poison: str) -> Target:
    """A real DeepFaceLab with the stages. poison: the script's name of the frame that carries `MARK`."""
    indented = "".join(f"    {line}\n" if line else "\n" for line in _load().splitlines())
    detector = _DETECTOR.replace("{load}", _load()).replace("{mark!r}", repr(MARK))
    detector = detector.replace("{poison!r}", repr(poison))
    return linked_view(target, folder, _MAIN.format(load=indented), detector)


def hooked_builtin(target: Target, folder: Path) -> Target:
    """The built-in extractor with the stages."""
    folder.mkdir(parents=True)
    (folder / "sitecustomize.py").write_text(_BUILTIN.format(load=_load()), encoding="utf-8")
    return replace(target, env={"PYTHONPATH": str(folder)})
