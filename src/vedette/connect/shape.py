"""How the records lie in a stream, judged by its first 64 KiB."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from hashlib import sha256

import orjson

from vedette.connect.document import HEAD, find_items
from vedette.connect.table import read_header

_KEY_BYTES = 4096


class Layout(Enum):
    LINES = "JSON lines"
    TABLE = "CSV"
    DOCUMENT = "JSON document"


@dataclass(frozen=True, slots=True)
class Shape:
    """`start` is the offset of the first record, `outer` says how many objects hold the array of a document."""

    layout: Layout
    start: int = 0
    outer: int | None = None
    header: tuple[str, ...] = ()
    delimiter: str = ","


def shape_of(head: bytes) -> Shape | None:
    """None for what is neither JSON nor CSV."""
    lines = [line for line in head.split(b"\n", 50)[:50] if line.strip()]
    first = lines[0].lstrip()[:1] if lines else b""
    if first == b"[":
        start, outer = find_items(head) or (0, 0)
        return Shape(Layout.DOCUMENT, start, outer)
    if first == b"{":
        return _json_shape(head, lines)
    if len(lines) > 1 and lines[1].startswith(b"{"):
        return Shape(Layout.LINES)
    if header := read_header(head.split(b"\n", 1)[0]):
        return Shape(
            Layout.TABLE, start=head.find(b"\n") + 1 or len(head), header=tuple(header[0]), delimiter=header[1]
        )
    damaged = len(head) == HEAD and b"\n" not in head and b"\0" not in head
    return Shape(Layout.LINES) if damaged or any(line.startswith(b"{") for line in lines) else None


def _json_shape(head: bytes, lines: list[bytes]) -> Shape:
    alone = len(lines) == 1
    if not alone and (lines[1].startswith(b"{") or _is_object(lines[0])):
        return Shape(Layout.LINES)
    if found := find_items(head):
        return Shape(Layout.DOCUMENT, *found)
    return Shape(Layout.LINES) if alone else Shape(Layout.DOCUMENT, 0, None)


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def stream_key(name: str, head: bytes, shape: Shape) -> str:
    """Names a stream by its base name and its beginning, so that it is known again when it was moved or has grown.

    JSON lines: the first line. CSV: the header and the first row, because many files share a header. A document,
    which is written at once: its first 4 KiB. No more than 4 KiB of any.
    """
    head = head.lstrip(b"\r\n")
    if shape.layout is not Layout.DOCUMENT:
        parts = 1 if shape.layout is Layout.LINES else 2
        head = b"\n".join(line.rstrip(b"\r") for line in head.split(b"\n", parts)[:parts])
    base = name.rpartition("!")[2].replace("\\", "/").rpartition("/")[2]
    return sha256(base.encode("utf-8", "surrogateescape") + b"\0" + head[:_KEY_BYTES]).hexdigest()
