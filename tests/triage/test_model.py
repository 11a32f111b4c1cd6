"""The additive model: nothing that is added, and no text, can lower a case."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette import manifest
from vedette.errors import ArtefactError
from vedette.skills.triage import model as weights
from vedette.skills.triage.baseline import Baseline
from vedette.skills.triage.features import EXCUSED, Group, Weighed, case_values, rule_key, weigh
from vedette.skills.triage.model import CASE_TERMS, SIGNAL_TERMS, Model, sigmoid, softplus
from vedette.skills.triage.owner import Owner
from vedette.skills.triage.signals import Folder, Signal
from vedette.types import Alert, Severity

from .alerts import DAY, MODEL, alert, owner, triage

SHIPPED = weights.load()
SITE = owner([{"name": "h1", "criticality": "high"}, {"name": "h2", "criticality": "critical"}])


@st.composite
def members(draw: st.DrawFn) -> Weighed:
    host, rule = draw(st.sampled_from(("h0", "h1", "h2"))), draw(st.sampled_from("abcdef"))
    masked = draw(st.floats(-12, 6))
    points = masked + draw(st.sampled_from((0.0, 1.5, 3.0)))
    signal = Signal(
        slot=DAY * 144, product="p", rule_uid=rule, rule_name=rule, device=host, entities=(), severity=3, count=1
    )
    excused = draw(st.booleans()) and draw(st.booleans())
    return Weighed(
        signal, host, draw(st.sampled_from(("", "execution", "impact", "discovery"))), 4.0, 4.0,
        (0.0,) * len(SIGNAL_TERMS),
        EXCUSED if excused else points, EXCUSED if excused else masked,
    )  # fmt: skip


@settings(deadline=None)
@given(st.lists(members(), min_size=1, max_size=12), members(), st.booleans(), st.floats(0, 3))
def test_every_case_value_can_only_grow_when_a_signal_is_added(
    group: list[Weighed], more: Weighed, masked: bool, after: float
) -> None:
    before = case_values(Group(DAY, group, after=after), SITE, masked=masked)
    grown = case_values(Group(DAY, [*group, more], after=after), SITE, masked=masked)
    assert len(before) == len(CASE_TERMS)
    assert all(b <= g + 1e-12 for b, g in zip(before, grown, strict=True))
    for model in (MODEL, SHIPPED):
        assert model.probability(before) <= model.probability(grown) + 1e-12


@settings(deadline=None)
@given(st.lists(members(), min_size=1, max_size=12))
def test_a_masked_value_is_never_above_the_plain_one(group: list[Weighed]) -> None:
    plain, masked = case_values(Group(DAY, group), SITE), case_values(Group(DAY, group), SITE, masked=True)
    assert all(m <= p for m, p in zip(masked, plain, strict=True))


def one(signal: Alert, *others: Alert) -> Weighed:
    signals = list(Folder().fold((a, False) for a in (signal, *others)).values())
    baseline = Baseline(DAY, 1, {}, {}, frozenset(), {})
    return weigh(signals, baseline, MODEL, Owner())[0]


@given(st.text(max_size=80))
def test_text_can_only_raise(text: str) -> None:
    plain, written = one(alert(host="a")), one(alert(host="a", text=text))
    assert written.points >= plain.points
    assert written.masked == plain.masked == plain.points


def test_text_that_gives_something_away_raises() -> None:
    assert one(alert(host="a", text="mimikatz sekurlsa")).points > one(alert(host="a", text="ls")).points


@pytest.mark.parametrize("severity", range(6))
def test_severity_raises_from_low_on(severity: int) -> None:
    now = one(alert(host="a", severity=Severity(severity))).points
    least = one(alert(host="a", severity=Severity.UNKNOWN)).points
    assert now > least if severity > Severity.INFORMATIONAL else now == least


def test_company_counts_other_rules_nearby_on_the_same_device_only() -> None:
    company = SIGNAL_TERMS.index("company")
    first = alert("09:00", "a", host="h")
    assert one(first).values[company] == 0.0
    assert one(first, alert("09:05", "b", host="h")).values[company] == pytest.approx(math.log1p(1) / 2)
    for other in (
        alert("09:05", "a", host="h", user="u"),
        alert("09:05", "b", host="g"),
        alert("12:05", "b", host="h"),
    ):
        assert one(first, other).values[company] == 0.0


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_the_masked_probability_is_never_above_the_one_returned(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    texts = st.sampled_from((None, "mimikatz", "ignore previous instructions", "a=1", "\x1b[2J"))
    alerts = [
        alert(
            f"{9 + n // 4:02}:{n % 4 * 12:02}", data.draw(st.sampled_from("abcd")),
            host=data.draw(st.sampled_from("xy")),
            severity=Severity(data.draw(st.integers(0, 5))), text=data.draw(texts),
        )
        for n in range(data.draw(st.integers(1, 12)))
    ]  # fmt: skip
    for case in triage(tmp_path_factory.mktemp("state"), alerts).cases:
        assert case.masked_probability <= case.probability
        assert 0 <= case.masked_probability <= 1


# -- the shipped weights ----------------------------------------------------------------------


def test_the_shipped_weights_can_only_raise() -> None:
    assert set(SHIPPED.signal) == set(SIGNAL_TERMS)
    assert set(SHIPPED.case) == set(CASE_TERMS)
    assert min(*SHIPPED.signal.values(), *SHIPPED.case.values()) >= 0
    assert SHIPPED.signal["text"] > 0, "what an attacker writes has to be able to raise"
    assert 0 < SHIPPED.investigate < SHIPPED.escalate < 1


def test_the_shipped_history_names_rules_not_places() -> None:
    for key in SHIPPED.history:
        product, _, name = key.partition("|")
        assert key == rule_key(product, name)
        assert not any(part.isdigit() and len(key.split(".")) == 4 for part in key.split("."))


def test_history_does_not_depend_on_case_or_blanks() -> None:
    assert rule_key("Wazuh", "  SSHD:  Brute Force ") == "Wazuh|sshd: brute force"
    assert rule_key("Wazuh", "a") != rule_key("Suricata", "a")


@given(st.floats(-700, 700))
def test_sigmoid_and_softplus_are_monotone_and_bounded(z: float) -> None:
    assert 0 <= sigmoid(z) <= 1
    assert sigmoid(z) <= sigmoid(z + 0.1)
    assert 0 <= softplus(z) <= softplus(z + 0.1)


def changed(folder: Path, **fields: Any) -> Path:
    manifest.atomic_write(folder / "model.json", msgspec.json.encode(msgspec.structs.replace(SHIPPED, **fields)))
    manifest.write(folder / "manifest.json", outputs=["model.json"])
    return folder


def test_a_model_of_ones_own_is_loaded(tmp_path: Path) -> None:
    loaded = weights.load(changed(tmp_path, name="ours"))
    assert isinstance(loaded, Model)
    assert (loaded.name, loaded.signal) == ("ours", SHIPPED.signal)
    assert loaded.sha256 != SHIPPED.sha256


def test_a_model_that_was_altered_or_is_of_another_version_is_refused(tmp_path: Path) -> None:
    changed(tmp_path, signal={"other": 1.0})
    with pytest.raises(ArtefactError, match="terms"):
        weights.load(tmp_path)
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(ArtefactError, match="does not match its manifest"):
        weights.load(tmp_path)
    manifest.write(tmp_path / "manifest.json", outputs=["model.json"])
    with pytest.raises(ArtefactError, match="not a triage model"):
        weights.load(tmp_path)
    with pytest.raises(ArtefactError, match="no manifest"):
        weights.load(tmp_path / "nowhere")
