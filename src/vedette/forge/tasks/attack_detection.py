"""Detection strategies and their analytics: which, on what platform, from which logs, tuned how."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from random import Random

from vedette.forge.example import Kind
from vedette.forge.task import Draft, Task
from vedette.forge.tasks.analytics import UNSAID, Analytic, analytics, lone, techniques_of
from vedette.forge.tasks.procedures import gist, kin, lines, procedures, tactics
from vedette.forge.tasks.shared import first_sentences, joined, masked
from vedette.forge.world import Entry, World
from vedette.knowledge.record import Kind as Entity
from vedette.knowledge.record import LogSource, Rel, SoftwareFacts

_ID = re.compile(r"(?:\s*(?:via|for|of|using|through))?\s*\(?\bT\d{4}(?:\.\d{3})?\b\)?")


def _slots(one: Analytic) -> dict[str, str]:
    return {
        "technique": one.technique.label,
        "platform": one.on,
        "analytic": one.entry.id,
        "strategy": one.strategy.label,
        "text": one.text,
        "gist": gist(one.technique),
        "logs": lines(dict.fromkeys(_log(log) for log in one.logs)),
    }


def _log(log: LogSource) -> str:
    """ "WinEventLog:Sysmon (EventCode=1)"."""
    return log.name if log.channel in UNSAID else f"{log.name} ({log.channel})"


def _components(world: World, one: Analytic) -> str:
    return joined(world.label(uid) for uid in one.components)


def _about(one: Analytic) -> tuple[str, ...]:
    return one.technique.id, one.strategy.id


def _others(world: World, technique: Entry, rng: Random, count: int = 3) -> list[Entry]:
    return world.near(technique.id, rng, count, kin(world, technique.id))


def strategy(world: World, rng: Random) -> Iterator[Draft]:
    for entry in world.shuffled(Entity.TECHNIQUE, rng):
        for tie in world.into(entry.id, Rel.DETECTS, Entity.DETECTION)[:1]:
            slots = {"technique": entry.label, "gist": gist(entry)}
            yield Draft((entry.id, tie.other), world.label(tie.other), slots)


def _own(world: World, rng: Random) -> Iterator[Analytic]:
    """Analytics whose text stands under one technique only."""
    same = techniques_of(world)
    return (one for one in analytics(world, rng) if len(same[one.text]) == 1)


def technique(world: World, rng: Random) -> Iterator[Draft]:
    """From an analytic to what it detects; its own text does not name it."""
    for one in _own(world, rng):
        told = masked(_ID.sub("", one.text), one.technique, "this technique")
        wrong = _others(world, one.technique, rng)
        if told and len(wrong) == 3:
            slots = {**_slots(one), "text": told}
            options = tuple(entry.label for entry in wrong)
            yield Draft(_about(one), one.technique.label, slots, options, sources=(one.entry.id,), difficulty=2)


def detects(world: World, rng: Random) -> Iterator[Draft]:
    """Half of the claims are true; a false one names a technique near to the one that is detected."""
    yes = True
    for one in _own(world, rng):
        asked = one.technique if yes else next(iter(_others(world, one.technique, rng, 1)), None)
        if asked:
            slots = {**_slots(one), "asked": asked.label}
            objects = tuple(dict.fromkeys((*_about(one), asked.id)))
            keep = (one.technique.label,)
            yield Draft(objects, "Yes" if yes else "No", slots, keep=keep, sources=(one.entry.id,), difficulty=2)
            yes = not yes


def log_sources(world: World, rng: Random) -> Iterator[Draft]:
    for one in analytics(world, rng):
        if len(one.names) <= 8 and not any(", " in name for name in one.names):
            yield Draft(_about(one), joined(one.names), _slots(one), sources=(one.entry.id,), difficulty=2)


def log_choice(world: World, rng: Random) -> Iterator[Draft]:
    """Wrong options: log sources of the same platform that no analytic of this strategy looks at."""
    found = analytics(world, rng)
    own: dict[str, set[str]] = {}
    every: dict[str, list[str]] = {}
    for one in found:
        own.setdefault(one.strategy.id, set()).update(name.casefold() for name in one.names)
        every.setdefault(one.on, []).extend(one.names)
    for one in found:
        rest = [name for name in dict.fromkeys(every[one.on]) if name.casefold() not in own[one.strategy.id]]
        if len(rest) >= 3:
            right, wrong = rng.choice(one.names), tuple(rng.sample(rest, 3))
            yield Draft(_about(one), right, _slots(one), wrong, sources=(one.entry.id,), difficulty=2)


def channel(world: World, rng: Random) -> Iterator[Draft]:
    """What to look for in a log source, where the analytic names one channel of it only."""
    for one in analytics(world, rng):
        for log in one.logs:
            same = [other for other in one.logs if other.name == log.name]
            if len(same) == 1 and log.channel not in UNSAID and log.channel not in one.text:
                slots = {**_slots(one), "log": log.name, "component": world.label(log.component)}
                sources = (one.entry.id, log.component)
                yield Draft(_about(one), log.channel.rstrip("."), slots, sources=sources, difficulty=2)


def components(world: World, rng: Random) -> Iterator[Draft]:
    for one in analytics(world, rng):
        if len(one.components) <= 6:
            sources = (one.entry.id, *one.components)
            yield Draft(_about(one), _components(world, one), _slots(one), sources=sources, difficulty=2)


def platforms(world: World, rng: Random) -> Iterator[Draft]:
    """Of all analytics of a strategy."""
    done: set[str] = set()
    for one in analytics(world, rng):
        if one.strategy.id not in done:
            done.add(one.strategy.id)
            ties = world.into(one.strategy.id, Rel.MEMBER_OF, Entity.ANALYTIC)
            slots = _slots(one) | {"count": str(len(ties)), "plural": "" if len(ties) == 1 else "s"}
            final = joined(sorted(set(_named(world, one.strategy.id)) - set(UNSAID)))
            yield Draft(_about(one), final, slots, sources=tuple(tie.other for tie in ties))


def plan(world: World, rng: Random) -> Iterator[Draft]:
    """How to detect a technique on a platform."""
    for one in analytics(world, rng):
        slots = _slots(one) | {"tuning": lines(f"{name}: {why}" for name, why in one.tuning) or "- nothing is named"}
        yield Draft(_about(one), "", slots, keep=(one.technique.id, *one.names), sources=(one.entry.id,), difficulty=2)


def tuning(world: World, rng: Random) -> Iterator[Draft]:
    for one in analytics(world, rng):
        if one.tuning:
            slots = _slots(one) | {"tuning": lines(f"{name}: {why}" for name, why in one.tuning)}
            keep = tuple(name for name, _ in one.tuning)
            yield Draft(_about(one), "", slots, keep=keep, sources=(one.entry.id,), difficulty=2)


def outline(world: World, rng: Random) -> Iterator[Draft]:
    """A rule's frame in YAML: what is known before a query is written."""
    for one in analytics(world, rng):
        rows = [
            f"title: {_quoted(f'{one.technique.name} on {one.on}')}",
            f"technique: {one.technique.id}",
            f"strategy: {one.strategy.id}",
            f"analytic: {one.entry.id}",
            f"platforms: [{joined(_quoted(name) for name in one.platforms)}]",
            f"description: {_quoted(one.text)}",
            "log_sources:",
            *(f"  - name: {_quoted(log.name)}{_channel(log)}\n    component: {log.component}" for log in one.logs),
            *(("tuning:", *(f"  {_quoted(name)}: {_quoted(why)}" for name, why in one.tuning)) if one.tuning else ()),
        ]
        slots = _slots(one) | {"rule": "\n".join(rows)}
        keep = (one.technique.id, one.entry.id, *one.names)
        yield Draft(_about(one), "", slots, keep=keep, sources=(one.entry.id, *one.components), difficulty=3)


