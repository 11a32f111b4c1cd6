"""`report.md`: the queue for a ticket or a wiki.

Text that comes from alerts stands in code spans unless it is made of plain words: no renderer finds
a link, an image, a mention, markup or HTML in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from vedette.connect.sinks import wording
from vedette.guard.neutralise import printable
from vedette.types import NO_ATTRIBUTION, Background, Case, Evidence, Explanation, Queue, Verdict

DETAILED = 50
LISTED = 500
_PLAIN = re.compile(r"[^\W_][^\W_]*(?:[ ,.'/:()–—→+%-]+[^\W_]+)*[.)%]?")
_LINK = re.compile(r"://|//|www\.|\\", re.IGNORECASE)
_RUN = re.compile(r"`+")


def render(queue: Queue) -> str:
    return "\n".join(_lines(queue)) + "\n"


def safe(text: str, limit: int = 400) -> str:
    """Plain words as they are, anything else as a code span."""
    shown = printable(text, limit)
    return shown if _PLAIN.fullmatch(shown) and not _LINK.search(shown) else code(text, limit)


def code(text: str, limit: int = 400) -> str:
    """A code span that the text cannot close. A pipe, which would end a table's cell, is shown as `\\x7c`."""
    shown = printable(text, limit).replace("|", r"\x7c")
    if not shown.strip():
        return "–"
    fence = "`" * (max(map(len, _RUN.findall(shown)), default=0) + 1)
    pad = " " if shown[0] in "` " or shown[-1] in "` " else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def _lines(queue: Queue) -> Iterator[str]:
    yield f"# Alert triage: {wording.headline(queue)}"
    yield ""
    yield f"{wording.balance(queue.counts).capitalize()}."
    yield from _section("Notes", [f"- {safe(note)}" for note in queue.notes])
    if not queue.cases:
        yield from ("", wording.why_empty(queue))
    yield from _days(queue)
    yield from _queue(queue)
    detailed = [case for case in queue.cases if case.verdict is not Verdict.LIKELY_BENIGN]
    for case in detailed[:DETAILED]:
        yield from _case(case)
    if len(detailed) > DETAILED:
        yield from ("", f"Details of the first {DETAILED} of {len(detailed):,}; all are in `{wording.FULL_LIST}`.")
    yield from _rejects(queue)
    knowledge = f" Knowledge: {code(queue.knowledge)}." if queue.knowledge else ""
    experts = f" Experts: {code(queue.experts)}." if queue.experts else ""
    yield from ("", f"Model: {code(queue.model)}.{knowledge}{experts} All times are UTC.")


def _section(title: str, lines: list[str], level: int = 2) -> Iterator[str]:
    if lines:
        yield from ("", f"{'#' * level} {title}", "", *lines)


def _days(queue: Queue) -> Iterator[str]:
    rows = [f"| {safe(day)} | {cases:,} | {escalated:,} |" for day, cases, escalated in queue.days]
    if rows:
        yield from _section("Days", ["| Day (UTC) | Cases | To escalate |", "|---|--:|--:|", *rows])


def _queue(queue: Queue) -> Iterator[str]:
    if not queue.cases:
        return
    head = [
        "| Day | Rank | Verdict | Probability | Severity | Case | Hosts | Alerts |",
        "|---|--:|---|--:|---|---|---|--:|",
    ]
    yield from _section("Queue", head + [_row(case) for case in queue.cases[:LISTED]])
    if len(queue.cases) > LISTED:
        yield from ("", f"The first {LISTED} of {len(queue.cases):,}; all are in `{wording.FULL_LIST}`.")


def _row(case: Case) -> str:
    cells = (
        safe(case.day),
        str(case.rank),
        wording.verdict(case),
        wording.percent(case.probability),
        wording.severity(case.severity),
        safe(case.title, 120),
        safe(wording.few(case.hosts), 120),
        f"{case.alerts:,}",
    )
    return f"| {' | '.join(cells)} |"


