"""Tokenizers as llama.cpp knows them, and those that it does not."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import transformers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors

from vedette.errors import InputError
from vedette.train.slm.gguf_words import CONTROL, KNOWN, NORMAL, QWEN, UNUSED, USER, Words, plain, words
from vedette.train.slm.template import MARKS, chatml

from . import tiny

pytestmark = pytest.mark.train


def of(tokenizer: Any, rows: int = 500) -> Words:
    return words(tokenizer, rows, [tokenizer.eos_token_id], "here")


def changed(**changes: Any) -> Any:
    """The tiny tokenizer with other values in its description."""
    told = json.loads(tiny.tokenizer().backend_tokenizer.to_str())
    told |= {key: value for key, value in changes.items() if key != "model"}
    told["model"] |= changes.get("model", {})
    made = Tokenizer.from_str(json.dumps(told))
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, eos_token=MARKS[2], chat_template=chatml())


def test_every_row_has_its_token() -> None:
    tokenizer = tiny.tokenizer()
    found = of(tokenizer)
    kinds = dict(zip(found.tokens, found.kinds, strict=True))
    assert (found.pre, found.adds, found.template, found.normalised) == ("qwen2", (False, False), chatml(), False)
    assert [kinds[mark] for mark in MARKS] == [CONTROL] * 3
    assert (kinds["<think>"], kinds["a"], kinds["[PAD499]"]) == (USER, NORMAL, UNUSED)
    assert [found.tokens[n] for n in range(len(tokenizer))] == tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    assert found.special == {"eos": 2, "pad": 0}
    assert found.ends == ["<|im_end|>", "<|endoftext|>"]
    assert all(len(merge.split(" ")) == 2 for merge in found.merges)


def test_another_end_of_an_answer_is_kept() -> None:
    assert words(tiny.tokenizer(), 500, [2, 0], "here").special == {"eos": 2, "pad": 0, "eot": 0}


def test_a_template_for_training_becomes_one_for_serving() -> None:
    marked = (
        "{%- for m in messages -%}<|im_start|>{{ m['role'] }}\n{% generation %}{{ m['content'] }}\n"
        "{%- endgeneration -%}\n <|im_end|>{%- endfor -%}"
    )
    found = plain(marked)
    assert "generation" not in found
    said = [{"role": "user", "content": "one"}, {"role": "assistant", "content": "two "}]
    tokenizer = tiny.tokenizer()
    ways = [tokenizer.apply_chat_template(said, chat_template=way, tokenize=False) for way in (marked, found)]
    assert ways[0] == ways[1]
    assert (
        plain("{{ 'generation' }} {% if add_generation_prompt %}")
        == "{{ 'generation' }} {% if add_generation_prompt %}"
    )


SPLITS = {name: split for (split, _), name in KNOWN.items()}


@pytest.mark.parametrize("name", sorted(SPLITS))
def test_splits_that_are_known(name: str) -> None:
    last = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": not SPLITS[name]}
    first = {"type": "Split", "pattern": {"Regex": SPLITS[name]}, "behavior": "Isolated", "invert": False}
    pre = {"type": "Sequence", "pretokenizers": [first, last]} if SPLITS[name] else last
    whole = name == "llama-bpe"
    assert of(changed(pre_tokenizer=pre, model={"ignore_merges": whole})).pre == name
    with pytest.raises(InputError, match="no name for its pre-tokenizer"):
        of(changed(pre_tokenizer=pre, model={"ignore_merges": not whole}))


BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}


def split(**changes: Any) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": QWEN}, "behavior": "Isolated", "invert": False, **changes}


@pytest.mark.parametrize(("changes", "said"), [
    ({"pre_tokenizer": None}, "no name for its pre-tokenizer: null"),
    ({"pre_tokenizer": BYTES}, "no name for its pre-tokenizer"),
    ({"pre_tokenizer": {"type": "Whitespace"}}, r"pre-tokenizer: \{\"type\": \"Whitespace\"\}.*--llama-cpp"),
    ({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [split(behavior="Removed"), BYTES]}}, "pre-tokenizer"),
    ({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [split(invert=True), BYTES]}}, "pre-tokenizer"),
    ({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [split(pattern={"String": " "}), BYTES]}}, "pre-tok"),
    ({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [split(), split(), BYTES]}}, "pre-tokenizer"),
    ({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [split(), {**BYTES, "add_prefix_space": True}]}}, "pre-"),
    ({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [split(pattern={"Regex": QWEN + "|x"}), BYTES]}}, r"\|x"),
    ({"normalizer": {"type": "Lowercase"}}, 'changes text first: {"type": "Lowercase"}'),
    ({"model": {"byte_fallback": True}}, "byte_fallback"),
    ({"model": {"unk_token": "a"}}, "unk_token"),
])  # fmt: skip
def test_others_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        of(changed(**changes))


def test_more_tokens_than_rows() -> None:
    tokenizer = tiny.tokenizer()
    assert of(tokenizer, len(tokenizer)).tokens[-1] == "<think>"
    with pytest.raises(InputError, match=r"ids up to \d+, and its embeddings have \d+ rows"):
        of(tokenizer, len(tokenizer) - 1)


def test_a_token_that_takes_white_space_along() -> None:
    tokenizer = tiny.tokenizer()
    tokenizer.add_tokens([AddedToken("<x>", rstrip=True)])
    with pytest.raises(InputError, match=r"'<x>' has rstrip, which llama.cpp does not do"):
        of(tokenizer)


def test_no_template_and_several() -> None:
    tokenizer = tiny.tokenizer()
    tokenizer.chat_template = {"default": "A", "tools": "B"}
    assert of(tokenizer).template == "A"
    tokenizer.chat_template = None
    with pytest.raises(InputError, match="no chat template"):
        of(tokenizer)


def test_what_stands_around_a_text() -> None:
    made = Tokenizer(models.BPE(vocab={"a": 0, "b": 1, "<s>": 2, "?": 3}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(QWEN), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)]
    )
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(["<s>"])
    ways = []
    for before in ("<s> $A", "? $A"):
        made.post_processor = processors.TemplateProcessing(before, special_tokens=[("<s>", 2), ("?", 3)])
        ways.append(
            transformers.PreTrainedTokenizerFast(
                tokenizer_object=made, bos_token="<s>", eos_token="b", chat_template=chatml()
            )
        )
    assert words(ways[0], 4, [1], "here").adds == (True, False)
    with pytest.raises(InputError, match=r"puts \[3\] before a text"):
        words(ways[1], 4, [1], "here")
