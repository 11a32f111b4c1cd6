"""Rules for SIEMs: Sigma as a query of a dialect that the question defines, Wazuh's local rules, counting."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from vedette.forge.example import Kind
from vedette.forge.scene import events, queries, rules, wazuh
from vedette.forge.scene.excerpt import numbered
from vedette.forge.scene.wazuh import LocalRule, Series
from vedette.forge.task import Draft, Task
from vedette.forge.tasks.made import NO_EVIDENCE, as_json, options, scenes
from vedette.forge.world import World


def translate(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "siem"):
        rule, dialect = rules.rule(rng), rng.choice(queries.DIALECTS)
        slots = {"rule": rules.sigma(rule), "dialect": dialect.text}
        yield Draft((uid,), queries.query(rule, dialect), slots, difficulty=2)


def write(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "siem"):
        rule, dialect = rules.rule(rng), rng.choice(queries.DIALECTS)
        slots = {"says": rule.says, "dialect": dialect.text, "title": rule.about.title, "source": rule.source}
        yield Draft((uid,), queries.query(rule, dialect), slots, difficulty=2)


def explain(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "siem"):
        rule, dialect = rules.rule(rng), rng.choice(queries.DIALECTS)
        told = world.label(rule.about.technique)
        noise = " or ".join(text[0].lower() + text[1:] for text in rule.about.false_positives)
        slots = {
            "query": queries.query(rule, dialect),
            "says": rule.says,
            "title": rule.about.title,
            "noise": noise,
            "technique": told,
            "source": rule.source,
        }
        yield Draft((uid,), "", slots, keep=(rule.says, told), sources=(rule.about.technique,), difficulty=2)


def query_matches(world: World, rng: Random) -> Iterator[Draft]:
    for number, uid in enumerate(scenes(rng, "siem")):
        rule, dialect = rules.rule(rng), rng.choice(queries.DIALECTS)
        event, why = (events.hit(rng, rule), "") if number % 2 else events.miss(rng, rule)
        told = f"The query is not true of the event, since {why}." if why else _all_hold(rule)
        slots = {
            "query": queries.query(rule, dialect),
            "dialect": dialect.text.partition(". ")[0],
            "event": as_json(event),
            "told": told,
        }
        yield Draft((uid,), "No" if why else "Yes", slots, keep=(told,), difficulty=2)


def _all_hold(rule: rules.Rule) -> str:
    excepted = ", and the exception does not apply" if rule.filter else ""
    return f"All conditions hold: {'; '.join(m.says for m in rule.selection)}{excepted}."


def technique(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "siem"):
        rule, dialect = rules.rule(rng), rng.choice(queries.DIALECTS)
        if (entry := world.get(rule.about.technique)) is not None:
            slots = {"query": queries.query(rule, dialect), "title": rule.about.title, "says": rule.says}
            yield Draft((uid,), entry.label, slots, options(world, rng, entry.id), sources=(entry.id,), difficulty=2)


def _local(rule: LocalRule) -> dict[str, str]:
    return {
        "rule": rule.xml,
        "number": str(rule.number),
        "level": str(rule.level),
        "says": rule.says,
        "title": rule.title,
        "technique": rule.technique,
    }


def wazuh_write(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "siem"):
        rule = wazuh.local_rule(rng)
        yield Draft((uid,), rule.xml, _local(rule), sources=(rule.technique,), difficulty=2)


def wazuh_explain(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "siem"):
        rule = wazuh.local_rule(rng)
        slots = _local(rule) | {"technique": world.label(rule.technique)}
        yield Draft((uid,), "", slots, keep=(rule.says, slots["technique"]), sources=(rule.technique,))


def wazuh_json(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "siem"):
        rule = wazuh.local_rule(rng)
        found: dict[str, object] = {"id": rule.number, "level": rule.level, "parent": rule.parent}
        if rule.frequency:
            found |= {"frequency": rule.frequency, "timeframe": rule.timeframe}
        else:
            found |= {"field": rule.field, "value": rule.value}
        found |= {"description": rule.title, "techniques": [rule.technique]}
        slots = _local(rule) | {"keys": ", ".join(found)}
        yield Draft((uid,), as_json(found), slots, sources=(rule.technique,))


def threshold(world: World, rng: Random) -> Iterator[Draft]:
    """Half of the series make the rule fire."""
    for number, uid in enumerate(scenes(rng, "siem")):
        scene = wazuh.series(rng, fires=bool(number % 2))
        rows = [f"{when:%H:%M:%S} {address}" for when, address in scene.events]
        first = scene.fires()
        slots = _local(scene.rule) | {
            "events": numbered(rows),
            "steps": _counted(scene),
            "frequency": str(scene.rule.frequency),
            "timeframe": str(scene.rule.timeframe),
        }
        yield Draft((uid,), f"At event {first}" if first else "Never", slots, difficulty=3)


def _counted(scene: Series) -> str:
    first = scene.fires()
    steps = [f"The rule needs {scene.rule.frequency} events of one address within {scene.rule.timeframe} seconds."]
    addresses = dict.fromkeys(address for _, address in scene.events)
    for address in addresses:
        rows = [f"{n} ({when:%H:%M:%S})" for n, (when, other) in enumerate(scene.events, 1) if other == address]
        steps.append(f"Events of {address}: {', '.join(rows)}.")
    number = first or scene.fullest()
    inside = scene.window(number)
    start, end = scene.events[inside[0] - 1][0], scene.events[number - 1][0]
    span = (
        f"{len(inside)} events of {scene.events[number - 1][1]} lie within {int((end - start).total_seconds())} seconds"
    )
    if first:
        steps.append(f"At event {number}, {span} (events {', '.join(map(str, inside))}); no window before has as many.")
    else:
        steps.append(f"The fullest window is at event {number}: {span}, which is too few.")
    return numbered(steps)


UNKNOWN = (
    (
        "How many alerts a day will it give in our network?",
        "that depends on the events of that network, of which nothing is given",
    ),
    ("Will it find every attack of this kind?", "the query shows what it finds, not which attacks leave other traces"),
    ("Who wrote it, and when?", "the query carries neither author nor date"),
    ("How long will the search take?", "that depends on the system and the amount of data"),
    ("Did it ever find a real attack here?", "the query does not hold its history of hits"),
    (
        "Is the log source that it needs collected from all of our machines?",
        "the query says which fields it reads, not who sends them",
    ),
)


def unknown(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "siem"):
        rule, dialect = rules.rule(rng), rng.choice(queries.DIALECTS)
        question, why = rng.choice(UNKNOWN)
        slots = {"query": queries.query(rule, dialect), "question": question, "why": why, "says": rule.says}
        yield Draft((uid,), NO_EVIDENCE, slots, keep=(why,))


TASKS = (
    Task("wazuh-json", Kind.EXTRACT, wazuh_json, 1_000),
    Task("wazuh-explain", Kind.OPEN, wazuh_explain, 1_000),
    Task("wazuh-write", Kind.RULE, wazuh_write, 1_500),
    Task("explain", Kind.OPEN, explain, 1_500),
    Task("translate", Kind.RULE, translate, 2_500),
    Task("write", Kind.RULE, write, 2_000),
    Task("query-matches", Kind.YES_NO, query_matches, 2_000),
    Task("technique", Kind.CHOICE, technique, 1_000),
    Task("threshold", Kind.STEPS, threshold, 1_500),
    Task("unknown", Kind.ABSTAIN, unknown, 600),
)
