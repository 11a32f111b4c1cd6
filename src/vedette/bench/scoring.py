"""Scores of answers, item by item and of a whole benchmark.

Each benchmark's own metric is a row that says so, computed as its authors do: CTI-Bench leaves invalid answers out. The
headline counts an invalid answer as a wrong one; the share of those has a row of its own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from statistics import fmean

import msgspec
from cvss import CVSS3
from cvss.exceptions import CVSS3Error

from vedette.bench import answers
from vedette.bench.hierarchy import Hierarchy
from vedette.bench.items import Item, Kind
from vedette.bench.rows import Row, resampled, row

Same = Callable[[str, str], bool]
WORST = 10.0  # points of a base score that an invalid answer is off by, where it counts
_WORD = re.compile(r"\w+")


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one item."""

    item: str
    said: tuple[str, ...]
    right: tuple[str, ...]
    valid: bool
    value: float  # 0 to 1; of vectors and scores, points off (0 for an invalid one, which `valid` tells)
    first: float | None = None  # of multiple choice, by the first letter
    exact: float | None = None  # of vectors and scores
    slices: dict[str, str] = {}


def same_name(a: str, b: str) -> bool:
    """Actors whose names have the same letters and digits."""
    return _bare(a) == _bare(b) != ""


def _bare(name: str) -> str:
    return "".join(_WORD.findall(name)).casefold()


def score(item: Item, reply: str, same: Same = same_name) -> Outcome:
    """`same`: whether two names are of one actor."""
    said = answers.read(item, reply)
    value, exact = _value(item, said, same)
    first = None
    if item.kind is Kind.CHOICE:
        first = float(answers.read_first(item, reply) == item.right)
    return Outcome(
        item=item.id, said=said, right=item.right, valid=_valid(item, said), value=value, first=first, exact=exact,
        slices=item.slices,
    )  # fmt: skip


def _valid(item: Item, said: Sequence[str]) -> bool:
    if item.kind is Kind.VECTOR:
        return bool(said) and base_score(said[0]) is not None
    return bool(said)


def _value(item: Item, said: Sequence[str], same: Same) -> tuple[float, float | None]:
    kind, right = item.kind, set(item.right)
    if kind in (Kind.VECTOR, Kind.SCORE):
        of = base_score if kind is Kind.VECTOR else float
        found = of(said[0]) if said else None
        if found is None:
            return 0.0, 0.0
        true = of(item.right[0])
        exact = _metrics(said[0]) == _metrics(item.right[0]) if kind is Kind.VECTOR else found == true
        return round(abs(found - (true or 0.0)), 1), float(exact)
    if kind is Kind.ACTOR:
        return float(any(same(name, true) for name in said for true in right)), None
    if kind in (Kind.TECHNIQUES, Kind.MITIGATIONS):
        return micro([(frozenset(said), frozenset(right))])[0], None
    if kind is Kind.TECHNIQUE:
        return float(set(said) == {name.partition(".")[0] for name in right}), None
    if kind is Kind.PROSE:
        return (rouge_l(said[0], item.right[0]) if said else 0.0), None
    if kind is Kind.WEAKNESS:
        return float(bool(set(said) & right)), None
    return float(set(said) == right), None


def base_score(vector: str) -> float | None:
    """None where it is no CVSS v3 vector."""
    try:
        return float(CVSS3(vector if vector.startswith("CVSS:") else f"CVSS:3.1/{vector}").scores()[0])
    except CVSS3Error:
        return None


def _metrics(vector: str) -> dict[str, str]:
    parts = (part.partition(":") for part in vector.split("/") if not part.startswith("CVSS:"))
    return {name: value for name, _, value in parts}


def rouge_l(said: str, right: str) -> float:
    """F1 by the longest common subsequence of words (Lin, 2004)."""
    a, b = (_WORD.findall(text.casefold()) for text in (said, right))
    before = [0] * (len(b) + 1)
    for word in a:
        now = [0]
        for place, other in enumerate(b):
            now.append(before[place] + 1 if word == other else max(before[place + 1], now[place]))
        before = now
    return 2 * before[-1] / max(1, len(a) + len(b))


def rows(kind: Kind, outcomes: Sequence[Outcome], tree: Hierarchy | None = None) -> list[Row]:
    """The headline first. Several trials of an item count as one item. `tree`: to credit relatives of the right CWE."""
    if not outcomes:
        return []
    found = _of[kind](outcomes) if kind in _of else [_mean("accuracy", outcomes, lambda o: o.value)]
    if kind is Kind.WEAKNESS and tree:
        near = _mean("accuracy, parent or child counts", outcomes, lambda o: _near(tree, o))
        found.append(near)
    return [*found, _mean("invalid", outcomes, lambda o: float(not o.valid))]


