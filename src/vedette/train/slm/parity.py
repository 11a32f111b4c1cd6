"""Does an exported file say the same as transformers? Template, tokens, probabilities and greedy answers, side by side.

transformers computes in 32 bits from the folder's weights. So does llama.cpp's attention here, which would else keep
keys and values in 16 bits: what differs is the file's doing.
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import msgspec

from vedette.errors import EngineError, InputError
from vedette.train.slm import hf

if TYPE_CHECKING:
    import numpy as np

    from vedette.engine.backends.openai import Served
    from vedette.train.slm.gguf_words import Words

PROMPTS = Path(__file__).with_name("parity_prompts.jsonl")
TOKENS = 24  # of a greedy answer
LIKELIEST = 10  # tokens of a place whose log-probabilities are compared
END = -1  # in an answer's ids: a mark that ends it
REMEDY = "nothing was kept: report it, with the architecture; --check 0 leaves the comparison out"


class Prompt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    messages: list[dict[str, str]]


class Limit(msgspec.Struct, frozen=True):
    """What a file has to keep, or it is not finished. Differences of log-probabilities, which are natural."""

    mean: float
    largest: float | None = None
    text: bool = False  # the same greedy answer to each prompt, or another one from a tie on


LIMITS = {
    "F32": Limit(mean=0.0002, largest=0.002, text=True),
    "F16": Limit(mean=0.005, largest=0.05, text=True),
    "BF16": Limit(mean=0.05, largest=0.25, text=True),
    "Q8_0": Limit(mean=0.1),
}
COARSE = Limit(mean=2.0)  # Q4_0 and K-quants: that the file is no nonsense


@dataclass(frozen=True, slots=True)
class Asked:
    """What transformers makes of a prompt."""

    id: str
    messages: list[dict[str, str]]
    text: str  # rendered
    ids: list[int]
    answer: list[int]
    logs: np.ndarray[Any, Any]  # (steps, vocabulary) log-probabilities along the answer


@dataclass(frozen=True, slots=True)
class Reference:
    asked: list[Asked]
    filler: int  # id of a token of one letter
    words: Words | None  # where they are known

    @property
    def context(self) -> int:
        """Tokens that the longest prompt and its answer need."""
        return max(len(one.ids) for one in self.asked) + TOKENS + 8


class Measured(msgspec.Struct):
    """Of one file; all but `n` and the differences are counts of prompts."""

    file: str
    kind: str
    n: int
    template: int = 0  # rendered to the same bytes
    tokens: int = 0  # the same ids
    unnormalised: int = 0  # others whose text is not in Unicode's form C, which llama.cpp leaves as it is
    first: int = 0  # the same first token
    text: int = 0  # the same greedy answer
    ties: int = 0  # another answer, from a token on that was as likely as this one within the limit
    places: int = 0  # positions whose probabilities were compared
    compared: int = 0  # log-probabilities
    largest: float = 0.0
    mean: float = 0.0
    differ: list[str] = []  # what differs, by prompt


@cache
def prompts() -> tuple[Prompt, ...]:
    lines = PROMPTS.read_bytes().splitlines()
    return tuple(msgspec.json.decode(line, type=Prompt) for line in lines)


def reference(
    folder: Path, tokenizer: Any, words: Words | None, some: Sequence[Prompt], adapter: Path | None = None
) -> Reference:
    """Prompts that do not fit the model's context are left out. Raises InputError where transformers cannot load it."""
    model = _model(folder, adapter)
    ends = {*hf.ends(folder), tokenizer.eos_token_id, tokenizer.pad_token_id} - {None}
    room = model.config.max_position_embeddings - TOKENS
    found = []
    for prompt in some:
        text = tokenizer.apply_chat_template(prompt.messages, tokenize=False, add_generation_prompt=True)
        ids = tokenizer.encode(text, add_special_tokens=False)
        if len(ids) <= room:
            found.append(Asked(prompt.id, prompt.messages, text, ids, *_greedy(model, ids, sorted(ends))))
    if not found:
        raise InputError("no prompt fits its context", where=str(folder), remedy="export it with --check 0")
    return Reference(found, tokenizer.encode("a", add_special_tokens=False)[0], words)


def measured(file: Path, kind: str, told: Reference, threads: int = 0, adapter: Path | None = None) -> Measured:
    """Of a model's file, or of an adapter's on top of it.

    Raises InputError where llama.cpp cannot load it, ConfigError where it is not installed, EngineError.
    """
    return asyncio.run(_measured(file, kind, told, threads, adapter))


def short(found: Measured) -> list[str]:
    """In what it falls short of the limits."""
    limit = LIMITS.get(found.kind, COARSE)
    wrong = {
        f"{found.n - found.template} of {found.n} prompts are rendered otherwise": found.template < found.n,
        f"{found.n - _same(found)} of {found.n} prompts have other tokens": _same(found) < found.n,
        f"{found.text} of {found.n} answers are the same": limit.text and found.text + found.ties < found.n,
        f"log-probabilities differ by {found.mean:.2g} on average": found.mean > limit.mean,
        f"log-probabilities differ by up to {found.largest:.2g}": found.largest > (limit.largest or float("inf")),
    }
    return [what for what, short in wrong.items() if short]


def _same(found: Measured) -> int:
    return found.tokens + found.unnormalised


def _model(folder: Path, adapter: Path | None) -> Any:
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, dtype=torch.float32, use_safetensors=True
        )
        if adapter is not None:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, adapter)
    except (OSError, ValueError, KeyError, RuntimeError) as exc:
        said = str(exc).splitlines()[0]
        raise InputError(f"transformers cannot load it: {said}", where=str(folder), remedy=hf.WHOLE) from exc
    return model.eval().to("cuda" if torch.cuda.is_available() else "cpu")


