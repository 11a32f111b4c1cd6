"""Multiple choice: several opinions on each option, weighed and added up.

A passage on what the question names is louder, and so is one of the field that it asks for. The opinions on an option:
a passage whose words are those of the question and of the option; the same by vectors, and by the experts' encoder,
which reads in context; the best passage for both together; the best record, whose passages may differ; what the sources
state about the named entry, as links and facts; and what is said about the entry that the option names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vedette.bench.book.context import Context
from vedette.bench.book.entries import Entries
from vedette.bench.book.passages import NOWHERE, Floats, Passages, Places
from vedette.knowledge.postings import find_words
from vedette.knowledge.search import STOP, Searcher

NEAR = 400  # passages about the question that options are looked for in
MOST_NAMED = 6  # entries
OWN = 0.5  # of the loudest passage's loudness goes to each passage on a named entry
OF_FIELD = 1.4  # times as loud is a passage of the field that is asked for
UNASKED = 0.5  # of a fact that the question does not ask for
READ = 6  # passages for each option that are read in context
_ASIDE = """
which what following best most primary common describes described example attack attacker adversary used using mitre
technique sub cwe capec true false all none above
"""  # of questions
ASIDE = frozenset(_ASIDE.split())
_ASKING = {  # field → how words begin that ask for it
    "mitigations": "mitigat prevent defen protect counter practice strateg address reduc harden avoid remed",
    "consequences": "consequence impact result risk lead effect affect outcome threat",
    "detection": "detect identif monitor discover analys method",
    "prerequisites": "prerequisite requir condition necessary need",
    "resources": "prerequisite requir resource tool equipment condition necessary need",
    "skills": "skill knowledge expertise prerequisite requir condition necessary need",
    "examples": "example instance scenario",
    "execution flow": "step phase first technique",
}
ASKING = {field: tuple(words.split()) for field, words in _ASKING.items()}
WEIGHTS = {  # of opinions
    "words": 2.0, "vectors": 1.9, "together": 1.5, "record": 1.2, "linked": 1.4, "facts": 1.5, "context": 2.0,
}  # fmt: skip
SURE = 1.0  # so far ahead of the next one, a choice is not read about in context


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and how loud the passages are on it."""

    text: str
    words: list[str]
    named: list[str]  # entries
    own: Floats  # (passages,): how many of these each passage is about
    wanted: Floats  # (passages,): 1, or more for those of a field that is asked for
    loud: Floats  # (passages,)
    near: Places  # the loudest

    def favour(self, alike: Floats, places: Places) -> Floats:
        """How loud passages are that are so much like the question."""
        return _favoured(alike, self.own[places], self.wanted[places])


