"""Exported files say what transformers says, in llama.cpp; one that does not is found out."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
pytest.importorskip("xllamacpp")
pytest.importorskip("openai")

from vedette.engine.backends.llamacpp import served
from vedette.engine.backends.openai import Served
from vedette.errors import ArtefactError
from vedette.train.slm import dense, gguf_file, hf, parity
from vedette.train.slm.export import Wanted, export
from vedette.train.slm.merge import merge

from . import tiny

pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
]


def measured(
    folder: Path, out: Path, quants: tuple[str, ...], check: int, **options: Any
) -> dict[str, parity.Measured]:
    """By quantisation; the export has held them to its limits already."""
    export(Wanted(folder, out, quants, name="tiny", check=check, threads=1, **options))
    import msgspec

    found = msgspec.json.decode((out / "parity.json").read_bytes(), type=list[parity.Measured])
    return {one.kind: one for one in found}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.model(tmp_path_factory.mktemp("models") / "tiny")


def test_all_prompts_in_all_quantisations(base: Path, tmp_path: Path) -> None:
    found = measured(base, tmp_path / "out", tuple(gguf_file.KINDS), 20)
    for kind, one in found.items():
        assert (one.n, one.template, one.tokens, one.unnormalised) == (20, 20, 20, 0), kind
        assert one.places > 300
        assert one.compared == 10 * one.places
    assert found["F32"].largest < 0.0005
    assert found["F32"].text == found["F32"].first == 20
    assert found["F16"].text + found["F16"].ties == 20
    means = [found[kind].mean for kind in ("F32", "F16", "Q8_0", "Q4_0")]
    assert means == sorted(means)
    assert found["Q8_0"].mean < 0.05 < found["Q4_0"].mean


WAYS = [("Qwen2", "linear", False), ("Llama", "llama3", True), ("Llama", "default", False), ("Qwen3", "yarn", False)]


@pytest.mark.parametrize(("family", "rope", "tied"), WAYS)
def test_other_families(tmp_path: Path, family: str, rope: str, tied: bool) -> None:
    folder = tiny.model(tmp_path / "tiny", family=family, rope=rope, tie_word_embeddings=tied)
    one = measured(folder, tmp_path / "out", ("F32",), 4)["F32"]
    assert (one.text, one.tokens + one.unnormalised, one.template) == (4, 4, 4)
    assert one.largest < 0.0005


def test_text_that_is_not_in_form_c(tmp_path: Path) -> None:
    folder = tiny.model(tmp_path / "tiny", words=tiny.tokenizer(normalised=True))
    one = measured(folder, tmp_path / "out", ("F32",), 4)["F32"]
    assert (one.tokens, one.unnormalised, one.text) == (3, 1, 4)
    assert [line.split(":")[0] for line in one.differ] == ["look-alikes"]


# Files that are wrong


def halved(original: Callable[..., Any]) -> Callable[..., Any]:
    """One tensor of the file has other values than the folder's."""
    return lambda tensor, one: original(tensor * 0.5 if one.name.endswith("1.mlp.down_proj.weight") else tensor, one)


def test_a_file_with_a_wrong_tensor_is_found_out(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf_file, "packed", halved(gguf_file.packed))
    for kind in ("F16", "Q8_0"):
        with pytest.raises(ArtefactError, match=r"not what transformers says.*log-probabilities differ"):
            measured(base, tmp_path / "out", (kind,), 4)
    assert list(tmp_path.iterdir()) == []


def test_rows_in_the_wrong_order_are_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny.model(tmp_path / "tiny", family="Llama")
    monkeypatch.setattr(dense, "arranged", lambda tensor, *_: tensor)
    with pytest.raises(ArtefactError, match="not what transformers says"):
        measured(folder, tmp_path / "out", ("F32",), 4)


