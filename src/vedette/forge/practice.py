"""What an organisation's documents, tickets and closed cases teach: pieces of their own words, without a model."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from vedette.forge.document import STEP, Paragraph
from vedette.forge.example import Kind
from vedette.guard.wording import SILENT, STEM, telling
from vedette.types import Case

KINDS: Mapping[str, Kind] = {
    "procedure": Kind.OPEN,
    "next-step": Kind.CLOSED,
    "passage": Kind.CLOSED,
    "not-in-passage": Kind.ABSTAIN,
    "not-in-documents": Kind.ABSTAIN,
    "resolve": Kind.OPEN,
    "summarise": Kind.SUMMARISE,
    "triage": Kind.STEPS,
    "triage-reply": Kind.EXTRACT,
    "correction-weakness": Kind.CLOSED,
    "correction-vector": Kind.CLOSED,
    "correction-technique": Kind.CLOSED,
    "correction-techniques": Kind.MULTI,
    "correction-no-weakness": Kind.ABSTAIN,
    "correction-no-technique": Kind.ABSTAIN,
}
NOT_THERE, NOT_IN_PASSAGE = "Not in our documents", "Not in this passage"
TOPICS = (
    "a stolen access badge", "a drone over the premises", "a leaking water pipe in the server room",
    "a bomb threat by telephone", "an expired domain registration", "a counterfeit network switch",
    "a lost satellite telephone", "a kidnapped employee", "an earthquake at the second site",
    "a strike of the cleaning staff", "a swarm of bees at the loading dock", "a forged customs declaration",
)  # fmt: skip
BODY, STEPS_EACH, TERMS_EACH, SENTENCE = (60, 3_500), 8, 3, (30, 400)
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[\w“\"(])")
_TERM = re.compile(r"(?<![\w-])[^\W\d_]{5,}(?![\w-])")


@dataclass(frozen=True, slots=True)
class Part:
    """A section as it may be learned from: names masked, nothing hostile."""

    object: str  # of its document: "own:runbooks/phishing.md"
    name: str
    heading: str
    line: int
    paragraphs: tuple[Paragraph, ...]
    steps: tuple[str, ...]
    sha256: str

    @property
    def text(self) -> str:
        return "\n".join(p.text for p in self.paragraphs)

    @property
    def last(self) -> int:
        return self.paragraphs[-1].last if self.paragraphs else self.line

    @property
    def span(self) -> str:
        return f"{self.name}:{self.line}-{self.last}"


@dataclass(frozen=True, slots=True)
class Piece:
    """An example without its words."""

    task: str
    slots: Mapping[str, str]
    objects: tuple[str, ...]
    spans: tuple[str, ...]
    unit: str
    release: str  # of a document: its hash
    final: str = ""
    keep: tuple[str, ...] = ()
    difficulty: int = 1
    notes: Mapping[str, int] = field(default_factory=dict)  # what was left out of it
    words: str = ""  # of another task, whose questions it is asked in: "cve-weakness/root-cause"
    system: str = ""  # what a model is told before the question


def of_documents(parts: Sequence[Part]) -> Iterator[Piece]:
    counts = Counter(word for part in parts for word in {w.casefold() for w in _TERM.findall(part.text)})
    headed = [part for part in parts if part.heading and BODY[0] <= len(part.text) <= BODY[1]]
    for part in headed:
        yield _piece(part, "procedure", {"heading": part.heading, "body": part.text}, keep=())
        yield from _steps(part)
    for part in parts:
        yield from _passages(part, counts)
    yield from _elsewhere(headed)
    yield from _nowhere(parts)


def _piece(part: Part, task: str, slots: Mapping[str, str], **more: object) -> Piece:
    made: dict[str, object] = {"objects": (part.object,), "spans": (part.span,), **more}
    return Piece(task=task, slots=slots, unit="own/documents", release=part.sha256[:12], **made)  # type: ignore[arg-type]


def _steps(part: Part) -> Iterator[Piece]:
    steps = part.steps
    if len(steps) < 3 or len(set(steps)) < len(steps):
        return
    for before, after in list(pairwise(steps))[:STEPS_EACH]:
        if len(after) <= SENTENCE[1]:
            slots = {"heading": part.heading, "step": before}
            yield _piece(part, "next-step", slots, final=after, difficulty=2)


def sentences(text: str) -> list[str]:
    """Items of a list are sentences of their own; lines of prose are joined."""
    joined: list[str] = []
    for line in text.split("\n"):
        if match := STEP.match(line):
            joined.append(match[1].strip())
        elif joined and not STEP.match(line):
            joined[-1] += f" {line.strip()}"
        else:
            joined.append(line.strip())
    return [one.strip() for told in joined for one in _SENTENCE.split(told) if one.strip()]


def _passages(part: Part, counts: Mapping[str, int]) -> Iterator[Piece]:
    given = 0
    for paragraph in part.paragraphs:
        told = sentences(paragraph.text)
        if len(told) < 2 or len(paragraph.text) > BODY[1]:
            continue
        low = [one.casefold() for one in told]
        for sentence, folded in zip(told, low, strict=True):
            words = set(_TERM.findall(folded)) - SILENT
            alone = [w for w in words if sum(w[:STEM] in other for other in low) == 1 and w[-2:] != "ly"]
            if given < TERMS_EACH and alone and SENTENCE[0] <= len(sentence) <= SENTENCE[1]:
                given += 1
                term = min(alone, key=lambda w: (counts[w], -len(w), w))
                slots = {"passage": paragraph.text, "term": term}
                span = f"{part.name}:{paragraph.first}-{paragraph.last}"
                yield _piece(part, "passage", slots, final=sentence, spans=(span,))


def _elsewhere(parts: Sequence[Part]) -> Iterator[Piece]:
    """A passage, and a question that another one answers: no word that tells is in both."""
    for place, part in enumerate(parts):
        own = telling(f"{part.heading} {part.text}")
        for other in [*parts[place + 1 :], *parts[:place]][:40]:
            asked = telling(other.heading)
            if asked and not asked & own:
                slots = {"passage": f"{part.heading}\n{part.text}", "heading": other.heading}
                about = tuple(dict.fromkeys((part.object, other.object)))
                yield _piece(part, "not-in-passage", slots, final=NOT_IN_PASSAGE, objects=about, difficulty=2)
                break


def _nowhere(parts: Sequence[Part]) -> Iterator[Piece]:
    known = {word for part in parts for word in telling(f"{part.heading} {part.text}")}
    for topic in TOPICS[: 1 + len(parts) // 4 if parts else 0]:
        if not telling(topic) & known:
            yield Piece(
                task="not-in-documents", slots={"topic": topic}, objects=(f"own:none:{topic}",), spans=(),
                unit="own/documents", release="", final=NOT_THERE,
            )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Told:
    """A ticket as it may be learned from."""

    object: str
    span: str
    title: str
    description: str
    resolution: str
    comments: str


def of_ticket(ticket: Told) -> Iterator[Piece]:
    if not ticket.resolution:
        return
    about = {"objects": (ticket.object,), "spans": (ticket.span,), "unit": "own/tickets", "release": ""}
    title = ticket.title.rstrip(" .")
    if ticket.description:
        slots = {"title": title, "description": ticket.description, "resolution": ticket.resolution}
        yield Piece(task="resolve", slots=slots, difficulty=2, **about)  # type: ignore[arg-type]
    if gist := (sentences(ticket.description) or sentences(ticket.comments))[:1]:
        told = (title, ticket.description, ticket.comments, f"Resolution: {ticket.resolution}")
        slots = {"title": title, "gist": gist[0], "resolution": ticket.resolution}
        slots["ticket"] = "\n".join(text for text in told if text)
        yield Piece(task="summarise", slots=slots, **about)  # type: ignore[arg-type]


def of_case(case: Case, told: tuple[str, int], is_attack: bool, note: str, refs: tuple[str, ...]) -> Piece:
    return Piece(
        task="triage", slots={"evidence": told[0], "note": note}, objects=(f"case:{case.id}",), spans=refs,
        unit="own/cases", release=case.day, final="Attack" if is_attack else "Benign", difficulty=2,
        notes={"texts of attackers that speak to a model": told[1]} if told[1] else {},
    )  # fmt: skip
