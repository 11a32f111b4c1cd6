"""Hostile text lowers no verdict, and nothing of it reaches a terminal, a browser or a spreadsheet as code."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import pytest
from msgspec.structs import replace

from vedette.connect.sinks import VIEWS
from vedette.guard.mask import mask
from vedette.types import Alert, Case, Kind, Observable, Queue, Role, Severity, TextKind, UntrustedText, Verdict

from .alerts import alert, at, everyday, intrusion, triage

CORPUS = [
    (row["name"], row["text"] * row.get("times", 1))
    for row in map(json.loads, (Path(__file__).parent / "hostile" / "texts.jsonl").read_text("utf-8").splitlines())
]
TEXTS = pytest.mark.parametrize("text", [text for _, text in CORPUS], ids=[name for name, _ in CORPUS])
ORDER = [Verdict.LIKELY_BENIGN, Verdict.UNDECIDED, Verdict.INVESTIGATE, Verdict.ESCALATE]
RAW = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069\ufeff]")


def case_of(queue: Queue, rule: str = "lsass", host: str = "ws-3") -> Case:
    """The strongest case that shows this rule on this device."""
    return next(c for c in queue.cases if any(e.rule_uid == rule and e.host == host for e in c.evidence))


def not_lower(after: Case, before: Case) -> None:
    assert ORDER.index(after.verdict) >= ORDER.index(before.verdict)
    assert after.probability >= before.probability
    assert after.severity >= before.severity
    assert not after.closed
    assert not after.excused
    assert after.masked_probability <= after.probability


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """The intrusion without a word of its own."""
    return case_of(triage(tmp_path_factory.mktemp("calm"), intrusion()))


@TEXTS
def test_text_of_no_kind_lowers_a_verdict(tmp_path: Path, calm: Case, text: str) -> None:
    for kinds in (tuple(TextKind), (TextKind.COMMAND_LINE,), (TextKind.DNS_NAME,), (TextKind.USER_NAME,)):
        texts = tuple(UntrustedText(kind, text) for kind in kinds)
        path = tmp_path / f"{len(kinds)}-{kinds[0]}"
        not_lower(case_of(triage(path, [replace(a, texts=texts) for a in intrusion()])), calm)


@TEXTS
def test_what_sensors_report_of_a_name_counts_as_any_other_name(tmp_path: Path, text: str) -> None:
    """User and process names that are instructions, escapes or formulas."""

    def named(user: str) -> list[Alert]:
        seen = (Observable(Role.ACTOR, Kind.USER, user), Observable(Role.ACTOR, Kind.PROCESS, user))
        return [replace(a, observables=(*a.observables, *seen)) for a in intrusion()]

    not_lower(case_of(triage(tmp_path / "b", named(text))), case_of(triage(tmp_path / "a", named("mara"))))


def test_some_of_the_corpus_raises(tmp_path: Path, calm: Case) -> None:
    raised = set()
    for name, text in CORPUS:
        if case_of(triage(tmp_path / name.replace(" ", "-"), intrusion(text=text))).probability > calm.probability:
            raised.add(name)
    assert {"ignore instructions", "you are", "template", "script element"} <= raised
    assert "empty" not in raised
    assert "fake record" not in raised


# -- what is written out ----------------------------------------------------------------------


class Tags(HTMLParser):
    """Collects what a browser would see as elements and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= {
            tag,
            *(f"{name}={value}" for name, value in attrs if name.startswith("on") or "evil" in str(value)),
        }


@pytest.fixture(scope="module")
def queue(tmp_path_factory: pytest.TempPathFactory) -> Queue:
    """A queue in which every field that may hold foreign text holds the whole corpus."""
    alerts = [
        replace(
            a,
            rule_name=f"{a.rule_name} {text}",
            ref=f"t.json:{n} {text}",
            texts=(UntrustedText(TextKind.LOG_LINE, text),),
            observables=(
                *a.observables,
                Observable(Role.ACTOR, Kind.USER, text),
                Observable(Role.HOST, Kind.HOSTNAME, f"h{n} {text}"),
            ),
            uid=f"{n} {a.rule_uid}",
        )
        for n, (_, text) in enumerate(CORPUS)
        for a in intrusion()
    ]
    return triage(tmp_path_factory.mktemp("queue"), alerts)


@pytest.mark.parametrize("name", list(VIEWS))
def test_no_view_passes_on_a_control_character(queue: Queue, name: str) -> None:
    out = VIEWS.load(name)(queue)
    assert len(out) > 500
    assert not RAW.search(out.replace("\r\n", "\n")), RAW.search(out)


def test_html_has_no_element_of_the_attackers(queue: Queue) -> None:
    hostile, plain = Tags(), Tags()
    hostile.feed(VIEWS.load("html")(queue))
    plain.feed(VIEWS.load("html")(Queue(**{**{f: getattr(queue, f) for f in queue.__struct_fields__}, "cases": ()})))
    assert not {tag for tag in hostile.found if tag in {"img", "iframe", "object", "embed"} or "=" in tag}
    assert ("script" in hostile.found) == ("script" in plain.found)


