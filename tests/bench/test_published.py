"""What others published, reproduced by our scorers from the answers that they keep."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from vedette.bench import scoring
from vedette.bench.actors import Actors
from vedette.bench.catalog import benchmark, items
from vedette.bench.items import Item
from vedette.bench.models import CONSTANT
from vedette.bench.scoring import Outcome, score
from vedette.knowledge.store import Knowledge

ANSWERS = "data/bench/cti-bench/cti-taa-responses.tsv"
GPT_4 = 26  # of 50 correct, as CTI-Bench's authors count by their own table of names


def headline(asked: list[Item], replies: list[str]) -> float:
    outcomes: list[Outcome] = [score(item, reply) for item, reply in zip(asked, replies, strict=True)]
    return float(scoring.rows(asked[0].kind, outcomes)[0]["value"])


@pytest.mark.parametrize(
    ("name", "answer", "value"), [("cti-rcm", "CWE-79", 0.229), ("cti-mcq", "C", 0.371), ("cti-vsp", "", 1.54)]
)
def test_blind_answers_have_the_published_figures(shared: Path, name: str, answer: str, value: float) -> None:
    asked = items(benchmark(name), shared / "data")
    told = headline(asked, [answer or CONSTANT[item.kind] for item in asked])
    assert told == pytest.approx(value, abs=0.005 if name == "cti-vsp" else 0.0005)


@pytest.mark.facts
def test_attributions_of_gpt_4(shared: Path) -> None:
    """By the names that the shipped facts hold; by spelling alone it would be far from it."""
    asked = items(benchmark("cti-taa"), shared / "data")
    with (shared / ANSWERS).open(encoding="utf-8-sig", newline="") as file, Knowledge.open() as store:
        replies = [row["ChatGPT-4"] for row in csv.DictReader(file, delimiter="\t")]
        same = Actors(store).same
        told = [score(item, reply, same).value for item, reply in zip(asked, replies, strict=True)]
    assert sum(told) == pytest.approx(GPT_4, abs=1)
    spelt = [score(item, reply).value for item, reply in zip(asked, replies, strict=True)]
    assert sum(spelt) < GPT_4 - 5
