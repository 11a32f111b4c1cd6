"""Query dialects of ours, each defined in words, and rules written in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vedette.forge.scene.rules import Match, Rule


@dataclass(frozen=True, slots=True)
class Dialect:
    """A small query language, defined by `text` for whoever has to write it."""

    name: str
    text: str
    forms: Mapping[str, str]  # by how; {f} field, {v} value
    words: tuple[str, str, str]  # and, or, not


_COMMON = (
    "Conditions stand in the order of the rule. Alternatives are joined by {o} inside parentheses, values that all have"
    " to be there by {a} without parentheses; a condition with one value has no parentheses. Conditions"
    " are joined by {a}."
    " What is left out comes last, as {n} ( … ). Values stand in double quotes; a backslash in them is doubled."
)


def _dialect(name: str, start: str, forms: dict[str, str], words: tuple[str, str, str]) -> Dialect:
    a, o, n = words
    return Dialect(name, f"{start} {_COMMON.format(a=a, o=o, n=n)}", forms, words)


DIALECTS = (
    _dialect(
        "symbols",
        'Comparisons: field = "v" (equal), field ~ "v" (contains), field ^ "v" (starts with), field $ "v" (ends with).',
        {"": '{f} = "{v}"', "contains": '{f} ~ "{v}"', "startswith": '{f} ^ "{v}"', "endswith": '{f} $ "{v}"'},
        ("&", "|", "!"),
    ),
    _dialect(
        "words",
        'Comparisons: field IS "v", field CONTAINS "v", field BEGINS "v", field ENDS "v".',
        {
            "": '{f} IS "{v}"',
            "contains": '{f} CONTAINS "{v}"',
            "startswith": '{f} BEGINS "{v}"',
            "endswith": '{f} ENDS "{v}"',
        },
        ("AND", "OR", "NOT"),
    ),
    _dialect(
        "wildcards",
        'A comparison is field:"v", where * stands for any characters: "*v*" contains, "v*" starts with, "*v" ends'
        " with.",
        {"": '{f}:"{v}"', "contains": '{f}:"*{v}*"', "startswith": '{f}:"{v}*"', "endswith": '{f}:"*{v}"'},
        ("and", "or", "not"),
    ),
    _dialect(
        "functions",
        'Comparisons: eq(field, "v"), has(field, "v"), starts(field, "v"), ends(field, "v").',
        {
            "": 'eq({f}, "{v}")',
            "contains": 'has({f}, "{v}")',
            "startswith": 'starts({f}, "{v}")',
            "endswith": 'ends({f}, "{v}")',
        },
        ("and", "or", "not"),
    ),
)


def query(made: Rule, dialect: Dialect) -> str:
    both, _, neither = dialect.words
    told = f" {both} ".join(_condition(m, dialect) for m in made.selection)
    if made.filter is None:
        return told
    inner = _condition(made.filter, dialect)
    return f"{told} {both} {neither} ({inner.removeprefix('(').removesuffix(')') if inner.startswith('(') else inner})"


def _condition(one: Match, dialect: Dialect) -> str:
    both, either, _ = dialect.words
    parts = [_comparison(one, value, dialect) for value in one.values]
    if one.every:
        return f" {both} ".join(parts)
    return f"({f' {either} '.join(parts)})" if len(parts) > 1 else parts[0]


def _comparison(one: Match, value: str, dialect: Dialect) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return dialect.forms[one.how].replace("{f}", one.field).replace("{v}", escaped)
