"""CVSS: metrics and vectors from descriptions, scores and severities from vectors, comparisons and changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random

from vedette.forge.example import Kind
from vedette.forge.task import Draft, Task
from vedette.forge.tasks.metrics import MEANING, NAMES, VALUES, named, split, told, worked
from vedette.forge.tasks.shared import NOT_ENOUGH, steps
from vedette.forge.tasks.vulnerable import base, base_score, base_vector, cases, severity
from vedette.forge.world import Entry, World

READ = 3  # vulnerabilities that are read for one example that is wanted
_BROKEN = (
    *((old, new, f"\"{new}\" is no part of a CVSS 3 base vector") for old, new in (
        ("AV:N", "AV:R"), ("UI:N", "IU:N"), ("S:U", "S:N"), ("C:H", "C:M"), ("CVSS:3.1", "CVSS:3.3"), ("AC:L", "AC:N"),
        ("A:H", "A:C"), ("PR:L", "PR:M"), ("UI:N", "UI:L"), ("AV:L", "AV:H"), ("I:H", "I:C"), ("S:C", "S:P"),
    )),
    ("/PR:N", "", "Privileges Required (PR) is missing"),
    ("/S:U", "", "Scope (S) is missing"),
    ("/I:", "/C:", "Confidentiality (C) stands there twice, and Integrity (I) is missing"),
)  # fmt: skip


def _scored(world: World, rng: Random, count: int, version: str = "3") -> Iterator[tuple[Entry, str, str, float]]:
    """Vulnerability, description, base vector and its score."""
    for entry, text, facts in cases(world, rng, count * READ, fact="cvss"):
        if vector := base_vector(facts, version):
            yield entry, text, vector, base_score(vector) or 0.0


def _vectors(world: World, rng: Random, version: str = "3") -> Iterator[tuple[str, str, float]]:
    """Each base vector once, with the id of a vulnerability that has it, and its score."""
    found: dict[str, str] = {}
    for given, ids in world.vectors.items():
        if vector := base(given, version):
            found.setdefault(vector, rng.choice(ids))
    for vector in rng.sample(sorted(found), len(found)):
        yield found[vector], vector, base_score(vector) or 0.0


def metric(world: World, rng: Random) -> Iterator[Draft]:
    """One base metric from a description."""
    for entry, text, vector, _ in _scored(world, rng, METRICS):
        given = split(vector)
        asked = rng.choice(list(NAMES))
        value = given[asked]
        options = ", ".join(f"{name} ({asked}:{short})" for short, name in VALUES[asked].items())
        slots = {"cve": entry.id, "description": text, "metric": f"{NAMES[asked]} ({asked})", "options": options,
                 "value": VALUES[asked][value], "meaning": MEANING[f"{asked}:{value}"]}  # fmt: skip
        yield Draft((entry.id,), f"{asked}:{value}", slots)


def metric_choice(world: World, rng: Random) -> Iterator[Draft]:
    for entry, text, vector, _ in _scored(world, rng, METRICS):
        given = split(vector)
        asked = rng.choice([m for m in NAMES if len(VALUES[m]) > 2])
        right = f"{VALUES[asked][given[asked]]}: {MEANING[f'{asked}:{given[asked]}']}"
        wrong = [f"{name}: {MEANING[f'{asked}:{short}']}" for short, name in VALUES[asked].items()]
        slots = {"cve": entry.id, "description": text, "metric": NAMES[asked], "short": f"{asked}:{given[asked]}"}
        yield Draft((entry.id,), right, slots, tuple(one for one in wrong if one != right))


def vector(world: World, rng: Random) -> Iterator[Draft]:
    for entry, text, found, score in _scored(world, rng, VECTORS):
        slots = {"cve": entry.id, "description": text, "version": found[5:8],
                 "score": f"{score:.1f}", "severity": severity(score)}  # fmt: skip
        yield Draft((entry.id,), found, slots, difficulty=3)


def reasoned(world: World, rng: Random) -> Iterator[Draft]:
    for entry, text, found, score in _scored(world, rng, STEPS):
        slots = {"cve": entry.id, "description": text, "version": found[5:8], "steps": steps(*told(found)),
                 "score": f"{score:.1f}", "severity": severity(score)}  # fmt: skip
        yield Draft((entry.id,), found, slots, difficulty=3)


def rated(world: World, rng: Random) -> Iterator[Draft]:
    """The severity from a description."""
    for entry, text, found, score in _scored(world, rng, RATED):
        slots = {"cve": entry.id, "description": text, "vector": found, "score": f"{score:.1f}"}
        yield Draft((entry.id,), severity(score), slots, difficulty=2)


def score(world: World, rng: Random) -> Iterator[Draft]:
    for cve, found, value in _vectors(world, rng):
        ways, own = worked(found)
        if own == value and found.startswith("CVSS:3.1"):
            yield Draft((cve,), f"{value:.1f}", {"vector": found, "steps": ways}, difficulty=3)


def rating(world: World, rng: Random) -> Iterator[Draft]:
    for version in ("3", "4"):
        for cve, found, value in _vectors(world, rng, version):
            slots = {"vector": found, "version": found[5:8], "score": f"{value:.1f}"}
            yield Draft((cve,), severity(value), slots, keep=(f"{value:.1f}",), difficulty=2)


def other_versions(world: World, rng: Random) -> Iterator[Draft]:
    """Base scores of CVSS 2.0 and 4.0."""
    for version, name in (("4", "4.0"), ("2", "2.0")):
        for cve, found, value in _vectors(world, rng, version):
            yield Draft((cve,), f"{value:.1f}", {"vector": found, "version": name}, difficulty=3)


def explain(world: World, rng: Random) -> Iterator[Draft]:
    for cve, found, value in _vectors(world, rng):
        lines = "\n".join(f"- {line}" for line in told(found))
        slots = {"vector": found, "lines": lines, "score": f"{value:.1f}", "severity": severity(value)}
        yield Draft((cve,), "", slots, keep=(f"{value:.1f}", found))


def extract(world: World, rng: Random) -> Iterator[Draft]:
    for cve, found, _ in _vectors(world, rng):
        given = split(found)
        body: dict[str, str] = {"version": found[5:8]}
        body |= {NAMES[m].lower().replace(" ", "_"): VALUES[m][v].lower() for m, v in given.items()}
        yield Draft((cve,), json.dumps(body, indent=2), {"vector": found, "keys": ", ".join(body)})


def compare(world: World, rng: Random) -> Iterator[Draft]:
    """Two vulnerabilities whose scores differ: which one is worse by base score?"""
    before: tuple[Entry, str, float] | None = None
    for entry, found, value in _paired(world, rng):
        if before is None or abs(before[2] - value) < 0.3:
            before = before or (entry, found, value)
            continue
        mate, other, less = before
        before = None
        worse, better = ((entry, found, value), (mate, other, less))[:: 1 if value > less else -1]
        apart = [named(m, v) for m, v in split(worse[1]).items() if split(better[1])[m] != v]
        lines = (f"{worse[0].id} ({worse[1]})", f"{better[0].id} ({better[1]})")
        slots = {"worse": worse[0].id, "high": f"{worse[2]:.1f}", "better": better[0].id, "low": f"{better[2]:.1f}",
                 "apart": ", ".join(apart)}  # fmt: skip
        yield Draft((worse[0].id, better[0].id), lines[0], slots, (lines[1],), difficulty=3)


def _paired(world: World, rng: Random) -> Iterator[tuple[Entry, str, float]]:
    for entry, _, found, value in _scored(world, rng, COMPARED * 2):
        yield entry, found, value


def changed(world: World, rng: Random) -> Iterator[Draft]:
    """One metric of a vector is corrected: what is the score now?"""
    for _ in range(3):
        for cve, found, value in _vectors(world, rng):
            asked = rng.choice(list(NAMES))
            given = split(found)
            new = rng.choice([short for short in VALUES[asked] if short != given[asked]])
            after = found.replace(f"/{asked}:{given[asked]}", f"/{asked}:{new}")
            ways, own = worked(after)
            if own == base_score(after) and found.startswith("CVSS:3.1"):
                slots = {"vector": found, "before": f"{value:.1f}", "old": named(asked, given[asked]),
                         "new": named(asked, new), "after": after, "steps": ways}  # fmt: skip
                yield Draft((cve,), f"{own:.1f}", slots, keep=(after,), difficulty=3)


def valid(world: World, rng: Random) -> Iterator[Draft]:
    """Half are as published; the others have one mistake."""
    yes = True
    for _ in range(2):
        for cve, found, value in _vectors(world, rng):
            asked, why = found, "all eight base metrics are there, each once and with a value that exists"
            if not yes:
                asked, why = _broken(found, rng)
            if yes or (asked != found and base_score(asked) is None):
                why += f"; the base score is {value:.1f}" if yes else ""
                yield Draft((cve,), "Yes" if yes else "No", {"vector": asked, "why": why}, difficulty=2)
                yes = not yes


def _broken(vector: str, rng: Random) -> tuple[str, str]:
    """With one mistake, and which."""
    old, new, why = rng.choice([one for one in _BROKEN if f"/{one[0].lstrip('/')}" in f"/{vector}"])
    parts = vector.split("/")
    if old.startswith("/"):
        return vector.replace(old, new, 1), why
    return "/".join(new if part == old else part for part in parts), why


def environment(world: World, rng: Random) -> Iterator[Draft]:
    """Base metrics do not hold what the environmental or threat score needs."""
    for number, (cve, found, value) in enumerate(_vectors(world, rng)):
        which, lacks = (
            (
                "environmental score",
                "how much confidentiality, integrity and availability matter to the affected system",
            ),
            ("temporal score", "the maturity of exploit code, the state of a fix and the confidence in the report"),
        )[number % 2]
        slots = {"cve": cve, "vector": found, "score": f"{value:.1f}", "which": which, "lacks": lacks}
        yield Draft((cve,), NOT_ENOUGH, slots, keep=(found,), difficulty=2)


METRICS, VECTORS, STEPS, RATED, COMPARED = 5_000, 5_000, 3_000, 3_000, 3_000

TASKS = (
    Task("metric", Kind.CLOSED, metric, METRICS),
    Task("metric-choice", Kind.CHOICE, metric_choice, METRICS),
    Task("explain", Kind.OPEN, explain, 1_500),
    Task("extract", Kind.EXTRACT, extract, 1_500),
    Task("valid", Kind.YES_NO, valid),
    Task("rating", Kind.CLOSED, rating, 2_500),
    Task("rated", Kind.CLOSED, rated, RATED),
    Task("vector", Kind.CLOSED, vector, VECTORS),
    Task("compare", Kind.CHOICE, compare, COMPARED),
    Task("score", Kind.STEPS, score),
    Task("reasoned", Kind.STEPS, reasoned, STEPS),
    Task("changed", Kind.STEPS, changed, 3_000),
    Task("other-versions", Kind.CLOSED, other_versions),
    Task("environment", Kind.ABSTAIN, environment, 1_000),
)
