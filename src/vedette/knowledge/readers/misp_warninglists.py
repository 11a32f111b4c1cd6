"""MISP warninglists: `lists/<name>/list.json` in an archive or a folder, or one list.json."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

import msgspec

from vedette.errors import RecordError
from vedette.knowledge.inputs import Input
from vedette.knowledge.readers import Reader, Tally
from vedette.knowledge.record import Kind, ListFacts, Record, Text

_INSIDE = re.compile(r"(?:[^/]+/)?lists/[^/]+/list\.json")  # an archive may hold it all in one folder
_BELOW = re.compile(r"lists/[^/]+/list\.json")
_KEYS = re.compile(rb'"(description|list|matching_attributes|name|type)"\s*:')
_FIRST = re.compile(rb'\A\s*\{\s*"description"\s*:\s*"(?:[^"\\]|\\.)*"\s*,\s*"list"\s*:\s*\[')  # of a long one


class _List(msgspec.Struct, rename={"values": "list"}):
    name: str
    type: str
    values: tuple[str, ...]
    description: str = ""
    version: int = 0
    matching_attributes: tuple[str, ...] = ()


_decoder = msgspec.json.Decoder(_List)


def claims(source: Input) -> bool:
    if source.container == "folder":
        if source.name == "lists":
            return any(name.endswith("/list.json") and name.count("/") == 1 for name in source.names)
        return any(_BELOW.fullmatch(name) for name in source.names)
    if source.container:
        return any(_INSIDE.fullmatch(name) for name in source.names)
    return _is_list(source.head)


def part(source: Input) -> str:
    """A single list stands for itself; an archive or a folder for all lists."""
    return "" if source.container else _folder(source.name, source)


def read(source: Input, tally: Tally) -> Iterator[Record]:
    seen: set[str] = set()
    for path, content in source.members("" if not source.container else "list.json"):
        tally.read += 1
        folder = _folder(path, source)
        try:
            if folder in seen:
                raise RecordError("a list that is given twice", where=folder)
            record = _record(folder, content)
        except RecordError as error:
            tally.refuse(error)
            continue
        seen.add(folder)
        tally.on = max(tally.on, record.modified)
        yield record


def _is_list(head: bytes) -> bool:
    keys = set(_KEYS.findall(head))
    return len(keys) == 5 or _FIRST.match(head) is not None


def _folder(path: str, source: Input) -> str:
    """The list's own folder, by which MISP knows it; of a file that was renamed, its stem."""
    file = PurePosixPath(path)
    if file.parent.name:
        return file.parent.name
    return source.path.resolve().parent.name if file.name.startswith("list.json") else file.name.split(".")[0]


def _record(folder: str, content: bytes) -> Record:
    try:
        item = _decoder.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise RecordError(f"not a warninglist: {exc}", where=folder) from exc
    return Record(
        f"warninglist:{folder}",
        Kind.WARNINGLIST,
        " ".join(item.name.split()),
        modified=_day(item.version),
        facts=ListFacts(item.type, item.matching_attributes, item.values),
        texts=(Text("description", item.description.strip()),) if item.description.strip() else (),
    )


def _day(version: int) -> str:
    """Versions are counters or dates (20260811); "" for counters and for dates that no calendar has."""
    text = str(version)
    year, month, date = text[:4], text[4:6], text[6:]
    if len(text) == 8 and "2000" <= year <= "2099" and "01" <= month <= "12" and "01" <= date <= "31":
        return f"{year}-{month}-{date}"
    return ""


READER = Reader("misp-warninglists", claims, read, part)
