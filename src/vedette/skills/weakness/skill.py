"""Gather what is known about the candidates, decide by the expert's probabilities, explain.

The expert decides; the store names, links and shows what is alike. No language model takes part.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import msgspec

from vedette.experts.answers import Weakness
from vedette.experts.occlusion import Word
from vedette.knowledge.record import Kind, Rel, Status, WeaknessFacts
from vedette.knowledge.store import Knowledge

VIEW = "view CWE-1000"  # research concepts: the only hierarchy that holds every weakness
NEAREST = 3
CHAIN = 3  # attack patterns that are followed, and techniques that are named
DEPTH = 8
LEAST = 0.02  # probability of a broader weakness that is shown


class Named(msgspec.Struct, frozen=True):
    id: str
    name: str
    probability: float
    abstraction: str = ""  # Class, Base, Variant …
    note: str = ""  # deprecated, discouraged …; "unverified" where the store does not hold the id


class Nearest(msgspec.Struct, frozen=True):
    """A known CVE whose description is like the text."""

    id: str
    weaknesses: tuple[str, ...]
    source: str


class Carrier(msgspec.Struct, frozen=True):
    """A word without which the decision would be less likely."""

    text: str
    start: int
    end: int
    drop: float


class WeaknessFinding(msgspec.Struct, frozen=True):
    id: str
    decision: str
    reason: str  # why undecided, "" where decided
    candidates: tuple[Named, ...]
    conformal: tuple[str, ...]  # holds the right one nine times in ten
    broader: tuple[Named, ...]  # weaknesses above the best candidate, each with all that lies below it
    words: tuple[Carrier, ...]
    nearest: tuple[Nearest, ...]
    chain: tuple[str, ...]  # attack patterns and techniques that the store links with the decision
    unverified: tuple[str, ...]
    notes: tuple[str, ...]
    convention: str
    windows: int
    model: str


class Catalogue:
    """What the store says about weaknesses; each is looked up once."""

    def __init__(self, store: Knowledge) -> None:
        self.store = store
        self.named = cache(self._named)
        self.parents = cache(self._parents)

    def _named(self, uid: str) -> Named:
        entry = self.store.get(uid)
        if entry is None:
            return Named(uid, "", 0.0, note="unverified")
        facts = next((s.record.facts for s in entry.statements if isinstance(s.record.facts, WeaknessFacts)), None)
        notes = []
        if entry.status is not Status.ACTIVE:
            notes.append(str(entry.status) + (f" → {entry.replaced_by}" if entry.replaced_by else ""))
        if entry.kind is Kind.CATEGORY:
            notes.append("a category: not for mapping")
        if facts and facts.usage in ("Discouraged", "Prohibited"):
            notes.append(f"mapping {facts.usage.lower()}")
        return Named(uid, entry.name, 0.0, facts.abstraction if facts else "", ", ".join(notes))

    def _parents(self, uid: str) -> tuple[str, ...]:
        entry = self.store.get(uid)
        links = (link for s in entry.statements for link in s.record.links) if entry else ()
        return tuple(dict.fromkeys(k.to for k in links if k.rel is Rel.CHILD_OF and VIEW in k.note))

    def above(self, uid: str) -> list[str]:
        """Every broader weakness, the nearest first."""
        found: dict[str, None] = {}
        level = [uid]
        for _ in range(DEPTH):
            level = [parent for child in level for parent in self.parents(child) if parent not in found]
            found.update(dict.fromkeys(level))
        return list(found)


def find(
    uid: str,
    answer: Weakness,
    catalogue: Catalogue,
    model: str,
    probabilities: Mapping[str, float] | None = None,
) -> WeaknessFinding:
    """`probabilities`: of every weakness, for the broader ones."""
    candidates = tuple(
        msgspec.structs.replace(catalogue.named(c.id), probability=c.probability) for c in answer.candidates
    )
    best = candidates[0].id if candidates else ""
    return WeaknessFinding(
        id=uid, decision=answer.decision, reason=str(answer.reason), candidates=candidates, conformal=answer.conformal,
        broader=_broader(best, probabilities or {}, catalogue), words=(), nearest=(), chain=(),
        unverified=tuple(c.id for c in candidates if c.note == "unverified"), notes=(),
        convention=str(answer.convention), windows=answer.windows, model=model,
    )  # fmt: skip


def explain(finding: WeaknessFinding, text: str, words: tuple[Word, ...], catalogue: Catalogue) -> WeaknessFinding:
    """With the words that carried the decision, CVEs that are alike, and what the store links with the decision."""
    nearest, notes = _nearest(finding.id, text, catalogue.store)
    best = finding.decision or (finding.candidates[0].id if finding.candidates else "")
    return msgspec.structs.replace(
        finding,
        words=tuple(Carrier(text[w.start : w.end], w.start, w.end, w.drop) for w in words),
        nearest=nearest,
        chain=_chain(best, catalogue.store) if best else (),
        notes=(*finding.notes, *notes),
    )


def _broader(best: str, probabilities: Mapping[str, float], catalogue: Catalogue) -> tuple[Named, ...]:
    if not best or not probabilities:
        return ()
    above = catalogue.above(best)
    sums = dict.fromkeys(above, 0.0)
    for uid, probability in probabilities.items():
        for name in {uid, *catalogue.above(uid)} & sums.keys():
            sums[name] += probability
    named = [msgspec.structs.replace(catalogue.named(uid), probability=round(sums[uid], 4)) for uid in above]
    return tuple(one for one in named if one.probability >= LEAST and one.name)


def _nearest(uid: str, text: str, store: Knowledge) -> tuple[tuple[Nearest, ...], tuple[str, ...]]:
    hits = store.search(text[:2_000], kinds=[Kind.VULNERABILITY], limit=NEAREST * 4) if text.strip() else []
    found: dict[str, Nearest] = {}
    for hit in hits:
        if hit.id == uid or hit.id in found or len(found) == NEAREST:
            continue
        entry = store.get(hit.id)
        links = (
            [link.to for s in entry.statements for link in s.record.links if link.rel is Rel.HAS_WEAKNESS]
            if entry
            else []
        )
        if links and hit.text.strip():
            found[hit.id] = Nearest(hit.id, tuple(dict.fromkeys(links)), hit.source)
    if found:
        return tuple(found.values()), ()
    return (), (
        "no CVE with a description and a weakness in the store: `vedette knowledge import` some to see like ones",
    )


def _chain(best: str, store: Knowledge) -> tuple[str, ...]:
    ways = store.paths(best, "technique", limit=CHAIN) if best in store else []
    return tuple(" → ".join([way.hops[0].src, *(hop.dst for hop in way.hops)]) for way in ways if way.hops)
