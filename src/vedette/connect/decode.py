"""One raw JSON record to a mapping, refusing what two parsers could read differently."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import msgspec
import orjson

from vedette.errors import RecordError
from vedette.types import EXCERPT, Rejected

Record = Mapping[str, Any]
MAX_DEPTH = 100


def reject(ref: str, reason: str, remedy: str, raw: bytes = b"") -> Rejected:
    excerpt = raw[:EXCERPT].decode("utf-8", "backslashreplace")[:EXCERPT]
    digest = sha256(raw).hexdigest() if raw else ""
    return Rejected(ref=ref, reason=reason, remedy=remedy, excerpt=excerpt, size=len(raw), sha256=digest)


def decode_json(raw: bytes) -> dict[str, Any] | None:
    """None for a blank record. Raises RecordError for what is no JSON object, or is ambiguous or hostile."""
    try:
        record = orjson.loads(raw)
    except orjson.JSONDecodeError as exc:
        if not raw.strip():
            return None
        raise _diagnose(raw, exc) from exc
    if not isinstance(record, dict):
        raise RecordError(f"a JSON {type(record).__name__}, not an object", remedy="one JSON object a record")
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH and _depth(record) > MAX_DEPTH:
        raise RecordError(f"nested deeper than {MAX_DEPTH} levels", remedy="flatten the record")
    if orjson.dumps(record) != raw:
        _check_keys(raw, record)
    return record


def _diagnose(raw: bytes, exc: orjson.JSONDecodeError) -> RecordError:
    if b"\0" in raw:
        remedy = "if the file is UTF-16 without a byte order mark, save it as UTF-8"
        return RecordError(f"NUL byte at byte {raw.index(0)}", remedy=remedy)
    try:
        raw.decode()
    except UnicodeDecodeError as bad:
        return RecordError(f"not UTF-8 at byte {bad.start}", remedy="save the file as UTF-8")
    if "depth limit" in exc.msg:
        return RecordError(f"nested deeper than {MAX_DEPTH} levels", remedy="flatten the record")
    if exc.pos >= len(raw.rstrip()) - 1 or "end of data" in exc.msg:
        return RecordError("truncated JSON", remedy="the record was cut off; export it again")
    return RecordError(f"not JSON: {exc.msg}", remedy="one JSON object a record")


def _depth(record: Any) -> int:
    depth, level = 0, [record]
    while level and depth <= MAX_DEPTH + 1:
        depth += 1
        below: list[Any] = []
        for node in level:
            below += node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        level = [node for node in below if isinstance(node, dict | list)]
    return depth


def _check_keys(raw: bytes, record: dict[str, Any]) -> None:
    """Raises RecordError where a key occurs twice. The slow look happens only when the cheap ones cannot tell."""
    compact = msgspec.json.format(raw, indent=-1).replace(b"\\/", b"/")
    if orjson.dumps(record) != compact:
        json.loads(raw, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> None:
    keys = [key for key, _ in pairs]
    if len(set(keys)) < len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise RecordError(f"key '{twice:.60}' occurs twice in one object", remedy="correct the exporter")
