"""What came of one attack in one place, and of all of them."""

from __future__ import annotations

from dataclasses import dataclass

from vedette.bench.injection.judge import Gain


@dataclass(frozen=True, slots=True)
class Tried:
    """One attack in one place."""

    attack: str
    family: str
    format: str
    place: str
    gains: tuple[Gain, ...]
    calls: int = 0  # of the engine
    dropped: int = 0  # sentences of its answer
    claims: int = 0  # that were kept
