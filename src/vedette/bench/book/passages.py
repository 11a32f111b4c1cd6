"""The passages that answers are looked up in, held in memory: ranked some thirty times for each question.

Left out are single vulnerabilities, which outnumber everything else, and what is no prose: rules, lists, artifacts.
A passage that several units state in the same place (CWE's views, ATT&CK's domains) counts once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vedette.knowledge import index
from vedette.knowledge.chunk import LINK, field_text
from vedette.knowledge.postings import K1, B, stemmer
from vedette.knowledge.record import Kind, decode
from vedette.knowledge.store import Knowledge

Floats = NDArray[np.float32]
Places = NDArray[np.intp]
LEFT_OUT = (Kind.VULNERABILITY, Kind.ADVISORY, Kind.RULE, Kind.WARNINGLIST, Kind.ARTIFACT)
SAY_THE_SAME = {  # field → kinds of records that are all about it
    "mitigations": (Kind.MITIGATION,),
    "detection": (Kind.ANALYTIC, Kind.DETECTION, Kind.DATA_COMPONENT),
}
NOWHERE = np.zeros(0, dtype=np.intp)


@dataclass(frozen=True, slots=True)
class Term:
    """A word's stem: how telling it is, and which passages have it."""

    idf: float
    places: NDArray[np.int32]
    loud: Floats  # bm25 of each of those passages for this word alone


class Passages:
    """n of them; a place is from 0 to n."""

    def __init__(self, knowledge: Knowledge) -> None:
        self._knowledge = knowledge
        matrix, rows = knowledge.searcher.matrix, _rows(knowledge)
        self.numbers = np.array([row[0] for row in rows], dtype=np.int32)
        uids, owner = np.unique(np.array([row[1] for row in rows], dtype=np.str_), return_inverse=True)
        self.uids: list[str] = uids.tolist()  # of records
        self.owner = owner.astype(np.intp)  # (n,): place in `uids`
        self.kinds = np.array([row[2] for row in rows], dtype=np.str_)
        self._fields = np.array([row[3].partition("#")[0] for row in rows], dtype=np.str_)
        self.codes = np.frombuffer(b"".join(row[4] for row in rows), dtype=np.int8).reshape(len(rows), len(matrix.mean))
        among_all = np.searchsorted(matrix.numbers, self.numbers)
        self._here = np.full(len(matrix.numbers), -1, dtype=np.int32)
        self._here[among_all] = np.arange(len(rows))
        lengths = matrix.lengths[among_all].astype(np.float32)
        mean = (float(lengths.mean()) if len(rows) else 0.0) or 1.0
        self._norm = (K1 * (1 - B + B * lengths / mean)).astype(np.float32)
        self._terms: dict[int, Term | None] = {}
        self._about = self._all_about()

    def __len__(self) -> int:
        return len(self.numbers)

    def _all_about(self) -> dict[str, Places]:
        found: dict[str, list[int]] = {}
        for place, (owner, field) in enumerate(zip(self.owner.tolist(), self._fields.tolist(), strict=True)):
            found.setdefault(self.uids[owner], []).append(place)
            if field.startswith(LINK):
                found.setdefault(field[len(LINK) :], []).append(place)
        return {uid: np.array(places, dtype=np.intp) for uid, places in found.items()}

    def owner_of(self, place: int) -> str:
        return self.uids[int(self.owner[place])]

    def about(self, uid: str) -> Places:
        """Those of its own records, and those on a link to it."""
        return self._about.get(uid, NOWHERE)

    def of_field(self, field: str) -> Places:
        """Whose text is of this field, or of a record or a link that says the same."""
        kinds = SAY_THE_SAME.get(field, ())
        return np.flatnonzero((self._fields == field) | np.isin(self.kinds, kinds))

    def terms(self, words: Sequence[str]) -> dict[int, Term]:
        """Stem → term, for the words that any passage has."""
        stems = stemmer()
        stems.learn(words)
        found = {stem: self._term(stem) for stem in stems.terms(words)}
        return {stem: term for stem, term in found.items() if term}

    def _term(self, stem: int) -> Term | None:
        if stem not in self._terms:
            self._terms[stem] = self._read(stem)
        return self._terms[stem]

    def _read(self, stem: int) -> Term | None:
        sql = "SELECT passages, often FROM posting WHERE term = ?"
        row = self._knowledge.db.execute(sql, (stem,)).fetchone()
        if row is None:
            return None
        here = self._here[np.frombuffer(row[0], dtype=np.int32)]
        places = here[here >= 0]
        if not len(places):
            return None
        often = np.frombuffer(row[1], dtype=np.uint8).astype(np.float32)[here >= 0]
        idf = float(np.log1p((len(self) - len(places) + 0.5) / (len(places) + 0.5)))
        return Term(idf, places, (idf * (K1 + 1) * often / (often + self._norm[places])).astype(np.float32))

    def scores(self, words: Sequence[str]) -> Floats:
        """(n,): bm25."""
        found = np.zeros(len(self), dtype=np.float32)
        for term in self.terms(words).values():
            found[term.places] += term.loud
        return found

    def covered(self, words: Sequence[str]) -> Floats:
        """(n,): what share of the words each passage has, 0 to 1, telling words counting more."""
        found, terms = np.zeros(len(self), dtype=np.float32), self.terms(words).values()
        for term in terms:
            found[term.places] += term.idf
        return found / max(1e-9, sum(term.idf for term in terms))

    def vectors(self, places: Places) -> Floats:
        """(places, dims); of length 1."""
        return index.unit_rows(self.codes[places].tobytes(), self.codes.shape[1])

    def text(self, place: int) -> str:
        """With the name of what it is about."""
        sql = """SELECT p.field, p.start, p.stop, r.name, r.body FROM passage p JOIN record r ON p.record = r.number
                 WHERE p.number = ?"""
        field, start, stop, name, body = self._knowledge.db.execute(sql, (int(self.numbers[place]),)).fetchone()
        return f"{name}: {(field_text(decode(body), field) or '')[start:stop]}"


def _rows(knowledge: Knowledge) -> list[tuple[int, str, str, str, bytes]]:
    """(number, id, kind, field, vector), in the order of their numbers."""
    marks = ",".join("?" * len(LEFT_OUT))
    sql = f"""SELECT min(p.number), r.id, r.kind, p.field, p.code FROM passage p JOIN record r ON p.record = r.number
              WHERE r.kind NOT IN ({marks}) GROUP BY r.id, p.field, p.start, p.stop ORDER BY 1"""  # noqa: S608
    return knowledge.db.execute(sql, LEFT_OUT).fetchall()
