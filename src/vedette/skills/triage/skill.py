"""The triage skill: gather (fold alerts into signals), decide (weigh, group, score), explain (in words).

Deterministic: the same alerts, owner's files and model give the same cases, byte for byte. What the knowledge store
says about their techniques, and what the experts read in rules that state none, is added when they are shown; it is
no part of the decision and not kept in the state.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from hashlib import blake2b

import msgspec

from vedette.knowledge import attack
from vedette.skills.triage import closing, engine, explain
from vedette.skills.triage.background import Backgrounds
from vedette.skills.triage.baseline import Baseline
from vedette.skills.triage.baseline import load as load_baseline
from vedette.skills.triage.evidence import choose
from vedette.skills.triage.features import WEAK, Group, Weighed, aftermath, case_values, weigh
from vedette.skills.triage.group import form
from vedette.skills.triage.inferred import RuleReader
from vedette.skills.triage.model import Model
from vedette.skills.triage.owner import Owner
from vedette.skills.triage.signals import DAY_MS, SLOT_MS, merged
from vedette.skills.triage.state import State
from vedette.types import Alert, Case, Chunk, Counts, Evidence, Explanation, Observable, Queue, Severity, Verdict

SHOWN_REJECTS = 20


class Triage:
    """One site's triage over a state. `miss_bound` in (0, 1): the owner lets cases be closed under it."""

    def __init__(
        self,
        state: State,
        model: Model,
        owner: Owner,
        *,
        miss_bound: float | None = None,
        backgrounds: Backgrounds | None = None,
        reader: RuleReader | None = None,
    ) -> None:
        self.state, self.model, self.owner, self.miss_bound = state, model, owner, miss_bound
        self.backgrounds, self.reader = backgrounds, reader
        self.remarks: tuple[str, ...] = ()  # of those who add to the queue, for its notes
        state.soil(self.setting(model, owner, miss_bound))
        self._folder = state.folder()

    @staticmethod
    def setting(model: Model, owner: Owner, miss_bound: float | None) -> str:
        """All that cases depend on besides the alerts."""
        return f"{model.sha256} {owner.digest()} {miss_bound}"

    # -- gather -------------------------------------------------------------------------------

    def ingest(self, chunks: Iterable[Chunk], notes: Sequence[str] = ()) -> Iterator[Chunk]:
        """Take chunks in and pass each on once it is committed. `notes` may grow while the chunks are read."""
        for chunk in chunks:
            copies, fresh = self.state.new(chunk.alerts)
            signals = self._folder.fold(zip(chunk.alerts, copies, strict=True))
            self.state.commit(chunk, signals, fresh, notes)
            if signals:  # of clocks that jump, the bookkeeping of the latest days stays
                self._folder.forget_before(max(s.day for s in signals.values()) - 1)
            yield chunk

    # -- decide and explain -------------------------------------------------------------------

    def build(self) -> list[int]:
        """Build the cases of all days that changed; returns those days (since 1970-01-01 UTC)."""
        days = self.state.dirty_days()
        for day in days:
            self.state.measure(day)
        for day in days:
            self.state.keep_cases(day, self._cases(day))
        return days

    def again(self, case: Case) -> Case | None:
        """The case as it is decided anew from the same signals; None where it no longer comes out."""
        day = case.first // DAY_MS
        self.state.measure(day)
        return next((one for one in self._cases(day) if one.id == case.id), None)

    def _cases(self, day: int) -> list[Case]:
        baseline = load_baseline(self.state.db, day)
        signals = [s for s in self.state.signals(day) if s.count]
        groups = form(weigh(signals, baseline, self.model, self.owner), self.model, self.owner)
        aftermath(groups)
        before = {h: c.id for c in self.state.cases(day - 1) for h in c.hosts if c.verdict is Verdict.ESCALATE}
        shown = [choose(group) for group in groups]
        samples = self.state.samples([w.signal for part in shown for w in part])
        drafts = [self._case(g, part, samples, baseline, before) for g, part in zip(groups, shown, strict=True)]
        drafts.sort(key=lambda c: (_ORDER[c.verdict], -c.probability, -c.severity, c.first, c.id))
        types = self.state.label_counts()
        return [self._close(_with(c, rank=i), types) for i, c in enumerate(drafts, 1)]

    def _case(
        self, group: Group, shown: list[Weighed], samples: dict[int, Alert], baseline: Baseline, before: dict[str, str]
    ) -> Case:
        values = case_values(group, self.owner)
        plain = masked = self.model.probability(values)
        if any(w.masked != w.points for w in group.members):
            masked = self.model.probability(case_values(group, self.owner, masked=True))
        strong = [w for w in group.members if w.points > WEAK]
        tactics = tuple(sorted({w.tactic for w in strong if w.tactic}, key=attack.tactic_order))
        severity = self._severity(group, tactics)
        verdict = self._verdict(group, max(plain, masked), severity)
        for w in shown:
            w.ref = samples[w.signal.rowid].ref
        why = explain.reasons(group, shown, self.model.case_parts(values), self.model, baseline, self.owner)
        what = explain.title(group, shown, tactics)
        hosts = tuple(dict.fromkeys([w.host for w in shown] + sorted({w.host for w in group.members})))
        return Case(
            id=_case_id(group),
            day=_day_name(group.day),
            rank=0,
            verdict=verdict,
            probability=round(max(plain, masked), 4),
            masked_probability=round(masked, 4),
            severity=severity,
            title=what,
            summary=explain.summary(what, group, verdict, severity, why),
            hosts=hosts,
            observables=_observables([samples[w.signal.rowid] for w in shown]),
            first=group.first,
            last=group.last,
            alerts=sum(w.signal.count for w in group.members),
            duplicates=sum(w.signal.duplicates for w in group.members),
            tactics=tactics,
            techniques=_techniques(group),
            reasons=why,
            evidence=tuple(self._evidence(group, w, samples[w.signal.rowid]) for w in shown),
            timeline=_timeline(group),
            next_steps=explain.next_steps(verdict, tactics),
            excused=_excuses(group),
            continues=next((before[h] for h in hosts if h in before and strong), ""),
        )

    def _verdict(self, group: Group, probability: float, severity: Severity) -> Verdict:
        """Probability decides; where the harm would be critical, half of it is enough to look. The rest keeps a low
        probability from sounding surer than it is."""
        if all(w.excuse for w in group.members):
            return Verdict.LIKELY_BENIGN
        if probability >= self.model.escalate:
            return Verdict.ESCALATE
        open_members = [w for w in group.members if not w.excuse]
        enough = self.model.investigate / (2 if severity >= Severity.CRITICAL else 1)
        if probability >= enough or any(w.signal.severity >= Severity.CRITICAL for w in open_members):
            return Verdict.INVESTIGATE
        unknown = [
            w for w in open_members if w.signal.severity == Severity.UNKNOWN or w.signal.severity >= Severity.HIGH
        ]
        if not group.routine and any(w.values[0] == 0.0 for w in unknown):
            return Verdict.UNDECIDED
        return Verdict.LIKELY_BENIGN

    def _severity(self, group: Group, tactics: tuple[str, ...]) -> Severity:
        """Harm if it is real: the worst rule, one step up for three tactics or more or a critical asset."""
        members = [w for w in group.members if not w.excuse]
        worst = max((w.signal.severity for w in members), default=int(Severity.INFORMATIONAL))
        if not group.routine and (
            len(tactics) >= 3 or any(self.owner.value(w.host) >= 1 for w in members if w.points > WEAK)
        ):
            worst += 1
        return Severity(min(worst, int(Severity.CRITICAL)))

    def _evidence(self, group: Group, w: Weighed, alert: Alert) -> Evidence:
        alike = [
            x.signal
            for x in group.members
            if x.host == w.host and x.signal.rule_uid == w.signal.rule_uid and x.signal.product == w.signal.product
        ]
        context = tuple(
            _context_line(c.kind, c.facts, [t.value for t in c.texts]) for c in self.state.context(alert.flow)
        )
        return Evidence(
            ref=alert.ref,
            time=alert.time,
            product=alert.product,
            rule_uid=alert.rule_uid,
            rule_name=alert.rule_name,
            severity=alert.severity,
            host=w.host,
            observables=alert.observables,
            texts=alert.texts,
            techniques=alert.techniques,
            tactic=w.tactic,
            count=sum(s.count for s in alike),
            first=min(s.first for s in alike),
            last=max(s.last for s in alike),
            points=round(w.points, 3),
            context=context,
        )

    def notes(self, shown_day: str | None = None) -> list[str]:
        """What the analyst has to know about these cases."""
        found = [*self.state.notes(), *self.remarks]
        days = self.state.days()
        if shown_day is not None and shown_day not in map(_day_name, days):
            found.append(f"No alert is of {shown_day}; there are alerts of {_span(days)}.")
        if len(days) == 1:
            found.append(
                "Only one day of this site is known: what is usual is judged within the day. "
                "It gets better with each day."
            )
        if self.miss_bound and not any(c.closed for c in self.state.cases()):
            found.append(
                f"Nothing is closed: a miss bound of {self.miss_bound:.2%} takes {closing.needed(self.miss_bound)} "
                "labelled cases of one type without an attack among them (`vedette label`)."
            )
        for e in self.owner.exceptions.exception:
            if days and e.expires.isoformat() < _day_name(days[-1]):
                found.append(
                    f"Exception {e.id} expired on {e.expires.isoformat()} and is not applied after that: "
                    "renew it or delete it."
                )
        if self.backgrounds and self.backgrounds.trouble:
            found.append(
                "Mitigations and groups are missing: the knowledge store cannot be used: " + self.backgrounds.trouble
            )
        if self.reader and self.reader.trouble:
            found.append(
                "Techniques of rules that state none are not inferred: the experts cannot be used: "
                f"{self.reader.trouble}. `--no-experts` does without them."
            )
        return found

    # -- closing ------------------------------------------------------------------------------

    def _close(self, case: Case, types: dict[str, tuple[int, int]]) -> Case:
        if self.miss_bound is None or case.verdict is not Verdict.LIKELY_BENIGN:
            return case
        misses, n = types.get(closing.case_type(case), (0, 0))
        bound = closing.upper_bound(misses, n)
        if bound >= self.miss_bound:
            return case
        limit = f"at most {bound:.2%} (95 %), under the owner's {self.miss_bound:.2%}"
        why = f"of {n} labelled cases like it {misses} were attacks: {limit}"
        return _with(case, closed=why)

    # -- result -------------------------------------------------------------------------------

    def queue(self, *, reject_file: str = "", day: str | None = None) -> Queue:
        """The cases of all days, or of one (YYYY-MM-DD), strongest first."""
        cases = sorted(
            self.state.cases(), key=lambda c: (_ORDER[c.verdict], -c.probability, -c.severity, c.first, c.id)
        )
        days: dict[str, list[int]] = {}
        for case in cases:
            tally = days.setdefault(case.day, [0, 0])
            tally[0] += 1
            tally[1] += case.verdict is Verdict.ESCALATE
        if self.backgrounds and self.reader:
            self.reader.read(cases)
        counts: Counts = self.state.counts()
        said = self.state.explanations()
        cases = [_explained(self._known(c), said) for c in cases if day in (None, c.day)]
        return Queue(
            cases=tuple(cases),
            counts=counts,
            days=tuple((d, days[d][0], days[d][1]) for d in sorted(days)),
            rejects=tuple(self.state.rejects(SHOWN_REJECTS)),
            reject_file=reject_file if counts.rejected else "",
            model=f"{self.model.name} {self.model.sha256[:12]}",
            notes=tuple(self.notes(day)),
            knowledge=self.backgrounds.release if self.backgrounds else "",
            experts=self.reader.name if self.reader else "",
        )

    def _known(self, case: Case) -> Case:
        if self.backgrounds is None:
            return case
        inferred = self.reader.of(case) if self.reader else ()
        by = self.reader.name if self.reader else ""
        background = self.backgrounds.of(case.techniques, case.tactics, inferred, by)
        return _with(case, background=background) if background else case


