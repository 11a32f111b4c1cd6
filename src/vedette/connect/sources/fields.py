"""Small readers of single fields, shared by the sources."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Protocol

from vedette.connect.clock import Clock
from vedette.errors import RecordError
from vedette.types import Alert, Context, Kind, Observable, Role, Severity, TextKind, UntrustedText

Record = Mapping[str, Any]

MAX_TEXT = 2_000  # characters of one untrusted text
_MAX_VALUE = 500  # characters of an observable; sensors' names are far shorter
_NOTHING = frozenset({"", "-", "--", "any", "n/a", "none", "null", "(null)", "unknown", "undefined"})
_TECHNIQUE = re.compile(r"\bT\d{4}(?:\.\d{3})?\b")


class Source(Protocol):
    """One product's records. Made anew for every stream, because of its clock."""

    name: str

    def __init__(self, clock: Clock) -> None: ...

    def recognise(self, record: Record) -> bool:
        """Whether the record has the shape of this product: by its content, never by a file name."""
        ...

    def parse(self, record: Record, ref: str) -> Alert | Context | None:
        """None for a well-formed record that is no alert. Raises RecordError."""
        ...


def text_of(value: object) -> str:
    """A scalar as stripped text, the first of a list, "" for anything else."""
    if isinstance(value, str):
        return value.strip()
    if value is None:
        return ""
    if isinstance(value, list):
        return text_of(value[0]) if value and not isinstance(value[0], list) else ""
    if isinstance(value, bool) or value is None or isinstance(value, dict):
        return ""
    return str(value)


def texts_of(value: object) -> list[str]:
    """Every scalar of a list, or the one scalar; empty ones left out."""
    if isinstance(value, list):
        return [text for item in value if not isinstance(item, list) and (text := text_of(item))]
    return [text] if (text := text_of(value)) else []


def checked(alert: Alert) -> Alert:
    """Raises RecordError where a name or id is too long to be one."""
    longest = max(len(alert.rule_name), len(alert.rule_uid), len(alert.product), len(alert.uid), len(alert.flow))
    if longest > _MAX_VALUE:
        raise RecordError(
            f"a rule name or id of {longest:,} characters", remedy=f"no more than {_MAX_VALUE} can be used; shorten it"
        )
    return alert


def mapping(value: object) -> Record:
    """The mapping itself, or an empty one for anything else."""
    if isinstance(value, dict):
        return value
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return value[0]
    return _EMPTY


_EMPTY: Record = {}


def mappings(value: object) -> list[Record]:
    if isinstance(value, dict):
        return [value]
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def untrusted(kind: TextKind, value: str) -> UntrustedText:
    """A long text is cut with a mark, so that nobody takes the beginning for the whole."""
    if len(value) > MAX_TEXT:
        value = f"{value[:MAX_TEXT]}… [{len(value) - MAX_TEXT:,} more characters, see ref]"
    return UntrustedText(kind, value)


@lru_cache(maxsize=65_536)
def address(value: str) -> str:
    """Canonical form of an IP address, "" for anything else."""
    try:
        return str(ipaddress.ip_address(value.strip("[]")))
    except ValueError:
        return ""


@lru_cache(maxsize=65_536)
def _observable(role: Role, kind: Kind, value: str) -> Observable | None:
    value = value.strip()
    if value.lower() in _NOTHING:
        return None
    if kind is Kind.IP or kind is Kind.HOSTNAME:
        if ip := address(value):
            return Observable(role, Kind.IP, ip)
        return Observable(role, Kind.HOSTNAME, value.lower().rstrip("."))
    if kind is Kind.HASH or kind is Kind.MAC:
        value = value.lower().replace("-", ":") if kind is Kind.MAC else value.lower()
    return Observable(role, kind, value)


def observable(role: Role, kind: Kind, value: object) -> Observable | None:
    """None for an empty value or a placeholder. A name where an address is expected becomes a host name, and back."""
    text = value if isinstance(value, str) else text_of(value)
    if not text:
        return None
    if len(text) > _MAX_VALUE:
        text = f"{text[:_MAX_VALUE]}… [{len(text) - _MAX_VALUE:,} more characters, see ref]"
    return _observable(role, kind, text)


