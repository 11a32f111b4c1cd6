"""Gather sources for a question, decide what they say by themselves, let a model put it into words.

Without a model the answer is in the sources' own words. With one it is claims that were held against the same sources.
What the sources do not answer is not answered: `Answer.claims` is empty, and that is what the analyst is told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import msgspec

from vedette import prompts
from vedette.engine.protocol import Engine
from vedette.guard.explain import Asked, Hiding, Way, explain
from vedette.guard.fence import Exhibit, Untrusted, plain
from vedette.guard.wording import telling
from vedette.knowledge.card import Group, card, noun
from vedette.knowledge.ids import State
from vedette.knowledge.search import Hit
from vedette.knowledge.store import Knowledge
from vedette.types import Claim, Explanation

VOUCHED = frozenset({"attack", "cwe", "capec", "d3fend", "nist"})  # sources that no outsider writes into
PASSAGES, NAMED = 6, 3  # passages; entries whose links are shown
LINKED, FEW, BRIEF = 12, 3, 4  # links of a relation that is asked for, of any; facts of what is merely named
LONGEST, HEADING = 900, 40  # characters of a passage, below which it says nothing
SURE, LEAST = 0.6, 2  # share and number of the question's words that a passage has, from which it answers by itself
SENTENCES = 2  # of such a passage
EARLIER = 3  # turns that a follow-up may refer to
LINES = 12  # of a file


_REFERS = re.compile(r"\b(?:it|its|this|that|these|those|they|them|their|he|she|there|same)\b|^and\b", re.IGNORECASE)


class Cited(msgspec.Struct, frozen=True):
    """A source as an analyst is shown it."""

    ref: str
    text: str
    untrusted: bool  # somebody outside may have written it


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    question: str
    claims: tuple[Claim, ...]  # empty: not in the sources
    sources: tuple[Cited, ...]
    explanation: Explanation | None = None  # of a model; then `claims` are its


@dataclass(frozen=True, slots=True)
class Turn:
    """A question that was answered, and only what was verified of the answer."""

    question: str
    said: str


@dataclass(frozen=True, slots=True)
class Gathered:
    question: str
    exhibits: tuple[Exhibit, ...]
    ready: tuple[Claim, ...]  # what the sources say by themselves
    turns: tuple[Turn, ...]
    calm: bool  # no decision is at stake that could be talked down


@dataclass(frozen=True, slots=True)
class _Found:
    exhibit: Exhibit
    says: tuple[Claim, ...] = ()  # as an answer to the question


def gather(
    question: str, store: Knowledge, given: Sequence[Exhibit] = (), turns: Sequence[Turn] = (), *, calm: bool = True
) -> Gathered:
    """`given`: exhibits of a case or a file, which come before what the store has."""
    recent, wanted = tuple(turns[-EARLIER:]), question
    named = _named(question, store)
    if not named and recent and _REFERS.search(question):
        wanted = f"{recent[-1].question} {question}"
        named = _named(wanted, store)
    found = [*_given(given, question), *_entries(named, question, store), *_passages(wanted, store)]
    exhibits = tuple(replace(one.exhibit, id=f"E{n}") for n, one in enumerate(found, 1))
    ready = dict.fromkeys(claim for one in found for claim in one.says)
    return Gathered(question, exhibits, tuple(ready), recent, calm)


def answer(gathered: Gathered) -> Answer:
    """Without a model."""
    return Answer(question=gathered.question, claims=gathered.ready, sources=_cited(gathered.exhibits))


async def worded(
    gathered: Gathered,
    engine: Engine,
    store: Knowledge,
    way: Way,
    hiding: Hiding | None = None,
    told: Callable[[Claim], None] | None = None,
) -> Answer:
    """By a model; `told` is given each claim as soon as it is verified. Where it fails, the sources' own words."""
    plainly = answer(gathered)
    if not gathered.exhibits:
        return plainly
    made = await explain(engine, asked(gathered), store, way, hiding=hiding, told=told)
    failed = made.by is None or not made.by.tokens_out
    return msgspec.structs.replace(plainly, explanation=made, claims=plainly.claims if failed else made.claims)


def asked(gathered: Gathered) -> Asked:
    """The question as a model is shown it."""
    before = "".join(f"Earlier: {plain(t.question)} Answer: {plain(t.said)}\n" for t in gathered.turns)
    return Asked(before + plain(gathered.question), gathered.exhibits, _prompt(), calm=gathered.calm)


def lines(file: str, texts: Iterable[tuple[str, str]], question: str) -> list[Exhibit]:
    """Of a file's (place, line) those that share most with the question, in order. An attacker may have written any."""
    wanted = _words(question)
    ranked = sorted(
        (-len(_words(text) & wanted), number, place, text) for number, (place, text) in enumerate(texts)
    )[:LINES]  # fmt: skip
    return [
        Exhibit("", place, f"a line of {file}", (Untrusted("line", text),), value=-float(rank))
        for rank, _, place, text in sorted(ranked, key=lambda one: one[1])
    ]


