"""What ATT&CK says of a technique itself: tactics, platforms, its place in the hierarchy, its name and id."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from vedette.forge.example import Kind
from vedette.forge.task import Draft, Task
from vedette.forge.tasks.shared import first_sentences, joined, masked
from vedette.forge.world import Entry, World
from vedette.knowledge.record import Kind as Entity
from vedette.knowledge.record import Rel, TechniqueFacts

DOMAINS = {"enterprise": "Enterprise", "mobile": "Mobile", "ics": "ICS"}


def _techniques(world: World, rng: Random) -> Iterator[tuple[Entry, TechniqueFacts]]:
    for entry in world.shuffled(Entity.TECHNIQUE, rng):
        if isinstance(entry.facts, TechniqueFacts) and entry.text:
            yield entry, entry.facts


def _tactics(world: World, entry: Entry) -> list[str]:
    return [world.label(tie.other) for tie in world.out(entry.id, Rel.MEMBER_OF, Entity.TACTIC)]


def tactic(world: World, rng: Random) -> Iterator[Draft]:
    for entry, _ in _techniques(world, rng):
        if tactics := _tactics(world, entry):
            yield Draft(
                (entry.id,), joined(tactics), {"technique": entry.label, "matrix": DOMAINS[entry.domain]},
                difficulty=min(2, len(tactics)),
            )  # fmt: skip


def platform(world: World, rng: Random) -> Iterator[Draft]:
    for entry, known in _techniques(world, rng):
        if known.platforms:
            yield Draft((entry.id,), joined(known.platforms), {"technique": entry.label})


def parent(world: World, rng: Random) -> Iterator[Draft]:
    for entry, _ in _techniques(world, rng):
        for tie in world.out(entry.id, Rel.CHILD_OF, Entity.TECHNIQUE)[:1]:
            yield Draft((entry.id,), world.label(tie.other), {"technique": entry.label}, sources=(tie.other,))


def from_description(world: World, rng: Random) -> Iterator[Draft]:
    """The description without the name; wrong options are of its family, or alike in meaning."""
    for entry, _ in _techniques(world, rng):
        told = masked(first_sentences(entry.text, 3), entry)
        wrong = tuple(other.label for other in world.near(entry.id, rng, 3))
        if told and wrong:
            yield Draft((entry.id,), entry.label, {"description": told}, wrong, difficulty=2)


def belongs(world: World, rng: Random) -> Iterator[Draft]:
    """Half of the claims are true; a false one names a tactic of a near technique."""
    for number, (entry, _) in enumerate(_techniques(world, rng)):
        own = _tactics(world, entry)
        near = [t for other in world.near(entry.id, rng, 4) for t in _tactics(world, other) if t not in own]
        if not own or (number % 2 and not near):
            continue
        asked = near[0] if number % 2 else rng.choice(own)
        yield Draft(
            (entry.id,), "No" if number % 2 else "Yes",
            {"technique": entry.label, "tactic": asked, "own": joined(own)}, keep=(joined(own),), difficulty=2,
        )  # fmt: skip


def define(world: World, rng: Random) -> Iterator[Draft]:
    for entry, _ in _techniques(world, rng):
        told, tactics = first_sentences(entry.text, 5), joined(_tactics(world, entry))
        slots = {"technique": entry.label, "description": told, "tactics": tactics}
        yield Draft((entry.id,), "", slots, keep=(entry.id,))


TASKS = (
    Task("tactic", Kind.MULTI, tactic),
    Task("platform", Kind.MULTI, platform),
    Task("parent", Kind.CLOSED, parent),
    Task("from-description", Kind.CHOICE, from_description),
    Task("belongs-to-tactic", Kind.YES_NO, belongs),
    Task("define", Kind.OPEN, define),
)
