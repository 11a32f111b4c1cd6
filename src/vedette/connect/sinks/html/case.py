"""One case: what happened, why it is ranked where it is, and what to do next."""

from __future__ import annotations

from vedette.connect.sinks import wording
from vedette.connect.sinks.html.build import Child, Html, join, link, tag, text
from vedette.connect.sinks.html.charts import bar, strip, timeline, verdict_class
from vedette.connect.sinks.html.evidence import evidence
from vedette.connect.sinks.html.table import pill, severity
from vedette.types import NO_ATTRIBUTION, Background, Case, Claim, Reason

_OPEN = 8  # facts of one kind that are listed unfolded


def details(case: Case, anchor: str, by_id: dict[str, str], opened: bool) -> Html:
    """`by_id` holds the anchors of the cases that have details on this page."""
    summary = tag(
        "summary",
        tag("span", f"#{case.rank}", cls="rank"),
        pill(case),
        tag("h3", text(case.title, 200)),
        tag("small", case.day),
        tag("span", wording.percent(case.probability), cls="prob"),
    )
    columns = tag(
        "div",
        tag("div", _why(case, anchor), _said(case, anchor), _next(case)),
        tag("div", _facts(case, by_id), _block("Tactics", strip(case)), _background(case.background)),
        cls="columns",
    )
    body = tag(
        "div",
        tag("p", text(case.summary, 2_000), cls="summary") if case.summary else None,
        columns,
        _block("Timeline", timeline(case)),
        _block("Evidence", evidence(case, anchor)),
        cls="body",
        id=anchor,
    )
    return tag("details", summary, body, cls=f"case {verdict_class(case.verdict)}", open=opened)


def _block(title: str, content: Html) -> Html:
    return tag("section", tag("h4", title), content) if content else Html("")


def _facts(case: Case, by_id: dict[str, str]) -> Html:
    techniques = _listed([tag("li", wording.technique(uid, case.background)) for uid in case.techniques], "technique")
    seen = _listed([tag("li", f"{o.role} {o.kind} ", tag("code", o.value)) for o in case.observables], "observable")
    rows: list[tuple[str, Child]] = [
        ("Probability", _probability(case)),
        ("Severity", severity(case)),
        ("Hosts", ", ".join(case.hosts)),
        ("Time (UTC)", wording.span(case.first, case.last)),
        ("Alerts", f"{case.alerts:,}, and {wording.plural(case.duplicates, 'duplicate')} not counted again"),
        ("Observables", seen if case.observables else None),
        ("Techniques", techniques if case.techniques else None),
        ("Excused", tag("ul", (tag("li", note) for note in case.excused), cls="plain") if case.excused else None),
        ("Continues", _continues(case.continues, by_id) if case.continues else None),
        ("Closed", case.closed or None),
        ("Case id", tag("code", case.id)),
    ]
    return tag("dl", (join(tag("dt", name), tag("dd", value)) for name, value in rows if value is not None))


def _listed(items: list[Html], noun: str) -> Html:
    """A list, folded where it is so long that it would push the evidence off the screen."""
    whole = tag("ul", items, cls="plain")
    return (
        whole
        if len(items) <= _OPEN
        else tag("details", tag("summary", wording.plural(len(items), noun)), whole, cls="fold")
    )


def _probability(case: Case) -> Html:
    masked = f"{wording.percent(case.masked_probability)} with attacker-written text masked"
    number = tag("b", wording.percent(case.probability))
    return join(
        tag("span", number, bar(case.probability, verdict_class(case.verdict)), cls="prob"), tag("small", masked)
    )


def _continues(uid: str, by_id: dict[str, str]) -> Html:
    code = tag("code", uid)
    return link(by_id[uid], code) if uid in by_id else code


def _why(case: Case, anchor: str) -> Html:
    places = _places(case)
    reasons = tag("ol", (_reason(reason, anchor, places) for reason in case.reasons), cls="reasons")
    return _block("Why it is here", reasons if case.reasons else Html(""))


def _places(case: Case) -> dict[str, int]:
    return {item.ref: n for n, item in reversed(list(enumerate(case.evidence, 1)))}


def _reason(reason: Reason, anchor: str, places: dict[str, int]) -> Html:
    refs = [_ref(ref, anchor, places) for ref in reason.refs]
    spaced = [part for ref in refs for part in (Html(" "), ref)]
    return tag(
        "li",
        tag("span", tag("b", wording.percent(reason.share)), bar(reason.share, "share"), cls="prob"),
        tag("p", reason.text, tag("small", "rests on", spaced)),
    )


def _said(case: Case, anchor: str) -> Html:
    """What a language model adds, marked as such."""
    told = case.explanation
    if told is None:
        return Html("")
    places = _places(case)
    claims = [_claim(claim, anchor, places) for claim in told.claims]
    asides = [tag("p", words, cls="aside") for words in (wording.advice(told), wording.omitted(told)) if words]
    head = tag("p", tag("small", text(wording.said_by(told), 300)))
    return _block("In words", join(head, tag("ul", claims, cls="said") if claims else None, *asides))


def _claim(claim: Claim, anchor: str, places: dict[str, int]) -> Html:
    refs = [part for ref in claim.refs for part in (Html(" "), _ref(ref, anchor, places))]
    quote = tag("small", wording.quoted(claim), " ", tag("code", text(claim.quote, 400))) if claim.quote else None
    return tag("li", text(claim.text, 1_400), tag("small", "rests on", refs), quote)


def _ref(ref: str, anchor: str, places: dict[str, int]) -> Html:
    if ref in places:
        return link(f"{anchor}-e{places[ref]}", f"E{places[ref]}")
    return tag("code", text(ref, 120))


def _background(known: Background | None) -> Html:
    if known is None:
        return Html("")
    helping = [_known(wording.mitigation(m), f"against {wording.helps(m)}") for m in known.mitigations]
    if known.other_mitigations:
        helping.append(tag("li", tag("small", wording.plural(known.other_mitigations, "other mitigation"))))
    groups = [_known(wording.group(g), f"uses {', '.join(g.uses)}") for g in known.groups]
    if others := wording.other_groups(known):
        groups.append(tag("li", tag("small", others)))
    read = [_known(wording.inferred(one), wording.inferred_from(one)) for one in known.inferred]
    return join(
        _block(wording.INFERRED, tag("ul", read, cls="plain known") if read else Html("")),
        _block("Mitigations", tag("ul", helping, cls="plain known") if helping else Html("")),
        _block(f"Also used by – {NO_ATTRIBUTION}", tag("ul", groups, cls="plain known") if groups else Html("")),
    )


def _known(name: str, what: str) -> Html:
    return tag("li", name, tag("small", what))


def _next(case: Case) -> Html:
    steps = tag("ol", (tag("li", step) for step in case.next_steps), cls="steps")
    return _block("What to do next", steps if case.next_steps else Html(""))
