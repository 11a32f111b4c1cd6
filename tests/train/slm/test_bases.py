"""Shapes give the parameters that publishers state; what is not known is said with the near name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vedette.engine.catalog import recommended
from vedette.errors import ConfigError, InputError
from vedette.train.slm import bases
from vedette.train.slm.recipe import Base, Shape


def published(name: str) -> bases.Architecture:
    return bases.architecture(Base(model=name, licence="Apache-2.0"))


def rounded(parameters: int, like: float) -> float:
    digits = len(f"{like}".partition(".")[2])
    return round(parameters / 1e9, digits)


@pytest.mark.parametrize("name", sorted(bases.known()))
def test_the_parameters_are_those_that_its_publisher_states(name: str) -> None:
    stated, model = bases.known()[name], published(name)
    parts = bases.count(model)
    assert rounded(parts.total, stated.parameters) == stated.parameters
    used = parts.attention + parts.inner + parts.rest
    if model.shape.experts:
        used = bases.active(model) + parts.head  # as gpt-oss's authors count
    assert rounded(used, stated.active) == stated.active


@pytest.mark.parametrize(
    ("name", "exact"),
    [
        ("Qwen/Qwen3-4B-Base", 4_022_468_096),
        ("Qwen/Qwen3-8B-Base", 8_190_735_360),
        ("Qwen/Qwen3-14B-Base", 14_768_307_200),
        ("openai/gpt-oss-20b", 20_914_757_184),
    ],
)
def test_the_parameters_are_exact(name: str, exact: int) -> None:
    """As the publishers' safetensors hold them."""
    assert bases.count(published(name)).total == exact


@pytest.mark.parametrize("name", sorted(bases.known()))
def test_no_shape_stands_in_two_places(name: str) -> None:
    base = bases.known()[name]
    shapes = [model.shape for model in recommended().values()]
    assert base.shape_of in recommended() or base.shape not in shapes


def test_an_unknown_base_suggests_the_near_one() -> None:
    with pytest.raises(ConfigError, match=r"'Qwen/Qwen3-4B-Bse' is not known \(did you mean 'Qwen/Qwen3-4B-Base'\?"):
        published("Qwen/Qwen3-4B-Bse")


def test_a_model_of_random_values_has_the_recipes_shape() -> None:
    shape = Shape(layers=4, width=128, heads=4, kv_heads=2, head=32, ffn=384, vocab=1_024)
    model = bases.architecture(Base(shape=shape))
    assert (model.shape.layers, model.shape.key_dim, model.shape.tied) == (4, 32, True)
    assert bases.count(model).head == 0


@pytest.mark.parametrize(("vocab", "least", "most"), [(512, 2.62, 2.62), (8_192, 3.25, 3.25), (6_000, 2.98, 3.25)])
def test_a_small_vocabulary_has_short_tokens(vocab: int, least: float, most: float) -> None:
    shape = Shape(layers=1, width=8, heads=1, kv_heads=1, head=8, ffn=8, vocab=vocab)
    assert least <= bases.architecture(Base(shape=shape)).characters <= most


CONFIG = {
    "model_type": "qwen3", "num_hidden_layers": 36, "hidden_size": 2560, "num_attention_heads": 32,
    "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 9728, "vocab_size": 151_936,
    "tie_word_embeddings": True, "max_position_embeddings": 32_768,
}  # fmt: skip


def folder(tmp_path: Path, **changes: object) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG | changes), "utf-8")
    return tmp_path


def test_a_folder_says_its_own_shape(tmp_path: Path) -> None:
    mine = bases.architecture(Base(model="me/mine", licence="MIT"), folder(tmp_path))
    assert bases.count(mine) == bases.count(published("Qwen/Qwen3-4B-Base"))
    assert mine.context == 32_768


def test_a_folder_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"config\.json: no shape that is known here: 'mamba' \(known model types: "):
        bases.of_folder(folder(tmp_path, model_type="mamba"), Base(model="a/b", licence="MIT"))


@pytest.mark.parametrize("text", ["{", "[]", '{"model_type": "qwen3"}', '{"model_type": ["qwen3"]}'])
def test_a_broken_config_is_an_error_and_no_traceback(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text, "utf-8")
    with pytest.raises(InputError, match=r"config\.json: no shape"):
        bases.of_folder(tmp_path, Base(model="a/b", licence="MIT"))


def test_a_folder_without_a_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"config\.json: cannot be read"):
        bases.of_folder(tmp_path, Base(model="a/b", licence="MIT"))
