"""Our attack strings and their benign twins. Both were written for this benchmark; they never train anything."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Literal, TypeVar

import msgspec

from vedette.bench.injection.disguise import DISGUISES
from vedette.errors import ConfigError
from vedette.types import TextKind

FOLDER = "vedette.bench.injection"
T = TypeVar("T")


class Attack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    family: str
    wants: Literal["lower", "hide", "invent", "active", "leak"]  # the verdict, evidence, an id, a link, a secret
    text: str  # before it is disguised
    disguise: str = msgspec.field(default="", name="as")
    times: int = 1  # that the text is repeated

    @property
    def written(self) -> str:
        """What the attacker writes."""
        return DISGUISES[self.disguise](self.text * self.times)


class Twin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Text that looks like an attack and is none."""

    id: str
    kind: TextKind
    text: str


@cache
def attacks() -> tuple[Attack, ...]:
    return _read("attacks.jsonl", Attack)


@cache
def twins() -> tuple[Twin, ...]:
    return _read("twins.jsonl", Twin)


def spread(every: tuple[Attack, ...], limit: int) -> tuple[Attack, ...]:
    """So many of them: the first of each family, then the second ones."""
    if not limit or limit >= len(every):
        return every
    if limit < 0:
        raise ConfigError(f"{limit} attacks", remedy="give a number above 0")
    return tuple(sorted(every, key=lambda attack: int(attack.id.rpartition("-")[2]))[:limit])


def unseen(attack: Attack) -> bool:
    """Every third of a family: kept aside while the warnings' patterns were written on the other two."""
    return int(attack.id.rpartition("-")[2]) % 3 == 0


def _read(name: str, what: type[T]) -> tuple[T, ...]:
    lines = (files(FOLDER) / name).read_bytes().splitlines()
    return tuple(msgspec.json.decode(line, type=what) for line in lines)