def test_another_template_is_found_out(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vedette.train.slm import gguf_words

    monkeypatch.setattr(gguf_words, "plain", lambda jinja: jinja.replace("\\n", " "))
    with pytest.raises(ArtefactError, match="4 of 4 prompts are rendered otherwise"):
        measured(base, tmp_path / "out", ("F32",), 4)


# Adapters


def logs(model: Path, adapter: Path | None, ids: list[int]) -> dict[int, float]:
    """The likeliest next tokens, by llama.cpp; the adapter with scale 1."""

    async def ask(address: str) -> Any:
        engine = await Served.at(address)
        body = {
            "prompt": ids, "n_predict": 1, "n_probs": 20, "temperature": 0, "logit_bias": [[70, 1_000.0]],
            "lora": [{"id": 0, "scale": 1.0}] if adapter else [],
        }  # fmt: skip
        try:
            return await engine.get("/completion", body)
        finally:
            await engine.close()

    with served(model, context=512, threads=1, adapters=[adapter] if adapter else [], exact=True) as address:
        reply = asyncio.run(ask(address))
    return {one["id"]: one["logprob"] for one in reply["completion_probabilities"][0]["top_logprobs"]}


ALPHA = "adapter.lora.alpha"


def test_an_adapter_is_compared_too(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter, _ = tiny.adapter(tmp_path / "adapter", base)
    found = measured(base, tmp_path / "out", ("F32", "Q4_0"), 4, adapter=adapter)["F32"]
    assert (found.file, found.text) == ("tiny-lora.gguf", 4)
    assert found.largest < 0.0005
    right = gguf_file.write_tensors
    wrong: Callable[..., None] = lambda path, kind, keys, some: right(path, kind, {**keys, ALPHA: 12.0}, some)  # noqa: E731
    monkeypatch.setattr(gguf_file, "write_tensors", wrong)
    with pytest.raises(ArtefactError, match=r"tiny-lora\.gguf: not what transformers says"):
        export(Wanted(base, tmp_path / "none", ("F32",), adapter, name="tiny", check=4, threads=1))


@pytest.mark.parametrize(("family", "changes"), [
    ("Qwen3", {}), ("Llama", {"use_rslora": True}), ("Qwen2", {"rank_pattern": {"q_proj": 2}}),
])  # fmt: skip
def test_an_adapter_beside_its_base_says_what_the_merged_model_says(
    tmp_path: Path, family: str, changes: dict[str, Any]
) -> None:
    base = tiny.model(tmp_path / "tiny", family=family)
    adapter, _ = tiny.adapter(tmp_path / "adapter", base, **changes)
    export(Wanted(base, tmp_path / "apart", ("F32",), adapter, name="ours"))
    export(Wanted(merge(adapter, base, tmp_path / "merged").folder, tmp_path / "whole", ("F32",), name="ours"))
    ids = tiny.IDS[0].tolist()
    apart = logs(tmp_path / "apart/ours-F32.gguf", tmp_path / "apart/ours-lora.gguf", ids)
    whole = logs(tmp_path / "whole/ours-F32.gguf", None, ids)
    bare = logs(tmp_path / "apart/ours-F32.gguf", None, ids)
    both = apart.keys() & whole.keys()
    assert len(both) > 15
    assert max(abs(apart[one] - whole[one]) for one in both) < 0.05  # merging rounds to 16 bits once
    assert max(abs(apart[one] - bare[one]) for one in apart.keys() & bare.keys()) > 0.2


# Prompts


def test_the_prompts_hold_what_is_hard(base: Path) -> None:
    prompts = parity.prompts()
    text = "\n".join(message["content"] for prompt in prompts for message in prompt.messages)
    assert len(prompts) == len({prompt.id for prompt in prompts}) == 20
    assert all(prompt.messages[-1]["role"] == "user" for prompt in prompts)
    assert all(mark in text for mark in ("<|im_start|>", "<|im_end|>", "<|endoftext|>", "{{", "{%", "\t", "\u200b"))
    assert any(len(prompt.messages) > 5 for prompt in prompts)
    assert any(len(prompt.messages[-1]["content"]) > 2_500 for prompt in prompts)
    assert sum(prompt.messages[0]["role"] == "system" for prompt in prompts) >= 5


def test_marks_that_a_stranger_types_are_marks_to_both(base: Path) -> None:
    """Nobody escapes them: what strangers write has to be made harmless before (`vedette.guard`)."""
    tokenizer = hf.tokenizer(base)
    prompt = next(prompt for prompt in parity.prompts() if prompt.id == "typed-marks")
    said = {"tokenize": True, "add_generation_prompt": True, "return_dict": False}
    ids = tokenizer.apply_chat_template(prompt.messages, **said)
    turns = len(prompt.messages) + 1
    assert ids.count(tokenizer.convert_tokens_to_ids("<|im_start|>")) == turns + 2


def test_prompts_that_do_not_fit_are_left_out(tmp_path: Path) -> None:
    folder = tiny.model(tmp_path / "tiny", max_position_embeddings=512)
    some = [prompt for prompt in parity.prompts() if prompt.id in ("one-word", "long-report")]
    told = parity.reference(folder, hf.tokenizer(folder), None, some)
    assert [one.id for one in told.asked] == ["one-word"]


def test_a_folder_that_transformers_cannot_load(base: Path, tmp_path: Path) -> None:
    from vedette.errors import InputError

    folder = shutil.copytree(base, tmp_path / "tiny")
    tiny.changed(folder, hf.CONFIG, model_type="nothing-known")
    with pytest.raises(InputError, match="transformers cannot load it"):
        parity.reference(folder, hf.tokenizer(base), None, parity.prompts()[:1])
