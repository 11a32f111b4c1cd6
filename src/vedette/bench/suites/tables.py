"""Rows of the tables that benchmarks come as."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable, Iterator

import orjson

from vedette.errors import InputError

Row = dict[str, str]
AS_PUBLISHED = "give the file as its authors publish it"


def tsv(content: bytes, where: str, columns: Iterable[str]) -> Iterator[tuple[int, Row]]:
    """(line that the row begins on, row). Raises InputError where a column is missing or bytes are no text."""
    csv.field_size_limit(sys.maxsize)
    reader = csv.DictReader(io.StringIO(_text(content, where), newline=""), delimiter="\t")
    missing = [name for name in columns if name not in (reader.fieldnames or ())]
    if missing:
        raise InputError(f"no column '{missing[0]}'", where=where, remedy=AS_PUBLISHED)
    line = 2
    try:
        for row in reader:
            yield line, {name: value or "" for name, value in row.items() if isinstance(name, str)}
            line = reader.line_num + 1
    except csv.Error as exc:
        raise InputError(f"no table: {exc}", where=f"{where}:{line}", remedy=AS_PUBLISHED) from exc


def json_lines(content: bytes, where: str, keys: Iterable[str]) -> Iterator[tuple[int, dict[str, object]]]:
    """(line, object). Raises InputError where a line is no object or lacks a key."""
    wanted = tuple(keys)
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            found = orjson.loads(line)
        except orjson.JSONDecodeError as exc:
            raise InputError(f"no JSON: {exc}", where=f"{where}:{number}", remedy=AS_PUBLISHED) from exc
        missing = [key for key in wanted if not isinstance(found, dict) or key not in found]
        if missing:
            raise InputError(f"no '{missing[0]}'", where=f"{where}:{number}", remedy=AS_PUBLISHED)
        yield number, found


def document(content: bytes, where: str) -> object:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as exc:
        raise InputError(f"no JSON: {exc}", where=where, remedy=AS_PUBLISHED) from exc


def _text(content: bytes, where: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise InputError(f"no UTF-8 at byte {exc.start}", where=where, remedy=AS_PUBLISHED) from exc
