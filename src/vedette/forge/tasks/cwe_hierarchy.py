"""How weaknesses stand to each other: above, below, beside, one leading to another. View: Research Concepts."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from random import Random

from vedette.forge.example import Kind
from vedette.forge.task import Draft, Task
from vedette.forge.tasks.lineage import ancestors, chain, children, descendants, kin, parents, strangers
from vedette.forge.tasks.shared import NOT_ENOUGH, first_sentences, joined, steps
from vedette.forge.world import Entry, World
from vedette.knowledge.record import Kind as Entity
from vedette.knowledge.record import Rel, WeaknessFacts

SIMPLE = "CWE-1003"  # the view for mapping published vulnerabilities
MOST = 12  # entries that a list may have
MANY = 6_000  # tries of a task that draws pairs


def _weaknesses(world: World, rng: Random) -> Iterator[Entry]:
    yield from (entry for entry in world.shuffled(Entity.WEAKNESS, rng) if entry.text)


def _level(world: World, uid: str) -> str:
    facts = world.entries[uid].facts
    return facts.abstraction if isinstance(facts, WeaknessFacts) else ""


def _labels(world: World, uids: list[str]) -> str:
    return joined(map(world.label, uids))


def parent(world: World, rng: Random) -> Iterator[Draft]:
    for entry in _weaknesses(world, rng):
        if above := parents(world, entry.id):
            slots = {"weakness": entry.label, "description": first_sentences(entry.text, 1)}
            yield Draft((entry.id,), joined(above), slots, sources=tuple(above), difficulty=min(2, len(above)))


def child(world: World, rng: Random) -> Iterator[Draft]:
    for entry in _weaknesses(world, rng):
        below = children(world, entry.id)
        if 0 < len(below) <= MOST:
            slots = {"weakness": entry.label, "named": "; ".join(map(world.label, below))}
            yield Draft((entry.id,), joined(below), slots, sources=tuple(below), difficulty=2)


def sibling(world: World, rng: Random) -> Iterator[Draft]:
    for entry in _weaknesses(world, rng):
        above = parents(world, entry.id)
        beside = [one for up in above for one in children(world, up) if one != entry.id]
        beside = [one for one in beside if one not in ancestors(world, entry.id) | descendants(world, entry.id)]
        wrong = strangers(world, entry.id, rng, 3, besides=[one for up in above for one in descendants(world, up)])
        if beside and wrong:
            right = rng.choice(beside)
            shared = [up for up in above if up in parents(world, right)]
            yield Draft(
                (entry.id, right), world.label(right),
                {"weakness": entry.label, "parent": _labels(world, shared)},
                tuple(other.label for other in wrong), sources=tuple(shared), difficulty=2,
            )  # fmt: skip


def abstraction(world: World, rng: Random) -> Iterator[Draft]:
    for entry in _weaknesses(world, rng):
        if level := _level(world, entry.id):
            above, below = parents(world, entry.id), children(world, entry.id)
            up = f"below {world.label(above[0])}" if above else "without a parent"
            down = f"above {len(below)} other{'s' if len(below) > 1 else ''}" if below else "without children"
            yield Draft((entry.id,), level, {"weakness": entry.label, "up": up, "down": down})


def kind_of(world: World, rng: Random) -> Iterator[Draft]:
    """Half of the claims are true; a false one asks for something above a near weakness, or the wrong way round."""
    yes = True
    for entry in [one for _ in range(4) for one in _weaknesses(world, rng)]:
        line = chain(world, entry.id)
        if len(line) < 2:
            continue
        above = ancestors(world, entry.id)
        near = [up for other in strangers(world, entry.id, rng, 5) for up in ancestors(world, other.id)]
        false = sorted({*near} - above - descendants(world, entry.id) - {entry.id})
        if not yes and not false:
            continue
        asked = rng.choice(line[1:]) if yes else rng.choice(false)
        slots = {"weakness": entry.label, "other": world.label(asked), "way": " → ".join(map(world.label, line))}
        yield Draft((entry.id,), "Yes" if yes else "No", slots, sources=(asked,), difficulty=2)
        yes = not yes


def pillar(world: World, rng: Random) -> Iterator[Draft]:
    for entry in _weaknesses(world, rng):
        line = chain(world, entry.id)
        if len(line) > 1 and _level(world, line[-1]) == "Pillar":
            told = (f"{world.label(low)} is a child of {world.label(high)}." for low, high in pairwise(line))
            ways = steps(*told, f"{world.label(line[-1])} has no parent: it is a Pillar.")
            slots = {"weakness": entry.label, "steps": ways}
            yield Draft((entry.id,), line[-1], slots, sources=tuple(line[1:]), difficulty=min(3, len(line)))


def common(world: World, rng: Random) -> Iterator[Draft]:
    """The nearest entry above both; only weaknesses with one way up each."""
    lines = {e.id: line for e in _weaknesses(world, rng) if len(line := chain(world, e.id)) > 2}
    tops: dict[str, list[str]] = {}
    for uid, line in lines.items():
        tops.setdefault(line[-1], []).append(uid)
    for _ in range(MANY):
        one = rng.choice([*lines]) if lines else ""
        mates = tops[lines[one][-1]] if one else []
        other = rng.choice(mates) if len(mates) > 1 else one
        if not one or other in lines[one] or one in lines[other]:
            continue
        meet = next(up for up in lines[one] if up in lines[other])
        ways = [" → ".join(lines[uid][: lines[uid].index(meet) + 1]) for uid in (one, other)]
        told = steps(f"Up from the first: {ways[0]}.", f"Up from the second: {ways[1]}.",
                     f"The first entry that stands on both ways is {world.label(meet)}.")  # fmt: skip
        slots = {"one": world.label(one), "other": world.label(other), "steps": told}
        yield Draft((one, other), meet, slots, sources=(meet,), difficulty=3)


def leads_to(world: World, rng: Random) -> Iterator[Draft]:
    for entry in _weaknesses(world, rng):
        if after := [tie.other for tie in world.out(entry.id, Rel.CAN_PRECEDE, Entity.WEAKNESS)]:
            slots = {"weakness": entry.label, "named": "; ".join(map(world.label, after))}
            yield Draft((entry.id,), joined(after), slots, sources=tuple(after), difficulty=2)


def led_by(world: World, rng: Random) -> Iterator[Draft]:
    for entry in _weaknesses(world, rng):
        before = [tie.other for tie in world.into(entry.id, Rel.CAN_PRECEDE, Entity.WEAKNESS)]
        if 0 < len(before) <= MOST:
            slots = {"weakness": entry.label, "named": "; ".join(map(world.label, before))}
            yield Draft((entry.id,), joined(before), slots, sources=tuple(before), difficulty=2)


def follows(world: World, rng: Random) -> Iterator[Draft]:
    for entry in _weaknesses(world, rng):
        after = [tie.other for tie in world.out(entry.id, Rel.CAN_PRECEDE, Entity.WEAKNESS)]
        for right in after:
            wrong = strangers(world, right, rng, 3, besides=(entry.id, *after, *kin(world, entry.id)))
            if wrong:
                slots = {"weakness": entry.label, "description": first_sentences(world.entries[right].text, 1)}
                yield Draft(
                    (entry.id, right), world.label(right), slots, tuple(other.label for other in wrong), difficulty=2
                )


def odd_one_out(world: World, rng: Random) -> Iterator[Draft]:
    """Three children of one parent, and one entry that is nowhere below it."""
    for _ in range(3):
        for entry in _weaknesses(world, rng):
            below = children(world, entry.id)
            if len(below) < 3:
                continue
            some = rng.sample(below, 3)
            refused = {entry.id, *descendants(world, entry.id), *ancestors(world, entry.id), *kin(world, some[0])}
            for odd in strangers(world, some[0], rng, 1, besides=sorted(refused)):
                up = parents(world, odd.id)
                slots = {"parent": entry.label, "own": " and ".join(map(world.label, up)) or "no other entry"}
                wrong = tuple(map(world.label, some))
                yield Draft((odd.id, *some), odd.label, slots, wrong, sources=(entry.id,), difficulty=3)


def simplified(world: World, rng: Random) -> Iterator[Draft]:
    """Of the view for mapping: as many that are in it as near ones that are not."""
    inside = {e.id for e in world.of(Entity.WEAKNESS) if isinstance(e.facts, WeaknessFacts) and SIMPLE in e.facts.views}
    yes = True
    for entry in _weaknesses(world, rng):
        if entry.id not in inside:
            continue
        outside = [other for other in world.near(entry.id, rng, 6) if other.id not in inside]
        for asked in (entry, *outside[:1]):
            if (asked.id in inside) is yes:
                near = [up for up in (*parents(world, asked.id), *children(world, asked.id)) if up in inside]
                hint = f" It holds the related {' and '.join(map(world.label, near[:2]))}." if near else ""
                slots = {
                    "weakness": asked.label,
                    "hint": hint,
                    "verdict": "is one of them" if yes else "is not among them",
                }
                yield Draft((asked.id,), "Yes" if yes else "No", slots)
                yes = not yes


def which_child(world: World, rng: Random) -> Iterator[Draft]:
    """What is known stops at a Class: which of its children it was, nothing says."""
    for entry in _weaknesses(world, rng):
        below = children(world, entry.id)
        if len(below) > 1 and _level(world, entry.id) in ("Class", "Pillar"):
            some = " and ".join(map(world.label, below[:2]))
            slots = {"weakness": entry.label, "level": _level(world, entry.id), "count": str(len(below)), "some": some}
            yield Draft((entry.id,), NOT_ENOUGH, slots, keep=(entry.id,), sources=tuple(below[:2]))


TASKS = (
    Task("abstraction", Kind.CLOSED, abstraction),
    Task("parent", Kind.MULTI, parent),
    Task("child", Kind.MULTI, child),
    Task("leads-to", Kind.MULTI, leads_to),
    Task("led-by", Kind.MULTI, led_by),
    Task("simplified-view", Kind.YES_NO, simplified),
    Task("sibling", Kind.CHOICE, sibling),
    Task("follows", Kind.CHOICE, follows),
    Task("kind-of", Kind.YES_NO, kind_of, 3_000),
    Task("odd-one-out", Kind.CHOICE, odd_one_out),
    Task("pillar", Kind.STEPS, pillar),
    Task("common-ancestor", Kind.STEPS, common, 3_000),
    Task("which-child", Kind.ABSTAIN, which_child),
)