def _explained(case: Case, said: dict[str, tuple[str, Explanation]]) -> Case:
    """With what a model said of the case, unless the case has changed since."""
    _, explanation = said.get(case.id, ("", None))
    return _with(case, explanation=explanation) if explanation and engine.fits(explanation, case) else case


_ORDER = {Verdict.ESCALATE: 0, Verdict.INVESTIGATE: 1, Verdict.UNDECIDED: 2, Verdict.LIKELY_BENIGN: 3}


def _with(case: Case, **changes: object) -> Case:
    return msgspec.structs.replace(case, **changes)


def _case_id(group: Group) -> str:
    """The day, and what opened the case: its first signal; for routine, the device or the exception alone."""
    first = min(
        group.members, key=lambda w: (w.signal.first, w.signal.product, w.signal.rule_uid, w.host, w.signal.entities)
    )
    if group.routine:
        parts = ["routine", first.excuse.id if first.excuse else first.host]
    else:
        s = first.signal
        parts = ["case", str(s.first), s.product, s.rule_uid, first.host, *s.entities]
    digest = blake2b("\0".join(parts).encode("utf-8", "replace"), digest_size=6).hexdigest()
    return f"{_day_name(group.day).replace('-', '')}-{digest}"


def _day_name(day: int) -> str:
    return datetime.fromtimestamp(day * DAY_MS / 1000, UTC).strftime("%Y-%m-%d")