def _channel(log: LogSource) -> str:
    return "" if log.channel in UNSAID else f"\n    channel: {_quoted(log.channel)}"


def _quoted(text: str) -> str:
    """A JSON string is a YAML string."""
    return json.dumps(text, ensure_ascii=False)


def extract(world: World, rng: Random) -> Iterator[Draft]:
    for one in analytics(world, rng):
        final = {
            "technique": one.technique.id,
            "platforms": list(one.platforms),
            "log_sources": [
                {"name": name, "channel": channel}
                for name, channel in dict.fromkeys(
                    (log.name, "" if log.channel in UNSAID else log.channel) for log in one.logs
                )
            ],
        }
        text = json.dumps(final, ensure_ascii=False)
        yield Draft(_about(one), text, _slots(one), sources=(one.entry.id,), difficulty=2)


def steps(world: World, rng: Random) -> Iterator[Draft]:
    """What was seen → technique → strategy → analytic of a platform → data components."""
    sure = lone(world)
    found: dict[str, list[Analytic]] = {}
    for one in analytics(world, rng):
        if len(one.components) <= 6 and one.entry.id in sure and one.platforms != ("PRE",):
            found.setdefault(one.technique.id, []).append(one)
    for seen in procedures(world, rng):
        options = [one for one in found.get(seen.technique.id, []) if _possible(seen.user, one, found)]
        if not seen.also and options:
            one = rng.choice(options)
            slots = _slots(one) | {
                "seen": seen.text, "tactics": joined(tactics(world, one.technique)),
                "short": first_sentences(one.text, 1),
            }  # fmt: skip
            keep = (one.technique.id, one.strategy.id, one.entry.id)
            objects = (seen.user.id, *_about(one))
            sources = (one.entry.id, *one.components)
            yield Draft(objects, _components(world, one), slots, keep=keep, sources=sources, difficulty=3)


