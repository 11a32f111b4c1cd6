"""What CWE says of a weakness itself: meaning, consequences, detection, mitigation, platforms, use for mapping."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from random import Random

from vedette.forge.example import Kind
from vedette.forge.task import Draft, Task
from vedette.forge.tasks.lineage import strangers
from vedette.forge.tasks.shared import NOT_ENOUGH, first_sentences, flat, joined, masked
from vedette.forge.world import Entry, World
from vedette.knowledge.record import Kind as Entity
from vedette.knowledge.record import Rel, WeaknessFacts

LEVELS = {
    "Pillar": "the most abstract level, a theme",
    "Class": "described without a language or a technology",
    "Base": "specific enough to say how to detect and prevent it",
    "Variant": "tied to one product, language or technology",
    "Compound": "several weaknesses that occur together",
}
_EFFECTIVENESS = re.compile(r"\s*\(effectiveness: ([^)]+)\)\s*$")
_REFERENCE = re.compile(r"\s*\[REF-\d+\]")
_EXAMPLE = re.compile(r"^(CVE-\d{4}-\d{4,}): (.{50,600})$", re.MULTILINE)
_PHASES = frozenset({
    "Requirements", "Architecture and Design", "Implementation", "Operation", "System Configuration", "Testing",
    "Build and Compilation", "Policy", "Installation", "Documentation", "Distribution", "Bundling", "Integration",
    "Manufacturing", "Patching and Maintenance", "Porting",
})  # fmt: skip


def _weaknesses(world: World, rng: Random) -> Iterator[tuple[Entry, WeaknessFacts]]:
    for entry in world.shuffled(Entity.WEAKNESS, rng):
        if entry.text:
            yield entry, entry.facts if isinstance(entry.facts, WeaknessFacts) else WeaknessFacts()


def lines(entry: Entry, field: str) -> list[tuple[str, str]]:
    """Of a list in CWE's or CAPEC's words, "Head: body" by line; the head is "" where there is none."""
    found = []
    for line in entry.texts.get(field, "").splitlines():
        head, colon, body = _REFERENCE.sub("", flat(line)).partition(": ")
        if line.strip():
            found.append((head, body) if colon else ("", head))
    return found


def scopes(entry: Entry) -> list[str]:
    return list(dict.fromkeys(s.strip() for head, _ in lines(entry, "consequences") for s in head.split(",") if s))


def impacts(entry: Entry) -> list[str]:
    """ "Read Application Data" …; "DoS: Crash, Exit, or Restart" stays whole."""
    told = (body.partition(". ")[0].rstrip(".") for _, body in lines(entry, "consequences"))
    parts = (
        part.strip()
        for one in told
        for part in one.replace("Crash, Exit, or Restart", "Crash; Exit; or Restart").split(",")
    )
    found = (part.replace(";", ",") for part in parts)
    return [one for one in dict.fromkeys(found) if one and one != "Other"]


def define(world: World, rng: Random) -> Iterator[Draft]:
    for entry, facts in _weaknesses(world, rng):
        level = f"{facts.abstraction} level: {LEVELS[facts.abstraction]}" if facts.abstraction in LEVELS else ""
        if level:
            slots = {"weakness": entry.label, "description": first_sentences(entry.text, 4), "level": level}
            more = first_sentences(entry.texts.get("extended description", ""), 3)
            yield Draft((entry.id,), "", slots | {"more": more and f" {more}"}, keep=(entry.label,))


def from_description(world: World, rng: Random) -> Iterator[Draft]:
    for entry, _ in _weaknesses(world, rng):
        told = masked(first_sentences(entry.text, 3), entry, "[…]")
        wrong = tuple(other.label for other in strangers(world, entry.id, rng, 3))
        if told and wrong:
            yield Draft((entry.id,), entry.label, {"description": told}, wrong, difficulty=2)


def number(world: World, rng: Random) -> Iterator[Draft]:
    for entry, _ in _weaknesses(world, rng):
        slots = {"name": entry.name, "description": first_sentences(entry.text, 1)}
        yield Draft((entry.id,), entry.id, slots, keep=(entry.name,))


def consequences(world: World, rng: Random) -> Iterator[Draft]:
    for entry, _ in _weaknesses(world, rng):
        told = [f"- {head}: {first_sentences(body, 3)}" for head, body in lines(entry, "consequences") if head and body]
        if told:
            slots = {"weakness": entry.label, "consequences": "\n".join(told[:5])}
            yield Draft((entry.id,), "", slots, keep=tuple(impacts(entry)[:1]))


def scope(world: World, rng: Random) -> Iterator[Draft]:
    for entry, _ in _weaknesses(world, rng):
        found = [one for one in scopes(entry) if one != "Other"]
        if found and impacts(entry):
            slots = {"weakness": entry.label, "impacts": "; ".join(impacts(entry)[:5])}
            yield Draft((entry.id,), joined(found), slots, difficulty=min(2, len(found)))


def impact(world: World, rng: Random) -> Iterator[Draft]:
    """Half of the claims are true; a false one is an impact that CWE gives to a near weakness only."""
    yes = True
    for _ in range(3):
        for entry, _ in _weaknesses(world, rng):
            own = impacts(entry)
            near = [i for other in world.near(entry.id, rng, 6) for i in impacts(other) if i not in own]
            if not own or "Varies by Context" in own or (not yes and not near):
                continue
            asked = rng.choice(own) if yes else near[0]
            slots = {"weakness": entry.label, "impact": asked, "own": "; ".join(own)}
            yield Draft((entry.id,), "Yes" if yes else "No", slots, keep=(asked,), difficulty=2)
            yes = not yes


def _methods(entry: Entry) -> list[tuple[str, str, str]]:
    """Name, words and effectiveness of each way of detecting it."""
    found = []
    for head, body in lines(entry, "detection"):
        effect = _EFFECTIVENESS.search(body)
        if head and len(head) < 80:
            found.append((head, _EFFECTIVENESS.sub("", body), effect[1] if effect else ""))
    return found


def detection(world: World, rng: Random) -> Iterator[Draft]:
    for entry, _ in _weaknesses(world, rng):
        told = [
            f"- {name}{f' (effectiveness: {effect})' if effect else ''}: {first_sentences(body, 2)}"
            for name, body, effect in _methods(entry)
        ]
        if told:
            slots = {"weakness": entry.label, "methods": "\n".join(told[:5])}
            yield Draft((entry.id,), "", slots, keep=(_methods(entry)[0][0],))


def method(world: World, rng: Random) -> Iterator[Draft]:
    for entry, _ in _weaknesses(world, rng):
        names = [name for name, _, _ in _methods(entry) if "," not in name]
        if names and len(names) == len(_methods(entry)):
            yield Draft((entry.id,), joined(names), {"weakness": entry.label}, difficulty=min(2, len(names)))


def _mitigations(entry: Entry) -> list[tuple[str, str]]:
    """Phase and advice; only those that name a phase."""
    found = []
    for head, body in lines(entry, "mitigations"):
        if any(head.startswith(phase) for phase in _PHASES) and len(head) < 90:
            found.append((head, _EFFECTIVENESS.sub("", body)))
    return found


def mitigation(world: World, rng: Random) -> Iterator[Draft]:
    for entry, _ in _weaknesses(world, rng):
        told = [f"- {phase}: {first_sentences(body, 3)}" for phase, body in _mitigations(entry)]
        if told:
            slots = {"weakness": entry.label, "mitigations": "\n".join(told[:5])}
            yield Draft((entry.id,), "", slots, keep=(told[0].partition(": ")[0],))


def advice(world: World, rng: Random) -> Iterator[Draft]:
    """Which advice CWE gives against a weakness; only advice that it gives to no other one."""
    given = Counter(body for entry in world.of(Entity.WEAKNESS) for body in {b for _, b in _mitigations(entry)})
    for entry, _ in _weaknesses(world, rng):
        wrong = [
            first_sentences(other_own[0], 2)
            for other in strangers(world, entry.id, rng, 10)
            if (other_own := [body for _, body in _mitigations(other) if given[body] == 1])
        ]
        for phase, body in _mitigations(entry)[:4]:
            if given[body] == 1 and len(body) > 60 and len(wrong) > 2:
                slots = {"weakness": entry.label, "phase": phase}
                yield Draft((entry.id,), first_sentences(body, 2), slots, tuple(wrong[:3]), difficulty=2)


def platform(world: World, rng: Random) -> Iterator[Draft]:
    for entry, facts in _weaknesses(world, rng):
        if facts.platforms and "Other" not in facts.platforms and not any("," in p for p in facts.platforms):
            yield Draft((entry.id,), joined(facts.platforms), {"weakness": entry.label})


def usage(world: World, rng: Random) -> Iterator[Draft]:
    """Where the source says whether vulnerabilities may be mapped to it: its XML does, its tables do not."""
    for entry, facts in _weaknesses(world, rng):
        if facts.usage:
            yield Draft((entry.id,), facts.usage, {"weakness": entry.label, "level": facts.abstraction or "unknown"})


def level(world: World, rng: Random) -> Iterator[Draft]:
    """The one option that is precise enough to name a root cause; the others stand above it, or are as abstract."""
    for _ in range(2):
        for entry, facts in _weaknesses(world, rng):
            if facts.abstraction not in ("Base", "Variant"):
                continue
            coarse = [
                other
                for kind in ("Class", "Pillar")
                for other in world.of(Entity.WEAKNESS)
                if isinstance(other.facts, WeaknessFacts) and other.facts.abstraction == kind
            ]
            if len(coarse) > 2:
                wrong = tuple(other.label for other in rng.sample(coarse, 3))
                slots = {"level": facts.abstraction}
                yield Draft((entry.id,), entry.label, slots, wrong, difficulty=2)


def observed(world: World, rng: Random) -> Iterator[Draft]:
    """CWE's own one-line examples; those that name another weakness are left out."""
    drafts = []
    for entry, _ in _weaknesses(world, rng):
        for cve, told in _EXAMPLE.findall(entry.texts.get("examples", "")):
            if "CWE-" not in told and (text := masked(told, entry, "[…]")):
                drafts.append((entry, cve, text))
    rng.shuffle(drafts)
    cited = Counter(cve for _, cve, _ in drafts)
    for entry, cve, text in drafts:
        wrong = tuple(other.label for other in strangers(world, entry.id, rng, 3))
        if cited[cve] == 1 and wrong:
            yield Draft((entry.id, cve), entry.label, {"cve": cve, "told": text}, wrong, difficulty=2)


