"""Stage 6: examples ordered from simple to complex, capped, split by what they are about, and written out.

`train.jsonl` and `dev.jsonl` hold chat messages, one example a line, as TRL, Axolotl and LLaMA-Factory read them; the
Parquet files beside them hold the same. The card and the manifest are written last: without a manifest it is no result.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from os import SEEK_END
from pathlib import Path
from random import Random
from typing import IO, Any, Literal

import msgspec
import orjson
from arro3.core import Array, DataType, Table
from arro3.io import write_parquet
from pydantic import Field

from vedette.config import Settings
from vedette.errors import InputError
from vedette.forge.example import Example
from vedette.forge.near import Grams, Sides, grams
from vedette.manifest import output_error
from vedette.split import dev_objects

SIDES = ("train", "dev")


class Mix(Settings):
    """How much of what, in which order."""

    total: int = 0  # examples on the train side; 0: all
    temperature: float = 1.0  # shares of tasks ∝ their number to this power: below 1 small tasks gain
    curriculum: bool = True  # simple ones first; else shuffled
    near: float = Field(
        default=0.0, ge=0, le=1, description="Jaccard index from which two texts are near duplicates; 0: not looked for"
    )
    replay: str = ""  # path of a JSONL of general chat messages, {"messages": […]} a line, that is mixed in
    replay_share: float = Field(default=0.1, ge=0, lt=1, description="of all rows to train on")


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the output."""

    messages: tuple[Mapping[str, str], ...]
    id: str
    task: str
    kind: str
    difficulty: int
    final: str
    objects: tuple[str, ...]
    sources: tuple[str, ...]  # "T1003 attack/enterprise 2025-11-12"
    wording: str
    outcome: str = ""  # of the later stages, where there were some
    licence: str = ""  # of its sources, each once
    parent: str = ""  # of one that was evolved: the id of the other one, and how
    way: str = ""
    spans: tuple[str, ...] = ()  # passages that it rests on: "T1003 attack/enterprise description 0-310", "a.md:12-18"
    consent: str = ""  # of an organisation's own knowledge: who allowed that it is trained on


@dataclass(frozen=True, slots=True)
class _Place:
    side: str
    asked: tuple[str, ...]  # the objects that it is on the dev side for
    task: str
    difficulty: int
    luck: float
    start: int
    length: int


def line(example: Example, answer: str = "", outcome: str = "") -> Line:
    said = (("system", example.system), ("user", example.question), ("assistant", answer or example.answer))
    return Line(
        messages=tuple({"role": role, "content": content} for role, content in said if content),
        id=example.id,
        task=example.task,
        kind=str(example.kind),
        difficulty=example.difficulty,
        final=example.final,
        objects=example.objects,
        sources=tuple(f"{s.id} {s.unit} {s.release}".strip() for s in example.sources),
        wording=example.wording,
        outcome=outcome,
        licence="; ".join(dict.fromkeys(s.licence for s in example.sources if s.licence)),
        parent=example.parent,
        way=example.way,
        spans=example.spans,
        consent=example.consent,
    )


def write(
    lines: Iterable[Line], folder: Path, mix: Mix, *, seed: int, dev: float, near: Sides | None = None
) -> dict[str, int]:
    """Both sides; how many rows of each. The same lines and seed give the same bytes. Raises OutputError.

    With `near`, no near duplicates stand on both sides; it says how many were moved.
    """
    folder.mkdir(parents=True, exist_ok=True)
    spool = folder / ".lines.tmp"
    rng = Random(f"{seed} mix")
    try:
        with spool.open("w+b") as file:
            places = [_put(file, one, rng, seed, dev) for one in lines]
            if near:
                places = _apart(file, places, near)
            chosen = _chosen(places, mix)
            chosen += _replayed(file, sum(p.side == SIDES[0] for p in chosen), mix, rng)
            counts = {}
            for side in SIDES:
                rows = _ordered([p for p in chosen if p.side == side], mix)
                counts[side] = _write(folder / f"{side}.jsonl", _bytes(file, rows))
                parquet(folder / f"{side}.jsonl", folder / f"{side}.parquet")
    except OSError as exc:
        raise output_error(folder, exc) from exc
    finally:
        spool.unlink(missing_ok=True)
    return counts


def _put(file: IO[bytes], one: Line, rng: Random, seed: int, dev: float) -> _Place:
    asked = dev_objects(one.objects, seed, dev)
    body = orjson.dumps(msgspec.to_builtins(one)) + b"\n"
    start = file.tell()
    file.write(body)
    return _Place(SIDES[bool(asked)], asked, one.task, one.difficulty, rng.random(), start, len(body))


def _apart(file: IO[bytes], places: list[_Place], near: Sides) -> list[_Place]:
    for number, told in _told(file, places, dev_only=True):
        near.add_dev(number, places[number].asked, told)
    for number, told in _told(file, places):
        near.compare(number, told)
    released = near.released()
    return [replace(p, side=SIDES[0]) if p.asked and released.issuperset(p.asked) else p for p in places]


def _told(file: IO[bytes], places: list[_Place], dev_only: bool = False) -> Iterator[tuple[int, Grams]]:
    for number, place in enumerate(places):
        if place.asked or not dev_only:
            file.seek(place.start)
            row = orjson.loads(file.read(place.length))
            yield number, grams(row["task"], row["wording"], *(one["content"] for one in row["messages"]))


