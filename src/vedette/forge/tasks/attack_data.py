"""Data components and data sources: what they are, where they are logged, and what can be seen with them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from random import Random

from vedette.forge.example import Kind
from vedette.forge.task import Draft, Task
from vedette.forge.tasks.analytics import UNSAID, Analytic, analytics, observed
from vedette.forge.tasks.procedures import gist, kin, labels, lines
from vedette.forge.tasks.shared import first_sentences, joined, masked
from vedette.forge.world import Entry, World
from vedette.knowledge.record import Kind as Entity
from vedette.knowledge.record import Rel

COMPONENT = Entity.DATA_COMPONENT
_LEAD = re.compile(r"\s*\b[A-Z][\w ]*:\s*$")
VAGUE = 8  # techniques (in half as many families) whose analytics use a log entry that says little by itself


def _first(entry: Entry) -> str:
    """The part of a description before its lists, and without the words that lead to them."""
    return _LEAD.sub("", entry.text.partition("\n\n")[0])


def define(world: World, rng: Random) -> Iterator[Draft]:
    for entry in world.shuffled(COMPONENT, rng):
        if told := first_sentences(_first(entry), 4):
            yield Draft((entry.id,), "", {"component": entry.label, "told": told}, keep=(entry.id,))


def from_description(world: World, rng: Random) -> Iterator[Draft]:
    for entry in world.shuffled(COMPONENT, rng):
        told, wrong = masked(first_sentences(_first(entry), 2), entry, "[…]"), world.near(entry.id, rng, 3)
        if told and len(wrong) == 3:
            yield Draft((entry.id,), entry.label, {"told": told}, tuple(one.label for one in wrong), difficulty=2)


def for_technique(world: World, rng: Random) -> Iterator[Draft]:
    """All that the technique's analytics observe."""
    seen = observed(world)
    for entry in world.shuffled(Entity.TECHNIQUE, rng):
        if 1 <= len(seen.get(entry.id, ())) <= 8:
            found = sorted(seen[entry.id])
            slots = {"technique": entry.label, "gist": gist(entry)}
            final = joined(world.label(uid) for uid in found)
            yield Draft((entry.id,), final, slots, sources=tuple(found), difficulty=2)


def choice(world: World, rng: Random) -> Iterator[Draft]:
    """Wrong options: near components that no analytic of the technique or its kin observes."""
    seen = observed(world)
    for uid, component in _pairs(world, rng):
        refused = seen[uid].union(*(seen.get(other, frozenset()) for other in kin(world, uid)))
        wrong = [one for one in world.near(component, rng, 3, refused) if one.id != component]
        if len(wrong) == 3:
            technique = world.entries[uid]
            slots = {"technique": technique.label, "gist": gist(technique), "all": _labels(world, seen[uid])}
            options = tuple(one.label for one in wrong)
            yield Draft((uid, component), world.label(component), slots, options, difficulty=2)


def _pairs(world: World, rng: Random) -> list[tuple[str, str]]:
    """Techniques, and a data component with which each can be seen."""
    found = [
        (uid, component) for uid, own in observed(world).items() if uid in world.entries for component in sorted(own)
    ]
    rng.shuffle(found)
    return found


def _labels(world: World, uids: frozenset[str]) -> str:
    return joined(world.label(uid) for uid in sorted(uids))


def technique(world: World, rng: Random) -> Iterator[Draft]:
    """From a component to a technique; wrong ones are near, and not seen with it."""
    seen = observed(world)
    for uid, component in _pairs(world, rng):
        refused = [other for other in seen if component in seen[other]] + kin(world, uid)
        wrong = [one for one in world.near(uid, rng, 6, refused) if one.id in seen][:3]
        if len(wrong) == 3:
            right = world.entries[uid]
            slots = {"component": world.label(component), "gist": gist(right), "all": _labels(world, seen[uid])}
            options = tuple(one.label for one in wrong)
            yield Draft((component, uid), right.label, slots, options, difficulty=2)


def shows(world: World, rng: Random) -> Iterator[Draft]:
    """Half of the claims are true; a false one names a component near to a right one."""
    seen, yes = observed(world), True
    for uid, component in _pairs(world, rng):
        asked = component if yes else next((one.id for one in world.near(component, rng, 1, seen[uid])), "")
        if asked:
            slots = {"technique": world.label(uid), "asked": world.label(asked), "all": _labels(world, seen[uid])}
            yield Draft((uid, asked), "Yes" if yes else "No", slots, keep=(slots["all"],), difficulty=2)
            yes = not yes


def of_log(world: World, rng: Random) -> Iterator[Draft]:
    """From a log entry to its component, where ATT&CK always files it under the same one."""
    found: dict[tuple[str, str], dict[str, Analytic]] = {}
    for one in analytics(world, rng):
        for log in one.logs:
            if log.channel not in UNSAID:
                found.setdefault((log.name, log.channel), {}).setdefault(log.component, one)
    for (name, channel), components in found.items():
        for component, one in components.items() if len(components) == 1 else ():
            slots = {"log": name, "channel": channel, "gist": gist(world.entries[component]), "platform": one.on}
            yield Draft((component, one.entry.id), world.label(component), slots, difficulty=2)


def logs(world: World, rng: Random) -> Iterator[Draft]:
    """Where a component is logged on a platform, by any analytic."""
    found: dict[tuple[str, str], list[str]] = {}
    for one in analytics(world, rng):
        for log in one.logs:
            found.setdefault((log.component, one.on), []).append(log.name)
    for (component, platform), names in found.items():
        each = sorted(set(names))
        if 1 <= len(each) <= 10 and not any(", " in name for name in each):
            slots = {"component": world.label(component), "platform": platform}
            yield Draft((component,), joined(each), slots, difficulty=2)


