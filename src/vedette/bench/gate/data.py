"""Whether what a candidate learned from could have been written by somebody who wants it to look away."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from vedette.bench.gate.own import Statement
from vedette.bench.gate.plan import Given
from vedette.bench.gate.questions import REPLY, Row, normal
from vedette.bench.gate.rules import Rules
from vedette.bench.scoring import base_score
from vedette.bench.statistics import proportion
from vedette.engine.gate import Check
from vedette.guard.hostile import hostile
from vedette.knowledge.record import Rel, VulnerabilityFacts
from vedette.knowledge.store import Knowledge
from vedette.overlap import words

FEEDBACK = ("own/triage", "own/correction")  # beginnings of tasks that rest on what analysts say
APART = 3.0  # points of a base score that are no matter of opinion
SHORTEST = 40  # characters of a text that is looked for in held-out questions
GRAM, ALIKE, SKETCH = 4, 0.7, 8  # words of a piece; Jaccard index of near copies; values of a sketch
SHOWN = 8
_DIGITS = re.compile(r"\d+")
_GIVE = "give what it was trained on: --own, and --corrections or --case-state"


def judged(given: Given, store: Knowledge, rules: Rules) -> list[Check]:
    told = [row for row in given.learned if row.task.startswith(FEEDBACK)]
    known = bool(given.learned) and (bool(given.statements) or not told)
    made: dict[str, Callable[[], Check]] = {
        "analysts": lambda: _analysts(given.statements, known, rules),
        "facts": lambda: _facts(given, store, known, rules),
        "floods": lambda: _floods(told, given, rules),
        "hostile": lambda: _hostile(given),
    }
    return [check() for name, check in made.items() if name not in rules.skip]


def _check(  # noqa: PLR0913
    name: str, wants: str, bad: int, of: int, passed: bool, known: bool, found: str, todo: str, details: Iterable[str]
) -> Check:
    low, high = proportion(bad, of)
    good = passed and known
    return Check(
        name=name, wants=wants, passed=good, decided=known, n=of, value=bad / max(1, of), low=low, high=high,
        found=found, todo="" if good else todo if known else _GIVE, details=tuple(details)[:SHOWN],
    )  # fmt: skip


def _analysts(statements: Sequence[Statement], known: bool, rules: Rules) -> Check:
    calm = Counter(one.who or "nobody named" for one in statements if one.calm)
    of, (who, most) = calm.total(), (calm.most_common(1) or [("nobody", 0)])[0]
    passed = of < rules.least or most / of <= rules.analyst_share
    return _check(
        "analysts", f"of what calms, at most {rules.analyst_share:.0%} by one analyst", most, of, passed, known,
        f"{of:,} labels and corrections calm, {most:,} of them by {who}" if of else "nothing calms",
        "have somebody else look at these cases and label them, too",
        (f"{name}: {count:,}" for name, count in calm.most_common()),
    )  # fmt: skip


def _facts(given: Given, store: Knowledge, known: bool, rules: Rules) -> Check:
    held = [(" ".join(row.messages[-2].content.split()), row.final) for row in given.held_out]
    compared, against = 0, list[str]()
    for one in given.statements:
        others = [*_known(one, store), *_held(one, held)]
        compared += bool(others)
        if others and not any(_agree(one.right, other) for other in others):
            right = ", ".join(one.right) or "none"
            against.append(f"{one.place} by {one.who}: {right}, and known is {', '.join(dict.fromkeys(others))}")
    share = len(against) / max(1, compared)
    return _check(
        "facts", f"at most {rules.contradictions:.0%} of what can be compared speaks against what is known",
        len(against), compared, share <= rules.contradictions, known,
        f"{len(against):,} of {compared:,} that can be compared speak against what is known",
        "look at these; whoever was wrong corrects them, and the last word of an analyst holds", against,
    )  # fmt: skip


def _known(one: Statement, store: Knowledge) -> Iterator[str]:
    """What sources say of the CVE that was corrected."""
    entry = store.get(one.cve) if one.cve and one.about in ("weakness", "severity") else None
    for statement in entry.statements if entry else ():
        record = statement.record
        if one.about == "weakness":
            yield from (link.to for link in record.links if link.rel is Rel.HAS_WEAKNESS)
        elif isinstance(record.facts, VulnerabilityFacts):
            yield from (score.vector for score in record.facts.cvss if score.vector.startswith("CVSS:3"))


def _held(one: Statement, held: Sequence[tuple[str, str]]) -> Iterator[str]:
    """The answers of held-out questions about the same text, where they are of the same kind."""
    text = " ".join(one.text.split())
    form = {"weakness": "CWE-", "severity": "CVSS:3", "techniques": "T1"}.get(one.about)
    if form and len(text) >= SHORTEST:
        yield from (final for prompt, final in held if final.startswith(form) and text in prompt)


def _agree(right: Sequence[str], other: str) -> bool:
    if other.startswith("CVSS:"):
        ours, theirs = (base_score(vector) for vector in (*right[:1], other))
        return ours is not None and theirs is not None and abs(ours - theirs) < APART
    return normal(other) in {normal(one) for one in right}


def _floods(told: Sequence[Row], given: Given, rules: Rules) -> Check:
    texts = [(row.id, f"{row.messages[-2].content}\n{row.final}") for row in told if row.task != REPLY]
    texts = texts or [(one.place, f"{one.text}\n{', '.join(one.right)}") for one in given.statements]
    groups = sorted(_alike([text for _, text in texts]), key=len, reverse=True)
    most = groups[0] if groups else []
    passed = len(most) < rules.least or len(most) / len(texts) <= rules.flood
    return _check(
        "floods", f"of what analysts say, at most {rules.flood:.0%} are near copies of one", len(most), len(texts),
        passed, bool(given.learned), f"{len(most):,} of {len(texts):,} are near copies of one",
        "keep some of them, and let others label cases of other kinds",
        (f"{len(group):,} like {texts[group[0]][0]}" for group in groups if len(group) > 1),
    )  # fmt: skip


def _alike(texts: Sequence[str]) -> list[list[int]]:
    """Places of near copies together. What stands in most of them is the template's, and says nothing."""
    pieces = [_pieces(text) for text in texts]
    counts = Counter(piece for one in pieces for piece in one)
    usual = {piece for piece, count in counts.items() if count > max(3, 0.9 * len(texts))}
    groups: list[list[int]] = []
    firsts: dict[int, list[int]] = {}  # value of a sketch → groups whose first text has it
    for place, one in enumerate(pieces):
        own = one - usual or one
        sketch = _sketch(own)
        near = dict.fromkeys(group for value in sketch for group in firsts.get(value, ()))
        home = next((group for group in near if _jaccard(own, pieces[groups[group][0]] - usual) >= ALIKE), None)
        if home is None:
            for value in sketch:
                firsts.setdefault(value, []).append(len(groups))
            groups.append([place])
        else:
            groups[home].append(place)
    return groups


