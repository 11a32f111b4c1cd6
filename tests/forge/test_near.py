"""Near copies are found, distinct ones stay, and the order of what comes in decides nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.forge.conftest import example
from typer.testing import CliRunner

from vedette.cli import app
from vedette.forge.mix import Line, Mix, line, write
from vedette.forge.near import GRAM, Sides, bands, copies, grams
from vedette.split import dev_objects

pytestmark = pytest.mark.forge
pytest.importorskip("rensa")

SEED, THRESHOLD = 7, 0.8
WORDS = [f"{first}{last}" for first in ("al", "be", "co", "du", "em") for last in ("ta", "ne", "ri", "so", "lu", "mi")]


def prose(n: int, size: int = 100) -> str:
    rng = Random(f"prose {n}")
    return " ".join(rng.choice(WORDS) for _ in range(size))


def altered(text: str, number: int) -> str:
    """With so many words changed: each of them is in at most five grams."""
    told = text.split()
    for n in range(number):
        told[(n + 1) * len(told) // (number + 1)] = f"changed{n}"
    return " ".join(told)


def of(text: str) -> tuple[str, ...]:
    return grams("g/t", "", text)


def jaccard(one: str, other: str) -> float:
    first, second = set(of(one)), set(of(other))
    return len(first & second) / len(first | second)


PLANTED = [altered(prose(n), 1 + n % 2) for n in range(100)]  # Jaccard index 0.9 and 0.81
DISTINCT = [altered(prose(n), 4) for n in range(100, 200)]  # 0.66
TEXTS = {
    **{f"a{n}": of(prose(n)) for n in range(200)},
    **{f"b{n}": of(text) for n, text in enumerate([*PLANTED, *DISTINCT])},
}


def test_planted_pairs_are_found_and_distinct_ones_are_kept() -> None:
    assert all(jaccard(prose(n), text) >= THRESHOLD for n, text in enumerate(PLANTED))
    assert all(0.5 < jaccard(prose(n), text) < THRESHOLD for n, text in enumerate(DISTINCT, 100))
    left = copies(TEXTS.items(), THRESHOLD, SEED)
    assert len(left) == 100
    assert {uid[1:] for uid in left} == {str(n) for n in range(100)}  # one of each pair
    assert {uid[0] for uid in left} == {"a", "b"}


@pytest.mark.parametrize("seed", [1, 2])
def test_the_order_decides_nothing_and_the_seed_all(seed: int) -> None:
    shuffled = list(TEXTS.items())
    Random(seed).shuffle(shuffled)
    assert copies(shuffled, THRESHOLD, SEED) == copies(TEXTS.items(), THRESHOLD, SEED)
    assert copies(shuffled, THRESHOLD, seed) != copies(TEXTS.items(), THRESHOLD, SEED)


def test_the_threshold_is_the_recipes() -> None:
    assert len(copies(TEXTS.items(), 0.95, SEED)) == 0
    assert len(copies(TEXTS.items(), 0.6, SEED)) > 190


@pytest.mark.parametrize(("threshold", "number"), [(1.0, 24), (0.8, 24), (0.7, 30), (0.5, 60), (0.05, 120)])
def test_lower_thresholds_need_more_bands(threshold: float, number: int) -> None:
    assert bands(threshold) == number


def test_what_templates_say_is_not_compared() -> None:
    task, template = "attack-technique/tactic", "attack-technique.v1#0"
    told = "For a coverage report, name the tactics under which {} is filed."
    one, other = (told.format(name) for name in ("T1000 (Shell Running)", "T1100 (Ticket Roasting)"))
    assert grams(task, template, one) == ("t1000 shell running",)
    assert not set(grams(task, template, one)) & set(grams(task, template, other))
    assert len(set(grams(task, "", one)) & set(grams(task, "", other))) >= 5
    assert grams("attack-technique/none", template, one) == grams(task, "none.v1#0", one) == grams(task, "", one)


@given(st.text(), st.text())
def test_grams_of_anything(one: str, other: str) -> None:
    found = grams("g/t", "", one, other)
    assert len(set(found)) == len(found)
    assert all(1 <= len(gram.split()) <= GRAM for gram in found)


def near_line(n: int, text: str, *objects: str) -> Line:
    return line(example(0, id=f"{n:016x}", objects=objects, wording="", question=f"question{n}?", answer=text))


def sided(folder: Path, lines: list[Line], near: Sides | None) -> dict[str, str]:
    write(lines, folder, Mix(), seed=SEED, dev=0.3, near=near)
    rows = {side: (folder / f"{side}.jsonl").read_text().splitlines() for side in ("train", "dev")}
    return {json.loads(row)["id"]: side for side, told in rows.items() for row in told}


IDS = [f"T{n:04}" for n in range(400)]
DEV = [uid for uid in IDS if dev_objects((uid,), SEED, 0.3)]
TRAIN = [uid for uid in IDS if uid not in DEV]


def long(n: int) -> str:
    return prose(n, 200)


def test_no_near_duplicates_stand_on_both_sides(tmp_path: Path) -> None:
    lines = [near_line(n, long(n), uid) for n, uid in enumerate(IDS)]
    lines.append(near_line(1_000, altered(long(IDS.index(DEV[0])), 1), TRAIN[0]))  # a pair across
    lines.append(near_line(1_001, altered(long(IDS.index(DEV[0])), 2), DEV[1]))  # drawn along: it is near the first
    lines.append(near_line(1_002, altered(long(IDS.index(DEV[2])), 1), DEV[3]))  # a pair on one side may stay
    lines.append(near_line(1_003, long(1_003), DEV[0], DEV[4]))  # dev for another object
    near = Sides(THRESHOLD, SEED)
    before, after = sided(tmp_path / "a", lines, None), sided(tmp_path / "b", lines, near)
    moved = {uid for uid in after if after[uid] != before[uid]}
    places = {DEV[0], DEV[1]}
    assert moved == {one.id for one in lines if set(one.objects) <= places}
    assert near.moved == len(moved) == 3
    assert {after[uid] for uid in moved} == {"train"}
    shuffled = lines[:]
    Random(3).shuffle(shuffled)
    assert sided(tmp_path / "c", shuffled, Sides(THRESHOLD, SEED)) == after
    assert sided(tmp_path / "d", lines, Sides(0.95, SEED)) == before


RECIPE = """
name = "small"
seed = 3
[build]
groups = ["attack_technique"]
dev = 0.2
[refine]
per_task = 50
[mix]
near = {near}
"""


def test_the_commands_count_them(place: Path, tmp_path: Path) -> None:
    def run(near: float) -> tuple[str, int, int]:
        """The card, how many were left out and how many rows there are."""
        recipe, out = tmp_path / f"{near}.toml", tmp_path / str(near)
        recipe.write_text(RECIPE.format(near=near))
        args = ["--teacher", "moody", "--recipe", recipe, "--store", place, "--out", out, "--work", tmp_path / "l.db"]
        told = CliRunner().invoke(app, ["forge", "run", *map(str, args), "--no-progress"])
        assert told.exit_code == 0, told.output
        counted = re.search(r"(\d+)  near duplicate$", told.output, re.MULTILINE)
        rows = sum(len((out / f"{side}.jsonl").read_text().splitlines()) for side in ("train", "dev"))
        return (out / "card.md").read_text(), int(counted[1]) if counted else 0, rows

    none, some = run(1.0), run(0.05)
    assert "- near duplicates: 0 rewritten answers left out; 0 examples moved" in none[0]
    assert none[1] == 0
    assert some[1] > 0
    assert f"- near duplicates: {some[1]} rewritten answers left out; " in some[0]
    assert some[2] == none[2] - some[1]
