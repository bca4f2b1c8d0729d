"""What fits what: a card, the CUDA of a build, a driver. The figures are data (fit.toml), each with its source.

Needs no log and no machine: `diagnose` fills its explanations from it, and a check of a machine may ask the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

TABLE = Path(__file__).parent / "fit.toml"

Version = tuple[int, ...]


class Fit(StrEnum):
    """How a card and a CUDA version go together."""

    FITS = "fits"
    CARD_TOO_NEW = "card too new"
    """The build has no code for the card; only translation by the driver may help."""
    CARD_TOO_OLD = "card too old"
    """That CUDA version has dropped the card."""


def version(text: str) -> Version:
    """ "450.80.02" as numbers that compare; () for a text without any."""
    return tuple(int(part) for part in re.findall(r"\d{1,6}", text))


@dataclass(frozen=True, slots=True)
class Generation:
    """Cards of one architecture."""

    name: str
    capability: tuple[str, ...]
    cards: re.Pattern[str]
    first_cuda: str
    last_cuda: str
    """Empty: every later version still knows it."""
    last_driver: str
    source: str


@dataclass(frozen=True, slots=True)
class Toolkit:
    """The least driver of a CUDA version, by system ("linux", "windows")."""

    cuda: str
    driver: dict[str, str]
    source: str


@dataclass(frozen=True, slots=True)
class Build:
    """Releases of TensorFlow or PyTorch that were built alike; all bounds are inclusive."""

    product: str
    versions: tuple[str, str]
    cuda: str
    cudnn: str
    python: tuple[str, str]
    sass: tuple[str, ...]
    """Compute capabilities that it holds machine code for; each is good for the later ones of its major version."""
    ptx: tuple[str, ...]
    """Compute capabilities whose code the driver can translate for every later card, at the first start."""
    source: str

    def holds(self, release: str) -> bool:
        return version(self.versions[0]) <= version(release)[:2] <= version(self.versions[1])


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of cards with releases, against what their compute capabilities say."""

    generations: tuple[str, ...]
    product: str
    versions: tuple[str, str]
    outcome: str
    reason: str
    source: str

    def holds(self, generation: str, product: str, release: str) -> bool:
        low, high = version(self.versions[0]), version(self.versions[1])
        return (
            generation in self.generations and product == self.product and low <= version(release)[:2] <= high
        )


@dataclass(frozen=True, slots=True)
class System:
    """What holds on an operating system."""

    id: str
    name: str
    rule: str
    last: tuple[str, str]
    """Product, and its last release that can use an NVIDIA card there; ("", "") without a limit."""
    driver: str
    """Whose smallest driver counts: "linux", "windows" or ""."""
    source: str


@dataclass(frozen=True, slots=True)
class DirectMl:
    """A release of TensorFlow that computes through DirectX 12, not through CUDA."""

    product: str
    least_capability: str
    """Of NVIDIA's cards; other makers' cards do as well."""
    systems: tuple[str, ...]
    source: str


@dataclass(frozen=True, slots=True)
class DflBuild:
    """A build of DeepFaceLab for Windows, known by its folder's name."""

    name: re.Pattern[str]
    cuda: str
    least_capability: str
    newest: str
    """The newest generation that it runs on."""
    source: str