class Gathered:
    """Collects the observables and texts of one alert, each once, in order."""

    __slots__ = ("_observables", "_texts")

    def __init__(self) -> None:
        self._observables: dict[Observable, None] = {}
        self._texts: dict[UntrustedText, None] = {}

    def see(self, role: Role, kind: Kind, value: object) -> None:
        if value and (found := observable(role, kind, value)) is not None:
            self._observables[found] = None

    def see_all(self, role: Role, kind: Kind, values: object) -> None:
        for value in texts_of(values):
            self.see(role, kind, value)

    def read(self, kind: TextKind, value: object) -> None:
        if not value:
            return
        for text in (value,) if isinstance(value, str) else texts_of(value):
            if text and text != "-":
                self._texts[untrusted(kind, text)] = None

    @property
    def observables(self) -> tuple[Observable, ...]:
        return tuple(self._observables)

    @property
    def texts(self) -> tuple[UntrustedText, ...]:
        return tuple(self._texts)


def technique_ids(value: object) -> tuple[str, ...]:
    """ATT&CK technique ids anywhere in a text or a list of texts, each once."""
    found = (match for text in texts_of(value) for match in _TECHNIQUE.findall(text.upper()))
    return tuple(dict.fromkeys(found))


def tactic_names(values: Iterable[str]) -> tuple[str, ...]:
    """ "Credential Access" or "Credential_Access" to ATT&CK's short name "credential-access"."""
    return tuple(dict.fromkeys(_short(value[:80]) for value in values if value and not value.upper().startswith("TA0")))


@lru_cache(maxsize=1_024)
def _short(value: str) -> str:
    return re.sub(r"[\s_-]+", "-", value.strip().lower())[:60]


_WORDS = {
    "informational": Severity.INFORMATIONAL,
    "information": Severity.INFORMATIONAL,
    "info": Severity.INFORMATIONAL,
    "low": Severity.LOW,
    "minor": Severity.LOW,
    "medium": Severity.MEDIUM,
    "moderate": Severity.MEDIUM,
    "warning": Severity.MEDIUM,
    "high": Severity.HIGH,
    "major": Severity.HIGH,
    "critical": Severity.CRITICAL,
    "fatal": Severity.CRITICAL,
}


def severity_named(value: object) -> Severity:
    """UNKNOWN for a word that is no severity."""
    return _WORDS.get(text_of(value).lower(), Severity.UNKNOWN)


_SURICATA = {1: Severity.HIGH, 2: Severity.MEDIUM, 3: Severity.LOW, 4: Severity.INFORMATIONAL}


def suricata_severity(alert: Record) -> Severity:
    """Suricata's priority 1 (worst) to 4 as documented in its classification file; Emerging Threats may say more."""
    priority = text_of(alert.get("severity"))
    severity = _SURICATA.get(int(priority), Severity.UNKNOWN) if priority in ("1", "2", "3", "4") else Severity.UNKNOWN
    stated = severity_named(mapping(alert.get("metadata")).get("signature_severity"))
    return Severity.CRITICAL if stated is Severity.CRITICAL else severity or stated


def suricata_uid(event: Record) -> str:
    """The same for an alert in eve.json and its copy in Wazuh; "" where Suricata gave no flow."""
    flow, rule = text_of(event.get("flow_id")), text_of(mapping(event.get("alert")).get("signature_id"))
    return f"{flow}:{rule}:{text_of(event.get('timestamp'))}:{text_of(event.get('tx_id'))}" if flow and rule else ""


def network_texts(event: Record, gathered: Gathered) -> None:
    """What Suricata copies out of the packets of a flow: all of it written by one of the two peers."""
    read = gathered.read
    http, tls, smtp, mail = (mapping(event.get(key)) for key in ("http", "tls", "smtp", "email"))
    if http:
        read(TextKind.HTTP_HOST, http.get("hostname"))
        read(TextKind.URL, http.get("url"))
        read(TextKind.USER_AGENT, http.get("http_user_agent"))
        read(TextKind.URL, http.get("http_refer"))
    if dns := mapping(event.get("dns")):
        read(TextKind.DNS_NAME, dns.get("rrname"))
        for query in (*mappings(dns.get("query")), *mappings(dns.get("queries"))):
            read(TextKind.DNS_NAME, query.get("rrname"))
    if tls:
        read(TextKind.TLS_NAME, tls.get("sni"))
        read(TextKind.TLS_NAME, tls.get("subject"))
    if smtp:
        read(TextKind.MAIL_ADDRESS, smtp.get("mail_from"))
        read(TextKind.MAIL_ADDRESS, smtp.get("rcpt_to"))
    if mail:
        read(TextKind.MAIL_SUBJECT, mail.get("subject"))
        read(TextKind.MAIL_ADDRESS, mail.get("from"))
        read(TextKind.FILE_NAME, mail.get("attachment"))
    for file in (*mappings(event.get("fileinfo")), *mappings(event.get("files"))):
        read(TextKind.FILE_NAME, file.get("filename"))
        gathered.see(Role.TARGET, Kind.HASH, file.get("sha256"))
    read(TextKind.OTHER, event.get("payload_printable"))
