"""A Qwen3 of random values that knows a few words, and recipes for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_WORDS = "What Which Is Answer : Yes No red blue green stone sky leaf ? . A B CWE-79 CWE-89 Not enough evidence"
WORDS = _WORDS.split()
MARKS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


def base(folder: Path, *, broken: bool = False) -> Path:
    """`broken`: a weight of it is no number."""
    import torch
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    from vedette.train.slm.template import chatml

    vocabulary = {
        token: n for n, token in enumerate([*MARKS, "[UNK]", "\n", " ", "system", "user", "assistant", *WORDS])
    }
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"\n| |[:?.]|[^\s:?.]+"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=MARKS[2], pad_token=MARKS[0], unk_token="[UNK]",
        chat_template=chatml(), additional_special_tokens=[MARKS[1]], clean_up_tokenization_spaces=False,
    ).save_pretrained(folder)  # fmt: skip
    config = Qwen3Config(
        vocab_size=len(vocabulary), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=16, max_position_embeddings=128, tie_word_embeddings=True,
        eos_token_id=vocabulary[MARKS[2]], pad_token_id=vocabulary[MARKS[0]], bos_token_id=None,
    )  # fmt: skip
    torch.manual_seed(0)
    model = Qwen3ForCausalLM(config)
    if broken:
        with torch.no_grad():
            model.model.layers[0].mlp.up_proj.weight[0, 0] = torch.nan
    model.save_pretrained(folder)
    return folder


def recipe(folder: Path, *sections: str, **data: Any) -> Path:
    """A file; `sections`: lines of TOML."""
    told = "\n".join(f"{name} = {value}" for name, value in {"longest": 64, **data}.items())
    path = folder / "toy.toml"
    head = '[base]\nmodel = "toy/base"\nlicence = "Apache-2.0"\n\n[sft]\nrate = 1e-3\nbatch = 64\nmicro = 64\n'
    path.write_text("\n".join(['name = "toy"', "seed = 7", head, f"[data]\n{told}", *sections]), "utf-8")
    return path