def _span(days: list[int]) -> str:
    return f"{_day_name(days[0])} to {_day_name(days[-1])}" if days else "no day"


def _observables(shown: list[Alert]) -> tuple[Observable, ...]:
    return tuple(dict.fromkeys(o for alert in shown for o in alert.observables))


def _techniques(group: Group) -> tuple[str, ...]:
    found: tuple[str, ...] = ()
    for w in sorted(group.members, key=lambda w: -w.points):
        found = merged(found, w.signal.techniques, limit=1_000)
    return found


def _timeline(group: Group) -> tuple[tuple[int, int, str], ...]:
    """(start of a ten-minute slot, alerts in it, tactic of its strongest signal)."""
    slots: dict[int, tuple[int, float, str]] = {}
    for w in group.members:
        count, points, tactic = slots.get(w.signal.slot, (0, -99.0, ""))
        if w.points > points:
            points, tactic = w.points, w.tactic
        slots[w.signal.slot] = (count + w.signal.count, points, tactic)
    return tuple((slot * SLOT_MS, count, tactic) for slot, (count, _, tactic) in sorted(slots.items()))


def _excuses(group: Group) -> tuple[str, ...]:
    excuses = {w.excuse.id: w.excuse for w in group.members if w.excuse}
    return tuple(
        f"{e.id} ({e.kind.replace('_', ' ')}): {e.reason}; until {e.expires.isoformat()}"
        + (f"; owner {e.owner}" if e.owner else "")
        for e in excuses.values()
    )


def _context_line(kind: str, facts: tuple[tuple[str, str], ...], texts: list[str]) -> str:
    return f"{kind}: " + ", ".join([f"{name} {value}" for name, value in facts] + texts)
