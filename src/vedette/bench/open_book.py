"""Multiple choice and attribution without a language model, by the passages of the knowledge store.

Open-book: the reference works are at hand, and a table says so. Of an option there are three opinions, the loudest
option of each being 1, and they are added up: a passage whose words are those of the question and of the option; the
same by vectors; and how well the best passage answers question and option asked together. Where no passage says
anything, there is no answer. The way was chosen on SECURE's MAET and CWET (every third question), not on CTI-Bench.

Of a report, the passages on groups, their campaigns and their software that read most like it vote for a group. Nothing
was chosen by results here.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vedette.bench.items import Item, Kind
from vedette.bench.models import Shipped
from vedette.knowledge import index
from vedette.knowledge.chunk import field_text
from vedette.knowledge.postings import find_words
from vedette.knowledge.record import Kind as Entry
from vedette.knowledge.record import Rel, decode
from vedette.knowledge.search import STOP
from vedette.knowledge.store import Knowledge

Floats = NDArray[np.float32]
LOOKED_UP = (Kind.CHOICE, Kind.ACTOR)
NEAR = 400  # passages about the question that options are looked for in
REPORT, VOTERS = 600, 200  # words of a report, passages that vote
SPEAKING = (Entry.GROUP, Entry.ACTOR, Entry.CAMPAIGN, Entry.SOFTWARE, Entry.TOOL)
_ASIDE = """
which what following best most primary common describes described example attack attacker adversary used using mitre
technique sub cwe capec true false all none above
"""  # of questions
ASIDE = frozenset(_ASIDE.split())
_INVERTED = re.compile(r"\b(NOT|EXCEPT)\b")


class OpenBook:
    """The store at `store`, else the default one. Its publishers' texts have to be in it."""

    def __init__(self, store: str | Path | None = None) -> None:
        self._path = Path(store) if store else None
        self._mine = threading.local()  # a store is not shared between threads
        self._opened: list[Knowledge] = []
        with Knowledge.open(self._path) as knowledge:
            sources = len({unit.source for unit in knowledge.units})
            self.name = f"open book, {len(_Book(knowledge).concepts):,} passages of {sources} sources"

    def reads_on(self, kind: Kind) -> bool:
        return kind in LOOKED_UP

    def passages(self, item: Item) -> list[str]:
        """What a language model is given to read before the question: for each option the best passage."""
        return self._book.passages(item.text, item.choices)

    def answer(self, item: Item) -> str:
        if item.kind is Kind.ACTOR:
            return self._book.actor(item.text)
        if item.kind is not Kind.CHOICE or not item.choices:
            return ""
        loud = self._book.opinions(item.text, item.choices)
        if not loud.any():
            return ""
        return item.letters[int(loud.argmin() if _INVERTED.search(item.text) else loud.argmax())]

    @property
    def _book(self) -> _Book:
        if not hasattr(self._mine, "book"):
            store = Knowledge.open(self._path)
            self._opened.append(store)
            self._mine.book = _Book(store)
        book: _Book = self._mine.book
        return book

    def close(self) -> None:
        """Every thread's store; nothing is answered after it."""
        while self._opened:
            self._opened.pop().close()


class Together:
    """All that answers without a language model: the experts, and the open book for the rest."""

    def __init__(self, weights: str | Path | None = None, store: str | Path | None = None) -> None:
        self._parts = (Shipped(weights), OpenBook(store))
        self.name = " and ".join(part.name for part in self._parts)

    def reads_on(self, kind: Kind) -> bool:
        return kind in LOOKED_UP

    def answer(self, item: Item) -> str:
        return next((reply for part in self._parts if (reply := part.answer(item))), "")

    def close(self) -> None:
        for part in self._parts:
            part.close()


