"""Rows put together into packs of about the same number of tokens, in an order that a seed gives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random

import numpy as np
from numpy.typing import NDArray

OPEN = 24  # packs that are filled at once: more waste less, and mix the order more

Pack = tuple[int, ...]  # numbers of rows


def packs(lengths: NDArray[np.int64] | Sequence[int], order: Iterable[int], room: int) -> list[Pack]:
    """Every row of `order` once, in packs of at most `room` tokens; whole rows only.

    The order is kept but for the packs that are open at once.
    """
    done: list[Pack] = []
    filling: list[tuple[int, list[int]]] = []  # room left, rows
    for row in order:
        need = int(lengths[row])
        if need > room:
            raise ValueError(f"row {row} has {need} tokens, a pack {room}")
        fitting = [place for place, (left, _) in enumerate(filling) if left >= need]
        if fitting:
            place = min(fitting, key=lambda n: filling[n][0])
            left, rows = filling[place]
            filling[place] = left - need, [*rows, row]
        else:
            if len(filling) == OPEN:
                fullest = min(range(OPEN), key=lambda n: filling[n][0])
                done.append(tuple(filling.pop(fullest)[1]))
            filling.append((room - need, [row]))
    return done + [tuple(rows) for _, rows in filling]


def planned(lengths: NDArray[np.int64], *, room: int, epochs: float, seed: int, curriculum: bool) -> list[Pack]:
    """The packs of all epochs: rows in their own order, or shuffled anew in each."""
    found: list[Pack] = []
    left = epochs
    number = 0
    while left > 0:
        order = list(range(len(lengths)))
        if not curriculum:
            Random(f"{seed} epoch {number}").shuffle(order)
        one = packs(lengths, order, room)
        found += one[: max(1, round(left * len(one)))] if left < 1 else one
        left, number = left - 1, number + 1
    return found
