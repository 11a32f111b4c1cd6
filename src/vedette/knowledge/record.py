"""What a source says about one id: the only thing that readers give and that the store keeps.

Several sources may speak about the same id (a CVE: its CNA, NVD, KEV, EPSS). Each keeps its own record; nothing is
overwritten, and who said what stays visible. Bodies are JSON; `decode` is strict and is used for bundles, too.
"""

from __future__ import annotations

from enum import StrEnum
from hashlib import blake2b
from typing import Literal, TypeAlias

import msgspec

from vedette.errors import RecordError


class Kind(StrEnum):
    TACTIC = "tactic"
    TECHNIQUE = "technique"  # sub-techniques, too
    GROUP = "group"
    SOFTWARE = "software"
    CAMPAIGN = "campaign"
    MITIGATION = "mitigation"
    DATA_SOURCE = "data-source"
    DATA_COMPONENT = "data-component"
    DETECTION = "detection-strategy"
    ANALYTIC = "analytic"
    WEAKNESS = "weakness"  # CWE
    CATEGORY = "category"  # CWE and CAPEC categories and views: not for mapping
    PATTERN = "attack-pattern"  # CAPEC
    COUNTERMEASURE = "countermeasure"  # D3FEND defensive technique
    ARTIFACT = "artifact"  # D3FEND digital artifact
    CONTROL = "control"  # NIST SP 800-53
    VULNERABILITY = "vulnerability"  # CVE
    ADVISORY = "advisory"  # GHSA, OSV
    RULE = "rule"  # Sigma
    ACTOR = "actor"  # MISP galaxy
    TOOL = "tool"  # MISP galaxy: malware, ransomware, tools
    WARNINGLIST = "warninglist"


class Rel(StrEnum):
    """Read as: the record `rel` the link's target. Every link is stated by the record's source."""

    CHILD_OF = "child-of"  # technique, weakness, pattern, countermeasure, artifact → its broader one
    MEMBER_OF = "member-of"  # technique → tactic; weakness → category; component → data source; analytic → strategy
    USES = "uses"  # group, campaign, software → technique, software
    ATTRIBUTED_TO = "attributed-to"  # campaign → group
    MITIGATES = "mitigates"  # mitigation, control → technique
    COUNTERS = "counters"  # countermeasure → technique
    DETECTS = "detects"  # detection strategy, rule → technique
    OBSERVES = "observes"  # analytic → data component
    TARGETS = "targets"  # pattern → weakness
    MAPS_TO = "maps-to"  # pattern → technique (taxonomy); mitigation → countermeasure; anything "the same idea"
    CAN_PRECEDE = "can-precede"  # weakness, pattern
    RELATED_TO = "related-to"  # peers; anything weaker than the rest
    HAS_WEAKNESS = "has-weakness"  # vulnerability → weakness
    ENABLES = "enables"  # vulnerability → technique; note says in which role
    ABOUT = "about"  # advisory, rule → vulnerability
    SAME_AS = "same-as"  # actor, tool → group, software; the source says that they are one
    TOUCHES = "touches"  # D3FEND: technique or countermeasure → digital artifact; note says how


class Status(StrEnum):
    ACTIVE = "active"
    DEPRECATED = "deprecated"
    REVOKED = "revoked"  # `replaced_by` says by which, where the source knows
    REJECTED = "rejected"  # a CVE that was withdrawn


