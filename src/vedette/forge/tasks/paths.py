"""Ways over several sources: vulnerability → weakness → attack pattern → technique → mitigation, detection, measure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random

from vedette.forge.example import Kind
from vedette.forge.task import Draft, Task
from vedette.forge.tasks.lineage import ancestors, descendants, kin, strangers
from vedette.forge.tasks.shared import NOT_ENOUGH, first_sentences, joined, steps
from vedette.forge.tasks.vulnerable import rooted
from vedette.forge.world import Entry, World
from vedette.knowledge.record import Kind as Entity
from vedette.knowledge.record import Rel

Route = tuple[str, str, str]  # weakness, attack pattern, technique
READ = 40_000
EACH = 250  # vulnerabilities of one root cause: some are behind every tenth one
MOST = 12


def _patterns(world: World, weakness: str) -> list[str]:
    return [tie.other for tie in world.into(weakness, Rel.TARGETS, Entity.PATTERN)]


def _techniques(world: World, pattern: str) -> list[str]:
    return [tie.other for tie in world.out(pattern, Rel.MAPS_TO, Entity.TECHNIQUE)]


def _routes(world: World, weakness: str) -> list[Route]:
    return [(weakness, pattern, uid) for pattern in _patterns(world, weakness) for uid in _techniques(world, pattern)]


def _all(world: World, rng: Random) -> list[Route]:
    found = [route for entry in world.of(Entity.WEAKNESS) for route in _routes(world, entry.id)]
    rng.shuffle(found)
    return found


def _reached(world: World, weakness: str) -> list[str]:
    return list(dict.fromkeys(uid for _, _, uid in _routes(world, weakness)))


def _family(world: World, uid: str) -> set[str]:
    return {uid, *ancestors(world, uid), *descendants(world, uid)}


def _off(world: World, weakness: str) -> list[str]:
    """Techniques that are reached from the weakness or from one tied to it, and those above and below: never wrong."""
    near = {one for uid in (weakness, *kin(world, weakness)) for one in _reached(world, uid)}
    return sorted({one for uid in near for one in _family(world, uid)})


def _told(world: World, route: Route) -> dict[str, str]:
    weakness, pattern, technique = route
    return {"weakness": world.label(weakness), "pattern": world.label(pattern), "technique": world.label(technique)}


def between(world: World, rng: Random) -> Iterator[Draft]:
    for weakness, _, technique in _all(world, rng):
        found = [pattern for one, pattern, uid in _routes(world, weakness) if uid == technique]
        slots = {"weakness": world.label(weakness), "technique": world.label(technique),
                 "named": "; ".join(map(world.label, found))}  # fmt: skip
        yield Draft((weakness, technique), joined(found), slots, sources=tuple(found), difficulty=3)


def missing(world: World, rng: Random) -> Iterator[Draft]:
    """The link of a chain that is left out; no wrong one targets the weakness or leads to the technique."""
    for route in _all(world, rng):
        weakness, pattern, technique = route
        refused = {*_patterns(world, weakness), *(tie.other for tie in world.into(technique, Rel.MAPS_TO))}
        wrong = strangers(world, pattern, rng, 3, besides=sorted(refused))
        if len(wrong) == 3:
            yield Draft((weakness, technique, pattern), world.label(pattern), _told(world, route),
                        tuple(one.label for one in wrong), difficulty=3)  # fmt: skip


def to_technique(world: World, rng: Random) -> Iterator[Draft]:
    for route in _all(world, rng):
        weakness, pattern, technique = route
        wrong = world.near(technique, rng, 3, besides=_off(world, weakness))
        if len(wrong) == 3:
            yield Draft((weakness, technique), world.label(technique), _told(world, route),
                        tuple(one.label for one in wrong), sources=(pattern,), difficulty=3)  # fmt: skip


def indirect(world: World, rng: Random) -> Iterator[Draft]:
    """Is a technique reached from a weakness over one attack pattern? Half are."""
    yes = True
    for route in _all(world, rng) * 2:
        weakness, pattern, technique = route
        near = world.near(technique, rng, 1, besides=_off(world, weakness))
        if not yes and not near:
            continue
        asked = technique if yes else near[0].id
        found = "; ".join(world.label(one) for one in _reached(world, weakness)[:8])
        why = (f"{world.label(pattern)} targets {world.label(weakness)} and is mapped to {world.label(technique)}"
               if yes else f"the attack patterns that target {world.label(weakness)} are mapped to {found}, "
                           f"and not to {world.label(asked)}")  # fmt: skip
        slots = {"weakness": world.label(weakness), "technique": world.label(asked), "why": why}
        yield Draft((weakness, asked), "Yes" if yes else "No", slots, sources=(pattern,), difficulty=3)
        yes = not yes


def direct(world: World, rng: Random) -> Iterator[Draft]:
    """A pattern that targets a weakness itself, or one of which only a broader or narrower pattern does."""
    yes = True
    pairs = [(e.id, p) for e in world.of(Entity.WEAKNESS) for p in _patterns(world, e.id)]
    rng.shuffle(pairs)
    for weakness, pattern in pairs:
        own = set(_patterns(world, weakness))
        beside = sorted((ancestors(world, pattern) | descendants(world, pattern)) - own)
        if not yes and not beside:
            continue
        asked = pattern if yes else rng.choice(beside)
        line = "above" if asked in ancestors(world, pattern) else "below"
        why = (f"CAPEC itself relates {world.label(asked)} to {world.label(weakness)}" if yes else
               f"CAPEC relates {world.label(pattern)} to {world.label(weakness)}; {world.label(asked)} stands {line} "
               f"that pattern and has no link of its own to the weakness")  # fmt: skip
        slots = {"weakness": world.label(weakness), "pattern": world.label(asked), "why": why}
        yield Draft((weakness, asked), "Yes" if yes else "No", slots, sources=(pattern,), difficulty=3)
        yes = not yes


def odd_one_out(world: World, rng: Random) -> Iterator[Draft]:
    """Three patterns that target one weakness, and a near one that targets nothing of its family."""
    for entry in [one for _ in range(5) for one in world.shuffled(Entity.WEAKNESS, rng)]:
        found = _patterns(world, entry.id)
        if len(found) < 3:
            continue
        some = rng.sample(found, 3)
        refused = {one for uid in (entry.id, *kin(world, entry.id)) for one in _patterns(world, uid)}
        refused |= {one for uid in found for one in kin(world, uid)}
        for odd in world.near(some[0], rng, 1, besides=sorted(refused)):
            own = [tie.other for tie in world.out(odd.id, Rel.TARGETS, Entity.WEAKNESS)]
            targets = joined(map(world.label, own[:3])) or "no weakness at all"
            yield Draft((odd.id, *some), odd.label, {"weakness": entry.label, "own": targets},
                        tuple(map(world.label, some)), sources=(entry.id,), difficulty=3)  # fmt: skip


def reach(world: World, rng: Random) -> Iterator[Draft]:
    """All techniques from one weakness, pattern by pattern."""
    for entry in world.shuffled(Entity.WEAKNESS, rng):
        found = _reached(world, entry.id)
        if 0 < len(found) <= MOST:
            told = _by_pattern(world, entry.id)
            slots = {"weakness": entry.label, "steps": steps(*told)}
            yield Draft((entry.id,), joined(found), slots, sources=tuple(found), difficulty=3)


def _by_pattern(world: World, weakness: str) -> list[str]:
    mapped = [(one, ends) for one in _patterns(world, weakness) if (ends := _techniques(world, one))]
    names = "; ".join(world.label(one) for one, _ in mapped)
    head = f"Attack patterns that target {world.label(weakness)} and are mapped to ATT&CK: {names}."
    return [head, *(f"{world.label(one)} is mapped to {'; '.join(map(world.label, ends))}." for one, ends in mapped)]


def _found(world: World, rng: Random) -> Iterator[tuple[Entry, str, Entry]]:
    """Vulnerabilities whose root cause leads to techniques, with description and root."""
    given: Counter[str] = Counter()
    for entry, text, root in rooted(world, rng, READ):
        if given[root.id] < EACH and _reached(world, root.id):
            given[root.id] += 1
            yield entry, text, root


def from_cve(world: World, rng: Random) -> Iterator[Draft]:
    for entry, text, root in _found(world, rng):
        found = _reached(world, root.id)
        if len(found) <= 8:
            told = steps(f"The root cause of {entry.id} is {root.label}: {first_sentences(root.text, 1)}",
                         *_by_pattern(world, root.id))  # fmt: skip
            slots = {"cve": entry.id, "description": text, "weakness": root.label, "steps": told}
            yield Draft((entry.id,), joined(found), slots, keep=(root.id,), sources=(root.id, *found), difficulty=3)


def _ends(
    world: World, rng: Random, ends: dict[str, list[str]], kind: Entity
) -> Iterator[tuple[Entry, str, Route, str, tuple[str, ...]]]:
    """A vulnerability, a route from its root to a technique, one end beyond that, and ends of no reached technique."""
    for entry, text, root in _found(world, rng):
        routes = [route for route in _routes(world, root.id) if ends.get(route[2])]
        if not routes:
            continue
        route = rng.choice(routes)
        right = rng.choice(ends[route[2]])
        refused = {one for uid in _off(world, root.id) for one in ends.get(uid, [])}
        wrong = tuple(one.label for one in world.near(right, rng, 3, besides=sorted(refused)) if one.kind is kind)
        if len(wrong) == 3:
            yield entry, text, route, right, wrong


def _beyond(world: World, rel: Rel, kind: Entity) -> dict[str, list[str]]:
    """Technique → what points to it."""
    found = {e.id: [tie.other for tie in world.into(e.id, rel, kind)] for e in world.of(Entity.TECHNIQUE)}
    return {uid: ends for uid, ends in found.items() if ends}


def _to_end(world: World, rng: Random, ends: dict[str, list[str]], kind: Entity, last: str) -> Iterator[Draft]:
    for entry, text, route, right, wrong in _ends(world, rng, ends, kind):
        told = steps(
            f"Root cause of {entry.id}: {world.label(route[0])}.",
            f"Attack pattern that targets it: {world.label(route[1])}.",
            f"Technique that the pattern is mapped to: {world.label(route[2])}.",
            f"{last}: {world.label(right)}.",
        )
        slots = {"cve": entry.id, "description": text, "steps": told, **_told(world, route)}
        yield Draft((entry.id,), world.label(right), slots, wrong, sources=(*route, right), difficulty=3)


def mitigation(world: World, rng: Random) -> Iterator[Draft]:
    ends = _beyond(world, Rel.MITIGATES, Entity.MITIGATION)
    yield from _to_end(world, rng, ends, Entity.MITIGATION, "ATT&CK's mitigation for the technique")


def detection(world: World, rng: Random) -> Iterator[Draft]:
    ends = _beyond(world, Rel.DETECTS, Entity.DETECTION)
    yield from _to_end(world, rng, ends, Entity.DETECTION, "ATT&CK's detection strategy for the technique")


def control(world: World, rng: Random) -> Iterator[Draft]:
    ends = _beyond(world, Rel.MITIGATES, Entity.CONTROL)
    yield from _to_end(world, rng, ends, Entity.CONTROL, "Control of NIST SP 800-53 that CTID maps to the technique")


def measure(world: World, rng: Random) -> Iterator[Draft]:
    """Technique → ATT&CK mitigation → D3FEND countermeasure."""
    ends: dict[str, list[str]] = {}
    for uid, mitigations in _beyond(world, Rel.MITIGATES, Entity.MITIGATION).items():
        ends[uid] = [tie.other for one in mitigations for tie in world.out(one, Rel.MAPS_TO, Entity.COUNTERMEASURE)]
    for entry, text, route, right, wrong in _ends(world, rng, ends, Entity.COUNTERMEASURE):
        over = [tie.other for tie in world.into(right, Rel.MAPS_TO, Entity.MITIGATION)
                if any(one.other == route[2] for one in world.out(tie.other, Rel.MITIGATES))]  # fmt: skip
        told = steps(
            f"Root cause of {entry.id}: {world.label(route[0])}.",
            f"Attack pattern that targets it: {world.label(route[1])}.",
            f"Technique that the pattern is mapped to: {world.label(route[2])}.",
            f"ATT&CK's mitigation for the technique: {world.label(over[0])}.",
            f"D3FEND countermeasure that the mitigation maps to: {world.label(right)}.",
        )
        slots = {"cve": entry.id, "description": text, "steps": told}
        yield Draft((entry.id,), world.label(right), slots, wrong, sources=(*route, over[0], right), difficulty=3)


def two_step(world: World, rng: Random) -> Iterator[Draft]:
    """From a technique over its mitigations to all D3FEND countermeasures."""
    for entry in world.shuffled(Entity.TECHNIQUE, rng):
        ways = [(tie.other, [m.other for m in world.out(tie.other, Rel.MAPS_TO, Entity.COUNTERMEASURE)])
                for tie in world.into(entry.id, Rel.MITIGATES, Entity.MITIGATION)]  # fmt: skip
        ways = [(one, ends) for one, ends in ways if ends]
        found = list(dict.fromkeys(uid for _, ends in ways for uid in ends))
        if 0 < len(found) <= MOST:
            told = steps(
                f"Mitigations of {entry.label} that map to D3FEND: {'; '.join(world.label(one) for one, _ in ways)}.",
                *(f"{world.label(one)} maps to {'; '.join(map(world.label, ends))}." for one, ends in ways),
            )
            slots = {"technique": entry.label, "steps": told}
            yield Draft((entry.id,), joined(found), slots, sources=tuple(found), difficulty=3)


def order(world: World, rng: Random) -> Iterator[Draft]:
    """The links of a chain, out of order."""
    ends = _beyond(world, Rel.MITIGATES, Entity.MITIGATION)
    for entry, _, root in _found(world, rng):
        routes = [route for route in _routes(world, root.id) if ends.get(route[2])]
        if routes:
            route = rng.choice(routes)
            links = [entry.id, *route, rng.choice(ends[route[2]])]
            mixed = list(links)
            rng.shuffle(mixed)
            slots = {"mixed": "; ".join(map(world.label, mixed)), **_told(world, route), "cve": entry.id,
                     "mitigation": world.label(links[4])}  # fmt: skip
            yield Draft((entry.id,), " → ".join(links), slots, sources=tuple(links[1:]), difficulty=2)


def backwards(world: World, rng: Random) -> Iterator[Draft]:
    """From a technique back to one weakness: many lead there."""
    for entry in world.shuffled(Entity.TECHNIQUE, rng):
        patterns = [tie.other for tie in world.into(entry.id, Rel.MAPS_TO, Entity.PATTERN)]
        found = list(
            dict.fromkeys(tie.other for one in patterns for tie in world.out(one, Rel.TARGETS, Entity.WEAKNESS))
        )
        if len(found) > 1:
            slots = {"technique": entry.label, "count": str(len(found)), "pattern": world.label(patterns[0]),
                     "some": " and ".join(map(world.label, found[:2]))}  # fmt: skip
            yield Draft((entry.id,), NOT_ENOUGH, slots, keep=(entry.id,), sources=tuple(found[:2]), difficulty=2)


TASKS = (
    Task("order", Kind.CLOSED, order, 2_500),
    Task("between", Kind.MULTI, between),
    Task("direct", Kind.YES_NO, direct, 1_500),
    Task("indirect", Kind.YES_NO, indirect, 1_500),
    Task("to-technique", Kind.CHOICE, to_technique),
    Task("missing-link", Kind.CHOICE, missing),
    Task("odd-one-out", Kind.CHOICE, odd_one_out, 1_500),
    Task("reach", Kind.STEPS, reach),
    Task("from-cve", Kind.STEPS, from_cve, 2_500),
    Task("mitigation", Kind.CHOICE, mitigation, 2_500),
    Task("detection", Kind.CHOICE, detection, 2_500),
    Task("control", Kind.CHOICE, control, 2_500),
    Task("measure", Kind.CHOICE, measure, 2_500),
    Task("two-step-measure", Kind.STEPS, two_step),
    Task("backwards", Kind.ABSTAIN, backwards),
)
