"""From rows to a model, at toy size: what is learned, kept, gone on with, and refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

import numpy as np  # noqa: E402
from tests.train.slm import toys  # noqa: E402

from vedette import manifest  # noqa: E402
from vedette.errors import ArtefactError, ConfigError, InputError, TrainingError  # noqa: E402
from vedette.train.slm import finish, fit, learner, model, probe, rows, saved  # noqa: E402
from vedette.train.slm.recipe import Data, Learning, Method, Recipe, Shape  # noqa: E402
from vedette.train.slm.sft import Done, Places, Watcher, sft  # noqa: E402

pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
SHAPE = Shape(layers=2, width=32, heads=4, kv_heads=2, head=16, ffn=64, vocab=300, context=256)


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)


def run(home: Path, recipe: Path, watch: Watcher | None = None, base: Path | None = None) -> Done:
    return sft(Places(recipe, (home / "data",), home / "out", home / "work", base), watch or Watcher(), 1)


def home(path: Path, *changes: tuple[str, str], more: str = "", **sizes: int) -> tuple[Path, Path]:
    toys.folder(path / "data", **sizes)
    return path, toys.recipe(path / "recipe.toml", *changes, more=more)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy that was trained without interruption."""
    place, recipe = home(tmp_path_factory.mktemp("trained"))
    run(place, recipe)
    return place


def random_tokens(lengths: list[int], seed: int = 1) -> rows.Tokens:
    rng = np.random.default_rng(seed)
    ids = rng.integers(3, 299, sum(lengths)).astype(np.int32)
    own = rng.random(sum(lengths)) < 0.4
    return rows.Tokens(ids, own, np.cumsum([0, *lengths]))


# the forward pass


def test_a_pack_gives_the_loss_of_its_rows_one_by_one() -> None:
    opened = model.fresh(SHAPE, ["some text to learn from"] * 9, 1)
    lengths = [7, 40, 3, 33, 64, 1, 20]
    tokens = random_tokens(lengths)
    packed = learner.put(tokens, range(len(lengths)), torch.device("cpu"), size=200)
    together = learner.Learner(opened)(packed)
    opened.core.set_attn_implementation("eager")
    alone = torch.zeros(())
    for number in range(len(lengths)):
        ids, own = (torch.from_numpy(part) for part in tokens.row(number))
        logits = opened.core(ids[None].long()).logits[0, :-1]
        picked = own[1:]
        if picked.any():
            alone += torch.nn.functional.cross_entropy(logits[picked], ids[1:][picked].long(), reduction="sum")
    assert together.item() == pytest.approx(alone.item(), rel=1e-5)


def test_a_text_does_not_see_its_neighbour() -> None:
    opened = model.fresh(SHAPE, ["some text to learn from"] * 9, 1)
    one, other = random_tokens([20, 30]), random_tokens([20, 30])
    other.ids[:20] = 5  # the neighbour, of which nothing is learned
    one.own[:20] = other.own[:20] = False
    losses = [learner.Learner(opened)(learner.put(t, (0, 1), torch.device("cpu"))).item() for t in (one, other)]
    assert losses[0] == losses[1]


def test_losses_in_chunks_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = model.fresh(SHAPE, ["some text"] * 9, 1)
    packed = learner.put(random_tokens([64] * 8), range(8), torch.device("cpu"))
    found = []
    for answers in (10_000, 100):
        monkeypatch.setattr(learner, "HELD", answers * SHAPE.vocab)
        loss = learner.Learner(opened)(packed)
        (grad,) = torch.autograd.grad(loss, [opened.core.lm_head.weight])
        found.append((loss.item(), grad))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-6)
    assert torch.allclose(found[0][1], found[1][1], atol=1e-4)


# a run


