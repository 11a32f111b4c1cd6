"""Suricata's eve.json."""

from __future__ import annotations

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
from vedette.types import Alert, Context, Kind, Role, TextKind

# What the sensor itself measured or negotiated; peers cannot write free text into these.
_FACTS = {
    "flow": ("bytes_toserver", "bytes_toclient", "pkts_toserver", "pkts_toclient", "state", "reason", "age", "alerted"),
    "http": ("status", "http_method", "length", "protocol"),
    "dns": ("type", "rcode", "rrtype"),
    "tls": ("version", "notbefore", "notafter", "fingerprint"),
    "fileinfo": ("size", "state", "stored", "sha256", "magic"),
    "anomaly": ("type", "event", "layer"),
}


class Suricata:
    name = "suricata"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def recognise(self, record: Record) -> bool:
        if "event_type" not in record or "timestamp" not in record or "agent" in record:
            return False
        return "flow_id" in record or "src_ip" in record or text_of(record["event_type"]) in _KINDS

    def parse(self, record: Record, ref: str) -> Alert | Context | None:
        kind = text_of(record.get("event_type"))
        if kind == "alert":
            return self._alert(record, ref)
        flow = text_of(record.get("flow_id"))
        if kind == "stats" or not kind or not flow:
            return None
        gathered = Gathered()
        network_texts(record, gathered)
        time = self._clock.parse(record.get("timestamp"))
        facts = tuple(_facts(record, kind))
        return Context(time=time, flow=flow, kind=kind[:40], ref=ref, facts=facts, texts=gathered.texts)

    def _alert(self, record: Record, ref: str) -> Alert:
        alert = mapping(record.get("alert"))
        uid = text_of(alert.get("signature_id"))
        if not uid:
            raise RecordError("an alert without alert.signature_id", remedy="enable the alert fields in suricata.yaml")
        gathered = Gathered()
        _endpoints(record, alert, gathered)
        network_texts(record, gathered)
        gathered.read(TextKind.OTHER, mapping(mapping(record.get("ssh")).get("client")).get("software_version"))
        metadata = mapping(alert.get("metadata"))
        return Alert(
            time=self._clock.parse(record.get("timestamp")),
            product="Suricata",
            rule_uid=uid,
            rule_name=text_of(alert.get("signature")) or uid,
            ref=ref,
            severity=suricata_severity(alert),
            observables=gathered.observables,
            texts=gathered.texts,
            techniques=technique_ids(metadata.get("mitre_technique_id")),
            tactics=tactic_names(texts_of(metadata.get("mitre_tactic_name"))),
            uid=suricata_uid(record),
            flow=text_of(record.get("flow_id")),
        )


_KINDS = frozenset(("alert", "flow", "http", "dns", "tls", "smtp", "fileinfo", "anomaly", "stats", "netflow"))


def _endpoints(record: Record, alert: Record, gathered: Gathered) -> None:
    """The rule's own `target` keyword says who attacks whom; without it, who sent the packet."""
    source, target = mapping(alert.get("source")), mapping(alert.get("target"))
    gathered.see(Role.SRC, Kind.IP, source.get("ip") or record.get("src_ip"))
    gathered.see(Role.DST, Kind.IP, target.get("ip") or record.get("dest_ip"))
    ether = mapping(record.get("ether"))
    if not target and ether:
        gathered.see(Role.SRC, Kind.MAC, ether.get("src_mac"))
        gathered.see(Role.DST, Kind.MAC, ether.get("dest_mac"))


def _facts(record: Record, kind: str) -> Iterator[tuple[str, str]]:
    for key in ("src_ip", "src_port", "dest_ip", "dest_port", "proto", "app_proto", "tx_id"):
        if value := text_of(record.get(key)):
            yield key, value[:200]
    details = mapping(record.get(kind))
    for key in _FACTS.get(kind, ()):
        stated = details.get(key)
        if text := ("true" if stated is True else text_of(stated)):
            yield key, text[:200]