def _case(case: Case) -> Iterator[str]:
    yield from ("", f"## {safe(case.day)}, rank {case.rank}: {wording.verdict(case)}. {safe(case.title, 200)}", "")
    yield (
        f"**{wording.percent(case.probability)}** that it is an attack "
        f"({wording.percent(case.masked_probability)} with attacker-written text masked); "
        f"severity {wording.severity(case.severity)}; {wording.plural(case.alerts, 'alert')} and "
        f"{wording.plural(case.duplicates, 'duplicate')}, {wording.span(case.first, case.last)} UTC."
    )
    if case.summary:
        yield from ("", safe(case.summary, 2_000))
    yield from ("", f"- Case {code(case.id)}")
    if case.continues:
        yield f"- Continues {code(case.continues)}"
    if case.closed:
        yield f"- Closed: {safe(case.closed)}"
    yield f"- Hosts: {safe(wording.few(case.hosts, 12))}"
    if case.tactics:
        yield f"- Tactics: {' → '.join(safe(wording.tactic(name, case.background)) for name in case.tactics)}"
    if case.techniques:
        yield f"- Techniques: {', '.join(safe(wording.technique(uid, case.background)) for uid in case.techniques)}"
    reasons = [f"- {wording.percent(r.share)}: {safe(r.text)} ({', '.join(map(code, r.refs))})" for r in case.reasons]
    yield from _section("Reasons", reasons, 3)
    if case.explanation:
        yield from _section(f"Words: {safe(wording.said_by(case.explanation))}", list(_said(case.explanation)), 3)
    yield from _section("Evidence", [line for item in case.evidence for line in _evidence(item)], 3)
    yield from _section("Next steps", [f"{n}. {safe(step)}" for n, step in enumerate(case.next_steps, 1)], 3)
    yield from _section("Excused", [f"- {safe(note)}" for note in case.excused], 3)
    if case.background:
        yield from _inferred(case.background)
        yield from _background(case.background)


def _said(told: Explanation) -> Iterator[str]:
    for claim in told.claims:
        yield f"- {safe(claim.text, 1_400)} ({', '.join(map(code, claim.refs))})"
        if claim.quote:
            yield f"  - {wording.quoted(claim)}: {code(claim.quote)}"
    yield from (f"- {safe(words, 600)}" for words in (wording.advice(told), wording.omitted(told)) if words)


def _inferred(known: Background) -> Iterator[str]:
    read = [
        f"- {safe(wording.inferred(one))}: {wording.percent(one.probability)}, read in {safe(one.rule)}"
        for one in known.inferred
    ]
    yield from _section(wording.INFERRED, read, 3)


def _background(known: Background) -> Iterator[str]:
    helping = [f"- {safe(wording.mitigation(m))}: against {safe(wording.helps(m))}" for m in known.mitigations]
    if known.other_mitigations:
        helping.append(f"- {wording.plural(known.other_mitigations, 'other mitigation')}")
    yield from _section("Mitigations", helping, 3)
    groups = [f"- {safe(wording.group(g))}: {safe(', '.join(g.uses))}" for g in known.groups]
    if others := wording.other_groups(known):
        groups.append(f"- {others}")
    yield from _section(f"Also used by ({NO_ATTRIBUTION})", groups, 3)


def _evidence(item: Evidence) -> Iterator[str]:
    yield (
        f"- {wording.moment(item.time)} {safe(item.product)} rule {code(item.rule_uid)} {safe(item.rule_name)} "
        f"on {safe(item.host)}, severity {wording.severity(item.severity)}, × {item.count:,}. {code(item.ref)}"
    )
    for seen in item.observables:
        yield f"  - {seen.role} {seen.kind}: {code(seen.value)}"
    for text in item.texts:
        yield f"  - attacker-written {text.kind.replace('_', ' ')}: {code(text.value)}"
    for fact in item.context:
        yield f"  - same flow: {code(fact)}"


def _rejects(queue: Queue) -> Iterator[str]:
    lines = [f"- {code(r.ref)}: {safe(r.reason)} Remedy: {safe(r.remedy)}" for r in queue.rejects]
    yield from _section(f"Rejected records ({queue.counts.rejected:,})", lines)
    if lines and queue.reject_file:
        yield from ("", f"All of them are in {code(queue.reject_file)}.")
