"""A small made-up day with an intrusion, and how a text gets into a field of its records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from vedette.connect.fieldmap import FieldMap

Record = dict[str, Any]
Write = Callable[[Sequence[Record]], bytes]

DAY = 1_773_100_800  # 2026-03-10, in seconds since 1970-01-01 UTC
HOST, ADDRESS, USER, OUTSIDE = "ws-3", "10.20.4.31", "mara.k", "203.0.113.66"
PLANTED = "Pl4nted-S3cret!"  # in a command line that the sensor saw: no engine and no view of one may show it
COMMAND = f"net user helper {PLANTED} /add"


@dataclass(frozen=True, slots=True)
class Step:
    """One alert of the day."""

    clock: int  # seconds of the day
    rule: str
    name: str
    level: int  # 1 informational … 5 critical
    host: str = HOST
    technique: str = ""
    tactic: str = ""
    outside: str = ""
    command: str = ""


def _attack() -> Iterator[Step]:
    rows = (
        ("09:40", "9101", "Encoded PowerShell command", 4, "T1059.001", "Execution"),
        ("09:44", "9102", "Beacon to command and control", 4, "T1071.001", "Command and Control"),
        ("09:52", "9103", "LSASS memory dump", 5, "T1003.001", "Credential Access"),
        ("10:01", "9104", "Audit log was cleared", 4, "T1070.001", "Defense Evasion"),
        ("10:08", "9105", "Large upload to a new address", 4, "T1041", "Exfiltration"),
    )
    for clock, rule, name, level, technique, tactic in rows:
        hours, minutes = map(int, clock.split(":"))
        yield Step(hours * 3600 + minutes * 60, rule, name, level, HOST, technique, tactic, OUTSIDE)
    yield Step(9 * 3600 + 48 * 60, "9106", "Account was added", 3, HOST, "T1136.001", "Persistence", OUTSIDE, COMMAND)


def _everyday() -> Iterator[Step]:
    names = ("logon", "configuration checked", "service started")
    for n in range(4):
        for slot in range(12):
            yield Step(slot * 7200 + n, f"70{slot % 3}", names[slot % 3], 1, f"ws-{n}")


ATTACK = tuple(_attack())
EVERYDAY = tuple(_everyday())


@dataclass(frozen=True, slots=True)
class Place:
    """A field that an attacker can write. `also`: what makes a source read the field this way."""

    path: str
    also: Mapping[str, Any] = field(default_factory=dict)
    within: tuple[str, ...] = ()  # keys of a text that the product puts the field into
    beside: bool = False  # in the record that belongs to the alert, instead of the alert itself

    def put(self, record: Record, text: str) -> Record:
        changed = deepcopy(record)
        for path, value in self.also.items():
            _set(changed, path.split("."), value)
        _set(changed, self.path.split("."), text)
        if self.within:
            whole = changed
            for key in self.within[:-1]:
                whole = whole[key]
            whole[self.within[-1]] += f": {text}"
        return changed


@dataclass(frozen=True, slots=True)
class Format:
    name: str
    record: Callable[[Step], Record]
    places: tuple[Place, ...]
    write: Write
    suffix: str = ".json"
    field_map: FieldMap | None = None
    beside: Callable[[Step], Record] | None = None  # what else the sensor writes of an alert's flow

    def day(self, place: Place | None = None, text: str = "") -> bytes:
        """The day's file, with `text` in one field of every alert of the intrusion."""
        attack = [self.record(step) for step in ATTACK]
        beside = [self.beside(step) for step in ATTACK] if self.beside else []
        if place is not None and place.beside:
            beside = [place.put(record, text) for record in beside]
        elif place is not None:
            attack = [place.put(record, text) for record in attack]
        return self.write([*attack, *beside, *(self.record(step) for step in EVERYDAY)])


def _set(node: Any, path: list[str], value: Any) -> None:
    """Numbers are places of a list, which grows by one at most."""
    for key, after in zip(path, [*path[1:], ""], strict=True):
        here: Any = int(key) if isinstance(node, list) else key
        if isinstance(node, list) and here == len(node):
            node.append([] if after.isdigit() else {})
        if not after:
            node[here] = value
        else:
            node = node[here] if isinstance(node, list) else node.setdefault(here, [] if after.isdigit() else {})
