"""Splunk notable events: a JSON or CSV export, or the `{"result": …}` lines of its REST interface."""

from __future__ import annotations

import re
from typing import Any

import orjson

from vedette.connect.clock import Clock
from vedette.connect.sources.fields import (
    Gathered,
    Record,
    mapping,
    severity_named,
    tactic_names,
    technique_ids,
    text_of,
    texts_of,
)
from vedette.errors import RecordError
from vedette.types import Alert, Kind, Role, TextKind

_RULES = ("search_name", "rule_name", "rule_title", "savedsearch_name")
_TEXTS = (
    (TextKind.COMMAND_LINE, "process"),
    (TextKind.COMMAND_LINE, "parent_process"),
    (TextKind.URL, "url"),
    (TextKind.DNS_NAME, "query"),
    (TextKind.USER_AGENT, "http_user_agent"),
    (TextKind.FILE_NAME, "file_path"),
    (TextKind.FILE_NAME, "file_name"),
    (TextKind.MAIL_SUBJECT, "subject"),
    (TextKind.LOG_LINE, "_raw"),
)


class Splunk:
    name = "splunk"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def recognise(self, record: Record) -> bool:
        result = _result(record)
        if not result:
            return "preview" in record
        return "_time" in result and any(key in result for key in (*_RULES, "signature"))

    def parse(self, record: Record, ref: str) -> Alert | None:
        result = _result(record)
        if not result:
            return None
        rule_name = _first(result, "rule_name", "search_name", "savedsearch_name", "signature", "rule_title")
        if not rule_name:
            raise RecordError("a result without search_name, rule_name or signature", remedy="export these fields")
        gathered = Gathered()
        _gather(result, gathered)
        annotations = _annotations(result)
        return Alert(
            time=self._clock.parse(result.get("_time")),
            product="Splunk",
            rule_uid=_first(result, "search_name", "savedsearch_name") or rule_name,
            rule_name=rule_name,
            ref=ref,
            severity=severity_named(result.get("urgency")) or severity_named(result.get("severity")),
            observables=gathered.observables,
            texts=gathered.texts,
            techniques=technique_ids(annotations),
            tactics=tactic_names(_split(result.get("annotations.mitre_attack.mitre_tactic"))),
            uid=text_of(result.get("event_id")),
        )


def _result(record: Record) -> Record:
    if "result" in record:
        return mapping(record["result"])
    return {} if "preview" in record and "_time" not in record else record


def _first(result: Record, *keys: str) -> str:
    return next((text for key in keys if (text := text_of(result.get(key)))), "")


def _split(value: object) -> list[str]:
    """Splunk joins several values with commas or line ends, depending on the export."""
    return [part.strip() for text in texts_of(value) for part in re.split(r"[,\n|]", text) if part.strip()]


def _annotations(result: Record) -> list[str]:
    found = [*texts_of(result.get("annotations.mitre_attack")), *texts_of(result.get("mitre_technique_id"))]
    found += texts_of(result.get("annotations.mitre_attack.mitre_technique_id"))
    packed: Any = result.get("annotations")
    if isinstance(packed, str):
        try:
            packed = orjson.loads(packed)
        except orjson.JSONDecodeError:
            return [*found, packed]
    return [*found, *texts_of(mapping(packed).get("mitre_attack"))]


def _gather(result: Record, gathered: Gathered) -> None:
    """`host` is left out: in a notable event it is the search head."""
    see = gathered.see_all
    device = result.get("orig_host") or result.get("dvc") or result.get("dest")
    see(Role.HOST, Kind.HOSTNAME, _split(device))
    see(Role.SRC, Kind.HOSTNAME, _split(result.get("src") or result.get("src_ip")))
    see(Role.DST, Kind.HOSTNAME, _split(result.get("dest") or result.get("dest_ip")))
    see(Role.ACTOR, Kind.USER, _split(result.get("src_user")))
    see(Role.ACTOR if not result.get("src_user") else Role.TARGET, Kind.USER, _split(result.get("user")))
    see(Role.ACTOR, Kind.PROCESS, result.get("process_path") or result.get("process_name"))
    see(Role.TARGET, Kind.HASH, _split(result.get("file_hash")))
    for kind, key in _TEXTS:
        gathered.read(kind, result.get(key))
