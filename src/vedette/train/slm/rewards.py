"""Exact verifiers: what a reply to a question of the forge is worth, without a model and without a person.

Each gives None where it has nothing to say about a question, and its lowest value to a reply that cannot be trusted
(see `said`): 0, or -1 of those that punish, so that a broken reply never beats an honest one. Replies are hostile: a
model in training finds whatever is paid for.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cvss import CVSS3, CVSS4
from cvss.exceptions import CVSSError

from vedette.knowledge.ids import canonical
from vedette.knowledge.record import Kind, Rel, decode
from vedette.knowledge.store import Knowledge
from vedette.registry import Registry
from vedette.train.slm import said
from vedette.train.slm.questions import ABSTAIN, CHOICE, EXACT, EXTRACT, MULTI, ORDERED, RULE, STEPS, Question

NEAR = 0.5  # of a parent or child of the right weakness
UNSURE = -0.5  # abstaining where there is an answer: always abstaining gains nothing up to one open question in three
NOTHING = "Not enough evidence"


@dataclass(frozen=True, slots=True)
class Ground:
    """What is known beyond the question; without it there is no partial credit, and no id counts as invented."""

    parents: Mapping[str, frozenset[str]] = field(default_factory=dict)  # weakness → ChildOf in CWE-1000
    techniques: Collection[str] = frozenset()  # all that are in force


Verifier = Callable[[Question, str, Ground], float | None]
NONE = Ground()

REWARDS: Registry[Verifier] = Registry(
    "reward",
    {
        "abstain": "vedette.train.slm.rewards:abstain",
        "cwe": "vedette.train.slm.rewards:cwe",
        "exact": "vedette.train.slm.rewards:exact",
        "final": "vedette.train.slm.rewards:final",
        "schema": "vedette.train.slm.rewards:schema",
        "shape": "vedette.train.slm.rewards:shape",
        "techniques": "vedette.train.slm.rewards:techniques",
        "vector": "vedette.train.slm.rewards:vector",
    },
)


def ground(store: Knowledge) -> Ground:
    """What a store knows."""
    parents: dict[str, frozenset[str]] = {}
    sql = "SELECT body FROM record WHERE kind = ? AND status = 'active' AND instr(body, 'view CWE-1000') > 0"
    for (body,) in store.db.execute(sql, (Kind.WEAKNESS,)):
        record = decode(body)
        found = frozenset(k.to for k in record.links if k.rel is Rel.CHILD_OF and "view CWE-1000" in k.note)
        parents[record.id] = parents.get(record.id, frozenset()) | found
    known = store.db.execute("SELECT DISTINCT id FROM record WHERE kind = ? AND status = 'active'", (Kind.TECHNIQUE,))
    return Ground(parents, frozenset(uid for (uid,) in known))


def final(asked: Question, reply: str, _: Ground = NONE) -> float | None:
    """The exact answer: 1 or 0; of a set F1."""
    if asked.kind not in EXACT or not asked.final.strip():
        return None
    told = said.answer(reply)
    if told is None:
        return 0.0
    if asked.kind == MULTI and asked.task not in ORDERED:
        return f1(_labels(told, asked.final), _labels(asked.final))
    if asked.kind == CHOICE:
        return float(_chosen(asked, told))
    return float(_same(told, asked.final) or (asked.kind == STEPS and _same_ids(told, asked.final)))


def exact(asked: Question, reply: str, ground: Ground = NONE) -> float | None:
    """All or nothing: the exact answer, the very JSON, the very rule."""
    if asked.kind == RULE:
        text = said.spoken(reply)
        return float(text is not None and _lines(text) == _lines(asked.final)) if asked.final.strip() else None
    found = schema(asked, reply) if asked.kind == EXTRACT else final(asked, reply, ground)
    return None if found is None else float(found == 1)


def cwe(asked: Question, reply: str, ground: Ground = NONE) -> float | None:
    """The right weakness, whatever name follows its id; a parent or child of it is worth something as a root cause."""
    right = _weakness(asked.final)
    if right is None or asked.kind not in EXACT:
        return None
    told = _weakness(said.answer(reply) or "")
    if told is None or told == right:
        return float(told is not None)
    near = told in ground.parents.get(right, ()) or right in ground.parents.get(told, ())
    group, _, name = asked.task.partition("/")
    return NEAR if near and group == "cve-weakness" and name != "rolled-up" else 0.0


def vector(asked: Question, reply: str, _: Ground = NONE) -> float | None:
    """The share of a CVSS vector's metrics that are right; none of one that is malformed or of another version."""
    right = _metrics(asked.final)
    if right is None or asked.kind not in EXACT:
        return None
    told = _metrics(said.answer(reply) or "")
    if told is None or told["CVSS"][0] != right["CVSS"][0]:
        return 0.0
    names = right.keys() | told.keys()
    return sum(right.get(name) == told.get(name) for name in names) / len(names)


def techniques(asked: Question, reply: str, ground: Ground = NONE) -> float | None:
    """F1 of a set of technique ids, less the share of them that are invented; -1 without an answer."""
    right = [_technique(label) for label in _labels(asked.final)]
    if asked.kind not in EXACT or not right or None in right:
        return None
    told = said.answer(reply)
    if told is None:
        return -1.0
    ids = [_technique(label) or label for label in _labels(told)]
    if not ids:
        return -1.0
    known = ground.techniques
    invented = sum(not re.fullmatch(_TECHNIQUE, uid, re.ASCII) or bool(known and uid not in known) for uid in ids)
    return f1(ids, [uid for uid in right if uid]) - invented / len(ids)


