"""Decoders that the tests of one file share: in this process each test would start its own, for 0.13 s of CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType

import pytest

from dflwrap.common.waits import never
from dflwrap.frames.conversion import Converter
from dflwrap.frames.decoder_child import SpareDecoders


@contextmanager
def shared_by(*modules: ModuleType) -> Iterator[None]:
    """modules: those of dflwrap that make converters."""
    with SpareDecoders() as shared, pytest.MonkeyPatch.context() as patch:

        def converter(stopping: Callable[[], bool] = never, _: SpareDecoders | None = None) -> Converter:
            return Converter(stopping, shared)

        for module in modules:
            patch.setattr(module, "Converter", converter)
        yield
