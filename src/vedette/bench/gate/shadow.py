"""A candidate beside the model in force, over cases that were: what analysts would have read, before they read it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, median, quantiles

import msgspec

from vedette import __version__
from vedette.bench.gate.report import plain
from vedette.bench.gate.run import Contender
from vedette.bench.statistics import bootstrap
from vedette.engine.gate import Party
from vedette.errors import ArtefactError
from vedette.guard.explain import Way
from vedette.guard.neutralise import printable
from vedette.guard.redact import Redaction
from vedette.knowledge.store import Knowledge
from vedette.manifest import atomic_write
from vedette.skills.triage.engine import worded
from vedette.types import Case, Explanation

MAX_BYTES = 16 * 1024 * 1024
Told = Callable[[str, int, int], None]


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """What a model said of one case."""

    claims: tuple[str, ...] = ()  # that were verified
    dropped: dict[str, int] = {}  # sentences, by fault
    raise_to: str = ""
    note: str = ""
    seconds: float = 0.0


class Side(msgspec.Struct, frozen=True, kw_only=True):
    party: Party
    claims: int
    silent: int  # cases without a verified claim
    dropped: dict[str, int]
    raised: int
    seconds: float  # median of a case
    slowest: float  # 95th percentile


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """One case, as both put it."""

    id: str
    verdict: str
    title: str
    before: Words | None
    now: Words


class Shadow(msgspec.Struct, frozen=True, kw_only=True):
    format: int = 1
    made: str  # UTC, ISO 8601
    version: str
    base: Side | None
    candidate: Side
    cases: tuple[Beside, ...]
    more: tuple[float, float, float]  # verified claims of a case, now and before: mean difference, 95 % interval

    @property
    def summary(self) -> str:
        now, before = self.candidate, self.base
        of = f" (before {before.claims})" if before else ""
        drops = f" (before {sum(before.dropped.values())})" if before else ""
        return (
            f"{len(self.cases)} cases: {now.claims} verified claims{of}, {sum(now.dropped.values())} sentences "
            f"dropped{drops}, {now.raised} verdicts raised, {now.silent} cases without words, {now.seconds:.1f} s each"
        )


async def shadow(
    base: Contender | None, candidate: Contender, cases: Sequence[Case], store: Knowledge, told: Told = lambda *_: None
) -> Shadow:
    """Raises what opening a model raises; where one fails on a case, its note says so."""
    before = await _said(base, "base", cases, store, told) if base else None
    now = await _said(candidate, "candidate", cases, store, told)
    beside = tuple(
        Beside(id=case.id, verdict=case.verdict, title=case.title, before=before[n] if before else None, now=now[n])
        for n, case in enumerate(cases)
    )
    gaps = [len(one.now.claims) - len(one.before.claims) for one in beside if one.before]
    return Shadow(
        made=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), version=__version__,
        base=_side(base.party, before) if base and before is not None else None,
        candidate=_side(candidate.party, now), cases=beside,
        more=(fmean(gaps), *bootstrap(gaps, fmean)) if gaps else (0.0, 0.0, 0.0),
    )  # fmt: skip


async def _said(who: Contender, name: str, cases: Sequence[Case], store: Knowledge, told: Told) -> list[Words]:
    """One after the other, so that their times can be compared."""
    found: list[Words] = []
    async with who.open() as engine:
        for case in cases:
            hiding = Redaction(case.observables, hosts=case.hosts) if engine.identity.remote else None
            began = time.monotonic()
            said = (await worded(case, engine, store, Way(spec=who.party.spec), hiding)).explanation
            found.append(_words(said or Explanation(), time.monotonic() - began))
            told(name, len(found), len(cases))
    return found


def _words(said: Explanation, seconds: float) -> Words:
    claims = tuple(claim.text for claim in said.claims)
    return Words(
        claims=claims, dropped=dict(said.dropped), raise_to=said.raise_to, note=said.note, seconds=round(seconds, 3)
    )


def _side(party: Party, words: Sequence[Words]) -> Side:
    times = [one.seconds for one in words]
    dropped = Counter[str]()
    for one in words:
        dropped.update(one.dropped)
    return Side(
        party=party, claims=sum(len(one.claims) for one in words), silent=sum(not one.claims for one in words),
        dropped=dict(sorted(dropped.items())), raised=sum(bool(one.raise_to) for one in words),
        seconds=median(times) if times else 0.0,
        slowest=quantiles(times, n=20)[-1] if len(times) > 1 else max(times, default=0.0),
    )  # fmt: skip


def write(path: Path, found: Shadow) -> None:
    """As JSON, and to read beside it. Raises OutputError."""
    atomic_write(path, msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    atomic_write(path.with_suffix(".md"), markdown(found))


def read(path: Path) -> Shadow:
    """Raises ArtefactError."""
    remedy = "make it again with `vedette model shadow`"
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(MAX_BYTES), type=Shadow)
    except OSError as exc:
        raise ArtefactError(f"no shadow run: {exc.strerror}", where=str(path), remedy=remedy) from exc
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise ArtefactError(f"no shadow run: {exc}", where=str(path), remedy=remedy) from exc


def markdown(found: Shadow) -> str:
    return "\n".join(_lines(found)) + "\n"


def rows(found: Shadow) -> list[tuple[str, ...]]:
    """A measure, before, now."""
    sides = [found.base, found.candidate]
    faults = sorted({fault for side in sides if side for fault in side.dropped})
    measures: list[tuple[str, Callable[[Side], str]]] = [
        ("verified claims", lambda side: f"{side.claims:,}"),
        ("cases without a verified claim", lambda side: f"{side.silent:,}"),
        ("verdicts raised", lambda side: f"{side.raised:,}"),
        ("seconds a case, median", lambda side: f"{side.seconds:.1f}"),
        ("seconds a case, 95th percentile", lambda side: f"{side.slowest:.1f}"),
        *((f"sentences that {fault}", lambda side, fault=fault: f"{side.dropped.get(fault, 0):,}") for fault in faults),
    ]
    return [(name, *(told(side) if side else "–" for side in sides)) for name, told in measures]


def _lines(found: Shadow) -> Iterator[str]:
    base = printable(str(found.base.party)) if found.base else "nothing"
    yield f"# {printable(str(found.candidate.party))} beside {base}, {len(found.cases):,} cases"
    yield ""
    yield f"Made {found.made} by Vedette {found.version}. Nothing of it was shown to an analyst."
    yield from ("", "| | before | now |", "|---|--:|--:|")
    yield from (f"| {' | '.join(row)} |" for row in rows(found))
    mean, low, high = found.more
    yield from ("", f"Verified claims of a case, now less before: {mean:+.2f} (95 %: {low:+.2f} to {high:+.2f}).")
    for case in found.cases:
        yield from ("", f"## {plain(case.id)}: {plain(case.title)}", "", f"Verdict: {plain(case.verdict)}.")
        for name, words in (("before", case.before), ("now", case.now)):
            if words:
                yield from ("", f"{name}, {words.seconds:.1f} s{_also(words)}:", "")
                yield from (f"- {plain(claim)}" for claim in words.claims or ("nothing",))


def _also(words: Words) -> str:
    raised = f", would say {plain(words.raise_to)}" if words.raise_to else ""
    dropped = f", {sum(words.dropped.values())} sentences dropped" if words.dropped else ""
    return f"{raised}{dropped}{f', {plain(words.note)}' if words.note else ''}"
