"""Wazuh's alerts.json, and the same documents out of the Wazuh indexer."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vedette.connect.clock import Clock
from vedette.connect.sources.fields import (
    Gathered,
    Record,
    mapping,
    network_texts,
    suricata_severity,
    suricata_uid,
    tactic_names,
    technique_ids,
    text_of,
    texts_of,
)
from vedette.errors import RecordError
from vedette.types import Alert, Kind, Role, Severity, TextKind

# Wazuh's dashboard: low to 6, medium to 11, high to 14, critical 15; levels to 3 are system notifications.
_LEVELS = (*(Severity.INFORMATIONAL,) * 4, *(Severity.LOW,) * 3, *(Severity.MEDIUM,) * 5, *(Severity.HIGH,) * 3)
_FAILED_LOGIN = frozenset(
    ("authentication_failed", "authentication_failures", "invalid_login", "win_authentication_failed")
)

# Parts of `data` that a decoder or a vendor's rule writes: a description may quote them.
_SENSOR_KEYS = frozenset(
    ("id", "status", "action", "protocol", "type", "level", "alert", "sca", "vulnerability", "system", "severity",
     "integration", "program_name", "cis", "oscap", "event_type", "app_proto", "metadata", "rule")
)  # fmt: skip
_SHORTEST = 4  # characters of a field worth removing from a description; shorter ones are parts of words

_EVENTDATA = (
    (Role.ACTOR, Kind.USER, "subjectUserName"),
    (Role.ACTOR, Kind.USER, "user"),
    (Role.ACTOR, Kind.PROCESS, "image"),
    (Role.ACTOR, Kind.PROCESS, "sourceImage"),
    (Role.ACTOR, Kind.PROCESS, "processName"),
    (Role.TARGET, Kind.PROCESS, "newProcessName"),
    (Role.TARGET, Kind.PROCESS, "targetImage"),
    (Role.SRC, Kind.IP, "ipAddress"),
    (Role.SRC, Kind.IP, "sourceIp"),
    (Role.DST, Kind.IP, "destinationIp"),
)
_EVENTTEXTS = (
    (TextKind.COMMAND_LINE, "commandLine"),
    (TextKind.COMMAND_LINE, "parentCommandLine"),
    (TextKind.DNS_NAME, "queryName"),
    (TextKind.FILE_NAME, "targetFilename"),
    (TextKind.OTHER, "scriptBlockText"),
    (TextKind.OTHER, "targetObject"),
    (TextKind.OTHER, "serviceName"),
)


class Wazuh:
    name = "wazuh"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def recognise(self, record: Record) -> bool:
        record = mapping(record.get("_source")) or record
        rule = record.get("rule")
        return isinstance(rule, dict) and "level" in rule and not _ABOUT.isdisjoint(record)

    def parse(self, record: Record, ref: str) -> Alert:
        uid = text_of(record.get("_id"))
        record = mapping(record.get("_source")) or record
        rule, data = mapping(record.get("rule")), mapping(record.get("data"))
        rule_uid = text_of(rule.get("id"))
        if not rule_uid:
            raise RecordError("a Wazuh alert without rule.id", remedy="export whole alerts")
        time = self._clock.parse(record.get("timestamp") or record.get("@timestamp"))
        uid = text_of(record.get("id")) or uid
        gathered = Gathered()
        eve = mapping(data.get("alert"))
        if "signature_id" in eve:
            return self._suricata(record, ref, time, gathered)
        failed = not _FAILED_LOGIN.isdisjoint(texts_of(rule.get("groups")))
        _gather(record, data, gathered, failed=failed)
        mitre = mapping(rule.get("mitre"))
        return Alert(
            time=time,
            product="Wazuh",
            rule_uid=rule_uid,
            rule_name=_rule_name(text_of(rule.get("description")), data, gathered) or rule_uid,
            ref=ref,
            severity=_severity(rule.get("level")),
            observables=gathered.observables,
            texts=gathered.texts,
            techniques=technique_ids(mitre.get("id")) if mitre else (),
            tactics=tactic_names(texts_of(mitre.get("tactic"))) if mitre else (),
            uid=uid,
        )

    def _suricata(self, record: Record, ref: str, time: int, gathered: Gathered) -> Alert:
        """Suricata's alert that Wazuh only carries: Suricata's rule and severity count, not Wazuh's."""
        data, agent = mapping(record.get("data")), mapping(record.get("agent"))
        alert = mapping(data.get("alert"))
        peers = {text_of(data.get("src_ip")), text_of(data.get("dest_ip"))}
        if text_of(agent.get("ip")) in peers - {""}:
            _gather_agent(record, gathered)
        gathered.see(Role.SRC, Kind.IP, data.get("src_ip"))
        gathered.see(Role.DST, Kind.IP, data.get("dest_ip"))
        network_texts(data, gathered)
        rule_uid, metadata = text_of(alert.get("signature_id")), mapping(alert.get("metadata"))
        return Alert(
            time=self._clock.parse(data.get("timestamp")) if data.get("timestamp") else time,
            product="Suricata",
            rule_uid=rule_uid,
            rule_name=text_of(alert.get("signature")) or rule_uid,
            ref=ref,
            severity=suricata_severity(alert),
            observables=gathered.observables,
            texts=gathered.texts,
            techniques=technique_ids(metadata.get("mitre_technique_id")),
            tactics=tactic_names(texts_of(metadata.get("mitre_tactic_name"))),
            uid=suricata_uid(data) or text_of(record.get("id")),
            flow=text_of(data.get("flow_id")),
        )


