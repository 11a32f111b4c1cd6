"""The same families on a store with the publishers' texts, where one is named: some examples of each task."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from pathlib import Path

import pytest

from vedette.forge.build import Builder, Plan
from vedette.forge.example import Example, Kind
from vedette.forge.task import tasks
from vedette.forge.world import World
from vedette.knowledge.store import Knowledge

from .test_flaw_tasks import GROUPS

VARIABLE = "VEDETTE_TEST_KNOWLEDGE"  # path of an imported store; the tests' own store is an empty one
LEAST = 100_000  # records of a store that was imported, and not made from the shipped facts
WITHOUT = {"cwe/usage", "cve-exploitation/epss"}  # their facts come with CWE's XML and with EPSS only
_KNOWN = re.compile(r"\b(?:CWE|CAPEC)-\d+\b|\bT\d{4}(?:\.\d{3})?\b")


@pytest.fixture(scope="module")
def world() -> World:
    place = Path(os.environ.get(VARIABLE, ""))
    if not os.environ.get(VARIABLE) or not place.is_file():
        pytest.skip(f"${VARIABLE} names no store with the publishers' texts")
    store = Knowledge.open(place)
    if store.db.execute("SELECT count(*) FROM record").fetchone()[0] < LEAST:
        pytest.skip(f"${VARIABLE} names a store of facts without texts")
    return World(store)


@pytest.fixture(scope="module")
def made(world: World) -> dict[str, list[Example]]:
    found: dict[str, list[Example]] = {}
    for example in Builder(world, Plan(groups=GROUPS, cap=60), 7).examples():
        found.setdefault(example.task, []).append(example)
    return found


def test_each_task_finds_something(made: dict[str, list[Example]]) -> None:
    names = {f"{group.replace('_', '-')}/{task.name}" for group in GROUPS for task in tasks(group)}
    assert names - WITHOUT <= set(made)


def test_answers_name_what_exists(world: World, made: dict[str, list[Example]]) -> None:
    for example in (one for examples in made.values() for one in examples):
        for uid in _KNOWN.findall(example.final):
            assert uid in world.store, example
        if example.kind is Kind.EXTRACT:
            assert json.loads(example.answer)


def test_nothing_is_right_too_often(made: dict[str, list[Example]]) -> None:
    for name, examples in made.items():
        finals = Counter(example.final for example in examples)
        if examples[0].kind is Kind.YES_NO:
            assert abs(finals["Yes"] - finals["No"]) <= max(2, len(examples) // 10), (name, finals)