def _possible(user: Entry, one: Analytic, found: dict[str, list[Analytic]]) -> bool:
    """Software runs on its platforms; what a group or campaign did is placed only where there is one platform."""
    if isinstance(user.facts, SoftwareFacts):
        return not set(user.facts.platforms).isdisjoint(one.platforms)
    return len(found[one.technique.id]) == 1


def no_analytic(world: World, rng: Random) -> Iterator[Draft]:
    """A platform that none of the technique's analytics is for."""
    found: dict[str, list[Analytic]] = {}
    for one in analytics(world, rng):
        found.setdefault(one.technique.id, []).append(one)
    every = {
        domain: sorted(
            {name for one in analytics(world, rng) if one.technique.domain == domain for name in one.platforms}
            - {"PRE"}
        )
        for domain in ("enterprise", "mobile", "ics")
    }
    for uid, own in found.items():
        covered = {name for tie in world.into(uid, Rel.DETECTS, Entity.DETECTION) for name in _named(world, tie.other)}
        rest = [name for name in every[own[0].technique.domain] if name not in covered]
        for name in rng.sample(rest, min(2, len(rest))):
            slots = _slots(own[0]) | {"asked": name, "covered": joined(sorted(covered))}
            yield Draft(_about(own[0]), "Not enough evidence", slots, keep=(uid, slots["covered"]), difficulty=2)


def _named(world: World, strategy_id: str) -> Iterator[str]:
    for tie in world.into(strategy_id, Rel.MEMBER_OF, Entity.ANALYTIC):
        yield from getattr(world.entries[tie.other].facts, "platforms", ())


def which_analytic(world: World, rng: Random) -> Iterator[Draft]:
    """Of analytics of one platform, the one for a technique; wrong ones are for near techniques."""
    by_technique: dict[tuple[str, str], Analytic] = {}
    found = list(_own(world, rng))
    for one in found:
        by_technique.setdefault((one.technique.id, one.on), one)
    for one in found:
        near = _others(world, one.technique, rng, 12)
        wrong = [other for entry in near if (other := by_technique.get((entry.id, one.on)))][:3]
        options = tuple(first_sentences(other.text, 2) for other in wrong)
        right = first_sentences(one.text, 2)
        if len({right, *options}) == 4:
            yield Draft(_about(one), right, _slots(one), options, sources=(one.entry.id,), difficulty=2)


TASKS = (
    Task("strategy", Kind.CLOSED, strategy),
    Task("technique", Kind.CHOICE, technique, 3_000),
    Task("detects", Kind.YES_NO, detects, 3_000),
    Task("which-analytic", Kind.CHOICE, which_analytic, 3_000),
    Task("platforms", Kind.MULTI, platforms),
    Task("log-sources", Kind.MULTI, log_sources, 3_000),
    Task("log-choice", Kind.CHOICE, log_choice, 3_000),
    Task("channel", Kind.CLOSED, channel, 3_000),
    Task("components", Kind.MULTI, components, 3_000),
    Task("plan", Kind.OPEN, plan, 3_000),
    Task("tuning", Kind.OPEN, tuning, 3_000),
    Task("outline", Kind.RULE, outline, 3_000),
    Task("extract", Kind.EXTRACT, extract, 3_000),
    Task("steps", Kind.STEPS, steps, 5_000),
    Task("no-analytic", Kind.ABSTAIN, no_analytic, 1_000),
)
