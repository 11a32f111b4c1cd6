"""Triage's reply as a model has to write it: `guard.claims.schema`, held against the prompt that it answers."""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from vedette.guard.claims import CITED, LONGEST, MOST, QUOTED
from vedette.train.slm.questions import Messages
from vedette.types import Verdict

_Id = Annotated[str, Meta(max_length=8)]


class _Claim(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: Annotated[str, Meta(min_length=1, max_length=LONGEST)]
    evidence: Annotated[tuple[_Id, ...], Meta(min_length=1, max_length=CITED)]
    quote: Annotated[str, Meta(max_length=QUOTED)]


class _Reply(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    claims: Annotated[tuple[_Claim, ...], Meta(min_length=1, max_length=MOST)]
    verdict: Verdict | None = None


def fits(told: Any, prompt: Messages) -> bool:
    """Every claim cites evidence that the prompt shows, and quotes it word for word."""
    try:
        reply = msgspec.convert(told, _Reply)
    except msgspec.ValidationError:
        return False
    shown = _exhibits("\n".join(one["content"] for one in prompt if one["role"] == "user"))
    return all(
        shown.keys() >= set(claim.evidence) and any(claim.quote in shown[uid] for uid in claim.evidence)
        for claim in reply.claims
    )


def _exhibits(prompt: str) -> dict[str, str]:
    """Id → its lines, as `guard.fence` shows them: what attackers wrote never begins a line."""
    _, *parts = re.split(r"^(E\d{1,4}): ", prompt, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))
