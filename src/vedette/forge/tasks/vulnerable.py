"""What tasks of several groups read of vulnerabilities."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from random import Random

from cvss import CVSS2, CVSS3, CVSS4
from cvss.exceptions import CVSSError

from vedette.forge.tasks.shared import first_sentences, flat
from vedette.forge.world import Entry, World
from vedette.knowledge.record import Rel, VulnerabilityFacts

SHORTEST, LONGEST = 60, 1_400  # characters of a description
TELLING = 110  # a shorter one is a title, from which no cause can be told
_OPEN = re.compile(r"unspecified|unknown|via a crafted application|classified as problematic", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z]{5,}")
_COMMON = frozenset(
    ("improper", "incorrect", "missing", "input", "resource", "access", "element", "special", "product", "information")
)
_UNFIT = re.compile(r"\*\* ?[A-Z]|rejected reason|CWE-\d|http-equiv", re.IGNORECASE)  # withdrawn, or gives it away
_SCORE = re.compile(r"\s\(?CVSS[ :v]")  # some end in their own score
_GERMAN = re.compile(r"(?<=[.!]) (?=[^.]*\b(?:wurde|Schwachstelle|betrifft|betroffen ist)\b)")  # some say all twice
_BASE = {
    "3": ("AV", "AC", "PR", "UI", "S", "C", "I", "A"),
    "4": ("AV", "AC", "AT", "PR", "UI", "VC", "VI", "VA", "SC", "SI", "SA"),
    "2": ("AV", "AC", "Au", "C", "I", "A"),
}


def told(entry: Entry) -> str:
    """The description on one line, without a score; "" where it is too short, or says what is asked."""
    if _UNFIT.search(entry.text):
        return ""
    text = _SCORE.split(_GERMAN.split(flat(entry.text))[0])[0].strip()
    text = first_sentences(text, 8) if len(text) > LONGEST else text
    return text if SHORTEST <= len(text) <= LONGEST else ""


def cases(
    world: World, rng: Random, count: int, linked: Rel | None = None, fact: str = ""
) -> Iterator[tuple[Entry, str, VulnerabilityFacts]]:
    """Vulnerabilities in a random order, with description and facts; from up to `count` of them."""
    for entry in world.vulnerabilities(rng, count, linked, fact):
        if text := told(entry):
            facts = entry.facts if isinstance(entry.facts, VulnerabilityFacts) else VulnerabilityFacts()
            yield entry, text, facts


def flaws(world: World, entry: Entry) -> list[str]:
    """Weaknesses that any source gives, each once; [] where one is not known to the store."""
    found = list(dict.fromkeys(link.to for link in entry.links if link.rel is Rel.HAS_WEAKNESS))
    return found if all(world.get(uid) for uid in found) else []


def rooted(world: World, rng: Random, count: int) -> Iterator[tuple[Entry, str, Entry]]:
    """Vulnerabilities to which all sources give the same one weakness, with description and weakness."""
    for entry, text, _ in cases(world, rng, count, Rel.HAS_WEAKNESS):
        found = flaws(world, entry)
        if len(found) == 1 and len(text) >= TELLING and _tells(text, world.entries[found[0]]):
            yield entry, text, world.entries[found[0]]


def _tells(text: str, root: Entry) -> bool:
    """False for a text that leaves the flaw open and has no word of the weakness's name."""
    names = (word.lower() for word in _WORD.findall(root.name))
    return not _OPEN.search(text) or any(word in text.lower() for word in names if word not in _COMMON)


def base_vector(facts: VulnerabilityFacts, version: str) -> str:
    """The base metrics in their order, as "CVSS:3.1/AV:N/…"; "" where there are none, or sources differ.

    `version`: "2", "3" or "4".
    """
    found = {vector for one in facts.cvss if (vector := base(one.vector, version))}
    metrics = {vector.partition("/AV:")[2] for vector in found}
    return max(found) if len(metrics) == 1 else ""


def base(vector: str, version: str) -> str:
    """A vector's base metrics in their order; "" where it is of another version, or not well-formed."""
    head, _, rest = vector.partition("/") if vector.startswith("CVSS:") else ("", "", vector)
    if (head[5:6] or "2") != version:
        return ""
    given = dict(part.split(":", 1) for part in rest.split("/") if ":" in part)
    if any(metric not in given for metric in _BASE[version]):
        return ""
    vector = "/".join(f"{metric}:{given[metric]}" for metric in _BASE[version])
    vector = f"{head}/{vector}" if head else vector
    return vector if base_score(vector) is not None else ""


@lru_cache(maxsize=16_384)
def base_score(vector: str) -> float | None:
    """Of a vector of any version; None for one that is not well-formed."""
    kind = CVSS4 if vector.startswith("CVSS:4") else CVSS3 if vector.startswith("CVSS:3") else CVSS2
    try:
        return float(kind(vector).base_score)
    except CVSSError:
        return None


def severity(score: float) -> str:
    """The rating of CVSS 3 and 4."""
    bounds = ((9.0, "Critical"), (7.0, "High"), (4.0, "Medium"), (0.1, "Low"))
    return next((name for least, name in bounds if score >= least), "None")
