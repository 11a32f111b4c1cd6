"""The top of the page: what needs a look, what was read, which days; and what was rejected."""

from __future__ import annotations

from collections.abc import Iterator

from vedette.connect.sinks import wording
from vedette.connect.sinks.html.build import Html, join, link, tag
from vedette.connect.sinks.html.charts import stacked, verdict_class
from vedette.types import Queue, Rejected, Verdict

_MARK = Html(
    '<svg class="mark" viewBox="0 0 24 24" aria-hidden="true">'
    '<path d="M12 2 3.5 5.2v6.1c0 5 3.5 8.9 8.5 10.7 5-1.8 8.5-5.7 8.5-10.7V5.2z"/>'
    '<circle cx="12" cy="11" r="3.2"/></svg>'
)
_DAYS = 62
_TALL = 7  # days that fit beside the balance; more of them scroll


def header(queue: Queue) -> Html:
    return tag(
        "header",
        tag("p", _MARK, tag("b", "Vedette"), " Alert triage", cls="brand"),
        tag("h1", wording.headline(queue)),
        tag("p", _lede(queue), cls="lede"),
        _tallies(queue) if queue.cases else None,
        _contents(queue) if queue.cases else None,
        cls="top",
    )


def _lede(queue: Queue) -> str:
    if not queue.cases:
        return wording.why_empty(queue)
    first, last = min(case.first for case in queue.cases), max(case.last for case in queue.cases)
    cases, alerts = wording.plural(len(queue.cases), "case"), wording.plural(queue.counts.in_cases, "alert")
    return f"{cases} from {alerts}, {wording.span(first, last)} UTC. Vedette advises; a person decides."


def _tallies(queue: Queue) -> Html:
    tiles = (
        tag("li", tag("b", number), tag("span", wording.VERDICTS[verdict]), cls=verdict_class(verdict))
        for verdict, number in wording.tallies(queue).items()
    )
    return tag("ul", tiles, cls="tallies", aria_label="Cases by verdict")


def _contents(queue: Queue) -> Html:
    parts = {"queue": "Queue", "cases": "Cases", "read": "What was read", "rejected": "Rejected", "legend": "Legend"}
    benign = all(case.verdict is Verdict.LIKELY_BENIGN for case in queue.cases)
    absent = {"cases"} if benign else set()
    absent |= set() if _has_rejects(queue) else {"rejected"}
    return tag("nav", (link(key, name) for key, name in parts.items() if key not in absent), aria_label="Contents")


def notes(queue: Queue) -> Html:
    if not queue.notes:
        return Html("")
    return tag(
        "section",
        tag("h2", "Read this first", id="notes"),
        tag("ul", (tag("li", note) for note in queue.notes)),
        cls="callout",
    )


def balance(queue: Queue) -> Html:
    counts = queue.counts
    off = abs(wording.missing(counts))
    verdict = (
        f"{off:,} records are unaccounted for: report this."
        if off
        else "Every record is accounted for."
        if counts.read
        else ""
    )
    read = tag(
        "div",
        stacked(wording.shares(counts), "Share of the records read") if counts.read else None,
        tag("p", tag("b", counts.read), " read = ", _sum(wording.shares(counts)), cls="sum"),
        tag("p", verdict, cls="bad" if off else "said"),
        cls=None if queue.days else "only",
    )
    return tag("section", tag("h2", "What was read", id="read"), tag("div", read, _days(queue), cls="read"))


def _sum(parts: tuple[tuple[str, int], ...]) -> Iterator[Html]:
    for place, (name, number) in enumerate(parts):
        yield join(" + " if place else None, tag("b", number), f" {name}")


def _days(queue: Queue) -> Html:
    if not queue.days:
        return Html("")
    long = len(queue.days) > _TALL
    most = max(cases for _, cases, _ in queue.days) or 1
    rows = (
        tag(
            "tr",
            tag("th", day, scope="row"),
            tag("td", _day_bar(cases, escalated, most), cls="wide"),
            tag("td", cases, cls="num"),
            tag("td", escalated, cls="num"),
        )
        for day, cases, escalated in queue.days[-_DAYS:]
    )
    head = tag("tr", *(tag("th", name, scope="col") for name in ("Day (UTC)", "Share", "Cases", "To escalate")))
    said = f"The last {_DAYS} of {len(queue.days):,} days." if len(queue.days) > _DAYS else None
    return tag(
        "div",
        tag("table", tag("caption", "Days"), tag("thead", head), tag("tbody", rows), cls="days"),
        tag("p", said, cls="said") if said else None,
        cls="scroll-y" if long else None,
        tabindex=0 if long else None,
        role="region" if long else None,
        aria_label="Days, scrollable" if long else None,
    )


def _day_bar(cases: int, escalated: int, most: int) -> Html:
    return tag(
        "svg",
        tag("rect", cls="track", width=100, height=8),
        tag("rect", cls="rest", width=100 * cases / most, height=8),
        tag("rect", cls=verdict_class(Verdict.ESCALATE), width=100 * escalated / most, height=8),
        cls="bar",
        viewBox="0 0 100 8",
        preserveAspectRatio="none",
        aria_hidden="true",
    )


def rejects(queue: Queue) -> Html:
    if not _has_rejects(queue):
        return Html("")
    where = join(" All of them, whole, are in ", tag("code", queue.reject_file), ".") if queue.reject_file else None
    count = wording.plural(queue.counts.rejected, "record")
    return tag(
        "section",
        tag("h2", "Rejected records", id="rejected"),
        tag("p", f"{count} could not be used; the first {len(queue.rejects)} are shown.", where, cls="said"),
        tag("ul", map(_reject, queue.rejects), cls="rejects"),
    )


def _has_rejects(queue: Queue) -> bool:
    return bool(queue.counts.rejected or queue.rejects)


def _reject(reject: Rejected) -> Html:
    return tag(
        "li",
        tag("p", tag("code", reject.ref), " ", tag("b", reject.reason)),
        tag("p", f"What to do: {reject.remedy}") if reject.remedy else None,
        tag("p", tag("span", "attacker-written", cls="warn"), tag("code", reject.excerpt), cls="raw")
        if reject.excerpt
        else None,
    )
