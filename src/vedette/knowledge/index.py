"""What search holds in memory, made from the store's rows: signs of all vectors, lengths, what filters need.

Vectors are searched in two steps: signatures of all of them (on which side of random planes through the mean they lie)
give candidates by Hamming distance, whose int8 vectors are then compared exactly.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vedette.errors import InputError
from vedette.knowledge import schema
from vedette.knowledge.postings import PLACES, Packed, Terms, moved, read_all, write_all
from vedette.knowledge.record import Kind

STEP = 20_000  # rows at once
BITS = 512  # of a vector's signature: 256 needed three times the candidates for the same recall
Floats: TypeAlias = "NDArray[np.float32]"
KINDS = tuple(Kind)


def rebuild(connection: sqlite3.Connection, fresh: list[tuple[NDArray[np.int32], Terms]]) -> None:
    """Make everything that stands for the whole store.

    `fresh`: numbers of new passages, and their words; it is used up.
    """
    for statement in schema.INDEXES.split(";"):
        connection.execute(statement)
    rows = connection.execute("SELECT number FROM passage ORDER BY number").fetchall()
    numbers = np.array(rows, np.int32).reshape(-1)
    if len(numbers) > PLACES:
        raise InputError(f"{len(numbers):,} passages are more than a store holds ({PLACES:,})", remedy="import less")
    before = dict(connection.execute("SELECT name, data FROM matrix WHERE name IN ('numbers', 'lengths')").fetchall())
    old = _places(np.frombuffer(before.get("numbers", b""), np.int32), numbers)
    lengths = np.zeros(len(numbers), np.uint16)
    lengths[old[old >= 0]] = np.frombuffer(before.get("lengths", b""), np.uint16)[old >= 0]
    parts = [read_all(connection, old)] if len(old) else []
    while fresh:  # let go of what was moved: this is where an import needs most memory
        added, terms = fresh.pop()
        places = _places(added, numbers)
        lengths[places[places >= 0]] = terms.lengths[places >= 0]
        parts.append(moved(terms.postings, places))
    write_all(connection, _joined(parts))
    connection.execute("DELETE FROM matrix")
    arrays: list[tuple[str, NDArray[Any]]] = [("numbers", numbers), ("lengths", lengths)]
    for name, data in (*arrays, *_arrays(connection)):
        connection.execute("INSERT INTO matrix VALUES (?, ?)", (name, data.tobytes()))


def _joined(parts: list[Packed]) -> Packed:
    """One after the other; `parts` is used up, so that memory holds little more than the result."""
    whole = np.empty(sum(len(part) for part in parts), np.uint64)
    end = len(whole)
    while parts:
        part = parts.pop()
        whole[end - len(part) : end] = part
        end -= len(part)
    return whole


def _places(some: NDArray[np.int32], numbers: NDArray[np.int32]) -> NDArray[np.int64]:
    """Where each of `some` stands in `numbers`, which is sorted; -1 where it is gone."""
    places = np.searchsorted(numbers, some)
    there = np.append(numbers, -1)[np.minimum(places, len(numbers))] == some
    return np.where(there, places, -1)


def _arrays(connection: sqlite3.Connection) -> Iterator[tuple[str, NDArray[Any]]]:
    mean = _mean(connection)
    turn = _turn(len(mean))
    yield "mean", mean
    yield "turn", turn
    signs = [np.zeros((0, BITS // 64), np.uint64)]
    for batch in _batches(connection, "SELECT number, code FROM passage ORDER BY number"):
        signs.append(sign_bits(unit_rows(b"".join([code for _, code in batch]), len(mean)), mean, turn))
    yield "signs", np.ascontiguousarray(np.concatenate(signs).T)
    order = {kind: place for place, kind in enumerate(KINDS)}
    rows = connection.execute(
        "SELECT p.record, r.kind, r.published FROM passage p JOIN record r ON p.record = r.number ORDER BY p.number"
    )
    table = np.array([(record, order[kind], day_number(day)) for record, kind, day in rows], np.int32).reshape(-1, 3)
    yield "records", np.ascontiguousarray(table[:, 0])
    yield "kinds", table[:, 1].astype(np.uint8)
    yield "days", np.ascontiguousarray(table[:, 2])


def _mean(connection: sqlite3.Connection) -> NDArray[np.float32]:
    """Of about every 16th vector, as float32."""
    total, count = np.zeros(0, np.float32), 0
    some = "number % 16 = (SELECT min(number) % 16 FROM passage)"
    for rows in _batches(connection, f"SELECT number, code FROM passage WHERE {some} ORDER BY number"):  # noqa: S608
        vectors = unit_rows(b"".join(code for _, code in rows), len(rows[0][1]))
        total = vectors.sum(axis=0) + (total if count else 0)
        count += len(rows)
    return (total / max(1, count)).astype(np.float32)


def _batches(connection: sqlite3.Connection, sql: str) -> Iterator[list[tuple[int, bytes]]]:
    cursor = connection.execute(sql)
    while rows := cursor.fetchmany(STEP):
        yield rows


def unit_rows(codes: bytes, dims: int) -> NDArray[np.float32]:
    """int8 codes as vectors of length 1, shape (n, dims)."""
    vectors = np.frombuffer(codes, np.int8).reshape(-1, dims).astype(np.float32)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return vectors


def sign_bits(vectors: Floats, mean: Floats, turn: Floats) -> NDArray[np.uint64]:
    """On which side of BITS planes each vector lies, shape (n, BITS / 64)."""
    return np.packbits((vectors - mean) @ turn > 0, axis=1).view(np.uint64)


def _turn(dims: int) -> Floats:
    """Random directions, orthogonal in groups of `dims`, shape (dims, BITS). Kept in the store: libraries differ."""
    random = np.random.default_rng(0)
    groups = [np.linalg.qr(random.standard_normal((dims, dims)))[0] for _ in range(-(-BITS // max(1, dims)))]
    return np.concatenate(groups, axis=1)[:, :BITS].astype(np.float32) if dims else np.zeros((0, BITS), np.float32)


def day_number(day: str) -> int:
    """An ISO date as 20260310, comparable; 0 for none."""
    return int(day.replace("-", "")) if _DAY.fullmatch(day) else 0


_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


@dataclass(frozen=True, slots=True)
class Matrix:
    """All passages, in the order of their numbers; n of them."""

    mean: Floats  # (dims,)
    turn: Floats  # (dims, BITS)
    numbers: NDArray[np.int32]
    lengths: NDArray[np.uint16]  # in words
    signs: NDArray[np.uint64]  # (BITS / 64, n)
    records: NDArray[np.int32]
    kinds: NDArray[np.uint8]  # place in KINDS
    days: NDArray[np.int32]


def load(connection: sqlite3.Connection) -> Matrix:
    data: dict[str, bytes] = dict(connection.execute("SELECT name, data FROM matrix").fetchall())
    mean = np.frombuffer(data["mean"], np.float32)
    return Matrix(
        mean,
        np.frombuffer(data["turn"], np.float32).reshape(-1, BITS),
        np.frombuffer(data["numbers"], np.int32),
        np.frombuffer(data["lengths"], np.uint16),
        np.frombuffer(data["signs"], np.uint64).reshape(BITS // 64, -1),
        np.frombuffer(data["records"], np.int32),
        np.frombuffer(data["kinds"], np.uint8),
        np.frombuffer(data["days"], np.int32),
    )
