"""Alerts, chunks, a model and whole triages, made up for the tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from vedette.skills.triage.model import CASE_TERMS, SIGNAL_TERMS, Model
from vedette.skills.triage.owner import AssetsFile, ExceptionsFile, Owner
from vedette.skills.triage.signals import DAY_MS
from vedette.skills.triage.skill import Triage
from vedette.skills.triage.state import State
from vedette.types import (
    Alert,
    Chunk,
    Context,
    Kind,
    Observable,
    Position,
    Queue,
    Rejected,
    Role,
    Severity,
    TextKind,
    UntrustedText,
)

DAY = 20_522  # 2026-03-10, in days since 1970-01-01
NAME = "2026-03-10"
MINUTE = 60_000

# Fixed, so that tests of the machinery do not depend on how the shipped weights are trained.
_SIGNAL = {"rarity": 1.7, "site_rarity": 1.2, "severity": 1.8, "company": 2.0, "text": 3.0}
_CASE = {"strongest": 1.2, "second": 1.1, "support": 0.3, "hosts": 0.3, "aftermath": 2.0}
MODEL = Model(
    name="test",
    signal_bias=-7.7,
    signal={term: _SIGNAL.get(term, 0.8) for term in SIGNAL_TERMS},
    case_bias=-2.2,
    case={term: _CASE.get(term, 0.7) for term in CASE_TERMS},
    history={},
    escalate=0.5,  # what `intrusion` reaches
    investigate=0.2,
    sha256="test",
)


def at(clock: str, day: int = 0) -> int:
    """Milliseconds of HH:MM or HH:MM:SS on the tests' day, or `day` days later."""
    hours, minutes, seconds = (*map(int, clock.split(":")), 0)[:3]
    return (DAY + day) * DAY_MS + ((hours * 60 + minutes) * 60 + seconds) * 1000


_PLACES = {
    "host": (Role.HOST, Kind.HOSTNAME), "address": (Role.HOST, Kind.IP), "src": (Role.SRC, Kind.IP),
    "dst": (Role.DST, Kind.IP), "user": (Role.ACTOR, Kind.USER), "hash": (Role.TARGET, Kind.HASH),
}  # fmt: skip


def alert(when: str | int = "09:00", rule: str = "100", /, **fields: Any) -> Alert:
    """Keywords `host`, `address`, `src`, `dst`, `user`, `hash` become observables; `text` an untrusted text."""
    time = at(when, fields.pop("day", 0)) if isinstance(when, str) else when
    seen = tuple(Observable(*_PLACES[k], str(fields.pop(k))) for k in _PLACES if k in fields)
    written = fields.pop("text", None)
    if isinstance(written, str):
        written = UntrustedText(TextKind.COMMAND_LINE, written)
    values: dict[str, Any] = {
        "product": "Wazuh",
        "rule_name": f"rule {rule}",
        "severity": Severity.MEDIUM,
        "ref": f"t.json:{rule}/{'/'.join(o.value for o in seen)}/{time}",
        "texts": (written,) if written else (),
    }
    return Alert(time=time, rule_uid=rule, observables=seen, **{**values, **fields})


def chunks(alerts: Sequence[Alert], size: int = 100, stream: str = "s") -> Iterator[Chunk]:
    for i in range(0, len(alerts), size):
        part = list(alerts[i : i + size])
        yield Chunk(Position(stream, i + len(part), i + len(part)), "t.json", alerts=part)


def owner(assets: Iterable[dict[str, Any]] = (), exceptions: Iterable[dict[str, Any]] = ()) -> Owner:
    """From the tables that the owner's TOML files hold."""
    return Owner(
        AssetsFile.model_validate({"asset": list(assets)}),
        ExceptionsFile.model_validate({"exception": list(exceptions)}),
    )


def triage(
    path: Path, alerts: Sequence[Alert], *, site: Owner | None = None, model: Model = MODEL, size: int = 100
) -> Queue:
    """The queue of these alerts over a fresh state in the folder `path`."""
    path.mkdir(parents=True, exist_ok=True)
    state = State(path / "state.db")
    try:
        skill = Triage(state, model, site or Owner())
        for _ in skill.ingest(chunks(alerts, size)):
            pass
        skill.build()
        return skill.queue()
    finally:
        state.close()


def everyday(hosts: int = 6, day: int = 0) -> list[Alert]:
    """What an unremarkable site says all day: three low rules on each device, every quarter of an hour."""
    found = []
    for n in range(hosts):
        for slot in range(0, 24 * 4):
            time = at("00:00", day) + slot * 15 * MINUTE + n * 1000
            name = ("logon", "config checked", "service started")[slot % 3]
            found.append(
                alert(time, f"low-{slot % 3}", host=f"ws-{n}", rule_name=name, severity=Severity.INFORMATIONAL)
            )
    return found


def intrusion(host: str = "ws-3", day: int = 0, text: str | None = None) -> list[Alert]:
    """Five stages on one device within half an hour, from one outside address; `text` goes into each."""
    outside = "203.0.113.66"
    stages = (
        ("09:40", "exec", "Encoded PowerShell command", Severity.HIGH, "execution"),
        ("09:44", "c2", "Beacon to command and control", Severity.HIGH, "command-and-control"),
        ("09:52", "lsass", "LSASS memory dump", Severity.CRITICAL, "credential-access"),
        ("10:01", "disable", "Audit log was cleared", Severity.HIGH, "defense-evasion"),
        ("10:08", "exfil", "Large upload to a new address", Severity.HIGH, "exfiltration"),
    )
    return [
        alert(
            when, rule, day=day, host=host, dst=outside, rule_name=name, severity=severity, tactics=(tactic,), text=text
        )
        for when, rule, name, severity, tactic in stages
    ]


def rejected(n: int) -> Rejected:
    return Rejected(ref=f"t.json:{n}", reason="truncated", remedy="export again", excerpt="{")


def context(n: int, time: int) -> Context:
    return Context(time=time, flow=f"flow-{n}", kind="http", ref=f"t.json:c{n}", facts=(("status", "200"),))
