"""A tokenizer of one's own: byte-level pairs over Qwen's split of text, which llama.cpp knows as "qwen2"."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vedette.train.slm.gguf_words import QWEN
from vedette.train.slm.template import MARKS, chatml

END, _, TURN = MARKS


def learned(texts: Iterable[str], vocab: int, context: int) -> Any:
    """A tokenizer of `vocab` tokens, Qwen's three marks among them, as transformers uses it.

    The same texts in the same order give the same tokenizer.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    found = Tokenizer(models.BPE())
    found.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    found.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=list(MARKS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    found.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=found,
        eos_token=TURN,
        pad_token=END,
        model_max_length=context,
        chat_template=chatml(),
        clean_up_tokenization_spaces=False,
    )
