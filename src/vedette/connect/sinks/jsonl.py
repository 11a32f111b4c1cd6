"""`cases.jsonl`: one case a line, every field, nothing cut; and `summary.json`: the rest of the queue.

All text is there, but in printing characters only: `cat` on a terminal is harmless.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from vedette.connect.sinks.wording import missing, tallies
from vedette.guard.neutralise import escaped
from vedette.types import Case, Queue

_encode = msgspec.json.Encoder().encode


def render(queue: Queue) -> str:
    """Keys in the order of `types.Case`; `read` gives the cases back."""
    return "".join(lines(queue))


def lines(queue: Queue) -> Iterator[str]:
    """The same piece by piece: a month of cases needs no room twice."""
    return (f"{line(case)}\n" for case in queue.cases)


def read(text: str) -> tuple[Case, ...]:
    """Raises msgspec.ValidationError. The standard library reads it: msgspec refuses unpaired surrogates."""
    return tuple(msgspec.convert(json.loads(line), Case) for line in text.splitlines())


def summary(queue: Queue) -> str:
    fields = {
        "cases": len(queue.cases),
        "verdicts": tallies(queue),
        "counts": queue.counts,
        "unaccounted": missing(queue.counts),
        "days": [{"day": day, "cases": cases, "escalated": escalated} for day, cases, escalated in queue.days],
        "reject_file": queue.reject_file,
        "rejects": queue.rejects,
        "model": queue.model,
        "knowledge": queue.knowledge,
        "experts": queue.experts,
        "notes": queue.notes,
    }
    return escaped(json.dumps(msgspec.to_builtins(fields), indent=2, ensure_ascii=False), _escape_or_newline) + "\n"


def line(record: Any) -> str:
    """A struct as one line of JSON in printing characters."""
    try:
        text = _encode(record).decode()
    except UnicodeEncodeError:  # an unpaired surrogate, which UTF-8 cannot hold and JSON's \ud800 can
        text = json.dumps(msgspec.to_builtins(record), separators=(",", ":"))
    return escaped(text, _escape)


def _escape(char: str) -> str:
    return json.dumps(char)[1:-1] if char != "\x7f" else "\\u007f"


def _escape_or_newline(char: str) -> str:
    return char if char == "\n" else _escape(char)