def _chosen(places: list[_Place], mix: Mix) -> list[_Place]:
    """All of dev; of train, as many of each task as its share is."""
    train: dict[str, list[_Place]] = {}
    for place in places:
        if place.side == SIDES[0]:
            train.setdefault(place.task, []).append(place)
    wanted = shares({task: len(rows) for task, rows in train.items()}, mix.total, mix.temperature)
    kept = [p for p in places if p.side != SIDES[0]]
    for task, rows in train.items():
        kept += sorted(rows, key=lambda p: p.luck)[: wanted[task]]
    return kept


class Said(msgspec.Struct, frozen=True):
    role: Literal["system", "user", "assistant"]
    content: str


class General(msgspec.Struct, frozen=True):
    """A line of general chat messages; what else it holds is not looked at."""

    messages: tuple[Said, ...]


def _replayed(file: IO[bytes], train: int, mix: Mix, rng: Random) -> list[_Place]:
    """General chat messages, as many as their share of all rows is, at every difficulty. Raises InputError."""
    if not mix.replay:
        return []
    found = [_general(mix.replay, number, raw) for number, raw in enumerate(_lines(mix.replay), 1)]
    wanted = min(len(found), round(train * mix.replay_share / (1 - mix.replay_share)))
    file.seek(0, SEEK_END)
    chosen = [msgspec.structs.replace(one, difficulty=rng.randint(1, 3)) for one in rng.sample(found, wanted)]
    return [_put(file, one, rng, 0, 0.0) for one in chosen]


def _lines(path: str) -> list[bytes]:
    try:
        return [raw for raw in Path(path).read_bytes().splitlines() if raw.strip()]
    except OSError as exc:
        what = f"general chat messages cannot be read: {exc.strerror}"
        raise InputError(what, where=path, remedy="correct [mix] replay in the recipe") from exc


def _general(path: str, number: int, raw: bytes) -> Line:
    try:
        told = msgspec.json.decode(raw, type=General).messages
        good = bool(told) and told[-1].role == "assistant" and any(one.role == "user" for one in told)
    except (msgspec.DecodeError, UnicodeDecodeError):
        good = False
    if not good:
        remedy = 'a line holds {"messages": [{"role": "user", …}, {"role": "assistant", …}]}'
        raise InputError("no chat messages", where=f"{path}:{number}", remedy=remedy)
    return Line(
        messages=tuple({"role": one.role, "content": one.content} for one in told), id=sha256(raw).hexdigest()[:16],
        task="replay/general", kind="open", difficulty=1, final="", objects=(),
        sources=(f"{Path(path).name}:{number}",),
        wording="",
    )  # fmt: skip


def shares(counts: Mapping[str, int], total: int, temperature: float) -> dict[str, int]:
    """How many of each task, `total` together where there are so many; what a small task lacks goes to the others."""
    if not total or total >= sum(counts.values()):
        return dict(counts)
    left, wanted = dict(counts), dict.fromkeys(counts, 0)
    while left and total > 0:
        weight = {task: count**temperature for task, count in left.items()}
        whole = sum(weight.values())
        full = [task for task in left if total * weight[task] / whole >= left[task]]
        for task in full:
            wanted[task] = left.pop(task)
            total -= wanted[task]
        if not full:
            wanted |= {task: round(total * weight[task] / whole) for task in left}
            break
    return wanted


def _ordered(rows: list[_Place], mix: Mix) -> list[_Place]:
    return sorted(rows, key=lambda p: (p.difficulty if mix.curriculum else 0, p.luck))


def _bytes(file: IO[bytes], rows: list[_Place]) -> Iterator[bytes]:
    for row in rows:
        file.seek(row.start)
        yield file.read(row.length)


def _write(path: Path, rows: Iterable[bytes]) -> int:
    count = 0
    with path.open("wb") as file:
        for row in rows:
            file.write(row)
            count += 1
    return count


_TEXT = DataType.string()
_COLUMNS: dict[str, Any] = {
    "question": _TEXT, "answer": _TEXT, "id": _TEXT, "task": _TEXT, "kind": _TEXT, "difficulty": DataType.int64(),
    "final": _TEXT, "objects": _TEXT, "sources": _TEXT, "wording": _TEXT, "outcome": _TEXT, "licence": _TEXT,
    "parent": _TEXT, "way": _TEXT, "spans": _TEXT, "consent": _TEXT, "messages": _TEXT,
}  # fmt: skip


def parquet(lines: Path, out: Path) -> None:
    """The JSON Lines as columns; lists and messages as JSON."""
    columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    with lines.open("rb") as file:
        for raw in file:
            row = orjson.loads(raw)
            *_, asked, last = row["messages"]
            for name in columns:
                value = {"question": asked["content"], "answer": last["content"]}.get(name, row.get(name, ""))
                columns[name].append(value if isinstance(value, str | int) else orjson.dumps(value).decode())
    arrays = [Array(values, type=_COLUMNS[name]) for name, values in columns.items()]
    write_parquet(Table.from_arrays(arrays, names=list(columns)), str(out))
