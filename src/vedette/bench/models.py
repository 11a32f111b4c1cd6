"""Models that need no server: the shipped experts, and answers that cost nothing, to compare with.

Each answers an item with a reply as a language model would give it: its last line is the answer; an empty one is none.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Protocol

from vedette.bench.items import Item, Kind
from vedette.bench.scoring import base_score
from vedette.experts import Experts
from vedette.experts.domain import AUTO
from vedette.experts.labels import METRICS, Convention
from vedette.registry import Registry

NONE = ""


class Reply(str):
    """A reply that tells its probability, too."""

    __slots__ = ("probability",)

    def __new__(cls, text: str, probability: float) -> Reply:
        made = super().__new__(cls, text)
        made.probability = probability
        return made

    probability: float


class Model(Protocol):
    """`name` tells version and weights, so that two runs can be told apart."""

    name: str

    def answer(self, item: Item) -> str: ...

    def reads_on(self, kind: Kind) -> bool:
        """Whether it looks such answers up in reference works, which makes it a protocol of its own."""
        ...

    def close(self) -> None: ...


class Closed:
    """A model that looks nothing up."""

    def reads_on(self, _: Kind) -> bool:
        return False

    def close(self) -> None:
        pass


class Shipped(Closed):
    """The experts, asked by NVD's habits, which the benchmarks' truth follows. What they do not know they leave out."""

    def __init__(self, weights: str | Path | None = None) -> None:
        self._experts = Experts.load(Path(weights) if weights else None)
        self.name = self._experts.name
        self._ways: dict[Kind, Callable[[Item], str]] = {
            Kind.WEAKNESS: self._weakness, Kind.VECTOR: self._vector, Kind.SCORE: self._score,
            Kind.TECHNIQUE: self._technique, Kind.TECHNIQUES: self._techniques,
        }  # fmt: skip

    def answer(self, item: Item) -> str:
        way = self._ways.get(item.kind)
        return way(item) if way else NONE

    def _weakness(self, item: Item) -> str:
        (found,) = self._experts.weakness([item.text], convention=Convention.NVD)
        return Reply(found.candidates[0].id, found.candidates[0].probability) if found.candidates else NONE

    def _vector(self, item: Item) -> str:
        (found,) = self._experts.severity([item.text], convention=Convention.NVD)
        return Reply(found.vector, found.probability)

    def _score(self, item: Item) -> str:
        """Of a vector that is given: arithmetic."""
        found = base_score(item.text)
        return NONE if found is None else f"{found:.1f}"

    def _techniques(self, item: Item) -> str:
        (found,) = self._experts.techniques([item.text], domain=item.domain or AUTO)
        return ", ".join(dict.fromkeys(technique.id.partition(".")[0] for technique in found.found))

    def _technique(self, item: Item) -> str:
        """The likeliest, whatever the threshold."""
        (found,) = self._experts.techniques([item.text], domain=item.domain or AUTO)
        best = max((*found.found, *found.considered), key=lambda technique: technique.probability, default=None)
        return Reply(best.id.partition(".")[0], best.probability) if best else NONE


class Constant(Closed):
    """The same answer to every item: of two letters often right the better known one, the commonest weakness …"""

    name = "constant"

    def answer(self, item: Item) -> str:
        if item.kind in (Kind.CHOICE, Kind.CHOICES):
            return "C" if "C" in item.letters else item.letters[:1]
        return CONSTANT[item.kind]


CONSTANT: dict[Kind, str] = {
    Kind.WEAKNESS: "CWE-79",
    Kind.VECTOR: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H",  # 7.5
    Kind.SCORE: "7.5",
    Kind.TECHNIQUE: "T1059",
    Kind.TECHNIQUES: "T1059, T1071, T1082, T1105, T1027",
    Kind.MITIGATIONS: "M1038, M1042",
    Kind.ACTOR: "APT28",
    Kind.PROSE: "Successful exploitation of this vulnerability could allow an attacker to execute arbitrary code.",
}


class Chance(Closed):
    """Blind, but never the same way: a right kind of answer drawn by the item's id."""

    def __init__(self, seed: int = 20) -> None:
        self.name, self._seed = f"chance {seed}", seed
        self._labels = Experts.load().labels

    def answer(self, item: Item) -> str:
        rng = Random(f"{self._seed} {item.id}")
        if item.kind is Kind.CHOICE:
            return rng.choice(item.letters[: len(item.choices)])
        if item.kind is Kind.CHOICES:
            return "".join(letter for letter in item.letters if rng.random() < 0.5) or rng.choice(item.letters)
        if item.kind is Kind.WEAKNESS:
            return rng.choice(self._labels.weaknesses)
        if item.kind in (Kind.TECHNIQUE, Kind.TECHNIQUES):
            known = sorted({name.partition(".")[0] for name in self._labels.techniques})
            return ", ".join(rng.sample(known, 1 if item.kind is Kind.TECHNIQUE else 6))
        if item.kind is Kind.VECTOR:
            return "CVSS:3.1/" + "/".join(f"{name}:{rng.choice(values)}" for name, values in METRICS.items())
        return CONSTANT[item.kind]


MODELS: Registry[Callable[[], Model]] = Registry(
    "embedded model",
    {
        "experts": "vedette.bench.models:Shipped",
        "open-book": "vedette.bench.open_book:OpenBook",
        "embedded": "vedette.bench.open_book:Together",
        "constant": "vedette.bench.models:Constant",
        "chance": "vedette.bench.models:Chance",
    },
)
