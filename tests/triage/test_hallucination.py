"""On the golden cases, with a model that invents ids, quotes, numbers, times, addresses and evidence: all is caught.

Each claim is a true one with one thing exchanged, so that nothing but that can give it away; the true ones are kept.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Iterator

import orjson
import pytest

from vedette.engine.backends.fake import Fake
from vedette.guard.explain import Way
from vedette.guard.fence import Exhibit
from vedette.knowledge import facts
from vedette.knowledge.store import Knowledge
from vedette.skills.triage import engine
from vedette.skills.triage import model as weights
from vedette.skills.triage.score import queue_of, read
from vedette.types import Case, Verdict

INVENTED = ("id", "unknown id", "quote", "count", "time", "address", "host", "file", "evidence")


def cases() -> list[Case]:
    model = weights.load()
    found = [case for golden in read() for case in queue_of(golden, model).cases]
    return [case for case in found if case.verdict is not Verdict.LIKELY_BENIGN]


@pytest.fixture(scope="module")
def store() -> Iterator[Knowledge]:
    with Knowledge(facts.in_memory(), None) as opened:
        yield opened


def truth(exhibit: Exhibit) -> tuple[str, str, str]:
    """(rule, host, time) of an exhibit's first fact."""
    found = re.match(r"\S+ (\d\d:\d\d:\d\d) .*?“(.*)” on (.+?), severity", exhibit.facts)
    assert found, exhibit.facts
    return found[2].rstrip("."), found[3], found[1]


def invented(exhibit: Exhibit) -> dict[str, tuple[str, list[str], str]]:
    rule, host, time = truth(exhibit)
    said = f"At {time} the rule {rule} fired on {host}"
    here = [exhibit.id]
    return {
        "id": (f"{said}, which is T1595.", here, ""),
        "unknown id": (f"{said}, which is CVE-2099-99999.", here, ""),
        "quote": (f"{said}.", here, "the attacker typed this"),
        "count": (f"{said}, {4711} times.", here, ""),
        "time": (f"At 25:61 the rule {rule} fired on {host}.", here, ""),
        "address": (f"{said}, coming from 192.0.2.213.", here, ""),
        "host": (f"At {time} the rule {rule} fired on srv-invented-7.", here, ""),
        "file": (f"{said} by invented_tool.exe.", here, ""),
        "evidence": (f"{said}.", ["E99"], ""),
    }


def kept(case: Case, store: Knowledge, text: str, evidence: list[str], quote: str) -> bool:
    reply = {"claims": [{"text": text, "evidence": evidence, "quote": quote}], "verdict": str(case.verdict)}
    told = asyncio.run(engine.worded(case, Fake([orjson.dumps(reply).decode()]), store, Way()))
    assert told.explanation is not None
    return bool(told.explanation.claims)


def test_all_that_is_invented_is_caught_and_what_is_true_is_kept(store: Knowledge) -> None:
    passed: Counter[str] = Counter()
    asked = true = 0
    for case in cases():
        for exhibit in engine.asked(case).exhibits[:8]:
            rule, host, time = truth(exhibit)
            asked += 1
            true += kept(case, store, f"At {time} the rule {rule} fired on {host}.", [exhibit.id], "")
            for what, (text, evidence, quote) in invented(exhibit).items():
                passed[what] += kept(case, store, text, evidence, quote)
    assert asked >= 50
    assert not +passed, f"of {asked} each: {passed}"
    assert true / asked >= 0.95
