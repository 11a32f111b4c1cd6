"""An adapter and its base say the same apart and merged; what does not belong together is refused."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")

import torch
from safetensors.torch import load_file, save_file

from vedette import manifest
from vedette.errors import ArtefactError, ConfigError, InputError, OutputError
from vedette.train.slm import adapter as adapters
from vedette.train.slm import hf
from vedette.train.slm import merge as merging
from vedette.train.slm.merge import merge

from . import tiny

pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.model(tmp_path_factory.mktemp("models") / "tiny", tie_word_embeddings=False)


@pytest.fixture(scope="module")
def exact(base: Path) -> Path:
    """The same in 32 bits, so that nothing is rounded."""
    folder = shutil.copytree(base, base.with_name("exact"))
    weights = {name: values.float() for name, values in load_file(folder / hf.ONE).items()}
    save_file(weights, folder / hf.ONE, {"format": "pt"})
    return folder


@pytest.fixture(scope="module")
def made(base: Path) -> Path:
    return tiny.adapter(base.with_name("adapter"), base)[0]


@pytest.fixture
def copied(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "adapter")


WAYS = [{}, {"use_rslora": True}, {"rank_pattern": {"q_proj": 2}}, {"modules_to_save": ["lm_head"]}]


@pytest.mark.parametrize("changes", WAYS)
def test_merged_it_says_the_same(exact: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    adapter, apart = tiny.adapter(tmp_path / "adapter", exact, **changes)
    done = merge(adapter, exact, tmp_path / "out")
    assert (done.known, done.changed) == ("name", 14 + len(changes.get("modules_to_save", [])))
    torch.testing.assert_close(tiny.logits(done.folder), apart, atol=2e-5, rtol=1e-5)
    assert (tiny.logits(exact) - apart).abs().max() > 0.5


def test_everything_comes_along(base: Path, made: Path, tmp_path: Path) -> None:
    adapter = shutil.copytree(made, tmp_path / "adapter")
    words = tiny.tokenizer(template="{{ messages[0]['content'] }}")
    words.save_pretrained(adapter)
    for name in ("recipe.toml", "card.md"):
        (adapter / name).write_text(f"of the adapter: {name}")
    other = shutil.copytree(base, tmp_path / "tiny")
    (other / "LICENSE").write_text("of the base")
    tiny.changed(other, hf.CONFIG, _name_or_path="/home/somebody/base")
    tiny.changed(other, hf.GENERATION, eos_token_id=[0])
    out = merge(adapter, other, tmp_path / "out").folder
    said = manifest.verify(out)
    assert set(said.outputs) == {path.name for path in out.iterdir()} - {manifest.FILE_NAME}
    assert {"LICENSE", "recipe.toml", "card.md", hf.ONE, hf.TOKENIZER} <= set(said.outputs)
    assert {"base/config.json", "base/model.safetensors", "adapter/adapter_model.safetensors"} <= set(said.inputs)
    assert hf.tokenizer(out).chat_template == "{{ messages[0]['content'] }}"
    assert json.loads((out / hf.GENERATION).read_text())["eos_token_id"] == [2, 0]
    told, before = (json.loads((folder / hf.CONFIG).read_text()) for folder in (out, other))
    assert told == {key: value for key, value in before.items() if key != "_name_or_path"}
    weights = load_file(out / hf.ONE)
    assert {values.dtype for values in weights.values()} == {torch.bfloat16}
    for path in (path for path in out.iterdir() if path.suffix != ".safetensors"):
        assert str(tmp_path) not in path.read_text("utf-8")


def test_parts_of_a_size(base: Path, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = merge(made, base, tmp_path / "whole").folder
    monkeypatch.setattr(merging, "PART", 60_000)
    parts = merge(made, base, tmp_path / "parts").folder
    assert len(list(parts.glob("model-*-of-*.safetensors"))) > 2
    assert all(path.stat().st_size < 70_000 for path in parts.glob("*.safetensors"))
    assert torch.equal(tiny.logits(parts), tiny.logits(whole))
    again = merge(made, parts, tmp_path / "again", assume_base=True).folder
    assert not torch.equal(tiny.logits(again), tiny.logits(whole))


# Which base


def stated(adapter: Path, base: Path, *names: str) -> None:
    """As training writes it."""
    inputs = {name: path for name, path in hf.inputs(base, adapters.BEFORE).items() if not names or path.name in names}
    outputs = [path for path in adapter.iterdir() if path.name != manifest.FILE_NAME]
    manifest.write(adapter / manifest.FILE_NAME, inputs=inputs, outputs=outputs)


def test_a_base_is_known_by_its_files(base: Path, copied: Path, tmp_path: Path) -> None:
    stated(copied, base)
    elsewhere = shutil.copytree(base, tmp_path / "another-name")
    assert merge(copied, elsewhere, tmp_path / "out").known == "sha256"
    stated(copied, base, hf.CONFIG)
    assert merge(copied, elsewhere, tmp_path / "weaker").known == "configuration"
    stated(copied, base)
    weights = load_file(elsewhere / hf.ONE)
    weights["model.norm.weight"] += 1
    save_file(weights, elsewhere / hf.ONE, {"format": "pt"})
    with pytest.raises(ArtefactError, match=r"made for another base: 'model.safetensors' is sha256"):
        merge(copied, elsewhere, tmp_path / "none")
    assert merge(copied, elsewhere, tmp_path / "forced", assume_base=True).known == "assumed"
    assert not (tmp_path / "none").exists()


def test_a_base_is_known_by_its_name(base: Path, copied: Path, tmp_path: Path) -> None:
    other = shutil.copytree(base, tmp_path / "small")
    with pytest.raises(ArtefactError, match=r"made for '.*tiny', and the base's folder is 'small'.*--assume-base"):
        merge(copied, other, tmp_path / "none")
    cache = shutil.copytree(base, tmp_path / "models--Somebody--Tiny-4B" / "snapshots" / "0a1b2c")
    tiny.changed(copied, adapters.CONFIG, base_model_name_or_path="Somebody/Tiny-4B")
    assert merge(copied, cache, tmp_path / "out").known == "name"
    tiny.changed(copied, adapters.CONFIG, base_model_name_or_path=None)
    with pytest.raises(ArtefactError, match="does not say which base"):
        merge(copied, cache, tmp_path / "none")


@pytest.mark.parametrize(("changes", "said"), [
    ({"hidden_size": 128}, r"is made for \(64, \d+\), and the base has \(128, \d+\)"),
    ({"num_hidden_layers": 1}, "'model.layers.1.*', which the base does not have"),
])  # fmt: skip
def test_a_base_of_another_shape(copied: Path, tmp_path: Path, changes: dict[str, int], said: str) -> None:
    other = tiny.model(tmp_path / "tiny", tie_word_embeddings=False, **changes)
    with pytest.raises(InputError, match=said):
        merge(copied, other, tmp_path / "none", assume_base=True)


# Folders that are not whole, and other kinds


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def without(path: Path, ending: str) -> None:
    weights = load_file(path)
    save_file({name: one for name, one in weights.items() if not name.endswith(ending)}, path)


def filled(path: Path, value: float) -> None:
    weights = load_file(path)
    weights[next(iter(weights))].fill_(value)
    save_file(weights, path)


SPOILT: list[tuple[Callable[[Path], object], str]] = [
    (lambda f: (f / adapters.CONFIG).unlink(), "no adapter: it has no adapter_config.json"),
    (lambda f: (f / adapters.WEIGHTS).rename(f / "adapter_model.bin"), "pickled weights are not opened here"),
    (lambda f: cut(f / adapters.WEIGHTS), "no whole safetensors file"),
    (lambda f: cut(f / adapters.CONFIG), "no JSON"),
    (lambda f: without(f / adapters.WEIGHTS, "0.mlp.up_proj.lora_B.weight"), "no whole pair of matrices for 'model."),
    (lambda f: without(f / adapters.WEIGHTS, "weight"), "adds nothing"),
    (lambda f: filled(f / adapters.WEIGHTS, float("nan")), "values that are no numbers"),
    (lambda f: (filled(f / adapters.WEIGHTS, 3e38), tiny.changed(f, adapters.CONFIG, lora_alpha=8e6)), "not fit BF16"),
    (lambda f: tiny.changed(f, adapters.CONFIG, use_dora=True), "a DoRA adapter.*merge_and_unload"),
    (lambda f: tiny.changed(f, adapters.CONFIG, peft_type="IA3"), "of the type IA3"),
    (lambda f: tiny.changed(f, adapters.CONFIG, alpha_pattern={"q_proj": 3}), "alpha of its own"),
    (lambda f: tiny.changed(f, adapters.CONFIG, r="many"), r"no LoRA adapter: .*\$\.r"),
]


@pytest.mark.parametrize(("spoil", "said"), SPOILT)
def test_adapters_that_are_refused(
    base: Path, copied: Path, tmp_path: Path, spoil: Callable[[Path], object], said: str
) -> None:
    spoil(copied)
    with pytest.raises(InputError, match=said):
        merge(copied, base, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter"]


def test_an_adapter_that_changed_since_it_was_written(base: Path, copied: Path, tmp_path: Path) -> None:
    stated(copied, base)
    filled(copied / adapters.WEIGHTS, 0.5)
    with pytest.raises(ArtefactError, match="does not match its manifest"):
        merge(copied, base, tmp_path / "out")


def test_a_quantised_base(base: Path, made: Path, tmp_path: Path) -> None:
    other = shutil.copytree(base, tmp_path / "tiny")
    tiny.changed(other, hf.CONFIG, quantization_config={"quant_method": "bitsandbytes"})
    with pytest.raises(InputError, match="quantised by bitsandbytes"):
        merge(made, other, tmp_path / "out")


@pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings:UserWarning")
def test_one_matrix_for_two_ends(tmp_path: Path) -> None:
    tied = tiny.model(tmp_path / "tiny")
    adapter, _ = tiny.adapter(tmp_path / "adapter", tied, modules_to_save=["embed_tokens"], target_modules=["q_proj"])
    with pytest.raises(InputError, match=r"one matrix for embeddings and output"):
        merge(adapter, tied, tmp_path / "out")


# Whole, or not at all


def test_nothing_takes_the_place_of_something(base: Path, made: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine").write_text("x")
    with pytest.raises(ConfigError, match="something already"):
        merge(made, base, out)
    (out / "mine").unlink()
    assert manifest.verify(merge(made, base, out).folder)


def test_a_full_disk(base: Path, made: Path, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))  # as if the disk took no more
    try:
        with pytest.raises(OutputError, match=r"cannot be written: .*File too large"):
            merge(made, base, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from vedette import manifest
from vedette.train.slm.merge import merge
manifest.write = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
merge(*map(Path, sys.argv[1:]))
"""


@pytest.mark.skipif(os.name != "posix", reason="no SIGKILL here")
def test_a_kill_leaves_nothing_that_looks_finished(base: Path, made: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = subprocess.run([sys.executable, "-c", KILLED, made, base, out], check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    left = list(tmp_path.iterdir())
    assert [path.name[:5] for path in left] == [".out."]
    assert not list(left[0].glob(manifest.FILE_NAME))
    assert manifest.verify(merge(made, base, out).folder)
