"""From what an attacker did, in a sentence, to ATT&CK's technique, tactics and platforms, and back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random

from vedette.forge.example import Kind
from vedette.forge.task import Draft, Task
from vedette.forge.tasks.procedures import (
    DOMAINS,
    Procedure,
    by_user,
    gist,
    kin,
    labels,
    lines,
    noun,
    parts,
    procedures,
    tactics,
    tellable,
    tells_apart,
    unlike,
    unnamed,
)
from vedette.forge.tasks.shared import joined
from vedette.forge.world import Entry, World
from vedette.knowledge.record import Rel, TechniqueFacts


def _slots(world: World, one: Procedure) -> dict[str, str]:
    return {
        "text": one.text,
        "user": one.user.label,
        "noun": noun(one.user),
        "matrix": DOMAINS[one.technique.domain],
        "technique": one.technique.label,
        "tactics": joined(tactics(world, one.technique)),
        "gist": gist(one.technique),
    }


def _single(world: World, rng: Random) -> Iterator[Procedure]:
    """Sentences that stand for one technique only."""
    return (one for one in procedures(world, rng) if not one.also)


def _objects(one: Procedure) -> tuple[str, ...]:
    return one.user.id, one.technique.id


def _hard(one: Procedure) -> int:
    """A sentence that says the technique's name is easy."""
    return 1 if one.technique.name.lower() in one.text.lower() else 2


def technique(world: World, rng: Random) -> Iterator[Draft]:
    for one in _single(world, rng):
        yield Draft(_objects(one), one.technique.label, _slots(world, one), difficulty=_hard(one))


def choice(world: World, rng: Random) -> Iterator[Draft]:
    for one in _single(world, rng):
        near = unlike(world, one, rng, 3)
        if len(near) == 3 and tells_apart(world, one, near):
            wrong = tuple(entry.label for entry in near)
            yield Draft(_objects(one), one.technique.label, _slots(world, one), wrong, difficulty=_hard(one))


def unnamed_technique(world: World, rng: Random) -> Iterator[Draft]:
    """The same without the name of who did it."""
    for one in _single(world, rng):
        told = unnamed(one.text, one.user)
        if tellable(one.user) and told != one.text:
            yield Draft(_objects(one), one.technique.label, {**_slots(world, one), "text": told}, difficulty=_hard(one))


def tactic(world: World, rng: Random) -> Iterator[Draft]:
    for one in _single(world, rng):
        if own := joined(tactics(world, one.technique)):
            yield Draft(_objects(one), own, _slots(world, one), keep=(one.technique.label,), difficulty=2)


def platform(world: World, rng: Random) -> Iterator[Draft]:
    for one in _single(world, rng):
        known = one.technique.facts
        platforms = [name for name in known.platforms if name != "None"] if isinstance(known, TechniqueFacts) else []
        if platforms:
            slots = _slots(world, one)
            yield Draft(_objects(one), joined(platforms), slots, keep=(one.technique.label,), difficulty=2)


def is_it(world: World, rng: Random) -> Iterator[Draft]:
    """Half of the mappings are right; a wrong one names a near technique that the user is not known to use."""
    yes = True
    for one in _single(world, rng):
        asked = one.technique if yes else next(iter(unlike(world, one, rng, 1)), None)
        if asked:
            slots = {**_slots(world, one), "asked": asked.label}
            keep = (one.technique.label,)
            yield Draft(
                tuple(dict.fromkeys((*_objects(one), asked.id))), "Yes" if yes else "No", slots, keep=keep, difficulty=2
            )
            yes = not yes


def steps(world: World, rng: Random) -> Iterator[Draft]:
    for one in _single(world, rng):
        near, purposes = unlike(world, one, rng, 2), tactics(world, one.technique)
        if len(near) == 2 and purposes:
            slots = _slots(world, one) | {
                "first": near[0].label, "first_gist": gist(near[0]),
                "second": near[1].label, "second_gist": gist(near[1]),
            }  # fmt: skip
            sources = tuple(entry.id for entry in near)
            yield Draft(_objects(one), one.technique.label, slots, sources=sources, difficulty=3)


