"""OCSF Detection Finding (class 2004) and the older Security Finding (2001)."""

from __future__ import annotations

from vedette.connect.clock import Clock
from vedette.connect.sources.fields import (
    Gathered,
    Record,
    mapping,
    mappings,
    tactic_names,
    technique_ids,
    text_of,
)
from vedette.errors import RecordError
from vedette.types import Alert, Kind, Role, Severity, TextKind

_FINDINGS = ("2001", "2004")
_SEVERITIES = {str(int(severity)): severity for severity in Severity} | {"6": Severity.CRITICAL}  # 6 is Fatal
_OBSERVABLES = {  # type_id: what it is here
    "1": Kind.HOSTNAME,
    "2": Kind.IP,
    "3": Kind.MAC,
    "4": Kind.USER,
    "8": Kind.HASH,
}
_TEXTS = {
    "5": TextKind.MAIL_ADDRESS,
    "6": TextKind.URL,
    "7": TextKind.FILE_NAME,
    "13": TextKind.COMMAND_LINE,
    "16": TextKind.USER_AGENT,
    "23": TextKind.URL,
}


class Ocsf:
    name = "ocsf"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def recognise(self, record: Record) -> bool:
        return "class_uid" in record and "metadata" in record

    def parse(self, record: Record, ref: str) -> Alert | None:
        if text_of(record.get("class_uid")) not in _FINDINGS:
            return None
        finding = mapping(record.get("finding_info")) or mapping(record.get("finding"))
        analytic = mapping(finding.get("analytic")) or mapping(record.get("analytic"))
        rule_name = text_of(analytic.get("name")) or text_of(finding.get("title"))
        rule_uid = text_of(analytic.get("uid")) or text_of(finding.get("types")) or rule_name
        if not rule_uid:
            raise RecordError("a finding without title or analytic", remedy="export finding_info")
        gathered = Gathered()
        _gather(record, gathered)
        attacks = (*mappings(finding.get("attacks")), *mappings(record.get("attacks")))
        return Alert(
            time=self._clock.parse(record.get("time")),
            product=text_of(mapping(mapping(record.get("metadata")).get("product")).get("name")) or "OCSF",
            rule_uid=rule_uid,
            rule_name=rule_name or rule_uid,
            ref=ref,
            severity=_SEVERITIES.get(text_of(record.get("severity_id")), Severity.UNKNOWN),
            observables=gathered.observables,
            texts=gathered.texts,
            techniques=_techniques(attacks),
            tactics=_tactics(attacks),
            uid=text_of(finding.get("uid")) or text_of(mapping(record.get("metadata")).get("uid")),
        )


def _techniques(attacks: tuple[Record, ...]) -> tuple[str, ...]:
    """The sub-technique stands for its technique where both are given."""
    found: list[str] = []
    for attack in attacks:
        sub = technique_ids(mapping(attack.get("sub_technique")).get("uid"))
        found += sub or technique_ids(mapping(attack.get("technique")).get("uid"))
    return tuple(dict.fromkeys(found))


def _tactics(attacks: tuple[Record, ...]) -> tuple[str, ...]:
    tactics = (tactic for attack in attacks for key in ("tactic", "tactics") for tactic in mappings(attack.get(key)))
    return tactic_names(text_of(tactic.get("name")) for tactic in tactics)


def _gather(record: Record, gathered: Gathered) -> None:
    device = mapping(record.get("device"))
    gathered.see(Role.HOST, Kind.HOSTNAME, device.get("hostname") or device.get("name"))
    gathered.see(Role.HOST, Kind.IP, device.get("ip"))
    gathered.see(Role.HOST, Kind.MAC, device.get("mac"))
    resources = mappings(record.get("resources")) or mappings(record.get("resource"))
    if not device:
        for resource in resources:
            gathered.see(Role.HOST, Kind.HOSTNAME, resource.get("name") or resource.get("uid"))
    for evidence in (*mappings(record.get("evidences")), record):
        _gather_evidence(evidence, gathered)
    for observable in mappings(record.get("observables")):
        kind, value = text_of(observable.get("type_id")), observable.get("value")
        if kind in _OBSERVABLES:
            gathered.see(_role(text_of(observable.get("name"))), _OBSERVABLES[kind], value)
        elif kind in _TEXTS:
            gathered.read(_TEXTS[kind], value)
    gathered.read(TextKind.OTHER, record.get("message"))


def _gather_evidence(evidence: Record, gathered: Gathered) -> None:
    for role, key in ((Role.SRC, "src_endpoint"), (Role.DST, "dst_endpoint")):
        endpoint = mapping(evidence.get(key))
        gathered.see(role, Kind.IP, endpoint.get("ip"))
        gathered.see(role, Kind.HOSTNAME, endpoint.get("hostname"))
    actor = mapping(evidence.get("actor"))
    gathered.see(Role.ACTOR, Kind.USER, mapping(actor.get("user")).get("name"))
    gathered.see(Role.TARGET, Kind.USER, mapping(evidence.get("user")).get("name"))
    for role, process in ((Role.ACTOR, mapping(actor.get("process"))), (Role.TARGET, mapping(evidence.get("process")))):
        file = mapping(process.get("file"))
        gathered.see(role, Kind.PROCESS, file.get("path") or process.get("name"))
        gathered.read(TextKind.COMMAND_LINE, process.get("cmd_line"))
        _gather_hashes(role, file, gathered)
    file = mapping(evidence.get("file"))
    gathered.read(TextKind.FILE_NAME, file.get("path") or file.get("name"))
    _gather_hashes(Role.TARGET, file, gathered)
    gathered.read(TextKind.URL, mapping(evidence.get("url")).get("url_string"))
    gathered.read(TextKind.DNS_NAME, mapping(evidence.get("query")).get("hostname"))
    gathered.read(TextKind.USER_AGENT, mapping(evidence.get("http_request")).get("user_agent"))
    gathered.read(TextKind.MAIL_SUBJECT, mapping(evidence.get("email")).get("subject"))


def _gather_hashes(role: Role, file: Record, gathered: Gathered) -> None:
    for digest in mappings(file.get("hashes")):
        gathered.see(role, Kind.HASH, digest.get("value"))


def _role(name: str) -> Role:
    """`name` is the path of the attribute, such as `src_endpoint.ip` or `actor.user.name`."""
    for part, role in (("src", Role.SRC), ("dst", Role.DST), ("actor", Role.ACTOR), ("device", Role.HOST)):
        if part in name:
            return role
    return Role.HOST if name.startswith(("host", "resource")) else Role.TARGET
