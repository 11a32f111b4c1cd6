"""Every shipped recipe loads and is planned; what does not fit says what to lower."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from vedette.cli import app
from vedette.config import load_toml
from vedette.errors import ConfigError, InputError
from vedette.manifest import write
from vedette.train.slm import amounts, bases, cards, licences, plan
from vedette.train.slm.amounts import Amount
from vedette.train.slm.cards import Machine
from vedette.train.slm.recipe import Data, Recipe

ROOT = Path(__file__).resolve().parents[3]
RECIPES = sorted(
    path for path in (ROOT / "recipes").glob("*.toml") if "\n[sft]" in path.read_text("utf-8")
)  # fmt: skip
OWN = ("qwen3-4b", "qwen3-8b", "qwen3-14b", "gpt-oss-20b", "cybersecqwen-4b", "organisation")
COMMAND = re.compile(r"^# \$ vedette (train plan .+)\n((?:#   .+\n)+)", re.M)
GIB = 1024**3


def machine(memory: int = 80 * GIB, count: int = 1, **more: Any) -> Machine:
    found = Machine("a card", count, memory, 4e14, 3e12, "assumed", 0, 0, 10**9)
    return replace(found, **more)


def loaded(name: str) -> Recipe:
    return load_toml(ROOT / "recipes" / f"{name}.toml", Recipe)


def planned(recipe: Recipe, on: Machine | None = None, rows: Amount | None = None) -> plan.Plan:
    return plan.planned(
        recipe, bases.architecture(recipe.base), on or machine(), rows or amounts.by_default(recipe.data)
    )


def changed(recipe: Recipe, **sft: Any) -> Recipe:
    return recipe.model_copy(update={"sft": recipe.sft.model_copy(update=sft)})


# -- recipes ------------------------------------------------------------------------------------


def test_all_of_them_are_here() -> None:
    assert set(OWN) <= {path.stem for path in RECIPES}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_loads_and_plans(path: Path) -> None:
    recipe = load_toml(path, Recipe)
    assert recipe.name == path.stem
    found = planned(recipe, machine(memory=200 * GIB))
    assert found.faults == ()
    licences.check_base(recipe)


@pytest.mark.parametrize("name", OWN)
def test_a_recipe_says_what_plan_says(name: str) -> None:
    """Its head quotes a command and what that command prints."""
    text = (ROOT / "recipes" / f"{name}.toml").read_text("utf-8")
    command, quoted = next(iter(COMMAND.findall(text)))
    given = shlex.split(command)
    given[given.index("--recipe") + 1] = str(ROOT / "recipes" / f"{name}.toml")
    done = CliRunner().invoke(app, given, env={"COLUMNS": "120"})
    assert done.exit_code == 0, done.output
    lines = [line.removeprefix("#   ").rstrip() for line in quoted.splitlines()]
    assert done.output.splitlines()[: len(lines)] == lines


def test_docs_quote_what_plan_says() -> None:
    text = (ROOT / "docs" / "training.md").read_text("utf-8")
    for name in OWN:
        quoted = COMMAND.findall((ROOT / "recipes" / f"{name}.toml").read_text("utf-8"))[0][1]
        for line in quoted.splitlines()[1:]:
            assert line.removeprefix("#   ").rstrip() in text, f"{name}: {line}"


def test_a_typo_suggests_the_near_key(tmp_path: Path) -> None:
    text = (ROOT / "recipes" / "qwen3-4b.toml").read_text("utf-8")
    path = tmp_path / "typo.toml"
    path.write_text(text.replace("\nmicro = 2_048\ncheckpointing", "\nmicor = 2_048\ncheckpointing", 1), "utf-8")
    with pytest.raises(ConfigError, match=r"unknown key '(sft|pretrain)\.micor' \(did you mean 'micro'\?\)"):
        load_toml(path, Recipe)


# -- what fits ----------------------------------------------------------------------------------


def test_what_does_not_fit_says_what_to_lower() -> None:
    found = planned(loaded("qwen3-4b"), machine(memory=24 * GIB))
    (sft,) = (stage for stage in found.stages if stage.name == "sft")
    assert not sft.fits
    assert sft.lower[-1].setting == 'method = "lora"'
    assert sft.lower[-1].memory <= sft.room
    with pytest.raises(
        ConfigError, match=r"sft needs [\d.]+ GB of the [\d.]+ GB that it may take.*lower in \[pretrain\]: method"
    ):
        plan.ensure(found)


def test_settings_are_lowered_until_it_fits() -> None:
    recipe = changed(loaded("qwen3-14b"), checkpointing=False, micro=8_192)
    stage = planned(recipe, machine(memory=30 * GIB)).stages[0]
    assert [one.setting for one in stage.lower] == ["checkpointing = true", "micro = 4096", 'method = "qlora"']
    assert stage.lower[0].memory > stage.lower[1].memory > stage.room >= stage.lower[2].memory


def test_no_setting_is_lowered_in_vain() -> None:
    """Shorter texts and lower ranks would not have sufficed; what does makes them needless."""
    stage = planned(loaded("qwen3-14b"), machine(memory=32 * GIB)).stages[0]
    assert [one.setting for one in stage.lower] == ['method = "qlora"']


def test_a_card_that_is_too_small_for_everything_is_told() -> None:
    found = planned(loaded("gpt-oss-20b"), machine(memory=8 * GIB))
    assert found.stages[0].lower[-1].memory > found.stages[0].room
    plan.ensure(planned(loaded("gpt-oss-20b")))


def test_disk_and_main_memory_are_looked_at() -> None:
    found = planned(loaded("qwen3-4b"), machine(disk=10**9, ram=10**9))
    assert len(found.faults) == 2
    with pytest.raises(ConfigError, match=r"GB of disk, 1\.0 GB are free; it needs .* GB of main memory"):
        plan.ensure(found)


@pytest.mark.parametrize(
    ("sft", "message"),
    [
        ({"micro": 1_024, "batch": 8_192}, r"\[sft\]: `micro` = 1,024 tokens hold no text of 2,048 \(raise `micro`"),
        (
            {"micro": 2_048, "batch": 6_144},
            r"`batch` = 6,144 is no multiple of `micro` times 2 cards \(set it to 8,192\)",
        ),
    ],
)
def test_what_could_not_run_anywhere_is_refused(sft: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        planned(changed(loaded("organisation"), **sft), machine(count=2))


def test_texts_longer_than_the_base_was_made_for_are_refused() -> None:
    recipe = loaded("qwen3-4b")
    long = recipe.model_copy(update={"data": recipe.data.model_copy(update={"longest": 65_536})})
    with pytest.raises(ConfigError, match="'Qwen/Qwen3-4B-Base' was made for 32,768"):
        planned(changed(long, micro=65_536, batch=65_536))


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_more_rows_never_take_less(first: int, more: int) -> None:
    recipe = loaded("organisation")
    base = amounts.by_default(recipe.data)
    few, many = (planned(recipe, rows=amounts.scaled(base, rows)) for rows in (first, first + more))
    assert few.hours is not None
    assert many.hours is not None
    assert many.hours >= few.hours
    assert many.disk >= few.disk
    assert many.stages[0].memory.total >= few.stages[0].memory.total
    assert many.stages[0].steps >= few.stages[0].steps


@given(st.sampled_from([1, 2, 4]))
def test_more_cards_are_never_slower(count: int) -> None:
    recipe = loaded("qwen3-4b")
    one, many = planned(recipe, machine(memory=200 * GIB)), planned(recipe, machine(memory=200 * GIB, count=count))
    assert one.hours is not None
    assert many.hours is not None
    assert many.hours <= one.hours
    assert many.stages[0].memory.total >= one.stages[0].memory.total


def test_a_time_limit_is_kept() -> None:
    assert planned(changed(loaded("qwen3-8b"), minutes=30.0)).stages[0].hours == 0.5


def test_a_machine_of_unknown_speed_has_no_hours() -> None:
    found = planned(loaded("qwen3-8b"), machine(rate=0.0))
    assert found.hours is None
    assert "?" in plan.lines(found)[1]


# -- amounts ------------------------------------------------------------------------------------


def test_the_default_is_what_the_forge_made() -> None:
    found = amounts.by_default(Data())
    assert (found.rows, found.exact) == (461_570, 404_008)
    assert (found.prompts + found.answers) / found.rows == pytest.approx(612.9, abs=1)
    assert found.tokens(3.33) / found.rows == pytest.approx(194.0, abs=1)  # 194.0 by the tokenizer itself
    assert found.share(3.33) == pytest.approx(0.409, abs=0.03)  # 0.409 by the tokenizer itself


def test_the_default_is_cut_as_the_recipe_says() -> None:
    some = amounts.by_default(Data(tasks=("cve-weakness/",), each=100))
    assert some.rows == 1_000
    assert amounts.by_default(Data(tasks=("nothing/",))).rows == 0


def row(task: str, question: str, answer: str, licence: str = "MIT", final: str = "x") -> dict[str, Any]:
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"messages": messages, "task": task, "final": final, "licence": licence}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [
        row("a/b", "q" * 30, "a" * 15),
        row("a/b", "q" * 30, "a" * 15, "CC-BY-NC-4.0", ""),
        row("c/d", "q" * 9_000, "a"),
    ]
    text = "\n".join(map(json.dumps, rows)) + "\n{broken\n"
    (tmp_path / "train.jsonl").write_text(text, "utf-8")
    write(tmp_path / "manifest.json")
    return tmp_path


def test_a_folder_is_counted(folder: Path) -> None:
    found = amounts.of_folders([folder], Data(longest=1_024), 3.0)
    assert (found.rows, found.prompts, found.answers, found.exact, found.left_out) == (2, 60, 30, 1, 1)
    assert found.tokens(3.0) == 90 // 3 + 4 * amounts.MARKS
    assert found.licences == {"MIT": 2, "CC-BY-NC-4.0": 1}
    assert amounts.of_folders([folder, folder], Data(tasks=("a/",), each=3), 3.0).rows == 3


def test_a_folder_without_rows_is_an_error(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no row to train on"):
        amounts.of_folders([folder], Data(tasks=("z/",)), 3.0)
    with pytest.raises(InputError, match=r"train\.jsonl: cannot be read"):
        amounts.of_folders([tmp_path / "absent"], Data(), 3.0)


# -- machines, commands -------------------------------------------------------------------------


def test_an_unknown_card_suggests_the_near_one() -> None:
    with pytest.raises(ConfigError, match=r"--gpu: the card 'H10' is not known \(did you mean 'H100'\?\)"):
        cards.found("H10", 1, Path())


def test_every_card_is_named_in_the_help_and_says_where_its_share_is_from() -> None:
    text = CliRunner().invoke(app, ["train", "plan", "--help"], env={"COLUMNS": "200"}).output
    for name, card in cards.known().items():
        assert name in text
        assert "arXiv" in card.source or "assumed" in card.source or card.source.startswith("as ")


@pytest.mark.parametrize(
    ("driver", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA H200", 989e12),
        ("NVIDIA A100-PCIE-40GB", 312e12),
        ("NVIDIA GeForce RTX 4090", 165e12),
        ("NVIDIA GeForce GTX 1060", None),
    ],
)
def test_a_card_is_known_by_its_drivers_name(driver: str, peak: float | None) -> None:
    found = cards.driven(driver)
    assert (found.peak if found else None) == peak


def test_the_processor_is_planned_for(monkeypatch: pytest.MonkeyPatch) -> None:
    speed = cards.machine.Speed(2, 1e10, 5e10)
    monkeypatch.setattr(cards.machine, "measured", lambda: speed)
    found = cards.found("CPU", 4, Path())
    assert (found.name, found.cards, found.rate) == ("cpu", 1, 5e10 * cards.CPU_SHARE)
    assert found.memory == found.ram > 0
    assert found.disk > 0


def run(*given: str) -> Any:
    return CliRunner().invoke(app, ["train", "plan", *given], env={"COLUMNS": "80"})


def test_the_command_tells_memory_and_fits_80_columns() -> None:
    done = run("--recipe", str(ROOT / "recipes/qwen3-4b.toml"), "--gpu", "h100")
    assert done.exit_code == 0
    assert max(map(len, done.output.splitlines())) <= 80
    assert re.search(r"^fits +yes +yes +yes +yes$", done.output, re.M)


def test_what_does_not_fit_is_shown_before_it_is_an_error() -> None:
    done = run("--recipe", str(ROOT / "recipes/qwen3-4b.toml"), "--gpu", "RTX4090")
    assert isinstance(done.exception, ConfigError)
    assert "to lower in [sft], one after the other:" in done.output
    assert 'method = "lora"' in done.output


def test_the_command_gives_json() -> None:
    done = run("--recipe", str(ROOT / "recipes/organisation.toml"), "--gpu", "H100", "--rows", "100", "--json")
    told = json.loads(done.output)
    assert told["rows"]["rows"] == 100
    assert told["stages"][0]["memory"]["total"] < told["stages"][0]["room"]
    assert told["faults"] == []


def test_licences_of_data_are_held_against_the_purpose(folder: Path) -> None:
    done = run("--recipe", str(ROOT / "recipes/organisation.toml"), "--gpu", "H100", "--data", str(folder))
    assert isinstance(done.exception, ConfigError)
    assert "'CC-BY-NC-4.0' forbids purpose = \"internal\"" in str(done.exception)
    assert done.output == ""


def test_a_card_that_names_more_than_its_rows_counts(folder: Path) -> None:
    text = (folder / "train.jsonl").read_text("utf-8").replace("CC-BY-NC-4.0", "MIT")
    (folder / "train.jsonl").write_text(text, "utf-8")
    given = ["--recipe", str(ROOT / "recipes/organisation.toml"), "--gpu", "H100", "--data", str(folder)]
    assert run(*given).exit_code == 0
    (folder / "card.md").write_text("## Licences\n\n| licence | examples |\n|---|---|\n| research use | 4 |\n", "utf-8")
    assert "'research use' forbids" in str(run(*given).exception)
