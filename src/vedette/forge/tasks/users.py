"""Tasks that groups, software and campaigns share: all of them use techniques."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

from vedette.forge.task import Draft
from vedette.forge.tasks.procedures import (
    Procedure,
    by_user,
    gist,
    labels,
    lines,
    noun,
    parts,
    procedures,
    reached,
    tactics,
    tellable,
    unnamed,
    used,
    users,
)
from vedette.forge.tasks.shared import first_sentences, joined
from vedette.forge.world import Entry, World
from vedette.knowledge.record import Kind as Entity

Make = Callable[[World, Random], Iterator[Draft]]
CONTEXT = 6  # techniques that a question tells of


def shuffled_users(world: World, rng: Random, kind: Entity) -> list[Entry]:
    found = users(world, kind)
    rng.shuffle(found)
    return found


def how(kind: Entity) -> Make:
    """What a user does with a technique."""

    def make(world: World, rng: Random) -> Iterator[Draft]:
        for one in procedures(world, rng, (kind,)):
            slots = {
                "user": one.user.label,
                "technique": one.technique.label,
                "text": one.text,
                "tactics": joined(tactics(world, one.technique)),
                "gist": gist(one.technique),
            }
            yield Draft((one.user.id, one.technique.id), "", slots, keep=(one.text, one.technique.id))

    return make


def uses(kind: Entity, each: int) -> Make:
    """Half of the claims are true; a false one names a near technique that no source links to the user."""

    def make(world: World, rng: Random) -> Iterator[Draft]:
        yes = True
        for user in shuffled_users(world, rng, kind):
            own, refused = used(world, user.id), reached(world, user.id)
            for technique in rng.sample(own, min(each, len(own))):
                asked = technique if yes else next(iter(world.near(technique.id, rng, 1, refused)), None)
                under = tactics(world, asked) if asked else []
                if not asked or not under:
                    continue
                tactic = rng.choice(under)
                same = [one for one in own if tactic in tactics(world, one)]
                slots = {
                    "user": user.label,
                    "technique": asked.label,
                    "tactic": tactic,
                    "same": labels(same) or "none",
                }
                keep = (slots["same"],) if same else ()
                yield Draft((user.id, asked.id), "Yes" if yes else "No", slots, keep=keep, difficulty=2)
                yes = not yes

    return make


def left_out(kind: Entity, each: int) -> Make:
    """Of the techniques of a user, some are told; which of the options is another one of them?"""

    def make(world: World, rng: Random) -> Iterator[Draft]:
        for user in shuffled_users(world, rng, kind):
            own, refused = used(world, user.id), reached(world, user.id)
            for right in rng.sample(own, min(each, len(own))):
                rest = [one for one in own if one.id != right.id and one.domain == right.domain]
                told = rng.sample(rest, min(CONTEXT, len(rest)))
                wrong = world.near(right.id, rng, 3, refused)
                if len(told) >= 2 and len(wrong) == 3:
                    yield Draft(
                        (user.id, right.id), right.label, {"user": user.label, "told": labels(told)},
                        tuple(one.label for one in wrong), sources=tuple(one.id for one in told), difficulty=3,
                    )  # fmt: skip

    return make


def odd_one(kind: Entity, each: int) -> Make:
    """Three techniques that the user is said to use, and one near them that it is not."""

    def make(world: World, rng: Random) -> Iterator[Draft]:
        for user in shuffled_users(world, rng, kind):
            own, refused = used(world, user.id), reached(world, user.id)
            for _ in range(min(each, len(own) // 3)):
                three = rng.sample(own, 3)
                odd = world.near(three[0].id, rng, 1, refused)
                if odd and len({one.domain for one in (*three, *odd)}) == 1:
                    yield Draft(
                        (user.id, odd[0].id), odd[0].label, {"user": user.label, "used": labels(three)},
                        tuple(one.label for one in three), sources=tuple(one.id for one in three), difficulty=3,
                    )  # fmt: skip

    return make


def who(kind: Entity, size: int = 4) -> Make:
    """Some sentences without the name; wrong options are alike, and not known to do all of it."""

    def make(world: World, rng: Random) -> Iterator[Draft]:
        for user, own in by_user(world, rng, (kind,)):
            if not tellable(user):
                continue
            for part in parts(own, size):
                wrong = _not_doing(world, user, part, rng)
                if len(wrong) == 3:
                    told = lines(unnamed(one.text, user) for one in part)
                    mapped = labels(one.technique for one in part)
                    yield Draft(
                        (user.id,), user.label, {"told": told, "noun": noun(user), "mapped": mapped},
                        tuple(one.label for one in wrong), sources=tuple(one.technique.id for one in part),
                        difficulty=3,
                    )  # fmt: skip

    return make


def _not_doing(world: World, user: Entry, part: list[Procedure], rng: Random) -> list[Entry]:
    """Three near users that lack one of the techniques at least, whatever they are linked by."""
    needed = {one.technique.id for one in part}
    near = [one for one in world.near(user.id, rng, 8) if one.units[0].startswith("attack/")]
    return [one for one in near if not needed <= reached(world, one.id)][:3]


def from_description(kind: Entity) -> Make:
    def make(world: World, rng: Random) -> Iterator[Draft]:
        for user in shuffled_users(world, rng, kind):
            told = unnamed(first_sentences(user.text, 3), user)
            wrong = [one for one in world.near(user.id, rng, 6) if one.units[0].startswith("attack/")][:3]
            if tellable(user) and len(told) > 60 and len(wrong) == 3:
                slots = {"told": told, "noun": noun(user)}
                yield Draft((user.id,), user.label, slots, tuple(one.label for one in wrong), difficulty=2)

    return make


def summarise(kind: Entity, size: int = 6) -> Make:
    """Sentences in any order become a summary in the order of the tactics."""

    def make(world: World, rng: Random) -> Iterator[Draft]:
        for user, own in by_user(world, rng, (kind,)):
            for part in parts(own, min(size, max(3, len(own)))):
                ordered = sorted((_first_tactic(world, one), one.technique.id, one.text) for one in part)
                slots = {
                    "user": user.label,
                    "told": lines(one.text for one in part),
                    "summary": lines(f"{name}: {text} ({uid})" for (_, name), uid, text in ordered),
                    "count": str(len(part)),
                }
                yield Draft(
                    (user.id,), "", slots, keep=tuple(uid for _, uid, _ in ordered),
                    sources=tuple(one.technique.id for one in part), difficulty=2,
                )  # fmt: skip

    return make


def _first_tactic(world: World, one: Procedure) -> tuple[int, str]:
    """Its place in the matrix, and its name."""
    return min((_place(world, label), label.partition("(")[2].rstrip(")")) for label in tactics(world, one.technique))


def _place(world: World, label: str) -> int:
    entry = world.get(label.partition(" ")[0])
    return getattr(entry.facts, "order", 99) if entry else 99


def overlap(kind: Entity, most: int) -> Make:
    """Techniques of two near users; which of them are in both lists?"""

    def make(world: World, rng: Random) -> Iterator[Draft]:
        for one in shuffled_users(world, rng, kind):
            for other in [near for near in world.near(one.id, rng, most) if near.units[0].startswith("attack/")]:
                mine, theirs = used(world, one.id), used(world, other.id)
                ids = {entry.id for entry in theirs}
                both = [entry for entry in mine if entry.id in ids]
                if not 1 <= len(both) <= 6:
                    continue
                lists = [_listed(own, both, rng) for own in (mine, theirs)]
                slots = {"one": one.label, "other": other.label, "first": lists[0], "second": lists[1]}
                yield Draft(
                    (one.id, other.id), labels(both), slots, sources=tuple(entry.id for entry in both), difficulty=2,
                )  # fmt: skip

    return make


def _listed(own: list[Entry], both: list[Entry], rng: Random) -> str:
    """All common ones among others of its own, in the order of ids."""
    common = {entry.id for entry in both}
    rest = [entry for entry in own if entry.id not in common]
    chosen = [*both, *rng.sample(rest, min(CONTEXT, len(rest)))]
    return labels(sorted(chosen, key=lambda entry: entry.id))


def define(kind: Entity) -> Make:
    def make(world: World, rng: Random) -> Iterator[Draft]:
        for user in shuffled_users(world, rng, kind):
            if told := first_sentences(user.text, 5):
                yield Draft((user.id,), "", {"user": user.label, "told": told, "noun": noun(user)}, keep=(user.id,))

    return make


def named(kind: Entity) -> Make:
    """From another name to the entry; names that several have are left out."""

    def make(world: World, rng: Random) -> Iterator[Draft]:
        holders: dict[str, set[str]] = {}
        for user in users(world, kind):
            for name in (user.name, *user.aliases):
                holders.setdefault(name.casefold(), set()).add(user.id)
        for user in shuffled_users(world, rng, kind):
            for alias in user.aliases:
                if len(holders[alias.casefold()]) == 1 and alias.casefold() != user.name.casefold():
                    slots = {"alias": alias, "noun": noun(user), "gist": gist(user)}
                    yield Draft((user.id,), user.label, slots, keep=(alias,))

    return make


def other_names(kind: Entity) -> Make:
    def make(world: World, rng: Random) -> Iterator[Draft]:
        for user in shuffled_users(world, rng, kind):
            if user.aliases:
                yield Draft((user.id,), joined(user.aliases), {"user": user.label})

    return make
