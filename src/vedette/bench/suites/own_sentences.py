"""Sentences on what a group, campaign or software does, each beside its technique and two that it is easily taken for.

The sentences are ATT&CK's, taken from the store when the benchmark runs; none is shipped. The experts have learned from
most of them: only those are asked whose group, campaign or software was held out of their training (its thresholds were
set on these). What is wrong comes from the store's own search for the sentence, so that shared words do not help.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from random import Random
from zlib import crc32

from vedette.bench.items import Item, Kind
from vedette.bench.suites.prompts import asked
from vedette.knowledge.record import Kind as Entry
from vedette.knowledge.record import Rel
from vedette.knowledge.store import Knowledge

NAME = "sentence"
LETTERS = "ABC"
MOST = 500  # questions
HELD_OUT = 10  # one of so many never trains, by its id: `train.experts_sentences.DEV`
SHORTEST = 6  # words
LOOKED_AT = 40  # of the techniques that search finds
WHO = (Entry.GROUP, Entry.CAMPAIGN, Entry.SOFTWARE)


@dataclass(frozen=True, slots=True)
class Sentence:
    who: str
    text: str
    bare: str  # without the name of who does it
    technique: str
    domain: str


def held_out(uid: str) -> bool:
    return crc32(uid.encode()) % HELD_OUT == 0


def items(store: Knowledge) -> Iterator[Item]:
    """None where the store holds names and links only."""
    found = list(_sentences(store))
    trained = {one.bare for one in found if one.text and not held_out(one.who)}
    used: dict[str, set[str]] = {}
    for one in found:
        used.setdefault(one.who, set()).add(one.technique)
    names = store.names({one.technique for one in found})
    chosen = [one for one in found if held_out(one.who) and one.bare not in trained and _fair(one, names)]
    chosen.sort(key=lambda one: crc32(f"{one.who} {one.technique}".encode()))
    made = (_item(store, one, names[one.technique], used[one.who]) for one in chosen)
    yield from islice((item for item in made if item), MOST)


def _sentences(store: Knowledge) -> Iterator[Sentence]:
    marks = ", ".join("?" * len(WHO))
    sql = f"SELECT DISTINCT id FROM record WHERE kind IN ({marks}) AND status = 'active' ORDER BY 1"  # noqa: S608
    for (uid,) in store.db.execute(sql, WHO).fetchall():
        entry = store.get(uid)
        for record in (statement.record for statement in (entry.statements if entry else ())):
            for link in record.links:
                if link.rel is Rel.USES and link.to.startswith("T"):
                    bare = " ".join(link.text.replace(record.name, "").split())
                    yield Sentence(uid, link.text, bare, link.to, record.domain)


def _fair(one: Sentence, names: dict[str, str]) -> bool:
    """Long enough, and it does not name its technique."""
    name = names.get(one.technique, "")
    return bool(name) and len(one.text.split()) >= SHORTEST and name.casefold() not in one.text.casefold()


def _item(store: Knowledge, one: Sentence, name: str, used: set[str]) -> Item | None:
    wrong = list(islice(_near(store, one, name, used), len(LETTERS) - 1))
    if len(wrong) < len(LETTERS) - 1:
        return None
    right = f"{name} ({one.technique})"
    options = [right, *wrong]
    Random(f"{NAME} {one.who} {one.technique}").shuffle(options)
    question = f"A report says: “{one.text}” Which technique of ATT&CK is that?"
    return Item(
        id=f"{NAME} {one.who} {one.technique}", kind=Kind.CHOICE, prompt=asked(question, options, LETTERS),
        text=question, choices=tuple(options), right=(LETTERS[options.index(right)],), letters=LETTERS,
        domain=one.domain, slices={"domain": one.domain},
    )  # fmt: skip


def _near(store: Knowledge, one: Sentence, name: str, used: set[str]) -> Iterator[str]:
    """Neither used by the same, which the sentence may tell of too, nor a broader or narrower one."""
    told = {name}
    for hit in store.search(one.bare, kinds=[Entry.TECHNIQUE], limit=LOOKED_AT, mode="words"):
        entry = store.in_force(hit.id)
        related = f"{hit.id}.".startswith(f"{one.technique}.") or f"{one.technique}.".startswith(f"{hit.id}.")
        if not entry or related or hit.id in used or entry.name in told or entry.first.record.domain != one.domain:
            continue
        told.add(entry.name)
        yield f"{entry.name} ({hit.id})"
