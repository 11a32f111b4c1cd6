"""Procedure examples: who uses which technique, in ATT&CK's own sentence; and what is really not used."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from vedette.forge.tasks.shared import first_sentences, flat, joined
from vedette.forge.world import Entry, World
from vedette.knowledge.record import Kind as Entity
from vedette.knowledge.record import Rel, SoftwareFacts

DOMAINS = {"enterprise": "Enterprise", "mobile": "Mobile", "ics": "ICS"}
USERS = (Entity.GROUP, Entity.SOFTWARE, Entity.CAMPAIGN)
LONG = 280  # characters of a gist
SHORTEST = 4  # letters of a name that can be told from a plain word
_PLAIN = frozenset(
    {"adver", "may", "use", "used", "using", "uses", "such", "and", "the", "for", "with", "that", "from"}
)
_START = re.compile(r"(?:^|(?<=[.!?] )|(?<=\n))the (?=malware|tool|group|campaign)")


@dataclass(frozen=True, slots=True)
class Procedure:
    user: Entry
    technique: Entry
    text: str  # on one line
    also: frozenset[str]  # other techniques that the same sentence is given for


def users(world: World, kind: Entity) -> list[Entry]:
    """Those that ATT&CK itself describes, in the order of their ids."""
    return [entry for entry in world.of(kind) if entry.units[0].startswith("attack/")]


def procedures(world: World, rng: Random, kinds: Sequence[Entity] = USERS) -> list[Procedure]:
    """In a random order; each sentence once for each technique."""
    made = [one for one in _all(world) if one.user.kind in kinds]
    rng.shuffle(made)
    return made


@lru_cache(maxsize=1)
def _all(world: World) -> tuple[Procedure, ...]:
    found: dict[tuple[str, str], Procedure] = {}
    holders: dict[str, set[str]] = {}
    for entry in (user for kind in USERS for user in users(world, kind)):
        for tie in world.out(entry.id, Rel.USES, Entity.TECHNIQUE):
            if text := flat(tie.text):
                holders.setdefault(text, set()).add(tie.other)
                found.setdefault((text, tie.other), Procedure(entry, world.entries[tie.other], text, frozenset()))
    return tuple(
        Procedure(one.user, one.technique, one.text, frozenset(holders[text] - {uid}))
        for (text, uid), one in found.items()
    )


def by_user(world: World, rng: Random, kinds: Sequence[Entity] = USERS) -> list[tuple[Entry, list[Procedure]]]:
    """Procedures whose sentence stands for one technique only, user by user."""
    found: dict[str, list[Procedure]] = {}
    for one in procedures(world, rng, kinds):
        if not one.also:
            found.setdefault(one.user.id, []).append(one)
    return [(group[0].user, group) for group in found.values()]


def parts(values: Sequence[Procedure], size: int) -> Iterable[list[Procedure]]:
    """Consecutive ones, `size` together; a short rest is left out."""
    for start in range(0, len(values) - size + 1, size):
        yield list(values[start : start + size])


def kin(world: World, uid: str) -> list[str]:
    """Its parent and its sub-techniques: what is said of one may be said of the other."""
    return [tie.other for tie in (*world.out(uid, Rel.CHILD_OF), *world.into(uid, Rel.CHILD_OF))]


def used(world: World, uid: str) -> list[Entry]:
    return [world.entries[tie.other] for tie in world.out(uid, Rel.USES, Entity.TECHNIQUE)]


@lru_cache(maxsize=2048)
def reached(world: World, uid: str) -> frozenset[str]:
    """Techniques that any source links to the user, directly, over its software, campaigns or group; and their kin."""
    about = [uid]
    about += [tie.other for tie in world.out(uid, Rel.USES, Entity.SOFTWARE)]
    for tie in (*world.into(uid, Rel.ATTRIBUTED_TO), *world.out(uid, Rel.ATTRIBUTED_TO)):
        about += [tie.other, *(one.other for one in world.out(tie.other, Rel.USES, Entity.SOFTWARE))]
    direct = {entry.id for one in about for entry in used(world, one)}
    return frozenset(direct.union(*(kin(world, one) for one in direct)))


def unlike(world: World, one: Procedure, rng: Random, count: int) -> list[Entry]:
    """Near techniques that neither this sentence nor its user is linked to."""
    besides = [*one.also, *kin(world, one.technique.id), *(entry.id for entry in used(world, one.user.id))]
    return world.near(one.technique.id, rng, count, besides)


def tells_apart(world: World, one: Procedure, others: Sequence[Entry]) -> bool:
    """Whether the sentence has a word of its technique that none of the others has, where those are its siblings.

    ATT&CK may know from the report which sub-technique it was, where its sentence does not say so.
    """
    own = kin(world, one.technique.id)
    if not any(set(own) & set(kin(world, other.id)) for other in others):
        return True
    told, names = _stems(one.text), _stems(one.user.name)
    return bool((told & _said_of(one.technique)) - names.union(*map(_said_of, others)))


def _said_of(entry: Entry) -> frozenset[str]:
    return _stems(f"{entry.name} {gist(entry)}")


@lru_cache(maxsize=4096)
def _stems(text: str) -> frozenset[str]:
    return frozenset(word[:5].lower() for word in re.findall(r"\w{3,}", text)) - _PLAIN


def tactics(world: World, technique: Entry) -> list[str]:
    return [world.label(tie.other) for tie in world.out(technique.id, Rel.MEMBER_OF, Entity.TACTIC)]


def gist(entry: Entry) -> str:
    """The first sentence of its description, and the second one where the first does not come to the point."""
    return _gist(entry.name, entry.text) or f"{entry.name}."


@lru_cache(maxsize=8192)
def _gist(name: str, text: str) -> str:
    first, two = first_sentences(text, 1), first_sentences(text, 2)
    return first if name[:5].lower() in first.lower() or len(two) > LONG else two


def labels(entries: Iterable[Entry]) -> str:
    return joined(entry.label for entry in entries)


def lines(texts: Iterable[str]) -> str:
    return "\n".join(f"- {text}" for text in texts)


def noun(entry: Entry) -> str:
    """ "group", "campaign", "malware" or "tool"."""
    if isinstance(entry.facts, SoftwareFacts) and entry.facts.type in ("malware", "tool"):
        return entry.facts.type
    return str(entry.kind)


def tellable(entry: Entry) -> bool:
    """Whether its names can be hidden without hiding plain words."""
    return all(len(name) >= SHORTEST for name in (entry.name, *entry.aliases))


def unnamed(text: str, entry: Entry) -> str:
    """Without the user's id and names."""
    names = sorted({entry.id, entry.name, *entry.aliases} - {""}, key=lambda name: (-len(name), name))
    return _START.sub("The ", _pattern(tuple(names), noun(entry)).sub(f"the {noun(entry)}", text))


@lru_cache(maxsize=2048)
def _pattern(names: tuple[str, ...], what: str) -> re.Pattern[str]:
    """One of the names, with the article before it and what it is behind it."""
    either = "|".join(map(re.escape, names))
    return re.compile(rf"(?<!\w)(?:(?:the|an?) )?(?:{either})(?:[ -]{what})?(?!\w)", re.IGNORECASE)


def names_group(world: World, text: str) -> bool:
    """Whether a text says the name of a group that ATT&CK has."""
    return _group_names(world).search(text) is not None


@lru_cache(maxsize=1)
def _group_names(world: World) -> re.Pattern[str]:
    names = {name for group in world.of(Entity.GROUP) for name in (group.name, *group.aliases)}
    return re.compile(rf"(?<!\w)(?:{'|'.join(re.escape(name) for name in sorted(names))})(?!\w)")
