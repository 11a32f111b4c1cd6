"""A small world of techniques, made up, and examples of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.knowledge.samples import put, unit

from vedette.forge.example import Example, Kind, Source
from vedette.knowledge.record import Kind as Entity
from vedette.knowledge.record import Link, Record, Rel, TacticFacts, TechniqueFacts, Text
from vedette.knowledge.store import Knowledge

NAMES = (
    "Shell Running",
    "Ticket Roasting",
    "Log Wiping",
    "Token Theft",
    "Mail Reading",
    "Disk Locking",
    "Port Knocking",
    "Key Logging",
)
TACTICS = (("TA0002", "Running Code", "execution"), ("TA0006", "Credential Taking", "credential-access"))


def _records() -> Iterator[Record]:
    for order, (uid, name, short) in enumerate(TACTICS):
        yield Record(uid, Entity.TACTIC, name, domain="enterprise", facts=TacticFacts(short, order))
    for n, name in enumerate(NAMES):
        tactic = TACTICS[n % 2]
        told = f"{name} is what somebody does who wants number {n} of the list. It leaves traces of kind {n}."
        links = [Link(Rel.MEMBER_OF, tactic[0])] + [Link(Rel.CHILD_OF, "T1100")] * (n > 4)
        uid = f"T1100.00{n}" if n > 4 else f"T1{n}00"
        facts = TechniqueFacts((tactic[2],), ("Windows", "Linux")[: 1 + n % 2])
        yield Record(
            uid, Entity.TECHNIQUE, name, domain="enterprise", facts=facts, texts=(Text("description", told),),
            links=tuple(links),
        )  # fmt: skip


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("world") / "kb.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vedette.knowledge.facts.base", list)
        put(path, unit("attack/enterprise", list(_records())))
    return path


@pytest.fixture
def store(place: Path) -> Iterator[Knowledge]:
    with Knowledge.open(place) as opened:
        yield opened


def example(n: int = 0, **changes: object) -> Example:
    """A question about one of the techniques, with its tactic as the answer."""
    uid, tactic = f"T1{n}00", "TA0002 (Running Code)"
    made: dict[str, object] = {
        "id": f"{n:016x}",
        "task": "attack-technique/tactic",
        "kind": Kind.MULTI,
        "question": f"Which tactics of ATT&CK does {uid} ({NAMES[n]}) serve, question {n}?",
        "answer": f"{uid} ({NAMES[n]}) serves: {tactic}.\n\nAnswer: {tactic}",
        "final": tactic,
        "keep": (tactic, uid),
        "objects": (uid,),
        "sources": (Source(uid, "attack/enterprise", "18.1", "ATT&CK Terms of Use"),),
        "difficulty": 1 + n % 3,
        "wording": "attack-technique.v1#0",
    }
    return Example(**{**made, **changes})  # type: ignore[arg-type]