def _near(tree: Hierarchy, outcome: Outcome) -> float:
    return float(bool(outcome.said) and tree.near(outcome.said[0], outcome.right))


def _by_item(outcomes: Sequence[Outcome]) -> list[list[Outcome]]:
    found: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        found.setdefault(outcome.item, []).append(outcome)
    return list(found.values())


def _mean(name: str, outcomes: Sequence[Outcome], value: Callable[[Outcome], float]) -> Row:
    return row(name, [fmean(map(value, trials)) for trials in _by_item(outcomes)])


def _choice(outcomes: Sequence[Outcome]) -> list[Row]:
    first = _mean("accuracy, first letter", outcomes, lambda o: o.first or 0.0)
    return [_mean("accuracy", outcomes, lambda o: o.value), _official(outcomes), first]


def _official(outcomes: Sequence[Outcome]) -> Row:
    name, valid = "accuracy of valid answers (as published)", [o for o in outcomes if o.valid]
    return _mean(name, valid, lambda o: o.value) if valid else row(name, [0.0])


def _weakness(outcomes: Sequence[Outcome]) -> list[Row]:
    said = [(o.said[0] if o.said else "none", frozenset(o.right)) for o in outcomes]
    macro: Row = {"name": "macro-F1", "value": macro_f1(said), "n": len(_by_item(outcomes))}
    return [_mean("accuracy", outcomes, lambda o: o.value), _official(outcomes), macro]


def _deviation(outcomes: Sequence[Outcome]) -> list[Row]:
    name, valid = "mean absolute deviation", [o for o in outcomes if o.valid]
    return [
        _mean(name, valid, lambda o: o.value) if valid else row(name, [WORST]),
        _mean(f"{name}, invalid ones {WORST:g} off", outcomes, lambda o: o.value if o.valid else WORST),
        _mean("exact", outcomes, lambda o: o.exact or 0.0),
    ]


def _sets(outcomes: Sequence[Outcome]) -> list[Row]:
    units = [[(frozenset(o.said), frozenset(o.right)) for o in trials] for trials in _by_item(outcomes)]
    measures = (("micro-F1", 0), ("precision", 1), ("recall", 2))
    made = [resampled(name, units, partial(_micro, place)) for name, place in measures]
    return [*made, _mean("F1, mean over items", outcomes, lambda o: o.value)]


def _micro(place: int, units: Sequence[Sequence[tuple[frozenset[str], frozenset[str]]]]) -> float:
    return micro([pair for trials in units for pair in trials])[place]


_of: dict[Kind, Callable[[Sequence[Outcome]], list[Row]]] = {
    Kind.CHOICE: _choice,
    Kind.WEAKNESS: _weakness,
    Kind.VECTOR: _deviation,
    Kind.SCORE: _deviation,
    Kind.TECHNIQUES: _sets,
    Kind.MITIGATIONS: _sets,
    Kind.PROSE: lambda outcomes: [_mean("ROUGE-L", outcomes, lambda o: o.value)],
}


def lower_is_better(kind: Kind) -> bool:
    return kind in (Kind.VECTOR, Kind.SCORE)


def by_slice(kind: Kind, outcomes: Sequence[Outcome], name: str, least: int = 20) -> list[Row]:
    """The headline of each value of a slice that has at least so many items."""
    counts = Counter(o.slices.get(name, "") for o in outcomes)
    found = []
    for value, count in sorted(counts.items()):
        if value and count >= least:
            headline = rows(kind, [o for o in outcomes if o.slices.get(name) == value])[0]
            found.append({**headline, "name": value, "measure": headline["name"]})
    return found


def micro(pairs: Sequence[tuple[frozenset[str], frozenset[str]]]) -> tuple[float, float, float]:
    """F1, precision, recall over (said, right), all answers counted together."""
    hits = sum(len(said & right) for said, right in pairs)
    said = sum(len(said) for said, _ in pairs)
    right = sum(len(right) for _, right in pairs)
    return 2 * hits / max(1, said + right), hits / max(1, said), hits / max(1, right)


def macro_f1(pairs: Sequence[tuple[str, frozenset[str]]]) -> float:
    """Mean F1 over the classes that are right somewhere; an item counts for the class it was said to be, if right."""
    classes: dict[str, list[int]] = {}
    for said, right in pairs:
        truth = said if said in right else min(right)
        classes.setdefault(truth, [0, 0, 0])[1] += 1
        classes.setdefault(said, [0, 0, 0])[2] += 1
        classes[truth][0] += said == truth
    scores = [2 * hit / (true + found) for hit, true, found in classes.values() if true]
    return sum(scores) / max(1, len(scores))
