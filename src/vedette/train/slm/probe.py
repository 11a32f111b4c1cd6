"""Questions that a model answers while it learns, or after; only exact answers count."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from vedette.prompts import ANSWER
from vedette.train.slm import curve, template
from vedette.train.slm.attention import NAME
from vedette.train.slm.model import Opened
from vedette.train.slm.rows import Row

AT_ONCE = 64  # questions
JSON, VALID = "json-extraction", ", valid JSON"  # a kind of row; what is counted of it besides
LONGEST = 320  # tokens of an answer


def asker(asked: Sequence[Row]) -> Callable[[Opened, int], curve.Probe]:
    def probe(opened: Opened, step: int) -> curve.Probe:
        tasks: dict[str, tuple[int, int]] = {}
        total = 0
        for row, said in zip(asked, answers(opened, asked), strict=True):
            good = right(row, said)
            total += good
            _count(tasks, row.task, good)
            if row.kind == JSON:
                _count(tasks, f"{row.task}{VALID}", _json(said) is not None)
        return curve.Probe(step, total, len(asked), tasks)

    return probe


def _count(tasks: dict[str, tuple[int, int]], task: str, good: bool) -> None:
    before, all_ = tasks.get(task, (0, 0))
    tasks[task] = before + good, all_ + 1


def often(asked: Sequence[Row]) -> dict[str, float]:
    """By task: the share that the commonest answer has, which is what saying it always would get."""
    finals: dict[str, list[str]] = {}
    for row in asked:
        if row.kind != JSON:
            finals.setdefault(row.task, []).append(row.final)
    return {task: Counter(told).most_common(1)[0][1] / len(told) for task, told in finals.items()}


def right(row: Row, said: str) -> bool:
    """The row's exact answer in the last line, or equal JSON."""
    if row.kind == JSON:
        return _json(said) is not None and _json(said) == _json(row.answer)
    lines = [line for line in said.strip().splitlines() if line.startswith(ANSWER)]
    return len(lines) == 1 and said.strip().endswith(lines[0]) and lines[0] == f"{ANSWER}{row.final}"


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def answers(opened: Opened, asked: Sequence[Row], longest: int = LONGEST) -> list[str]:
    """The likeliest answer to each, in their order."""
    was_training, packed = opened.model.training, opened.packed
    opened.model.eval()
    if packed:
        opened.core.set_attn_implementation("sdpa")
    try:
        half = opened.core.device.type != "cpu"  # a small model's weights are cast anew for each token there
        with torch.no_grad(), torch.autocast(opened.core.device.type, torch.bfloat16, enabled=half):
            found = dict(_answers(opened, asked, longest))
    finally:
        if packed:
            opened.core.set_attn_implementation(NAME)
        opened.model.train(was_training)
    return [found[place] for place in range(len(asked))]


def _answers(opened: Opened, asked: Sequence[Row], longest: int) -> Iterator[tuple[int, str]]:
    words, device = opened.tokenizer, opened.core.device
    prompts = [words(template.prompt(words, row.messages[:-1]), add_special_tokens=False)["input_ids"] for row in asked]
    order = sorted(range(len(asked)), key=lambda place: len(prompts[place]))
    for start in range(0, len(order), AT_ONCE):
        some = order[start : start + AT_ONCE]
        put = {name: one.to(device) for name, one in _padded([prompts[p] for p in some], words.pad_token_id).items()}
        done = opened.core.generate(
            **put, max_new_tokens=longest, do_sample=False, use_cache=True, pad_token_id=words.pad_token_id,
            eos_token_id=words.convert_tokens_to_ids(words.eos_token),
        )  # fmt: skip
        told = words.batch_decode(done[:, put["input_ids"].shape[1] :], skip_special_tokens=True)
        yield from zip(some, told, strict=True)


def _padded(prompts: Sequence[Sequence[int]], pad: int) -> dict[str, torch.Tensor]:
    """Filled up on the left. The tokenizer itself is not set to pad: it would keep that when it is saved."""
    longest = max(map(len, prompts))
    ids = torch.tensor([[pad] * (longest - len(one)) + list(one) for one in prompts])
    seen = torch.tensor([[0] * (longest - len(one)) + [1] * len(one) for one in prompts])
    return {"input_ids": ids, "attention_mask": seen}
