"""`vedette model promote | rollback | history`: which model answers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vedette.cli.contender import Seat, chosen
from vedette.cli.label import Who, analyst
from vedette.cli.model_gate import Candidate, Models, On, RoleName
from vedette.errors import ConfigError

if TYPE_CHECKING:
    from vedette.engine.choice import Choice
    from vedette.engine.gate import Sealed
    from vedette.engine.roles import Entry

Why = Annotated[str, typer.Option("--why", help="For whoever reads the history.")]


def promote(
    candidate: Candidate,
    role: RoleName = "triage",
    gate: Annotated[Path | None, typer.Option(help="The gate's result; else gate.json beside the candidate.")] = None,
    shadow: Annotated[Path | None, typer.Option(help="What a shadow run said of it: it is shown and kept.")] = None,
    require_shadow: Annotated[bool, typer.Option("--require-shadow", help="Refuse it without a shadow run.")] = False,
    on: On = "",
    key: Annotated[
        list[Path] | None,
        typer.Option(help="Public key, or folder of such, of who may sign; else vedette/keys of your configuration."),
    ] = None,
    force: Annotated[str, typer.Option(metavar="REASON", help="In spite of what speaks against it.")] = "",
    why: Why = "",
    who: Who = "",
    models: Models = None,
) -> None:
    """Let a candidate answer from now on: what passed the gate, signed by somebody who is trusted."""
    from vedette.engine.gate import NAME, read
    from vedette.engine.roles import Case, Order, Role
    from vedette.signing import trusted

    seat = Seat(role=role, place=models)
    result = gate or (Path(candidate) / NAME if Path(candidate).is_dir() else Path(candidate).with_name(NAME))
    sealed = read(result) if gate or result.is_file() else None
    choice = chosen(candidate, seat, on or (sealed.gate.candidate.sha256 if sealed else ""))
    if choice is None:
        remedy = "promote a GGUF file, or a model that is kept here"
        raise ConfigError(f"'{candidate}' is no file of this machine", remedy=remedy)
    case = Case(sealed, trusted(key or []), _shadow(shadow, choice, require_shadow))
    if sealed:
        _show(sealed)
    if case.shadow:
        print(f"shadow run: {case.shadow}")
    entry = Role(role, models).promote(choice, case, Order(analyst(who), why, force))
    for against in entry.forced:
        print(f"vedette: overruled: {against}", file=sys.stderr)
    print(f"{entry} answers for {role} now; `vedette model rollback --role {role}` takes it back")


def rollback(role: RoleName = "triage", why: Why = "", who: Who = "", models: Models = None) -> None:
    """Back to what was in force before the last promotion."""
    from vedette.engine.roles import Order, Role

    entry = Role(role, models).rollback(Order(analyst(who), why))
    print(f"{entry} answers for {role} now" if entry.model else f"no model is in force for {role} now: tier 0 answers")


def history(
    role: RoleName = "triage",
    models: Models = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")] = False,
) -> None:
    """Who let which model answer, when and why, and what the gate said."""
    from vedette.cli.terminal import show_json
    from vedette.engine.roles import Role

    found = Role(role, models)
    entries = found.history()
    if as_json:
        show_json({"role": role, "in_force": found.now, "history": entries})
        return
    for entry in entries:
        _line(entry, entry == found.now)
    if not entries:
        print(f"no model was ever promoted for {role}")


def _line(entry: Entry, is_now: bool) -> None:
    from vedette.cli.terminal import safe

    mark, when = "→" if is_now else " ", entry.at.replace("T", " ").removesuffix("Z")
    print(f"{mark} {entry.number:>3}  {when} UTC  {safe(entry.who, 40)}  {entry.action}: {safe(str(entry), 120)}")
    if entry.why:
        print(f"       why: {safe(entry.why)}")
    if entry.model:
        adapter = f", adapter sha256 {entry.adapter_sha256[:12]}" if entry.adapter_sha256 else ""
        signed = f", signed by {entry.signed_by}" if entry.signed_by else ""
        print(f"       sha256 {entry.model_sha256[:12]}{adapter}; gate: {safe(entry.gate_says)}{signed}")
    if entry.shadow:
        print(f"       shadow run: {safe(entry.shadow)}")
    for against in entry.forced:
        print(f"       overruled: {safe(against)}")


def _show(sealed: Sealed) -> None:
    from vedette.bench.gate.report import verdict
    from vedette.bench.gate.rules import Rules
    from vedette.cli.terminal import safe

    gate, usual = sealed.gate, Rules().model_dump(mode="json")
    print(f"gate of {gate.made[:10]}: {safe(verdict(gate))}")
    for check in gate.checks:
        print(f"  {'ok' if check.passed else 'FAIL':<4}  {check.name:<10}  {safe(check.found)}")
    changed = {name: value for name, value in gate.rules.items() if usual.get(name) != value}
    for name, value in changed.items():
        print(f"  rule {safe(name)} = {safe(str(value))}, usually {safe(str(usual.get(name)))}")


def _shadow(path: Path | None, choice: Choice, required: bool) -> str:
    """What it said. Raises ConfigError where it is of another model, or missing."""
    from vedette.bench.gate.shadow import read

    if path is None:
        if required:
            raise ConfigError(
                "no shadow run is given", remedy="make one with `vedette model shadow`, give it as --shadow"
            )
        return ""
    found = read(path)
    party = found.candidate.party
    if (party.sha256, party.adapter_sha256) != (choice.sha256, choice.adapter_sha256):
        raise ConfigError(f"the shadow run is of {party}", where=str(path), remedy="make one of this candidate")
    return found.summary
