"""Whose work a report tells of: the passages that read most like it vote for a group, and so does software it names."""

from __future__ import annotations

from collections import defaultdict
from functools import cache

import numpy as np

from vedette.bench.book.choice import telling
from vedette.bench.book.entries import Entries
from vedette.bench.book.passages import Floats, Passages
from vedette.knowledge.record import Kind, Rel
from vedette.knowledge.store import Entry, Knowledge

REPORT = 600  # telling words of a report that count
VOTERS = 200  # passages that vote
LONGEST = 5_000  # words of a report, in which names are looked for
SPEAKING = (Kind.GROUP, Kind.ACTOR, Kind.CAMPAIGN, Kind.SOFTWARE, Kind.TOOL)


class Attributor:
    def __init__(self, knowledge: Knowledge, passages: Passages, entries: Entries) -> None:
        self._knowledge, self._passages, self._entries = knowledge, passages, entries
        self._quiet = ~np.isin(passages.kinds, SPEAKING)
        self._behind = cache(self._groups_behind)

    def actor(self, report: str) -> str:
        """A group's name; nothing where nothing speaks for any."""
        votes = self._by_passages(report)
        most = max(votes.values(), default=1.0)
        for uid in votes:
            votes[uid] /= most
        for uid in self._entries.named(report, LONGEST):
            entry = self._knowledge.get(uid)
            if entry and entry.kind is Kind.SOFTWARE:
                _share(votes, 1.0, self._behind(uid))
        chosen = max(sorted(votes), key=lambda uid: votes[uid], default="")
        return self._knowledge.names([chosen]).get(chosen, "")

    def _by_passages(self, report: str) -> dict[str, float]:
        votes: dict[str, float] = defaultdict(float)
        loud = self._loud(report)
        for place in np.argsort(-loud, kind="stable")[:VOTERS].tolist():
            if loud[place] > 0:
                _share(votes, float(loud[place]) ** 2, self._behind(self._passages.owner_of(place)))
        return votes

    def _loud(self, report: str) -> Floats:
        """(passages,): bm25, where a telling word tells more: reports are long, and mostly about what all groups do."""
        loud = np.zeros(len(self._passages), dtype=np.float32)
        words = [word for word in telling(report) if not word.isdigit()][:REPORT]
        for term in self._passages.terms(words).values():
            loud[term.places] += term.loud * term.idf
        loud[self._quiet] = 0
        return loud

    def _groups_behind(self, uid: str) -> tuple[str, ...]:
        """Of an actor the group that a source says it is, else itself; of a campaign; of those who use software."""
        entry = self._knowledge.get(uid)
        if entry is None:
            return ()
        if entry.kind in (Kind.GROUP, Kind.ACTOR):
            return self._groups(entry, Rel.SAME_AS)[:1] or (uid,)
        if entry.kind is Kind.CAMPAIGN:
            return self._groups(entry, Rel.ATTRIBUTED_TO)
        return self._groups(entry, Rel.USES, Rel.SAME_AS)

    def _groups(self, entry: Entry, *rels: Rel) -> tuple[str, ...]:
        hops = self._knowledge.neighbours(entry.id, rels=rels, kinds=[Kind.GROUP])
        return tuple(sorted({hop.dst for hop in hops}))


def _share(votes: dict[str, float], vote: float, groups: tuple[str, ...]) -> None:
    for uid in groups:
        votes[uid] += vote / len(groups)
