"""Campaigns: when they ran, whose they were, what was used in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import combinations
from random import Random

from vedette.forge.example import Kind
from vedette.forge.task import Draft, Task
from vedette.forge.tasks import users
from vedette.forge.tasks.procedures import gist, labels, names_group, unnamed, used
from vedette.forge.tasks.shared import first_sentences, joined
from vedette.forge.world import Entry, World
from vedette.knowledge.record import ActorFacts, Rel
from vedette.knowledge.record import Kind as Entity

CAMPAIGN = Entity.CAMPAIGN


def _dated(world: World, rng: Random) -> Iterator[tuple[Entry, ActorFacts]]:
    for entry in users.shuffled_users(world, rng, CAMPAIGN):
        if isinstance(entry.facts, ActorFacts) and entry.facts.first_seen and entry.facts.last_seen:
            yield entry, entry.facts


def _groups(world: World, entry: Entry) -> list[Entry]:
    return [world.entries[tie.other] for tie in world.out(entry.id, Rel.ATTRIBUTED_TO, Entity.GROUP)]


def _period(known: ActorFacts) -> str:
    """Months: the days that ATT&CK gives are mostly made up."""
    return f"{known.first_seen[:7]} to {known.last_seen[:7]}"


def period(world: World, rng: Random) -> Iterator[Draft]:
    for entry, known in _dated(world, rng):
        yield Draft((entry.id,), _period(known), {"user": entry.label, "gist": gist(entry)})


def earlier(world: World, rng: Random) -> Iterator[Draft]:
    """Which of four began first?"""
    dated = list(_dated(world, rng))
    for _ in range(800):
        four = rng.sample(dated, min(4, len(dated)))
        starts = [known.first_seen[:7] for _, known in four]
        if len(set(starts)) == len(four) == 4:
            (right, _), *rest = sorted(four, key=lambda one: one[1].first_seen)
            told = joined(f"{entry.label} {known.first_seen[:7]}" for entry, known in four)
            wrong = tuple(entry.label for entry, _ in rest)
            objects = tuple(entry.id for entry, _ in four)
            yield Draft(objects, right.label, {"dates": told}, wrong, keep=(told,), difficulty=2)


def at_once(world: World, rng: Random) -> Iterator[Draft]:
    """Half of the pairs ran at the same time, for a month at least, and half did not."""
    pairs = list(combinations(_dated(world, rng), 2))
    rng.shuffle(pairs)
    yes = True
    for (one, first), (other, second) in pairs:
        begin, end = max(first.first_seen, second.first_seen)[:7], min(first.last_seen, second.last_seen)[:7]
        if (begin < end) == yes and begin != end:
            slots = {"one": one.label, "other": other.label, "first": _period(first), "second": _period(second)}
            keep = (slots["first"], slots["second"])
            yield Draft((one.id, other.id), "Yes" if yes else "No", slots, keep=keep, difficulty=3)
            yes = not yes


def attributed(world: World, rng: Random) -> Iterator[Draft]:
    for entry in users.shuffled_users(world, rng, CAMPAIGN):
        groups = _groups(world, entry)
        if len(groups) == 1:
            told = first_sentences(entry.text, 2)
            yield Draft((entry.id, groups[0].id), groups[0].label, {"user": entry.label, "told": told})


def attribution_choice(world: World, rng: Random) -> Iterator[Draft]:
    """From what was done in it, without names, to its group."""
    for entry in users.shuffled_users(world, rng, CAMPAIGN):
        for group in _groups(world, entry)[:1]:
            known = [one.id for one in _groups(world, entry)]
            wrong = [e for e in world.near(group.id, rng, 6, known) if e.units[0].startswith("attack/")][:3]
            told = unnamed(unnamed(first_sentences(entry.text, 2), group), entry)
            if len(wrong) == 3 and told:
                slots = {"user": entry.label, "told": told}
                yield Draft((entry.id, group.id), group.label, slots, tuple(e.label for e in wrong), difficulty=2)


def is_attributed(world: World, rng: Random) -> Iterator[Draft]:
    """True claims, and as many that name a group near the right one."""
    for entry in users.shuffled_users(world, rng, CAMPAIGN):
        groups = _groups(world, entry)
        for group in groups:
            near = world.near(group.id, rng, 4, [one.id for one in groups])
            asked = [e for e in near if e.units[0].startswith("attack/") and e.name.lower() not in entry.text.lower()]
            for claim, final in ((group, "Yes"), *((e, "No") for e in asked[:1])):
                slots = {"user": entry.label, "asked": claim.label, "groups": labels(groups)}
                yield Draft((entry.id, claim.id), final, slots, keep=(slots["groups"],))


def unattributed(world: World, rng: Random) -> Iterator[Draft]:
    for entry in users.shuffled_users(world, rng, CAMPAIGN):
        if not _groups(world, entry) and not names_group(world, entry.text):
            for _ in range(4):  # as often as there are ways to ask
                slots = {
                    "user": entry.label,
                    "count": str(len(used(world, entry.id))),
                    "told": first_sentences(entry.text, 2),
                }
                yield Draft((entry.id,), "Not enough evidence", slots)


def software(world: World, rng: Random) -> Iterator[Draft]:
    for entry in users.shuffled_users(world, rng, CAMPAIGN):
        tools = [world.entries[tie.other] for tie in world.out(entry.id, Rel.USES, Entity.SOFTWARE)]
        if 1 <= len(tools) <= 15:
            yield Draft((entry.id,), labels(tools), {"user": entry.label}, sources=tuple(one.id for one in tools))


def card(world: World, rng: Random) -> Iterator[Draft]:
    for entry, known in _dated(world, rng):
        groups, own = _groups(world, entry), used(world, entry.id)
        for _ in range(3):
            techniques = sorted(one.id for one in rng.sample(own, min(5, len(own))))
            final = {
                "id": entry.id, "name": entry.name, "first_seen": known.first_seen[:7],
                "last_seen": known.last_seen[:7], "groups": [one.id for one in groups], "techniques": techniques,
            }  # fmt: skip
            slots = {
                "told": first_sentences(entry.text, 3), "user": entry.label,
                "groups": labels(groups) or "nobody so far",
                "first": known.first_seen[:7], "last": known.last_seen[:7],
                "techniques": joined(world.label(uid) for uid in techniques),
            }  # fmt: skip
            yield Draft(
                (entry.id,), json.dumps(final, ensure_ascii=False), slots, sources=tuple(techniques), difficulty=2
            )


def group_also(world: World, rng: Random) -> Iterator[Draft]:
    """Step by step: which of the campaign's techniques stand under its group, too?"""
    for entry in users.shuffled_users(world, rng, CAMPAIGN):
        for group in _groups(world, entry)[:1]:
            own, theirs = used(world, entry.id), {one.id for one in used(world, group.id)}
            for _ in range(8 if len(own) >= 6 else 0):
                some = sorted(rng.sample(own, 6), key=lambda one: one.id)
                both = [one for one in some if one.id in theirs]
                rest = [one for one in some if one.id not in theirs]
                if both and rest:
                    slots = {"user": entry.label, "group": group.label, "told": labels(some), "rest": labels(rest)}
                    sources = tuple(one.id for one in some)
                    yield Draft((entry.id, group.id), labels(both), slots, sources=sources, difficulty=3)