def test_a_small_model_learns_and_its_folder_says_how(tmp_path: Path) -> None:
    more = "\n[probe]\nevery = 10_000\nrows = 16\n"
    place, recipe = home(tmp_path, ("epochs = 2", "epochs = 12"), more=more, train=300)
    done = run(place, recipe)
    events = toys.curve(place / "work")
    assert [e for e in events if e["at"] == "step"][-1]["loss"] < 0.5
    asked = [e for e in events if e["at"] == "probe"]
    assert [one["step"] for one in asked] == [0, done.outcome.steps]
    assert asked[0]["right"] == 0
    assert asked[1]["right"] >= 12  # of 16; four answers are equally likely by chance
    assert events[-1] == {"at": "stop", "step": done.outcome.steps, "why": "done"}
    made = manifest.verify(place / "out")
    names = {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "chat_template.jinja",
        "recipe.toml",
        "curve.jsonl",
        "card.md",
    }
    assert names <= set(made.outputs)
    assert {"recipe", "data 1/train.jsonl"} <= set(made.inputs)
    again = model.opened(place / "out", Recipe.model_validate(toml(recipe)), Method.FULL)
    said = probe.answers(again, [row for _, row in rows.read([place / "data/dev.jsonl"], Data(), rows.Tally())])
    assert sum("Answer: CWE-" in one for one in said) >= 12
    assert again.tokenizer.padding_side == "right"
    assert again.tokenizer.backend_tokenizer.padding is None  # no trace of the probe


def toml(path: Path) -> dict[str, Any]:
    import tomllib

    return tomllib.loads(path.read_text())


def test_the_same_run_again_is_the_same(trained: Path, tmp_path: Path) -> None:
    place, recipe = home(tmp_path)
    run(place, recipe)
    assert toys.curve(place / "work") == toys.curve(trained / "work")
    weights = (place / "out/model.safetensors", trained / "out/model.safetensors")
    assert manifest.sha256_file(weights[0]) == manifest.sha256_file(weights[1])


def test_another_seed_is_another_run(trained: Path, tmp_path: Path) -> None:
    place, recipe = home(tmp_path, ("seed = 7", "seed = 8"))
    run(place, recipe)
    assert toys.curve(place / "work") != toys.curve(trained / "work")


def test_killed_and_gone_on_with_it_has_the_same_loss_curve(trained: Path, tmp_path: Path) -> None:
    place, recipe = home(tmp_path)
    command = [
        sys.executable, "-m", "vedette", "train", "sft", "--recipe", str(recipe), "--data", str(place / "data"),
        "--out", str(place / "out"), "--work", str(place / "work"), "--threads", "1",
    ]  # fmt: skip
    env = {**os.environ, "OMP_NUM_THREADS": "1", "VEDETTE_TEST_SLOW_STEPS": ""}
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    until = time.monotonic() + 120
    while not list((place / "work").glob("step-*/manifest.json")) and time.monotonic() < until:
        assert process.poll() is None, process.stderr.read().decode()[-2_000:] if process.stderr else ""
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    if process.stderr:
        process.stderr.close()
    assert not (place / "out").exists(), "it was over before it was killed"
    run(place, recipe)
    steps = [e for e in toys.curve(place / "work") if e["at"] != "resume"]
    assert steps == [e for e in toys.curve(trained / "work") if e["at"] != "resume"]
    weights = (place / "out/model.safetensors", trained / "out/model.safetensors")
    assert manifest.sha256_file(weights[0]) == manifest.sha256_file(weights[1])


def test_two_processes_learn_what_one_does(trained: Path, tmp_path: Path) -> None:
    place, recipe = home(tmp_path)
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [
            sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-addr", "127.0.0.1",
            "--master-port", "0", "--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0",
            "-m", "vedette", "train", "sft", "--recipe", str(recipe), "--data", str(place / "data"),
            "--out", str(place / "out"), "--work", str(place / "work"), "--threads", "1",
        ],
        env=env, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3_000:]
    pairs = zip(
        *([e["loss"] for e in toys.curve(p / "work") if e["at"] == "step"] for p in (place, trained)), strict=False
    )
    losses = list(pairs)
    assert len(losses) >= 5
    assert all(two == pytest.approx(one, abs=2e-4) for two, one in losses)


def test_stopped_it_keeps_a_checkpoint_and_no_result(tmp_path: Path) -> None:
    place, recipe = home(tmp_path)
    seen: list[Any] = []
    done = run(place, recipe, Watcher(event=seen.append, stopped=lambda: len(seen) >= 4))
    assert done.outcome.stopped
    assert not (place / "out").exists()
    assert [path.name for path in saved.checkpoints(place / "work")] == ["step-0000003", "step-0000004"]


