"""A case's evidence as lines of plain text: for questions about cases that are put in words of their own."""

from __future__ import annotations

from datetime import UTC, datetime

from vedette.guard.hostile import INJECTION
from vedette.guard.neutralise import printable
from vedette.guard.probe import probe
from vedette.types import Case, Evidence


def lines(case: Case) -> tuple[str, int]:
    """Its lines, and how many texts of attackers were left out of them, as they speak to a model."""
    told: list[str] = []
    left = 0
    for one in case.evidence:
        told.append(f"- {_fact(one)}")
        for text in one.texts:
            if probe(text.value) or INJECTION.search(text.value) or not text.value.isprintable():
                left += 1
                continue
            told.append(f"  {text.kind.replace('_', ' ')}, which an attacker may have written: {text.value[:200]}")
    return "\n".join(told), left


def _fact(one: Evidence) -> str:
    clock = datetime.fromtimestamp(one.time / 1000, UTC).strftime("%H:%M")
    seen = ", ".join(f"{o.role} {o.kind} {o.value}" for o in one.observables)
    known = "".join(f"; {what}" for what in (seen, ", ".join(one.techniques), one.tactic) if what)
    times = f", {one.count} times" if one.count > 1 else ""
    told = f"{clock} {one.product}: {one.rule_name} ({one.severity.name.lower()}{times}) on {one.host or 'no device'}"
    return printable(f"{told}{known}", 600)
