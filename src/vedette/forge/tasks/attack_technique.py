"""What ATT&CK says of a technique itself: tactics, platforms, its place in the hierarchy, its name and id."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from random import Random

from vedette.forge.example import Kind
from vedette.forge.task import Draft, Task
from vedette.forge.tasks.procedures import DOMAINS, gist, kin, labels, lines
from vedette.forge.tasks.shared import first_sentences, joined, masked
from vedette.forge.world import Entry, World
from vedette.knowledge.record import Kind as Entity
from vedette.knowledge.record import Rel, TechniqueFacts


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
        if platforms := [one for one in known.platforms if one != "None"]:  # most of ICS has none
            yield Draft((entry.id,), joined(platforms), {"technique": entry.label})


def parent(world: World, rng: Random) -> Iterator[Draft]:
    for entry, _ in _techniques(world, rng):
        for tie in world.out(entry.id, Rel.CHILD_OF, Entity.TECHNIQUE)[:1]:
            yield Draft((entry.id,), world.label(tie.other), {"technique": entry.label}, sources=(tie.other,))


def from_description(world: World, rng: Random) -> Iterator[Draft]:
    """The description without the name; wrong options are of its family, or alike in meaning."""
    for entry, _ in _techniques(world, rng):
        told = masked(first_sentences(entry.text, 3), entry)
        wrong = tuple(other.label for other in world.near(entry.id, rng, 3, kin(world, entry.id)))
        if told and len(wrong) == 3:
            yield Draft((entry.id,), entry.label, {"description": told}, wrong, difficulty=2)


def belongs(world: World, rng: Random) -> Iterator[Draft]:
    """Half of the claims are true; a false one names a tactic of a near technique."""
    yes = True
    for entry, _ in _techniques(world, rng):
        own = _tactics(world, entry)
        near = [t for other in world.near(entry.id, rng, 8) for t in _tactics(world, other) if t not in own]
        if own and (yes or near):
            slots = {"technique": entry.label, "tactic": rng.choice(own) if yes else near[0], "own": joined(own)}
            yield Draft((entry.id,), "Yes" if yes else "No", slots, keep=(slots["own"],), difficulty=2)
            yes = not yes


def define(world: World, rng: Random) -> Iterator[Draft]:
    for entry, _ in _techniques(world, rng):
        told, tactics = first_sentences(entry.text, 5), joined(_tactics(world, entry))
        slots = {"technique": entry.label, "description": told, "tactics": tactics}
        yield Draft((entry.id,), "", slots, keep=(entry.id,))


def _named_once(world: World, rng: Random) -> Iterator[Entry]:
    """Techniques whose name no other one of the same matrix has."""
    counts = Counter((entry.domain, entry.name) for entry in world.of(Entity.TECHNIQUE))
    return (e for e, _ in _techniques(world, rng) if counts[e.domain, e.name] == 1)


def name(world: World, rng: Random) -> Iterator[Draft]:
    for entry, _ in _techniques(world, rng):
        yield Draft((entry.id,), entry.name, {"id": entry.id, "matrix": DOMAINS[entry.domain], "gist": gist(entry)})


def identifier(world: World, rng: Random) -> Iterator[Draft]:
    for entry in _named_once(world, rng):
        yield Draft((entry.id,), entry.id, {"name": entry.name, "matrix": DOMAINS[entry.domain], "gist": gist(entry)})


def _children(world: World, entry: Entry) -> list[Entry]:
    return [world.entries[tie.other] for tie in world.into(entry.id, Rel.CHILD_OF, Entity.TECHNIQUE)]


def sub_techniques(world: World, rng: Random) -> Iterator[Draft]:
    for entry, _ in _techniques(world, rng):
        children = _children(world, entry)
        if children:
            slots = {"technique": entry.label, "count": str(len(children)), "plural": "" if len(children) == 1 else "s"}
            yield Draft((entry.id,), labels(children), slots, sources=tuple(one.id for one in children), difficulty=2)


def child_choice(world: World, rng: Random) -> Iterator[Draft]:
    """Wrong options are near, and under another technique, or under none."""
    for entry, _ in _techniques(world, rng):
        children = _children(world, entry)
        for child in children:
            wrong = world.near(child.id, rng, 3, [entry.id, *(one.id for one in children)])
            if len(wrong) == 3:
                slots = {"technique": entry.label, "gist": gist(child)}
                options = tuple(one.label for one in wrong)
                yield Draft((child.id, entry.id), child.label, slots, options, difficulty=2)


def runs_on(world: World, rng: Random) -> Iterator[Draft]:
    """Half of the claims are true."""
    every: dict[str, list[str]] = {}
    for entry, known in _techniques(world, rng):
        every[entry.domain] = list(dict.fromkeys([*every.get(entry.domain, ()), *known.platforms]))
    yes = True
    for entry, known in _techniques(world, rng):
        own = [one for one in known.platforms if one != "None"]
        rest = [one for one in every[entry.domain] if one not in (*own, "None", "PRE")]
        if own and own != ["PRE"] and rest:
            asked = rng.choice(own if yes else rest)
            slots = {"technique": entry.label, "platform": asked, "own": joined(own)}
            yield Draft((entry.id,), "Yes" if yes else "No", slots, keep=(slots["own"],))
            yes = not yes


def for_tactic(world: World, rng: Random) -> Iterator[Draft]:
    """Wrong options are near, and serve other tactics."""
    for entry, _ in _techniques(world, rng):
        for tactic in _tactics(world, entry):
            wrong = [e for e in world.near(entry.id, rng, 12) if tactic not in _tactics(world, e)][:3]
            if len(wrong) == 3:
                slots = {"tactic": tactic, "matrix": DOMAINS[entry.domain], "own": joined(_tactics(world, entry))}
                yield Draft((entry.id,), entry.label, slots, tuple(e.label for e in wrong), difficulty=2)


def compare(world: World, rng: Random) -> Iterator[Draft]:
    for entry, _ in _techniques(world, rng):
        for other in world.near(entry.id, rng, 2):
            slots = {
                "one": entry.label, "other": other.label, "first": gist(entry), "second": gist(other),
                "one_tactics": joined(_tactics(world, entry)), "other_tactics": joined(_tactics(world, other)),
            }  # fmt: skip
            yield Draft((entry.id, other.id), "", slots, keep=(entry.id, other.id), difficulty=2)


def sift(world: World, rng: Random) -> Iterator[Draft]:
    """Step by step: of four near techniques, the one that serves a tactic on a platform."""
    for entry, known in _techniques(world, rng):
        near = world.near(entry.id, rng, 3)
        four = sorted([entry, *near], key=lambda one: one.id)
        for tactic in _tactics(world, entry):
            serving = [one for one in four if tactic in _tactics(world, one)]
            for platform in [one for one in known.platforms if one not in ("None", "PRE")]:
                left = [one for one in serving if platform in _platforms(one)]
                if left == [entry] and 1 < len(serving) < 4:
                    yield Draft(
                        (entry.id,), entry.label,
                        {
                            "options": labels(four), "tactic": tactic, "platform": platform, "serving": labels(serving),
                            "platforms": lines(f"{one.label}: {joined(_platforms(one))}" for one in serving),
                        },
                        keep=(labels(serving),), sources=tuple(one.id for one in near), difficulty=3,
                    )  # fmt: skip


def _platforms(entry: Entry) -> tuple[str, ...]:
    return entry.facts.platforms if isinstance(entry.facts, TechniqueFacts) else ()


def card(world: World, rng: Random) -> Iterator[Draft]:
    for entry, known in _techniques(world, rng):
        tactics = [tie.other for tie in world.out(entry.id, Rel.MEMBER_OF, Entity.TACTIC)]
        parent = next((tie.other for tie in world.out(entry.id, Rel.CHILD_OF, Entity.TECHNIQUE)), "")
        platforms = [one for one in known.platforms if one != "None"]
        final = {"id": entry.id, "name": entry.name, "parent": parent, "tactics": tactics, "platforms": platforms}
        slots = {
            "technique": entry.label, "told": first_sentences(entry.text, 2), "tactics": joined(_tactics(world, entry)),
            "platforms": joined(platforms) or "not given", "parent": world.label(parent) if parent else "none",
        }  # fmt: skip
        yield Draft(
            (entry.id,), json.dumps(final, ensure_ascii=False), slots, sources=(*tactics, *filter(None, [parent]))
        )


def goal_only(world: World, rng: Random) -> Iterator[Draft]:
    """A tactic and a platform name no technique."""
    found: dict[tuple[str, str], list[Entry]] = {}
    for entry, known in _techniques(world, rng):
        for tactic in _tactics(world, entry):
            for platform in known.platforms:
                if platform not in ("None", "PRE"):
                    found.setdefault((tactic, platform), []).append(entry)
    for (tactic, platform), techniques in found.items():
        for _ in range(3 if len(techniques) >= 3 else 0):  # as often as there are ways to ask
            some = rng.sample(techniques, 3)
            slots = {"tactic": tactic, "platform": platform, "count": str(len(techniques)), "some": labels(some)}
            sources = tuple(one.id for one in some)
            yield Draft((), "Not enough evidence", slots, keep=(slots["count"],), sources=sources)


def artifact(world: World, rng: Random) -> Iterator[Draft]:
    """What it touches, in D3FEND's words."""
    for entry, _ in _techniques(world, rng):
        found = [world.entries[tie.other] for tie in world.out(entry.id, Rel.TOUCHES, Entity.ARTIFACT)]
        if found:
            slots = {"technique": entry.label, "gist": gist(entry)}
            yield Draft((entry.id,), labels(found), slots, sources=tuple(one.id for one in found), difficulty=2)


TASKS = (
    Task("name", Kind.CLOSED, name),
    Task("id", Kind.CLOSED, identifier),
    Task("tactic", Kind.MULTI, tactic),
    Task("platform", Kind.MULTI, platform),
    Task("parent", Kind.CLOSED, parent),
    Task("from-description", Kind.CHOICE, from_description),
    Task("belongs-to-tactic", Kind.YES_NO, belongs),
    Task("define", Kind.OPEN, define),
    Task("sub-techniques", Kind.MULTI, sub_techniques),
    Task("child-choice", Kind.CHOICE, child_choice),
    Task("runs-on", Kind.YES_NO, runs_on),
    Task("for-tactic", Kind.CHOICE, for_tactic),
    Task("compare", Kind.OPEN, compare),
    Task("sift", Kind.STEPS, sift, 1_500),
    Task("card", Kind.EXTRACT, card),
    Task("artifact", Kind.MULTI, artifact),
    Task("goal-only", Kind.ABSTAIN, goal_only, 600),
)
