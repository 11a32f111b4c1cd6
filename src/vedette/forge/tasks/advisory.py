"""Advisories and CVE records: who is affected, which version mends it, as JSON, in a sentence, as a ticket."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from random import Random

from msgspec.structs import replace

from vedette.forge.example import Kind
from vedette.forge.task import Draft, Task
from vedette.forge.tasks.shared import NOT_ENOUGH, first_sentences, flat, joined, steps
from vedette.forge.tasks.vulnerable import base_score, base_vector, cases, flaws, severity
from vedette.forge.world import Entry, World
from vedette.knowledge.record import Affected, VulnerabilityFacts

READ = 30_000
MOST = 6  # products of a record that is shown
_VERSION = r"\d+(?:\.\d+){1,3}"
_RANGE = re.compile(rf"^(?:(?:>= )?({_VERSION}),? )?(<=?) ({_VERSION})$")
TOLD = 0.8  # share of a title's words that the description has to hold
_WORD = re.compile(r"[a-z]{4,}")
_BREAK = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9])")
_FLAW = re.compile(
    r"vulnerab|allow|attack|flaw|overflow|inject|lead|could|bypass|expos|fail|does not|issue", re.IGNORECASE
)
_SHOWN = 500  # characters of a description in a record

Case = tuple[Entry, str, VulnerabilityFacts]
Bounds = tuple[str, str, str]  # first affected version or "", "<" or "<=", last or first mended version


def _cases(world: World, rng: Random) -> Iterator[Case]:
    for entry, text, facts in cases(world, rng, READ, fact="affected"):
        facts = replace(facts, affected=tuple(map(_plain, facts.affected)))
        named = [one for one in facts.affected if not re.match(r"^[a-z0-9_.-]+:", one.product)]  # no bare CPE
        if named and len(named) == len(facts.affected) <= MOST and len({one.product for one in named}) == len(named):
            yield entry, text, facts


def _plain(one: Affected) -> Affected:
    """ "Cisco Cisco IOS" is "Cisco IOS"; "< n/a" says nothing."""
    words = one.product.split()
    for count in (3, 2, 1):
        if len(words) >= 2 * count and [*map(str.lower, words[:count])] == [*map(str.lower, words[count : 2 * count])]:
            words = words[count:]
            break
    return replace(one, product=" ".join(words), versions="" if "n/a" in one.versions else one.versions)


def _place(one: Affected) -> str:
    return f"{one.product} {one.versions}".strip()


def record(world: World, case: Case) -> str:
    """As lines, the way a feed shows it."""
    entry, text, facts = case
    vector, found = base_vector(facts, "3"), flaws(world, entry)
    parts = [
        ("ID", entry.id),
        ("Published", entry.published),
        ("Affected", "; ".join(f"{one.product}: {one.versions or 'no versions given'}" for one in facts.affected)),
        ("Weakness", joined(found)),
        ("CVSS", vector and f"{vector} ({base_score(vector):.1f})"),
        ("Description", text if len(text) <= _SHOWN else first_sentences(text, 2)),
    ]
    return "\n".join(f"{name}: {value}" for name, value in parts if value)


def gist(text: str) -> str:
    """The first sentence that tells of a flaw: some begin by presenting the product."""
    sentences = first_sentences(text, 4).replace("\n", " ")
    parts = _BREAK.split(sentences)
    return next((part for part in parts if _FLAW.search(part)), parts[0])


def bounds(one: Affected) -> Bounds | None:
    """Of a plain range of dotted numbers; None for all others."""
    found = _RANGE.match(one.versions)
    if not found or (found[1] and _key(found[1]) >= _key(found[3])):
        return None
    return found[1] or "", found[2], found[3]


def within(version: str, limits: Bounds) -> bool:
    low, sign, high = limits
    if low and _key(version) < _key(low):
        return False
    return _key(version) < _key(high) or (sign == "<=" and _key(version) == _key(high))


def _key(version: str) -> tuple[int, ...]:
    """Trailing zeros do not count: 2.0 is 2.0.0."""
    numbers = [int(part) for part in version.split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _near(version: str, rng: Random) -> str:
    """A version close to this one, above or below."""
    parts = [int(part) for part in version.split(".")]
    at = rng.randrange(1, len(parts))
    parts[at] = max(0, parts[at] + rng.choice((-2, -1, 1, 2, 3)))
    return ".".join(map(str, parts))


def products(world: World, rng: Random) -> Iterator[Draft]:
    """From the record; names that hold a comma would not make a list."""
    for case in _cases(world, rng):
        entry, _, facts = case
        names = [one.product for one in facts.affected]
        if not any("," in name for name in names):
            slots = {"cve": entry.id, "record": record(world, case), "count": str(len(names))}
            yield Draft((entry.id,), joined(names), slots, difficulty=min(2, len(names)))


def versions(world: World, rng: Random) -> Iterator[Draft]:
    for case in _cases(world, rng):
        entry, _, facts = case
        one = rng.choice(facts.affected)
        if one.versions and "…" not in one.versions and "not " not in one.versions:
            slots = {"cve": entry.id, "record": record(world, case), "product": one.product}
            yield Draft((entry.id,), one.versions, slots, keep=(one.product,))


def is_affected(world: World, rng: Random) -> Iterator[Draft]:
    """A version just inside or just outside of the range, in turns."""
    yes = True
    for case in _cases(world, rng):
        entry, _, facts = case
        ranged = [(one, limits) for one in facts.affected if (limits := bounds(one))]
        if not ranged:
            continue
        one, limits = rng.choice(ranged)
        tried = [_near(version, rng) for version in (limits[2], limits[0] or limits[2]) for _ in range(8)]
        tried = [version for version in (*tried, limits[2]) if within(version, limits) is yes]
        if tried:
            version = rng.choice(tried)
            slots = {"cve": entry.id, "record": record(world, case), "product": one.product, "version": version,
                     "why": _why(version, limits)}  # fmt: skip
            yield Draft((entry.id,), "Yes" if yes else "No", slots, keep=(version,), difficulty=2)
            yes = not yes


def _why(version: str, limits: Bounds) -> str:
    low, sign, high = limits
    text = f"{f'from {low} ' if low else ''}up to {'and including' if sign == '<=' else 'but not including'} {high}"
    if low and _key(version) < _key(low):
        return f"the affected versions go {text}, and {version} comes before {low}"
    place = (
        "comes after"
        if _key(version) > _key(high)
        else "is the same as"
        if _key(version) == _key(high)
        else "comes before"
    )
    return f"the affected versions go {text}, and {version} {place} {high}"


def mended(world: World, rng: Random) -> Iterator[Draft]:
    """The first version that is not affected, where the range says it."""
    for case in _cases(world, rng):
        entry, _, facts = case
        ranged = [(one, limits) for one in facts.affected if (limits := bounds(one)) and limits[1] == "<"]
        if ranged:
            one, limits = rng.choice(ranged)
            told = steps(f"The record gives {one.product} as affected: {one.versions}.",
                         f"\"< {limits[2]}\" means that all versions before {limits[2]} in this range are affected.",
                         f"{limits[2]} itself is the first version above the range.")  # fmt: skip
            slots = {"cve": entry.id, "record": record(world, case), "product": one.product, "steps": told}
            yield Draft((entry.id,), limits[2], slots, difficulty=2)


def not_said(world: World, rng: Random) -> Iterator[Draft]:
    """Which version mends it, where neither the record nor the text gives any."""
    for case in _cases(world, rng):
        entry, text, facts = case
        if all(not one.versions or "<" not in one.versions for one in facts.affected) and not _MENDED.search(text):
            one = facts.affected[0]
            given = f'"{one.versions}"' if one.versions else "no versions at all"
            slots = {"cve": entry.id, "record": record(world, case), "product": one.product, "given": given}
            yield Draft((entry.id,), NOT_ENOUGH, slots, keep=(one.product,), difficulty=2)


_MENDED = re.compile(
    r"\b(fix|patch|upgrad|updat|before|prior to|resolved|addressed|mitigat|and earlier|below|through|later|up to)",
    re.IGNORECASE,
)


def extract(world: World, rng: Random) -> Iterator[Draft]:
    for case in _cases(world, rng):
        entry, _, facts = case
        vector, found = base_vector(facts, "3"), flaws(world, entry)
        body: dict[str, object] = {"id": entry.id}
        if entry.published:
            body["published"] = entry.published
        body["affected"] = [
            {"product": one.product, **({"versions": one.versions} if one.versions else {})} for one in facts.affected
        ]
        if found:
            body["weaknesses"] = found
        if vector:
            body |= {"cvss_vector": vector, "cvss_score": base_score(vector)}
        slots = {"record": record(world, case), "keys": ", ".join(body)}
        yield Draft((entry.id,), json.dumps(body, indent=2, ensure_ascii=False), slots, keep=(entry.id,), difficulty=2)


def headline(world: World, rng: Random) -> Iterator[Draft]:
    """The publisher's own title, where it is no copy of the text's beginning."""
    for entry, text, _ in cases(world, rng, READ, fact="affected"):
        name = flat(entry.name)
        words, known = _WORD.findall(name.lower()), text.lower()
        told = words and sum(word in known for word in words) / len(words) >= TOLD
        if told and 20 < len(name) < 140 and not text.startswith(name) and entry.id not in name and len(text) > 120:
            yield Draft((entry.id,), "", {"cve": entry.id, "description": text, "name": name}, keep=(name,))


def summary(world: World, rng: Random) -> Iterator[Draft]:
    for case in _cases(world, rng):
        entry, text, facts = case
        vector, found = base_vector(facts, "3"), flaws(world, entry)
        if not vector or not found:
            continue
        value = base_score(vector) or 0.0
        places = "; ".join(_place(one) for one in facts.affected)
        seen = {"active": "It is exploited in attacks.", "poc": "A proof of concept is public.",
                "none": "No exploitation was known when CISA assessed it."}  # fmt: skip
        use = f" {seen[facts.ssvc.exploitation]}" if facts.ssvc and facts.ssvc.exploitation in seen else ""
        given = record(world, case) + (f"\nSSVC exploitation: {facts.ssvc.exploitation}" if use and facts.ssvc else "")
        slots = {"cve": entry.id, "record": given, "weakness": "; ".join(map(world.label, found)), "places": places,
                 "score": f"{value:.1f}", "severity": severity(value), "use": use,
                 "what": gist(text)}  # fmt: skip
        yield Draft((entry.id,), "", slots, keep=(entry.id, f"{value:.1f}", places), sources=tuple(found), difficulty=2)


def ticket(world: World, rng: Random) -> Iterator[Draft]:
    for case in _cases(world, rng):
        entry, text, facts = case
        vector = base_vector(facts, "3")
        ranged = [(one, limits) for one in facts.affected if (limits := bounds(one)) and limits[1] == "<"]
        if not vector or not ranged:
            continue
        value = base_score(vector) or 0.0
        told = "\n".join(f"- Update {one.product} to {limits[2]} or a later version." for one, limits in ranged)
        slots = {"cve": entry.id, "record": record(world, case), "severity": severity(value), "score": f"{value:.1f}",
                 "product": ranged[0][0].product, "actions": told, "what": gist(text),
                 "places": "\n".join(f"- {_place(one)}" for one in facts.affected)}  # fmt: skip
        yield Draft((entry.id,), "", slots, keep=(entry.id, ranged[0][1][2]), difficulty=2)


def whose(world: World, rng: Random) -> Iterator[Draft]:
    """Which product a description is about, its name taken out of no text: wrong ones are of other records."""
    before: list[str] = []
    for entry, text, facts in _cases(world, rng):
        name = facts.affected[0].product
        if len(facts.affected) == 1 and name.split()[-1].lower() in text.lower() and len(name) < 80:
            wrong = [
                one
                for one in before
                if one.split()[-1].lower() not in text.lower() and one.split()[0] != name.split()[0]
            ]
            if len(wrong) > 2:
                yield Draft((entry.id,), name, {"cve": entry.id, "description": text}, tuple(rng.sample(wrong, 3)))
            before = [*before[-40:], name]


TASKS = (
    Task("product", Kind.CHOICE, whose),
    Task("products", Kind.MULTI, products, 2_500),
    Task("versions", Kind.CLOSED, versions, 2_500),
    Task("is-affected", Kind.YES_NO, is_affected, 3_000),
    Task("mended", Kind.STEPS, mended, 2_500),
    Task("headline", Kind.SUMMARISE, headline),
    Task("summary", Kind.SUMMARISE, summary, 2_500),
    Task("extract", Kind.EXTRACT, extract, 3_000),
    Task("ticket", Kind.OPEN, ticket),
    Task("not-said", Kind.ABSTAIN, not_said, 1_500),
)
