"""Whose work a report tells of: the passages that read most like it vote for a group."""

from __future__ import annotations

from functools import cache

import numpy as np

from vedette.bench.book.choice import telling
from vedette.bench.book.passages import Passages
from vedette.knowledge.record import Kind, Rel
from vedette.knowledge.store import Knowledge

REPORT, VOTERS = 600, 200  # words of a report, passages that vote
SPEAKING = (Kind.GROUP, Kind.ACTOR, Kind.CAMPAIGN, Kind.SOFTWARE, Kind.TOOL)


class Attributor:
    def __init__(self, knowledge: Knowledge, passages: Passages) -> None:
        self._knowledge, self._passages = knowledge, passages
        self._quiet = ~np.isin(passages.kinds, SPEAKING)
        self.behind = cache(self._behind)

    def actor(self, report: str) -> str:
        """The group that the passages most like the report speak for; nothing where none does."""
        words = [word for word in telling(report) if not word.isdigit()][:REPORT]
        scores = self._passages.scores(words)
        scores[self._quiet] = 0
        votes: dict[str, float] = {}
        for place in np.argsort(-scores, kind="stable")[:VOTERS].tolist():
            who = self.behind(self._passages.uids[self._passages.owner[place]]) if scores[place] > 0 else ()
            for uid in who:
                votes[uid] = votes.get(uid, 0.0) + float(scores[place]) ** 2 / len(who)
        if not votes:
            return ""
        chosen = max(sorted(votes), key=lambda uid: votes[uid])
        return self._knowledge.names([chosen]).get(chosen, "")

    def _behind(self, uid: str) -> tuple[str, ...]:
        """Groups: the one itself, where ATT&CK has it; of a campaign; of those who use software."""
        entry = self._knowledge.get(uid)
        if entry is None:
            return ()
        if entry.kind in (Kind.GROUP, Kind.ACTOR):
            return self._groups(uid, Rel.SAME_AS)[:1] or (uid,)
        if entry.kind is Kind.CAMPAIGN:
            return self._groups(uid, Rel.ATTRIBUTED_TO)
        return self._groups(uid, Rel.USES, Rel.SAME_AS)

    def _groups(self, uid: str, *rels: Rel) -> tuple[str, ...]:
        hops = self._knowledge.neighbours(uid, rels=rels, kinds=[Kind.GROUP])
        return tuple(sorted({hop.dst for hop in hops}))