def _pieces(text: str) -> frozenset[str]:
    """Numbers are all the same: times and devices make no text another one."""
    told = words(_DIGITS.sub("0", text))
    return frozenset(" ".join(told[n : n + GRAM]) for n in range(max(1, len(told) - GRAM + 1)))


def _sketch(pieces: Iterable[str]) -> list[int]:
    values = sorted(int.from_bytes(hashlib.blake2b(one.encode(), digest_size=8).digest()) for one in pieces)
    return values[:SKETCH]


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / max(1, len(one | other))


def _hostile(given: Given) -> Check:
    found = [f"{row.id}: {why}" for row in given.learned if (why := hostile(_own_words(row)))]
    apart = sum(bool(hostile(one.text)) for one in given.statements)
    n = len(given.learned)
    return _check(
        "hostile", "no text that speaks to a model among what was learned", len(found), n, not found, bool(n),
        f"{len(found):,} of {n:,} rows; {apart:,} of {len(given.statements):,} statements, which ingest keeps apart",
        "make the rows with `vedette forge ingest`, and train again", found,
    )  # fmt: skip


def _own_words(row: Row) -> str:
    """A skill's own prompt speaks to a model, so of a reply's row only the answer counts."""
    return "\n".join(message.content for message in (row.messages[-1:] if row.task == REPLY else row.messages))
