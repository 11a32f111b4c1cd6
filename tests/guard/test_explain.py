"""A model is asked, repaired once, never believed; what does not fit is listed; what fails is a note."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from vedette import prompts
from vedette.engine.backends.fake import Fake
from vedette.engine.backends.obedient import Obedient
from vedette.engine.protocol import Budget, Message
from vedette.errors import EngineError
from vedette.guard.explain import Asked, Way, explain
from vedette.guard.fence import Exhibit, Untrusted
from vedette.guard.verify import Fault
from vedette.knowledge import facts
from vedette.knowledge.store import Knowledge
from vedette.types import Claim, Explanation

GRAVER = ("likely_benign", "undecided", "investigate", "escalate")
WAY = Way(spec="fake/x", seed=3, mark="0123456789abcdef", budget=Budget(tokens=100))


@pytest.fixture(scope="module")
def store() -> Iterator[Knowledge]:
    with Knowledge(facts.in_memory(), None) as opened:
        yield opened


@pytest.fixture
def prompt(tmp_path: Path) -> prompts.Prompt:
    file = tmp_path / "test.v1.md"
    file.write_text('+++\ninputs = ["decision", "evidence"]\n+++\n{{ decision }}\n{{ evidence }}\n')
    return prompts.load(file)


def exhibits(n: int = 4) -> tuple[Exhibit, ...]:
    """The first one is the most telling; the last is not counted by the decision."""
    return tuple(
        Exhibit(
            f"E{i}",
            f"log:{i}",
            f"rule {i} “malware beacon” on host-{i}",
            (Untrusted("url", "word " * 30),),
            9.0 - i,
            i < n,
        )
        for i in range(1, n + 1)
    )


def asked(prompt: prompts.Prompt, n: int = 4, verdict: str = "investigate") -> Asked:
    return Asked("Verdict: investigate.", exhibits(n), prompt, verdict, GRAVER)


def said(*claims: tuple[str, str, str], verdict: str = "investigate") -> str:
    listed = [{"text": text, "evidence": evidence.split(), "quote": quote} for text, evidence, quote in claims]
    return json.dumps({"claims": listed, "verdict": verdict})


GOOD = ("A malware beacon ran on host-1.", "E1", "malware beacon")
BAD = ("A malware beacon ran on host-7.", "E1", "")


def ask(engine: Any, put: Asked, store: Knowledge, way: Way = WAY, **options: Any) -> Explanation:
    return asyncio.run(explain(engine, put, store, way, **options))


def test_claims_that_hold_are_kept_with_their_refs(prompt: prompts.Prompt, store: Knowledge) -> None:
    made = ask(Fake([said(GOOD, BAD)]), asked(prompt), store)
    assert made.claims == (Claim(text=GOOD[0], refs=("log:1",), quote="malware beacon"),)
    assert made.dropped == ((Fault.NAME.value, 1),)
    assert made.by is not None
    assert (made.by.spec, made.by.seed, made.by.mark, made.by.redacted) == ("fake/x", 3, WAY.mark, False)
    assert made.by.tokens_out > 0
    assert (made.unread, made.note, made.raise_to) == ((), "", "")


def test_the_same_is_said_once(prompt: prompts.Prompt, store: Knowledge) -> None:
    assert len(ask(Fake([said(GOOD, GOOD, GOOD)]), asked(prompt), store).claims) == 1


def test_one_repair_is_tried(prompt: prompts.Prompt, store: Knowledge) -> None:
    engine = Fake(["Sure! Here it is.", said(GOOD)])
    made = ask(engine, asked(prompt), store)
    assert len(made.claims) == 1
    assert [len(messages) for messages in engine.asked] == [2, 4]
    assert "not the JSON" in engine.asked[1][-1].content


def test_and_no_second_one(prompt: prompts.Prompt, store: Knowledge) -> None:
    engine = Fake(["no", "no", said(GOOD)])
    made = ask(engine, asked(prompt), store)
    assert made.claims == ()
    assert "could not be read" in made.note
    assert len(engine.asked) == 2


def test_what_fails_is_a_note(prompt: prompts.Prompt, store: Knowledge) -> None:
    def dead(_: Sequence[Message]) -> str:
        raise EngineError("the server died\x1b[2J", where="here", remedy="start it")

    made = ask(Fake(dead), asked(prompt), store)
    assert made.claims == ()
    assert made.note == r"here: the server died\x1b[2J (start it)"


def test_what_broke_off_says_so(prompt: prompts.Prompt, store: Knowledge) -> None:
    made = ask(Fake([said(GOOD, GOOD)[:-60]]), asked(prompt), store)
    assert len(made.claims) == 1
    assert "broke off" in made.note


def test_claims_are_told_one_by_one(prompt: prompts.Prompt, store: Knowledge) -> None:
    told: list[Claim] = []
    made = ask(
        Fake([said(GOOD, BAD, ("Another malware beacon ran on host-2.", "E2", ""))]),
        asked(prompt),
        store,
        told=told.append,
    )
    assert tuple(told) == made.claims
    assert len(told) == 2
    assert made.dropped == ((Fault.NAME.value, 1),)


def needed(prompt: prompts.Prompt, store: Knowledge) -> int:
    """Tokens of the whole of it, and of the answer."""
    engine = Fake([said(GOOD)])
    ask(engine, asked(prompt), store)
    return asyncio.run(engine.count(engine.asked[0])) + WAY.budget.tokens


def test_what_does_not_fit_is_listed(prompt: prompts.Prompt, store: Knowledge) -> None:
    seen = set()
    for context in range(needed(prompt, store), 0, -5):
        engine = Fake([said(GOOD)], context=context)
        made = ask(engine, asked(prompt), store)
        if not engine.asked:
            assert "no room for the first piece of evidence" in made.note
            break
        shown = engine.asked[0][1].content
        fenced = [n for n in range(1, 5) if f"⟦{WAY.mark} E{n} url⟧" in shown]
        named = [n for n in range(1, 5) if f"E{n}: rule" in shown]
        seen.add((len(fenced), len(named)))
        assert set(made.unread) == {f"log:{n}" for n in range(1, 5) if n not in fenced}
        assert named == list(range(1, len(named) + 1))  # the most telling first
        assert fenced == list(range(1, len(fenced) + 1))
        assert asyncio.run(engine.count(engine.asked[0])) + WAY.budget.tokens <= context
    assert seen == {(4, 4), (3, 4), (2, 4), (1, 4), (0, 4), (0, 3), (0, 2), (0, 1)}


def test_no_room_at_all_is_said(prompt: prompts.Prompt, store: Knowledge) -> None:
    made = ask(Fake([said(GOOD)], context=200), asked(prompt), store)
    assert "no room for the first piece of evidence" in made.note
    assert made.claims == ()


def test_what_is_not_shown_cannot_be_cited(prompt: prompts.Prompt, store: Knowledge) -> None:
    last = ("A malware beacon ran on host-4.", "E4", "")
    assert ask(Fake([said(last)]), asked(prompt), store).claims
    tight = Fake([said(last)], context=needed(prompt, store) - 4 * 32 - 10)
    made = ask(tight, asked(prompt), store)
    assert "E4: rule" not in tight.asked[0][1].content
    assert made.claims == ()


@pytest.mark.parametrize(
    ("verdict", "claim", "raised"),
    [
        ("escalate", ("A malware beacon ran on host-4.", "E4", "malware beacon"), "escalate"),
        ("escalate", GOOD, ""),  # the decision rests on that already
        ("escalate", ("A malware beacon ran on host-4.", "E4", ""), ""),  # nothing is quoted
        ("escalate", ("A malware beacon ran on host-4.", "E4", "not there"), ""),
        ("undecided", ("A malware beacon ran on host-4.", "E4", "malware beacon"), ""),  # never lower
        ("likely_benign", ("A malware beacon ran on host-4.", "E4", "malware beacon"), ""),
        ("apocalypse", ("A malware beacon ran on host-4.", "E4", "malware beacon"), ""),
    ],
)
def test_a_verdict_may_rise_on_new_evidence_and_never_falls(
    verdict: str, claim: tuple[str, str, str], raised: str, prompt: prompts.Prompt, store: Knowledge
) -> None:
    assert ask(Fake([said(claim, verdict=verdict)]), asked(prompt), store).raise_to == raised


def test_the_worst_model_changes_nothing_that_matters(prompt: prompts.Prompt, store: Knowledge) -> None:
    made = ask(Obedient(), asked(prompt), store)
    assert made.raise_to == ""
    assert sum(number for _, number in made.dropped) > 20
    for claim in made.claims:
        assert "evil" not in claim.text
        assert "benign" not in claim.text
        assert set(claim.refs) <= {f"log:{n}" for n in range(1, 5)}


class Capitals:
    """Hides host names as placeholders."""

    def hide(self, text: str) -> str:
        return text.replace("host-", "HOST_")

    def restore(self, text: str) -> str:
        return text.replace("HOST_", "host-")


def test_what_is_hidden_never_reaches_the_model_and_comes_back(prompt: prompts.Prompt, store: Knowledge) -> None:
    engine = Fake([said(("A malware beacon ran on HOST_1.", "E1", "on HOST_1"))])
    made = ask(engine, asked(prompt), store, hiding=Capitals())
    assert not [m for m in engine.asked[0] if "host-" in m.content]
    assert made.claims == (Claim(text="A malware beacon ran on host-1.", refs=("log:1",), quote="on host-1"),)
    assert made.by is not None
    assert made.by.redacted


def test_a_script_that_ends_is_said(prompt: prompts.Prompt, store: Knowledge, tmp_path: Path) -> None:
    file = tmp_path / "replies.jsonl"
    file.write_text(json.dumps(json.loads(said(GOOD))) + "\n\n" + json.dumps("plain") + "\n")
    engine = Fake.of(file)
    assert len(ask(engine, asked(prompt), store).claims) == 1
    assert "no more replies" in ask(engine, asked(prompt), store).note


def test_nothing_is_left_out_uncounted(prompt: prompts.Prompt, store: Knowledge) -> None:
    many = [
        (f"Malware beacon number {n % 4 + 1} ran on host-{n % 4 + 1}{'.' * (n // 4 + 1)}", f"E{n % 4 + 1}", "")
        for n in range(12)
    ]
    told = json.loads(said(*many))
    told["claims"] += [{"text": 3}, "no claim"]
    made = ask(Fake([json.dumps(told)]), asked(prompt), store)
    assert len(made.claims) == 8
    assert dict(made.dropped)[Fault.MANY.value] == 4
    assert dict(made.dropped)[Fault.SHAPE.value] >= 1