class Chooser:
    def __init__(self, searcher: Searcher, passages: Passages, entries: Entries, context: Context) -> None:
        self._searcher, self._passages, self._entries, self._context = searcher, passages, entries, context
        self._fields = {field: passages.of_field(field) for field in ASKING}

    def loudness(self, question: str, choices: Sequence[str]) -> Floats:
        """Of each choice; all 0 where no passage says anything."""
        asked = self.asked(question)
        words = [telling(choice, asked.words) for choice in choices]
        loud = [self._passages.scores(own) for own in words]
        if not asked.loud.any() or not any(own.any() for own in loud):  # vectors are always near something
            return np.zeros(len(choices), dtype=np.float32)
        found = _weighed(self._opinions(asked, choices, words, loud))
        best = np.sort(found)[::-1]
        if best[0] - best[1:2].max(initial=0) < SURE:
            found += _weighed([("context", self._in_context(asked, choices, loud))])
        return found

    def _opinions(
        self, asked: Asked, choices: Sequence[str], words: Sequence[Sequence[str]], loud: Sequence[Floats]
    ) -> Iterator[tuple[str, Floats]]:
        """(name, how loud it is for each choice, 0 to 1). `words` and `loud`: of each choice."""
        meant = [self._entries.meant(choice) for choice in choices]
        yield "words", _loudest([(asked.loud * own)[asked.near].max() / max(1e-9, own.max()) for own in loud])
        yield "together", _loudest([(asked.loud + own).max() for own in loud])
        yield "record", _loudest(self._by_record(asked, words))
        yield "linked", _whole([self._linked(asked.named, ids) for ids in meant])
        yield "facts", _whole([self._stated(asked, own) for own in words])
        if (vectors := self._searcher.encoded([asked.text, *choices])) is not None:
            yield "vectors", _loudest(_alike(asked, asked.near, vectors, self._passages.vectors(asked.near)))

    def _in_context(self, asked: Asked, choices: Sequence[str], loud: Sequence[Floats]) -> Floats:
        places = np.unique(np.concatenate([_best(each) for each in (asked.loud, *(asked.loud + own for own in loud))]))
        vectors = self._context.encode([asked.text, *choices])
        return _loudest(_alike(asked, places, vectors, self._context.passages(self._passages, places)))

    def best(self, question: str, choices: Sequence[str]) -> list[str]:
        """The best passage for each choice, and for the question alone; each once."""
        asked = self.asked(question)
        loud = [asked.loud + self._passages.scores(telling(choice, asked.words)) for choice in choices]
        places = dict.fromkeys(int(each.argmax()) for each in (*loud, asked.loud) if each.any())
        return [self._passages.text(place) for place in places]

    def asked(self, question: str) -> Asked:
        words, named = telling(question), self._entries.named(question)[:MOST_NAMED]
        own, wanted = np.zeros(len(self._passages), np.float32), np.ones(len(self._passages), np.float32)
        for uid in named:
            own[self._passages.about(uid)] += 1
        found = find_words(question)
        for field, beginnings in ASKING.items():
            if any(word.startswith(beginnings) for word in found):
                wanted[self._fields[field]] = OF_FIELD
        loud = _favoured(self._passages.scores(words), own, wanted)
        near = np.argpartition(-loud, min(NEAR, len(loud)) - 1)[:NEAR] if len(loud) else NOWHERE
        return Asked(question, words, named, own, wanted, loud, near[loud[near] > 0])

    def _by_record(self, asked: Asked, words: Sequence[Sequence[str]]) -> list[float]:
        """One passage of a record is on the question, another has the option's words."""
        owners, number = self._passages.owner, len(self._passages.uids)
        about = np.zeros(number, dtype=np.float32)
        np.maximum.at(about, owners[asked.near], asked.loud[asked.near])
        has = np.zeros(number, dtype=np.float32)
        found = []
        for own in words:
            has[:] = 0
            np.maximum.at(has, owners, self._passages.covered(own))
            found.append(float((about * has).max(initial=0)))
        return found

    def _linked(self, named: Sequence[str], meant: Sequence[str]) -> float:
        return float(any(uid in self._entries.linked(one) for one in named for uid in meant))

    def _stated(self, asked: Asked, words: Sequence[str]) -> float:
        """What share of the option's words a fact or the names of links of one sort have."""
        terms = self._passages.terms(words)
        total = sum(term.idf for term in terms.values())
        asking = " ".join(find_words(asked.text))
        best = 0.0
        for uid in asked.named if total else ():
            for label, values in self._entries.facts(uid).items():
                share = sum(term.idf for stem, term in terms.items() if stem in values) / total
                best = max(best, share * (1 if label in asking else UNASKED))
        return best


def _weighed(opinions: Iterable[tuple[str, Floats]]) -> Floats:
    weighed = [WEIGHTS[name] * values for name, values in opinions]
    return np.asarray(np.sum(weighed, axis=0), dtype=np.float32)


def _favoured(alike: Floats, own: Floats, wanted: Floats) -> Floats:
    most = float(alike.max(initial=0)) or 1.0  # where no word is known, what is named still counts
    return np.asarray((alike + OWN * most * own) * wanted, dtype=np.float32)


def _alike(asked: Asked, places: Places, vectors: Floats, passages: Floats) -> list[float]:
    """For each choice the passage that is most like it and the question; `vectors`: of the question and the choices."""
    alike = np.maximum(0, np.einsum("ij,kj->ki", passages, vectors))
    loud = asked.favour(alike[0], places)
    return [float((loud * each).max(initial=0)) for each in alike[1:]]


def _best(loud: Floats) -> Places:
    return np.argpartition(-loud, min(READ, len(loud)) - 1)[:READ]


def _whole(values: Sequence[float]) -> Floats:
    return np.array(values, dtype=np.float32)


def _loudest(values: Sequence[float]) -> Floats:
    """By the loudest one, which is 1."""
    found = _whole(values)
    return np.asarray(found / found.max() if found.max(initial=0) > 0 else np.zeros_like(found), dtype=np.float32)


def telling(text: str, besides: Sequence[str] = ()) -> list[str]:
    """Distinct words that say something; of an option, those of the question too only where it has no others."""
    words = [word for word in dict.fromkeys(find_words(text)) if word not in STOP and word not in ASIDE]
    return [word for word in words if word not in set(besides)] or words or find_words(text)
