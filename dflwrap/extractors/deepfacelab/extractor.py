"""The user's DeepFaceLab behind the contract of an extractor."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from dflwrap.common.plan import AttemptSpec
from dflwrap.extractors.base import ConsoleReader, Extractor, ExtractorInfo, Launch
from dflwrap.extractors.deepfacelab.command import build_launch, cuda_cache_folder
from dflwrap.extractors.deepfacelab.console import DflConsole
from dflwrap.extractors.deepfacelab.install import DflInstall
from dflwrap.extractors.deepfacelab.known_options import InstallOption
from dflwrap.extractors.deepfacelab.stock_environment import stock_environment


class DeepFaceLabExtractor(Extractor):
    """Drives an install through its own Python, under the agent, or as a black box.

    The agent ends with the process that started it; on Linux with the *thread* that did (the kernel's
    parent-death signal): launch it from one that lives as long as the attempt.
    """

    supported_fields = frozenset(
        {
            *("devices", "workers", "batch_size", "weights_on_cpu", "max_side", "threads"),
            *("startup_timeout", "frame_timeout", "env"),
        }
    )
    reports_frames = True

    def __init__(
        self,
        install: DflInstall,
        environ: Mapping[str, str] | None = None,
        known: Mapping[str, InstallOption] | None = None,
    ) -> None:
        """known: the options of this install, where it was asked for them."""
        self.install = install
        self._known = known
        self._environ = os.environ if environ is None else environ

    @property
    def cache_folder(self) -> Path:
        """The CUDA kernel cache: while it grows, silence is not a hang."""
        return cuda_cache_folder({**self._environ, **stock_environment(self.install, self._environ)})

    def info(self) -> ExtractorInfo:
        install = self.install
        facts = [f"{name} {value}" for name, value in install.facts.items() if name not in ("fork", "commit")]
        version = ", ".join([install.version, *facts])
        return ExtractorInfo(
            "deepfacelab",
            version,
            str(install.python),
            str(install.main.parent),
            install.why,
            install.title,
            numbers_as_driver="tensorflow-directml" not in install.facts,
        )

    def launch(self, spec: AttemptSpec, *, black_box: bool = False) -> Launch:
        return build_launch(self.install, spec, self._environ, black_box=black_box, known=self._known)

    def console(self) -> ConsoleReader:
        return DflConsole()
