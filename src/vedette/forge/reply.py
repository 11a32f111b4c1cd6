"""What a model should reply about a triage case, without a model: claims that all pass the guard's checks.

The prompt is that of `skills.triage.engine`, to the byte: a model learns to answer what it will be asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

import msgspec

from vedette.engine.protocol import Message
from vedette.forge.practice import Piece
from vedette.forge.veil import Veil
from vedette.guard.claims import CITED, LONGEST, MOST, QUOTED, Stated
from vedette.guard.explain import Asked, hidden, messages
from vedette.guard.fence import SHOWN, Exhibit, plain
from vedette.guard.hostile import hostile
from vedette.guard.verify import Ground
from vedette.knowledge.store import Knowledge
from vedette.skills.triage.engine import GRAVER, asked
from vedette.skills.triage.explain import clock
from vedette.types import Case, Evidence, Verdict

_Line = tuple[Evidence, Exhibit]
EVENTS, REASONS = 3, 1  # that are told of a case
MARK = 16  # hex digits, as of `guard.fence`


@dataclass(frozen=True, slots=True)
class Found:
    """What people know of a case. `is_attack`: None where nobody labelled it."""

    is_attack: bool | None = None
    note: str = ""
    right: tuple[str, ...] = ()  # claims that should have been made
    wrong: tuple[str, ...] = ()  # claims that must not be made


def piece(case: Case, found: Found, veil: Veil, store: Knowledge, refs: tuple[str, ...]) -> Piece | None:
    """None where no claim about the case holds."""
    put, left = _harmless(asked(case))
    put = hidden(put, _Hiding(veil))
    claims = _held(case, found, put, veil, store)
    if not claims:
        return None
    verdict = str(_verdict(case, found))
    system, user = (message.content for message in _prompt(put, case))
    reply = msgspec.json.encode({"claims": claims, "verdict": verdict}).decode()
    return Piece(
        task="triage-reply", slots={"prompt": user, "reply": reply}, objects=(f"case:{case.id}",), spans=refs,
        unit="own/cases", release=case.day, final=verdict, difficulty=3, system=system,
        notes={"texts of attackers that speak to a model": left} if left else {},
    )  # fmt: skip


class _Hiding:
    """A veil where the guard wants a redaction; nothing is put back."""

    def __init__(self, veil: Veil) -> None:
        self.hide = veil.over

    def restore(self, text: str) -> str:
        return text


def _prompt(put: Asked, case: Case) -> Sequence[Message]:
    return messages(put, sha256(case.id.encode()).hexdigest()[:MARK])


def _harmless(put: Asked) -> tuple[Asked, int]:
    """Without texts that nobody should learn from, and how many there were."""
    kept = [replace(e, texts=tuple(t for t in e.texts if not hostile(t.text))) for e in put.exhibits]
    left = sum(len(e.texts) for e in put.exhibits) - sum(len(e.texts) for e in kept)
    return replace(put, exhibits=tuple(kept)), left


def _verdict(case: Case, found: Found) -> Verdict:
    """The one that the label supports; the decision is never lowered."""
    return max(case.verdict, Verdict.ESCALATE if found.is_attack else case.verdict, key=GRAVER.index)


def _held(case: Case, found: Found, put: Asked, veil: Veil, store: Knowledge) -> list[Stated]:
    ground = Ground(put.decision, put.exhibits, store, calm=put.calm)
    wrong = {" ".join(veil.over(text).split()) for text in found.wrong}
    lines = list(zip(case.evidence, put.exhibits, strict=True))
    kept: list[Stated] = []
    for several, most in (
        (_events(lines, veil), EVENTS),
        (_together(case, lines, veil), 1),
        (_reasons(case, lines, veil), REASONS),
        (_said(found, put.exhibits, veil), MOST - EVENTS - REASONS - 1),
    ):
        good: dict[str, Stated] = {}
        for claim in several:
            if len(good) < most and claim.text not in wrong | {*good} and _holds(ground, claim):
                good[claim.text] = claim
        kept += good.values()
    return kept


def _holds(ground: Ground, claim: Stated) -> bool:
    """As a whole: no sentence of it is dropped."""
    kept = ground.one(claim)
    return len(claim.text) <= LONGEST and [one.text for one in kept] == [claim.text]


def _events(lines: Sequence[_Line], veil: Veil) -> Iterator[Stated]:
    """The strongest lines of evidence, in the order in which they happened."""
    for line, exhibit in sorted(lines[: EVENTS + 1], key=lambda one: one[0].time):
        yield Stated(veil.over(_event(line)), (exhibit.id,), _quote(exhibit))


def _event(line: Evidence) -> str:
    return f"At {clock(line.time)} {line.product} reported “{line.rule_name}” on {line.host or 'no device'}."


def _quote(exhibit: Exhibit) -> str:
    """The beginning of what an attacker wrote there, as it is shown."""
    text = plain(exhibit.texts[0].text[:SHOWN])[:QUOTED].strip() if exhibit.texts else ""
    return text if len(text) >= 3 else ""


def _together(case: Case, lines: Sequence[_Line], veil: Veil) -> Iterator[Stated]:
    host = case.hosts[0] if case.hosts else ""
    same = tuple(e.id for line, e in lines if line.host == host)[:CITED]
    if len(same) > 1:
        first, last = clock(case.first), clock(case.last)
        when = f"between {first} and {last}" if first != last else f"at {first}"
        yield Stated(veil.over(f"The alerts belong together: they are on {host} {when}."), same)


def _reasons(case: Case, lines: Sequence[_Line], veil: Veil) -> Iterator[Stated]:
    ids = {line.ref: e.id for line, e in lines}
    for reason in case.reasons:
        if cited := tuple(ids[ref] for ref in reason.refs if ref in ids)[:CITED]:
            yield Stated(veil.over(reason.text), cited)


def _said(found: Found, exhibits: Sequence[Exhibit], veil: Veil) -> Iterator[Stated]:
    """People's sentences, each with what may bear it: one line of evidence, or the strongest ones together."""
    together = tuple(e.id for e in exhibits[:CITED])
    for text in filter(None, (*found.right, found.note)):
        told = " ".join(veil.over(text).split())
        for cited in [*((e.id,) for e in exhibits), together]:
            yield Stated(told, cited)