def which_cve(world: World, rng: Random) -> Iterator[Draft]:
    """A weakness alone does not say which vulnerability was found."""
    for entry, _ in _weaknesses(world, rng):
        known = [link.to for link in entry.links if link.rel is Rel.RELATED_TO and link.to.startswith("CVE-")]
        if len(set(known)) > 1:
            some = joined(list(dict.fromkeys(known))[:2]).replace(", ", " and ")
            yield Draft((entry.id,), NOT_ENOUGH, {"weakness": entry.label, "some": some}, keep=(entry.id,))


TASKS = (
    Task("number", Kind.CLOSED, number),
    Task("from-description", Kind.CHOICE, from_description),
    Task("define", Kind.OPEN, define),
    Task("platform", Kind.MULTI, platform),
    Task("scope", Kind.MULTI, scope),
    Task("impact", Kind.YES_NO, impact, 2_500),
    Task("consequences", Kind.OPEN, consequences),
    Task("method", Kind.MULTI, method),
    Task("detection", Kind.OPEN, detection),
    Task("mitigation", Kind.OPEN, mitigation),
    Task("advice", Kind.CHOICE, advice),
    Task("usage", Kind.CLOSED, usage),
    Task("level", Kind.CHOICE, level),
    Task("observed", Kind.CHOICE, observed, 3_000),
    Task("which-cve", Kind.ABSTAIN, which_cve),
)
