"""The model that learns: from random values, or from a folder as transformers saves it, with adapters or without."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vedette.errors import ConfigError, InputError
from vedette.train.slm import attention, template, tokenizer
from vedette.train.slm.recipe import Lora, Method, Recipe, Shape

PACKED = frozenset({"qwen2", "qwen3", "llama"})  # whose attention is plain: no window, no sinks
SAMPLE = 60_000  # texts that an own tokenizer is learned from


@dataclass(frozen=True, slots=True)
class Opened:
    model: Any  # transformers' causal language model, or PEFT's around it
    tokenizer: Any

    @property
    def core(self) -> Any:
        """The causal language model itself."""
        return self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model

    @property
    def packed(self) -> bool:
        return bool(self.core.config._attn_implementation == attention.NAME)


def fresh(shape: Shape, texts: Iterable[str], seed: int) -> Opened:
    """A Qwen3 of random values with a tokenizer learned from `texts`."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    words = tokenizer.learned(texts, shape.vocab, shape.context)
    config = Qwen3Config(
        vocab_size=shape.vocab,
        hidden_size=shape.width,
        intermediate_size=shape.ffn,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=shape.head,
        max_position_embeddings=shape.context,
        rope_parameters={"rope_type": "default", "rope_theta": shape.rope},
        tie_word_embeddings=True,
        use_cache=False,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
        bos_token_id=None,
    )
    torch.manual_seed(seed)
    model = Qwen3ForCausalLM(config)
    model.set_attn_implementation(attention.register())
    return Opened(model, words)


def opened(base: Path, recipe: Recipe, method: Method, *, packed: bool = True) -> Opened:
    """A published model, or one that an earlier stage wrote. Raises InputError, ConfigError.

    `packed`: its attention is told of the texts in a row, where its kind can be; else it takes batches.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer

    check_folder(base)
    try:
        words = AutoTokenizer.from_pretrained(base, local_files_only=True, trust_remote_code=False)
        dtype = torch.float32 if method is Method.FULL else torch.bfloat16
        model = AutoModelForCausalLM.from_pretrained(
            base,
            local_files_only=True,
            trust_remote_code=False,
            dtype=dtype,
            use_safetensors=True,
            **_quantised(base, method),
        )
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as exc:
        said = (str(exc) or type(exc).__name__).splitlines()[0]
        remedy = "give the folder of a model in safetensors, as its publisher has it"
        raise InputError(f"transformers cannot load it: {said}", where=str(base), remedy=remedy) from exc
    if recipe.base.template == "chatml":
        _chatml(words, str(base))
    template.check(words, str(base))
    model.config.use_cache = False
    if packed and model.config.model_type in PACKED and not getattr(model.config, "use_sliding_window", False):
        model.set_attn_implementation(attention.register())
    return Opened(model, words)


def adapted(base: Opened, lora: Lora, method: Method, seed: int) -> Opened:
    """With new low-rank adapters; nothing else of it learns."""
    import torch
    from peft import get_peft_model, prepare_model_for_kbit_training

    model = base.model
    if method is Method.QLORA:
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    torch.manual_seed(seed)
    found = get_peft_model(model, adapters(lora, method))
    for weights in found.parameters():
        if weights.requires_grad:
            weights.data = weights.data.float()
    return Opened(found, base.tokenizer)


def adapters(lora: Lora, method: Method) -> Any:
    """As PEFT is told of them; None where every weight learns."""
    if method is Method.FULL:
        return None
    from peft import LoraConfig

    targets: Any = "all-linear" if lora.targets == "all-linear" else ["q_proj", "k_proj", "v_proj", "o_proj"]
    return LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=targets, task_type="CAUSAL_LM"
    )


def check_folder(base: Path) -> None:
    """Raises InputError."""
    if (base / "adapter_config.json").is_file():
        raise InputError("an adapter, and no model", where=str(base), remedy="merge it into its base first")
    if not (base / "config.json").is_file():
        remedy = "give --base the folder of a model, fetched beforehand: nothing is downloaded here"
        raise InputError("no model's folder: it has no config.json", where=str(base), remedy=remedy)


def _quantised(base: Path, method: Method) -> dict[str, Any]:
    """How weights are held. Through those in MXFP4, as gpt-oss is published, nothing learns: they are unpacked."""
    if _published_in(base) == "mxfp4":
        if method is Method.QLORA:
            what = 'method = "qlora" cannot hold a base in NF4 that is published in MXFP4'
            raise ConfigError(what, where=str(base), remedy='set method = "lora"')
        from transformers import Mxfp4Config

        return {"quantization_config": Mxfp4Config(dequantize=True)}
    return _nf4() if method is Method.QLORA else {}


def _published_in(base: Path) -> str:
    """How its weights are quantised, "" where they are not. Raises ValueError."""
    match json.loads((base / "config.json").read_bytes()):
        case {"quantization_config": {"quant_method": str(method)}}:
            return method
    return ""


def _nf4() -> dict[str, Any]:
    try:
        import bitsandbytes  # noqa: F401
    except ModuleNotFoundError as exc:
        raise ConfigError('method = "qlora" needs bitsandbytes', remedy="pip install 'vedette[qlora]'") from exc
    import torch
    from transformers import BitsAndBytesConfig

    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    return {"quantization_config": config}


def _chatml(words: Any, place: str) -> None:
    """Vedette's template, where the vocabulary has its marks."""
    missing = [mark for mark in template.MARKS if mark not in words.get_vocab()]
    if missing:
        what = f'its vocabulary lacks {", ".join(missing)}, which the template "chatml" needs'
        raise InputError(what, where=place, remedy='set [base] template = "own"')
    words.chat_template = template.chatml()
    words.eos_token = template.MARKS[-1]
    words.pad_token = words.pad_token or template.MARKS[0]
