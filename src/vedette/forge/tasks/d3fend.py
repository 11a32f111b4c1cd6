"""D3FEND: countermeasures, the digital artifacts that they and ATT&CK techniques touch, and ATT&CK's mitigations."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from vedette.forge.example import Kind
from vedette.forge.task import Draft, Task
from vedette.forge.tasks.lineage import ancestors, descendants, parents, strangers
from vedette.forge.tasks.shared import NOT_ENOUGH, first_sentences, flat, joined, masked, steps
from vedette.forge.world import Entry, Tie, World
from vedette.knowledge.record import CountermeasureFacts, Rel
from vedette.knowledge.record import Kind as Entity

TACTICS = {
    "Model": "to know one's own systems, networks and people better",
    "Harden": "to make exploitation harder before it is tried",
    "Detect": "to notice an attacker",
    "Isolate": "to keep an attacker away from what they want to reach",
    "Deceive": "to lure an attacker into a controlled environment",
    "Evict": "to remove an attacker from a system or a network",
    "Restore": "to bring systems back to a working state",
}
MOST = 10


def _measures(world: World, rng: Random) -> Iterator[tuple[Entry, str]]:
    for entry in world.shuffled(Entity.COUNTERMEASURE, rng):
        if entry.text:
            yield entry, entry.facts.tactic if isinstance(entry.facts, CountermeasureFacts) else ""


def _name(world: World, uid: str) -> str:
    """Artifacts are called by their names; their ids are names of classes."""
    return world.entries[uid].name


def _verb(note: str) -> str:
    """ "may-modify" → "may modify"."""
    return note.replace("-", " ")


def _touched(world: World, uid: str) -> list[Tie]:
    return world.out(uid, Rel.TOUCHES, Entity.ARTIFACT)


def _touching(world: World, artifacts: set[str], kind: Entity) -> set[str]:
    """All that touch one of the artifacts, or a broader or narrower one: no wrong options for them."""
    wide = {one for uid in artifacts for one in (uid, *ancestors(world, uid), *descendants(world, uid))}
    return {tie.other for uid in wide for tie in world.into(uid, Rel.TOUCHES, kind)}


def define(world: World, rng: Random) -> Iterator[Draft]:
    for entry, tactic in _measures(world, rng):
        if tactic in TACTICS:
            slots = {"measure": entry.label, "description": first_sentences(entry.text, 3), "tactic": tactic,
                     "aim": TACTICS[tactic]}  # fmt: skip
            yield Draft((entry.id,), "", slots, keep=(entry.label, tactic))


def from_description(world: World, rng: Random) -> Iterator[Draft]:
    for entry, _ in _measures(world, rng):
        told = masked(first_sentences(entry.text, 3), entry, "[…]")
        wrong = tuple(other.label for other in strangers(world, entry.id, rng, 3))
        if told and wrong:
            yield Draft((entry.id,), entry.label, {"description": told}, wrong, difficulty=2)


def tactic(world: World, rng: Random) -> Iterator[Draft]:
    for entry, own in _measures(world, rng):
        if own in TACTICS:
            slots = {"measure": entry.label, "description": first_sentences(entry.text, 1), "aim": TACTICS[own]}
            yield Draft((entry.id,), own, slots)


def parent(world: World, rng: Random) -> Iterator[Draft]:
    for entry, _ in _measures(world, rng):
        if above := parents(world, entry.id):
            slots = {"measure": entry.label, "description": first_sentences(entry.text, 1)}
            yield Draft((entry.id,), joined(map(world.label, above)), slots, sources=tuple(above))


def how(world: World, rng: Random) -> Iterator[Draft]:
    for entry, _ in _measures(world, rng):
        article = entry.texts.get("article", "")
        body = article.split("How it works", 1)[-1].split("\n#", 1)[0]
        if "How it works" in article and len(told := first_sentences(flat(body), 6)) > 80:
            yield Draft((entry.id,), "", {"measure": entry.label, "told": told}, keep=(entry.id,))


def artifact(world: World, rng: Random) -> Iterator[Draft]:
    """What a countermeasure works on."""
    for entry, _ in _measures(world, rng):
        if ties := _touched(world, entry.id):
            told = "; ".join(f"{_verb(tie.note)} {_name(world, tie.other)}" for tie in ties)
            slots = {"measure": entry.label, "told": told}
            yield Draft(
                (entry.id,), joined(_name(world, tie.other) for tie in ties), slots, difficulty=min(2, len(ties))
            )


def attacked(world: World, rng: Random) -> Iterator[Draft]:
    """What a technique works on."""
    for entry in world.shuffled(Entity.TECHNIQUE, rng):
        if ties := _touched(world, entry.id):
            told = "; ".join(f"{_verb(tie.note)} {_name(world, tie.other)}" for tie in ties)
            slots = {"technique": entry.label, "told": told}
            yield Draft(
                (entry.id,), joined(_name(world, tie.other) for tie in ties), slots, difficulty=min(2, len(ties))
            )


def object_(world: World, rng: Random) -> Iterator[Draft]:
    """What an artifact is."""
    for entry in world.shuffled(Entity.ARTIFACT, rng):
        told, above = first_sentences(entry.text, 2), parents(world, entry.id)
        if len(told) > 40 and above:
            slots = {"artifact": entry.name, "told": told, "kind": joined(_name(world, up) for up in above)}
            yield Draft((entry.id,), "", slots, keep=(slots["kind"],))


def _pairs(world: World, rng: Random) -> list[tuple[Entry, Tie, Tie]]:
    """Technique, its tie to an artifact, and a countermeasure's tie to the same artifact."""
    found = [
        (entry, tie, measure)
        for entry in world.of(Entity.TECHNIQUE)
        for tie in _touched(world, entry.id)
        for measure in world.into(tie.other, Rel.TOUCHES, Entity.COUNTERMEASURE)
    ]
    rng.shuffle(found)
    return found


