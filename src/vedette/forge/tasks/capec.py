"""What CAPEC says of an attack pattern: how it goes, what it needs, what it does, and what it is tied to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random

from vedette.forge.example import Kind
from vedette.forge.task import Draft, Task
from vedette.forge.tasks.cwe import lines, scopes
from vedette.forge.tasks.lineage import ancestors, descendants, kin, strangers
from vedette.forge.tasks.shared import NOT_ENOUGH, ended, first_sentences, flat, joined, masked
from vedette.forge.world import Entry, World
from vedette.knowledge.record import Kind as Entity
from vedette.knowledge.record import PatternFacts, Rel

PHASES = ("Explore", "Experiment", "Exploit")
SKILLS = ("Low", "Medium", "High")
MOST = 12
_STEP = re.compile(r"^- ([^:\n]{4,120}): (.{30,600})$")


def _patterns(world: World, rng: Random) -> Iterator[tuple[Entry, PatternFacts]]:
    for entry in world.shuffled(Entity.PATTERN, rng):
        if entry.text:
            yield entry, entry.facts if isinstance(entry.facts, PatternFacts) else PatternFacts()


def flow(entry: Entry) -> list[tuple[str, str, str]]:
    """Phase, name and words of each step."""
    found, phase = [], ""
    for line in entry.texts.get("execution flow", "").splitlines():
        phase = line if line in PHASES else phase
        if phase and (step := _STEP.match(line)):
            found.append((phase, flat(step[1]).rstrip("."), ended(flat(step[2]))))
    return found


def define(world: World, rng: Random) -> Iterator[Draft]:
    for entry, facts in _patterns(world, rng):
        rated = (("typical severity", facts.severity), ("likelihood", facts.likelihood))
        parts = [f"its {name} is {value}" for name, value in rated if value]
        extra = f" In CAPEC, {' and '.join(parts)}." if parts else ""
        slots = {"pattern": entry.label, "description": first_sentences(entry.text, 4), "extra": extra}
        yield Draft((entry.id,), "", slots, keep=(entry.label,))


def from_description(world: World, rng: Random) -> Iterator[Draft]:
    for entry, _ in _patterns(world, rng):
        told = masked(first_sentences(entry.text, 3), entry, "[…]")
        wrong = tuple(other.label for other in strangers(world, entry.id, rng, 3))
        if told and wrong:
            yield Draft((entry.id,), entry.label, {"description": told}, wrong, difficulty=2)


def execution(world: World, rng: Random) -> Iterator[Draft]:
    for entry, _ in _patterns(world, rng):
        if found := flow(entry):
            told = [
                f"{n}. {phase}: {name}. {first_sentences(body, 2)}" for n, (phase, name, body) in enumerate(found, 1)
            ]
            yield Draft((entry.id,), "", {"pattern": entry.label, "flow": "\n".join(told)}, keep=(found[0][1],))


def phase(world: World, rng: Random) -> Iterator[Draft]:
    """Steps whose name occurs once in the flow."""
    for entry, _ in _patterns(world, rng):
        found = flow(entry)
        for stage, name, body in found:
            if sum(other == name for _, other, _ in found) == 1:
                slots = {"pattern": entry.label, "step": name, "body": first_sentences(body, 2)}
                yield Draft((entry.id,), stage, slots, keep=(name,))


def next_step(world: World, rng: Random) -> Iterator[Draft]:
    """What comes directly after a step; wrong options are other steps of the same attack and of near ones."""
    for entry, _ in _patterns(world, rng):
        found = [name for _, name, _ in flow(entry)]
        if len(set(found)) != len(found):
            continue
        near = [name for other in world.near(entry.id, rng, 6) for _, name, _ in flow(other) if name not in found]
        for number in range(len(found) - 1):
            rest = [name for at, name in enumerate(found) if at not in (number, number + 1)] + near
            if len(set(rest)) > 2:
                slots = {"pattern": entry.label, "step": found[number]}
                wrong = tuple(dict.fromkeys(rest))[:3]
                yield Draft((entry.id,), found[number + 1], slots, wrong, difficulty=2)


def prerequisites(world: World, rng: Random) -> Iterator[Draft]:
    for entry, _ in _patterns(world, rng):
        if told := [f"- {flat(line)}" for line in entry.texts.get("prerequisites", "").splitlines() if line.strip()]:
            slots = {"pattern": entry.label, "prerequisites": "\n".join(told[:8])}
            yield Draft((entry.id,), "", slots, keep=(told[0][2:],))


def needs(world: World, rng: Random) -> Iterator[Draft]:
    for entry, _ in _patterns(world, rng):
        required = (ended(flat(line)) for line in entry.texts.get("prerequisites", "").splitlines() if line.strip())
        told = masked(" ".join(required), entry, "[…]")
        wrong = tuple(other.label for other in strangers(world, entry.id, rng, 3))
        if 80 < len(told) < 1200 and wrong:
            yield Draft((entry.id,), entry.label, {"prerequisites": told}, wrong, difficulty=3)


def _skills(entry: Entry) -> list[tuple[str, str]]:
    return [(head, body) for head, body in lines(entry, "skills") if head in SKILLS and body]


def skills(world: World, rng: Random) -> Iterator[Draft]:
    for entry, _ in _patterns(world, rng):
        if found := _skills(entry):
            told = "\n".join(f"- {head}: {body}" for head, body in found)
            yield Draft((entry.id,), "", {"pattern": entry.label, "skills": told}, keep=(found[0][1],))


def skill(world: World, rng: Random) -> Iterator[Draft]:
    """The lowest level that CAPEC lists."""
    for entry, _ in _patterns(world, rng):
        if found := _skills(entry):
            head, body = min(found, key=lambda one: SKILLS.index(one[0]))
            slots = {"pattern": entry.label, "skill": first_sentences(body, 2), "count": str(len(found))}
            yield Draft((entry.id,), head, slots)


def mitigation(world: World, rng: Random) -> Iterator[Draft]:
    for entry, _ in _patterns(world, rng):
        told = [flat(line) for line in entry.texts.get("mitigations", "").splitlines() if len(line) > 20]
        if told:
            shown = "\n".join(f"- {first_sentences(one, 3)}" for one in told[:6])
            yield Draft((entry.id,), "", {"pattern": entry.label, "mitigations": shown}, keep=(entry.id,))


def scope(world: World, rng: Random) -> Iterator[Draft]:
    for entry, _ in _patterns(world, rng):
        found = [one for one in scopes(entry) if one != "Other"]
        told = [f"- {head}: {body}" for head, body in lines(entry, "consequences") if head and body]
        if found and told:
            slots = {"pattern": entry.label, "consequences": "\n".join(told)}
            yield Draft((entry.id,), joined(found), slots, difficulty=min(2, len(found)))


def rating(world: World, rng: Random) -> Iterator[Draft]:
    """Severity or likelihood, where CAPEC gives one."""
    for entry, facts in _patterns(world, rng):
        for what, value in (("typical severity", facts.severity), ("likelihood of attack", facts.likelihood)):
            if value:
                slots = {"pattern": entry.label, "what": what}
                yield Draft((entry.id,), value, slots)


def unrated(world: World, rng: Random) -> Iterator[Draft]:
    for entry, facts in _patterns(world, rng):
        for what, value in (("typical severity", facts.severity), ("likelihood of attack", facts.likelihood)):
            if not value and (facts.abstraction or facts.severity or facts.likelihood):
                slots = {"pattern": entry.label, "what": what, "level": facts.abstraction or "unknown"}
                yield Draft((entry.id,), NOT_ENOUGH, slots, keep=(what,))


def technique(world: World, rng: Random) -> Iterator[Draft]:
    for entry, _ in _patterns(world, rng):
        if found := [tie.other for tie in world.out(entry.id, Rel.MAPS_TO, Entity.TECHNIQUE)]:
            slots = {"pattern": entry.label, "named": "; ".join(map(world.label, found))}
            yield Draft((entry.id,), joined(found), slots, sources=tuple(found), difficulty=2)


def of_technique(world: World, rng: Random) -> Iterator[Draft]:
    for entry in world.shuffled(Entity.TECHNIQUE, rng):
        found = [tie.other for tie in world.into(entry.id, Rel.MAPS_TO, Entity.PATTERN)]
        if 0 < len(found) <= MOST:
            slots = {"technique": entry.label, "named": "; ".join(map(world.label, found))}
            yield Draft((entry.id,), joined(found), slots, sources=tuple(found), difficulty=2)


def weakness(world: World, rng: Random) -> Iterator[Draft]:
    for entry, _ in _patterns(world, rng):
        found = [tie.other for tie in world.out(entry.id, Rel.TARGETS, Entity.WEAKNESS)]
        if 0 < len(found) <= MOST:
            slots = {"pattern": entry.label, "named": "; ".join(map(world.label, found))}
            yield Draft((entry.id,), joined(found), slots, sources=tuple(found), difficulty=2)


def of_weakness(world: World, rng: Random) -> Iterator[Draft]:
    for entry in world.shuffled(Entity.WEAKNESS, rng):
        found = [tie.other for tie in world.into(entry.id, Rel.TARGETS, Entity.PATTERN)]
        if 0 < len(found) <= MOST:
            slots = {"weakness": entry.label, "named": "; ".join(map(world.label, found))}
            yield Draft((entry.id,), joined(found), slots, sources=tuple(found), difficulty=2)


def targets(world: World, rng: Random) -> Iterator[Draft]:
    """Half of the claims are true; a false one names a weakness near to a target, of which no source says so."""
    yes = True
    pairs = [(e, tie.other) for e in world.of(Entity.PATTERN) for tie in world.out(e.id, Rel.TARGETS, Entity.WEAKNESS)]
    rng.shuffle(pairs)
    for entry, right in pairs:
        own = [tie.other for tie in world.out(entry.id, Rel.TARGETS, Entity.WEAKNESS)]
        family = {up for uid in (entry.id, *ancestors(world, entry.id), *descendants(world, entry.id))
                  for up in (tie.other for tie in world.out(uid, Rel.TARGETS))}  # fmt: skip
        refused = {*own, *family, *(one for uid in own for one in kin(world, uid))}
        near = world.near(right, rng, 1, besides=sorted(refused))
        if not yes and not near:
            continue
        asked = right if yes else near[0].id
        slots = {
            "pattern": entry.label,
            "weakness": world.label(asked),
            "own": "; ".join(map(world.label, own[:6])) + ("; …" if len(own) > 6 else ""),
            "verdict": "is one of them" if yes else "is not among them",
        }
        yield Draft((entry.id,), "Yes" if yes else "No", slots, sources=(asked,), difficulty=2)
        yes = not yes


def exploits(world: World, rng: Random) -> Iterator[Draft]:
    """Which pattern exploits a weakness; wrong ones target neither it nor anything of its family."""
    for entry in [e for _ in range(3) for e in world.shuffled(Entity.WEAKNESS, rng)]:
        found = [tie.other for tie in world.into(entry.id, Rel.TARGETS, Entity.PATTERN)]
        if not found:
            continue
        right = rng.choice(found)
        family = (entry.id, *kin(world, entry.id))
        refused = {tie.other for uid in family for tie in world.into(uid, Rel.TARGETS, Entity.PATTERN)}
        wrong = tuple(other.label for other in strangers(world, right, rng, 3, besides=sorted(refused)))
        if len(wrong) == 3:
            slots = {"weakness": entry.label, "description": first_sentences(world.entries[right].text, 1)}
            yield Draft((entry.id, right), world.label(right), slots, wrong, difficulty=2)


TASKS = (
    Task("define", Kind.OPEN, define),
    Task("from-description", Kind.CHOICE, from_description),
    Task("rating", Kind.CLOSED, rating),
    Task("phase", Kind.CLOSED, phase),
    Task("next-step", Kind.CHOICE, next_step),
    Task("execution-flow", Kind.OPEN, execution),
    Task("prerequisites", Kind.OPEN, prerequisites),
    Task("needs", Kind.CHOICE, needs),
    Task("skills", Kind.OPEN, skills),
    Task("skill", Kind.CLOSED, skill),
    Task("mitigation", Kind.OPEN, mitigation),
    Task("scope", Kind.MULTI, scope),
    Task("technique", Kind.MULTI, technique),
    Task("of-technique", Kind.MULTI, of_technique),
    Task("weakness", Kind.MULTI, weakness),
    Task("of-weakness", Kind.MULTI, of_weakness),
    Task("targets", Kind.YES_NO, targets, 2_500),
    Task("exploits", Kind.CHOICE, exploits),
    Task("unrated", Kind.ABSTAIN, unrated, 300),
)