def _greedy(model: Any, ids: list[int], ends: Sequence[int]) -> tuple[list[int], np.ndarray[Any, Any]]:
    import torch
    from transformers import GenerationConfig

    wanted = GenerationConfig(
        do_sample=False, max_new_tokens=TOKENS, eos_token_id=list(ends) or None, pad_token_id=next(iter(ends), None),
        output_logits=True, return_dict_in_generate=True,
    )  # fmt: skip
    prompt = torch.tensor([ids], device=model.device)
    with torch.inference_mode():
        out = model.generate(prompt, attention_mask=torch.ones_like(prompt), generation_config=wanted)
        logs = torch.cat(out.logits).float().log_softmax(-1).cpu().numpy()
    answer = out.sequences[0, len(ids) :].tolist()
    return [END if token in ends else token for token in answer], logs


async def _measured(file: Path, kind: str, told: Reference, threads: int, adapter: Path | None) -> Measured:
    from vedette.engine.backends.llamacpp import served
    from vedette.engine.backends.openai import Served

    found, differences = Measured((adapter or file).name, kind, len(told.asked)), list[float]()
    key, context, adapters = token_hex(16), -(-told.context // 256) * 256, [adapter] if adapter else []
    with served(file, context=context, threads=threads, adapters=adapters, key=key, exact=True) as address:
        engine = await Served.at(address, key=key)
        try:
            for one in told.asked:
                await _read(engine, one, told.words, found)
                differences += await _answered(engine, one, told.filler, found)
        finally:
            await engine.close()
    found.compared = len(differences)
    found.largest, found.mean = max(differences), sum(differences) / len(differences)
    return found


async def _read(engine: Served, one: Asked, words: Words | None, found: Measured) -> None:
    """The prompt, as a server renders it and cuts it into tokens."""
    text = str((await _post(engine, "/apply-template", {"messages": one.messages}))["prompt"])
    bos = words.tokens[words.special["bos"]] if words and words.adds[0] else ""  # llama.cpp puts it before the tokens
    if text.removeprefix(bos) == one.text.removeprefix(bos):
        found.template += 1
    else:
        found.differ.append(f"{one.id}: rendered otherwise")
    body = {"content": text, "add_special": True, "parse_special": True}
    ids = (await _post(engine, "/tokenize", body))["tokens"]
    if ids == one.ids:
        found.tokens += 1
    elif words and words.normalised and not unicodedata.is_normalized("NFC", text):
        found.unnormalised += 1
        found.differ.append(f"{one.id}: other tokens, as llama.cpp does not bring text into Unicode's form C")
    else:
        found.differ.append(f"{one.id}: other tokens")


async def _likely(engine: Served, one: Asked, filler: int) -> list[dict[int, float]]:
    """The likeliest tokens' log-probabilities at each place of transformers' answer.

    llama.cpp leaves out those of a token that ends inside a character: it is made to say another one.
    """
    found = []
    for step in range(len(one.logs)):
        wanted = {"n_predict": 1, "n_probs": LIKELIEST, "logit_bias": [[filler, 1_000.0]]}
        reply = await _completed(engine, one.ids + one.answer[:step], wanted)
        place = reply["completion_probabilities"][0]
        found.append({top["id"]: top["logprob"] for top in place["top_logprobs"]})
    return found


async def _answered(engine: Served, one: Asked, filler: int, found: Measured) -> list[float]:
    """Differences of log-probabilities along the answer."""
    reply = await _completed(engine, one.ids, {"n_predict": TOKENS, "return_tokens": True})
    answer = [*reply["tokens"][:-1], END] if reply["stop_type"] == "eos" else reply["tokens"]
    likely = await _likely(engine, one, filler)
    found.first += max(likely[0], key=likely[0].__getitem__) == int(one.logs[0].argmax())
    if answer == one.answer:
        found.text += 1
    else:
        step = next((n for n, (ours, theirs) in enumerate(zip(answer, one.answer, strict=False)) if ours != theirs), 0)
        found.ties += _tie(one, step, likely[step], found.kind)
        found.differ.append(f"{one.id}: another answer from token {step + 1} on")
    found.places += len(likely)
    return [abs(log - float(one.logs[step, token])) for step, some in enumerate(likely) for token, log in some.items()]


async def _completed(engine: Served, ids: list[int], wanted: dict[str, Any]) -> dict[str, Any]:
    """The likeliest tokens after these; with the adapter, where there is one."""
    names = engine.identity.adapters
    lora = {"lora": [{"id": number, "scale": 1.0} for number, _ in enumerate(names)]} if names else {}
    return await _post(engine, "/completion", {"prompt": ids, "temperature": 0, "cache_prompt": True, **wanted, **lora})


def _tie(one: Asked, step: int, likely: dict[int, float], kind: str) -> bool:
    """Were both tokens as likely, so far as the limit can tell?"""
    largest = LIMITS.get(kind, COARSE).largest
    logs = one.logs[step]
    return largest is not None and bool(logs.max() - logs[max(likely, key=likely.__getitem__)] <= 2 * largest)


async def _post(engine: Served, path: str, body: dict[str, Any]) -> dict[str, Any]:
    found = await engine.get(path, body)
    if not isinstance(found, dict):
        raise EngineError(f"no answer to {path}", where=engine.identity.name, remedy="use a newer xllamacpp")
    return found
