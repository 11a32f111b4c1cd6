"""A model's mistakes become pairs, and nothing that it said is asked for twice."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vedette.cli import app
from vedette.engine.backends.fake import Fake
from vedette.engine.protocol import Completion, Engine, Finish, Message
from vedette.errors import EngineError, InputError
from vedette.train.slm import sampled
from vedette.train.slm.pairs import Tally, read
from vedette.train.slm.questions import Question
from vedette.train.slm.sampled import Wanted, sample


def question(n: int, answer: str = "") -> Question:
    asked = {"role": "user", "content": f"Which weakness is number {n}?"}
    said = {"role": "assistant", "content": answer or f"It is this.\n\nAnswer: CWE-{n}"}
    return Question(messages=(asked, said), id=f"q{n}", task="cve-weakness/x", kind="closed-book", final=f"CWE-{n}")


QUESTIONS = [question(n) for n in range(1, 9)]


def number(prompt: Sequence[Message]) -> int:
    return int(prompt[-1].content.rstrip("?").split()[-1])


def even_is_wrong(prompt: Sequence[Message]) -> str:
    n = number(prompt)
    return f"Answer: CWE-{n if n % 2 else 999}"


@asynccontextmanager
async def lent(engine: Engine) -> AsyncIterator[Engine]:
    yield engine


TWICE = Wanted(samples=2)


def run(model: Engine, out: Path, wanted: Wanted = TWICE) -> Counter[str]:
    return asyncio.run(sample(QUESTIONS, lent(model), wanted, out, lambda _: None))


def test_wrong_answers_are_kept_beside_the_right_ones(tmp_path: Path) -> None:
    model, out = Fake(even_is_wrong), tmp_path / "pairs.jsonl"
    assert run(model, out) == {sampled.WRONG: 4, sampled.RIGHT: 4}
    found = read(out, Tally())
    assert [one.id for one in found] == ["q2", "q4", "q6", "q8"]
    assert all(one.rejected == "Answer: CWE-999" and one.chosen.endswith(one.final) for one in found)
    assert len(model.asked) == 4 + 2 * 4  # the first wrong answer is enough
    assert all(len(prompt) == 1 for prompt in model.asked)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pairs.jsonl", "pairs.jsonl.manifest.json"]


def test_broken_off_it_goes_on(tmp_path: Path) -> None:
    out, left = tmp_path / "pairs.jsonl", [5]

    def dies(prompt: Sequence[Message]) -> str:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return even_is_wrong(prompt)

    with pytest.raises(KeyboardInterrupt):
        run(Fake(dies), out, Wanted(samples=1, parallel=1))
    assert not out.exists()
    part = tmp_path / "pairs.jsonl.part"
    part.write_bytes(part.read_bytes() + b'{"id": "q8", "outc')  # what a kill leaves
    again = Fake(even_is_wrong)
    assert run(again, out, Wanted(samples=1, parallel=1)).total() == 8
    assert {number(prompt) for prompt in again.asked} == {6, 7, 8}
    fresh = tmp_path / "fresh.jsonl"
    run(Fake(even_is_wrong), fresh, Wanted(samples=1, parallel=1))
    assert out.read_bytes() == fresh.read_bytes()


def test_another_setting_starts_anew(tmp_path: Path) -> None:
    out = tmp_path / "pairs.jsonl"
    with pytest.raises(KeyboardInterrupt):
        run(Fake(iter_then_stop()), out, Wanted(samples=1, parallel=1))
    again = Fake(even_is_wrong)
    run(again, out, Wanted(samples=1, parallel=1, temperature=0.1))
    assert len(again.asked) == 8


def iter_then_stop() -> sampled.Callable[[Sequence[Message]], str]:
    left = [3]

    def say(prompt: Sequence[Message]) -> str:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return even_is_wrong(prompt)

    return say


def test_what_broke_off_proves_nothing(tmp_path: Path) -> None:
    class Short(Fake):
        async def generate(self, *more: object, **options: object) -> Completion:
            done = await super().generate(*more, **options)  # type: ignore[arg-type]
            return Completion(text=done.text, finish=Finish.LENGTH, tokens_in=1, tokens_out=1, seconds=0.0)

    out = tmp_path / "pairs.jsonl"
    assert run(Short(even_is_wrong), out) == {sampled.CUT: 8}
    assert out.read_bytes() == b""


def test_marks_of_the_template_are_not_learned_from(tmp_path: Path) -> None:
    assert run(Fake(lambda _: "Answer: x<|im_end|>"), tmp_path / "pairs.jsonl") == {sampled.CUT: 8}


def test_a_model_that_says_nothing_ends_it(tmp_path: Path) -> None:
    out = tmp_path / "pairs.jsonl"
    with pytest.raises(EngineError, match="answered nothing"):
        run(Fake([]), out)
    assert not out.exists()
    assert run(Fake(even_is_wrong), out)[sampled.WRONG] == 4  # what failed is asked again


def test_only_what_can_be_verified_is_asked() -> None:
    wrong = question(3, "Answer: CWE-4")
    assert sampled.verifiable([wrong, QUESTIONS[0], QUESTIONS[0]]) == [QUESTIONS[0]]
    with pytest.raises(InputError, match="no question has an exact answer"):
        sampled.verifiable([wrong])


def test_the_command(tmp_path: Path) -> None:
    rows = [
        {"messages": q.messages, "id": q.id, "task": q.task, "kind": q.kind, "final": q.final} for q in QUESTIONS[:2]
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join([*map(json.dumps, rows), "{}"]), "utf-8")
    (tmp_path / "said.jsonl").write_text('"Answer: CWE-1"\n"Answer: CWE-9"\n', "utf-8")
    args = [
        "--data",
        tmp_path / "rows.jsonl",
        "--model",
        f"fake/{tmp_path / 'said.jsonl'}",
        "--out",
        tmp_path / "p.jsonl",
    ]
    told = CliRunner().invoke(app, ["train", "pairs", *map(str, args), "--samples", "1", "--parallel", "1"])
    assert told.exit_code == 0, told.output
    assert "1 pairs of 2 questions" in told.output
    assert "1 lines are no rows" in told.output
    assert len(read(tmp_path / "p.jsonl", Tally())) == 1
