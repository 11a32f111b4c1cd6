"""The forge's rows as tokens: what is said by the model and what is not, checked before the first step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from vedette.errors import InputError
from vedette.overlap import Items
from vedette.prompts import ANSWER
from vedette.train.slm.recipe import Data
from vedette.train.slm.template import Piece, pieces

TOLD = 5  # places of each fault that a message names
BATCH = 2_000  # rows that are tokenised at once


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the forge's JSONL; what else it holds is not looked at."""

    messages: tuple[Mapping[str, str], ...]
    id: str = ""
    task: str = ""
    kind: str = ""
    final: str = ""
    difficulty: int = 1
    licence: str = ""

    @property
    def answer(self) -> str:
        return self.messages[-1]["content"]


@dataclass(slots=True)
class Tally:
    """rows read = used + the sum of `left`."""

    read: int = 0
    used: int = 0
    tokens: int = 0
    answers: int = 0  # tokens that the model learns to say
    left: dict[str, int] = field(default_factory=dict)
    places: dict[str, list[str]] = field(default_factory=dict)
    tasks: dict[str, int] = field(default_factory=dict)
    licences: dict[str, int] = field(default_factory=dict)

    def leave(self, why: str, place: str) -> None:
        _add(self.left, why)
        told = self.places.setdefault(why, [])
        if len(told) < TOLD:
            told.append(place)


@dataclass(frozen=True, slots=True)
class Tokens:
    """Rows one after the other. `starts` has one entry more than there are rows."""

    ids: NDArray[np.int32]
    own: NDArray[np.bool_]
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.starts)

    def row(self, number: int) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        part = slice(self.starts[number], self.starts[number + 1])
        return self.ids[part], self.own[part]


Step = Callable[[int], None]  # is told how many rows were read


class _Text(msgspec.Struct, frozen=True):
    text: str
    id: str = ""
    licence: str = ""


def read(
    files: Sequence[Path], wanted: Data, tally: Tally, items: Items | None = None, *, plain: bool = False
) -> Iterator[tuple[str, Row]]:
    """Usable rows with their places; `items`: what must not be learned from; `plain`: lines are {"text": …}.

    Raises InputError for a file that cannot be read.
    """
    of_task: Counter[str] = Counter()
    decode = _plain if plain else _decode
    for path in files:
        try:
            with path.open("rb") as file:
                for number, raw in enumerate(file, 1):
                    place = f"{path.name}:{number}"
                    if raw.strip() and (row := decode(raw, place, tally)) and _wanted(row, wanted, of_task):
                        tally.read += 1
                        if why := _fault(row, plain) or _touched(row, items):
                            tally.leave(why, place)
                            continue
                        of_task[row.task] += 1
                        yield place, row
        except OSError as exc:
            remedy = "give the folder that `vedette forge build` or `run` wrote"
            raise InputError(f"cannot be read: {exc.strerror}", where=str(path), remedy=remedy) from exc


def _decode(raw: bytes, place: str, tally: Tally) -> Row | None:
    try:
        return msgspec.json.decode(raw, type=Row)
    except (msgspec.DecodeError, UnicodeDecodeError):
        tally.read += 1
        tally.leave("no row of the forge", place)
        return None


