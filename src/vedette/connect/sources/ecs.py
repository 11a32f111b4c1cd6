"""Elastic Common Schema: Elastic and OpenSearch documents, detection alerts included."""

from __future__ import annotations

from typing import Any

from vedette.connect.clock import Clock
from vedette.connect.sources.fields import (
    Gathered,
    Record,
    mapping,
    severity_named,
    suricata_severity,
    tactic_names,
    technique_ids,
    text_of,
    texts_of,
)
from vedette.errors import RecordError
from vedette.types import Alert, Kind, Role, Severity, TextKind

Fields = dict[str, Any]

_RULES = ("kibana.alert.rule", "signal.rule", "rule")
_PRODUCTS = {"suricata": "Suricata", "wazuh": "Wazuh"}
_OBSERVABLES = (
    (Role.HOST, Kind.HOSTNAME, "host.name"),
    (Role.HOST, Kind.IP, "host.ip"),
    (Role.HOST, Kind.MAC, "host.mac"),
    (Role.SRC, Kind.IP, "source.ip"),
    (Role.DST, Kind.IP, "destination.ip"),
    (Role.ACTOR, Kind.PROCESS, "process.executable"),
    (Role.ACTOR, Kind.HASH, "process.hash.sha256"),
    (Role.TARGET, Kind.HASH, "file.hash.sha256"),
    (Role.TARGET, Kind.HASH, "file.hash.sha1"),
    (Role.TARGET, Kind.HASH, "file.hash.md5"),
    (Role.TARGET, Kind.HASH, "dll.hash.sha256"),
)
_TEXTS = (
    (TextKind.COMMAND_LINE, "process.command_line"),
    (TextKind.COMMAND_LINE, "process.parent.command_line"),
    (TextKind.URL, "url.full"),
    (TextKind.URL, "url.original"),
    (TextKind.HTTP_HOST, "url.domain"),
    (TextKind.DNS_NAME, "dns.question.name"),
    (TextKind.TLS_NAME, "tls.client.server_name"),
    (TextKind.USER_AGENT, "user_agent.original"),
    (TextKind.MAIL_SUBJECT, "email.subject"),
    (TextKind.MAIL_ADDRESS, "email.from.address"),
    (TextKind.FILE_NAME, "file.path"),
    (TextKind.OTHER, "powershell.file.script_block_text"),
    (TextKind.OTHER, "registry.path"),
    (TextKind.LOG_LINE, "message"),
    (TextKind.LOG_LINE, "event.original"),
)


class Ecs:
    name = "ecs"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def recognise(self, record: Record) -> bool:
        document = _document(record)
        if "@timestamp" not in document and "timestamp" not in document:
            return False
        keys = {key.partition(".")[0] for key in document}
        return not keys.isdisjoint(("ecs", "event", "kibana", "signal"))

    def parse(self, record: Record, ref: str) -> Alert | None:
        fields: Fields = {}
        _flatten(_document(record), "", fields, 0)
        prefix = next((rule for rule in _RULES if f"{rule}.name" in fields or f"{rule}.id" in fields), "")
        kind = text_of(fields.get("event.kind"))
        if not prefix and kind not in ("alert", "signal"):
            return None
        rule_name = text_of(fields.get(f"{prefix}.name")) or text_of(fields.get("event.action"))
        rule_uid = _first(fields, f"{prefix}.rule_id", f"{prefix}.uuid", f"{prefix}.id", "event.code") or rule_name
        if not rule_uid:
            raise RecordError("an alert without rule.name or event.action", remedy="export the rule's fields")
        gathered = Gathered()
        _gather(fields, gathered)
        return Alert(
            time=self._clock.parse(_time(fields)),
            product=_product(fields, prefix),
            rule_uid=rule_uid,
            rule_name=rule_name or rule_uid,
            ref=ref,
            severity=_severity(fields),
            observables=gathered.observables,
            texts=gathered.texts,
            techniques=_techniques(fields),
            tactics=_tactics(fields),
            uid=_first(fields, "kibana.alert.uuid") or text_of(record.get("_id")) or _first(fields, "event.id"),
            flow=_first(fields, "suricata.eve.flow_id"),
        )