def schema(asked: Question, reply: str, _: Ground = NONE) -> float | None:
    """The share of fields that are as they should be; of triage's reply, whether it fits and has the right verdict."""
    if asked.kind != EXTRACT:
        return None
    try:
        right = json.loads(asked.final)
    except ValueError:
        return None
    try:
        told = said.parsed(reply)
    except ValueError:
        return 0.0
    if isinstance(right, dict) and "claims" in right:
        from vedette.train.slm.replies import fits

        return float(fits(told, asked.prompt) and told.get("verdict") == right.get("verdict"))
    return _alike(told, right)


def abstain(asked: Question, reply: str, _: Ground = NONE) -> float | None:
    """Says that the evidence is not enough exactly where it is not. A wrong guess costs most."""
    if asked.kind not in EXACT or not asked.final.strip():
        return None
    told = said.answer(reply)
    if told is None:
        return -1.0
    silent = _same(told, NOTHING)
    if asked.kind == ABSTAIN:
        return 1.0 if silent else -1.0
    if silent:
        return UNSURE
    return 1.0 if final(asked, reply) == 1 else -1.0


def shape(asked: Question, reply: str, _: Ground = NONE) -> float | None:
    """Ends in exactly one answer line where one is asked for, is JSON where that is, and has none elsewhere."""
    if asked.kind in EXACT:
        return float(said.answer(reply) is not None)
    if asked.kind == EXTRACT:
        try:
            said.parsed(reply)
        except ValueError:
            return 0.0
        return 1.0
    text = said.spoken(reply)
    return float(text is not None and not said.claims(text))


def f1(told: Collection[str], right: Collection[str]) -> float:
    """Of two sets. What is said twice counts as said wrongly once."""
    hits = len(set(told) & set(right))
    return 2 * hits / max(1, len(told) + len(set(right)))


_LABELLED = re.compile(r"(\S+) \(.+\)")


def _labels(text: str, right: str = "") -> list[str]:
    """Of a set, in their spelling; an id alone stands for the id with its name in `right`."""
    named = {found[1]: label.strip() for label in right.split(", ") if (found := _labelled(label))}
    plain = (re.sub(r"[ \t]+", " ", label).strip() for label in text.split(", "))
    return [named.get(label, label) for label in plain if label]


def _labelled(label: str) -> re.Match[str] | None:
    found = _LABELLED.fullmatch(label.strip())
    return found if found and canonical(found[1]) == found[1] else None


def _bare(label: str) -> str:
    """In one spelling. Upper and lower case differ only where other alphabets could pose as ours."""
    plain = re.sub(r"[ \t]+", " ", label).strip()
    return plain.lower() if plain.isascii() else plain


def _same(told: str, right: str) -> bool:
    """The very answer, or its id where the answer is an id with its name."""
    if _bare(told) == _bare(right):
        return True
    labelled = _labelled(right)
    return bool(labelled and told == labelled[1])


def _same_ids(told: str, right: str) -> bool:
    """Sets of ids, in any order."""
    a, b = _labels(told, right), _labels(right)
    return len(b) > 1 and sorted(a) == sorted(b) and all(canonical(label.partition(" ")[0]) for label in b)


def _chosen(asked: Question, told: str) -> bool:
    """The letter, alone or with its option as the question has it."""
    letter = asked.final.strip()
    if told in (letter, f"{letter})"):
        return True
    options = asked.prompt[-1].get("content", "").split("\n") if asked.prompt else []
    return told.startswith(f"{letter}) ") and told in [re.sub(r"[ \t]+", " ", line).strip() for line in options]


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().split("\n")]


_WEAKNESS, _TECHNIQUE = r"CWE-[1-9]\d{0,5}", r"T\d{4}(?:\.\d{3})?"
_ONE_WEAKNESS = re.compile(rf"({_WEAKNESS})(?: \(.+\))?", re.ASCII)
_ONE_TECHNIQUE = re.compile(rf"({_TECHNIQUE})(?: \(.+\))?", re.ASCII)


def _weakness(text: str) -> str | None:
    found = _ONE_WEAKNESS.fullmatch(text.strip())
    return found[1] if found and len(re.findall(r"CWE.?\d", text, re.IGNORECASE)) == 1 else None


def _technique(label: str) -> str | None:
    found = _ONE_TECHNIQUE.fullmatch(label)
    return found[1] if found and len(re.findall(r"T\d{4}", label, re.IGNORECASE)) == 1 else None


def _metrics(text: str) -> dict[str, str] | None:
    """Metric → value, the version under "CVSS"; None where it is no vector of CVSS v3 or v4."""
    text = text.strip()
    try:
        clean = (CVSS4 if text.startswith("CVSS:4") else CVSS3)(text).clean_vector()
    except CVSSError:
        return None
    return dict(part.split(":", 1) for part in clean.split("/"))


def _alike(told: Any, right: Any) -> float:
    """Share of fields of an object, F1 of a list's entries; else 1 or 0."""
    if isinstance(told, dict) and isinstance(right, dict) and right:
        names = told.keys() | right.keys()
        same = sum(n in told and n in right and _json(told[n]) == _json(right[n]) for n in names)
        return same / len(names)
    if isinstance(told, list) and isinstance(right, list) and right and _json(told) != _json(right):
        a, b = Counter(map(_json, told)), Counter(map(_json, right))
        return min(0.99, 2 * (a & b).total() / (len(told) + len(right)))  # in another order it is not the same
    return float(_json(told) == _json(right))


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def applicable(questions: Sequence[Question], names: Sequence[str]) -> list[Question]:
    """Those about which a reward has something to say."""
    verifiers = [REWARDS.load(name) for name in names]
    return [one for one in questions if any(verify(one, one.answer, NONE) is not None for verify in verifiers)]
