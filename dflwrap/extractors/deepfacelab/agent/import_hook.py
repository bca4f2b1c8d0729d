"""Changes a module right after Python has loaded it from disk, before its importer sees it."""
# mypy: ignore-errors

import importlib.abc
import importlib.util
import sys


class _Loader(importlib.abc.Loader):
    """The module's own loader, followed by a change."""

    def __init__(self, loader, change):
        self._loader, self._change = loader, change

    def __getattr__(self, name):
        return getattr(self._loader, name)

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        self._loader.exec_module(module)
        self._change(module)


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, name, change):
        self._name, self._change, self._busy = name, change, False

    def find_spec(self, name, path=None, target=None):
        if name != self._name or self._busy:
            return None
        self._busy = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._busy = False
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self._change)
        return spec


def after_import(name, change):
    """Call `change(module)` when module `name` has been executed; before anyone uses it."""
    sys.meta_path.insert(0, _Finder(name, change))
