"""One training row, and where it comes from."""

from __future__ import annotations

import hashlib
from enum import StrEnum

import msgspec


class Kind(StrEnum):
    """What is asked for."""

    OPEN = "open"  # prose
    CLOSED = "closed-book"  # a short exact answer
    YES_NO = "yes-no"
    CHOICE = "multiple-choice"
    MULTI = "multi-label"  # a set of short exact answers, joined by ", "
    STEPS = "chain-of-thought"  # steps, then a short exact answer
    SUMMARISE = "summarise"
    RULE = "rule-writing"
    EXTRACT = "json-extraction"  # nothing but JSON
    ABSTAIN = "not-enough-evidence"


EXACT = frozenset({Kind.CLOSED, Kind.YES_NO, Kind.CHOICE, Kind.MULTI, Kind.STEPS, Kind.ABSTAIN})  # end in `Answer: …`


class Source(msgspec.Struct, frozen=True):
    """What an example was made from."""

    id: str  # of the record
    unit: str  # "attack/enterprise"
    release: str
    licence: str


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """`question` and `answer` are what is trained on; the rest is its file."""

    id: str  # hash of task, question and answer
    task: str  # "attack-technique/tactic"
    kind: Kind
    question: str
    answer: str
    final: str  # the exact answer, which `answer` ends in; "" where prose is asked for
    keep: tuple[str, ...]  # what no rewriting may lose: ids, names, numbers; all of them stand in `answer`
    objects: tuple[str, ...]  # what it is about: ids that never stand on both sides of a split
    sources: tuple[Source, ...]
    difficulty: int  # 1 a single fact, 2 several or near ones, 3 facts over two steps or more
    wording: str  # template: file, version and number
    parent: str = ""  # id of the example that it was evolved from
    way: str = ""  # how
    spans: tuple[str, ...] = ()  # passages that it rests on: "T1003 attack/enterprise description 0-310", "a.md:12-18"
    consent: str = ""  # who allowed that it is trained on, where it is an organisation's own knowledge
    system: str = ""  # what a model is told before the question, where a skill tells it something

    @property
    def group(self) -> str:
        return self.task.partition("/")[0]


def named(task: str, question: str, answer: str) -> str:
    """The id of an example."""
    return hashlib.sha256(f"{task}\0{question}\0{answer}".encode("utf-8", "replace")).hexdigest()[:16]
