"""Words → passages, for bm25 over all passages in a few milliseconds.

SQLite's FTS5 finds rows as fast but needs 2 µs a row to rank them: 60 ms for a word that 30,000 passages have. So its
tokenizer (unicode61, Porter's stems) is used, and ranking is a sum over arrays. A stem is kept as its 32-bit checksum:
two stems that share one are rare and only add noise to a score.
"""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

TITLE = 2  # how often a word of the title counts
K1, B = 1.2, 0.75  # Robertson and Zaragoza, The Probabilistic Relevance Framework, 2009
EVERYWHERE = 0.3  # share of passages; a word in more of them says nothing
REMEMBERED = 300_000  # words whose stems are known
MOST = 255  # occurrences that are counted

_WORDS = re.compile(r"[^\W_]+")
_COMPOUNDS = re.compile(r"(?<![^\W_])([^\W\d_]+)[-/](\d{1,3})(?![^\W_])")


def find_words(text: str) -> list[str]:
    """In lower case. What is written "HTTP/2" or "SHA-1" is found as "http2" and "sha1", too."""
    lowered = text.lower()
    return _WORDS.findall(lowered) + [name + number for name, number in _COMPOUNDS.findall(lowered)]


class Stemmer:
    """Stems by SQLite, many words at once, as checksums."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}
        self._db = sqlite3.connect(":memory:", isolation_level=None)
        self._db.execute(
            "CREATE VIRTUAL TABLE w USING fts5(word, content='', tokenize='porter unicode61 remove_diacritics 2')"
        )
        self._db.execute("CREATE VIRTUAL TABLE v USING fts5vocab(w, instance)")

    def learn(self, words: Iterable[str]) -> None:
        if len(self._known) > REMEMBERED:
            self._known.clear()
        fresh = [word for word in words if word not in self._known]
        self._db.execute("INSERT INTO w (w) VALUES ('delete-all')")
        self._db.executemany("INSERT INTO w (rowid, word) VALUES (?, ?)", enumerate(fresh))
        stems = dict(self._db.execute("SELECT doc, term FROM v"))
        for number, word in enumerate(fresh):
            self._known[word] = crc32(stems.get(number, word).encode("utf-8", "surrogatepass"))

    def terms(self, words: Iterable[str]) -> list[int]:
        return [self._known[word] for word in words]


_ours = threading.local()


def stemmer() -> Stemmer:
    """Each thread has its own."""
    if not hasattr(_ours, "stemmer"):
        _ours.stemmer = Stemmer()
    found: Stemmer = _ours.stemmer
    return found


# A posting is 64 bits: the stem's checksum (32), the passage's place among all (24), how often the word is there (8).
Packed: TypeAlias = "NDArray[np.uint64]"
PLACES = 1 << 24
_PLACE, _STEM = np.uint64(8), np.uint64(32)


@dataclass(frozen=True, slots=True)
class Terms:
    """Of a batch of n passages; the places in `postings` are those in the batch."""

    postings: Packed
    lengths: NDArray[np.uint16]  # (n,) words of each passage, its title's too


def terms_of(passages: Sequence[tuple[str, str]]) -> Terms:
    """`passages`: title and text of each."""
    split = [find_words(title) * TITLE + find_words(text) for title, text in passages]
    stems = stemmer()
    stems.learn({word for words in split for word in words})
    lengths = np.array([len(words) for words in split], np.int64)
    flat = np.array([stem for words in split for stem in stems.terms(words)], np.uint64)
    keys, often = np.unique(
        (flat << _STEM) | np.repeat(np.arange(len(split)), lengths).astype(np.uint64), return_counts=True
    )
    stem, place = keys >> _STEM << _STEM, keys & np.uint64(0xFFFFFFFF)
    packed = stem | place << _PLACE | np.minimum(often, MOST).astype(np.uint64)
    return Terms(packed, np.minimum(lengths, 65_535).astype(np.uint16))


def moved(postings: Packed, places: NDArray[np.int64]) -> Packed:
    """The same postings where place i is now `places[i]`; those with a negative one are left out."""
    now = places[(postings >> _PLACE).astype(np.int64) & (PLACES - 1)]
    kept = now >= 0
    stays = np.uint64(0xFFFFFFFF000000FF)
    result: Packed = (postings[kept] & stays) | now[kept].astype(np.uint64) << _PLACE
    return result


def read_all(connection: sqlite3.Connection, now: NDArray[np.int64] | None = None) -> Packed:
    """What the table holds; with `now`, where place i is now `now[i]`, as in `moved`."""
    (total,) = connection.execute("SELECT coalesce(sum(length(often)), 0) FROM posting").fetchone()
    whole, end = np.empty(total, np.uint64), 0
    for term, passages, often in connection.execute("SELECT term, passages, often FROM posting"):
        places = np.frombuffer(passages, np.int32).astype(np.uint64)
        part = np.uint64(term << 32) | places << _PLACE | np.frombuffer(often, np.uint8)
        part = part if now is None else moved(part, now)
        whole[end : end + len(part)] = part
        end += len(part)
    return whole[:end]


def write_all(connection: sqlite3.Connection, postings: Packed) -> None:
    """The table anew. Sorts `postings` in place."""
    connection.execute("DELETE FROM posting")
    postings.sort()
    terms = (postings >> _STEM).astype(np.uint32)
    starts = np.flatnonzero(np.diff(terms, prepend=terms[:1] + np.uint32(1)))
    ends = np.append(starts, len(terms))[1:]
    connection.executemany(
        "INSERT INTO posting VALUES (?, ?, ?)",
        (_row(int(terms[a]), postings[a:b]) for a, b in zip(starts.tolist(), ends.tolist(), strict=True)),
    )


def _row(term: int, postings: Packed) -> tuple[int, bytes, bytes]:
    places = ((postings >> _PLACE) & np.uint64(PLACES - 1)).astype(np.int32)
    return term, places.tobytes(), postings.astype(np.uint8).tobytes()


class Ranker:
    """bm25 over all passages of an open store."""

    def __init__(self, connection: sqlite3.Connection, lengths: NDArray[np.uint16]) -> None:
        self._db, self._count = connection, len(lengths)
        mean = (float(lengths.mean()) if len(lengths) else 0.0) or 1.0
        self._norm = (K1 * (1 - B + B * lengths / mean)).astype(np.float32)

    def scores(self, words: Sequence[str]) -> NDArray[np.float32]:
        """One for each passage, in the order of their numbers; 0 for those without any of the words."""
        scores = np.zeros(self._count, np.float32)
        stems = stemmer()
        stems.learn(words)
        found = [self._posting(term) for term in dict.fromkeys(stems.terms(words))]
        known = [pair for pair in found if pair]
        telling = [pair for pair in known if len(pair[0]) <= EVERYWHERE * self._count] or known
        for places, often in telling:
            weight = np.float32(np.log1p((self._count - len(places) + 0.5) / (len(places) + 0.5)) * (K1 + 1))
            scores[places] += weight * often / (often + self._norm[places])
        return scores

    def _posting(self, term: int) -> tuple[NDArray[np.int32], NDArray[np.float32]] | None:
        row = self._db.execute("SELECT passages, often FROM posting WHERE term = ?", (term,)).fetchone()
        if row is None:
            return None
        return np.frombuffer(row[0], np.int32), np.frombuffer(row[1], np.uint8).astype(np.float32)