class _Book:
    """The passages of an open store."""

    def __init__(self, knowledge: Knowledge) -> None:
        self._knowledge, self._searcher = knowledge, knowledge.searcher
        self._behind: dict[str, tuple[str, ...]] = {}
        self._same: dict[str, str] = {}

    @cached_property
    def concepts(self) -> NDArray[np.intp]:
        """Places of passages that describe no single vulnerability."""
        return np.flatnonzero(self._searcher.matrix.kinds != index.KINDS.index(Entry.VULNERABILITY))

    def opinions(self, question: str, choices: Sequence[str]) -> Floats:
        """How loud the passages are for each choice; all 0 where none says anything."""
        asked = telling(question)
        about = self._scores(asked)
        near = np.argpartition(-about, min(NEAR, len(about) - 1))[:NEAR]
        words = [telling(choice, asked) for choice in choices]
        scores = [self._scores(own) for own in words]
        together = [self._scores([*asked, *own]).max(initial=0) for own in words]
        by_words = [(about[near] * each[near]).max(initial=0) / max(1e-9, each.max(initial=0)) for each in scores]
        if not any(by_words) and not any(together):  # vectors are always near something
            return np.zeros(len(choices), dtype=np.float32)
        return _loudest(by_words) + _loudest(self._by_vectors(question, choices, near)) + _loudest(together)

    def passages(self, question: str, choices: Sequence[str]) -> list[str]:
        asked = telling(question)
        best = [int(self._scores([*asked, *telling(choice, asked)]).argmax()) for choice in (*choices, "")]
        numbers = dict.fromkeys(int(self._searcher.matrix.numbers[self.concepts[place]]) for place in best)
        return [self._text(number) for number in numbers]

    def _text(self, passage: int) -> str:
        """With the name of what it is about."""
        sql = """SELECT p.field, p.start, p.stop, r.name, r.body FROM passage p JOIN record r ON p.record = r.number
                 WHERE p.number = ?"""
        field, start, stop, name, body = self._knowledge.db.execute(sql, (passage,)).fetchone()
        return f"{name}: {(field_text(decode(body), field) or '')[start:stop]}"

    def _scores(self, words: Sequence[str]) -> Floats:
        """bm25 of the concepts' passages."""
        return self._searcher.ranker.scores(words)[self.concepts]

    def _by_vectors(self, question: str, choices: Sequence[str], near: NDArray[np.intp]) -> Sequence[float]:
        vectors = self._searcher.encoded([question, *choices])
        if vectors is None or not len(near):
            return [0.0] * len(choices)
        _, passages = self._searcher.vectors(self._searcher.matrix.numbers[self.concepts[near]], vectors.shape[1])
        alike = np.maximum(0, np.einsum("ij,kj->ki", passages, vectors))
        return [float((alike[0] * each).max(initial=0)) for each in alike[1:]]

    def actor(self, report: str) -> str:
        """The group that the passages most like the report speak for; nothing where none does."""
        words = [word for word in telling(report) if not word.isdigit()][:REPORT]
        scores = self._searcher.ranker.scores(words)
        scores[~np.isin(self._searcher.matrix.kinds, [index.KINDS.index(kind) for kind in SPEAKING])] = 0
        best = np.argpartition(-scores, min(VOTERS, len(scores) - 1))[:VOTERS]
        votes: dict[str, float] = {}
        for number, score in zip(self._searcher.matrix.numbers[best].tolist(), scores[best].tolist(), strict=True):
            who = self._speaks_for(number) if score > 0 else ()
            for uid in who:
                votes[uid] = votes.get(uid, 0.0) + score**2 / len(who)
        if not votes:
            return ""
        chosen = max(sorted(votes), key=lambda uid: votes[uid])
        return self._knowledge.names([chosen]).get(chosen, "")

    def _speaks_for(self, passage: int) -> tuple[str, ...]:
        """Groups: of a passage on one, on a campaign of it, or on software that it uses."""
        row = self._knowledge.db.execute(
            "SELECT r.id, r.kind FROM passage p JOIN record r ON p.record = r.number WHERE p.number = ?", (passage,)
        ).fetchone()
        uid, kind = row
        if kind in (Entry.GROUP, Entry.ACTOR):
            return (self._one(uid),)
        if uid not in self._behind:
            rels = [Rel.ATTRIBUTED_TO] if kind == Entry.CAMPAIGN else [Rel.USES, Rel.SAME_AS]
            hops = self._knowledge.neighbours(uid, rels=rels, kinds=[Entry.GROUP])
            self._behind[uid] = tuple(sorted({hop.dst for hop in hops}))
        return self._behind[uid]

    def _one(self, uid: str) -> str:
        """ATT&CK's group where a source says that an actor is one."""
        if uid not in self._same:
            hops = self._knowledge.neighbours(uid, rels=[Rel.SAME_AS], kinds=[Entry.GROUP])
            self._same[uid] = min((hop.dst for hop in hops), default=uid)
        return self._same[uid]


def _loudest(values: Sequence[float]) -> Floats:
    found = np.asarray(values, dtype=np.float32)
    return np.asarray(found / found.max() if found.max(initial=0) > 0 else np.zeros_like(found), dtype=np.float32)


def telling(text: str, besides: Sequence[str] = ()) -> list[str]:
    """Distinct words that say something; of an option, those of the question too only where it has no others."""
    words = [word for word in dict.fromkeys(find_words(text)) if word not in STOP and word not in ASIDE]
    return [word for word in words if word not in set(besides)] or words or find_words(text)