@dataclass(frozen=True, slots=True)
class Table:
    """What fits what, as `fit.toml` has it."""

    generations: tuple[Generation, ...]
    toolkits: tuple[Toolkit, ...]
    builds: tuple[Build, ...]
    deepfacelab: tuple[DflBuild, ...]
    systems: tuple[System, ...]
    seen: tuple[Seen, ...]
    directml: tuple[DirectMl, ...]

    def generation_of(self, card: str) -> Generation | None:
        """The generation of a card by its name ("NVIDIA GeForce RTX 3060 Laptop GPU")."""
        return next((one for one in self.generations if one.cards.search(card)), None)

    def generation_for(self, capability: str) -> Generation | None:
        """The generation of a compute capability ("12.0")."""
        return next((one for one in self.generations if capability in one.capability), None)

    def first_cuda_of_family(self, card: Generation) -> str:
        """The first CUDA whose libraries know cards of this major compute capability: what they hold for one runs
        on its later ones."""
        major = version(card.capability[0])[0]
        family = [one.first_cuda for one in self.generations if version(one.capability[0])[0] == major]
        return min(family, key=version)

    def build(self, product: str, release: str) -> Build | None:
        """The row for a release ("2.4.0", "2.1.0+cu121") of a product. Of several CUDA versions that it comes with,
        the one that the release names counts, else the last of the table: PyPI's."""
        found = [one for one in self.builds if one.product == product and one.holds(release)]
        named = re.search(r"\+cu(\d{2,3})\b", release)
        if named:
            found = [one for one in found if one.cuda.replace(".", "") == named[1]]
        return found[-1] if found else None

    def system(self, name: str) -> System | None:
        """By id: "linux", "windows", "wsl", "macos"."""
        return next((one for one in self.systems if one.id == name), None)

    def deepfacelab_build(self, folder: str) -> DflBuild | None:
        """DeepFaceLab's build by its folder's name."""
        return next((one for one in self.deepfacelab if one.name.search(folder)), None)

    def least_driver(self, cuda: str, system: str) -> str:
        """The least driver for a CUDA version on "linux" or "windows"; "" where none is known."""
        row = next((one for one in self.toolkits if version(one.cuda)[:2] == version(cuda)[:2]), None)
        return "" if row is None else row.driver.get(system, "")

    def driver_does(self, driver: str, cuda: str, system: str) -> bool | None:
        """Whether a driver is new enough for a CUDA version; None where that is not known."""
        least = self.least_driver(cuda, system)
        return version(driver) >= version(least) if least and version(driver) else None


def card_and_cuda(generation: Generation, cuda: str) -> Fit:
    """How the cards of a generation go together with a CUDA version."""
    if version(cuda) < version(generation.first_cuda):
        return Fit.CARD_TOO_NEW
    if generation.last_cuda and version(cuda) > version(generation.last_cuda):
        return Fit.CARD_TOO_OLD
    return Fit.FITS


@lru_cache(maxsize=1)
def table() -> Table:
    """The table, read once."""
    import tomllib

    body = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return Table(
        tuple(
            Generation(
                row["name"], tuple(row["capability"]), re.compile(row["cards"], re.I), row["first_cuda"],
                row["last_cuda"], row["last_driver"], row["source"],
            )
            for row in body["generation"]
        ),
        tuple(Toolkit(row["cuda"], row["driver"], row["source"]) for row in body["toolkit"]),
        tuple(
            Build(
                row["product"], _pair(row["versions"]), row["cuda"], row["cudnn"], _pair(row["python"]),
                tuple(row["sass"]), tuple(row["ptx"]), row["source"],
            )
            for row in body["build"]
        ),
        tuple(
            DflBuild(re.compile(row["name"]), row["cuda"], row["least_capability"], row["newest"], row["source"])
            for row in body["deepfacelab"]
        ),
        tuple(
            System(
                row["id"], row["name"], row["rule"],
                (row["last"]["product"], row["last"]["version"]) if "last" in row else ("", ""),
                row["driver"], row["source"],
            )
            for row in body["system"]
        ),
        tuple(
            Seen(
                tuple(row["generations"]), row["product"], _pair(row["versions"]), row["outcome"], row["reason"],
                row["source"],
            )
            for row in body["seen"]
        ),
        tuple(
            DirectMl(row["product"], row["least_capability"], tuple(row["systems"]), row["source"])
            for row in body["directml"]
        ),
    )  # fmt: skip


def _pair(both: list[str]) -> tuple[str, str]:
    return both[0], both[1]
