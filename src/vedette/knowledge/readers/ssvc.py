"""SSVC decisions that stand alone: JSON with `options` (as CISA and the calculator write it) or `selections` (the
SSVC schema, versions 1 and 2), one or a list of them, and CSV with one row a CVE."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator

import msgspec

from vedette.errors import InputError, RecordError
from vedette.knowledge.inputs import Input
from vedette.knowledge.readers import Reader, Tally, cve, day
from vedette.knowledge.record import Kind, Record, Ssvc, VulnerabilityFacts

_POINTS = {
    "e": "exploitation",
    "exploitation": "exploitation",
    "a": "automatable",
    "automatable": "automatable",
    "ti": "impact",
    "technicalimpact": "impact",
}
_VALUES = {
    "exploitation": {"n": "none", "p": "poc", "a": "active", "publicpoc": "poc", "proofofconcept": "poc"},
    "automatable": {"n": "no", "y": "yes"},
    "impact": {"p": "partial", "t": "total"},
}
_ID_COLUMNS = ("cve", "cveid", "id")
_JSON = re.compile(rb'\A\s*[\[{].*"(?:options|selections)"\s*:\s*\[', re.DOTALL)
_OTHERS = re.compile(rb'"(?:CVE_RECORD|NVD_CVE|cveMetadata)"')  # they hold decisions, too, and have their own readers
_NOT_LETTERS = re.compile(r"[^a-z]")


class Choice(msgspec.Struct):
    name: str = ""
    key: str = ""


class Selection(msgspec.Struct):
    values: list[str | Choice]
    name: str = ""
    key: str = ""


class Decision(msgspec.Struct):
    id: str = ""
    target_ids: list[str] = []
    timestamp: str = ""
    role: str = ""
    options: list[dict[str, str]] = []
    selections: list[Selection] = []


DECISION = msgspec.json.Decoder(Decision)


def decided(decision: Decision, by: str) -> Ssvc:
    """The three points that CISA publishes, in lower case; "" where the decision does not speak of one."""
    pairs = [(name, value) for option in decision.options for name, value in option.items()]
    for selection in decision.selections:
        for value in selection.values[:1]:
            word = value if isinstance(value, str) else value.name or value.key
            pairs.append((selection.name or selection.key, word))
    return _decided(pairs, by, day(decision.timestamp))


def _decided(pairs: Iterable[tuple[str, str]], by: str, on: str) -> Ssvc:
    found = {}
    for name, value in pairs:
        if point := _POINTS.get(_letters(name)):
            word = _letters(value)
            found[point] = _VALUES[point].get(word, word)
    return Ssvc(**found, by=by, on=on)


def _letters(text: str) -> str:
    return _NOT_LETTERS.sub("", text.lower())


def _is_table(head: bytes) -> bool:
    columns = {_letters(name) for name in head.partition(b"\n")[0].decode("utf-8", "replace").split(",")}
    return (
        not columns.isdisjoint(_ID_COLUMNS) and len(columns & {"exploitation", "automatable", "technicalimpact"}) >= 2
    )


def _claims(item: Input) -> bool:
    head = item.head
    if not head[:200].lstrip(b"\xef\xbb\xbf \r\n\t").startswith((b"{", b"[")):
        return _is_table(head)
    about = re.search(rb'"(?:id|target_ids)"\s*:\s*\[?\s*"CVE-\d', head)
    return bool(about and _JSON.match(head) and not _OTHERS.search(head))


def _part(item: Input) -> str:
    """One decision is a part of its own, so that it does not replace a list."""
    single = item.head.lstrip().startswith(b"{")
    return cve.found_id(item.head, "") if single else ""


def _read(item: Input, tally: Tally) -> Iterator[Record]:
    newest: dict[str, tuple[str, Record]] = {}
    for moment, record in _rows(item, tally) if _is_table(item.head) else _decisions(item, tally):
        before = newest.get(record.id)
        if before:
            tally.skip(cve.SUPERSEDED)
        if not before or moment >= before[0]:
            newest[record.id] = (moment, record)
    tally.on = max((day(moment) for moment, _ in newest.values()), default="")
    for _, record in newest.values():
        yield record


def _decisions(item: Input, tally: Tally) -> Iterator[tuple[str, Record]]:
    body = cve.envelope(msgspec.json.Decoder(msgspec.Raw), item, "SSVC decisions")
    many = bytes(body).lstrip().startswith(b"[")
    raws = cve.envelope(msgspec.json.Decoder(list[msgspec.Raw]), item, "SSVC decisions") if many else [body]
    for number, raw in enumerate(raws, 1):
        try:
            decision = cve.decode(DECISION, raw, cve.found_id(bytes(raw), f"decision {number}"))
        except RecordError as exc:
            tally.read += 1
            tally.refuse(exc)
            continue
        ssvc = decided(decision, decision.role)
        for target in decision.target_ids or [decision.id]:
            if record := _given(target, ssvc, tally):
                yield decision.timestamp, record


def _rows(item: Input, tally: Tally) -> Iterator[tuple[str, Record]]:
    rows = csv.reader(io.StringIO(item.read().decode("utf-8-sig", "replace"), newline=""))
    columns = [_letters(name) for name in next(_lines(rows, tally), [])]
    place = next((columns.index(name) for name in _ID_COLUMNS if name in columns), None)
    if place is None:
        raise InputError("a table of SSVC decisions without a column 'cve'", where=item.name, remedy="add one")
    for row in _lines(rows, tally, len(columns)):
        cells = dict(zip(columns, row, strict=False))
        moment = cells.get("timestamp") or cells.get("date") or ""
        if record := _given(row[place], _decided(cells.items(), cells.get("role", ""), day(moment)), tally):
            yield moment, record


def _lines(rows: Iterator[list[str]], tally: Tally, width: int = 0) -> Iterator[list[str]]:
    """Rows as wide as the header, where that is known; a broken one is refused."""
    while True:
        try:
            row = next(rows, None)
        except csv.Error as exc:
            tally.read += 1
            tally.refuse(RecordError(f"not CSV: {exc}", where="a row"))
            continue
        if row is None:
            return
        if len(row) == width or not width:
            yield row
        elif row:
            tally.read += 1
            tally.refuse(RecordError("another number of cells than the header", where=row[0][:40]))


def _given(target: str, ssvc: Ssvc, tally: Tally) -> Record | None:
    tally.read += 1
    if not cve.CVE.fullmatch(target):
        tally.skip("not about a CVE")
    elif not (ssvc.exploitation or ssvc.automatable or ssvc.impact):
        tally.skip("no exploitation, automation or impact")
    else:
        return Record(target, Kind.VULNERABILITY, facts=VulnerabilityFacts(ssvc=ssvc))
    return None


READER = Reader("ssvc", _claims, _read, _part)