def _document(record: Record) -> Record:
    """The document inside a search hit: `_source`, or `fields` where only fields were asked for."""
    return mapping(record.get("_source")) or (mapping(record.get("fields")) if "_index" in record else {}) or record


def _flatten(node: Record, prefix: str, fields: Fields, depth: int) -> None:
    """Nested and dotted keys alike to dotted ones; lists of objects to one list a key."""
    for key, value in node.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict):
            if depth < 20:
                _flatten(value, f"{path}.", fields, depth + 1)
        elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
            for item in value:
                if isinstance(item, dict) and depth < 20:
                    _flatten(item, f"{path}.", fields, depth + 1)
        elif path in fields:
            fields[path] = [*texts_of(fields[path]), *texts_of(value)]
        else:
            fields[path] = value


def _first(fields: Fields, *keys: str) -> str:
    return next((text for key in keys if (text := text_of(fields.get(key)))), "")


def _time(fields: Fields) -> object:
    """The time of the event: a detection alert's own `@timestamp` is when the rule ran."""
    for key in ("kibana.alert.original_time", "signal.original_time", "@timestamp", "timestamp"):
        value = fields.get(key)
        value = value[0] if isinstance(value, list) and value else value
        if value:
            return value
    return None


def _product(fields: Fields, prefix: str) -> str:
    if prefix in ("kibana.alert.rule", "signal.rule"):
        return "Elastic"
    module = _first(fields, "event.module")
    return _PRODUCTS.get(module) or _first(fields, "observer.product") or module or "Elastic"


def _severity(fields: Fields) -> Severity:
    """Elastic's own scale for risk scores: 21 low, 47 medium, 73 high, 99 critical."""
    word = severity_named(_first(fields, "kibana.alert.severity", "signal.rule.severity", "kibana.alert.rule.severity"))
    if word:
        return word
    if _first(fields, "event.module") == "suricata":
        return suricata_severity({"severity": fields.get("event.severity")})
    score = _first(fields, "kibana.alert.risk_score", "signal.rule.risk_score", "event.risk_score", "event.severity")
    try:
        number = float(score)
    except ValueError:
        return severity_named(_first(fields, "log.level"))
    bands = ((74, Severity.CRITICAL), (48, Severity.HIGH), (22, Severity.MEDIUM), (12, Severity.LOW))
    return next((severity for least, severity in bands if 100 >= number >= least), Severity.UNKNOWN)


def _techniques(fields: Fields) -> tuple[str, ...]:
    found: list[str] = []
    for prefix in ("kibana.alert.rule.threat", "kibana.alert.rule.parameters.threat", "signal.rule.threat", "threat"):
        subs = technique_ids(fields.get(f"{prefix}.technique.subtechnique.id"))
        parents = {sub[:5] for sub in subs}
        found += [one for one in technique_ids(fields.get(f"{prefix}.technique.id")) if one not in parents]
        found += subs
    return tuple(dict.fromkeys(found))


def _tactics(fields: Fields) -> tuple[str, ...]:
    prefixes = ("kibana.alert.rule.threat", "kibana.alert.rule.parameters.threat", "signal.rule.threat", "threat")
    return tactic_names(name for prefix in prefixes for name in texts_of(fields.get(f"{prefix}.tactic.name")))


def _gather(fields: Fields, gathered: Gathered) -> None:
    for role, kind, key in _OBSERVABLES:
        if key in fields:
            gathered.see_all(role, kind, fields[key])
    failed = "failure" in texts_of(fields.get("event.outcome"))
    for role, key in ((Role.ACTOR, "user.name"), (Role.TARGET, "user.target.name")):
        if failed and "authentication" in texts_of(fields.get("event.category")):
            gathered.read(TextKind.USER_NAME, fields.get(key))
        else:
            gathered.see_all(role, Kind.USER, fields.get(key))
    if "process.executable" not in fields:
        gathered.see_all(Role.ACTOR, Kind.PROCESS, fields.get("process.name"))
    if "file.path" not in fields:
        gathered.read(TextKind.FILE_NAME, fields.get("file.name"))
    for text, key in _TEXTS:
        if key in fields:
            gathered.read(text, fields[key])
