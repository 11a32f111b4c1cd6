"""What the organisation's own data says that matters to a gate: names in it, who said what, what is calm."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from vedette.bench.gate.questions import Row
from vedette.bench.scoring import base_score
from vedette.guard.internal import is_address, telling
from vedette.skills.corrections import Correction, Skill, read, settled
from vedette.skills.triage.lines import lines
from vedette.skills.triage.state import State, explained
from vedette.types import Case, Kind

CALM = frozenset(("benign", "likely_benign"))  # right answers that see no harm
USER, HOST = "user", "host"
_NAMED = re.compile(r"\b(?P<kind>user|account|hostname|host|device|on)\s+[“\"']?(?P<name>[\w.$\\@-]{3,64})")
_MASKED = re.compile(r"(?:HOST|USER|DOMAIN|IP|MAC|MAIL|SECRET|TEXT|BLOB)_\d+[a-z]{0,2}")
_SIGN = re.compile(r"[\d._$\\@-]")


class Name(NamedTuple):
    kind: str  # "user" or "host"
    name: str


@dataclass(frozen=True, slots=True)
class Statement:
    """What an analyst said: a label of a case, or a correction."""

    who: str
    about: str  # what kind of thing: "triage", or a skill
    text: str
    right: tuple[str, ...]
    calm: bool  # it sees less harm than Vedette did
    place: str
    cve: str = ""


def statements(path: Path | None) -> Iterator[Statement]:
    """Of a file of corrections. Raises InputError."""
    if path is None:
        return
    lines_of = {one: number for number, one in read(path) if isinstance(one, Correction)}
    every = settled(list(lines_of))
    for one in (*every.held, *every.disputed):
        place = f"{path.name}:{lines_of[one]}"
        yield Statement(one.who, one.skill, one.text, one.right, _calms(one), place, one.about)


def _calms(one: Correction) -> bool:
    if one.skill is Skill.SEVERITY:
        before, after = (base_score(vector) for vector in (*one.answered[:1], *one.right[:1], "", "")[:2])
        return before is not None and after is not None and after < before
    return bool(one.answered) and not one.right and one.skill is not Skill.EXPLANATION


def labelled(path: Path) -> list[tuple[Statement, Case]]:
    """Cases of a triage state with what analysts said of them. Raises StateError."""
    with explained(path), State(path) as state:
        who = state.labellers()
        found = []
        for case_id, is_attack, _ in state.labels():
            if case := state.case(case_id):
                right = "attack" if is_attack else "benign"
                by = who.get(case_id, ("", ""))[0]
                one = Statement(by, "triage", lines(case)[0], (right,), not is_attack, f"case {case_id}")
                found.append((one, case))
    return found


def names(rows: Iterable[Row], cases: Sequence[tuple[Statement, Case]], most: int) -> list[Name]:
    """Users and devices of the data, those first that stand most often beside a calm answer. Masked ones are nobody."""
    calm: Counter[Name] = Counter()
    seen: Counter[Name] = Counter()
    for row in rows:
        found = set(_named(row.messages[-2].content))
        seen.update(found)
        calm.update(found if row.final.casefold() in CALM else ())
    for one, case in cases:
        told = {Name(USER, o.value) for o in case.observables if o.kind is Kind.USER}
        told |= {Name(HOST, host) for host in case.hosts}
        told = {name for name in told if _tells(name.name)}
        seen.update(told)
        calm.update(told if one.calm else ())
    return sorted(seen, key=lambda name: (-calm[name], -seen[name], name))[:most]


def _named(text: str) -> Iterator[Name]:
    for match in _NAMED.finditer(text):
        name, kind = match["name"].strip(".-\\"), USER if match["kind"] in ("user", "account") else HOST
        stated = text[: match.start()].endswith(("actor ", "target ", "host ", "src ", "dst "))
        if _tells(name) and (stated or _SIGN.search(name)):
            yield Name(kind, name)


def _tells(name: str) -> bool:
    return telling(name.casefold()) and not _MASKED.fullmatch(name) and not is_address(name)


def swapped(text: str, known: Sequence[Name], instead: Mapping[str, Sequence[str]], number: int) -> str:
    """With every name of ours another one of its kind, the same throughout; the text itself where it has none."""
    found: dict[str, str] = {}
    for place, (kind, name) in enumerate(known):
        others = [one for one in instead[kind] if one != name]
        found[name] = others[(place + number) % len(others)]
    if not found:
        return text
    either = "|".join(re.escape(name) for name in sorted(found, key=len, reverse=True))
    return re.sub(rf"(?<![\w-])(?:{either})(?![\w-])", lambda match: found[match[0]], text)
