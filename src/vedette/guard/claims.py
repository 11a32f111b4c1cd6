"""What a language model may say: claims that cite evidence, in JSON whose every string is bounded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

MOST, LONGEST, QUOTED, CITED = 8, 320, 160, 4  # claims, characters of one, of a quote; exhibits that one cites
SPARE = 4  # times as long as asked for: what a model that is not held to the schema may take
READ = 128  # claims of an answer that are looked at


class Stated(msgspec.Struct, frozen=True):
    """A claim as a model makes it; nothing of it is believed yet."""

    text: str
    evidence: tuple[str, ...] = ()
    quote: str = ""  # word for word from one of `evidence`


class Reply(msgspec.Struct, frozen=True):
    claims: tuple[Stated, ...] = ()
    verdict: str = ""  # what the model would decide
    whole: bool = True  # false where the reply broke off behind the last claim
    odd: int = 0  # entries that are no claims of that shape, or beyond `READ`


def schema(exhibits: Sequence[str], verdicts: Sequence[str] = ()) -> Mapping[str, Any]:
    """JSON schema of a reply about `exhibits`, with a verdict where there are some to choose from."""
    claim = {
        "type": "object",
        "properties": {
            "text": {"type": "string", "minLength": 1, "maxLength": LONGEST},
            "evidence": {"type": "array", "items": {"enum": list(exhibits)}, "minItems": 1, "maxItems": CITED},
            "quote": {"type": "string", "maxLength": QUOTED},
        },
        "required": ["text", "evidence", "quote"],
        "additionalProperties": False,
    }
    properties: dict[str, Any] = {"claims": {"type": "array", "items": claim, "maxItems": MOST}}
    if verdicts:
        properties["verdict"] = {"enum": list(verdicts)}
    return {
        "type": "object", "properties": properties, "required": list(properties), "additionalProperties": False,
    }  # fmt: skip


def parse(text: str) -> Reply | None:
    """What can be used of a reply: whole claims before it broke off; None where it is no such JSON."""
    found = list(_whole_claims(text))
    claims = tuple(claim for claim in found if claim is not None)[:READ]
    odd = len(found) - len(claims)
    try:
        told = json.loads(text)
        verdict = told.get("verdict", "") if isinstance(told, dict) else None
        if not isinstance(verdict, str) or not isinstance(told.get("claims"), list):
            return None
        return Reply(claims, verdict, odd=odd)
    except (ValueError, RecursionError):
        return Reply(claims, "", whole=False, odd=odd) if claims else None


class Stream:
    """Claims as soon as each is whole, out of an answer that is still coming."""

    def __init__(self) -> None:
        self._text, self._given = "", 0

    def take(self, piece: str) -> list[Stated]:
        self._text += piece
        if "}" not in piece:
            return []
        found = list(_whole_claims(self._text))
        fresh, self._given = found[self._given :], len(found)
        return [claim for claim in fresh if claim is not None]


_DECODER = json.JSONDecoder()


def _whole_claims(text: str) -> Iterator[Stated | None]:
    """The objects of the list `claims`; None for one that is no claim."""
    place = text.find('"claims"')
    place = text.find("[", place) + 1 if place >= 0 else 0
    while place:
        start = text.find("{", place)
        if start < 0 or "]" in text[place:start]:
            return
        try:
            found, place = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            return
        yield _stated(found)


def _stated(found: Any) -> Stated | None:
    try:
        claim = msgspec.convert(found, Stated)
    except (msgspec.ValidationError, TypeError):
        return None
    fits = len(claim.text) <= LONGEST * SPARE and len(claim.quote) <= QUOTED * SPARE
    return claim if fits and len(claim.evidence) <= CITED * SPARE else None
