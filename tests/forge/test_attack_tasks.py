"""What holds for every task of ATT&CK's groups, on a small store, and on a real one where there is one."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from vedette.forge import wording
from vedette.forge.build import Builder, Plan, Tally
from vedette.forge.example import EXACT, Example, Kind
from vedette.forge.task import GROUPS, Draft, tasks
from vedette.forge.world import World
from vedette.knowledge.store import Knowledge
from vedette.prompts import ANSWER

from . import attack_store

ATTACK = tuple(group for group in GROUPS if group.startswith("attack_"))
REAL = Path(os.environ.get("VEDETTE_TEST_KNOWLEDGE", "no-store"))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = attack_store.world(tmp_path_factory.mktemp("attack") / "k.db")
    yield made
    made.store.close()


def build(world: World, group: str, seed: int = 7, **changes: object) -> tuple[list[Example], list[Tally]]:
    builder = Builder(world, Plan(groups=(group,), **changes), seed)  # type: ignore[arg-type]
    return list(builder.examples()), builder.tallies


def check(examples: list[Example], tallies: list[Tally]) -> None:
    for tally in tallies:
        assert tally.given, f"{tally.task} gives nothing"
        assert not set(tally.left) & {"a fact is lost", "too few options"}, tally
        if tally.letters:
            assert max(tally.letters.values()) - min(tally.letters[letter] for letter in "ABCD") <= 1, tally
    for example in examples:
        assert example.question.strip()
        assert example.answer.strip()
        if example.kind in EXACT:
            assert example.answer.endswith(f"\n\n{ANSWER}{example.final}"), example
        if example.kind is Kind.CHOICE:
            options = example.question.splitlines()[-4:]
            assert [line[:3] for line in options] == ["A) ", "B) ", "C) ", "D) "], example
            assert len({line[3:] for line in options}) == 4, example
        if example.kind is Kind.EXTRACT:
            assert isinstance(json.loads(example.answer), dict)
        if example.kind is Kind.ABSTAIN:
            assert example.final == "Not enough evidence"
        if example.kind is Kind.YES_NO:
            assert example.final in ("Yes", "No")


def halves(examples: list[Example], most: float) -> None:
    counts = Counter((one.task, one.final) for one in examples if one.kind is Kind.YES_NO)
    for task in {task for task, _ in counts}:
        yes, no = counts[task, "Yes"], counts[task, "No"]
        assert min(yes, no) > 0, task
        assert abs(yes - no) <= max(2, most * (yes + no)), (task, yes, no)


@pytest.mark.parametrize("group", ATTACK)
def test_every_task_gives_examples_that_hold(world: World, group: str) -> None:
    examples, tallies = build(world, group)
    check(examples, tallies)
    halves(examples, 0.1)


@pytest.mark.parametrize("group", ATTACK)
def test_the_same_seed_gives_the_same_examples_and_another_one_does_not(world: World, group: str) -> None:
    first, _ = build(world, group, cap=20)
    again, _ = build(world, group, cap=20)
    other, _ = build(world, group, cap=20, seed=8)
    assert [one.id for one in first] == [one.id for one in again]
    assert [one.id for one in first] != [one.id for one in other]


@pytest.mark.parametrize("group", ATTACK)
def test_a_group_has_five_tasks_at_least_of_varied_kinds_and_templates_for_each(group: str) -> None:
    found, words = tasks(group), wording.load(group.replace("_", "-"))
    assert len(found) >= 5
    assert len({task.kind for task in found}) >= 5
    assert {task.name for task in found} == set(words.tasks)
    for task in found:
        own = words.of(task.name)
        assert 3 <= len(own.ask) <= 6, task.name
        assert task.kind in (Kind.EXTRACT, Kind.RULE) or 2 <= len(own.say) <= 3, task.name


@pytest.mark.parametrize("group", ATTACK)
def test_templates_use_only_slots_that_every_draft_has(world: World, group: str) -> None:
    words = wording.load(group.replace("_", "-"))
    for task in tasks(group):
        own = words.of(task.name)
        draft: Draft = next(iter(task.make(world, Random(1))))
        slots = {**draft.slots, "final": draft.final, "right": draft.final}
        for template in (*own.ask, *own.say):
            assert wording.filled(template, slots).strip()


@pytest.mark.skipif(not REAL.is_file(), reason="VEDETTE_TEST_KNOWLEDGE names no store with ATT&CK's texts")
@pytest.mark.parametrize("group", ATTACK)
def test_a_real_store_gives_examples_that_hold(group: str) -> None:
    with Knowledge.open(REAL) as store:
        examples, tallies = build(World(store), group, scale=0.1)
    check(examples, tallies)
    halves(examples, 0.1)
