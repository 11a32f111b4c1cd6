"""Any CSV or JSON lines, through a field map."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import NamedTuple

from vedette.connect.clock import EARLIEST, LATEST, Clock, time_parser
from vedette.connect.fieldmap import FieldMap, Match
from vedette.connect.sources.fields import (
    Gathered,
    Record,
    mapping,
    observable,
    severity_named,
    text_of,
    untrusted,
)
from vedette.errors import RecordError
from vedette.types import Alert, Observable, Severity, UntrustedText

_MAX_CACHE = 100_000  # distinct combinations of rule and observables that are remembered
_MAX_KEY = 2_000  # characters; a longer combination is worked out anew each time
_MAX_NAME = 500  # characters of a rule name or id

Row = Sequence[str]
RowParser = Callable[[Row, str], Alert]


class _Parts(NamedTuple):
    """What is the same for all alerts of one rule with the same observables."""

    product: str
    rule_uid: str
    rule_name: str
    severity: Severity
    observables: tuple[Observable, ...]
    techniques: tuple[str, ...]


class Mapped:
    """A source made from a map. CSV rows go through `row_parser`, which is much faster than `parse`."""

    def __init__(self, field_map: FieldMap, clock: Clock) -> None:
        self.name = field_map.name
        self._map = field_map
        self._time = time_parser(clock, field_map.time.format)
        self._columns = _part_columns(field_map)
        self._place = {column: at for at, column in enumerate(self._columns)}
        self._cache: dict[tuple[str, ...], _Parts] = {}
        self._severities = [(_matcher(match), match.value) for match in field_map.severity.patterns]
        self._techniques = [(_matcher(match), match.ids) for match in field_map.technique]
        self._table = {key.strip().lower(): value for key, value in field_map.severity.table.items()}

    def recognise(self, record: Record) -> bool:
        return bool(text_of(_dig(record, self._map.rule.name))) and _dig(record, self._map.time.field) is not None

    def parse(self, record: Record, ref: str) -> Alert:
        """Raises RecordError."""
        settings = self._map
        parts = self._parts(tuple(text_of(_dig(record, column)) for column in self._columns))
        gathered = Gathered()
        for item in settings.text:
            gathered.read(item.kind, _dig(record, item.field))
        return Alert(
            time=self._time(_dig(record, settings.time.field)),
            product=parts.product,
            rule_uid=parts.rule_uid,
            rule_name=parts.rule_name,
            ref=ref,
            severity=parts.severity,
            observables=parts.observables,
            texts=gathered.texts,
            techniques=parts.techniques,
            uid=text_of(_dig(record, settings.uid)) if settings.uid else "",
            flow=text_of(_dig(record, settings.flow)) if settings.flow else "",
        )

    def row_parser(self, header: Sequence[str]) -> RowParser:
        """A parser of the rows below this header. Raises RecordError where the map needs a column that is not there."""
        place = {column: at for at, column in enumerate(header)}
        if missing := sorted(self._map.used() - set(header)):
            raise RecordError(f"no column '{missing[0]}', which map '{self.name}' needs", remedy="correct the map")
        width, time_at, time_of = len(header), place[self._map.time.field], self._time
        plain_seconds = self._map.time.format == "epoch_s"
        key_of = _key_getter([place[column] for column in self._columns])
        texts = [(item.kind, place[item.field]) for item in self._map.text]
        uid_at, flow_at = place.get(self._map.uid, -1), place.get(self._map.flow, -1)
        cached, build = self._cache, self._parts

        def parse(row: Row, ref: str) -> Alert:
            if len(row) != width:
                raise RecordError(f"{len(row)} fields where the header has {width}", remedy="correct this line")
            stamp = row[time_at]
            time = (
                int(stamp) * 1000 if plain_seconds and len(stamp) == 10 and stamp.isascii() and stamp.isdigit() else 0
            )
            if not EARLIEST <= time < LATEST:
                time = time_of(stamp)
            key = key_of(row)
            parts = cached.get(key) or build(key)
            written: tuple[UntrustedText, ...] = ()
            if texts:
                written = tuple(untrusted(kind, text) for kind, at in texts if (text := row[at].strip()))
            return Alert(
                time=time,
                product=parts[0],
                rule_uid=parts[1],
                rule_name=parts[2],
                ref=ref,
                severity=parts[3],
                observables=parts[4],
                texts=written,
                techniques=parts[5],
                uid=row[uid_at].strip() if uid_at >= 0 else "",
                flow=row[flow_at].strip() if flow_at >= 0 else "",
            )

        return parse

    def unused(self, header: Sequence[str]) -> list[str]:
        """Columns that are neither used nor ignored."""
        known = self._map.used() | set(self._map.ignore)
        return [column for column in header if column not in known]

    def _parts(self, key: tuple[str, ...]) -> _Parts:
        parts = self._cache.get(key)
        if parts is None:
            parts = self._build(key)
            if len(self._cache) >= _MAX_CACHE:
                self._cache.clear()
            if sum(map(len, key)) <= _MAX_KEY:
                self._cache[key] = parts
        return parts

    def _build(self, key: tuple[str, ...]) -> _Parts:
        settings, place = self._map, self._place
        product, rule_name = self._product(key, key[place[settings.rule.name]].strip())
        if not rule_name:
            raise RecordError(f"no rule name in '{settings.rule.name}'", remedy="an alert needs the name of its rule")
        found = (observable(item.role, item.kind, key[place[item.field]]) for item in settings.observable)
        techniques = (one for matches, ids in self._techniques if matches(product, rule_name) for one in ids)
        uid = key[place[settings.rule.uid]].strip() if settings.rule.uid else ""
        if max(len(rule_name), len(uid), len(product)) > _MAX_NAME:
            raise RecordError(f"a rule name or id is longer than {_MAX_NAME} characters", remedy="shorten it")
        return _Parts(
            product=product,
            rule_uid=rule_name if settings.rule.uid in ("", settings.rule.name) else uid or rule_name,
            rule_name=rule_name,
            severity=self._severity(key, product, rule_name),
            observables=tuple(dict.fromkeys(one for one in found if one is not None)),
            techniques=tuple(dict.fromkeys(techniques)),
        )

    def _product(self, key: tuple[str, ...], name: str) -> tuple[str, str]:
        """The product, and the rule name without the prefix that told it."""
        settings = self._map.product
        for item in settings.prefixes:
            if name.startswith(item.prefix):
                return item.product, name[len(item.prefix) :].strip()
        stated = key[self._place[settings.field]].strip() if settings.field else ""
        if product := stated or settings.constant:
            return product, name
        known = ", ".join(f"'{item.prefix}'" for item in settings.prefixes)
        raise RecordError(f"rule name '{name:.60}' begins with no known prefix", remedy=f"known: {known}")

    def _severity(self, key: tuple[str, ...], product: str, rule_name: str) -> Severity:
        settings = self._map.severity
        if settings.field:
            value = key[self._place[settings.field]].strip()
            stated = self._table.get(value.lower()) or severity_named(value)
            if stated is not Severity.UNKNOWN:
                return stated
        found = (value for matches, value in self._severities if matches(product, rule_name))
        return next(found, settings.default)


def _part_columns(settings: FieldMap) -> tuple[str, ...]:
    """The columns that make up `_Parts`: all but time, texts and ids."""
    columns = [settings.rule.name, settings.rule.uid, settings.product.field, settings.severity.field]
    columns += [item.field for item in settings.observable]
    return tuple(dict.fromkeys(column for column in columns if column))


def _key_getter(places: list[int]) -> Callable[[Row], tuple[str, ...]]:
    if len(places) == 1:
        only = places[0]
        return lambda row: (row[only],)
    return itemgetter(*places)


def _matcher(match: Match) -> Callable[[str, str], bool]:
    search = re.compile(match.regex).search if match.regex else None

    def matches(product: str, name: str) -> bool:
        if match.product and match.product != product:
            return False
        return search(name) is not None if search else match.contains in name

    return matches


def _dig(record: Record, path: str) -> object:
    """A field by its own name, or by a dotted path into nested objects."""
    if path in record:
        return record[path]
    head, dot, rest = path.partition(".")
    return _dig(mapping(record.get(head)), rest) if dot and head in record else None
