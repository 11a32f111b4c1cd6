"""The lines of evidence of a case, attacker-written text marked as such."""

from __future__ import annotations

from vedette.connect.sinks import wording
from vedette.connect.sinks.html.build import Child, Html, join, tag, text
from vedette.types import Background, Case, Evidence

_COLUMNS = ("", "Time (UTC)", "Alert", "Host", "Severity", "Alerts")


def evidence(case: Case, anchor: str) -> Html:
    if not case.evidence:
        return Html("")
    head = tag("tr", (tag("th", name or tag("span", "Number", cls="hidden"), scope="col") for name in _COLUMNS))
    bodies = (_item(item, n, f"{anchor}-e{n}", case.background) for n, item in enumerate(case.evidence, 1))
    return tag("table", tag("thead", head), bodies, cls="evidence")


def _item(item: Evidence, number: int, anchor: str, known: Background | None) -> Html:
    row = tag(
        "tr",
        tag("th", f"E{number}", scope="rowgroup"),
        tag("td", wording.moment(item.time), cls="time", data_th="Time (UTC)"),
        tag(
            "td",
            tag("b", text(item.rule_name, 300)),
            tag("small", f"{item.product} rule {item.rule_uid}"),
            data_th="Alert",
        ),
        tag("td", item.host, data_th="Host"),
        tag(
            "td", tag("span", wording.severity(item.severity), cls=f"sev sev-{int(item.severity)}"), data_th="Severity"
        ),
        tag("td", item.count, cls="num", data_th="Alerts"),
    )
    more = tag("tr", tag("td", cls="gap"), tag("td", _more(item, known), colspan=len(_COLUMNS) - 1), cls="more")
    return tag("tbody", row, more, id=anchor)


def _more(item: Evidence, known: Background | None) -> Html:
    seen = [join(f"{o.role} {o.kind} ", tag("code", o.value)) for o in item.observables]
    rows: list[tuple[str, Child]] = [("Record", tag("code", item.ref))]
    if item.count > 1:
        rows.append(("Seen", f"{wording.span(item.first, item.last)} UTC"))
    rows += [("Technique", wording.technique(uid, known)) for uid in item.techniques]
    if item.tactic:
        rows.append(("Tactic", wording.tactic(item.tactic, known)))
    if seen:
        rows.append(("Observables", tag("ul", (tag("li", one) for one in seen), cls="plain")))
    rows += [("Same flow", fact) for fact in item.context]
    facts = tag("dl", (join(tag("dt", name), tag("dd", value)) for name, value in rows))
    return join(facts, (_raw(t.kind.replace("_", " "), t.value) for t in item.texts))


def _raw(kind: str, value: str) -> Html:
    return tag("p", tag("span", "attacker-written", cls="warn"), tag("small", kind), tag("code", value), cls="raw")
