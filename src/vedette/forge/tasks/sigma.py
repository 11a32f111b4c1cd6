"""Sigma: the store's rules explained, mapped and written; rules of ours, evaluated on events."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random

from vedette.forge.example import Kind
from vedette.forge.scene import events, rules
from vedette.forge.scene.excerpt import numbered
from vedette.forge.scene.rules import Event, Match, Rule
from vedette.forge.task import Draft, Task
from vedette.forge.tasks.made import NO_EVIDENCE, as_json, family, scenes
from vedette.forge.tasks.shared import first_sentences, flat, joined
from vedette.forge.world import Entry, World
from vedette.knowledge.record import Kind as Entity
from vedette.knowledge.record import Rel, RuleFacts

LONGEST = 900  # characters of a rule's detection
LEVELS = ("informational", "low", "medium", "high", "critical")


def _rules(world: World, rng: Random) -> Iterator[tuple[Entry, RuleFacts, dict[str, str]]]:
    for entry in world.shuffled(Entity.RULE, rng):
        detection = entry.texts.get("detection", "")
        if isinstance(entry.facts, RuleFacts) and entry.text and detection and len(detection) <= LONGEST:
            slots = {
                "title": entry.name,
                "description": _ended(flat(entry.text)),
                "detection": detection,
                "source": _source(entry.facts),
                "level": entry.facts.level,
            }
            yield entry, entry.facts, slots


def _ended(text: str) -> str:
    return text if text[-1:] in ".!?" else f"{text}."


def _source(facts: RuleFacts) -> str:
    """ "windows, category process_creation"."""
    named = [
        facts.product,
        facts.category and f"category {facts.category}",
        facts.service and f"service {facts.service}",
    ]
    return joined(part for part in named if part)


def _techniques(world: World, entry: Entry) -> list[Entry]:
    return [world.entries[tie.other] for tie in world.out(entry.id, Rel.DETECTS, Entity.TECHNIQUE)]


def explain(world: World, rng: Random) -> Iterator[Draft]:
    for entry, _, slots in _rules(world, rng):
        told = joined(t.label for t in _techniques(world, entry))
        maps = f" It is mapped to {told}." if told else ""
        left = " What its filters leave out is not part of the excerpt." if "filter" in slots["detection"] else ""
        slots |= {"maps": maps, "left": left, "description": _ended(first_sentences(entry.text, 3))}
        yield Draft(
            (entry.id,), "", slots, keep=(told,) if told else (), sources=tuple(t.id for t in _techniques(world, entry))
        )


def technique(world: World, rng: Random) -> Iterator[Draft]:
    for entry, _, slots in _rules(world, rng):
        if found := _techniques(world, entry):
            yield Draft(
                (entry.id,), joined(t.label for t in found), slots, sources=tuple(t.id for t in found), difficulty=2
            )


def technique_choice(world: World, rng: Random) -> Iterator[Draft]:
    """Where a rule is mapped to one technique. Wrong options share no parent with it."""
    for entry, _, slots in _rules(world, rng):
        found = _techniques(world, entry)
        if len(found) == 1:
            wrong = world.near(found[0].id, rng, 3, besides=family(world, found[0].id))
            yield Draft(
                (entry.id,), found[0].label, slots, tuple(w.label for w in wrong), sources=(found[0].id,), difficulty=2
            )


def level(world: World, rng: Random) -> Iterator[Draft]:
    for entry, facts, slots in _rules(world, rng):
        if facts.level in LEVELS:
            wrong = tuple(one for one in LEVELS[1:] if one != facts.level)[:3]
            yield Draft((entry.id,), facts.level, slots, wrong, difficulty=2)


def log_source(world: World, rng: Random) -> Iterator[Draft]:
    for entry, _, slots in _rules(world, rng):
        if slots["source"]:
            yield Draft((entry.id,), slots["source"], slots)


def false_positives(world: World, rng: Random) -> Iterator[Draft]:
    for entry, _, slots in _rules(world, rng):
        told = flat(entry.texts.get("falsepositives", ""))
        if len(told) > 12 and not told.lower().startswith("unlikely"):
            yield Draft((entry.id,), "", slots | {"told": told.rstrip(".")}, keep=(told.rstrip("."),))


def vulnerability(world: World, rng: Random) -> Iterator[Draft]:
    """Rules that say which vulnerability they are about, and whose words do not give it away."""
    for entry, _, slots in _rules(world, rng):
        found = [link.to for link in entry.links if link.rel is Rel.ABOUT]
        if len(set(found)) == 1 and found[0].casefold() in f"{slots['description']} {slots['title']}".casefold():
            yield Draft((entry.id, found[0]), found[0], slots)


def filtered(world: World, rng: Random) -> Iterator[Draft]:
    """The excerpt has a filter in its condition but not its content: an event that the selection takes stays open."""
    for entry, _, slots in _rules(world, rng):
        taken = _taken(slots["detection"], filtered=True)
        if taken and (event := taken.event(rng)):
            yield Draft(
                (entry.id,), NO_EVIDENCE, slots | {"event": as_json(event), "shows": taken.shows(event)}, difficulty=3
            )


# Events for the store's rules: their rendering has lost whether a list of maps or a map was meant, so that events
# either hold all comparisons or none.

_KEY = re.compile(
    r"(?:^|, )((?:Image|CommandLine|ParentImage|ParentCommandLine|OriginalFileName|TargetFilename|TargetObject|"
    r"ScriptBlockText|ImageLoaded|EventID|Provider_Name|Details|QueryName|cs-method|cs-uri-query|cs-uri-stem|"
    r"DestinationHostname|eventName|eventSource|PipeName|ServiceName|ImagePath|TargetImage|SourceImage|"
    r"operationName|ObjectName|User|Channel|Payload|c-useragent|Company|Description|Product)"
    r"(?:\|(?:contains|startswith|endswith|all))*): "
)
_ODD = re.compile(r'[*?"()$…]|\|(?:re|cidr|base64|windash|fieldref|exists|expand)')


@dataclass(frozen=True, slots=True)
class Taken:
    comparisons: tuple[tuple[str, str], ...]  # key, values as rendered

    def values(self) -> list[str]:
        return [value for _, told in self.comparisons for value in told.split(", ")]

    def event(self, rng: Random) -> dict[str, str] | None:
        """All comparisons hold; None where one field would have to be two things."""
        event: dict[str, str] = {}
        for key, told in self.comparisons:
            field, *how = key.split("|")
            values = told.split(", ") if "all" in how else [rng.choice(told.split(", "))]
            if field in event and not (how[:1] == ["contains"] and field == "CommandLine"):
                return None
            event[field] = _filled(field, how, values, event)
        return event if all(self._stands(event, key, told) for key, told in self.comparisons) else None

    @staticmethod
    def _stands(event: Event, key: str, told: str) -> bool:
        field, *how = key.split("|")
        name = how[0] if how and how[0] != "all" else ""
        return Match(field, name, tuple(told.split(", ")), "all" in how).holds(event)

    def shows(self, event: Event) -> str:
        """What the fields of the rule are in the event."""
        fields = dict.fromkeys(key.partition("|")[0] for key, _ in self.comparisons)
        return ", ".join(f"`{field}` is `{event[field]}`" for field in fields if field in event)

    def untouched(self, event: Event) -> bool:
        """No comparison can hold: none of the values stands anywhere in the event."""
        told = " ".join(event.values()).casefold()
        return not any(value.strip().casefold() in told for value in self.values())


_START = {
    "TargetObject": "HKLM",
    "TargetFilename": "C:",
    "ImageLoaded": "C:",
    "ImagePath": "C:",
    "Image": "C:",
    "ParentImage": "C:",
    "cs-uri-query": "/",
}


def _filled(field: str, how: list[str], values: list[str], event: Event) -> str:
    if not how:
        return values[0]
    if how[0] == "startswith":
        return f"{values[0]}1"
    if how[0] == "endswith":
        return f"{_folder(values[0])}{values[0]}"
    inner = " ".join(values) if len(values) > 1 else values[0]
    if "CommandLine" not in field:
        start = event.get(field, "") or ("C" if inner.startswith(":") else _START.get(field, ""))
        return f"{start}{inner}{'' if inner.endswith(('.exe', '.dll')) else '1'}"
    program = event.get("Image", "").replace("\\", "/").rpartition("/")[2]
    before = event.get(field, "") or ("" if program.casefold() in inner.casefold() else program)
    space = "" if inner.startswith(" ") else " "
    return f"{before}{space}{inner}{'' if inner.endswith(' ') else ' '}1".lstrip()


def _folder(value: str) -> str:
    if value.startswith("/"):
        return "/usr/bin" if value.count("/") == 1 else ""
    return "C:\\Windows\\System32" if value.startswith("\\") else "C:\\Windows\\x" if value.startswith(".") else ""


def _taken(detection: str, filtered: bool = False) -> Taken | None:
    """The comparisons of a rule that has one selection, or selections that all have to hold."""
    condition, *sections = detection.split("\n")
    told = condition.removeprefix("condition: ")
    plain = ("selection", "all of selection_*", "all of selection*")
    if filtered:
        head, found, _ = told.partition(" and not ")
        if not found or head not in plain:
            return None
    elif told not in plain:
        return None
    pairs: list[tuple[str, str]] = []
    for section in sections:
        parts = _KEY.split(section.partition(": ")[2])
        if parts[0] or len(parts) < 3 or _ODD.search(section):
            return None
        pairs += zip(parts[1::2], parts[2::2], strict=True)
    values = [value for _, text in pairs for value in text.split(", ")]
    return Taken(tuple(pairs)) if pairs and all(2 < len(v.strip()) < 60 and ": " not in v for v in values) else None


def _with_events(world: World, rng: Random) -> Iterator[tuple[Entry, dict[str, str], Taken, dict[str, str]]]:
    for entry, _, slots in _rules(world, rng):
        taken = _taken(slots["detection"])
        event = taken.event(rng) if taken else None
        if taken and event:
            yield entry, slots, taken, event


def matches(world: World, rng: Random) -> Iterator[Draft]:
    """Half of the events are made for the rule; the others for another rule, and hold nothing of this one."""
    found = list(_with_events(world, rng))
    for number, (entry, slots, taken, event) in enumerate(found):
        if number % 2 == 0:
            why = f"All that the selection asks for is there: {taken.shows(event)}"
            yield Draft((entry.id,), "Yes", slots | {"event": as_json(event), "why": why}, difficulty=2)
            continue
        others = [e for o, _, _, e in rng.sample(found, min(60, len(found))) if o.id != entry.id and taken.untouched(e)]
        alike = [e for e in others if set(e) & set(event)]
        if alike:
            why = f"The selection does not hold: {taken.shows(alike[0])}, and none of the rule's values stands there"
            yield Draft((entry.id,), "No", slots | {"event": as_json(alike[0]), "why": why}, difficulty=2)


def which_rule(world: World, rng: Random) -> Iterator[Draft]:
    found = list(_with_events(world, rng))
    for entry, slots, _, event in found:
        others = [
            o.name
            for o, _, t, _ in rng.sample(found, min(80, len(found)))
            if o.id != entry.id and t.untouched(event) and {k.split("|")[0] for k, _ in t.comparisons} & set(event)
        ]
        if len(set(others)) > 2:
            yield Draft((entry.id,), entry.name, slots | {"event": as_json(event)}, tuple(others[:3]), difficulty=3)


def write(world: World, rng: Random) -> Iterator[Draft]:
    """Rules whose rendering leaves no doubt: one field a selection, few values."""
    for entry, _, slots in _rules(world, rng):
        block = _block(slots["detection"])
        if block and len(block) < 700 and _told_of(slots):
            yield Draft((entry.id,), block, slots, difficulty=2)


def _told_of(slots: Mapping[str, str]) -> bool:
    """Title or description name something that the detection looks for, so that nobody has to guess."""
    told = f"{slots['title']} {slots['description']}".casefold()
    values = slots["detection"].partition(": ")[2].partition(": ")[2].casefold()
    return any(word in told for word in re.findall(r"[a-z]{5,}", values) if word not in _KEYS)


_KEYS = frozenset(
    {
        "selection",
        "contains",
        "endswith",
        "startswith",
        "image",
        "commandline",
        "targetobject",
        "windows",
        "system",
        "microsoft",
        "software",
        "users",
        "files",
        "currentversion",
        "eventid",
    }
)


def _block(detection: str) -> str:
    condition, *sections = detection.split("\n")
    lines = ["detection:"]
    for section in sections:
        name, _, rest = section.partition(": ")
        parts = _KEY.split(rest)
        if parts[0] or len(parts) != 3 or _ODD.search(section):
            return ""
        values = [rules.quoted(value) for value in parts[2].split(", ")]
        if len(values) > 12 or any(": " in value for value in values):
            return ""
        lines += [
            f"    {name}:",
            *(
                [f"        {parts[1]}: {values[0]}"]
                if len(values) == 1
                else [f"        {parts[1]}:", *(f"            - {value}" for value in values)]
            ),
        ]
    names = [section.partition(": ")[0] for section in sections]
    told = condition.removeprefix("condition: ")
    known = (told == "selection" and names == ["selection"]) or told in ("all of selection_*", "1 of selection_*")
    return "\n".join([*lines, f"    condition: {told}"]) if known and names else ""


# Rules of ours


def _made(uid: str, rule: Rule) -> dict[str, str]:
    return {"rule": rules.sigma(rule), "title": rule.about.title, "says": rule.says, "source": rule.source, "uid": uid}


def write_made(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "sigma"):
        rule = rules.rule(rng)
        yield Draft((uid,), rules.detection_block(rule), _made(uid, rule), difficulty=2)


def which_event(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "sigma"):
        rule = rules.rule(rng)
        right = _compact(events.hit(rng, rule))
        wrong = [_compact(events.miss(rng, rule)[0]) for _ in range(3)]
        if len({right, *wrong}) == 4:
            yield Draft((uid,), right, _made(uid, rule), tuple(wrong), difficulty=2)


def _compact(event: Event) -> str:
    return as_json(dict(event), flat=True)


def evaluate(world: World, rng: Random) -> Iterator[Draft]:
    """Half of the events make the rule fire."""
    for number, uid in enumerate(scenes(rng, "sigma")):
        rule = rules.rule(rng)
        event = events.hit(rng, rule) if number % 2 else events.miss(rng, rule)[0]
        final = "It fires" if rule.holds(event) else "It does not fire"
        slots = _made(uid, rule) | {"event": as_json(dict(event)), "steps": numbered(list(_steps(rule, event)))}
        yield Draft((uid,), final, slots, difficulty=2)


def _steps(rule: Rule, event: Event) -> Iterator[str]:
    for one in rule.selection:
        found = f"is `{event[one.field]}`" if one.field in event else "is missing"
        holds = "true" if one.holds(event) else "false"
        yield f"The selection asks that {one.says}. In the event, it {found}: {holds}."
    if rule.filter:
        found = f"is `{event[rule.filter.field]}`" if rule.filter.field in event else "is missing"
        yield f"The filter asks that {rule.filter.says}. It {found}: {'true' if rule.filter.holds(event) else 'false'}."
    yield f"The condition `{rule.condition}` is {'true' if rule.holds(event) else 'false'}."


TASKS = (
    Task("log-source", Kind.CLOSED, log_source, 3_500),
    Task("level", Kind.CHOICE, level, 1_500),
    Task("explain", Kind.OPEN, explain, 3_500),
    Task("technique", Kind.MULTI, technique, 3_500),
    Task("technique-choice", Kind.CHOICE, technique_choice, 2_500),
    Task("false-positives", Kind.OPEN, false_positives, 2_200),
    Task("vulnerability", Kind.CLOSED, vulnerability, 300),
    Task("matches", Kind.YES_NO, matches, 2_000),
    Task("which-rule", Kind.CHOICE, which_rule, 1_500),
    Task("filtered", Kind.ABSTAIN, filtered, 800),
    Task("write", Kind.RULE, write, 2_500),
    Task("write-made", Kind.RULE, write_made, 2_500),
    Task("which-event", Kind.CHOICE, which_event, 1_500),
    Task("evaluate", Kind.STEPS, evaluate, 2_500),
)
