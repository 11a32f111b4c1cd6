"""The ranked queue. All cases are in it; past the first ones they lie in folds, which keeps the page quick."""

from __future__ import annotations

from collections.abc import Iterator

from vedette.connect.sinks import wording
from vedette.connect.sinks.html.build import Html, join, link, tag, text
from vedette.connect.sinks.html.charts import bar, verdict_class
from vedette.types import Case, Queue

SHOWN = 100
FOLD = 1_000
_COLUMNS = ("Rank", "Verdict", "Probability", "Severity", "Case", "Alerts", "Time (UTC)")


def section(queue: Queue, anchors: dict[int, str]) -> Html:
    if not queue.cases:
        return Html("")
    many_days = len(queue.days) > 1
    rows = [_row(case, anchors.get(id(case), ""), many_days) for case in queue.cases]
    said = "Most urgent first. Rank 1 is the first of its day." if many_days else "Most urgent first."
    return tag(
        "section",
        tag("h2", "Queue", id="queue"),
        tag("p", said, cls="said"),
        _table(rows[:SHOWN]),
        _folds(rows),
    )


def _folds(rows: list[Html]) -> Iterator[Html]:
    for start in range(SHOWN, len(rows), FOLD):
        end = min(start + FOLD, len(rows))
        yield tag(
            "details",
            tag("summary", tag("b", f"Cases {start + 1:,} to {end:,}"), f" of {len(rows):,}"),
            _table(rows[start:end]),
            cls="fold",
        )


def _table(rows: list[Html]) -> Html:
    head = tag("tr", (tag("th", name, scope="col") for name in _COLUMNS))
    return tag("table", tag("thead", head), tag("tbody", rows), cls="queue")


def _row(case: Case, anchor: str, many_days: bool) -> Html:
    title = text(case.title, 160)
    name = link(anchor, title) if anchor else title
    tactics = " → ".join(wording.tactic(name, case.background) for name in case.tactics)
    cells = (
        tag("td", tag("b", case.rank), tag("small", case.day) if many_days else None, data_th="Rank"),
        tag("td", pill(case), data_th="Verdict"),
        tag("td", probability(case), data_th="Probability"),
        tag("td", severity(case), data_th="Severity"),
        tag(
            "th",
            name,
            tag("small", text(wording.few(case.hosts), 120)),
            tag("small", text(tactics, 200), cls="dim") if tactics else None,
            scope="row",
        ),
        tag("td", case.alerts, cls="num", data_th="Alerts"),
        tag("td", wording.span(case.first, case.last, "%m-%d"), cls="time", data_th="Time (UTC)"),
    )
    return tag("tr", *cells)


def pill(case: Case) -> Html:
    closed = tag("small", "closed") if case.closed else None
    return join(tag("span", wording.VERDICTS[case.verdict], cls=f"pill {verdict_class(case.verdict)}"), closed)


def probability(case: Case) -> Html:
    number = tag("b", wording.percent(case.probability))
    return tag("span", number, bar(case.probability, verdict_class(case.verdict)), cls="prob")


def severity(case: Case) -> Html:
    return tag("span", wording.severity(case.severity), cls=f"sev sev-{int(case.severity)}")
