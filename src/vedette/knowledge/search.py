"""Hybrid search: names, words (bm25) and vectors, each a ranked list of passages, fused by reciprocal rank.
Where the experts are asked, too, they name what the question tells of, and say which of the best hits read like it.

Descriptions of vulnerabilities are ranked apart from everything else, which they outnumber ten to one. A hit carries
the passage that speaks for it, with source, release and span, so that a quote can be checked. Reciprocal-rank fusion:
Cormack, Clarke and Büttcher, SIGIR 2009.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from vedette.errors import ConfigError, StateError
from vedette.knowledge import index, schema
from vedette.knowledge.chunk import LINK, NAME, field_text, passages
from vedette.knowledge.encoder import ENCODERS, EXPERT, USUAL, Encoder, Expert
from vedette.knowledge.fusion import NEIGHBOURS, RRF, SPEAKS_FOR, VOTES, Candidate, Fusion, Place, asked_for
from vedette.knowledge.ids import fold
from vedette.knowledge.postings import Ranker, find_words
from vedette.knowledge.record import (
    AnalyticFacts,
    Kind,
    Record,
    Rel,
    SoftwareFacts,
    TechniqueFacts,
    WeaknessFacts,
    decode,
)
from vedette.knowledge.slang import spell_out
from vedette.knowledge.spool import encoder, expert
from vedette.registry import near

if TYPE_CHECKING:
    from vedette.knowledge.store import Entry, Knowledge
    from vedette.knowledge.unit import Unit

MODES = ("hybrid", "words", "vectors", "experts")  # the last: hybrid, and the experts' opinion
ALIKE = 0.5  # weight of the order that the experts bring the best hits into
READ_AGAIN = 20  # of the best hits, whose passages the experts compare with the question
CONCEPTS, VULNERABILITIES = 100, 50  # passages of each list
CANDIDATES = 8  # by sign, for each passage of a list; their vectors are compared exactly
COARSE = index.BITS // 128  # words of a signature that all passages are compared by
WIDE = 10  # how many times the candidates go on to the second half
MOST_WORDS = 64  # of a question
LONGEST_NAME = 5  # words
VARIABLES = 2_000  # of one statement
LONGEST = 10_000  # characters of a question that count
STOP_WORDS = """
a an and any are as at be by can do does for from had has have how i if in into is it its my of on or our should so
some than that the their then there these they this to us use used using via was we were what when where which who
why will with would you your
"""
STOP = frozenset(STOP_WORDS.split())
T = TypeVar("T")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Hit:
    id: str
    kind: Kind
    name: str
    score: float  # of the fusion: comparable within one search only
    text: str  # the passage
    source: str  # unit whose record says it
    release: str
    record: str  # id of that record: where a procedure speaks for a technique, the group that used it
    field: str
    start: int  # span in the field's text, in characters
    end: int
    ranks: dict[str, int] = dataclasses.field(default_factory=dict)  # list → place in it, from 1


class Searcher:
    def __init__(self, knowledge: Knowledge) -> None:
        self._knowledge, self._db = knowledge, knowledge.db
        self._crowds: dict[str, int] = {}
        self.expert: Callable[[], Expert] = expert

    @cached_property
    def matrix(self) -> index.Matrix:
        return index.load(self._db)

    @cached_property
    def ranker(self) -> Ranker:
        return Ranker(self._db, self.matrix.lengths)

    def search(
        self, text: str, *, kinds: Sequence[Kind], since: str, platform: str, limit: int, mode: str
    ) -> list[Hit]:
        if mode not in MODES:
            raise ConfigError(f"unknown mode '{mode}'", remedy=near(mode, MODES))
        if since and not index.day_number(since):
            raise ConfigError(f"'{since}' is no date", remedy="as 2026-03-10")
        text = text[:LONGEST]
        if mode == "vectors" and not self._comparable:
            remedy = "import any source again: the store is made anew then"
            raise StateError("its vectors are those of another encoder", remedy=remedy)
        ways = {"words": self._by_words, "vectors": self._by_vectors}
        parts = self.parts(kinds, since)
        spelled_out, asked, both = spell_out(text), asked_for(text), mode in ("hybrid", EXPERT)
        found = {name: way(spelled_out, parts) for name, way in ways.items() if both or mode == name}
        fusion = self._fused(found)
        if both:
            fusion.add_names(self._ids(text), self._names(text))
        if mode == EXPERT:
            fusion.add_experts(self.expert().named(spelled_out))
        if both and (wanted := set(kinds) or asked):
            fusion.add_neighbours(self._neighbours(fusion.seeds(), wanted))
        kinds_of = fusion.kinds | self._kinds([uid for uid in fusion.uids if uid not in fusion.kinds])
        hits = self._hits(fusion.best(asked, kinds_of.get), lambda entry: _fits(entry, kinds, since, platform))
        if mode == EXPERT and limit > 0:
            return _read_again(self.expert(), spelled_out, list(islice(hits, max(limit, READ_AGAIN))))[:limit]
        return list(islice(hits, max(0, limit)))

    @cached_property
    def _comparable(self) -> bool:
        """Are the store's vectors made by today's encoder?"""
        return self._encoder is not None and self._made.get("encoder") == self._encoder.sha256

    @cached_property
    def _made(self) -> dict[str, str]:
        return dict(self._db.execute("SELECT key, value FROM meta").fetchall())

    @cached_property
    def _encoder(self) -> Encoder | None:
        """The one that the store was made with, None where it is not known here."""
        name = self._made.get(schema.ENCODER_NAME, USUAL)
        return encoder(name) if name in ENCODERS else None

    def parts(self, kinds: Sequence[Kind], since: str) -> list[_Part]:
        """Which passages may be found, apart; where only some kinds are wanted, also those that speak for them."""
        if not kinds and not since:
            return self._all
        return self._some(kinds, since)

    @cached_property
    def _all(self) -> list[_Part]:
        return self._some((), "")

    def _some(self, kinds: Sequence[Kind], since: str) -> list[_Part]:
        m = self.matrix
        vulnerable = m.kinds == index.KINDS.index(Kind.VULNERABILITY)
        mask = np.ones(len(m.numbers), np.bool_)
        if kinds:
            chosen = {*kinds}.union(*(SPEAKS_FOR.get(kind, frozenset()) for kind in kinds))
            mask &= np.isin(m.kinds, [index.KINDS.index(kind) for kind in chosen])
        if since:
            mask &= m.days >= index.day_number(since)
        parts = ((mask & ~vulnerable, CONCEPTS), (mask & vulnerable, VULNERABILITIES))
        return [_Part(allowed, np.flatnonzero(allowed), passages) for allowed, passages in parts if allowed.any()]

    def _by_words(self, text: str, parts: Sequence[_Part]) -> list[list[int]]:
        """Passages by bm25."""
        words = list(dict.fromkeys(find_words(text)))[:MOST_WORDS]
        scores = self.ranker.scores([word for word in words if word not in STOP] or words)
        found = np.flatnonzero(scores)
        values = scores[found]
        return [[int(n) for n in self.matrix.numbers[_highest(found, values, part)]] for part in parts]

    def _by_vectors(self, text: str, parts: Sequence[_Part]) -> list[list[int]]:
        """Passages by cosine: candidates by sign, then exactly."""
        if self._encoder is None or not self._comparable:
            return []
        query = self._encoder.encode([text])[0]
        return self.nearest(query, parts) if query.any() else []

    def nearest(self, query: NDArray[np.float32], parts: Sequence[_Part]) -> list[list[int]]:
        """Numbers of the passages of each part whose vectors are nearest, best first."""
        if not parts:
            return []
        bits = index.sign_bits(query[None], self.matrix.mean, self.matrix.turn)[0]
        distance = _hamming(self.matrix.signs[:COARSE], bits[:COARSE])
        lists = (self._exactly(query, self.matrix.numbers[self._near(bits, distance, part)]) for part in parts)
        return [found[: part.passages] for part, found in zip(parts, lists, strict=True)]

    def _near(self, bits: NDArray[np.uint64], distance: NDArray[np.uint16], part: _Part) -> NDArray[np.intp]:
        """Places of candidates: by the first half of their signs, then by all of them."""
        wanted = CANDIDATES * part.passages
        wide = part.places[_lowest(distance[part.places], WIDE * wanted)]
        finer = distance[wide] + _hamming(self.matrix.signs[COARSE:, wide], bits[COARSE:])
        return wide[_lowest(finer, wanted)]

    def _exactly(self, query: NDArray[np.float32], numbers: NDArray[np.int32]) -> list[int]:
        """Passages by cosine of their int8 vectors, best first."""
        found, vectors = self.vectors(numbers, len(query))
        # no matrix product: BLAS threads wait for each other on a busy machine
        scores = np.einsum("ij,j->i", vectors, query)
        return [found[i] for i in np.argsort(-scores, kind="stable")]

    def vectors(self, numbers: NDArray[np.int32], dims: int) -> tuple[list[int], NDArray[np.float32]]:
        """(numbers of those passages, in the store's order; their vectors, of length 1)."""
        rows = self._rows("SELECT number, code FROM passage WHERE number IN", numbers.tolist())
        return [number for number, _ in rows], index.unit_rows(b"".join([code for _, code in rows]), dims)

    def encoded(self, texts: Sequence[str]) -> NDArray[np.float32] | None:
        """Vectors that can be compared with those of the passages; none where the store's are of another encoder."""
        return self._encoder.encode(texts) if self._encoder and self._comparable else None

    def _rows(self, sql: str, values: list[T], more: str = "") -> list[Any]:
        """All rows for `values`; SQLite takes a limited number of them at once."""
        rows: list[Any] = []
        for at in range(0, len(values), VARIABLES):
            part = values[at : at + VARIABLES]
            rows += self._db.execute(f"{sql} ({','.join('?' * len(part))}) {more}", part).fetchall()
        return rows

    def _ids(self, text: str) -> list[str]:
        """Entries whose id stands in the question; for a revoked one, what replaced it."""
        from vedette.knowledge.ids import mentions

        return [mention.replaced_by or mention.id for mention in mentions(text, self._knowledge) if mention.kind]

    def _names(self, text: str) -> list[str]:
        """Entries whose name stands in the question, the longest names first."""
        words = _WORD.findall(text)[:MOST_WORDS]
        spelled: dict[str, None] = {}  # folded, the longest first
        for length in range(min(LONGEST_NAME, len(words)), 0, -1):
            for at in range(len(words) - length + 1):
                part = words[at : at + length]
                if length > 1 or (len(part[0]) > 3 and part[0].lower() not in STOP):
                    spelled[fold("".join(part))] = None
        sql = "SELECT a.folded, r.id FROM alias a JOIN record r ON a.record = r.number WHERE a.folded IN"
        called: dict[str, list[str]] = {}
        for folded, uid in self._rows(sql, list(spelled)):
            called.setdefault(folded, []).append(uid)
        return list(dict.fromkeys(uid for folded in spelled for uid in sorted(called.get(folded, ()))))

    def _fused(self, found: dict[str, list[list[int]]]) -> Fusion:
        places = self._places(list({number for lists in found.values() for part in lists for number in part}))
        fusion = Fusion(self._links([place.record for place in places.values()]), self._crowd)
        for name, lists in found.items():
            fusion.add(name, [[places[number] for number in part] for part in lists])
        return fusion

    def _links(self, records: list[int]) -> dict[int, list[tuple[Rel, str]]]:
        """Those that carry a vote."""
        links: dict[int, list[tuple[Rel, str]]] = {}
        sql = "SELECT record, rel, target FROM link WHERE record IN"
        for record, rel, target in self._rows(sql, records, f"AND rel IN ({_quoted(VOTES)})"):
            links.setdefault(record, []).append((Rel(rel), target))
        return links

    def _neighbours(self, seeds: list[str], kinds: set[Kind]) -> Iterator[tuple[str, str]]:
        """(seed, entry of one of the kinds that a source links with it)."""
        sql = "SELECT l.target, r.id, r.kind FROM link l JOIN record r ON r.number = l.record WHERE l.target IN"
        incoming = NEIGHBOURS - {Rel.HAS_WEAKNESS}  # a weakness has up to 30,000 vulnerabilities
        for seed, uid, kind in self._rows(sql, seeds, f"AND l.rel IN ({_quoted(incoming)})"):
            if kind in kinds:
                yield seed, uid
        sql = "SELECT r.id, l.target FROM record r JOIN link l ON l.record = r.number WHERE r.id IN"
        pairs = self._rows(sql, seeds, f"AND l.rel IN ({_quoted(NEIGHBOURS)})")
        kinds_of = self._kinds(list({uid for _, uid in pairs}))
        yield from ((seed, uid) for seed, uid in pairs if kinds_of.get(uid) in kinds)

    def _crowd(self, weakness: str) -> int:
        """How many records state it, as far as it matters."""
        if weakness not in self._crowds:
            sql = "SELECT count(*) FROM link WHERE target = ? AND rel = ?"
            self._crowds[weakness] = int(self._db.execute(sql, (weakness, Rel.HAS_WEAKNESS)).fetchone()[0])
        return self._crowds[weakness]

    def _kinds(self, uids: list[str]) -> dict[str, Kind]:
        return {uid: Kind(kind) for uid, kind in self._rows("SELECT id, kind FROM record WHERE id IN", uids)}

    def _places(self, passages: list[int]) -> dict[int, Place]:
        sql = """SELECT p.number, p.record, p.field, p.start, p.stop, r.id, r.kind
                 FROM passage p JOIN record r ON p.record = r.number WHERE p.number IN"""
        places: dict[int, Place] = {}
        for number, record, at, start, end, uid, kind in self._rows(sql, passages):
            about = at[len(LINK) :].rpartition("#")[0] if at.startswith(LINK) else ""
            places[number] = Place(number, record, at, start, end, uid, Kind(kind), about)
        return places

    def _hits(self, candidates: Iterator[Candidate], wanted: Callable[[Entry], bool]) -> Iterator[Hit]:
        for candidate in candidates:
            entry = self._knowledge.get(candidate.uid)
            if entry and wanted(entry):
                yield self._hit(entry, candidate.score, candidate.ranks, candidate.place)

    def _hit(self, entry: Entry, score: float, ranks: dict[str, int], place: Place | None) -> Hit:
        if place is None:
            about, unit, where, start, end = _own(entry)
        else:
            number, body = self._db.execute(
                "SELECT unit, body FROM record WHERE number = ?", (place.record,)
            ).fetchone()
            about, unit = decode(body), self._knowledge.unit_numbers[number]
            where, start, end = place.field, place.start, place.end
        text = (field_text(about, where) or "")[start:end]
        release = unit.release or unit.on
        return Hit(
            entry.id, entry.kind, entry.name, score, text, unit.name, release, about.id, where, start, end, ranks
        )


def _read_again(expert: Expert, question: str, hits: list[Hit]) -> list[Hit]:
    """In another order: the passages that the experts find most like the question get more."""
    query, *vectors = expert.encode([question, *(f"{hit.name}: {hit.text}" for hit in hits[:READ_AGAIN])])
    if not query.any():
        return hits
    alike = np.array([float((vector * query).sum()) for vector in vectors])
    again = list(hits)
    for rank, at in enumerate(np.argsort(-alike, kind="stable"), 1):
        hit = hits[at]
        ranks = {**hit.ranks, "alike": rank}
        again[at] = dataclasses.replace(hit, score=hit.score + ALIKE / (RRF + rank), ranks=ranks)
    return sorted(again, key=lambda hit: -hit.score)


def _quoted(rels: Iterable[Rel]) -> str:
    return ",".join(f"'{rel}'" for rel in sorted(rels))


def _own(entry: Entry) -> tuple[Record, Unit, str, int, int]:
    """What an entry says of itself: the beginning of its description, else its name."""
    for wanted in ("description", NAME):
        for statement in entry.statements:
            passage = next((p for p in passages(statement.record) if p.field == wanted), None)
            if passage:
                return statement.record, statement.unit, wanted, passage.start, passage.end
    return entry.first.record, entry.first.unit, NAME, 0, 0


@dataclass(frozen=True, slots=True)
class _Part:
    """Passages that are ranked among themselves."""

    mask: NDArray[np.bool_]  # one for each place in the matrix
    places: NDArray[np.intp]  # where it is true
    passages: int  # how many are wanted


def _highest(found: NDArray[np.intp], values: NDArray[np.float32], part: _Part) -> NDArray[np.intp]:
    """Of the places found, those of the part with the best values, best first; of equal ones the first."""
    inside = part.mask[found]
    found, values = found[inside], values[inside]
    if len(found) > part.passages:
        good = values >= np.partition(values, len(values) - part.passages)[len(values) - part.passages]
        found, values = found[good], values[good]
    return found[np.argsort(-values, kind="stable")[: part.passages]]


def _lowest(distance: NDArray[np.uint16], wanted: int) -> NDArray[np.intp]:
    """Where the smallest distances stand: as many as are wanted, and those that are as near as the last one."""
    counts = np.cumsum(np.bincount(distance))
    return np.flatnonzero(distance <= np.searchsorted(counts, min(wanted, len(distance))))


def _hamming(signs: NDArray[np.uint64], bits: NDArray[np.uint64]) -> NDArray[np.uint16]:
    """Distance of each column of `signs` to `bits`."""
    distance = np.zeros(signs.shape[1], np.uint16)
    for row, bit in zip(signs, bits, strict=True):
        distance += np.bitwise_count(row ^ bit)
    return distance


def _fits(entry: Entry, kinds: Sequence[Kind], since: str, platform: str) -> bool:
    """Of the entry as a whole: its passages may be those of other records."""
    if (kinds and entry.kind not in kinds) or entry.published < since:
        return False
    return not platform or any(_runs_on(s.record, platform) for s in entry.statements)


def _runs_on(record: Record, platform: str) -> bool:
    if isinstance(record.facts, TechniqueFacts | SoftwareFacts | AnalyticFacts | WeaknessFacts):
        return platform.casefold() in (name.casefold() for name in record.facts.platforms)
    return False
