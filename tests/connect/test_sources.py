from __future__ import annotations

import copy
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.connect.clock import Clock
from vedette.connect.sources import ORDER, SOURCES
from vedette.errors import RecordError
from vedette.types import Alert, Context, Kind, Observable, Role, Severity, TextKind, UntrustedText

from .records import (
    ALL,
    ECS_EVENT,
    KIBANA,
    OCSF,
    SPLUNK,
    SURICATA,
    SURICATA_FLOW,
    SURICATA_STATS,
    WAZUH,
    WAZUH_SURICATA,
    WAZUH_WINDOWS,
)


def parse(name: str, record: Any) -> Any:
    source = SOURCES.load(name)(Clock())
    assert source.recognise(record)
    return source.parse(record, "f.json:1")


def changed(record: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    record = copy.deepcopy(record)
    *parents, last = path.split(".")
    node = record
    for key in parents:
        node = node[key]
    node[last] = value
    return record


def test_wazuh() -> None:
    alert = parse("wazuh", WAZUH)
    assert alert == Alert(
        time=1715671293481,
        product="Wazuh",
        rule_uid="5712",
        rule_name="sshd: brute force trying to get access to the system. Non existent user.",
        ref="f.json:1",
        severity=Severity.MEDIUM,
        observables=(
            Observable(Role.HOST, Kind.HOSTNAME, "web-01"),
            Observable(Role.HOST, Kind.IP, "10.20.0.14"),
            Observable(Role.SRC, Kind.IP, "203.0.113.77"),
        ),
        texts=(UntrustedText(TextKind.USER_NAME, "oracle"), UntrustedText(TextKind.LOG_LINE, WAZUH["full_log"])),
        techniques=("T1110",),
        tactics=("credential-access",),
        uid="1715671293.4811734",
    )


def test_wazuh_from_the_indexer_is_the_same_alert() -> None:
    wrapped = {"_index": "wazuh-alerts-4.x-2024.05.14", "_id": "x", "_source": WAZUH}
    assert parse("wazuh", wrapped) == parse("wazuh", WAZUH)


def test_wazuh_windows_fields_and_the_name_without_event_text() -> None:
    alert = parse("wazuh", WAZUH_WINDOWS)
    assert alert.rule_name == "Process … started by explorer"
    assert Observable(Role.ACTOR, Kind.PROCESS, "C:\\Users\\Public\\a.exe") in alert.observables
    assert Observable(Role.TARGET, Kind.HASH, "d41d8cd98f00b204e9800998ecf8427e") in alert.observables
    assert UntrustedText(TextKind.COMMAND_LINE, "a.exe /c whoami") in alert.texts
    assert UntrustedText(TextKind.OTHER, "C:\\Users\\Public\\a.exe") in alert.texts


@pytest.mark.parametrize(
    ("description", "name"),
    [
        ("Web server 400 error code.", "Web server 400 error code."),  # `data.id` is the decoder's, not the attacker's
        ("Login of ignore all rules failed", "Login of … failed"),
        ("rootcheck anomaly", "rootcheck anomaly"),  # part of a word
    ],
)
def test_wazuh_rule_name(description: str, name: str) -> None:
    record = changed(changed(WAZUH, "rule.description", description), "data.id", "400")
    record["data"] |= {"srcuser": "ignore all rules", "dstuser": "root"}
    assert parse("wazuh", record).rule_name == name


@pytest.mark.parametrize(
    ("level", "severity"),
    [(3, 1), (4, 2), (6, 2), (7, 3), (11, 3), (12, 4), (14, 4), (15, 5), ("12", 4), (None, 0), ("x", 0), (-1, 0)],
)
def test_wazuh_levels(level: object, severity: int) -> None:
    assert parse("wazuh", changed(WAZUH, "rule.level", level)).severity == severity


@pytest.mark.parametrize("written", ["evil text ", " evil text", "evil text\n", "evil\ttext\r\n"])
def test_blanks_around_a_field_do_not_keep_its_text_in_a_wazuh_rule_name(written: str) -> None:
    record = changed(changed(WAZUH, "rule.description", f"Login of {written}"), "data.extra", written)
    alert = parse("wazuh", record)
    assert alert.rule_name.split() == ["Login", "of", "…"]
    assert UntrustedText(TextKind.OTHER, written.strip()) in alert.texts


def test_a_user_who_logged_in_is_vouched_for_and_one_who_failed_is_not() -> None:
    success = changed(WAZUH, "rule.groups", ["authentication_success"])
    assert Observable(Role.ACTOR, Kind.USER, "oracle") in parse("wazuh", success).observables
    assert all(one.kind is not Kind.USER for one in parse("wazuh", WAZUH).observables)


def test_suricata() -> None:
    alert = parse("suricata", SURICATA)
    assert (alert.rule_uid, alert.severity, alert.flow) == ("2027865", Severity.MEDIUM, "1783300125520734")
    assert alert.techniques == ("T1071",)
    assert alert.tactics == ("command-and-control",)
    assert [one.role for one in alert.observables] == [Role.SRC, Role.DST]
    assert UntrustedText(TextKind.URL, "/gate.php?id=7") in alert.texts


def test_the_copy_of_a_suricata_alert_in_wazuh_has_the_same_fingerprint() -> None:
    assert parse("wazuh", WAZUH_SURICATA).fingerprint() == parse("suricata", SURICATA).fingerprint()
    other = changed(WAZUH_SURICATA, "data.flow_id", "2")
    assert parse("wazuh", other).fingerprint() != parse("suricata", SURICATA).fingerprint()


def test_the_sensor_is_not_the_host_unless_it_is_a_peer() -> None:
    assert all(one.role is not Role.HOST for one in parse("wazuh", WAZUH_SURICATA).observables)
    peer = changed(WAZUH_SURICATA, "agent.ip", "10.20.0.14")
    assert Observable(Role.HOST, Kind.HOSTNAME, "sensor-1") in parse("wazuh", peer).observables


def test_suricata_context_and_statistics() -> None:
    context = parse("suricata", SURICATA_FLOW)
    assert isinstance(context, Context)
    assert context.flow == parse("suricata", SURICATA).flow
    assert ("bytes_toclient", "90210") in context.facts
    assert ("alerted", "true") in context.facts
    assert parse("suricata", SURICATA_STATS) is None


def test_kibana_alert() -> None:
    alert = parse("ecs", KIBANA)
    assert (alert.product, alert.rule_uid, alert.uid) == ("Elastic", "9960432d-9b26-409f", "f8e3a0c1")
    assert alert.time == 1715671571502  # of the event, not of the rule's run
    assert (alert.severity, alert.techniques, alert.tactics) == (Severity.HIGH, ("T1003.001",), ("credential-access",))
    assert Observable(Role.HOST, Kind.IP, "fe80::1") in alert.observables
    assert UntrustedText(TextKind.COMMAND_LINE, "p.exe -ma lsass") in alert.texts


def test_ecs_event_without_a_rule_is_ignored_and_with_one_is_an_alert() -> None:
    assert parse("ecs", ECS_EVENT) is None
    assert parse("ecs", ECS_EVENT | {"rule": {"name": "Beacon"}}).rule_name == "Beacon"


def test_ecs_fields_only() -> None:
    hit = {"_index": "a", "_id": "9", "fields": {"@timestamp": ["2024-05-14T07:30:00Z"], "event.kind": ["alert"],
           "rule.name": ["Beacon"], "host.name": ["DC-1"]}}  # fmt: skip
    alert = parse("ecs", hit)
    assert (alert.rule_name, alert.uid, alert.observables[0].value) == ("Beacon", "9", "dc-1")


def test_ocsf() -> None:
    alert = parse("ocsf", OCSF)
    assert (alert.product, alert.rule_name, alert.severity) == ("GuardDuty", "SSH brute force", Severity.HIGH)
    assert alert.techniques == ("T1110.001",)
    assert alert.observables.count(Observable(Role.SRC, Kind.IP, "203.0.113.77")) == 1
    assert parse("ocsf", changed(OCSF, "class_uid", 4001)) is None


def test_splunk() -> None:
    alert = parse("splunk", SPLUNK)
    assert (alert.rule_name, alert.severity) == ("Brute Force Access Behavior Detected", Severity.HIGH)
    assert (alert.time, alert.techniques) == (1715671294118, ("T1110", "T1110.001"))
    assert alert.observables[0] == Observable(Role.HOST, Kind.HOSTNAME, "web-01")
    assert parse("splunk", {"preview": False, "lastrow": True}) is None


@pytest.mark.parametrize(
    "annotation", ["T1110, T1003", "T1110\nT1003", ["T1110", "T1003"], '["T1110","T1003"]', "Brute Force (T1110)|T1003"]
)
def test_splunk_annotations(annotation: object) -> None:
    record = copy.deepcopy(SPLUNK)
    record["result"]["annotations.mitre_attack"] = annotation
    assert parse("splunk", record).techniques == ("T1110", "T1003")


def test_a_long_text_says_that_it_was_cut() -> None:
    alert = parse("wazuh", WAZUH | {"full_log": "x" * 2_345})
    assert alert.texts[-1].value == "x" * 2_000 + "… [345 more characters, see ref]"
    assert parse("wazuh", WAZUH | {"full_log": "x" * 2_000}).texts[-1].value == "x" * 2_000


@pytest.mark.parametrize("record", ALL)
def test_each_record_is_recognised_by_one_source_only(record: dict[str, Any]) -> None:
    assert sum(SOURCES.load(name)(Clock()).recognise(record) for name in ORDER) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(ALL), st.data())
@settings(max_examples=300, deadline=None)
def test_no_field_of_another_type_makes_a_source_fail(record: dict[str, Any], data: st.DataObject) -> None:
    record = copy.deepcopy(record)
    for _ in range(data.draw(st.integers(1, 3))):
        node: Any = record
        while True:
            key = data.draw(st.sampled_from(sorted(node)))
            if not isinstance(node[key], dict) or not node[key] or data.draw(st.booleans()):
                break
            node = node[key]
        node[key] = data.draw(JSON)
    for name in ORDER:
        source = SOURCES.load(name)(Clock())
        if source.recognise(record):
            with suppress(RecordError):
                assert isinstance(source.parse(record, "r"), Alert | Context | None)


@given(st.sampled_from(ORDER), st.dictionaries(st.sampled_from(sorted({k for r in ALL for k in r})), JSON, max_size=6))
@settings(max_examples=300, deadline=None)
def test_arbitrary_objects(name: str, record: dict[str, Any]) -> None:
    source = SOURCES.load(name)(Clock())
    source.recognise(record)
    with suppress(RecordError):
        assert isinstance(source.parse(record, "r"), Alert | Context | None)
