"""DPO and GRPO on a model of random values: they learn, go on after a break, and say what went wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("trl")
pytest.importorskip("peft")

from safetensors.numpy import load_file
from tests.train.slm import toy
from typer.testing import CliRunner

from vedette import manifest
from vedette.cli import app
from vedette.config import load_toml
from vedette.errors import ConfigError, InputError, TrainingError, VedetteError
from vedette.train.slm import checkpoints, dpo, grpo, hooks, model, rewards, stage
from vedette.train.slm.questions import Question
from vedette.train.slm.recipe import Recipe

pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("ignore::FutureWarning"),  # names that transformers will change
    pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*pin_memory:UserWarning"),
]

DPO = (
    '[dpo]\nrate = 3e-3\nbatch = 128\nmicro = 128\nepochs = 6\nlongest = 64\nprecision = "float32"\nsave = 4\n'
    "measure = 6"
)
GRPO = (
    '[grpo]\nrate = 3e-2\nschedule = "constant"\nbatch = 1024\nmicro = 1024\nepochs = 22\ngroup = 8\nanswer = 3\n'
    'precision = "float32"\nsave = 5\nrewards = ["red"]'
)
NOUNS = {"stone": ("red", "blue"), "sky": ("blue", "red"), "leaf": ("green", "red")}
SAID = {"role": "assistant"}
LICENCE = "CC-BY-4.0; Apache-2.0"
LEADS = ("What", "Which", "Is", "Yes")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy.base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module", autouse=True)
def _toy_reward() -> None:
    if "red" not in rewards.REWARDS:
        rewards.REWARDS.register("red", f"{__name__}:says_red")


def says_red(_: Question, reply: str, __: rewards.Ground) -> float:
    """A little for a reply that ends at all."""
    return 0.2 * bool(reply) + 0.8 * ("red" in reply.split())


def pairs(path: Path) -> Path:
    told = [
        {
            "prompt": [{"role": "user", "content": f"{lead} {noun} ?"}],
            "chosen": f"Answer: {a}",
            "rejected": f"Answer: {b}",
            "licence": LICENCE,
        }
        for noun, (a, b) in NOUNS.items()
        for lead in LEADS
    ]
    return written(path, told)


def rows(path: Path, kind: str = "closed-book") -> Path:
    told = [
        {
            "messages": [{"role": "user", "content": f"{lead} {n} ?"}, dict(SAID, content=f"Answer: {a}")],
            "id": f"{lead} {n}", "task": f"toy/{n}", "kind": kind, "final": a,
            "licence": LICENCE,
        }
        for n, (a, _) in NOUNS.items()
        for lead in LEADS
    ]  # fmt: skip
    return written(path, told)


def written(path: Path, told: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(map(json.dumps, told)), "utf-8")
    return path


def curve(folder: Path, at: str = "step") -> list[dict[str, Any]]:
    events = map(json.loads, (folder / "curve.jsonl").read_text("utf-8").splitlines())
    return [event for event in events if event["at"] == at]


def places(base: Path, folder: Path, section: str, data: Path, **more: Any) -> tuple[Recipe, stage.Places]:
    folder.mkdir(parents=True, exist_ok=True)
    file = toy.recipe(folder, section)
    return load_toml(file, Recipe), stage.Places(file, base, data, folder / "out", folder / "work", **more)


def by_dpo(base: Path, folder: Path, section: str = DPO) -> stage.Result:
    data = pairs(folder / "pairs.jsonl")
    return dpo.train(*places(base, folder, section, data, dev=data), lambda _: None)


def by_grpo(base: Path, folder: Path, section: str = GRPO) -> stage.Result:
    return grpo.train(*places(base, folder, section, rows(folder / "rows.jsonl")), lambda _: None)


@pytest.fixture(scope="module")
def preferred(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dpo")
    by_dpo(base, folder)
    return folder


@pytest.fixture(scope="module")
def rewarded(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("grpo")
    by_grpo(base, folder)
    return folder


def weights(folder: Path) -> dict[str, Any]:
    return {name: value for path in sorted(folder.glob("*.safetensors")) for name, value in load_file(path).items()}


def same(one: Path, other: Path) -> bool:
    a, b = weights(one), weights(other)
    return a.keys() == b.keys() and all((a[name] == b[name]).all() for name in a)


def test_dpo_raises_the_margin(preferred: Path) -> None:
    steps, dev = curve(preferred / "out"), curve(preferred / "out", "dev")
    assert steps[0]["margin"] == 0
    assert steps[0]["loss"] == pytest.approx(0.6931, abs=1e-3)  # log 2: both models are one
    assert dev[-1]["margin"] > 0.2
    assert dev[-1]["loss"] < dev[0]["loss"] < 0.69
    assert dev[-1]["n"] == 12
    assert [event["step"] for event in steps] == list(range(1, steps[-1]["steps"] + 1))
    assert all(event["tokens"] > event["answers"] > 0 for event in steps)
    assert curve(preferred / "out", "stop") == [{"at": "stop", "step": steps[-1]["step"], "why": "done"}]


def test_the_result_is_a_models_folder_without_pickle(preferred: Path, base: Path) -> None:
    names = {path.name for path in (preferred / "out").iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"} <= names
    assert {"recipe.toml", "curve.jsonl", "card.md", "manifest.json"} <= names
    assert "README.md" not in names
    every = [path.suffix for path in preferred.rglob("*") if path.is_file()]
    assert not {".bin", ".pt", ".pth", ".pkl"} & set(every)
    told = manifest.verify(preferred / "out")
    assert told.inputs.keys() == {"recipe", "data", "dev", "base"}
    assert told.counts["pairs"] == 12
    assert told.counts["rows"] == 12
    text = (preferred / "out" / "card.md").read_text("utf-8")
    assert "# Model card: toy" in text
    assert "| pairs.jsonl | – | 12 | 0 |" in text
    assert "| dpo | " in text
    assert "At the last step: loss 0." in text
    assert text.count("Holds material under CC BY 4.0") == 1
    opened = model.opened(preferred / "out", load_toml(preferred / "toy.toml", Recipe), dpo.Method.FULL, packed=False)
    assert opened.model.config.model_type == "qwen3"
    assert not opened.packed
    assert not same(preferred / "out", base)


def test_from_one_seed_the_same_comes_out_twice(preferred: Path, base: Path, tmp_path: Path) -> None:
    by_dpo(base, tmp_path)
    assert same(preferred / "out", tmp_path / "out")
    assert [event["loss"] for event in curve(tmp_path / "out")] == [event["loss"] for event in curve(preferred / "out")]


def test_grpo_raises_the_reward(rewarded: Path) -> None:
    steps = curve(rewarded / "out")
    first, last = (sum(event["reward"] for event in part) / 4 for part in (steps[:4], steps[-4:]))
    assert first < 0.2
    assert last > 0.8
    assert all(event["reward_red"] == event["reward"] for event in steps)
    assert steps[-1]["unfinished"] < 0.2 < steps[0]["unfinished"]
    assert manifest.verify(rewarded / "out").counts["questions"] == 12


class Killed(BaseException):
    pass


@pytest.mark.parametrize("method", ["dpo", "grpo"])
def test_broken_off_it_goes_on_as_if_nothing_had_been(
    method: str, preferred: Path, rewarded: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, whole = (by_dpo, preferred) if method == "dpo" else (by_grpo, rewarded)
    put: Callable[..., None] = hooks.Hooks.put

    def killed(self: Any, **event: Any) -> None:
        if event["at"] == "step" and event["step"] == 7:
            raise Killed
        put(self, **event)

    with monkeypatch.context() as patch:
        patch.setattr(hooks.Hooks, "put", killed)
        with pytest.raises(Killed):
            run(base, tmp_path)
    assert not (tmp_path / "out").exists()
    work = tmp_path / "work"
    kept = sorted(path.name for path in work.glob("checkpoint-*"))
    assert kept == ["checkpoint-4" if method == "dpo" else "checkpoint-5"]
    _half_written(work, work / kept[0])
    with (work / "curve.jsonl").open("a") as file:
        file.write('{"at": "step", "ste')
    run(base, tmp_path)
    assert [event["step"] for event in curve(tmp_path / "out", "resume")] == [int(kept[0].partition("-")[2])]
    last = {event["step"]: event for event in curve(tmp_path / "out")}
    measured = [(e["step"], e["loss"], e["rate"], e["norm"], e["tokens"], e.get("reward")) for e in last.values()]
    assert measured == [
        (e["step"], e["loss"], e["rate"], e["norm"], e["tokens"], e.get("reward")) for e in curve(whole / "out")
    ]
    assert same(whole / "out", tmp_path / "out")


def _half_written(work: Path, whole: Path) -> None:
    """A later checkpoint without a manifest, and one whose weights broke off."""
    shutil.copytree(whole, work / "checkpoint-6")
    (work / "checkpoint-6" / manifest.FILE_NAME).unlink()
    shutil.copytree(whole, work / "checkpoint-90")
    broken = work / "checkpoint-90" / "model.safetensors"
    broken.write_bytes(broken.read_bytes()[:-100])
    mark = json.loads((whole / checkpoints.STATE).read_bytes())["mark"]
    found = checkpoints.newest(work, mark)
    assert found
    assert found.folder == whole


def test_a_finished_run_is_not_made_again(preferred: Path, base: Path, tmp_path: Path) -> None:
    shutil.copytree(preferred, tmp_path / "again")
    by_dpo(base, tmp_path / "again")
    assert same(preferred / "out", tmp_path / "again" / "out")
    assert len(curve(tmp_path / "again" / "out")) == len(curve(preferred / "out"))


def test_another_recipe_does_not_go_on_from_here(preferred: Path, base: Path, tmp_path: Path) -> None:
    shutil.copytree(preferred / "work", tmp_path / "work")
    with pytest.raises(ConfigError, match="another recipe, base or data"):
        by_dpo(base, tmp_path, DPO.replace("3e-3", "1e-3"))


@pytest.mark.parametrize(("run", "section"), [(by_dpo, DPO), (by_grpo, GRPO)])
def test_adapters(run: Callable[..., stage.Result], section: str, base: Path, tmp_path: Path) -> None:
    result = run(base, tmp_path, section.replace("epochs = ", 'method = "lora"\nepochs = 3 # '))
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors", "tokenizer.json", "manifest.json"} <= names
    assert not {"model.safetensors", "config.json", "README.md"} & names
    assert any(value.any() for name, value in weights(tmp_path / "out").items() if "lora_B" in name)
    assert result.steps == curve(tmp_path / "out")[-1]["step"]
    with pytest.raises(InputError, match="an adapter, and no model"):
        run(tmp_path / "out", tmp_path / "next")


@pytest.mark.parametrize(("run", "section"), [(by_dpo, DPO), (by_grpo, GRPO)])
def test_what_is_no_number_ends_it(run: Callable[..., stage.Result], section: str, base: Path, tmp_path: Path) -> None:
    broken = toy.base(tmp_path / "broken", broken=True)
    with pytest.raises(TrainingError, match=r"step 1: .*(nan|no numbers).*lower `rate`.*no checkpoint was kept yet"):
        run(broken, tmp_path)
    assert not (tmp_path / "out").exists()
    assert not list((tmp_path / "work").glob("checkpoint-*"))


def test_a_rate_that_is_too_high_is_named(base: Path, tmp_path: Path) -> None:
    section = DPO.replace("3e-3", "1e30").replace("save = 4", "save = 1")
    with pytest.raises(TrainingError, match=r"dpo, step [23]: .*lower `rate` = 1e\+30.*checkpoint [12] is whole"):
        by_dpo(base, tmp_path, section)


def test_memory_that_ran_out_is_named(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise hooks.torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(dpo.Trainer, "compute_loss", full)
    with pytest.raises(TrainingError, match=r"memory ran out.*lower `micro` or `longest`, or set checkpointing = true"):
        by_dpo(base, tmp_path)


def test_it_stops_early_with_the_best_weights(base: Path, tmp_path: Path) -> None:
    section = DPO.replace("measure = 6", 'measure = 2\npatience = 2\nschedule = "constant"').replace("3e-3", "1.0")
    result = by_dpo(base, tmp_path, section)
    dev = {event["step"]: event["loss"] for event in curve(tmp_path / "out", "dev")}
    best = min(dev, key=lambda step: dev[step])
    assert result.why == "no better dev loss"
    assert best < max(dev)
    assert same(tmp_path / "out", tmp_path / "work" / hooks.BEST)


def test_it_stops_when_time_is_up(base: Path, tmp_path: Path) -> None:
    result = by_dpo(base, tmp_path, DPO + "\nminutes = 1e-6")
    assert (result.why, result.steps) == ("time", 1)


def test_the_probe_asks_the_dev_side(base: Path, tmp_path: Path) -> None:
    data = rows(tmp_path / "rows.jsonl")
    section = GRPO.replace("epochs = 22", "epochs = 4") + "\n[probe]\nevery = 2\nrows = 6\npatience = 1"
    result = grpo.train(*places(base, tmp_path, section, data, dev=data), lambda _: None)
    probes = curve(tmp_path / "out", "probe")
    assert probes[0]["n"] == 6
    assert sum(n for _, n in probes[0]["tasks"].values()) == 6
    assert sum(right for right, _ in probes[0]["tasks"].values()) == probes[0]["right"]
    assert result.why in ("done", "no better score of the probe")


@pytest.mark.parametrize(
    ("section", "what"),
    [
        ("", "has no \\[dpo\\]"),
        (DPO.replace("micro = 128", "micro = 8"), "no room for the longest pair, which needs"),
        (DPO.replace("longest = 64", "longest = 5"), "every pair is longer than 5 tokens"),
    ],
)
def test_bad_settings_of_dpo(section: str, what: str, base: Path, tmp_path: Path) -> None:
    with pytest.raises(VedetteError, match=what):
        by_dpo(base, tmp_path, section)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("section", "what"),
    [
        ("", "has no \\[grpo\\]"),
        (GRPO.replace('"red"', '"finall"'), "unknown reward 'finall'.*'final'"),
        (GRPO.replace('["red"]', "[]"), "rewards is empty"),
        (GRPO.replace('"red"', '"vector"'), "no question that vector can reward, of 12"),
        (GRPO.replace("answer = 3", "answer = 64"), "leaves no room"),
        (GRPO.replace("answer = 3", "answer = 62"), "every question is longer than 2 tokens"),
        (GRPO.replace("micro = 1024", "micro = 8"), "no room for the longest question with its answer"),
    ],
)
def test_bad_settings_of_grpo(section: str, what: str, base: Path, tmp_path: Path) -> None:
    with pytest.raises(VedetteError, match=what):
        by_grpo(base, tmp_path, section)


def test_abstaining_always_is_never_rewarded(base: Path, tmp_path: Path) -> None:
    data = rows(tmp_path / "rows.jsonl", "not-enough-evidence")
    with pytest.raises(ConfigError, match="100% of the questions have no answer"):
        grpo.train(*places(base, tmp_path, GRPO.replace('"red"', '"abstain"'), data), lambda _: None)


@pytest.mark.parametrize("run", [by_dpo, by_grpo])
def test_licences_are_asked_before_the_first_step(
    run: Callable[..., stage.Result], base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.LICENCE", "CC-BY-NC-4.0")
    section = DPO + "\n" + GRPO
    with pytest.raises(ConfigError, match=r"the data may not be trained on: 'CC-BY-NC-4\.0' \(12 rows\) forbids"):
        run(base, tmp_path / "a", section)
    assert not list((tmp_path / "a" / "work").iterdir())
    monkeypatch.setattr(f"{__name__}.LICENCE", "")
    with pytest.raises(ConfigError, match=r"none stated.*accept = \[\"none stated\"\]"):
        run(base, tmp_path / "b", section)


def test_other_files_are_not_replaced(base: Path, tmp_path: Path) -> None:
    written(tmp_path / "out" / "thesis.txt", [{"years": 3}])
    with pytest.raises(ConfigError, match="other files than a result"):
        by_dpo(base, tmp_path)
    with pytest.raises(InputError, match=r"no config\.json"):
        by_dpo(tmp_path, tmp_path / "b")


def test_a_reward_sees_the_whole_reply(base: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    ends = frozenset([tokenizer.eos_token_id])
    tokens = tokenizer("Answer: red<|im_end|>")["input_ids"]
    assert grpo.said(tokenizer, tokens, ends) == "Answer: red"
    assert grpo.said(tokenizer, tokens[:-1], ends) == ""  # it did not end
    hidden = tokenizer("<|im_start|>Answer: red<|im_end|>")["input_ids"]
    assert grpo.said(tokenizer, hidden, ends) == "<|im_start|>Answer: red"  # which no verifier trusts


def test_prompts_are_those_of_a_server(base: Path) -> None:
    from transformers import AutoTokenizer

    from vedette.train.slm.pairs import Pair, Tally
    from vedette.train.slm.template import prompt

    tokenizer = AutoTokenizer.from_pretrained(base)
    pair = Pair(prompt=({"role": "user", "content": "Is leaf red ?"},), chosen="Answer: No", rejected="Answer: Yes")
    (row,) = dpo.tokens([pair], tokenizer, 64, Tally())
    assert tokenizer.decode(row["prompt_ids"]) == prompt(tokenizer, pair.prompt)
    assert tokenizer.decode(row["chosen_ids"]) == "Answer: No<|im_end|>"
    assert tokenizer.decode(row["rejected_ids"]) == "Answer: Yes<|im_end|>"


def test_the_commands(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in stage.OFFLINE:
        monkeypatch.setenv(name, "1")  # so that it is as before afterwards
    short = DPO.replace("epochs = 6", "epochs = 1") + "\n" + GRPO.replace("epochs = 22", "epochs = 1")
    file, data = toy.recipe(tmp_path, short), pairs(tmp_path / "pairs.jsonl")
    args = ["--recipe", file, "--base", base, "--out", tmp_path / "a", "--work", tmp_path / "wa", "--pairs", data]
    told = CliRunner().invoke(app, ["train", "dpo", *map(str, args)])
    assert told.exit_code == 0, told.output
    assert "12 pairs" in told.output
    assert "nothing was held against them" in told.output
    args = ["--recipe", file, "--base", tmp_path / "a", "--out", tmp_path / "b", "--work", tmp_path / "wb"]
    told = CliRunner().invoke(app, ["train", "grpo", *map(str, args), "--data", str(rows(tmp_path / "rows.jsonl"))])
    assert told.exit_code == 0, told.output
    assert "reward_red" in told.output
