"""What the experts read in names of rules: shown, bounded, never counted, and never of an attacker's text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from vedette.errors import ArtefactError
from vedette.experts import Experts
from vedette.experts.answers import Reason, Technique, Techniques
from vedette.knowledge.store import Knowledge
from vedette.skills.triage import inferred
from vedette.skills.triage.background import Backgrounds
from vedette.skills.triage.inferred import Inferred, RuleReader, sureness, texts_of
from vedette.skills.triage.owner import Owner
from vedette.skills.triage.skill import Triage
from vedette.skills.triage.state import State
from vedette.types import Alert, Case, Queue, Severity, Verdict

from .alerts import MODEL, alert, chunks, everyday, intrusion

NAMES = [a.rule_name for a in intrusion()]


@pytest.fixture(autouse=True)
def as_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probabilities are shown as the experts give them: these tests are not about how often those are right."""
    monkeypatch.setattr(inferred, "SLOPE", 1.0)
    monkeypatch.setattr(inferred, "SHIFT", 0.0)


class Reading:
    """Stands for the experts: finds T1003.001 in LSASS, two techniques in uploads; remembers what it was given."""

    name = "experts 0123456789ab"
    sha256 = "0123456789ab"

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.loaded = 0

    def load(self) -> Experts:
        self.loaded += 1
        return cast(Experts, self)

    def techniques(self, texts: Iterable[str], *, threshold: float | None = None) -> Iterator[Techniques]:
        for text in texts:
            self.texts.append(text)
            told = {"LSASS": [("T1003.001", 0.934)], "upload": [("T1041", 0.81), ("T1567", 0.62), ("T1048", 0.55)]}
            found = [(uid, p) for word, some in told.items() if word in text for uid, p in some]
            assert threshold is not None
            over = tuple(Technique(uid, p, ()) for uid, p in found if p >= threshold)
            yield Techniques(over, (), Reason.DECIDED if over else Reason.NONE, 1)


def queue_of(path: Path, alerts: list[Alert], reader: RuleReader | None, **shown: Any) -> Queue:
    path.mkdir(parents=True, exist_ok=True)
    with State(path / "state.db") as state, Backgrounds(Knowledge.open) as known:
        skill = Triage(state, MODEL, Owner(), backgrounds=known, reader=reader)
        for _ in skill.ingest(chunks(everyday() + alerts)):
            pass
        skill.build()
        if reader:
            skill.queue(**shown)  # a second look at the same queue reads nothing anew
        return skill.queue(**shown)


def first(queue: Queue) -> list[tuple[str, float, str]]:
    known = queue.cases[0].background
    return [(one.known.id, one.probability, one.rule) for one in known.inferred] if known else []


def test_what_rules_do_not_state_is_inferred_with_its_probability(tmp_path: Path) -> None:
    experts = Reading()
    queue = queue_of(tmp_path, intrusion(), RuleReader(experts.load))
    assert first(queue) == [
        ("T1003.001", 0.93, "LSASS memory dump"),
        ("T1041", 0.81, "Large upload to a new address"),
        ("T1567", 0.62, "Large upload to a new address"),
    ], "two of a rule, the surest first"
    background = queue.cases[0].background
    assert background
    assert background.inferred[0].known.name == "OS Credential Dumping: LSASS Memory"
    assert background.inferred_by == queue.experts == "experts 0123456789ab"
    assert (background.techniques, background.mitigations, background.groups) == ((), (), ()), "nothing follows from it"


def test_it_changes_nothing_else_not_a_byte(tmp_path: Path) -> None:
    experts = Reading()
    plain = queue_of(tmp_path / "plain", intrusion(), None)
    told = queue_of(tmp_path / "told", intrusion(), RuleReader(experts.load))
    assert first(told)
    assert not first(plain)
    assert queue_bytes(told) == queue_bytes(plain)
    with State(tmp_path / "plain" / "state.db") as one, State(tmp_path / "told" / "state.db") as other:
        assert list(one.cases()) == list(other.cases()), "nothing of it is kept in the state"
    again = queue_of(tmp_path / "again", intrusion(), RuleReader(Reading().load))
    assert msgspec.json.encode(again) == msgspec.json.encode(told), "the same run gives the same bytes"


def queue_bytes(queue: Queue) -> bytes:
    """Without what was inferred."""
    cases = []
    for case in queue.cases:
        known = case.background and msgspec.structs.replace(case.background, inferred=(), inferred_by="")
        cases.append(msgspec.structs.replace(case, background=known))
    return msgspec.json.encode(msgspec.structs.replace(queue, cases=tuple(cases), experts=""))


def test_each_text_is_read_once_and_benign_cases_are_not_read_for(tmp_path: Path) -> None:
    experts = Reading()
    queue = queue_of(tmp_path, [*intrusion("ws-1"), *intrusion("ws-3")], RuleReader(experts.load))
    assert sorted(experts.texts) == sorted(set(experts.texts))
    assert set(experts.texts) >= set(NAMES)
    assert experts.loaded == 1
    benign = [case for case in queue.cases if case.verdict is Verdict.LIKELY_BENIGN]
    assert benign
    assert not [text for case in benign for text in texts_of(case)]


