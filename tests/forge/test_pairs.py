"""What a judge preferred becomes pairs, on the sides where the data is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.forge.conftest import example
from typer.testing import CliRunner

from vedette import manifest
from vedette.cli import app
from vedette.engine.backends.fake import Fake
from vedette.engine.protocol import Message
from vedette.errors import InputError
from vedette.forge.caller import Caller
from vedette.forge.judge import Judged, Preference
from vedette.forge.ledger import Ledger
from vedette.forge.pairs import preferred, write
from vedette.forge.recipe import Recipe
from vedette.forge.refine import USED, Plan, Row, refine
from vedette.knowledge.store import Knowledge
from vedette.split import dev_objects
from vedette.train.slm.pairs import Tally, read

ONE = example()
BETTER = f"First this, then that, for T1000.\n\nAnswer: {ONE.final}"


def row(preference: Preference, *, used: bool = False, refused: str = "", mark: int = 9) -> Row:
    judged = Judged(preference, mark, 1.0)
    return Row(
        example=ONE, answer=BETTER if used else ONE.answer, outcome=USED if used else "judge: …", judged=judged,
        refused=refused,
    )  # fmt: skip


def test_the_preferred_answer_is_chosen() -> None:
    won, lost = preferred(row(Preference.REWRITTEN, used=True)), preferred(row(Preference.ORIGINAL, refused=BETTER))
    assert won
    assert lost
    assert (won.chosen, won.rejected) == (BETTER, ONE.answer) == (lost.rejected, lost.chosen)
    assert won.prompt == ({"role": "user", "content": ONE.question},)
    assert (won.final, won.objects, won.licence) == (ONE.final, ONE.objects, "ATT&CK Terms of Use")


@pytest.mark.parametrize(
    "none",
    [
        row(Preference.TIE, used=True),
        row(Preference.INCONSISTENT, refused=BETTER),
        row(Preference.UNREADABLE, refused=BETTER),
        row(Preference.REWRITTEN, refused=BETTER, mark=3),  # better written, and its facts in doubt
        row(Preference.ORIGINAL),  # of a ledger from before the refused answer was kept
        Row(example=ONE, answer=BETTER, outcome=USED),  # nobody judged
    ],
)
def test_without_a_sure_word_there_is_no_pair(none: Row) -> None:
    assert preferred(none) is None


def teacher(prompt: Sequence[Message]) -> str:
    """Rewrites at length; as a judge it likes what is numbered, but of question 2 what is not."""
    text = prompt[-1].content
    if "factuality" in text or "reference" in text.casefold():
        return json.dumps({"reason": "r", "factuality": 9})
    if "better" in text:
        first = text.find("1. It is seen first") < text.find("serves: TA0002")
        likes_rewritten = "question 2" not in text
        return json.dumps({"reason": "r", "better": "first" if first == likes_rewritten else "second"})
    place = text.index("T1")
    uid = text[place : place + 5]
    return f"1. It is seen first what {uid} is about.\n2. It serves the tactic that is named.\n\nAnswer: {ONE.final}"


def test_a_ledger_becomes_a_folder(tmp_path: Path, store: Knowledge) -> None:
    examples = [example(n) for n in range(5)]
    with Ledger(tmp_path / "l.db") as ledger:
        model = Fake(teacher)
        plan = Plan(Caller(model, ledger), Caller(model, ledger), None, {})
        counts = asyncio.run(refine(examples, "r", plan, store, ledger, lambda _: None))
    assert counts[USED] == 4
    recipe = Recipe.model_validate({"seed": 3, "build": {"dev": 0.3}})
    told = write(tmp_path / "l.db", recipe, tmp_path / "out")
    assert told["train"] + told["dev"] == 5
    sides = {side: _rows(tmp_path / "out" / f"{side}.jsonl") for side in ("train", "dev")}
    for side, rows in sides.items():
        assert all(bool(dev_objects(one["objects"], 3, 0.3)) == (side == "dev") for one in rows)
    numbered = {one["id"]: one["chosen"].startswith("1. ") for rows in sides.values() for one in rows}
    assert numbered == {one.id: one.id != examples[2].id for one in examples}
    assert manifest.verify(tmp_path / "out").counts["train"] == len(sides["train"])
    tally = Tally()
    assert len(read(tmp_path / "out" / "train.jsonl", tally)) == len(sides["train"])  # as training reads them
    assert not tally.left


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_a_ledger_without_a_judge_has_none(tmp_path: Path, store: Knowledge) -> None:
    with Ledger(tmp_path / "l.db") as ledger:
        plan = Plan(Caller(Fake(teacher), ledger), None, None, {})
        asyncio.run(refine([ONE], "r", plan, store, ledger, lambda _: None))
    with pytest.raises(InputError, match="no pair"):
        write(tmp_path / "l.db", Recipe(), tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.json").exists()
    told = CliRunner().invoke(app, ["forge", "pairs", "--work", str(tmp_path / "none"), "--out", str(tmp_path / "o")])
    assert isinstance(told.exception, InputError)
    assert not (tmp_path / "none").exists()