def test_it_stops_when_the_dev_side_gets_no_better(tmp_path: Path) -> None:
    changes = ("epochs = 2", "epochs = 60"), ("measure = 5", "measure = 5\npatience = 2")
    place, recipe = home(tmp_path, *changes, train=40)
    others = {uid: sorted(toys.WORDS.values())[place - 3] for place, uid in enumerate(sorted(toys.WORDS.values()))}
    wrong = [json.loads(line) for line in (place / "data/dev.jsonl").read_text().splitlines()]
    for one in wrong:  # what is learned is wrong here: it gets worse once the manner is learned
        one["final"] = others[one["final"]]
        one["messages"][-1]["content"] = f"Answer: {one['final']}"
    toys.write(place / "data/dev.jsonl", wrong)
    done = run(place, recipe)
    assert done.outcome.why == "no better dev loss"
    measured = [e["loss"] for e in toys.curve(place / "work") if e["at"] == "dev"]
    assert done.outcome.dev == pytest.approx(min(measured), rel=1e-5)  # the best weights are the result
    assert measured[-1] > min(measured)


# adapters


@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_adapters_learn_and_the_base_stays(trained: Path, tmp_path: Path, method: str) -> None:
    base = trained / "out"
    if method == "qlora":
        pytest.importorskip("bitsandbytes")
        base = tmp_path / "wide"  # its kernels for processors want rows of 64 values
        base.mkdir()
        wide = SHAPE.model_copy(update={"width": 64, "ffn": 128})
        finish.write_model(model.fresh(wide, ["Which weakness? Answer: CWE-79"] * 9, 1), base)
    lora = "\n[lora]\nrank = 4\nalpha = 8\n"
    change = ("epochs = 2", f'epochs = 2\nmethod = "{method}"')
    place, recipe = home(tmp_path, change, more=lora, seed=5)
    done = run(place, recipe, base=base)
    made = manifest.verify(place / "out")
    assert 0 < made.counts["parameters learned"] < made.counts["parameters"] / 2
    assert done.outcome.why == "done"
    assert {"adapter_config.json", "adapter_model.safetensors"} <= set(made.outputs)
    losses = [e["loss"] for e in toys.curve(place / "work") if e["at"] == "step"]
    assert losses[-1] < losses[0]


def test_gradient_checkpointing_changes_nothing(trained: Path, tmp_path: Path) -> None:
    place, recipe = home(tmp_path, ("save = 3", "save = 3\ncheckpointing = true"))
    run(place, recipe)
    assert toys.curve(place / "work") == toys.curve(trained / "work")


# what goes wrong


def test_a_loss_that_is_no_number_ends_it_with_the_last_checkpoint_whole(tmp_path: Path) -> None:
    place, recipe = home(tmp_path, ("rate = 5e-3", "rate = 1e30"), ("save = 3", "save = 1"))
    with pytest.raises(TrainingError, match=r"step \d+: the loss is .*lower `rate`.*checkpoint 'step-"):
        run(place, recipe)
    assert saved.latest(place / "work")
    assert not (place / "out").exists()


@pytest.mark.parametrize(
    "error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("can't allocate memory")]
)
def test_out_of_memory_says_which_setting_to_lower(error: Exception) -> None:
    learning = Learning(rate=1.0, batch=512, micro=256)
    with (
        pytest.raises(TrainingError, match=r"lower `micro` \(now 256 tokens\), or set checkpointing = true, or method"),
        fit._memory(learning),
    ):
        raise error


def test_another_error_is_not_taken_for_it() -> None:
    with pytest.raises(RuntimeError, match="shape"), fit._memory(Learning(rate=1.0, batch=512, micro=256)):
        raise RuntimeError("shape mismatch")


def test_checkpoints_of_another_recipe_are_refused(trained: Path, tmp_path: Path) -> None:
    place, recipe = home(tmp_path, ("rate = 5e-3", "rate = 6e-3"))
    import shutil

    shutil.copytree(trained / "work", place / "work")
    with pytest.raises(ConfigError, match=r"of another recipe, base or data.*--work"):
        run(place, recipe)


