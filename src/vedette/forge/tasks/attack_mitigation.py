"""Mitigations: what helps against which technique, how, and what a plan leaves open."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from random import Random

from vedette.forge.example import Kind
from vedette.forge.task import Draft, Task
from vedette.forge.tasks.procedures import (
    DOMAINS,
    gist,
    kin,
    labels,
    lines,
    procedures,
    tactics,
    used,
    users,
)
from vedette.forge.tasks.shared import first_sentences, flat, joined, masked
from vedette.forge.world import Entry, World
from vedette.knowledge.record import Kind as Entity
from vedette.knowledge.record import Rel

MOST = 10  # mitigations that an answer lists
NONE = ("M1055", "M1056", "M1059", "M0816")  # "do not mitigate", "pre-compromise", "mitigation limited"
TECHNIQUE, MITIGATION = Entity.TECHNIQUE, Entity.MITIGATION


def _mitigations(world: World, uid: str) -> list[Entry]:
    return [world.entries[tie.other] for tie in world.into(uid, Rel.MITIGATES, MITIGATION)]


def _against(world: World, uid: str) -> list[Entry]:
    return [world.entries[tie.other] for tie in world.out(uid, Rel.MITIGATES, TECHNIQUE)]


def _advice(world: World, rng: Random) -> Iterator[tuple[Entry, Entry, str]]:
    """Mitigation, technique, and what ATT&CK says about the two."""
    found = [
        (entry, world.entries[tie.other], flat(tie.text))
        for entry in world.of(MITIGATION)
        if entry.id not in NONE
        for tie in world.out(entry.id, Rel.MITIGATES, TECHNIQUE)
        if tie.text
    ]
    rng.shuffle(found)
    yield from found


def _covered(world: World, uid: str) -> set[str]:
    """Techniques that it helps against, and their kin."""
    direct = [one.id for one in _against(world, uid)]
    return {*direct, *(other for one in direct for other in kin(world, one))}


def _useless(world: World, technique: Entry, near: Entry, rng: Random, count: int) -> list[Entry]:
    """Mitigations near the one that do not help against the technique, nor against its kin."""
    about = [technique.id, *kin(world, technique.id)]
    besides = [*NONE, *(entry.id for uid in about for entry in _mitigations(world, uid))]
    return world.near(near.id, rng, count, besides)


def for_technique(world: World, rng: Random) -> Iterator[Draft]:
    for entry in world.shuffled(TECHNIQUE, rng):
        found = [one for one in _mitigations(world, entry.id) if one.id not in NONE]
        if 1 <= len(found) <= MOST:
            slots = {"technique": entry.label, "matrix": DOMAINS[entry.domain], "gist": gist(entry)}
            sources = tuple(one.id for one in found)
            yield Draft((entry.id,), labels(found), slots, sources=sources, difficulty=min(2, len(found)))


def how(world: World, rng: Random) -> Iterator[Draft]:
    for entry, technique, text in _advice(world, rng):
        slots = {"mitigation": entry.label, "technique": technique.label, "text": text}
        yield Draft((entry.id, technique.id), "", slots, keep=(text, technique.id))


def choice(world: World, rng: Random) -> Iterator[Draft]:
    for entry, technique, text in _advice(world, rng):
        wrong = _useless(world, technique, entry, rng, 3)
        if len(wrong) == 3:
            slots = {"technique": technique.label, "text": text, "gist": gist(technique)}
            options = tuple(one.label for one in wrong)
            yield Draft((technique.id, entry.id), entry.label, slots, options, difficulty=2)


def helps(world: World, rng: Random) -> Iterator[Draft]:
    """Half of the claims are true; a false one names a near mitigation that is not linked."""
    yes = True
    for turn in range(2):
        for entry, technique, _ in _advice(world, rng):
            asked = entry if yes else next(iter(_useless(world, technique, entry, rng, 1)), None)
            if asked:
                own = labels(_mitigations(world, technique.id))
                slots = {"asked": asked.label, "technique": technique.label, "own": own}
                yield Draft((technique.id, asked.id), "Yes" if yes else "No", slots, keep=(own,), difficulty=1 + turn)
                yes = not yes


def from_advice(world: World, rng: Random) -> Iterator[Draft]:
    """From a recommendation to its mitigation; one that stands under several is left out."""
    holders: dict[str, set[str]] = {}
    for entry, _, text in _advice(world, rng):
        holders.setdefault(text, set()).add(entry.id)
    for entry, technique, text in _advice(world, rng):
        told = masked(text, entry, "[…]")
        if len(holders[text]) == 1 and told:
            slots = {"told": told, "technique": technique.label, "gist": gist(entry)}
            yield Draft((entry.id, technique.id), entry.label, slots, difficulty=2)


def from_description(world: World, rng: Random) -> Iterator[Draft]:
    for entry in world.shuffled(MITIGATION, rng):
        told, wrong = masked(first_sentences(entry.text, 2), entry, "[…]"), world.near(entry.id, rng, 3, NONE)
        if told and entry.id not in NONE and len(wrong) == 3:
            yield Draft((entry.id,), entry.label, {"told": told}, tuple(one.label for one in wrong), difficulty=2)


def define(world: World, rng: Random) -> Iterator[Draft]:
    for entry in world.shuffled(MITIGATION, rng):
        if told := first_sentences(entry.text.partition("\n\n")[0], 4):
            yield Draft((entry.id,), "", {"mitigation": entry.label, "told": told}, keep=(entry.id,))


def steps(world: World, rng: Random) -> Iterator[Draft]:
    """What was seen → technique → what ATT&CK advises against it."""
    for one in procedures(world, rng):
        found = [entry for entry in _mitigations(world, one.technique.id) if entry.id not in NONE]
        if not one.also and 1 <= len(found) <= 6:
            advice = {tie.other: flat(tie.text) for tie in world.into(one.technique.id, Rel.MITIGATES, MITIGATION)}
            slots = {
                "text": one.text, "technique": one.technique.label, "gist": gist(one.technique),
                "tactics": joined(tactics(world, one.technique)),
                "advice": lines(f"{entry.label}: {first_sentences(advice[entry.id], 1)}" for entry in found),
            }  # fmt: skip
            sources = tuple(entry.id for entry in found)
            keep = (one.technique.label,)
            yield Draft((one.user.id, one.technique.id), labels(found), slots, keep=keep, sources=sources, difficulty=3)


def covers(world: World, rng: Random) -> Iterator[Draft]:
    """One mitigation for three techniques; a wrong option helps against two of them at most."""
    for entry in world.shuffled(MITIGATION, rng):
        own = _against(world, entry.id)
        for _ in range(min(120, 3 * len(own)) if len(own) >= 3 and entry.id not in NONE else 0):
            three = rng.sample(own, 3)
            ids = {one.id for one in three}
            near = world.near(entry.id, rng, 12, NONE)
            wrong = [one for one in near if not ids <= _covered(world, one.id)][:3]
            if len(wrong) == 3 and len({one.domain for one in three}) == 1:
                slots = {"techniques": labels(three)}
                options = tuple(one.label for one in wrong)
                yield Draft((entry.id,), entry.label, slots, options, sources=tuple(sorted(ids)), difficulty=3)


def gap(world: World, rng: Random) -> Iterator[Draft]:
    """A plan of three mitigations, and the one technique of four that it does nothing about."""
    for group in users(world, Entity.GROUP):
        own = [one for one in used(world, group.id) if one.domain == "enterprise"]
        for _ in range(min(20, len(own) // 2)):
            plan = _plan(world, own, rng)
            done = set().union(*(_covered(world, one.id) for one in plan))
            direct = {entry.id for one in plan for entry in _against(world, one.id)}
            left = [one for one in own if one.id not in done]
            kept = [one for one in own if one.id in direct]
            if len(plan) == 3 and left and len(kept) >= 3:
                right, wrong = rng.choice(left), rng.sample(kept, 3)
                slots = {
                    "group": group.label, "plan": labels(plan),
                    "why": lines(f"{one.label}: {_helping(world, one, plan)}" for one in wrong),
                }  # fmt: skip
                options = tuple(one.label for one in wrong)
                sources = tuple(one.id for one in plan)
                yield Draft((group.id, right.id), right.label, slots, options, sources=sources, difficulty=3)


def _plan(world: World, techniques: list[Entry], rng: Random) -> list[Entry]:
    """Three mitigations that help against some of the techniques."""
    found = {entry.id: entry for one in techniques for entry in _mitigations(world, one.id) if entry.id not in NONE}
    return rng.sample(list(found.values()), 3) if len(found) >= 3 else []


def _helping(world: World, technique: Entry, plan: list[Entry]) -> str:
    ids = {one.id for one in _mitigations(world, technique.id)}
    return labels(one for one in plan if one.id in ids)


def most(world: World, rng: Random) -> Iterator[Draft]:
    """Count: which mitigation helps against most of six techniques?"""
    for group in users(world, Entity.GROUP):
        own = [one for one in used(world, group.id) if _mitigations(world, one.id)]
        for _ in range(min(30, len(own) // 2) if len(own) >= 6 else 0):
            six = sorted(rng.sample(own, 6), key=lambda one: one.id)
            helping = {one.id: [m for m in _mitigations(world, one.id) if m.id not in NONE] for one in six}
            (best, count), *rest = Counter(m.id for found in helping.values() for m in found).most_common() or [("", 0)]
            if count < 2 or (rest and rest[0][1] == count):
                continue
            slots = {
                "group": group.label, "techniques": labels(six), "count": str(count),
                "list": lines(f"{one.label}: {labels(helping[one.id]) or 'none'}" for one in six),
                "second": f"{world.label(rest[0][0])} with {rest[0][1]}" if rest else "none",
            }  # fmt: skip
            objects = (group.id,)
            yield Draft(
                objects, world.label(best), slots, keep=(slots["list"],), sources=(best, *helping), difficulty=3
            )


def none_listed(world: World, rng: Random) -> Iterator[Draft]:
    """Techniques for which ATT&CK has no mitigation, or only says that there is none."""
    for entry in world.shuffled(TECHNIQUE, rng):
        found = _mitigations(world, entry.id)
        if all(one.id in NONE for one in found):
            slots = {
                "technique": entry.label, "tactics": joined(tactics(world, entry)), "gist": gist(entry),
                "found": f"only {labels(found)}" if found else "no mitigation",
            }  # fmt: skip
            for _ in range(3):  # as often as there are ways to ask
                yield Draft((entry.id,), "Not enough evidence", slots, keep=(entry.id,))


def countermeasure(world: World, rng: Random) -> Iterator[Draft]:
    """From ATT&CK's mitigation to D3FEND's countermeasures."""
    for entry in world.shuffled(MITIGATION, rng):
        found = [world.entries[tie.other] for tie in world.out(entry.id, Rel.MAPS_TO, Entity.COUNTERMEASURE)]
        if found:
            sources = tuple(one.id for one in found)
            yield Draft((entry.id,), labels(found), {"mitigation": entry.label, "gist": gist(entry)}, sources=sources)


def plan(world: World, rng: Random) -> Iterator[Draft]:
    """A note with recommendations becomes JSON."""
    for entry in world.shuffled(TECHNIQUE, rng):
        found = [t for t in world.into(entry.id, Rel.MITIGATES, MITIGATION) if t.other not in NONE and t.text][:4]
        if len(found) >= 2:
            told = {world.entries[tie.other].label: first_sentences(tie.text, 2) for tie in found}
            rows = [
                {"id": tie.other, "name": world.entries[tie.other].name, "advice": first_sentences(tie.text, 2)}
                for tie in found
            ]
            final = json.dumps({"technique": entry.id, "mitigations": rows}, ensure_ascii=False)
            slots = {"technique": entry.label, "told": "\n".join(f"{name}. {text}" for name, text in told.items())}
            yield Draft((entry.id,), final, slots, sources=tuple(tie.other for tie in found), difficulty=2)


TASKS = (
    Task("for-technique", Kind.MULTI, for_technique),
    Task("how", Kind.OPEN, how, 3_000),
    Task("choice", Kind.CHOICE, choice, 3_000),
    Task("helps", Kind.YES_NO, helps, 3_500),
    Task("from-advice", Kind.CLOSED, from_advice, 2_000),
    Task("from-description", Kind.CHOICE, from_description),
    Task("define", Kind.OPEN, define),
    Task("steps", Kind.STEPS, steps, 5_000),
    Task("covers", Kind.CHOICE, covers, 3_000),
    Task("gap", Kind.CHOICE, gap, 2_500),
    Task("most", Kind.STEPS, most, 1_000),
    Task("none-listed", Kind.ABSTAIN, none_listed, 600),
    Task("countermeasure", Kind.MULTI, countermeasure),
    Task("plan", Kind.EXTRACT, plan),
)
