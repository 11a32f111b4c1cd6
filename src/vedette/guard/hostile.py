"""Texts that nobody should learn from: they speak to a model, would run, or hold what cannot be seen."""

from __future__ import annotations

import re

from vedette.guard.probe import READ, Warning, probe

INJECTION = re.compile(
    r"\b(?:ignore|disregard|forget) (?:all |any |the |your )*(?:previous|prior|earlier|above) "
    r"(?:instructions?|rules|prompts?)"
    r"|\bsystem prompt\b|<\|(?:im_start|im_end|system|user|assistant)\|?>",
    re.IGNORECASE,
)
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\uffff"
    "\U000e0000-\U000e01ef]"
)
_RUNS = re.compile(
    r"<\s{0,3}/?\s{0,3}(?:script|iframe|object|embed|svg|img|link|meta|style|form|base|video|audio)\b"
    r"|\bon[a-z]{3,20}\s{0,3}=\s{0,3}[\"'(]|\bjavascript:|\bvbscript:|\bdata:text/html",
    re.IGNORECASE,
)
_MODEL = re.compile(
    r"\b(?:language model|LLMs?|chat ?bots?|chat ?gpt|gpt|prompt|AI (?:assistant|model|agent|system)|as an AI"
    r"|you are (?:an?|the) (?:assistant|AI|model)|assistant reading)\b",
    re.IGNORECASE,
)
# What a runbook orders an analyst to do looks like an order about verdicts; these count where a model is spoken to.
_ORDERS = frozenset(("verdict", "leak", "hide", "override", "schema", "id_spoofing", "role_play"))


def hostile(text: str) -> str:
    """Why nobody should learn from a text, "" where there is no reason not to."""
    if _UNSEEN.search(text):
        return "characters that cannot be seen"
    if _RUNS.search(text):
        return "markup that would run"
    if INJECTION.search(text) or any(_speaks(text[at : at + READ]) for at in range(0, len(text) or 1, READ // 2)):
        return "it speaks to a language model"
    return ""


def _speaks(text: str) -> bool:
    families = [warning.family for warning in probe(text) if not _of_analysts(warning)]
    if families or not _MODEL.search(text):
        return bool(families)
    lines = text.split("\n")  # a model has to be spoken of where the order is
    near = ("\n".join(lines[at : at + 2]) for at in range(len(lines)))
    return any(_MODEL.search(two) and any(w.family in _ORDERS for w in probe(two)) for two in near)


def _of_analysts(warning: Warning) -> bool:
    """Could it be an order to an analyst, or words of a runbook?"""
    if warning.family == "fence":
        return not warning.quote.startswith(("<", "["))
    return warning.family in _ORDERS