def sub_technique(world: World, rng: Random) -> Iterator[Draft]:
    """Which of the parent's sub-techniques is it?"""
    for one in _single(world, rng):
        for tie in world.out(one.technique.id, Rel.CHILD_OF)[:1]:
            parent = world.entries[tie.other]
            near = [e for e in unlike(world, one, rng, 12) if tie.other in kin(world, e.id)][:3]
            if len(near) == 3 and tells_apart(world, one, near):
                slots = _slots(world, one) | {"parent": parent.label}
                wrong = tuple(entry.label for entry in near)
                yield Draft(_objects(one), one.technique.label, slots, wrong, sources=(parent.id,), difficulty=2)


def several(world: World, rng: Random) -> Iterator[Draft]:
    """A passage of three to five sentences: every technique, in the order of the text."""
    for user, part in _passages(world, rng):
        found = [one.technique for one in part]
        yield Draft(
            (user.id,), labels(found),
            {"passage": " ".join(one.text for one in part),
             "list": lines(f"“{p.text}”: {p.technique.label}" for p in part)},
            sources=tuple(entry.id for entry in found), difficulty=3,
        )  # fmt: skip


def extract(world: World, rng: Random) -> Iterator[Draft]:
    for user, part in _passages(world, rng):
        found = [{"id": p.technique.id, "name": p.technique.name, "evidence": p.text} for p in part]
        slots = {"passage": " ".join(one.text for one in part)}
        sources = tuple(one.technique.id for one in part)
        yield Draft(
            (user.id,), json.dumps({"techniques": found}, ensure_ascii=False), slots, sources=sources, difficulty=3
        )


def _passages(world: World, rng: Random) -> Iterator[tuple[Entry, list[Procedure]]]:
    """Sentences of one user, of different techniques and one domain."""
    for user, own in by_user(world, rng):
        for part in parts(own, rng.randint(3, 5)):
            if len({one.technique.id for one in part}) == len(part) and len({p.technique.domain for p in part}) == 1:
                yield user, part


def which_sentence(world: World, rng: Random) -> Iterator[Draft]:
    """From the technique to the one sentence of four that shows it."""
    for user, own in by_user(world, rng):
        for part in parts(own, 4):
            right = part[0]
            kept = {right.technique.id, *kin(world, right.technique.id)}
            others = [one for one in part[1:] if one.technique.id not in kept]
            if len(others) == 3 and len({one.text for one in part}) == 4:
                slots = _slots(world, right)
                wrong = tuple(one.text for one in others)
                yield Draft((user.id, right.technique.id), right.text, slots, wrong, difficulty=2)


def no_sub_technique(world: World, rng: Random) -> Iterator[Draft]:
    """A sentence that ATT&CK maps to a technique as a whole says nothing of which sub-technique it was."""
    for one in _single(world, rng):
        children = [world.entries[tie.other] for tie in world.into(one.technique.id, Rel.CHILD_OF)]
        named = any(set(entry.name.lower().split()) & set(one.text.lower().split()) for entry in children)
        if len(children) >= 2 and len(one.text) < 90 and not named:
            slots = _slots(world, one) | {"children": labels(children), "count": str(len(children))}
            yield Draft(_objects(one), "Not enough evidence", slots, keep=(one.technique.label,), difficulty=2)


TASKS = (
    Task("technique", Kind.CLOSED, technique, 12_000),
    Task("choice", Kind.CHOICE, choice, 8_000),
    Task("unnamed", Kind.CLOSED, unnamed_technique, 6_000),
    Task("tactic", Kind.MULTI, tactic, 5_000),
    Task("platform", Kind.MULTI, platform, 3_000),
    Task("is-it", Kind.YES_NO, is_it, 8_000),
    Task("steps", Kind.STEPS, steps, 5_000),
    Task("sub-technique", Kind.CHOICE, sub_technique, 4_000),
    Task("several", Kind.MULTI, several, 3_000),
    Task("extract", Kind.EXTRACT, extract, 3_000),
    Task("which-sentence", Kind.CHOICE, which_sentence, 3_000),
    Task("no-sub-technique", Kind.ABSTAIN, no_sub_technique, 600),
)