def _way(world: World, entry: Entry, tie: Tie, measure: Tie) -> dict[str, str]:
    name = _name(world, tie.other)
    return {
        "technique": entry.label, "artifact": name, "verb": _verb(tie.note), "measure": world.label(measure.other),
        "act": _verb(measure.note), "tactic": _tactic(world, measure.other),
    }  # fmt: skip


def _tactic(world: World, uid: str) -> str:
    facts = world.entries[uid].facts
    return facts.tactic if isinstance(facts, CountermeasureFacts) and facts.tactic in TACTICS else "Model"


def counters(world: World, rng: Random) -> Iterator[Draft]:
    """Which countermeasure works on something that a technique touches; the wrong ones work on none of it."""
    for entry, tie, measure in _pairs(world, rng):
        refused = _touching(world, {one.other for one in _touched(world, entry.id)}, Entity.COUNTERMEASURE)
        refused |= {one for uid in refused for one in (*ancestors(world, uid), *descendants(world, uid))}
        wrong = tuple(other.label for other in world.near(measure.other, rng, 3, besides=sorted(refused)))
        if len(wrong) == 3:
            yield Draft((entry.id, measure.other), world.label(measure.other), _way(world, entry, tie, measure), wrong,
                        sources=(tie.other,), difficulty=3)  # fmt: skip


def reaches(world: World, rng: Random) -> Iterator[Draft]:
    """Do technique and countermeasure meet in an artifact? Half of them do."""
    yes = True
    for entry, tie, measure in _pairs(world, rng):
        if yes:
            slots = _way(world, entry, tie, measure)
            slots["why"] = (f"{entry.label} {slots['verb']} the artifact {slots['artifact']}, and "
                            f"{slots['measure']} {slots['act']} it")  # fmt: skip
            yield Draft((entry.id, measure.other), "Yes", slots, sources=(tie.other,), difficulty=3)
        else:
            own = {one.other for one in _touched(world, entry.id)}
            refused = _touching(world, own, Entity.COUNTERMEASURE)
            near = [o for o in world.near(measure.other, rng, 4, besides=sorted(refused)) if _touched(world, o.id)]
            if not near:
                continue
            other = near[0]
            mine = joined(_name(world, uid) for uid in sorted(own))
            theirs = joined(_name(world, one.other) for one in _touched(world, other.id))
            why = f"{entry.label} touches {mine}; {other.label} works on {theirs}, which is something else"
            slots = {"technique": entry.label, "measure": other.label, "why": why}
            yield Draft((entry.id, other.id), "No", slots, difficulty=3)
        yes = not yes


