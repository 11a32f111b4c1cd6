"""`report.html`: one self-contained page that loads nothing, runs nothing and links nowhere else."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from importlib.resources import files

from vedette.connect.sinks import wording
from vedette.connect.sinks.html import legend, overview, table
from vedette.connect.sinks.html.build import Html, join, tag
from vedette.connect.sinks.html.case import details
from vedette.types import Case, Queue, Verdict

DETAILED = 200
OPEN = 2


def render(queue: Queue) -> str:
    detailed = [case for case in queue.cases if case.verdict is not Verdict.LIKELY_BENIGN][:DETAILED]
    anchors = {id(case): f"case-{n}" for n, case in enumerate(detailed, 1)}
    body = (
        tag("a", "Skip to the queue", href="#main", cls="skip"),
        overview.header(queue),
        tag(
            "main",
            overview.notes(queue),
            overview.balance(queue),
            table.section(queue, anchors),
            _cases(queue, detailed, anchors),
            overview.rejects(queue),
            legend.section() if queue.cases else None,
            id="main",
        ),
        legend.footer(queue),
    )
    page = tag("html", _head(queue), tag("body", *body), lang="en")
    return f"<!DOCTYPE html>\n{page}\n"


def _head(queue: Queue) -> Html:
    style = Html((files("vedette.connect.sinks.html") / "style.css").read_text("utf-8"))
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", f"Vedette: {wording.headline(queue)}"),
        tag("style", style),
    )


def _cases(queue: Queue, detailed: list[Case], anchors: dict[int, str]) -> Html:
    if not detailed:
        return Html("")
    wanted = sum(case.verdict is not Verdict.LIKELY_BENIGN for case in queue.cases)
    if wanted > DETAILED:
        said = f"Details of the first {DETAILED} of {wanted:,} cases that are not likely benign; all are in "
    else:
        said = "Details of the cases that are not likely benign; all cases are in "
    urgent = [case for case in detailed if case.verdict in wording.NEEDS_A_LOOK][:OPEN]
    opened = {id(case) for case in urgent or detailed[:1]}
    by_id = {case.id: anchors[id(case)] for case in detailed}
    return tag(
        "section",
        tag("h2", "Cases", id="cases"),
        tag("p", join(said, tag("code", wording.FULL_LIST), "."), cls="said"),
        (details(case, anchors[id(case)], by_id, id(case) in opened) for case in detailed),
    )
