"""Multiple choice and attribution by the knowledge store, without a language model.

Open-book: the reference works are at hand, and a table says so. How an option is judged: `book.choice`; whose work a
report tells of: `book.actor`. Where the store says nothing, there is no answer.
"""

from __future__ import annotations

import re
import threading
from pathlib import Path

from vedette.bench.book.actor import Attributor
from vedette.bench.book.choice import Chooser
from vedette.bench.book.context import Context
from vedette.bench.book.entries import Entries
from vedette.bench.book.passages import Passages
from vedette.bench.items import Item, Kind
from vedette.bench.models import Shipped
from vedette.knowledge.spool import expert
from vedette.knowledge.store import Knowledge

LOOKED_UP = (Kind.CHOICE, Kind.ACTOR)
_INVERTED = re.compile(
    r"\b(?:NOT|EXCEPT|LEAST)\b|(?i:\bleast (?:likely|effective|common)\b"
    r"|^which of (?:the following|these)\b[^.?,]{0,40}\b(?:is|are) not\b)"
)


class OpenBook:
    """The store at `store`, else the default one. Its publishers' texts have to be in it."""

    def __init__(self, store: str | Path | None = None) -> None:
        self._path = Path(store) if store else None
        self._mine = threading.local()  # a store is not shared between threads
        self._opened: list[Knowledge] = []
        encoder = expert()
        self._context = Context(encoder)
        read = f"read by experts {encoder.sha256[:8]}"
        sources = len({unit.source for unit in self._book.knowledge.units})
        self.name = f"open book, {len(self._book.passages):,} passages of {sources} sources, {read}"

    def reads_on(self, kind: Kind) -> bool:
        return kind in LOOKED_UP

    def passages(self, item: Item) -> list[str]:
        """What a language model is given to read before the question: for each option the best passage."""
        return self._book.chooser.best(item.text, item.choices)

    def answer(self, item: Item) -> str:
        if item.kind is Kind.ACTOR:
            return self._book.attributor.actor(item.text)
        if item.kind is not Kind.CHOICE or not item.choices:
            return ""
        loud = self._book.chooser.loudness(item.text, item.choices)
        if not loud.any():
            return ""
        return item.letters[int(loud.argmin() if _INVERTED.search(item.text) else loud.argmax())]

    @property
    def _book(self) -> _Book:
        if not hasattr(self._mine, "book"):
            store = Knowledge.open(self._path)
            self._opened.append(store)
            self._mine.book = _Book(store, self._context)
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
    """Of one open store."""

    def __init__(self, knowledge: Knowledge, context: Context) -> None:
        self.knowledge, self.passages = knowledge, Passages(knowledge)
        entries = Entries(knowledge)
        self.chooser = Chooser(knowledge.searcher, self.passages, entries, context)
        self.attributor = Attributor(knowledge, self.passages, entries)