def test_csv_has_no_formula(queue: Queue) -> None:
    rows = list(csv.reader(io.StringIO(VIEWS.load("csv")(queue))))
    assert len(rows) == len(queue.cases) + 1
    assert {len(row) for row in rows} == {len(rows[0])}
    assert not [cell for row in rows for cell in row if re.match(r"\s*[=+\-@\t\r]", cell)]


def test_jsonl_is_a_record_a_line(queue: Queue) -> None:
    lines = VIEWS.load("jsonl")(queue).splitlines()
    assert [json.loads(line)["id"] for line in lines] == [case.id for case in queue.cases]


# -- floods -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Alert], Case]:
    alerts = [*everyday(12), *intrusion()]
    return alerts, case_of(triage(tmp_path_factory.mktemp("site"), alerts))


def flood(rule: str, n: int = 10_000, **fields: object) -> list[Alert]:
    """Ten thousand alerts within a quarter of an hour around the intrusion, each from another user."""
    start = at("09:50")
    return [alert(start + i * 50, rule, user=f"u{i}", severity=Severity.LOW, **fields) for i in range(n)]


@pytest.mark.parametrize(
    "noise",
    [
        flood("low-0", host="ws-3"),
        flood("low-0", host="ws-9"),
        flood("new rule", host="ws-3"),
        flood("lsass", host="ws-3", rule_name="LSASS memory dump"),
        flood("lsass", host="ws-9", rule_name="LSASS memory dump"),
        [alert(at("09:50") + i * 50, f"r{i}", host="ws-3", severity=Severity.LOW) for i in range(10_000)],
        [alert(at("00:00") + i * 8_640, "low-1", host="ws-3", severity=Severity.LOW) for i in range(10_000)],
    ],
    ids=["known rule", "elsewhere", "new rule", "same rule", "same rule elsewhere", "10,000 rules", "all day"],
)
def test_a_flood_of_ten_thousand_does_not_drown_the_intrusion(
    tmp_path: Path, site: tuple[list[Alert], Case], noise: Sequence[Alert]
) -> None:
    alerts, before = site
    queue = triage(tmp_path, [*alerts, *noise], size=5_000)
    assert sum(case.alerts for case in queue.cases) == len(alerts) + len(noise)
    after = case_of(queue)
    assert after.verdict is before.verdict is Verdict.ESCALATE
    assert after.rank == 1
    shown = {line.rule_uid for line in after.evidence}
    assert {"exec", "c2", "lsass", "disable", "exfil"} <= shown


@pytest.mark.parametrize("noise", [flood("low-0", host="ws-3"), flood("new rule", host="ws-3")])
def test_a_flood_takes_nothing_off_the_probability(
    tmp_path: Path, site: tuple[list[Alert], Case], noise: Sequence[Alert]
) -> None:
    alerts, before = site
    not_lower(case_of(triage(tmp_path, [*alerts, *noise], size=5_000)), before)


# -- what other alerts, and the text in them, do to a case -----------------------------------


def shadow() -> list[Alert]:
    """Strong activity elsewhere an hour before, which makes the intrusion its aftermath."""
    return [alert("08:50", f"first-{n}", host="ws-0", severity=Severity.CRITICAL, text="mimikatz") for n in range(3)]


def decoys(n: int) -> list[Alert]:
    """Low alerts on many devices, each with its own rule, in whose text the attacker puts tools' names."""
    return [
        alert(at("08:40") + i * 1_000, f"decoy-{i}-{k}", host=f"d{i}", user=f"d{i}", severity=Severity.LOW, text=text)
        for i in range(n) for k, text in enumerate(("mimikatz; id", "mimikatz | id"))
    ]  # fmt: skip


def test_what_goes_before_raises(tmp_path: Path, site: tuple[list[Alert], Case]) -> None:
    alerts, before = site
    after = case_of(triage(tmp_path, [*alerts, *shadow()]))
    not_lower(after, before)
    assert after.probability > before.probability


def test_text_elsewhere_does_not_dilute_the_aftermath(tmp_path: Path, site: tuple[list[Alert], Case]) -> None:
    alerts = [*site[0], *shadow()]
    loud = case_of(triage(tmp_path / "loud", [*alerts, *decoys(40)]))
    masked = case_of(triage(tmp_path / "masked", [*alerts, *map(mask, decoys(40))]))
    not_lower(loud, masked)


def test_an_alert_that_joins_earlier_does_not_take_the_aftermath_away(
    tmp_path: Path, site: tuple[list[Alert], Case]
) -> None:
    alerts = [*site[0], *shadow()]
    early = alert("08:40", "early", host="ws-5", dst="203.0.113.66", severity=Severity.HIGH)
    not_lower(case_of(triage(tmp_path / "b", [*alerts, early])), case_of(triage(tmp_path / "a", alerts)))