TASKS = (
    Task("define", Kind.OPEN, users.define(CAMPAIGN)),
    Task("period", Kind.CLOSED, period),
    Task("earlier", Kind.CHOICE, earlier, 600),
    Task("at-once", Kind.YES_NO, at_once, 600),
    Task("attributed", Kind.CLOSED, attributed),
    Task("attribution-choice", Kind.CHOICE, attribution_choice),
    Task("is-attributed", Kind.YES_NO, is_attributed),
    Task("unattributed", Kind.ABSTAIN, unattributed),
    Task("software", Kind.MULTI, software),
    Task("from-description", Kind.CHOICE, users.from_description(CAMPAIGN)),
    Task("from-behaviour", Kind.CHOICE, users.who(CAMPAIGN), 600),
    Task("how", Kind.OPEN, users.how(CAMPAIGN)),
    Task("uses", Kind.YES_NO, users.uses(CAMPAIGN, 20), 1_500),
    Task("left-out", Kind.CHOICE, users.left_out(CAMPAIGN, 15), 1_000),
    Task("odd-one-out", Kind.CHOICE, users.odd_one(CAMPAIGN, 10), 600),
    Task("summary", Kind.SUMMARISE, users.summarise(CAMPAIGN), 600),
    Task("group-also", Kind.STEPS, group_also, 600),
    Task("card", Kind.EXTRACT, card, 300),
)
