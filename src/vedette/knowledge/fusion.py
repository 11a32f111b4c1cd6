"""From found passages to entries: which entries a passage speaks for, and how ranked lists become one.

A passage speaks for its own entry, for the other end of the link that it is about, and, less loudly, for what its
entry is linked to by meaning: a CVE for its weakness, a Sigma rule for its technique. So fifty CVEs that read like the
question name the weakness that none of them spells out. Each list gives 1 / (RRF + place) a passage, as reciprocal-rank
fusion does; an entry's passages are combined by a power mean's sum, so that many weak ones do not beat a good one.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from vedette.knowledge.chunk import NAME
from vedette.knowledge.record import Kind, Rel

RRF = 10  # damps the first places; smaller than usual, as each list holds many passages of one entry
POWER = 1.5
LISTS = {"words": 1.0, "vectors": 1.0, "names": 1.0, "links": 0.5, "experts": 0.5}
NAME_SPEAKS = 0.3
CERTAIN = 10.0  # more than all lists together
SEEDS = 8  # best entries, whose neighbours of the wanted kinds are looked at
OTHER_END = 0.6  # a procedure is first about the technique, then about who used it
LINKED = 0.5
CROWDED = 1_000  # CVEs of a weakness; the vote for one with many more counts less, as it gets many by chance
ASKED_FOR = 2.5  # a kind that the question names
# Kinds whose entries repeat others' or serve machines.
MINOR = dict.fromkeys((Kind.RULE, Kind.TOOL, Kind.ADVISORY, Kind.ARTIFACT, Kind.ANALYTIC, Kind.CATEGORY), 0.5)
MINOR |= {Kind.ACTOR: 0.6, Kind.WARNINGLIST: 0.3}

VOTES: dict[Rel, frozenset[Kind]] = {  # the passage's entry is of one of these kinds
    Rel.HAS_WEAKNESS: frozenset({Kind.VULNERABILITY}),
    Rel.DETECTS: frozenset({Kind.RULE, Kind.DETECTION}),
    Rel.ABOUT: frozenset({Kind.RULE, Kind.ADVISORY}),
    Rel.ENABLES: frozenset({Kind.VULNERABILITY}),
    Rel.MEMBER_OF: frozenset({Kind.ANALYTIC}),
    Rel.TARGETS: frozenset({Kind.PATTERN}),
    Rel.MAPS_TO: frozenset({Kind.PATTERN, Kind.MITIGATION}),
}
SPEAKS_FOR: dict[Kind, frozenset[Kind]] = {  # whose passages are of use where only some kinds are wanted
    Kind.TECHNIQUE: frozenset({Kind.GROUP, Kind.SOFTWARE, Kind.CAMPAIGN, Kind.MITIGATION, Kind.RULE, Kind.PATTERN}),
    Kind.SOFTWARE: frozenset({Kind.GROUP, Kind.CAMPAIGN}),
    Kind.GROUP: frozenset({Kind.SOFTWARE, Kind.CAMPAIGN, Kind.TECHNIQUE}),
    Kind.WEAKNESS: frozenset({Kind.VULNERABILITY, Kind.PATTERN}),
    Kind.PATTERN: frozenset({Kind.WEAKNESS}),
    Kind.MITIGATION: frozenset({Kind.TECHNIQUE}),
    Kind.CONTROL: frozenset({Kind.TECHNIQUE, Kind.MITIGATION}),
    Kind.COUNTERMEASURE: frozenset({Kind.MITIGATION, Kind.TECHNIQUE}),
    Kind.DETECTION: frozenset({Kind.ANALYTIC, Kind.TECHNIQUE}),
    Kind.DATA_COMPONENT: frozenset({Kind.ANALYTIC}),
}
NEIGHBOURS: frozenset[Rel] = frozenset(  # what a neighbour of a wanted kind may be linked by
    {Rel.MITIGATES, Rel.COUNTERS, Rel.DETECTS, Rel.USES, Rel.TARGETS, Rel.OBSERVES, Rel.MAPS_TO, Rel.HAS_WEAKNESS}
)
_ASKED = {
    Kind.WEAKNESS: r"\bcwe|weakness",
    Kind.CONTROL: r"\bnist\b|\bcontrols?\b|800-53",
    Kind.GROUP: r"\bapts?\d*\b|\bgroups?\b|\bactors?\b|\bgangs?\b|\bcrew\b|\bwho\b|spies|hackers",
    Kind.SOFTWARE: r"malware|\bworms?\b|\brats?\b|trojan|ransomware|backdoor|stealer|botnet|loader|implant|\btools?\b",
    Kind.MITIGATION: r"mitigat|prevent|\bstop\b|\bblock|harden|protect|restrict|\blimit\b|avoid|defen[cds]|enforce",
    Kind.COUNTERMEASURE: r"d3fend|detect|decoy|honeypot|prevent|\bblock|harden|isolat|\bcatch\b",
    Kind.DETECTION: r"detect|\bhunt|\bcatch\b|\bspot\b",
    Kind.DATA_COMPONENT: r"\blogs?\b|telemetry|event id|data source|sysmon",
    Kind.VULNERABILITY: r"\bcves?\b|\bvuln|zero.?day|\bpatch",
    Kind.PATTERN: r"attack pattern|\bcapec",
    Kind.TECHNIQUE: r"\btechnique|\bttps?\b|att&ck",
}
ASKED = {kind: re.compile(words) for kind, words in _ASKED.items()}


def asked_for(question: str) -> set[Kind]:
    """Kinds that the question names."""
    lowered = question.lower()
    return {kind for kind, words in ASKED.items() if words.search(lowered)}


@dataclass(frozen=True, slots=True)
class Place:
    """A passage in a ranked list, as the database has it."""

    passage: int
    record: int
    field: str
    start: int
    end: int
    uid: str
    kind: Kind
    about: str = ""  # the other end of the link that it is about


@dataclass(slots=True)
class Candidate:
    uid: str
    score: float = 0.0
    ranks: dict[str, int] = field(default_factory=dict)  # list → place in it, from 1
    place: Place | None = None  # the passage that speaks loudest


class Fusion:
    """Collects ranked lists. `links`: (rel, target) of a record, for those in VOTES; `crowds`: CVEs of a weakness."""

    def __init__(self, links: dict[int, list[tuple[Rel, str]]], crowds: Callable[[str], int]) -> None:
        self._links, self._crowds = links, crowds
        self._found: dict[str, Candidate] = {}
        self._loudest: dict[str, float] = {}
        self.kinds: dict[str, Kind] = {}  # of entries whose own passages were found

    def add(self, name: str, lists: Iterable[Sequence[Place]]) -> None:
        """What one way to search gave, in parts that were ranked apart."""
        shares: dict[str, list[float]] = defaultdict(list)
        for places in lists:
            for rank, place in enumerate(places, 1):
                self.kinds[place.uid] = place.kind
                for uid, share in self._speaks(place):
                    self._note(uid, share / (RRF + rank), place)
                    shares[uid].append(share / (RRF + rank))
        self._rank(name, {uid: sum(s**POWER for s in given) ** (1 / POWER) for uid, given in shares.items()})

    def add_names(self, ids: Sequence[str], named: Sequence[str]) -> None:
        """`ids` stand in the question themselves: they come first, and speak for themselves."""
        self._rank("names", {uid: 1 / (RRF + rank) for rank, uid in enumerate(dict.fromkeys((*ids, *named)), 1)})
        for uid in ids:
            self._found[uid].score += CERTAIN
            self._found[uid].place = None

    def add_experts(self, named: Iterable[Sequence[tuple[str, float]]]) -> None:
        """What the experts read in the question, in lists that were ranked apart: the surer, the louder."""
        self._rank("experts", {uid: p / (RRF + rank) for part in named for rank, (uid, p) in enumerate(part, 1)})

    def add_neighbours(self, found: Iterable[tuple[str, str]]) -> None:
        """(seed, neighbour) pairs: each seed speaks for its neighbours as loudly as it was found itself."""
        place = {seed: rank for rank, seed in enumerate(self.seeds(), 1)}
        scores: dict[str, float] = defaultdict(float)
        for seed, uid in dict.fromkeys(found):
            scores[uid] += 1 / (RRF + place[seed])
        self._rank("links", scores)

    def seeds(self) -> list[str]:
        return sorted(self._found, key=lambda uid: (-self._found[uid].score, uid))[:SEEDS]

    def best(self, asked: Container[Kind], kind_of: Callable[[str], Kind | None]) -> Iterator[Candidate]:
        """Best first, equal ones in the order of their ids."""
        for candidate in self._found.values():
            kind = kind_of(candidate.uid)
            candidate.score *= (MINOR.get(kind, 1.0) if kind else 0.0) * (ASKED_FOR if kind in asked else 1.0)
        return iter(sorted((c for c in self._found.values() if c.score), key=lambda c: (-c.score, c.uid)))

    @property
    def uids(self) -> list[str]:
        return list(self._found)

    def _speaks(self, place: Place) -> Iterator[tuple[str, float]]:
        if place.about:
            yield place.about, 1.0
            yield place.uid, OTHER_END
            return
        yield place.uid, 1.0
        for rel, target in self._links.get(place.record, ()):
            if place.kind in VOTES[rel]:
                crowd = self._crowds(target) if rel is Rel.HAS_WEAKNESS else 0
                yield target, LINKED * float((CROWDED / (CROWDED + crowd)) ** 0.5)

    def _note(self, uid: str, share: float, place: Place) -> None:
        if place.field == NAME:
            share *= NAME_SPEAKS  # a text tells more about why
        if share > self._loudest.get(uid, 0.0):
            self._loudest[uid] = share
            self._found.setdefault(uid, Candidate(uid)).place = place

    def _rank(self, name: str, scores: dict[str, float]) -> None:
        ordered = sorted(scores, key=lambda uid: (-scores[uid], uid))
        for rank, uid in enumerate(ordered, 1):
            candidate = self._found.setdefault(uid, Candidate(uid))
            candidate.ranks[name] = rank
            candidate.score += LISTS[name] * scores[uid]