def test_the_number_of_texts_is_bounded_and_a_day_shows_what_the_whole_queue_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inferred, "TEXTS", 3)
    alerts = [
        *intrusion(),
        alert("09:52", "z", day=1, host="ws-3", rule_name="LSASS again", severity=Severity.CRITICAL),
    ]
    experts = Reading()
    whole = queue_of(tmp_path / "whole", alerts, RuleReader(experts.load))
    assert len(experts.texts) == 3
    for day in ("2026-03-10", "2026-03-11"):
        shown = queue_of(tmp_path / day, alerts, RuleReader(experts.load), day=day)
        assert shown.cases == tuple(case for case in whole.cases if case.day == day)
    assert set(experts.texts) <= set(NAMES), "the texts of the first cases, whatever is shown"


def test_nothing_is_loaded_where_every_rule_states_its_techniques(tmp_path: Path) -> None:
    experts = Reading()
    stated = [msgspec.structs.replace(a, techniques=("T1059",)) for a in intrusion()]
    queue = queue_of(tmp_path, stated, RuleReader(experts.load))
    assert queue.cases[0].techniques == ("T1059",)
    assert (experts.loaded, queue.experts, first(queue)) == (0, "", [])


def test_what_another_rule_states_is_not_inferred(tmp_path: Path) -> None:
    stated = {"exec": ("T1003.001",), "c2": ("T1041.999",)}
    alerts = [msgspec.structs.replace(a, techniques=stated.get(a.rule_uid, ())) for a in intrusion()]
    queue = queue_of(tmp_path, alerts, RuleReader(Reading().load))
    assert [uid for uid, _, _ in first(queue)] == ["T1567"], "neither the same nor a broader one"


# -- an attacker's text -----------------------------------------------------------------------


def test_only_names_of_rules_are_read(tmp_path: Path) -> None:
    says = "Dump LSASS and upload it"
    experts = Reading()
    shown = alert("09:40", "x", host=says, user=says, text=says, rule_name="A rule", severity=Severity.CRITICAL)
    queue = queue_of(tmp_path, [shown], RuleReader(experts.load))
    assert "A rule" in experts.texts
    assert not [text for text in experts.texts if "LSASS" in text]
    assert not any(case.background and case.background.inferred for case in queue.cases)


@pytest.mark.parametrize(
    ("field", "value"),
    [("text", "dump lsass and upload"), ("user", "LSASS-upload"), ("host", "lsass"), ("text", "LSASS")],
)
def test_a_name_that_quotes_its_event_is_not_read(tmp_path: Path, field: str, value: str) -> None:
    experts = Reading()
    name = f"Something happened: {value.upper()}"
    fields = {"host": "ws-3", "rule_name": name, "severity": Severity.CRITICAL, field: value}
    queue = queue_of(tmp_path, [alert("09:40", "x", **fields)], RuleReader(experts.load))
    assert name in {item.rule_name for case in queue.cases for item in case.evidence}
    assert name not in experts.texts


def test_text_that_is_no_name_is_not_read(tmp_path: Path) -> None:
    experts = Reading()
    long = alert("09:40", "x", host="ws-3", rule_name="LSASS " * 60, severity=Severity.CRITICAL)
    queue_of(tmp_path, [long], RuleReader(experts.load))
    assert experts.texts == []


# -- weights ----------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [ArtefactError("no manifest", where="weights"), ImportError("no module"), OSError(5)])
def test_weights_that_cannot_be_used_are_said_once_and_triage_goes_on(tmp_path: Path, error: Exception) -> None:
    asked = []

    def broken() -> Experts:
        asked.append(1)
        raise error

    plain = queue_of(tmp_path / "plain", intrusion(), None)
    told = queue_of(tmp_path / "told", intrusion(), RuleReader(broken))
    assert len(asked) == 1
    (note,) = [note for note in told.notes if "the experts cannot be used" in note]
    assert str(error) in note
    assert "--no-experts" in note
    assert told.cases == plain.cases


def test_a_damaged_file_of_weights(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{", encoding="utf-8")
    reader = RuleReader(lambda: Experts.load(tmp_path))
    assert queue_of(tmp_path / "out", intrusion(), reader).cases[0].background is not None
    assert reader.trouble


def test_the_shipped_weights_read_names_of_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    queue = queue_of(tmp_path, intrusion(), RuleReader(Experts.load))
    assert "T1003.001" in [uid for uid, _, rule in first(queue) if rule == "LSASS memory dump"]
    assert all(0.5 <= probability <= 1 for _, probability, _ in first(queue))
    assert queue.experts.startswith("experts ")


def test_names_are_believed_less_than_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    surer = [sureness(p) for p in (0.0, 0.3, 0.5, 0.8, 0.95, 1.0)]
    assert surer == sorted(surer)
    assert 0 < surer[0] < surer[-1] < 1
    assert all(sureness(p) < p for p in (0.5, 0.8, 0.95))


def test_what_is_less_likely_than_not_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inferred, "SHIFT", -1.0)
    queue = queue_of(tmp_path, intrusion(), RuleReader(Reading().load))
    assert [uid for uid, _, _ in first(queue)] == ["T1003.001", "T1041"], "T1567 has 38 %"


def test_of_the_same_technique_the_surest_is_shown(tmp_path: Path) -> None:
    reader = RuleReader(Reading().load)
    queue = queue_of(
        tmp_path, [*intrusion(), alert("09:50", "y", host="ws-3", rule_name="An upload", severity=5)], reader
    )
    case: Case = queue.cases[0]
    assert {"An upload", "Large upload to a new address"} <= set(texts_of(case))
    assert [one for one in reader.of(case) if one.id == "T1041"] == [Inferred("T1041", 0.81, "An upload")]