_ABOUT = frozenset(("agent", "manager", "decoder", "location"))


def _severity(level: object) -> Severity:
    text = text_of(level)
    if not text.isascii() or not text.isdigit() or len(text) > 2:
        return Severity.UNKNOWN
    number = int(text)
    return _LEVELS[number] if number < 15 else Severity.CRITICAL


def _gather(record: Record, data: Record, gathered: Gathered, *, failed: bool) -> None:
    _gather_agent(record, gathered)
    if data:
        see, read = gathered.see, gathered.read
        see(Role.SRC, Kind.IP, data.get("srcip") or data.get("src_ip"))
        see(Role.DST, Kind.IP, data.get("dstip") or data.get("dest_ip"))
        _users(data.get("srcuser"), data.get("dstuser"), gathered, failed=failed)
        read(TextKind.URL, data.get("url"))
        read(TextKind.COMMAND_LINE, data.get("command"))
        if win := mapping(data.get("win")):
            _windows(win, gathered, failed=failed)
        if audit := mapping(data.get("audit")):
            see(Role.ACTOR, Kind.PROCESS, audit.get("exe"))
            read(TextKind.COMMAND_LINE, audit.get("command"))
            read(TextKind.FILE_NAME, mapping(audit.get("file")).get("name"))
    if syscheck := mapping(record.get("syscheck")):
        gathered.read(TextKind.FILE_NAME, syscheck.get("path"))
        for key in ("sha256_after", "sha1_after", "md5_after"):
            gathered.see(Role.TARGET, Kind.HASH, syscheck.get(key))
    gathered.read(TextKind.LOG_LINE, record.get("full_log"))


def _gather_agent(record: Record, gathered: Gathered) -> None:
    agent = mapping(record.get("agent"))
    gathered.see(Role.HOST, Kind.HOSTNAME, agent.get("name"))
    gathered.see(Role.HOST, Kind.IP, agent.get("ip"))


def _users(source: object, target: object, gathered: Gathered, *, failed: bool) -> None:
    """The name in a failed login is whatever somebody typed; after a success it is a user."""
    if failed:
        gathered.read(TextKind.USER_NAME, source)
        gathered.read(TextKind.USER_NAME, target)
    else:
        gathered.see(Role.ACTOR, Kind.USER, source)
        gathered.see(Role.TARGET, Kind.USER, target)


def _windows(win: Record, gathered: Gathered, *, failed: bool) -> None:
    gathered.see(Role.HOST, Kind.HOSTNAME, mapping(win.get("system")).get("computer"))
    event = mapping(win.get("eventdata"))
    for role, kind, key in _EVENTDATA:
        if value := event.get(key):
            gathered.see(role, kind, value)
    _users(None, event.get("targetUserName"), gathered, failed=failed)
    for text, key in _EVENTTEXTS:
        if value := event.get(key):
            gathered.read(text, value)
    for pair in text_of(event.get("hashes")).split(","):
        gathered.see(Role.TARGET, Kind.HASH, pair.partition("=")[2])


def _rule_name(description: str, data: Record, gathered: Gathered) -> str:
    """The description without the field values that Wazuh put in for `$(field)`; those are kept as texts."""
    found = {value for value in _leaves(data, 0) if value in description} if data else set()
    for value in sorted(found, key=len, reverse=True):
        shorter = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", "…", description)
        if shorter != description:
            description = shorter
            gathered.read(TextKind.OTHER, value)
    return description


def _leaves(data: Record, depth: int) -> Iterator[str]:
    for key, value in data.items():
        if key in _SENSOR_KEYS:
            continue
        if isinstance(value, str):
            value = value.strip()  # as the description is: a blank at the end must not keep a field's text in it
            if len(value) >= _SHORTEST and not value.isdigit():
                yield value
        elif isinstance(value, dict):
            if depth < 8:
                yield from _leaves(value, depth + 1)
        elif isinstance(value, list):
            yield from (text for one in value if isinstance(one, str) and len(text := one.strip()) >= _SHORTEST)