def test_a_half_written_checkpoint_is_passed_over(trained: Path, tmp_path: Path) -> None:
    import shutil

    place, recipe = home(tmp_path)
    shutil.copytree(trained / "work", place / "work")
    *_, before, last = saved.checkpoints(place / "work")
    with (last / saved.WEIGHTS).open("r+b") as file:
        file.seek(-8, os.SEEK_END)
        file.write(b"\xff" * 8)
    assert saved.latest(place / "work") == before
    run(place, recipe)
    weights = (place / "out/model.safetensors", trained / "out/model.safetensors")
    assert manifest.sha256_file(weights[0]) == manifest.sha256_file(weights[1])


def test_an_interrupted_save_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/old").write_text("x")
    with pytest.raises(ZeroDivisionError), saved.folder(tmp_path / "out") as filling:
        (filling / "new").write_text(str(1 / 0))
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "old"]


def test_weights_of_another_model_are_refused(trained: Path) -> None:
    opened = model.fresh(SHAPE, ["x y z"] * 9, 1)
    with pytest.raises(ArtefactError, match="of another model or recipe"):
        saved.load(saved.checkpoints(trained / "work")[-1], opened.model, None)


def test_what_is_missing_is_told_before_anything_is_made(tmp_path: Path) -> None:
    place, recipe = home(tmp_path)
    (place / "data/train.jsonl").unlink()
    with pytest.raises(InputError, match=r"no train.jsonl in it.*vedette forge build"):
        run(place, recipe)
    named = toys.recipe(place / "named.toml")
    start, end = (named.read_text().index(part) for part in ("[base.shape]", "[data]"))
    text = named.read_text()
    named.write_text(text[:start] + '[base]\nmodel = "Qwen/Qwen3-4B-Base"\nlicence = "Apache-2.0"\n\n' + text[end:])
    toys.folder(place / "data")
    with pytest.raises(ConfigError, match=r"starts from Qwen/Qwen3-4B-Base.*--base"):
        run(place, named)
    with pytest.raises(InputError, match=r"no model's folder.*nothing is downloaded"):
        run(place, named, base=place / "data")


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("rate = 5e-3", "raet = 5e-3", "unknown key 'sft.raet'.*rate"),
        ("batch = 512", "batch = 500", "multiple of `micro`"),
        ("rate = 5e-3", "rate = -1", "sft.rate"),
    ],
)
def test_typos_in_a_recipe(tmp_path: Path, old: str, new: str, why: str) -> None:
    place, recipe = home(tmp_path, (old, new))
    with pytest.raises(ConfigError, match=why):
        run(place, recipe)


def test_a_base_whose_vocabulary_has_no_marks_is_refused(trained: Path, tmp_path: Path) -> None:
    import shutil

    base = tmp_path / "base"
    shutil.copytree(trained / "out", base)
    text = (base / "tokenizer.json").read_text().replace("<|im_start|>", "<|start|>")
    (base / "tokenizer.json").write_text(text)
    (base / "chat_template.jinja").unlink()
    settings = json.loads((base / "tokenizer_config.json").read_text())
    settings.pop("chat_template", None)
    (base / "tokenizer_config.json").write_text(json.dumps(settings))
    place, recipe = home(tmp_path)
    with pytest.raises(InputError, match=r"lacks <\|im_start\|>"):
        run(place, recipe, base=base)


def test_a_folder_that_holds_other_files_is_not_replaced(tmp_path: Path) -> None:
    place, recipe = home(tmp_path)
    (place / "out").mkdir()
    (place / "out/thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match="other files than a result"):
        run(place, recipe)
    assert (place / "out/thesis.txt").read_text() == "mine"


def test_rows_are_held_against_the_benchmarks_that_are_given_now(tmp_path: Path) -> None:
    place, recipe = home(tmp_path)
    first = json.loads((place / "data/train.jsonl").read_text().splitlines()[0])["messages"][0]["content"]
    bench = place / "bench"
    for text in ("nothing of it", first):  # one item each: only their words differ
        toys.write(bench / "b.jsonl", [{"question": text}])
        places = Places(recipe, (place / "data",), place / "out", place / "work", None, bench)
        if text == first:
            with pytest.raises(ConfigError, match="of another recipe, base or data"):
                sft(places, Watcher(), 1)
            places = Places(recipe, (place / "data",), place / "out", place / "other", None, bench)
        done = sft(places, Watcher(), 1)
    assert done.tallies["train"].left == {"benchmark (text)": 1}