class _Value(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    pass


class _Facts(_Value, frozen=True, tag=True, tag_field="facts"):  # `type` is a field of some
    pass


class Link(_Value, frozen=True):
    rel: Rel
    to: str
    note: str = ""  # who assigned it, in which role: short, a fact
    text: str = ""  # the publisher's sentence about this very link: a procedure example, how a mitigation helps


class Text(_Value, frozen=True):
    field: str  # "description", "detection", "consequences" …
    body: str


class TacticFacts(_Facts, frozen=True, tag="tactic"):
    short_name: str
    order: int  # in the domain's matrix, from 0


class TechniqueFacts(_Facts, frozen=True, tag="technique"):
    tactics: tuple[str, ...] = ()  # short names, in the order of the matrix
    platforms: tuple[str, ...] = ()


class SoftwareFacts(_Facts, frozen=True, tag="software"):
    type: str = ""  # "malware" or "tool" in ATT&CK; the cluster's name in MISP galaxy
    platforms: tuple[str, ...] = ()


class ActorFacts(_Facts, frozen=True, tag="actor"):
    country: str = ""  # ISO 3166 alpha-2, as attributed by the source
    first_seen: str = ""  # ISO date; of campaigns
    last_seen: str = ""
    sectors: tuple[str, ...] = ()


class LogSource(_Value, frozen=True):
    component: str  # id of the data component
    name: str  # "auditd:SYSCALL"
    channel: str = ""


class AnalyticFacts(_Facts, frozen=True, tag="analytic"):
    platforms: tuple[str, ...] = ()
    log_sources: tuple[LogSource, ...] = ()


class WeaknessFacts(_Facts, frozen=True, tag="weakness"):
    abstraction: str = ""  # Pillar, Class, Base, Variant, Compound
    structure: str = ""  # Simple, Chain, Composite
    likelihood: str = ""  # of exploit
    usage: str = ""  # Allowed, Allowed-with-Review, Discouraged, Prohibited: may CVEs be mapped to it?
    platforms: tuple[str, ...] = ()  # languages, operating systems, technologies
    views: tuple[str, ...] = ()  # ids of the views that hold it: CWE-1003 …


class PatternFacts(_Facts, frozen=True, tag="pattern"):
    abstraction: str = ""  # Meta, Standard, Detailed
    likelihood: str = ""
    severity: str = ""


class CountermeasureFacts(_Facts, frozen=True, tag="countermeasure"):
    tactic: str = ""  # Model, Harden, Detect, Isolate, Deceive, Evict, Restore


class Cvss(_Value, frozen=True):
    vector: str
    score: float | None = None
    by: str = ""  # who assigned it: "nvd@nist.gov", the CNA's short name …


class Ssvc(_Value, frozen=True):
    exploitation: str = ""  # none, poc, active
    automatable: str = ""  # yes, no
    impact: str = ""  # partial, total
    by: str = ""
    on: str = ""  # ISO date


class Kev(_Value, frozen=True):
    added: str  # ISO dates
    due: str = ""
    ransomware: bool = False  # known to be used in ransomware campaigns
    vendor: str = ""
    product: str = ""


class Epss(_Value, frozen=True):
    probability: float  # of exploitation in the next 30 days, 0..1
    percentile: float
    on: str = ""  # ISO date


class Affected(_Value, frozen=True):
    product: str  # vendor included: "Apache Software Foundation Apache Log4j2"; a CPE's vendor:product; a package
    versions: str = ""  # short, as "2.0-beta9 < 2.15.0"
    ecosystem: str = ""  # of packages: "Maven", "PyPI"


class VulnerabilityFacts(_Facts, frozen=True, tag="vulnerability"):
    cvss: tuple[Cvss, ...] = ()
    ssvc: Ssvc | None = None
    kev: Kev | None = None
    epss: Epss | None = None
    affected: tuple[Affected, ...] = ()  # at most 20
    references: tuple[str, ...] = ()  # addresses, at most 20
    severity: str = ""  # of advisories that have no vector


class RuleFacts(_Facts, frozen=True, tag="rule"):
    level: str = ""  # informational, low, medium, high, critical
    maturity: str = ""  # stable, test, experimental …
    product: str = ""
    category: str = ""
    service: str = ""


class ListFacts(_Facts, frozen=True, tag="list"):
    type: str = ""  # cidr, hostname, string, substring, regex
    matches: tuple[str, ...] = ()  # MISP attribute types
    values: tuple[str, ...] = ()


Facts: TypeAlias = (
    TacticFacts
    | TechniqueFacts
    | SoftwareFacts
    | ActorFacts
    | AnalyticFacts
    | WeaknessFacts
    | PatternFacts
    | CountermeasureFacts
    | VulnerabilityFacts
    | RuleFacts
    | ListFacts
)

Domain = Literal["", "enterprise", "mobile", "ics"]


class Record(_Value, frozen=True):
    """One id, as one source describes it. Ids are in the canonical spelling of `ids.canonical`."""

    id: str
    kind: Kind
    name: str = ""  # one line; "" where the source has none (most CVEs)
    domain: Domain = ""  # of ATT&CK
    status: Status = Status.ACTIVE
    replaced_by: str = ""
    published: str = ""  # ISO date, YYYY-MM-DD
    modified: str = ""
    aliases: tuple[str, ...] = ()  # other names that this source gives it
    facts: Facts | None = None
    texts: tuple[Text, ...] = ()
    links: tuple[Link, ...] = ()


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Record)


def encode(record: Record) -> bytes:
    """The same record gives the same bytes."""
    return _encoder.encode(record)


def decode(body: bytes) -> Record:
    """Raises RecordError that names the field."""
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise RecordError(f"not a knowledge record: {exc}", remedy="make the bundle again") from exc


def digest(body: bytes) -> bytes:
    """16 bytes that stand for a record's content."""
    return blake2b(body, digest_size=16).digest()
