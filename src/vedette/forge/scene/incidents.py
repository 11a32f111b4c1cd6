"""Incidents of a kind, with what is done in each phase. `incidents.toml` holds the facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

from pydantic import RootModel

from vedette.config import Settings, load_toml
from vedette.forge.scene import cast

PHASES = ("identify", "contain", "eradicate", "recover")
NAMES = {"identify": "Identification", "contain": "Containment", "eradicate": "Eradication", "recover": "Recovery"}


class IncidentKind(Settings):
    name: str
    signs: tuple[str, ...]
    identify: tuple[str, ...]
    contain: tuple[str, ...]
    eradicate: tuple[str, ...]
    recover: tuple[str, ...]
    evidence: tuple[str, ...]
    tell: tuple[str, ...]
    mistakes: tuple[tuple[str, str], ...]  # what, why not

    def steps(self, phase: str) -> tuple[str, ...]:
        found: tuple[str, ...] = getattr(self, phase)
        return found


class _Kinds(RootModel[dict[str, IncidentKind]]):
    pass


@cache
def kinds() -> Mapping[str, IncidentKind]:
    return load_toml(Path(__file__).with_name("incidents.toml"), _Kinds).root


@dataclass(frozen=True, slots=True)
class Incident:
    kind: str
    slots: Mapping[str, str]
    sign: str
    report: str  # who saw it where and when, with the sign

    @property
    def about(self) -> IncidentKind:
        return kinds()[self.kind]

    def told(self, text: str) -> str:
        for slot, value in self.slots.items():
            text = text.replace("{" + slot + "}", value)
        return text

    def steps(self, phase: str) -> list[str]:
        return [self.told(step) for step in self.about.steps(phase)]


AT_A_DESK = ("stolen-laptop", "malware", "insider", "phishing", "mail-fraud", "ot")
KNOWN = {"host": "machine", "user": "account", "source": "outside address", "domain": "domain"}


def incident(rng: Random, kind: str = "") -> Incident:
    kind = kind or rng.choice(list(kinds()))
    slots = {
        "host": (cast.desk if kind in AT_A_DESK else cast.server)(rng),
        "user": cast.person(rng),
        "source": cast.outside(rng),
        "domain": cast.domain(rng),
    }
    blank = Incident(kind, slots, "", "")
    sign = blank.told(rng.choice(blank.about.signs))
    firm, when = rng.choice(cast.FIRMS), cast.moment(rng)
    start = rng.choice(
        [
            f"{firm}, {when:%Y-%m-%d %H:%M}",
            f"A call from {firm} at {when:%H:%M}",
            f"{firm}, reported on {when:%Y-%m-%d} by the help desk",
        ]
    )
    return Incident(kind, slots, sign, f"{start}: {sign}. Concerned: {', '.join(_known(blank))}.")


def _known(one: Incident) -> list[str]:
    """Whatever an answer may name; it stands in the report, so that nothing has to be made up."""
    everything = str(one.about.model_dump())
    return [f"{name} {one.slots[slot]}" for slot, name in KNOWN.items() if "{" + slot + "}" in everything]
