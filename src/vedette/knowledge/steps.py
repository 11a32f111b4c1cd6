"""Which way a path may go: from what is wrong (vulnerability, weakness, actor) to what is done about it.

The table is the meaning of `knowledge path`. What it does not list is not walked: no way leads from one vulnerability
over its weakness to another, or from one technique over a group or a tactic to another. A walk takes the table in one
direction only, down or up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from vedette.knowledge.record import Kind, Rel

STATED = 1.0
WEAK = 1.5  # stated in passing: an example, an impact
REPLACED = 0.25  # more than stated: the link names an id that was replaced
INFERRED = 1.75  # always more than a stated step
GENERAL = {"Class": 0.5, "Pillar": 2.0}  # what a weakness of such an abstraction costs in addition: it says little


@dataclass(frozen=True, slots=True)
class Step:
    src: Kind
    rel: Rel
    forward: bool  # the record of `src` states the link; otherwise that of `dst`
    dst: Kind
    cost: float = STATED
    last: bool = False  # the way ends here (walked upwards: it starts here)

    @property
    def climbs(self) -> bool:
        return self.rel is Rel.CHILD_OF and self.src is self.dst


@dataclass(frozen=True, slots=True)
class Rule:
    """An inference: what makes a hop more than a link."""

    name: str
    text: str


TOWARDS, FROM = True, False
STEPS = (
    Step(Kind.ADVISORY, Rel.ABOUT, TOWARDS, Kind.VULNERABILITY),
    Step(Kind.ADVISORY, Rel.HAS_WEAKNESS, TOWARDS, Kind.WEAKNESS),
    Step(Kind.VULNERABILITY, Rel.HAS_WEAKNESS, TOWARDS, Kind.WEAKNESS),
    Step(Kind.VULNERABILITY, Rel.RELATED_TO, FROM, Kind.WEAKNESS, WEAK),  # CWE's observed examples
    Step(Kind.VULNERABILITY, Rel.RELATED_TO, TOWARDS, Kind.PATTERN, WEAK),  # an impact that the CNA names
    Step(Kind.VULNERABILITY, Rel.ENABLES, TOWARDS, Kind.TECHNIQUE),
    Step(Kind.WEAKNESS, Rel.CHILD_OF, TOWARDS, Kind.WEAKNESS, INFERRED),
    Step(Kind.WEAKNESS, Rel.TARGETS, FROM, Kind.PATTERN),
    Step(Kind.WEAKNESS, Rel.RELATED_TO, TOWARDS, Kind.PATTERN),
    Step(Kind.PATTERN, Rel.CHILD_OF, TOWARDS, Kind.PATTERN, INFERRED),
    Step(Kind.PATTERN, Rel.MAPS_TO, TOWARDS, Kind.TECHNIQUE),
    # who does it
    Step(Kind.ACTOR, Rel.SAME_AS, TOWARDS, Kind.GROUP),
    Step(Kind.ACTOR, Rel.SAME_AS, FROM, Kind.GROUP),
    Step(Kind.TOOL, Rel.SAME_AS, TOWARDS, Kind.SOFTWARE),
    Step(Kind.TOOL, Rel.SAME_AS, FROM, Kind.SOFTWARE),
    Step(Kind.ACTOR, Rel.USES, TOWARDS, Kind.TOOL),
    Step(Kind.GROUP, Rel.USES, TOWARDS, Kind.SOFTWARE),
    Step(Kind.CAMPAIGN, Rel.USES, TOWARDS, Kind.SOFTWARE),
    Step(Kind.GROUP, Rel.USES, TOWARDS, Kind.TECHNIQUE),
    Step(Kind.CAMPAIGN, Rel.USES, TOWARDS, Kind.TECHNIQUE),
    Step(Kind.SOFTWARE, Rel.USES, TOWARDS, Kind.TECHNIQUE),
    # what is done about it
    Step(Kind.TECHNIQUE, Rel.CHILD_OF, TOWARDS, Kind.TECHNIQUE, INFERRED),
    Step(Kind.TECHNIQUE, Rel.MITIGATES, FROM, Kind.MITIGATION),
    Step(Kind.TECHNIQUE, Rel.MITIGATES, FROM, Kind.CONTROL),
    Step(Kind.TECHNIQUE, Rel.COUNTERS, FROM, Kind.COUNTERMEASURE),
    Step(Kind.TECHNIQUE, Rel.TOUCHES, TOWARDS, Kind.ARTIFACT),  # these two together are one inferred hop
    Step(Kind.ARTIFACT, Rel.TOUCHES, FROM, Kind.COUNTERMEASURE),
    Step(Kind.MITIGATION, Rel.MAPS_TO, TOWARDS, Kind.COUNTERMEASURE),
    Step(Kind.CONTROL, Rel.MAPS_TO, TOWARDS, Kind.COUNTERMEASURE),
    # how it is seen
    Step(Kind.VULNERABILITY, Rel.ABOUT, FROM, Kind.RULE),
    Step(Kind.TECHNIQUE, Rel.DETECTS, FROM, Kind.RULE),
    Step(Kind.TECHNIQUE, Rel.DETECTS, FROM, Kind.DETECTION),
    Step(Kind.DETECTION, Rel.MEMBER_OF, FROM, Kind.ANALYTIC),
    Step(Kind.ANALYTIC, Rel.OBSERVES, TOWARDS, Kind.DATA_COMPONENT),
    Step(Kind.DATA_COMPONENT, Rel.MEMBER_OF, TOWARDS, Kind.DATA_SOURCE),
    # what it belongs to, and who uses it: no bridges
    Step(Kind.VULNERABILITY, Rel.ABOUT, FROM, Kind.ADVISORY, last=True),
    Step(Kind.WEAKNESS, Rel.MEMBER_OF, TOWARDS, Kind.CATEGORY, last=True),
    Step(Kind.WEAKNESS, Rel.CHILD_OF, TOWARDS, Kind.CATEGORY, last=True),
    Step(Kind.TECHNIQUE, Rel.MEMBER_OF, TOWARDS, Kind.TACTIC, last=True),
    Step(Kind.TECHNIQUE, Rel.USES, FROM, Kind.GROUP, last=True),
    Step(Kind.TECHNIQUE, Rel.USES, FROM, Kind.SOFTWARE, last=True),
    Step(Kind.TECHNIQUE, Rel.USES, FROM, Kind.CAMPAIGN, last=True),
    Step(Kind.CAMPAIGN, Rel.ATTRIBUTED_TO, TOWARDS, Kind.GROUP, last=True),
)
PARENT = {
    Kind.WEAKNESS: Rule("parent-weakness", "what exploits the broader weakness may exploit this case of it"),
    Kind.PATTERN: Rule("parent-pattern", "this pattern is a case of the broader one, with the same techniques"),
    Kind.TECHNIQUE: Rule("parent-technique", "what helps against the technique helps against its sub-techniques"),
}
SHARED_ARTIFACT = Rule("shared-artifact", "both touch {artifact}")
REPLACEMENT = Rule("replacement", "{old} was replaced by {new}")
INHERITED = {  # what the narrower one has from the broader one: the only steps after a climb
    Kind.WEAKNESS: {Kind.WEAKNESS, Kind.PATTERN},
    Kind.PATTERN: {Kind.PATTERN, Kind.TECHNIQUE},
    Kind.TECHNIQUE: {
        Kind.TECHNIQUE, Kind.MITIGATION, Kind.CONTROL, Kind.COUNTERMEASURE, Kind.ARTIFACT, Kind.DETECTION, Kind.RULE,
    },
}  # fmt: skip
ACTORS = {Kind.ACTOR, Kind.TOOL, Kind.GROUP, Kind.SOFTWARE, Kind.CAMPAIGN}
UP = tuple(replace(step, src=step.dst, dst=step.src, forward=not step.forward) for step in STEPS)

DEFENCE = frozenset({Kind.MITIGATION, Kind.COUNTERMEASURE, Kind.CONTROL})
WORDS: dict[str, frozenset[Kind]] = {  # what the end of a path may be called
    **{kind.value: frozenset({kind}) for kind in Kind},
    "mitigation": DEFENCE,
    "pattern": frozenset({Kind.PATTERN}),
    "detection": frozenset({Kind.DETECTION, Kind.RULE}),
    "cve": frozenset({Kind.VULNERABILITY}),
    "cwe": frozenset({Kind.WEAKNESS}),
    "capec": frozenset({Kind.PATTERN}),
    "d3fend": frozenset({Kind.COUNTERMEASURE}),
}


@cache
def useful(goals: frozenset[Kind], up: bool = False) -> tuple[Step, ...]:
    """The steps that lie on a way to one of the goals, walking down or up."""
    table = UP if up else STEPS
    found = goals if up else goals | {step.src for step in table if step.last and step.dst in goals}
    while fresh := {step.src for step in table if step.dst in found and not step.last} - found:
        found = found | fresh
    return tuple(step for step in table if step.dst in (goals if step.last and not up else found))


def leads(start: Kind, goals: frozenset[Kind], up: bool = False) -> bool:
    return any(step.src is start for step in useful(goals, up))
