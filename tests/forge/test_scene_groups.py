"""What holds for every task of the groups over scenes."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from vedette.forge.build import Builder, Plan
from vedette.forge.example import EXACT, Kind
from vedette.forge.task import GROUPS as ALL
from vedette.forge.task import tasks
from vedette.forge.world import World
from vedette.knowledge.store import Knowledge
from vedette.prompts import ANSWER

from . import scene_store
from .scene_store import GROUPS


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> World:
    return scene_store.world(tmp_path_factory.mktemp("scenes") / "kb.db")


def test_the_groups_are_known() -> None:
    assert set(GROUPS) <= set(ALL)


@pytest.mark.parametrize("group", GROUPS)
def test_every_task_gives_examples_and_none_is_unfit(made: World, group: str) -> None:
    _, tallies = scene_store.built(made, group)
    assert [t.task for t in tallies] == [f"{group}/{task.name}" for task in tasks(group)]
    for tally in tallies:
        assert tally.given, tally.task
        assert set(tally.left) <= {"twice"}, (tally.task, tally.left)


@pytest.mark.parametrize("group", GROUPS)
def test_a_seed_gives_the_same_examples(made: World, group: str) -> None:
    assert scene_store.built(made, group, 0.005)[0] == scene_store.built(made, group, 0.005)[0]
    assert scene_store.built(made, group, 0.005)[0] != scene_store.built(made, group, 0.005, seed=8)[0]


@pytest.mark.parametrize("group", GROUPS)
def test_answers_have_the_shape_of_their_kind(made: World, group: str) -> None:
    for example in scene_store.built(made, group)[0]:
        if example.kind in EXACT:
            assert example.answer.endswith(f"\n\n{ANSWER}{example.final}"), example.task
        if example.kind is Kind.EXTRACT:
            json.loads(example.answer)
        if example.kind is Kind.ABSTAIN:
            assert example.final == "Not enough evidence"
        if example.kind is Kind.YES_NO:
            assert example.final in ("Yes", "No")
        for slot in ("{host}", "{user}", "{source}", "{domain}", "{word}", "{n}", "{few}", "{count}", "{inner}"):
            assert slot not in example.question + example.answer, example.task


@pytest.mark.parametrize("group", GROUPS)
def test_choices_are_balanced_and_their_options_differ(made: World, group: str) -> None:
    examples, tallies = scene_store.built(made, group)
    for example in (e for e in examples if e.kind is Kind.CHOICE):
        options = [line for line in example.question.split("\n") if line[:1] in "ABCDE" and line[1:3] == ") "]
        assert len(options) >= 3, example.task
        assert len({option[3:] for option in options}) == len(options), example.task
    for tally in tallies:
        if tally.kind is Kind.CHOICE and tally.given > 8:
            assert max(tally.letters.values()) - min(tally.letters.values()) <= 3, tally.task


@pytest.mark.parametrize("group", GROUPS)
def test_yes_and_no_are_half_and_half(made: World, group: str) -> None:
    answers: dict[str, Counter[str]] = {}
    for example in scene_store.built(made, group, 0.05)[0]:
        if example.kind is Kind.YES_NO:
            answers.setdefault(example.task, Counter())[example.final] += 1
    for task, found in answers.items():
        total = sum(found.values())
        assert abs(found["Yes"] / total - 0.5) < 0.1 or total < 20, (task, found)


@pytest.mark.parametrize("group", GROUPS)
def test_scenes_are_ours_and_each_is_used_once(made: World, group: str) -> None:
    examples = scene_store.built(made, group)[0]
    scenes = [e.objects[0] for e in examples if e.objects[0].startswith("made:")]
    assert len(scenes) == len(set(scenes))
    for example in examples:
        for source in example.sources:
            assert source.licence or source.id.startswith("CVE-"), (example.task, source)


@pytest.mark.skipif("VEDETTE_TEST_KNOWLEDGE" not in os.environ, reason="VEDETTE_TEST_KNOWLEDGE names no imported store")
def test_the_full_store_gives_what_is_promised() -> None:
    made = World(Knowledge.open(Path(os.environ["VEDETTE_TEST_KNOWLEDGE"])))
    builder = Builder(made, Plan(groups=GROUPS), 7)
    assert sum(1 for _ in builder.examples()) >= 100_000
    for tally in builder.tallies:
        assert tally.given >= 100, tally.task
        assert set(tally.left) <= {"twice"}, (tally.task, tally.left)
    for uid in scene_store.shown():
        assert uid in made.entries, uid
    for record in (*scene_store._weaknesses(), *scene_store._controls()):
        assert record.id in made.entries or record.id.startswith("CWE-90"), record.id
