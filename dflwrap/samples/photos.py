"""The two photographs, found by path in the installed packages that ship them.

Eileen Collins (NASA, in scikit-image) and Grace Hopper (US Navy, in matplotlib): works of the US
government, in the public domain. Neither package is imported: matplotlib alone takes a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dflwrap.common.errors import DflwrapError

Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Portrait:
    """One photograph and where its face is (measured by hand)."""

    package: str
    inside: str
    face: tuple[float, float]
    """Centre of the face, pixels."""
    eyes: float
    """Distance of the outer corners of the eyes, pixels."""

    def path(self) -> Path:
        """Where the photograph is. Raises DflwrapError when its package is not installed."""
        spec = find_spec(self.package)
        for folder in (spec.submodule_search_locations or []) if spec is not None else []:
            path = Path(folder, self.inside)
            if path.is_file():
                return path
        raise DflwrapError(
            f"the sample photograph {Path(self.inside).name} is missing: "
            "install what the samples need with: dflwrap setup samples"
        )

    def load(self) -> Image:
        """The photograph as BGR. Raises DflwrapError where the package is not installed."""
        image: Any = cv2.imdecode(np.frombuffer(self.path().read_bytes(), np.uint8), cv2.IMREAD_COLOR)
        if image is None:
            raise DflwrapError(f"the sample photograph {self.path()} cannot be read")
        return np.asarray(image, np.uint8)


ASTRONAUT = Portrait("skimage", "data/astronaut.png", (225.0, 112.0), 66.0)
HOPPER = Portrait("matplotlib", "mpl-data/sample_data/grace_hopper.jpg", (268.0, 220.0), 140.0)
