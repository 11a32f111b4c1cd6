"""A gate's result to read: Markdown, and the rows of a table."""

from __future__ import annotations

from collections.abc import Iterator

from vedette.engine.gate import Check, Gate
from vedette.guard.neutralise import printable

HEAD = ("check", "", "n", "value", "95 %", "found")


def markdown(gate: Gate) -> str:
    return "\n".join(_lines(gate)) + "\n"


def rows(gate: Gate) -> list[tuple[str, ...]]:
    return [
        (one.name, word(one), f"{one.n:,}", _share(one.value), f"{_share(one.low)} to {_share(one.high)}", one.found)
        for one in gate.checks
    ]


def word(check: Check) -> str:
    return "ok" if check.passed else "FAIL" if check.decided else "too few"


def verdict(gate: Gate) -> str:
    return f"{'Passed' if gate.passed else 'Refused'}: {gate.summary}."


def _share(value: float) -> str:
    return f"{value:+.1%}" if value < 0 else f"{value:.1%}"


def _lines(gate: Gate) -> Iterator[str]:
    yield f"# {verdict(gate)}"
    yield ""
    yield f"Candidate: {printable(str(gate.candidate))}. Base: {printable(str(gate.base))}."
    yield f"Made {gate.made} by Vedette {gate.version} in {gate.seconds:,.0f} s."
    yield ""
    yield f"| {' | '.join(HEAD)} |"
    yield f"|{'---|' * len(HEAD)}"
    for row in rows(gate):
        yield f"| {' | '.join(plain(cell) for cell in row)} |"
    for check in gate.checks:
        yield from _check(check)
    yield from ("", "## What it rests on", "")
    for one in gate.data:
        yield f"- {plain(one.name)}: {one.n:,}, sha256 {one.sha256}"
    changed = {name: value for name, value in gate.rules.items() if value not in ("", [], None)}
    yield f"- rules: {', '.join(f'{name} = {value}' for name, value in changed.items())}"


def _check(check: Check) -> Iterator[str]:
    if check.passed and not check.details:
        return
    yield from ("", f"## {check.name}: {word(check)}", "", f"Wanted: {check.wants}. Found: {plain(check.found)}.")
    if check.todo:
        yield from ("", f"What to do: {check.todo}.")
    if check.details:
        yield ""
        yield from (f"- {plain(one)}" for one in check.details)


def plain(text: str) -> str:
    """Names of an organisation are its own, and still no markup."""
    return "".join(f"\\{char}" if char in "|<>[]`*_#" else char for char in printable(text, 400))
