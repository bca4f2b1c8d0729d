"""An optional part of dflwrap, as `dflwrap setup` installs it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """One call of pip."""

    what: str
    """For the user, with its size."""
    requirements: tuple[str, ...]
    dependencies: bool = True
    """False: the packages are wanted for files in them, and what they need themselves stays away."""