def reasoned(world: World, rng: Random) -> Iterator[Draft]:
    """From a technique over an artifact to all countermeasures of a tactic."""
    for entry in [one for _ in range(2) for one in world.shuffled(Entity.TECHNIQUE, rng)]:
        for tie in _touched(world, entry.id):
            measures = world.into(tie.other, Rel.TOUCHES, Entity.COUNTERMEASURE)
            tactics = sorted({_tactic(world, m.other) for m in measures})
            if not tactics:
                continue
            asked = rng.choice(tactics)
            own = [m for m in measures if _tactic(world, m.other) == asked][:MOST]
            told = steps(
                f"{entry.label} {_verb(tie.note)} the artifact {_name(world, tie.other)}.",
                f"Countermeasures that touch {_name(world, tie.other)}: "
                + "; ".join(f"{world.label(m.other)} ({_tactic(world, m.other)})" for m in measures) + ".",
                f"Of these, {joined(m.other for m in own)} serve{'s' if len(own) == 1 else ''} the tactic {asked}: "
                 f"{TACTICS[asked]}.",
            )  # fmt: skip
            slots = {"technique": entry.label, "artifact": _name(world, tie.other), "tactic": asked, "steps": told}
            if len(measures) <= MOST:
                yield Draft((entry.id,), joined(m.other for m in own), slots, difficulty=3,
                            sources=(tie.other, *(m.other for m in own)))  # fmt: skip


def of_mitigation(world: World, rng: Random) -> Iterator[Draft]:
    for entry in world.shuffled(Entity.MITIGATION, rng):
        if found := [tie.other for tie in world.out(entry.id, Rel.MAPS_TO, Entity.COUNTERMEASURE)]:
            slots = {"mitigation": entry.label, "named": "; ".join(map(world.label, found))}
            yield Draft((entry.id,), joined(found), slots, sources=tuple(found), difficulty=2)


def to_mitigation(world: World, rng: Random) -> Iterator[Draft]:
    for entry, _ in _measures(world, rng):
        if found := [tie.other for tie in world.into(entry.id, Rel.MAPS_TO, Entity.MITIGATION)]:
            slots = {"measure": entry.label, "named": "; ".join(map(world.label, found))}
            yield Draft((entry.id,), joined(found), slots, sources=tuple(found), difficulty=2)


def deployed(world: World, rng: Random) -> Iterator[Draft]:
    """That a countermeasure works on what a technique touches does not say that it stopped an attack."""
    for entry, tie, measure in _pairs(world, rng):
        yield Draft((entry.id, measure.other), NOT_ENOUGH, _way(world, entry, tie, measure), sources=(tie.other,),
                    difficulty=2)  # fmt: skip


TASKS = (
    Task("define", Kind.OPEN, define),
    Task("from-description", Kind.CHOICE, from_description),
    Task("tactic", Kind.CLOSED, tactic),
    Task("parent", Kind.CLOSED, parent),
    Task("how", Kind.OPEN, how),
    Task("artifact", Kind.MULTI, artifact),
    Task("attacked", Kind.MULTI, attacked),
    Task("object", Kind.OPEN, object_),
    Task("of-mitigation", Kind.MULTI, of_mitigation),
    Task("to-mitigation", Kind.MULTI, to_mitigation),
    Task("counters", Kind.CHOICE, counters, 1_500),
    Task("reaches", Kind.YES_NO, reaches, 1_500),
    Task("reasoned", Kind.STEPS, reasoned, 1_000),
    Task("deployed", Kind.ABSTAIN, deployed, 300),
)
