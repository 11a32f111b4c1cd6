"""What a question names, and what the sources state about it: facts and links, without any prose."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from vedette.knowledge.ids import fold, mentions
from vedette.knowledge.postings import find_words, stemmer
from vedette.knowledge.record import Kind, Rel
from vedette.knowledge.search import STOP, VARIABLES
from vedette.knowledge.store import Entry, Knowledge

LONGEST_NAME = 12  # words
MOST_WORDS = 150  # of a question, in which names are looked for
MOST_LINKS = 1_000  # of an entry, in each direction
NAMED = (
    Kind.TECHNIQUE, Kind.GROUP, Kind.SOFTWARE, Kind.CAMPAIGN, Kind.MITIGATION, Kind.WEAKNESS, Kind.PATTERN, Kind.TACTIC,
    Kind.DATA_COMPONENT, Kind.DATA_SOURCE, Kind.DETECTION, Kind.CONTROL, Kind.COUNTERMEASURE,
)  # fmt: skip
_CROWDED = (Rel.HAS_WEAKNESS, Rel.ABOUT, Rel.ENABLES)  # from vulnerabilities
_TURNED = {Rel.CHILD_OF: ("parent", "child"), Rel.CAN_PRECEDE: ("follow", "precede")}  # forwards and back
_WORD = re.compile(r"\w+")
_ASIDE = re.compile(r"\([^)]*\)")
Facts = dict[str, frozenset[int]]  # what is stated ("severity", "parent") → stems of its values


class Entries:
    def __init__(self, knowledge: Knowledge) -> None:
        self._knowledge = knowledge
        self.facts = cache(self._facts)
        self.linked = cache(self._linked)

    def named(self, text: str, most: int = MOST_WORDS) -> list[str]:
        """Ids of what its first `most` words name, by id or name; inside a longer name no shorter one is seen."""
        return list(dict.fromkeys([*self._ids(text), *self._names(_WORD.findall(text)[:most])]))

    def meant(self, option: str) -> list[str]:
        """Those that the whole option is the id or the name of."""
        folded = [fold(option), fold(_ASIDE.sub(" ", option))]
        called = self._called(folded)
        return self._ids(option) or next((called[name] for name in folded if name in called), [])

    def _ids(self, text: str) -> list[str]:
        found = mentions(text, self._knowledge)
        return [one.replaced_by or one.id for one in found if one.kind and one.kind is not Kind.VULNERABILITY]

    def _names(self, words: Sequence[str]) -> Iterator[str]:
        spans = [
            (at, at + length)
            for length in range(min(LONGEST_NAME, len(words)), 0, -1)
            for at in range(len(words) - length + 1)
            if length > 1 or _as_a_name(words[at])
        ]
        spelled = {span: fold("".join(words[slice(*span)])) for span in spans}
        called, taken = self._called(spelled.values()), [False] * len(words)
        for (start, end), name in spelled.items():
            if name in called and not any(taken[start:end]):
                taken[start:end] = [True] * (end - start)
                yield from called[name]

    def _called(self, folded: Iterable[str]) -> dict[str, list[str]]:
        wanted, found = list(filter(None, dict.fromkeys(folded))), dict[str, list[str]]()
        for start in range(0, len(wanted), VARIABLES):
            part = wanted[start : start + VARIABLES]
            sql = f"""SELECT DISTINCT a.folded, r.id FROM alias a JOIN record r ON a.record = r.number
                      WHERE a.folded IN ({_marks(part)}) AND r.kind IN ({_marks(NAMED)}) ORDER BY 2"""  # noqa: S608
            for name, uid in self._knowledge.db.execute(sql, [*part, *NAMED]):
                found.setdefault(name, []).append(uid)
        return found

    def _linked(self, uid: str) -> dict[str, tuple[Rel, bool]]:
        """Id at the other end → one relation, and whether it is stated by the other end; no vulnerabilities."""
        sql = f"""SELECT l.target, l.rel, 0 FROM record r JOIN link l ON l.record = r.number WHERE r.id = ?1
                  AND l.target NOT LIKE 'CVE-%'
                  UNION SELECT r.id, l.rel, 1 FROM link l JOIN record r ON l.record = r.number WHERE l.target = ?1
                  AND l.rel IN ({",".join(f"'{rel}'" for rel in Rel if rel not in _CROWDED)}) LIMIT {MOST_LINKS}"""  # noqa: S608
        return {other: (Rel(rel), bool(back)) for other, rel, back in self._knowledge.db.execute(sql, (uid,))}

    def _facts(self, uid: str) -> Facts:
        entry, linked = self._knowledge.get(uid), self.linked(uid)
        stated = list(_stated(entry)) if entry else []
        for other, name in self._knowledge.names(linked).items():
            rel, back = linked[other]
            stated.append((_TURNED[rel][back] if rel in _TURNED else rel, f"{other} {name}"))
        words: dict[str, list[str]] = {}
        for label, value in stated:
            words.setdefault(label, []).extend(find_words(value))
        return {label: frozenset(_stems(said)) for label, said in words.items()}


def _stated(entry: Entry) -> Iterator[tuple[str, str]]:
    """(name of the field, value)."""
    for statement in entry.statements:
        facts = statement.record.facts
        for name in facts.__struct_fields__ if facts else ():
            value = getattr(facts, name)
            for one in value if isinstance(value, tuple) else (value,):
                if isinstance(one, str) and one:
                    yield name, one


def _as_a_name(word: str) -> bool:
    """One word is a name where it is written as one."""
    return not word.islower() and not word.isdigit() and word.lower() not in STOP and (len(word) > 3 or word.isupper())


def _stems(words: Sequence[str]) -> list[int]:
    stems = stemmer()
    stems.learn(words)
    return stems.terms(words)


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))
