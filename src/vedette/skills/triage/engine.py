"""What a language model adds to a case: claims that were checked against its evidence. The case itself stays.

`asked` and `worded` serve production, the benchmarks and training: what a model is shown is the same everywhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import msgspec

from vedette import prompts
from vedette.engine.protocol import Engine, Identity
from vedette.guard.explain import Asked, Hiding, Way, explain, prompt_hash, shown_hash
from vedette.guard.fence import Exhibit, Untrusted
from vedette.knowledge.store import Knowledge
from vedette.skills.triage.explain import VERDICT_WORDS, clock, tactic_name
from vedette.types import Case, Evidence, Explanation, Kind, Observable, Verdict

GRAVER = (Verdict.LIKELY_BENIGN, Verdict.UNDECIDED, Verdict.INVESTIGATE, Verdict.ESCALATE)
NAME = 64  # characters; a longer name is fenced, whoever vouches for it
RULE = 12  # characters of a rule's id that people know it by
NAMED = 12  # techniques
Hidings = Callable[[Case], Hiding | None]


def asked(case: Case) -> Asked:
    """The case as a model is shown it."""
    counted = {ref for reason in case.reasons for ref in reason.refs}
    exhibits = tuple(_exhibit(f"E{n}", e, e.ref in counted) for n, e in enumerate(case.evidence, 1))
    return Asked(
        decision=_decision(case, {e.ref: e.id for e in exhibits}),
        exhibits=exhibits,
        prompt=_prompt(),
        verdict=str(case.verdict),
        verdicts=tuple(map(str, GRAVER)),
        calm=case.verdict is Verdict.LIKELY_BENIGN,
    )


async def worded(case: Case, engine: Engine, store: Knowledge, way: Way, hiding: Hiding | None = None) -> Case:
    """The case with a model's explanation, which has a note instead of claims where the model failed."""
    explanation = await explain(engine, asked(case), store, way, hiding=hiding)
    return msgspec.structs.replace(case, explanation=explanation)


def decided(case: Case) -> Exhibit:
    """The decision itself, as something to ask about."""
    return Exhibit("", f"case {case.id}", " ".join(_decision(case, {}).split()), value=100.0)


def fits(explanation: Explanation, case: Case) -> bool:
    """Is it about this case as it is today?"""
    return explanation.by is not None and explanation.by.shown == shown_hash(asked(case))


def key(case: Case, who: Identity, way: Way, redacted: bool) -> str:
    """Equal for two explanations that would be made in the same way."""
    put = asked(case)
    parts = (
        shown_hash(put), prompt_hash(put), who.backend, who.name, who.sha256, who.quantisation, who.template,
        way.adapter or who.adapter, str(way.seed), str(redacted),
    )  # fmt: skip
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _decision(case: Case, ids: dict[str, str]) -> str:
    lines = [
        f"Verdict: {case.verdict}. {VERDICT_WORDS[case.verdict]}",
        f"Probability of an attack: {_percent(case.probability)}. Harm if it is one: {case.severity.name.lower()}.",
        f"Case: {case.title}, {case.day} {clock(case.first)} to {clock(case.last)} UTC.",
        f"It has {case.alerts} alerts on {_count(case.hosts, 'device')}: {', '.join(case.hosts[:12])}.",
    ]
    if case.tactics:
        lines.append("Tactics: " + ", ".join(map(tactic_name, case.tactics)) + ".")
    if techniques := _techniques(case):
        lines.append("Techniques: " + "; ".join(techniques) + ".")
    for reason in case.reasons:
        cited = ", ".join(ids[ref] for ref in reason.refs if ref in ids)
        lines.append(f"- {_percent(reason.share)} of the score: {reason.text} ({cited or 'the whole case'})")
    return "\n".join(lines)


def _techniques(case: Case) -> list[str]:
    names = {t.id: t.name for t in case.background.techniques} if case.background else {}
    return [f"{uid} {names.get(uid, '')}".strip() for uid in case.techniques[:NAMED]]


def _percent(share: float) -> str:
    """Never quite none or all."""
    return f"{min(99, max(1, round(share * 100)))} %"


def _exhibit(uid: str, e: Evidence, counted: bool) -> Exhibit:
    names, fenced = _split(e.observables)
    often = f", {e.count} alerts from {clock(e.first)} to {clock(e.last)}" if e.count > 1 else ", 1 alert"
    stated = [f"tactic {tactic_name(e.tactic)}"] * bool(e.tactic) + [f"technique {uid}" for uid in e.techniques]
    rule = f"rule {e.rule_uid} " if len(e.rule_uid) <= RULE else ""
    what = f"{_moment(e.time)} {e.product} {rule}“{e.rule_name}” on {e.host}, severity {e.severity.name.lower()}{often}"
    return Exhibit(uid, e.ref, "; ".join([what, *names, *stated]), (*_texts(e), *fenced), e.points, counted)


def _texts(e: Evidence) -> list[Untrusted]:
    """Each once, and not what is in the open already."""
    found: dict[str, Untrusted] = {e.rule_name: Untrusted("", "")}
    for place, text in (*((text.kind.replace("_", " "), text.value) for text in e.texts), *_flow(e)):
        found.setdefault(text, Untrusted(place, text))
    return list(found.values())[1:]


def _flow(e: Evidence) -> Iterator[tuple[str, str]]:
    for line in e.context:
        yield "same flow", line


def _split(seen: Iterable[Observable]) -> tuple[list[str], list[Untrusted]]:
    """Names in the open, and those that could as well be sentences."""
    names, fenced = [], []
    for one in seen:
        if one.kind is Kind.HASH:  # long, and nobody reads them out
            continue
        what = f"{one.role} {one.kind}"
        if len(one.value) > NAME or any(char.isspace() for char in one.value):
            fenced.append(Untrusted(what, one.value))
        else:
            names.append(f"{what} {one.value}")
    return names, fenced


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _count(values: Sequence[str], noun: str) -> str:
    return f"{len(values)} {noun}{'s' * (len(values) != 1)}"


@cache
def _prompt() -> prompts.Prompt:
    return prompts.load(Path(__file__).with_name("engine.v1.md"))
