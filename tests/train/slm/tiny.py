"""Models of two layers and random values, as transformers and PEFT save them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from vedette.train.slm.gguf_words import QWEN
from vedette.train.slm.template import MARKS, chatml

TEXTS = (
    "An alert says that the host ran mimikatz.exe: which technique of ATT&CK is that?",
    "CVE-2021-44228 is a flaw in a logging library; its root cause is CWE-502.",
    "The attacker deleted the shadow copies, and the logs of the server, on 2026-03-10.",
    "Answer with one id, and nothing else. Is it good or bad? yes, no",
)


def tokenizer(*, split: str = QWEN, normalised: bool = False, template: str = "") -> Any:
    """Byte-level pairs of a few sentences, with Qwen's marks and one of another kind."""
    found = Tokenizer(models.BPE())
    found.normalizer = normalizers.NFC() if normalised else None  # type: ignore[assignment]
    found.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(split), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    found.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=list(MARKS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    found.train_from_iterator(TEXTS, trainer)
    found.add_tokens(["<think>"])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=found,
        eos_token=MARKS[2],
        pad_token=MARKS[0],
        chat_template=template or chatml(),
        clean_up_tokenization_spaces=False,
        model_max_length=4_096,
    )


ROPES: dict[str, dict[str, Any]] = {
    "default": {"rope_type": "default", "rope_theta": 10_000.0},
    "linear": {"rope_type": "linear", "rope_theta": 10_000.0, "factor": 2.0},
    "yarn": {
        "rope_type": "yarn",
        "rope_theta": 10_000.0,
        "factor": 4.0,
        "original_max_position_embeddings": 1_024,
    },
    "llama3": {
        "rope_type": "llama3",
        "rope_theta": 10_000.0,
        "factor": 4.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 256,
    },
}


def model(folder: Path, *, family: str = "Qwen3", rope: str = "default", words: Any = None, **changes: Any) -> Path:
    """A whole folder. Five rows of the embeddings have no token; biases and norms are random, too."""
    words = words or tokenizer()
    told: dict[str, Any] = {
        "vocab_size": len(words) + 5,
        "hidden_size": 64,
        "intermediate_size": 160,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "max_position_embeddings": 4_096,
        "tie_word_embeddings": True,
        "initializer_range": 0.1,
        "eos_token_id": words.eos_token_id,
        "pad_token_id": words.pad_token_id,
        "bos_token_id": None,
        "rope_parameters": ROPES[rope],
        **changes,
    }
    torch.manual_seed(1)
    made = getattr(transformers, f"{family}ForCausalLM")(getattr(transformers, f"{family}Config")(**told))
    for name, values in made.named_parameters():
        if name.endswith("bias") or "norm" in name:
            values.data += torch.randn_like(values) * 0.1
    made.to(torch.bfloat16).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def adapter(folder: Path, base: Path, **changes: Any) -> tuple[Path, torch.Tensor]:
    """An adapter that changes a lot, and what the model with it makes of `IDS`."""
    from peft import LoraConfig, get_peft_model

    told = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear", "task_type": "CAUSAL_LM", **changes}
    torch.manual_seed(2)
    made = get_peft_model(_loaded(base), LoraConfig(**told))
    for name, values in made.named_parameters():
        if "lora_B" in name:
            values.data.normal_(0, 0.05)
        elif "modules_to_save" in name:
            values.data += torch.randn_like(values) * 0.1
    made.save_pretrained(folder)
    with torch.no_grad():
        return folder, made(IDS).logits


IDS = torch.arange(5, 60)[None]


def logits(folder: Path) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = _loaded(folder)(IDS).logits
    return found


def _loaded(folder: Path) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=torch.float32)


def changed(folder: Path, file: str, **changes: Any) -> None:
    """Other values in a JSON file; None takes a key away."""
    told = {**json.loads((folder / file).read_text("utf-8")), **changes}
    (folder / file).write_text(json.dumps({key: value for key, value in told.items() if value is not None}), "utf-8")
