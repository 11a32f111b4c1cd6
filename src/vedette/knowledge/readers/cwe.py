"""CWE: the official CSV of a view (1000, 699, 1003, 2000 …) and the official XML catalog, as such or zipped.

In the CSV a cell holds entries as `::KEY:value:KEY:value::KEY:value::`; values may hold colons, so that keys are looked
for by name. Every row ends with a comma that the header line does not have. The CSV has no structure, usage, dates,
categories or release (the release is left empty), and up to 4.14 no likelihood; the XML has all of them.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

from vedette.errors import InputError, RecordError
from vedette.knowledge.inputs import Input
from vedette.knowledge.readers import Reader, Tally
from vedette.knowledge.readers.cwe_entry import Entry, Pairs, advice, as_record, consequence, number
from vedette.knowledge.readers.cwe_xml import is_catalog, read_catalog
from vedette.knowledge.record import Record

_HEADER = re.compile(rb"\s*(?:\xef\xbb\xbf)?\"?CWE-ID\"?,\"?Name\"?,\"?Weakness Abstraction\"?,")
_MEMBER = re.compile(r"(?:^|/)(?:\d{3,4}\.csv|cwec_[\w.]+\.xml)$")
_BOM = b"\xef\xbb\xbf"
_USED = (
    "CWE-ID", "Name", "Weakness Abstraction", "Status", "Description", "Extended Description", "Related Weaknesses",
    "Applicable Platforms", "Alternate Terms", "Likelihood of Exploit", "Common Consequences", "Detection Methods",
    "Potential Mitigations", "Observed Examples", "Related Attack Patterns",
)  # fmt: skip
Row = dict[str, str]


def _keys(*names: str) -> tuple[str, re.Pattern[str]]:
    """The first one starts an entry."""
    return names[0], re.compile(rf"(::?)({'|'.join(names)}):")


_CELLS = {
    "Related Weaknesses": _keys("NATURE", "CWE ID", "VIEW ID", "ORDINAL", "CHAIN ID"),
    "Alternate Terms": _keys("TERM", "DESCRIPTION"),
    "Common Consequences": _keys("SCOPE", "IMPACT", "LIKELIHOOD", "NOTE"),
    "Detection Methods": _keys("METHOD", "DESCRIPTION", "EFFECTIVENESS"),
    "Potential Mitigations": _keys("PHASE", "STRATEGY", "DESCRIPTION", "EFFECTIVENESS"),
    "Observed Examples": _keys("REFERENCE", "DESCRIPTION", "LINK"),
}
# Some of 4.14's entries lack the colon before the key.
_PLATFORM = re.compile(r":{0,2}(?:LANGUAGE|OPERATING SYSTEM|ARCHITECTURE|TECHNOLOGY) (NAME|CLASS|PREVALENCE):")


def claims(source: Input) -> bool:
    if source.container == "zip":
        return len(source.names) == 1 and bool(_MEMBER.search(source.names[0])) and _is_ours(_content(source)[1])
    return not source.container and _is_ours(source.head)


def _is_ours(content: bytes) -> bool:
    return bool(_HEADER.match(content)) or is_catalog(content)


def part(source: Input) -> str:
    """The view's number for a CSV (it stands in the file's name only), "catalog" for the XML."""
    name = source.names[0] if source.container else source.name
    return "catalog" if is_catalog(_opening(source)) else _view(name)


def _opening(source: Input) -> bytes:
    return _content(source)[1][:4096] if source.container else source.head


def _view(name: str) -> str:
    stem = name.rsplit("/", 1)[-1].split(".", 1)[0]
    return stem if re.fullmatch(r"[1-9]\d{2,3}", stem) else ""


def _content(source: Input) -> tuple[str, bytes]:
    return next(source.members(), (source.name, b""))


def read(source: Input, tally: Tally) -> Iterator[Record]:
    name, content = _content(source)
    if is_catalog(content):
        yield from read_catalog(content, name, tally)
    else:
        yield from _read_view(content, name, tally)


def _read_view(content: bytes, name: str, tally: Tally) -> Iterator[Record]:
    seen: set[str] = set()
    for row, where in _rows(content, name, tally):
        try:
            entry = _entry(row, where, _view(name))
            if entry.number in seen:
                raise RecordError("the same CWE-ID twice", where=where)
        except RecordError as error:
            tally.refuse(error)
            continue
        seen.add(entry.number)
        yield as_record(entry)


def _rows(content: bytes, name: str, tally: Tally) -> Iterator[tuple[Row, str]]:
    """Rows of the right width and where they stand. Raises InputError where columns or quotes are broken."""
    try:
        lines = csv.reader(io.StringIO(content.removeprefix(_BOM).decode().lstrip(), newline=""), strict=True)
        header = next(lines, [])
        if missing := [column for column in _USED if column not in header]:
            raise InputError(f"no column '{missing[0]}'", where=name, remedy="fetch the CSV of a CWE view again")
        for cells in lines:
            if not cells:
                continue
            tally.read += 1
            where = f"{name}:{lines.line_num}"
            if len(cells) == len(header) + 1 and not cells[-1]:
                cells.pop()
            if len(cells) == len(header):
                yield dict(zip(header, cells, strict=True)), where
            else:
                tally.refuse(RecordError(f"not a row of {len(header)} columns", where=where))
    except (UnicodeDecodeError, csv.Error) as exc:
        raise InputError(f"not a readable CSV: {exc}", where=name, remedy="fetch it again") from exc


def _entry(row: Row, where: str, view: str) -> Entry:
    entry = Entry(number(row["CWE-ID"], where, "CWE-ID"), row["Name"])
    where = f"{where} CWE-{entry.number}"
    if not entry.name.strip():
        raise RecordError("'Name' is empty", where=where)
    entry.status, entry.abstraction = row["Status"], row["Weakness Abstraction"]
    entry.likelihood = row["Likelihood of Exploit"]
    entry.views = [view] if view else []
    entry.relations = [_relation(dict(pairs), where) for pairs in _entries(row, "Related Weaknesses", where)]
    entry.platforms = _platforms(row["Applicable Platforms"])
    entry.terms = [dict(pairs).get("TERM", "") for pairs in _entries(row, "Alternate Terms", where)]
    entry.patterns = [number(n, where, "'Related Attack Patterns'") for n in _plain(row["Related Attack Patterns"])]
    examples = (dict(pairs) for pairs in _entries(row, "Observed Examples", where))
    entry.examples = [(e["REFERENCE"], e.get("DESCRIPTION", "")) for e in examples]
    entry.texts = _texts(row, where)
    return entry


def _texts(row: Row, where: str) -> Pairs:
    return [
        ("description", row["Description"].strip()),
        ("extended description", row["Extended Description"].strip()),
        ("consequences", "\n".join(consequence(p) for p in _entries(row, "Common Consequences", where))),
        ("mitigations", "\n".join(advice(p) for p in _entries(row, "Potential Mitigations", where))),
        ("detection", "\n".join(advice(p) for p in _entries(row, "Detection Methods", where))),
    ]


def _entries(row: Row, column: str, where: str) -> list[Pairs]:
    """What a cell holds, each entry as (key, value) in order. Raises RecordError that names the column."""
    cell, (first, keys) = row[column].strip(), _CELLS[column]
    found = list(keys.finditer(cell))
    if cell and not (found and found[0].start() == 0 and found[0][2] == first and cell.endswith("::")):
        raise RecordError(f"'{column}' is not a list of ::{first}:…", where=where)
    entries: list[Pairs] = []
    ends = [*(match.start() for match in found[1:]), len(cell) - 2]
    for match, end in zip(found, ends, strict=False):
        if match[1] == "::" and match[2] == first:
            entries.append([])
        value = cell[match.end() : end]
        entries[-1].append((match[2], value.strip()))
    return entries


def _relation(pairs: Row, where: str) -> tuple[str, str, str]:
    view = pairs.get("VIEW ID", "")
    target = number(pairs.get("CWE ID", ""), where, "'Related Weaknesses' CWE ID")
    return pairs["NATURE"], target, number(view, where, "'Related Weaknesses' VIEW ID") if view else ""


def _platforms(cell: str) -> list[str]:
    pieces = _PLATFORM.split(cell.strip().removesuffix("::"))
    return [value.strip() for key, value in zip(pieces[1::2], pieces[2::2], strict=True) if key != "PREVALENCE"]


def _plain(cell: str) -> list[str]:
    """A list without keys: `::21::59::`."""
    return [item for item in cell.strip().split("::") if item]


READER = Reader(source="cwe", claims=claims, read=read, part=part)
