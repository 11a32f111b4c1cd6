from __future__ import annotations

import msgspec
import pytest

from vedette import types
from vedette.types import Alert, Kind, Observable, Role, TextKind, UntrustedText

ALERT = Alert(time=1, product="Wazuh", rule_uid="5710", rule_name="sshd", ref="a.json:1")


def test_copies_read_in_two_places_have_one_fingerprint() -> None:
    assert ALERT.fingerprint() == msgspec.structs.replace(ALERT, ref="b.json:9").fingerprint()
    assert len(ALERT.fingerprint()) == 16


@pytest.mark.parametrize(
    "change",
    [
        {"time": 2},
        {"product": "Suricata"},
        {"rule_uid": "5711"},
        {"flow": "1"},
        {"observables": (Observable(Role.SRC, Kind.IP, "192.0.2.1"),)},
        {"texts": (UntrustedText(TextKind.URL, "/x"),)},
        {"uid": "1"},
    ],
)
def test_different_alerts_have_different_fingerprints(change: dict[str, object]) -> None:
    assert ALERT.fingerprint() != msgspec.structs.replace(ALERT, **change).fingerprint()


def test_a_sensors_own_id_decides_and_belongs_to_its_product() -> None:
    one = msgspec.structs.replace(ALERT, uid="17")
    assert one.fingerprint() == msgspec.structs.replace(one, time=99).fingerprint()
    assert one.fingerprint() != msgspec.structs.replace(one, product="Suricata").fingerprint()


def test_a_lone_surrogate_in_an_id_does_not_stop_the_run() -> None:
    assert len(msgspec.structs.replace(ALERT, uid="\ud800").fingerprint()) == 16


@pytest.mark.parametrize("cls", [types.Alert, types.Context, types.Case, types.Evidence, types.Queue, types.Rejected])
def test_records_are_frozen(cls: type[msgspec.Struct]) -> None:
    assert cls.__struct_config__.frozen


def test_values_read_like_the_fields_own_words() -> None:
    assert Role("src") is Role.SRC
    assert Kind("ip") is Kind.IP
    assert types.Severity(5) is types.Severity.CRITICAL


def test_two_rules_on_one_event_are_two_alerts_and_one_alert_read_twice_is_one() -> None:
    first = Alert(time=1, product="Elastic", rule_uid="a", rule_name="A", ref="x:1", uid="event-7")
    other = Alert(time=1, product="Elastic", rule_uid="b", rule_name="B", ref="x:2", uid="event-7")
    again = Alert(time=1, product="Elastic", rule_uid="a", rule_name="A", ref="y:9", uid="event-7")
    assert first.fingerprint() != other.fingerprint()
    assert first.fingerprint() == again.fingerprint()
