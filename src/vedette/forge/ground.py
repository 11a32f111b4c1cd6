"""Stage 3: what an answer needs to know, looked up in several steps.

A teacher drafts an answer, says what is missing and asks for it; questions that add nothing are left out; the local
store answers; what it answers becomes evidence with its place. A second round may ask what the first one revealed.
Nothing that is found is a claim: without evidence the answer of stage 1 stays as it is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from vedette.forge.caller import Caller
from vedette.forge.example import Example
from vedette.forge.prompts import asked
from vedette.guard.wording import telling
from vedette.knowledge.chunk import LINK
from vedette.knowledge.store import Knowledge
from vedette.split import WHOLE, Split

if TYPE_CHECKING:
    from vedette.knowledge.search import Hit

LONGEST = 600  # characters of a piece of evidence
QUERY = 160  # of a query
SAME = 0.7  # share of common words from which a query is another one over again


class Evidence(msgspec.Struct, frozen=True):
    """A passage, and where it stands."""

    id: str  # of the entry
    source: str
    field: str
    start: int
    end: int
    text: str
    record: str = ""  # whose field it is, where another entry says it of this one

    @property
    def holder(self) -> str:
        return self.record or self.id

    @property
    def place(self) -> str:
        """ "T1003 attack/enterprise description 0-310"; of an organisation's own document "a.md:3-9"."""
        if self.field == "lines":
            return f"{self.id.removeprefix('own:')}:{self.start}-{self.end}"
        return f"{self.holder} {self.source} {self.field} {self.start}-{self.end}"


class Grounded(msgspec.Struct, frozen=True):
    evidence: tuple[Evidence, ...]
    queries: tuple[str, ...]
    left: tuple[str, ...]  # queries that added nothing


@dataclass(frozen=True, slots=True)
class Steps:
    queries: int = 2  # K of a round
    results: int = 2  # R of a query
    rounds: int = 1
    split: Split = WHOLE


SCHEMA = {
    "type": "object",
    "properties": {
        "missing": {"type": "array", "items": {"type": "string", "maxLength": 200}, "maxItems": 4},
        "queries": {"type": "array", "items": {"type": "string", "maxLength": QUERY}, "maxItems": 4},
    },
    "required": ["missing", "queries"],
    "additionalProperties": False,
}


async def ground(example: Example, teacher: Caller, store: Knowledge, steps: Steps = Steps()) -> Grounded:
    drafted = await teacher.ask("draft", [asked("draft", question=example.question)], tokens=400)
    found: dict[tuple[str, str, int], Evidence] = {}
    queries: list[str] = []
    left: list[str] = []
    for _ in range(steps.rounds):
        known = "\n".join(f"- {e.text}" for e in found.values()) or "nothing yet"
        put = asked("missing", question=example.question, draft=drafted.text, known=known, count=str(steps.queries))
        done = await teacher.ask("missing", [put], schema=SCHEMA, tokens=400)
        fresh = 0
        for query in _queries(done.text)[: steps.queries]:
            if any(_same(query, before) for before in (example.question, *queries)):
                left.append(query)
                continue
            queries.append(query)
            added = looked_up(query, example, store, steps, found)
            fresh += added
            if not added:
                left.append(query)
        if not fresh:
            break
    return Grounded(tuple(found.values()), tuple(queries), tuple(left))


def _queries(text: str) -> list[str]:
    """What can be used of a reply; nothing of one that is no such JSON."""
    try:
        told = json.loads(text)
        queries = told["queries"] if isinstance(told, dict) else []
    except (ValueError, KeyError, RecursionError):
        return []
    found = (
        [" ".join(one.split())[:QUERY] for one in queries if isinstance(one, str)] if isinstance(queries, list) else []
    )
    return [one for one in dict.fromkeys(found) if telling(one)]


def _same(query: str, before: str) -> bool:
    words, known = telling(query), telling(before)
    return bool(words) and len(words & known) / len(words | known) >= SAME


def looked_up(
    query: str, example: Example, store: Knowledge, steps: Steps, found: dict[tuple[str, str, int], Evidence]
) -> int:
    """Adds what is new; how much that was."""
    added, results = 0, steps.results
    hits = (hit for hit in store.search(query, limit=8 * results) if _allowed(hit, example, steps.split))
    for hit in islice(hits, 4 * results):
        place = (hit.record, hit.field, hit.start)
        if added == results:
            break
        if place in found or len(hit.text) < 40 or hit.text in example.question:
            continue
        text = " ".join(hit.text.split())[:LONGEST]
        told, record = f"{hit.id} {hit.name}: {text}", hit.record if hit.record != hit.id else ""
        found[place] = Evidence(hit.id, hit.source, hit.field, hit.start, hit.end, told, record)
        added += 1
    return added


def _allowed(hit: Hit, example: Example, split: Split) -> bool:
    """Texts of CVEs are left out, as benchmarks ask about them, and what the dev side asks about."""
    target = hit.field.removeprefix(LINK).rpartition("#")[0] if hit.field.startswith(LINK) else ""
    about = [uid for uid in (hit.id, hit.record, target) if uid]
    if any(uid.startswith("CVE-") for uid in about) or _observed(hit):
        return False
    return not split.hides(about, example.objects)


def _observed(hit: Hit) -> bool:
    """Examples of a weakness are texts of CVEs; where one is cut in two, the second passage does not say of which."""
    return hit.field == "examples" and (hit.source.startswith("cwe/") or "CVE-" in hit.text)


def shown(evidence: Sequence[Evidence]) -> str:
    """As a teacher is shown it: numbered, so that an answer that mentions the numbers gives itself away."""
    return "\n".join(f"[{n}] {one.text}" for n, one in enumerate(evidence, 1)) or "none"
