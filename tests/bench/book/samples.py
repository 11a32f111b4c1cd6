"""What the small store of these tests holds, and what of it the book leaves out."""

from __future__ import annotations

from pathlib import Path

from vedette.knowledge.build import Batch
from vedette.knowledge.record import (
    Kind,
    Link,
    PatternFacts,
    Record,
    Rel,
    TechniqueFacts,
    Text,
    digest,
    encode,
)
from vedette.knowledge.unit import Unit, content_hash


def told(field: str, body: str) -> tuple[Text, ...]:
    return (Text(field, body),)


def pattern(uid: str, name: str, likelihood: str, severity: str, texts: tuple[Text, ...], parent: str = "") -> Record:
    links = (Link(Rel.CHILD_OF, parent),) if parent else ()
    facts = PatternFacts(likelihood=likelihood, severity=severity)
    return Record(uid, Kind.PATTERN, name, facts=facts, texts=texts, links=links)


CAPEC = [
    pattern(
        "CAPEC-1001", "Lantern Swap", "High", "Low",
        (*told("description", "The lantern of a guard is exchanged for another one."),
         *told("consequences", "Guards walk into the ditch. High grass, low light."),
         *told("mitigations", "Chain each lantern to its post.")),
        parent="CAPEC-1002",
    ),
    pattern(
        "CAPEC-1002", "Object Exchange", "Low", "High",
        (*told("description", "A thing is exchanged while nobody looks at it."),
         *told("mitigations", "Paint a number on all that matters. Guards count lanterns and ropes in the ditch.")),
    ),
]  # fmt: skip


def technique(uid: str, name: str, description: str, *links: Link) -> Record:
    facts = TechniqueFacts(tactics=("entry",), platforms=("Castles", "Ships"))
    return Record(
        uid, Kind.TECHNIQUE, name, "enterprise", facts=facts, texts=told("description", description), links=links
    )


ENTERPRISE = [
    technique("T1901", "Moat Diving", "Swimmers cross below the bridge."),
    technique("T1902", "Moat Diving By Barrel", "A barrel hides the swimmer.", Link(Rel.CHILD_OF, "T1901")),
    Record(
        "M1901", Kind.MITIGATION, "Nets", texts=told("description", "Mesh under water."),
        links=(Link(Rel.MITIGATES, "T1901", text="Hang mesh from pillars so that nobody passes."),),
    ),
    Record("M1902", Kind.MITIGATION, "Dogs", texts=told("description", "They bark at swimmers who cross the bridge.")),
    Record(
        "G1901", Kind.GROUP, "Grey Otters", aliases=("Wet Paws",), texts=told("description", "River smugglers, amber."),
        links=(Link(Rel.USES, "S1901"),),
    ),
    Record("G1902", Kind.GROUP, "Tin Foxes", texts=told("description", "They smuggle pepper over mountains by night.")),
    Record("S1901", Kind.SOFTWARE, "ReedPipe", texts=told("description", "A hollow stem to breathe through.")),
    Record("S1902", Kind.SOFTWARE, "Rope", texts=told("description", "Holds.")),
    Record(
        "C1901", Kind.CAMPAIGN, "Salt Night", texts=told("description", "Bells were muffled with wool."),
        links=(Link(Rel.ATTRIBUTED_TO, "G1902"),),
    ),
]  # fmt: skip
MOBILE = [technique("T1901", "Moat Diving", "Swimmers cross below the bridge.")]
RULES = [Record("sigma:1", Kind.RULE, "Moat Diving seen", texts=told("description", "Ripples on the moat."))]
CVES = [
    Record(
        "CVE-2026-0001", Kind.VULNERABILITY, texts=told("description", "Moat Diving through a drain."),
        links=(Link(Rel.ENABLES, "T1901"),),
    )
]  # fmt: skip


def batch(source: str, part: str, records: list[Record]) -> Batch:
    bodies = [encode(record) for record in records]
    content, n = content_hash(map(digest, bodies)), len(bodies)
    unit = Unit(source, part, "1", "", "2026-01-01", {}, n, n, {}, {}, content)
    return Batch(unit, lambda: iter(bodies), Path(source))