def _words(text: str) -> set[str]:
    """Those that say something, and those that are names: addresses, ports, accounts, versions."""
    return telling(text) | set(re.findall(r"\w[\w.-]*[\d.-][\w.-]*\w|\d+", text.casefold()))


def _covers(question: str, text: str) -> bool:
    """Has a text so many of the question's words that it answers by itself?"""
    words = _words(question)
    return len(words & _words(text)) >= max(LEAST, SURE * len(words))


def _given(given: Sequence[Exhibit], question: str) -> Iterator[_Found]:
    for exhibit in given:
        quote = " ".join(text.text for text in exhibit.texts)[:LONGEST]
        sure = _covers(question, f"{exhibit.facts} {quote}")
        claim = Claim(text=exhibit.facts[:LONGEST], refs=(exhibit.ref,), quote=quote, untrusted=bool(quote))
        yield _Found(exhibit, (claim,) * sure)


def _named(question: str, store: Knowledge) -> list[str]:
    """Ids of what the question names, by id or by name."""
    named = [m.id for m in store.verify_ids(question) if m.state is not State.UNKNOWN and m.kind is not None]
    if not named:
        named = [hit.id for hit in store.search(question, limit=NAMED) if hit.name and _meant(hit.name, question)]
    return list(dict.fromkeys(named))[:NAMED]


def _meant(name: str, question: str) -> bool:
    """Whether a question names it: whole words, and, as "empire" is also a word, either spelled as a name or most of
    what is asked about."""
    found = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", question, re.IGNORECASE)
    if found is None:
        return False
    asked = telling(question)
    spelled = found[0] == name and (not name.islower() or len(name.split()) > 1)
    return spelled or len(telling(name)) > len(asked) / 2


def _entries(named: Sequence[str], question: str, store: Knowledge) -> Iterator[_Found]:
    """Each with its links: those that the question asks for, else some of all."""
    for uid in named:
        known = card(store, uid, most=LINKED)
        who = f"{known.id} {known.name}".strip()
        wanted = [group for group in known.links if telling(group.title) & telling(question)]
        names = ", ".join(one.name for one in known.aliases[:6])
        facts = [f"{who}, {noun(known.kind)}, {known.status}", *([f"also called {names}"] if names else [])]
        facts += [_linked(group, LINKED if wanted else FEW) for group in wanted or known.links]
        ref = f"{who}, links ({known.sources[0].source})"
        told = [f"{who}, {_linked(group, LINKED)}" for group in wanted] or ["; ".join(facts[:BRIEF])]
        says = tuple(Claim(text=f"{text}.", refs=(ref,)) for text in told)
        yield _Found(Exhibit("", ref, "; ".join(facts), value=2.0), says)


def _linked(group: Group, most: int) -> str:
    shown = [f"{one.id} {one.name}".strip() for one in group.targets[:most]]
    more = f" and {group.count - len(shown)} more" if group.count > len(shown) else ""
    return f"{group.title}: {', '.join(shown)}{more}"


def _passages(question: str, store: Knowledge) -> Iterator[_Found]:
    told: set[str] = set()
    for place, hit in enumerate(store.search(question, limit=PASSAGES)):
        name = f"{hit.id} {hit.name}".strip()
        text = " ".join(_told(hit, store).split())[:LONGEST]
        if not text or hit.id in told:
            continue
        told.add(hit.id)
        about = name if hit.field in ("description", "name") else f"{name}, {hit.field.partition('#')[0]}"
        ref, sure = f"{about} ({hit.source})", _covers(question, f"{name} {text}")
        first = " ".join(re.split(r"(?<=[.!?])\s+", text)[:SENTENCES])
        if hit.source.partition("/")[0] in VOUCHED:
            exhibit, claim = Exhibit("", ref, f"{about}: {text}"), Claim(text=f"{name}: {first}", refs=(ref,))
        else:
            exhibit = Exhibit("", ref, about, (Untrusted("description", text),))
            claim = Claim(text=f"{name}, in its source's words", refs=(ref,), quote=first, untrusted=True)
        yield _Found(replace(exhibit, value=1.0 / (place + 1)), (claim,) * sure)


def _told(hit: Hit, store: Knowledge) -> str:
    """The passage; where it is a mere name or heading, what the store says under it."""
    if hit.field != "name" and len(hit.text) >= HEADING:
        return hit.text
    entry = store.get(hit.id)
    return entry.description if entry else ""


def _cited(exhibits: Iterable[Exhibit]) -> tuple[Cited, ...]:
    return tuple(
        Cited(e.ref, " ".join([e.facts, *(text.text for text in e.texts)])[:LONGEST], bool(e.texts)) for e in exhibits
    )


@cache
def _prompt() -> prompts.Prompt:
    return prompts.load(Path(__file__).with_name("engine.v1.md"))
