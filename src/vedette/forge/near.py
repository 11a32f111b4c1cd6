"""Near duplicates: texts that have most of their 5-grams of words in common.

MinHash (rensa, the extra `forge`) proposes pairs, and their Jaccard index is then counted, so that no pair is claimed
that is none; of pairs at 0.8 it overlooks one in ten thousand. Templates make examples alike by design: their own words
are left out of what is compared, and what they put in remains.
"""

from __future__ import annotations

import hashlib
import string
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.util import find_spec
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from vedette.errors import ConfigError
from vedette.forge import wording
from vedette.overlap import words

GRAM = 5
PERMUTATIONS, OVERLOOKED = 120, 0.001  # at most, of pairs at the threshold
MISSING = "not looked for: rensa is not installed (pip install 'vedette[forge]')"
Grams = tuple[str, ...]  # each once, in the order of the text


def installed() -> bool:
    return find_spec("rensa") is not None


def grams(task: str, template: str, *texts: str) -> Grams:
    """Of what templates put in; `template` as in `Example.wording`, "" where a model found the words."""
    literal = _literal(template.partition("#")[0], task.partition("/")[2])
    told = [word for text in texts for word in words(text) if word not in literal]
    last = max(1, len(told) - GRAM + 1)
    return tuple(dict.fromkeys(" ".join(told[n : n + GRAM]) for n in range(last))) if told else ()


@cache
def _literal(name: str, task: str) -> frozenset[str]:
    """The words of a task's templates themselves; none where it has no templates."""
    try:
        own = wording.load(name.rpartition(".v")[0]).tasks.get(task) if name else None
    except ConfigError:
        own = None
    parse = string.Formatter().parse
    said = (part[0] for one in (*own.ask, *own.say) for part in parse(one)) if own else ()
    return frozenset(chain.from_iterable(map(words, said)))


class Pool:
    """Texts that others can be near to. The same seed proposes the same pairs."""

    def __init__(self, threshold: float, seed: int) -> None:
        from rensa import RMinHash, RMinHashLSH

        self._sketch, self._index = RMinHash, RMinHashLSH(threshold, PERMUTATIONS, bands(threshold))
        self._threshold, self._seed = threshold, seed
        self._known: dict[int, NDArray[np.int64]] = {}

    def add(self, number: int, told: Grams) -> None:
        if told:
            self._known[number] = _hashed(told)
            self._index.insert(number, self._sketched(told))

    def near(self, told: Grams) -> list[int]:
        """Numbers of those that it is near to, itself too where it was added."""
        if not told:
            return []
        own = _hashed(told)
        proposed = sorted(set(self._index.query(self._sketched(told))))
        return [number for number in proposed if _jaccard(own, self._known[number]) >= self._threshold]

    def _sketched(self, told: Grams) -> object:
        sketch = self._sketch(PERMUTATIONS, self._seed)
        sketch.update(told)
        return sketch


def bands(threshold: float) -> int:
    """As few as overlook next to nothing: r rows a band overlook a pair with (1 − Jʳ)^(permutations / r)."""
    enough = (PERMUTATIONS // r for r in (5, 4, 3, 2) if (1 - threshold**r) ** (PERMUTATIONS // r) <= OVERLOOKED)
    return next(enough, PERMUTATIONS)


def _hashed(told: Grams) -> NDArray[np.int64]:
    return np.unique(np.fromiter(map(hash, told), np.int64, len(told)))


def _jaccard(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    common = len(np.intersect1d(one, other, assume_unique=True))
    return common / (len(one) + len(other) - common)


def copies(texts: Iterable[tuple[str, Grams]], threshold: float, seed: int) -> frozenset[str]:
    """Ids of those that are near to one that stays. Which one stays is the seed's choice, whatever their order."""
    pool, left = Pool(threshold, seed), []
    for number, (uid, told) in enumerate(sorted(texts, key=lambda one: (_luck(one[0], seed), one))):
        if pool.near(told):
            left.append(uid)
        else:
            pool.add(number, told)
    return frozenset(left)


def _luck(uid: str, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed} near {uid}".encode(), digest_size=8).digest()


class Sides:
    """Near duplicates on both sides of the split. All of dev is added first, then everything is compared with it."""

    def __init__(self, threshold: float, seed: int) -> None:
        self._pool = Pool(threshold, seed)
        self._asked: dict[int, frozenset[str]] = {}
        self._learned: set[int] = set()  # dev ones near to a train one
        self._pairs: list[tuple[int, int]] = []  # of dev ones
        self.moved = 0

    def add_dev(self, number: int, asked: Sequence[str], told: Grams) -> None:
        """`asked`: those of its objects for which it stands on the dev side."""
        self._asked[number] = frozenset(asked)
        self._pool.add(number, told)

    def compare(self, number: int, told: Grams) -> None:
        found = [other for other in self._pool.near(told) if other != number]
        if number in self._asked:
            self._pairs += ((number, other) for other in found)
        else:
            self._learned.update(found)

    def released(self) -> frozenset[str]:
        """Objects that go to the train side, so that no pair is left on both; `moved` examples go with them.

        To that side, as it can always be done: an example is dev for any one of its objects, and releasing all of them
        takes nothing from train. The other way would draw more and more of train over to dev.
        """
        released: set[str] = set()
        learned = self._learned
        while learned:
            released.update(*(self._asked[number] for number in learned))
            gone = {number for number, asked in self._asked.items() if asked <= released}
            learned = {one for pair in self._pairs for one, other in (pair, pair[::-1]) if other in gone} - gone
        self.moved = sum(asked <= released for asked in self._asked.values())
        return frozenset(released)