def _plain(raw: bytes, place: str, tally: Tally) -> Row | None:
    try:
        told = msgspec.json.decode(raw, type=_Text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        tally.read += 1
        tally.leave('no {"text": …}', place)
        return None
    said = {"role": "assistant", "content": told.text}
    return Row(messages=(said,), id=told.id, task="text", licence=told.licence)


def _wanted(row: Row, wanted: Data, of_task: Counter[str]) -> bool:
    if wanted.tasks and not row.task.startswith(wanted.tasks):
        return False
    return not wanted.each or of_task[row.task] < wanted.each


def _touched(row: Row, items: Items | None) -> str:
    for message in row.messages if items else ():
        how, _ = items.touched(message["content"]) if items else ("", "")
        if how:
            return f"benchmark ({how})"
    return ""


def _fault(row: Row, plain: bool) -> str:
    if plain:
        return "" if row.answer.strip() else "an empty text"
    roles = [message.get("role", "") for message in row.messages]
    if not roles or set(roles) - {"system", "user", "assistant"} or roles[-1] != "assistant" or "user" not in roles:
        return "no question with an answer"
    if not all(isinstance(message.get("content"), str) for message in row.messages) or not row.answer.strip():
        return "an empty answer"
    if row.final and ANSWER in row.answer and not row.answer.rstrip().endswith(f"{ANSWER}{row.final}"):
        return "another answer than the exact one"
    if row.final and row.final not in row.answer:
        return "the exact answer is missing"
    return ""


def tokenised(
    rows: Iterator[tuple[str, Row]], tokenizer: Any, wanted: Data, tally: Tally, step: Step = lambda _: None
) -> Tokens:
    """All rows that fit. Raises InputError where one is too long and the recipe refuses that, or none is left."""
    ids: list[NDArray[np.int32]] = []
    own: list[NDArray[np.bool_]] = []
    for batch in _batches(rows):
        for (place, row), found in zip(batch, _encoded([row for _, row in batch], tokenizer), strict=True):
            if found is None:
                tally.leave("the chat template changes its prompt", place)
            elif len(found[0]) > wanted.longest:
                _too_long(len(found[0]), wanted, tally, place)
            elif not found[1].any():
                tally.leave("nothing of it is said by the model", place)
            else:
                said = np.ones_like(found[1]) if wanted.learn == "everything" else found[1]
                ids.append(found[0])
                own.append(said)
                _count(tally, row, (found[0], said))
        step(tally.read)
    if not ids:
        faults = "; ".join(f"{why}: {count:,}, first {tally.places[why][0]}" for why, count in tally.left.items())
        raise InputError(
            f"no row can be trained on, of {tally.read:,}", where=faults, remedy="check --data and [data] in the recipe"
        )
    starts = np.cumsum([0, *map(len, ids)], dtype=np.int64)
    return Tokens(np.concatenate(ids), np.concatenate(own), starts)


def _batches(rows: Iterator[tuple[str, Row]]) -> Iterator[list[tuple[str, Row]]]:
    batch: list[tuple[str, Row]] = []
    for one in rows:
        batch.append(one)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _encoded(
    rows: Sequence[Row], tokenizer: Any
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.bool_]] | None]:  # fmt: skip
    """Each piece by itself, as a server sees the prompt before there is an answer."""
    split = [_pieces(row, tokenizer) for row in rows]
    flat: list[Piece] = [piece for found in split if found for piece in found]
    tokenizer.backend_tokenizer.no_padding()  # which a publisher's file may ask for
    tokenizer.backend_tokenizer.no_truncation()
    encoded = iter(tokenizer.backend_tokenizer.encode_batch_fast([p.text for p in flat], add_special_tokens=False))
    for found in split:
        if found is None:
            yield None
            continue
        parts = [(next(encoded).ids, piece.own) for piece in found]
        yield (
            np.fromiter((uid for part, _ in parts for uid in part), np.int32),
            np.fromiter((is_own for part, is_own in parts for _ in part), np.bool_),
        )


def _pieces(row: Row, tokenizer: Any) -> list[Piece] | None:
    if len(row.messages) == 1:  # a text
        return [Piece(row.answer + (tokenizer.eos_token or ""), own=True)]
    return pieces(tokenizer, row.messages)


def _too_long(length: int, wanted: Data, tally: Tally, place: str) -> None:
    if wanted.too_long == "refuse":
        what = f"{length:,} tokens, and [data] longest is {wanted.longest:,}"
        raise InputError(what, where=place, remedy='raise `longest`, or set too_long = "leave-out"; nothing is cut')
    tally.leave(f"longer than {wanted.longest:,} tokens", place)


def _count(tally: Tally, row: Row, found: tuple[NDArray[np.int32], NDArray[np.bool_]]) -> None:
    tally.used += 1
    tally.tokens += len(found[0])
    tally.answers += int(found[1].sum())
    _add(tally.tasks, row.task)
    _add(tally.licences, row.licence)


def _add(counts: dict[str, int], what: str) -> None:
    counts[what] = counts.get(what, 0) + 1
