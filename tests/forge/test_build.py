"""Stage 1 over a small world, and the commands around it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from tests.knowledge.samples import put, unit
from typer.testing import CliRunner

from vedette.cli import app
from vedette.errors import ConfigError, InputError
from vedette.forge import wording
from vedette.forge.build import Builder, Plan
from vedette.forge.example import EXACT, Example, Kind
from vedette.forge.known import answers
from vedette.forge.ledger import Ledger
from vedette.forge.refine import unpack
from vedette.forge.task import GROUPS, tasks
from vedette.forge.world import World
from vedette.knowledge.record import Kind as Entity
from vedette.knowledge.record import Record, Rel
from vedette.knowledge.store import Knowledge
from vedette.overlap import Items
from vedette.prompts import ANSWER
from vedette.split import dev_objects

PLAN = Plan(groups=("attack_technique",))


def made(store: Knowledge, seed: int = 7, benchmarks: Items | None = None) -> tuple[list[Example], Builder]:
    builder = Builder(World(store), PLAN, seed, benchmarks)
    return list(builder.examples()), builder


def test_every_group_has_tasks_and_words() -> None:
    for group in GROUPS:
        words = wording.load(group.replace("_", "-"))
        names = [task.name for task in tasks(group)]
        assert len(set(names)) == len(names)
        assert set(words.tasks) == set(names)
        for task in tasks(group):
            assert len(set(words.of(task.name).ask)) >= 2
            assert task.cap > 0


def test_an_example_has_all_that_it_needs(store: Knowledge) -> None:
    found, builder = made(store)
    assert found
    assert len({one.id for one in found}) == len(found)
    for one in found:
        assert one.question.strip()
        assert one.objects or one.kind is Kind.ABSTAIN  # of a goal alone, nothing is meant in particular
        assert one.sources[0].unit == "attack/enterprise"
        assert one.sources[0].licence
        assert 1 <= one.difficulty <= 3
        assert all(fact in one.question + one.answer for fact in one.keep)
        if one.kind in EXACT:
            assert one.answer.endswith(f"{ANSWER}{one.final}")
    assert sum(t.given for t in builder.tallies) == len(found)
    assert all(t.drafts == t.given + sum(t.left.values()) for t in builder.tallies)


def test_choices_have_one_right_option(store: Knowledge) -> None:
    found = [one for one in made(store)[0] if one.kind is Kind.CHOICE]
    assert found
    for one in found:
        options = dict(line.split(") ", 1) for line in one.question.splitlines() if line[1:3] == ") ")
        assert len(options) == len(set(options.values())) >= 3
        assert options[one.final].startswith(one.objects[0])
    letters = Counter(one.final for one in found)
    assert max(letters.values()) - min(letters.values()) <= 1


def test_seeds(store: Knowledge) -> None:
    assert made(store)[0] == made(store)[0]
    assert made(store)[0] != made(store, seed=8)[0]


def test_what_touches_a_benchmark_is_left_out(store: Knowledge) -> None:
    everything = made(store)[0]
    victim = everything[0]
    items = Items([("test#1", [victim.question])])
    kept, builder = made(store, benchmarks=items)
    assert victim.question not in {one.question for one in kept}
    assert sum(t.left["benchmark (text)"] + t.left["benchmark (gram)"] for t in builder.tallies) >= 1


def test_near_entries_are_others_of_the_same_kind(store: Knowledge) -> None:
    from random import Random

    world = World(store)
    near = world.near("T1100", Random(1), 4)
    assert len(near) == 4
    assert "T1100" not in {one.id for one in near}
    assert {tie.other for tie in world.into("T1100", Rel.CHILD_OF)} == {"T1100.005", "T1100.006", "T1100.007"}


@pytest.mark.parametrize("bad", ["{technique.name}", "{technique!r}", "{technique:>9}", "{0}", "{technique", "{}"])
def test_templates_hold_plain_slots_only(bad: str, tmp_path: Path) -> None:
    (tmp_path / "g.v1.toml").write_text(f'[t]\nask = ["{bad}"]\n')
    with pytest.raises(ConfigError, match=r"g\.v1\.toml"):
        wording.load("g", tmp_path)


def test_values_are_not_expanded_again() -> None:
    assert wording.filled("a {x} b", {"x": "{y} {{z}}"}) == "a {y} {{z}} b"
    with pytest.raises(ConfigError, match="no slot 'y'"):
        wording.filled("{y}", {"x": ""})


def command(*args: object) -> str:
    told = CliRunner().invoke(app, ["forge", *map(str, args), "--no-progress"])
    assert told.exit_code == 0, told.output
    return told.output


RECIPE = """
name = "small"
seed = 3
[build]
groups = ["attack_technique"]
dev = 0.2
[refine]
per_task = 5
"""


def test_the_commands_write_data_with_card_and_manifest(place: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text(RECIPE)
    out = command("build", "--recipe", recipe, "--store", place, "--out", tmp_path / "a")
    assert "examples by 17 tasks" in out
    command(
        "run",
        "--teacher",
        "moody",
        "--judge",
        "moody",
        "--recipe",
        recipe,
        "--store",
        place,
        "--out",
        tmp_path / "b",
        "--work",
        tmp_path / "l",
    )
    for name in ("a", "b"):
        manifest = json.loads((tmp_path / name / "manifest.json").read_text())
        assert set(manifest["outputs"]) == {"card.md", "train.jsonl", "train.parquet", "dev.jsonl", "dev.parquet"}
        assert "not checked: no benchmarks were given" in (tmp_path / name / "card.md").read_text()
    assert "## Rewritten" in (tmp_path / "b/card.md").read_text()
    first = (tmp_path / "b/train.jsonl").read_bytes()
    command(
        "run",
        "--teacher",
        "moody",
        "--judge",
        "moody",
        "--recipe",
        recipe,
        "--store",
        place,
        "--out",
        tmp_path / "b",
        "--work",
        tmp_path / "l",
    )
    assert (tmp_path / "b/train.jsonl").read_bytes() == first
    priced = command("run", "--teacher", "moody", "--recipe", recipe, "--store", place, "--dry-run")
    assert "examples would be rewritten" in priced


def test_grounding_keeps_to_the_split(place: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text(RECIPE)
    work, out = tmp_path / "l", tmp_path / "a"
    command("run", "--teacher", "moody", "--recipe", recipe, "--store", place, "--out", out, "--work", work)
    with Ledger(work) as ledger:
        rows = [unpack(body) for body in ledger.every_row()]
    shown = [
        (row.example.objects, {one.id, one.holder}) for row in rows if row.grounded for one in row.grounded.evidence
    ]
    assert len(shown) > 20
    assert not [about for own, about in shown if dev_objects(sorted(about - set(own)), 3, 0.2)]


def test_the_card_says_what_is_known_from_train(place: Path, tmp_path: Path) -> None:
    rows = {
        "train": [("a", "closed-book", "x"), ("b", "closed-book", "y"), ("c", "multiple-choice", "A")],
        "dev": [
            ("a", "closed-book", "x"), ("a", "closed-book", "x"), ("a", "closed-book", "y"), ("b", "yes-no", "No"),
            ("c", "multiple-choice", "A"), ("d", "json-extraction", "{}"), ("e", "open", ""),
        ],
    }  # fmt: skip
    for side, found in rows.items():
        lines = (json.dumps({"task": task, "kind": kind, "final": final}) for task, kind, final in found)
        (tmp_path / f"{side}.jsonl").write_text("".join(f"{line}\n" for line in lines))
    known = answers(tmp_path)
    assert [known.of(task) for task in "abcde"] == ["2 of 3", "0 of 1", "–", "–", "–"]
    assert str(known) == "2 of 4 dev rows with an exact answer"
    recipe = tmp_path / "r.toml"
    recipe.write_text(RECIPE)
    command("build", "--recipe", recipe, "--store", place, "--out", tmp_path / "out")
    told = str(answers(tmp_path / "out"))
    assert told.split()[0] != told.split()[2] != "0"
    assert f"- answers known from train: {told}, options' letters aside" in (tmp_path / "out/card.md").read_text()


def test_folders_may_be_relative(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("r.toml").write_text(RECIPE)
    command("build", "--recipe", "r.toml", "--store", place, "--out", "some/where")
    assert json.loads(Path("some/where/manifest.json").read_text())["counts"]["train"] > 0


def test_a_run_evolves_where_the_recipe_says_so(place: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text(RECIPE + "[evolve]\nrounds = 2\nper_task = 4\n")
    options = ("--teacher", "moody", "--judge", "moody", "--recipe", recipe, "--store", place)
    told = []
    for name in ("a", "b"):
        command("run", *options, "--out", tmp_path / name, "--work", tmp_path / f"{name}.l")
        train, dev = ((tmp_path / name / f"{side}.jsonl").read_text().splitlines() for side in ("train", "dev"))
        told.append([json.loads(line) for line in (*train, *dev)])
    assert told[0] == told[1]
    children = [row for row in told[0] if row["parent"]]
    assert children
    assert {row["parent"] for row in children} <= {row["id"] for row in told[0]}
    assert all(row["way"] and row["spans"] and row["licence"] for row in children)
    assert all(bool(dev_objects(row["objects"], 3, 0.2)) == (n >= len(train)) for n, row in enumerate(told[0]))
    text = (tmp_path / "a/card.md").read_text()
    assert "## Evolved" in text
    assert "answered otherwise the second time" in text or "its quote stands in no passage" in text
    priced = command("run", "--teacher", "moody", "--recipe", recipe, "--store", place, "--dry-run")
    assert "evolve " in priced


def test_a_store_without_texts_says_so(tmp_path: Path) -> None:
    recipe, store = tmp_path / "r.toml", tmp_path / "kb.db"
    recipe.write_text(RECIPE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vedette.knowledge.facts.base", list)
        put(store, unit("attack/enterprise", [Record("TA0002", Entity.TACTIC, "Running Code")]))
    told = CliRunner().invoke(app, ["forge", "build", "--recipe", str(recipe), "--store", str(store)])
    assert isinstance(told.exception, InputError)
    assert "holds no texts" in str(told.exception)


def test_what_an_extra_brings_is_asked_for(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vedette.forge.near.find_spec", lambda name: None)
    recipe = tmp_path / "r.toml"
    recipe.write_text(f"{RECIPE}[mix]\nnear = 0.8\n")
    command("build", "--recipe", recipe, "--store", place, "--out", tmp_path / "a")
    assert "- near duplicates: not looked for: rensa is not installed" in (tmp_path / "a/card.md").read_text()
    monkeypatch.setattr("vedette.forge.ray_executor.find_spec", lambda name: None)
    args = ["run", "--teacher", "moody", "--executor", "ray", "--recipe", str(recipe), "--store", str(place)]
    told = CliRunner().invoke(app, ["forge", *args, "--out", str(tmp_path / "b"), "--no-progress"])
    assert isinstance(told.exception, ConfigError)
    assert "vedette[scale]" in str(told.exception)
    assert not (tmp_path / "b").exists()


def test_marks_follow_peoples_labels(place: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text(RECIPE)
    options = ("--teacher", "moody", "--judge", "moody", "--recipe", recipe, "--store", place)
    command("run", *options, "--out", tmp_path / "out", "--work", tmp_path / "l")
    rows = [json.loads(line) for line in (tmp_path / "out/train.jsonl").read_text().splitlines()]
    rewritten = [row["id"] for row in rows if row["outcome"] == "rewritten"]
    assert rewritten
    labels = tmp_path / "labels.jsonl"
    labels.write_text("".join(json.dumps({"id": uid, "good": True}) + "\n" for uid in [*rewritten, "unknown"]))
    told = CliRunner().invoke(app, ["forge", "calibrate", str(labels), "--work", str(tmp_path / "l")])
    assert told.exit_code == 0, told.output
    assert f"{len(rewritten)} of {len(rewritten) + 1} labels" in told.output
    marks = told.output.partition("[refine.marks]")[2]
    recipe.write_text(RECIPE + "[refine.marks]" + marks)
    command("run", *options, "--out", tmp_path / "again", "--work", tmp_path / "l")
    labels.write_text('{"id": "x"}\n')
    assert CliRunner().invoke(app, ["forge", "calibrate", str(labels), "--work", str(tmp_path / "l")]).exit_code != 0
