"""`cases.csv`: a row a case, for spreadsheets.

What a spreadsheet would take for a formula gets an apostrophe before it: cells that begin with `= + - @`
or their full-width forms, also after blanks and quotes. The same is done after `; | ,` inside a cell, which
some spreadsheets take for the separator. Tabs and line ends are shown as `\\t` and `\\n`, so no cell begins
with one. Text that must be exact is in `cases.jsonl`.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence

from vedette.connect.sinks.wording import inferred, inferred_from, moment, technique
from vedette.guard.neutralise import printable
from vedette.types import Case, Queue

_FORMULA = re.compile(r"""(^|[;|,])([\s"']*)([=+\-@\uff1d\uff0b\uff0d\uff20])""")
_TEXT = 2_000

COLUMNS = (
    "day",
    "rank",
    "id",
    "verdict",
    "closed",
    "probability",
    "masked_probability",
    "severity",
    "title",
    "summary",
    "hosts",
    "first_utc",
    "last_utc",
    "alerts",
    "duplicates",
    "tactics",
    "techniques",
    "reasons",
    "refs",
    "next_steps",
    "excused",
    "continues",
    "mitigations",
    "groups_no_attribution",  # that are known to use the techniques, too
    "techniques_inferred",  # by the experts; no rule states them, nothing is counted for them
)


def render(queue: Queue) -> str:
    return "".join(lines(queue))


def lines(queue: Queue) -> Iterator[str]:
    """The same piece by piece."""
    yield _written(COLUMNS)
    for case in queue.cases:
        yield _written([_cell(value) for value in _row(case)])


def _written(cells: Sequence[str]) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL).writerow(cells)
    return out.getvalue()


def _row(case: Case) -> tuple[object, ...]:
    """In the order of `COLUMNS`."""
    known = case.background
    return (
        case.day,
        case.rank,
        case.id,
        case.verdict.value,
        case.closed,
        round(case.probability, 4),
        round(case.masked_probability, 4),
        case.severity.name.lower(),
        case.title,
        case.summary,
        case.hosts,
        moment(case.first),
        moment(case.last),
        case.alerts,
        case.duplicates,
        case.tactics,
        tuple(technique(uid, known) for uid in case.techniques),
        tuple(reason.text for reason in case.reasons),
        tuple(evidence.ref for evidence in case.evidence),
        case.next_steps,
        case.excused,
        case.continues,
        tuple(told.id for told in known.mitigations) if known else (),
        tuple(told.id for told in known.groups) if known else (),
        tuple(f"{inferred(one)} ({inferred_from(one)})" for one in known.inferred) if known else (),
    )


def _cell(value: object) -> str:
    if isinstance(value, tuple):
        return harmless("; ".join(printable(str(item), _TEXT) for item in value))
    return harmless(printable(value, _TEXT)) if isinstance(value, str) else str(value)


def harmless(text: str) -> str:
    """`text` as no spreadsheet will calculate it."""
    return _FORMULA.sub(r"\1\2'\3", text)
