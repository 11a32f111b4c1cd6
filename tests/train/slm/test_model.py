"""How a base is opened: which way its weights are held, and what cannot be a base."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import transformers
from tests.train.slm import toy

from vedette.config import load_toml
from vedette.errors import ConfigError, InputError
from vedette.train.slm import bases, fit, model
from vedette.train.slm.recipe import Method, Recipe

pytestmark = pytest.mark.train

MXFP4 = {"quantization_config": {"quant_method": "mxfp4", "modules_to_not_convert": ["lm_head"]}}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy.base(tmp_path_factory.mktemp("base"))


@pytest.fixture
def wanted(tmp_path: Path) -> Recipe:
    return load_toml(toy.recipe(tmp_path), Recipe)


def published(folder: Path, **more: Any) -> Path:
    """Only what is looked at before weights are."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "gpt_oss", **more}))
    return folder


@pytest.mark.parametrize(("more", "unpacked"), [(MXFP4, True), ({}, False), ({"quantization_config": None}, False)])
def test_weights_in_mxfp4_are_unpacked(
    more: dict[str, Any], unpacked: bool, base: Path, wanted: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The option is passed; weights in MXFP4 are not tried here."""
    told: dict[str, Any] = {}
    tokenizer = transformers.AutoTokenizer.from_pretrained(base)

    def loader(_: Path, **options: Any) -> Any:
        told.update(options)
        raise OSError("no weights")

    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", lambda *_, **__: tokenizer)
    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", loader)
    with pytest.raises(InputError, match="cannot load it: no weights"):
        model.opened(published(tmp_path / "oss", **more), wanted, Method.LORA)
    assert told["use_safetensors"]
    assert not told["trust_remote_code"]
    assert ("quantization_config" in told) is unpacked
    if unpacked:
        assert isinstance(told["quantization_config"], transformers.Mxfp4Config)
        assert told["quantization_config"].dequantize


def test_weights_in_mxfp4_cannot_be_put_into_nf4(
    base: Path, wanted: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", lambda *_, **__: tokenizer)
    with pytest.raises(ConfigError, match=r'published in MXFP4.*method = "lora"'):
        model.opened(published(tmp_path / "oss", **MXFP4), wanted, Method.QLORA)


def test_a_config_that_is_no_object_is_no_base(wanted: Recipe, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("[1]")
    with pytest.raises(InputError, match="cannot load it"):
        model.opened(tmp_path, wanted, Method.LORA)


@pytest.mark.parametrize("left", [0, 5, -100])
def test_weights_that_broke_off_are_no_base(left: int, base: Path, wanted: Recipe, tmp_path: Path) -> None:
    broken = shutil.copytree(base, tmp_path / "broken")
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:left])
    with pytest.raises(InputError, match=r"cannot load it: .*header.*safetensors"):
        model.opened(broken, wanted, Method.FULL)


def test_attention_is_packed_where_that_is_asked_for(base: Path, wanted: Recipe) -> None:
    assert model.opened(base, wanted, Method.FULL).packed
    assert not model.opened(base, wanted, Method.FULL, packed=False).packed


def test_an_adapter_is_no_base(base: Path, wanted: Recipe, tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(InputError, match=r"an adapter, and no model.*merge it"):
        model.opened(tmp_path, wanted, Method.FULL)


def test_experts_count_as_often_as_they_are_asked() -> None:
    config = transformers.GptOssConfig(
        vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=16, num_local_experts=8, num_experts_per_tok=2, tie_word_embeddings=False,
        pad_token_id=0,
    )  # fmt: skip
    opened = model.Opened(transformers.GptOssForCausalLM(config), None)
    body, head = fit._dense(opened, Method.LORA)
    shape = bases._of_config(config.to_dict())
    active = bases.active(bases.Architecture("toy", "gpt-oss", shape, 0, 3.0))
    assert head == 4 * 64 * 32
    assert body == pytest.approx(4 * active, rel=0.12)  # and routers and biases
    assert body > 4 * active
    every = sum(one.numel() for one in opened.model.model.layers.parameters())
    assert body < 2 * every
