"""What the encoder learns from: documents, and queries that should find them, made from the structure of the records.

Every text passes `Guard` first: nothing that touches a benchmark item is learned from.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from zlib import crc32

from vedette.knowledge.chunk import spans
from vedette.knowledge.record import Kind, Record, Rel, Status
from vedette.overlap import GRAM, benchmark_items, cve_ids, words

_CITATION = re.compile(r"\(Citation: [^)]*\)")
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_TAG = re.compile(r"<[^<>]{1,80}>")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_SOFTWARE = re.compile(rb"/software/(S\d{4})")

MANY = 120  # queries of one kind that one document may have
SHORTEST = 3  # words of a text worth learning from
FIELDS = {
    "description",
    "extended description",
    "consequences",
    "mitigations",
    "detection",
    "shortDescription",
    "article",
}
HELD_OUT = 16  # one source of so many never trains: its queries measure

TEMPLATES: dict[Kind, tuple[str, ...]] = {
    Kind.TECHNIQUE: (
        "{}", "how do attackers use {}", "detect {}", "how to detect {}", "attacker uses {}", "adversary {} technique",
        "which technique is {}", "evidence of {} on a host", "prevent {}", "we saw {} in the logs",
    ),
    Kind.WEAKNESS: (
        "{}", "what is {}", "{} vulnerability", "code has {}", "how to fix {}", "bug class {}", "flaw: {}",
    ),
    Kind.PATTERN: ("{}", "{} attack", "how does {} work", "attacker tries {}"),
    Kind.MITIGATION: ("{}", "how to {}", "mitigate with {}", "defend by {}", "best practice {}"),
    Kind.COUNTERMEASURE: ("{}", "what is {}", "defend with {}", "countermeasure {}"),
    Kind.CONTROL: ("{}", "control for {}", "policy on {}"),
    Kind.GROUP: ("{}", "who is {}", "what is {} known for", "activity of {}", "{} threat actor"),
    Kind.ACTOR: ("{}", "who is {}", "what is {} known for", "activity of {}", "{} threat actor"),
    Kind.SOFTWARE: ("{}", "what does {} do", "{} malware", "capabilities of {}", "we found {} on a machine"),
    Kind.TOOL: ("{}", "what does {} do", "{} malware", "capabilities of {}", "we found {} on a machine"),
    Kind.RULE: ("{}", "detect {}", "rule for {}", "alert on {}"),
    Kind.VULNERABILITY: ("{}", "is {} exploited", "details of {}", "patch for {}"),
}  # fmt: skip
PLAIN = ("{}", "what is {}")


@dataclass(frozen=True, slots=True)
class Pair:
    query: str
    document: str  # id
    kind: str  # what stated it, for balance


@dataclass(slots=True)
class Corpus:
    """`documents`: id → its texts: name and description, description alone, then passages as the store cuts them."""

    documents: dict[str, list[str]] = field(default_factory=dict)
    kinds: dict[str, Kind] = field(default_factory=dict)
    pairs: list[Pair] = field(default_factory=list)
    held_out: list[Pair] = field(default_factory=list)  # of other groups, software, reports, CVEs
    cves: dict[str, str] = field(default_factory=dict)  # descriptions
    software: int = 0  # held out, as a benchmark rewrites their pages
    dropped: Counter[str] = field(default_factory=Counter)

    def texts(self) -> list[str]:
        """All that is learned from, sorted and each once."""
        found = {text for texts in self.documents.values() for text in texts}
        found.update(pair.query for pair in self.pairs)
        found.update(self.cves.values())
        return sorted(found)


class Guard:
    """Lets through what no benchmark item holds: sentence by sentence, and the whole text again."""

    def __init__(self, benchmarks: Path) -> None:
        self.ids: set[str] = set()
        self.dropped: Counter[str] = Counter()
        self._texts: set[str] = set()
        self._grams: set[int] = set()
        for _, texts in benchmark_items(benchmarks):
            for text in texts:
                tokens = words(text)
                self.ids |= cve_ids(text)
                self._texts.add(" ".join(tokens))
                self._grams.update(_grams(tokens))
        found = (_SOFTWARE.findall(path.read_bytes()) for path in sorted(benchmarks.rglob("cti-ate.tsv")))
        self.software = {match.decode() for matches in found for match in matches}

    def touches(self, text: str) -> str:
        """ "id", "text", "gram", or "" where the text is clean. One shared 13-gram is enough."""
        if "-" in text and self.ids & cve_ids(text):
            return "id"
        tokens = words(text)
        if tokens and " ".join(tokens) in self._texts:
            return "text"
        return "gram" if not self._grams.isdisjoint(_grams(tokens)) else ""

    def clean(self, text: str) -> str:
        """Without the sentences that touch an item; "" where what is left is too short or still touches one."""
        text = plain(text)
        if why := self.touches(text):
            self.dropped[why] += 1
            text = " ".join(s for s in _SENTENCE.split(text) if not self.touches(s))
            if self.touches(text):
                return ""
        return text if len(words(text)) >= SHORTEST else ""


def _grams(tokens: Sequence[str]) -> Iterator[int]:
    return (hash(tuple(tokens[i : i + GRAM])) for i in range(len(tokens) - GRAM + 1))


def plain(text: str) -> str:
    """Without citations, link targets and tags."""
    return " ".join(_TAG.sub(" ", _LINK.sub(r"\1", _CITATION.sub("", text))).split())


class Builder:
    """Collects documents and pairs from records; `finish` resolves and balances them."""

    def __init__(self, guard: Guard, rng: Random, cves: int) -> None:
        self._guard, self._rng, self._wanted = guard, rng, cves
        self._corpus = Corpus()
        self._cves: dict[str, tuple[str, tuple[str, ...]]] = {}  # description, weaknesses

    def _pair(self, query: str, document: str, kind: str, source: str = "") -> None:
        """`source`: whose words the query is; all that it says is learned from, or none of it."""
        held = source and crc32(source.encode()) % HELD_OUT == 0
        (self._corpus.held_out if held else self._corpus.pairs).append(Pair(query, document, kind))

    def add(self, record: Record) -> None:
        if record.id in self._guard.software:
            self._corpus.software += 1
            return
        if record.status in (Status.REVOKED, Status.REJECTED):
            self._corpus.dropped["withdrawn"] += 1
            return
        if record.kind is Kind.VULNERABILITY:
            self._add_cve(record)
        elif record.kind is not Kind.WARNINGLIST:
            self._add_document(record)
            self._add_links(record)

    def _add_cve(self, record: Record) -> None:
        if record.id in self._guard.ids or not record.texts:
            self._corpus.dropped["benchmark's CVE"] += record.id in self._guard.ids
            return
        short = [text.body for text in record.texts if text.field == "shortDescription"]
        for name in filter(None, map(self._guard.clean, (record.name, *short))):
            self._pair(name, record.id, "cve name")
        weaknesses = tuple(link.to for link in record.links if link.rel is Rel.HAS_WEAKNESS)
        known = self._cves.get(record.id, ("", ()))
        longer = max((known[0], *(t.body for t in record.texts if t.field == "description")), key=len)
        self._cves[record.id] = (longer, tuple(dict.fromkeys(known[1] + weaknesses)))

    def _add_document(self, record: Record) -> None:
        wanted = FIELDS - {"detection"} if record.kind is Kind.RULE else FIELDS  # of rules it is code
        bodies = [text for t in record.texts if t.field in wanted and (text := self._guard.clean(t.body))]
        if not bodies:
            return
        texts = self._corpus.documents.setdefault(record.id, [])
        if not texts:
            whole = f"{record.name}. {bodies[0]}"
            texts += [bodies[0] if self._guard.touches(whole) else whole, bodies[0]]
        texts += [f"{record.name}: {body[start:end]}" for body in bodies for start, end in spans(body)]
        texts[2:] = [text for text in texts[2:] if not self._guard.touches(text)]
        self._corpus.kinds[record.id] = record.kind
        for name in (record.name, *record.aliases):
            for template in TEMPLATES.get(record.kind, PLAIN):
                query = template.format(name)
                if name and not self._guard.touches(query):
                    source = record.id if record.kind in (Kind.TECHNIQUE, Kind.WEAKNESS) else ""
                    self._pair(query, record.id, f"{record.kind} name", source)
        for body in bodies[1:]:
            self._pair(body, record.id, f"{record.kind} part")

    def _add_links(self, record: Record) -> None:
        body = record.texts[0].body if record.texts else ""
        own = self._guard.clean(f"{record.name}. {body}")
        for link in record.links:
            text = self._guard.clean(link.text) if link.text else ""
            if text:
                self._pair(text, link.to, f"{record.kind} {link.rel}", record.id)
                if link.rel is Rel.MITIGATES:
                    self._pair(text, record.id, "mitigation sentence", record.id)
                elif link.rel is Rel.USES:
                    short = text.replace(record.name, "").strip()
                    if not self._guard.touches(short):
                        self._pair(short, link.to, f"{record.kind} {link.rel}", record.id)
            elif own and link.rel in (Rel.DETECTS, Rel.TARGETS, Rel.MAPS_TO, Rel.COUNTERS, Rel.SAME_AS):
                self._pair(own, link.to, f"{record.kind} {link.rel}")

    def sentence(self, text: str, technique: str, report: str) -> None:
        """An annotated sentence of a report."""
        if clean := self._guard.clean(text):
            self._pair(clean, technique, "report", report)

    def finish(self) -> Corpus:
        corpus = self._corpus
        ids = sorted(self._cves)
        named = {pair.document for pair in corpus.pairs if pair.kind == "cve name"}
        self._rng.shuffle(ids)
        chosen = sorted({*ids[: self._wanted], *(named & set(ids))})
        for cve in chosen:
            description, weaknesses = self._cves[cve]
            if clean := self._guard.clean(description):
                corpus.cves[cve] = clean
                for weakness in weaknesses:
                    self._pair(clean, weakness, "cve weakness", cve)
        held = {pair.query for pair in corpus.held_out}
        corpus.cves = {cve: text for cve, text in corpus.cves.items() if text not in held}
        known = corpus.documents.keys() | corpus.cves.keys()
        corpus.held_out = self._balanced(pair for pair in corpus.held_out if pair.document in known)
        corpus.pairs = self._balanced(p for p in corpus.pairs if p.document in known and p.query not in held)
        corpus.dropped.update({f"text by {why}": n for why, n in self._guard.dropped.items()})
        return corpus

    def _balanced(self, pairs: Iterable[Pair]) -> list[Pair]:
        """In random order, each once, at most MANY of one kind for one document."""
        unique = sorted(set(pairs), key=lambda p: (p.kind, p.document, p.query))
        self._rng.shuffle(unique)
        seen: Counter[tuple[str, str]] = Counter()
        kept = []
        for pair in unique:
            seen[pair.kind, pair.document] += 1
            if seen[pair.kind, pair.document] <= MANY:
                kept.append(pair)
        return kept
