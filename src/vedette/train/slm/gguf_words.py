"""A tokenizer as GGUF has it. llama.cpp splits text by code of its own: only splits that it knows are written."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from vedette.errors import InputError
from vedette.train.slm.dense import OTHERS

NORMAL, CONTROL, USER, UNUSED = 1, 3, 4, 5  # ggml's token types

_WORD = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN = _WORD + r"\p{N}" + _REST
# Split before bytes, whether a token is taken whole where the vocabulary has it → llama.cpp's name
KNOWN = {
    (QWEN, False): "qwen2",
    (_WORD + r"\p{N}{1,3}" + _REST, True): "llama-bpe",
    ("", False): "gpt-2",
}
_SECTION = re.compile(r"\{%([-+]?)\s*(end)?generation\s*([-+]?)%\}")


@dataclass(frozen=True, slots=True)
class Words:
    pre: str
    tokens: list[str]
    kinds: list[int]
    merges: list[str]
    special: dict[str, int]  # bos, eos, eot, pad → id
    adds: tuple[bool, bool]  # a bos before a text, an eos behind it
    template: str
    normalised: bool  # text is brought into Unicode's form C first, which llama.cpp does not do

    @property
    def ends(self) -> list[str]:
        """The marks that end an answer."""
        ids = dict.fromkeys(self.special[name] for name in ("eos", "eot", "pad") if name in self.special)
        return [self.tokens[number] for number in ids if self.kinds[number] == CONTROL]


def words(tokenizer: Any, rows: int, ends: list[int], place: str) -> Words:
    """`rows`: of the embedding matrix; `ends`: ids that end an answer, as the model's configuration has them.

    Raises InputError that says what llama.cpp would do otherwise.
    """
    told = json.loads(tokenizer.backend_tokenizer.to_str())
    pre = _pre(told, place)
    tokens, kinds = _tokens(told, rows, place)
    return Words(
        pre=pre,
        tokens=tokens,
        kinds=kinds,
        merges=[merge if isinstance(merge, str) else " ".join(merge) for merge in told["model"]["merges"]],
        special=_special(tokenizer, ends),
        adds=_adds(tokenizer, place),
        template=plain(template(tokenizer, place)),
        normalised=told["normalizer"] is not None,
    )


def template(tokenizer: Any, place: str) -> str:
    found = tokenizer.chat_template
    if isinstance(found, dict):
        found = found.get("default")
    if not found:
        remedy = "train it first, or put the chat_template.jinja that it was trained with into the folder"
        raise InputError("it has no chat template", where=place, remedy=remedy)
    return str(found)


def plain(jinja: str) -> str:
    """Without the marks of what is trained on, which llama.cpp does not know; white space is cut where it was."""
    return _SECTION.sub(lambda m: f"{{%{m[1]} {'endif' if m[2] else 'if true'} {m[3]}%}}", jinja)


def _pre(told: dict[str, Any], place: str) -> str:
    model, normaliser = told["model"], told["normalizer"]
    if model.get("type") != "BPE" or any(model.get(key) for key in _UNKNOWN):
        odd = [key for key in _UNKNOWN if model.get(key)] or [str(model.get("type"))]
        raise InputError(f"a tokenizer of another kind than byte-level pairs: {odd[0]}", where=place, remedy=OTHERS)
    if normaliser not in (None, {"type": "NFC"}):
        what = f"its tokenizer changes text first: {json.dumps(normaliser)[:200]}"
        raise InputError(what, where=place, remedy=OTHERS)
    split = _split(told["pre_tokenizer"])
    found = KNOWN.get((split, bool(model.get("ignore_merges")))) if split is not None else None
    if found is None:
        what = f"llama.cpp has no name for its pre-tokenizer: {json.dumps(told['pre_tokenizer'])[:300]}"
        raise InputError(what, where=place, remedy=OTHERS)
    return found


_UNKNOWN = ("byte_fallback", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk")


def _split(pre: dict[str, Any] | None) -> str | None:
    """The pattern that text is split by before its bytes; "" for GPT-2's, which ByteLevel has; None for another way."""
    parts = (pre or {}).get("pretokenizers", [pre])
    *before, last = [{} if part is None else part for part in parts]
    if last.get("type") != "ByteLevel" or last.get("add_prefix_space"):
        return None
    if not before:
        return "" if last.get("use_regex", True) else None
    first = before[0]
    plain = first.get("type") == "Split" and first.get("behavior") == "Isolated" and not first.get("invert")
    if len(before) > 1 or not plain or last.get("use_regex", True):
        return None
    pattern = first.get("pattern", {}).get("Regex")
    return str(pattern) if pattern else None


def _tokens(told: dict[str, Any], rows: int, place: str) -> tuple[list[str], list[int]]:
    by_id = {number: token for token, number in told["model"]["vocab"].items()}
    added = {one["id"]: one for one in told["added_tokens"]}
    if (most := max([*by_id, *added], default=-1)) >= rows:
        what = f"its tokenizer has ids up to {most:,}, and its embeddings have {rows:,} rows"
        raise InputError(what, where=place, remedy="save the tokenizer that belongs to the weights")
    for one in added.values():
        if odd := [key for key in ("lstrip", "rstrip", "single_word") if one.get(key)]:
            what = f"the token '{one['content']}' has {odd[0]}, which llama.cpp does not do"
            raise InputError(what, where=place, remedy=OTHERS)
    tokens = [added[n]["content"] if n in added else by_id.get(n, f"[PAD{n}]") for n in range(rows)]
    kinds = [_kind(added.get(n), n in by_id) for n in range(rows)]
    _bytes_only([token for token, kind in zip(tokens, kinds, strict=True) if kind == NORMAL], place)
    return tokens, kinds


def _kind(added: dict[str, Any] | None, known: bool) -> int:
    if added is not None:
        return CONTROL if added["special"] else USER
    return NORMAL if known else UNUSED


def _bytes_only(tokens: list[str], place: str) -> None:
    from tokenizers.pre_tokenizers import ByteLevel

    letters = set(ByteLevel.alphabet())
    if odd := next((token for token in tokens if not letters.issuperset(token)), None):
        raise InputError(f"its token '{odd}' does not stand for bytes", where=place, remedy=OTHERS)


def _special(tokenizer: Any, ends: list[int]) -> dict[str, int]:
    """GGUF has room for one more end of an answer; llama.cpp knows the usual ones by their text."""
    eos = tokenizer.eos_token_id
    others = [number for number in ends if number != eos]
    known = {"bos": tokenizer.bos_token_id, "eos": eos, "pad": tokenizer.pad_token_id}
    if eos is None and others:
        known["eos"] = others.pop(0)
    known["eot"] = others[0] if others else None
    return {name: int(number) for name, number in known.items() if number is not None}


def _adds(tokenizer: Any, place: str) -> tuple[bool, bool]:
    bare, full = (tokenizer.encode("a", add_special_tokens=special) for special in (False, True))
    before, after = full[: full.index(bare[0])], full[full.index(bare[0]) + len(bare) :]
    if before not in ([], [tokenizer.bos_token_id]) or after not in ([], [tokenizer.eos_token_id]):
        what = f"its tokenizer puts {before} before a text and {after} behind it"
        raise InputError(what, where=place, remedy=OTHERS)
    return bool(before), bool(after)
