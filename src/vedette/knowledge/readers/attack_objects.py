"""The objects of an ATT&CK bundle: what of each is read, and what a record says of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import msgspec

from vedette.knowledge.readers import day
from vedette.knowledge.readers.stix import Item, Relationship, from_markdown
from vedette.knowledge.record import (
    ActorFacts,
    AnalyticFacts,
    Facts,
    Kind,
    Link,
    LogSource,
    Rel,
    SoftwareFacts,
    TacticFacts,
    TechniqueFacts,
)


@dataclass(slots=True)
class Index:
    """What an object may ask about the others of its bundle."""

    ids: dict[str, str] = field(default_factory=dict)  # STIX id → ATT&CK's
    known: set[str] = field(default_factory=set)  # ATT&CK's ids
    tactics: dict[str, str] = field(default_factory=dict)  # short name → id, in the order of the matrices
    places: dict[str, int] = field(default_factory=dict)  # of the tactics in that order
    strategies: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))  # of an analytic

    def order(self, short_name: str) -> int:
        return self.places.get(short_name, len(self.places))


class Object(Item, kw_only=True):
    kind: ClassVar[Kind]
    form: ClassVar[str]  # of its id, as a regular expression
    deprecated: bool = msgspec.field(name="x_mitre_deprecated", default=False)
    platforms: list[str] = msgspec.field(name="x_mitre_platforms", default=[])

    def other_names(self) -> list[str]:
        return []

    def texts(self) -> Iterator[tuple[str, str]]:
        yield "description", from_markdown(self.description)

    def facts(self, index: Index) -> Facts | None:
        return None

    def links(self, index: Index) -> Iterator[Link]:
        """Those that the object itself states."""
        return iter(())


class Tactic(Object, kw_only=True):
    kind = Kind.TACTIC
    form = r"TA\d{4}"
    short_name: str = msgspec.field(name="x_mitre_shortname")

    def facts(self, index: Index) -> Facts:
        return TacticFacts(self.short_name, index.order(self.short_name))


class Phase(msgspec.Struct):
    phase_name: str


class Technique(Object, kw_only=True):
    kind = Kind.TECHNIQUE
    form = r"T\d{4}(?:\.\d{3})?"
    phases: list[Phase] = msgspec.field(name="kill_chain_phases", default=[])
    detection: str = msgspec.field(name="x_mitre_detection", default="")

    def texts(self) -> Iterator[tuple[str, str]]:
        yield from super().texts()
        yield "detection", from_markdown(self.detection)

    def tactics(self, index: Index) -> list[str]:
        return sorted({phase.phase_name for phase in self.phases}, key=lambda name: (index.order(name), name))

    def facts(self, index: Index) -> Facts:
        return TechniqueFacts(tuple(self.tactics(index)), tuple(self.platforms))

    def links(self, index: Index) -> Iterator[Link]:
        parent, dot, _ = index.ids[self.id].partition(".")
        if dot and parent in index.known:  # whether the bundle has the relationship or not
            yield Link(Rel.CHILD_OF, parent)
        for name in self.tactics(index):
            if tactic := index.tactics.get(name):
                yield Link(Rel.MEMBER_OF, tactic)


class Group(Object, kw_only=True):
    kind = Kind.GROUP
    form = r"G\d{4}"
    aliases: list[str] = []

    def other_names(self) -> list[str]:
        return self.aliases


class Campaign(Object, kw_only=True):
    kind = Kind.CAMPAIGN
    form = r"C\d{4}"
    aliases: list[str] = []
    first_seen: str = ""
    last_seen: str = ""

    def other_names(self) -> list[str]:
        return self.aliases

    def facts(self, index: Index) -> Facts:
        return ActorFacts(first_seen=day(self.first_seen), last_seen=day(self.last_seen))


class Software(Object, kw_only=True):
    kind = Kind.SOFTWARE
    form = r"S\d{4}"
    aliases: list[str] = msgspec.field(name="x_mitre_aliases", default=[])

    def other_names(self) -> list[str]:
        return self.aliases

    def facts(self, index: Index) -> Facts:
        return SoftwareFacts(self.type, tuple(self.platforms))


class Mitigation(Object, kw_only=True):
    kind = Kind.MITIGATION
    form = r"M\d{4}"


class DataSource(Object, kw_only=True):
    kind = Kind.DATA_SOURCE
    form = r"DS\d{4}"


class LogName(msgspec.Struct):
    name: str
    channel: str = ""


class Component(Object, kw_only=True):
    kind = Kind.DATA_COMPONENT
    form = r"DC\d{4}"
    source_ref: str = msgspec.field(name="x_mitre_data_source_ref", default="")
    logs: list[LogName] = msgspec.field(name="x_mitre_log_sources", default=[])

    def texts(self) -> Iterator[tuple[str, str]]:
        yield from super().texts()
        yield "log sources", _lines((log.name, log.channel) for log in self.logs)

    def links(self, index: Index) -> Iterator[Link]:
        if source := index.ids.get(self.source_ref):
            yield Link(Rel.MEMBER_OF, source)


class Strategy(Object, kw_only=True):
    kind = Kind.DETECTION
    form = r"DET\d{4}"
    analytics: list[str] = msgspec.field(name="x_mitre_analytic_refs", default=[])


class LogReference(LogName):
    component: str = msgspec.field(name="x_mitre_data_component_ref", default="")


class Tunable(msgspec.Struct):
    field: str
    description: str = ""


class Analytic(Object, kw_only=True):
    kind = Kind.ANALYTIC
    form = r"AN\d{4}"
    logs: list[LogReference] = msgspec.field(name="x_mitre_log_source_references", default=[])
    tunables: list[Tunable] = msgspec.field(name="x_mitre_mutable_elements", default=[])

    def texts(self) -> Iterator[tuple[str, str]]:
        yield from super().texts()
        yield "tuning", _lines((tunable.field, from_markdown(tunable.description)) for tunable in self.tunables)

    def facts(self, index: Index) -> Facts:
        logs = (LogSource(index.ids.get(log.component, ""), log.name, log.channel) for log in self.logs)
        return AnalyticFacts(tuple(self.platforms), tuple(logs))

    def links(self, index: Index) -> Iterator[Link]:
        for strategy in index.strategies[self.id]:
            yield Link(Rel.MEMBER_OF, strategy)
        for log in self.logs:
            if component := index.ids.get(log.component):
                yield Link(Rel.OBSERVES, component)


class Matrix(Item, kw_only=True):
    deprecated: bool = msgspec.field(name="x_mitre_deprecated", default=False)
    tactic_refs: list[str]


class Collection(Item, kw_only=True):
    release: str = msgspec.field(name="x_mitre_version")


TYPES: dict[str, type[msgspec.Struct]] = {
    "attack-pattern": Technique,
    "campaign": Campaign,
    "course-of-action": Mitigation,
    "intrusion-set": Group,
    "malware": Software,
    "relationship": Relationship,
    "tool": Software,
    "x-mitre-analytic": Analytic,
    "x-mitre-collection": Collection,
    "x-mitre-data-component": Component,
    "x-mitre-data-source": DataSource,
    "x-mitre-detection-strategy": Strategy,
    "x-mitre-matrix": Matrix,
    "x-mitre-tactic": Tactic,
}


def _lines(pairs: Iterable[tuple[str, str]]) -> str:
    return "\n".join(dict.fromkeys(": ".join(filter(None, pair)) for pair in pairs))