def widest(world: World, rng: Random) -> Iterator[Draft]:
    """Count: which component shows most of five techniques?"""
    seen = observed(world)
    known = [uid for uid in seen if uid in world.entries and len(seen[uid]) <= 8]
    for _ in range(6_000):
        first = rng.choice(known)
        same = [one.id for one in world.near(first, rng, 8) if one.id in seen and len(seen[one.id]) <= 8]
        five = sorted([first, *same[:4]])
        (best, count), *rest = Counter(c for uid in five for c in sorted(seen[uid])).most_common()
        if len(five) < 5 or count < 3 or (rest and rest[0][1] == count):
            continue
        slots = {
            "techniques": labels(world.entries[uid] for uid in five), "count": str(count),
            "list": lines(f"{world.label(uid)}: {_labels(world, seen[uid])}" for uid in five),
        }  # fmt: skip
        yield Draft(tuple(five), world.label(best), slots, keep=(slots["list"],), sources=(best,), difficulty=3)


def blind(world: World, rng: Random) -> Iterator[Draft]:
    """With three components collected, the one technique of four that none of them shows."""
    seen = observed(world)
    by_domain: dict[str, list[str]] = {}
    for uid in seen:
        if entry := world.get(uid):
            by_domain.setdefault(entry.domain, []).append(uid)
    every = [uid for same in by_domain.values() for uid in same]
    for _ in range(4_000):
        right = rng.choice(every)
        same = by_domain[world.entries[right].domain]
        components = sorted({c for uid in rng.sample(same, 6) for c in seen[uid]} - seen[right])
        if len(components) < 3:
            continue
        chosen = frozenset(rng.sample(components, 3))
        shown = [uid for uid in same if seen[uid] & chosen and right not in kin(world, uid)]
        if len(shown) >= 3:
            yield _blind(world, right, rng.sample(shown, 3), chosen)


def _blind(world: World, right: str, shown: list[str], chosen: frozenset[str]) -> Draft:
    seen = observed(world)
    slots = {
        "components": _labels(world, chosen), "needs": _labels(world, seen[right]),
        "why": lines(f"{world.label(uid)}: {_labels(world, seen[uid] & chosen)}" for uid in shown),
    }  # fmt: skip
    wrong = tuple(world.label(uid) for uid in shown)
    return Draft((right,), world.label(right), slots, wrong, sources=(*sorted(chosen), *shown), difficulty=3)


def vague(world: World, rng: Random) -> Iterator[Draft]:
    """A log entry that stands in the analytics of many techniques points to none of them."""
    found: dict[tuple[str, str, str], dict[str, None]] = {}
    for one in analytics(world, rng):
        for log in one.logs:
            if log.channel not in UNSAID:
                found.setdefault((log.name, log.channel, log.component), {})[one.technique.id] = None
    for (name, channel, component), techniques in found.items():
        families = {uid[:5] for uid in techniques}
        for _ in range(
            3 if len(techniques) >= VAGUE and len(families) >= VAGUE // 2 else 0
        ):  # as often as there are ways to ask
            some = rng.sample(list(techniques), 3)
            slots = {
                "log": name, "channel": channel, "component": world.label(component), "count": str(len(techniques)),
                "some": joined(world.label(uid) for uid in some),
            }  # fmt: skip
            keep = (component, slots["count"])
            yield Draft((component,), "Not enough evidence", slots, keep=keep, sources=tuple(some), difficulty=2)


def inventory(world: World, rng: Random) -> Iterator[Draft]:
    """A table of log sources becomes JSON by component."""
    for one in analytics(world, rng):
        if len(one.components) >= 2:
            rows = list(dict.fromkeys((log.component, log.name) for log in one.logs))
            final = {uid: [name for other, name in rows if other == uid] for uid in sorted(one.components)}
            slots = {
                "technique": one.technique.label, "platform": one.on,
                "told": lines(f"{name}: {world.label(uid)}" for uid, name in rows),
            }  # fmt: skip
            text = json.dumps(final, ensure_ascii=False)
            yield Draft((one.technique.id,), text, slots, sources=(one.entry.id, *one.components), difficulty=2)


def artifact(world: World, rng: Random) -> Iterator[Draft]:
    """From ATT&CK's data sources to D3FEND's digital artifacts."""
    for entry in world.shuffled(Entity.DATA_SOURCE, rng):
        found = [world.entries[tie.other] for tie in world.out(entry.id, Rel.MAPS_TO, Entity.ARTIFACT)]
        if found:
            sources = tuple(one.id for one in found)
            yield Draft((entry.id,), labels(found), {"source": entry.label}, sources=sources)


TASKS = (
    Task("define", Kind.OPEN, define),
    Task("from-description", Kind.CHOICE, from_description),
    Task("for-technique", Kind.MULTI, for_technique),
    Task("choice", Kind.CHOICE, choice, 4_000),
    Task("technique", Kind.CHOICE, technique, 4_000),
    Task("shows", Kind.YES_NO, shows, 4_000),
    Task("of-log", Kind.CLOSED, of_log, 3_000),
    Task("logs", Kind.MULTI, logs),
    Task("widest", Kind.STEPS, widest, 2_000),
    Task("blind", Kind.CHOICE, blind, 2_500),
    Task("inventory", Kind.EXTRACT, inventory),
    Task("artifact", Kind.MULTI, artifact),
    Task("vague", Kind.ABSTAIN, vague, 1_000),
)
