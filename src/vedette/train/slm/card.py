"""The model card of a trained language model: Markdown, made from what was measured.

Names that came with data or a base are shown as words: no renderer finds markup in them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from vedette.connect.sinks.markdown import code
from vedette.guard.neutralise import printable
from vedette.train.slm.card_facts import Facts, Measured, Stage, notices
from vedette.train.slm.curve import took

_KWH = 3.6e6  # joules
_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~]|&(?=#?\w+;))")
_LINK = re.compile(r"://|www\.|@", re.IGNORECASE)


def render(facts: Facts) -> str:
    return "\n".join(_lines(facts)) + "\n"


def _lines(facts: Facts) -> Iterator[str]:
    yield f"# Model card: {_words(facts.name)}"
    yield ""
    yield from (f"- {name}: {value}" for name, value in _top(facts))
    yield from ("", "## What it is for", "", _words(facts.use))
    yield from ("", "## What it is not good at", "")
    yield from ([_words(facts.limits), ""] if facts.limits else [])
    yield "It writes what is likely, it looks nothing up: check ids, scores and links before you use them. Text that an"
    yield "attacker wrote can mislead it. The scores below hold for their questions only."
    yield from _data(facts)
    yield from _licences(facts)
    yield from _training(facts)
    yield from _scores(facts)
    yield from (["", "## How to serve it", "", *_commands(facts.serve)] if facts.serve else [])
    yield from _made(facts)
    said = dict.fromkeys([*notices(licence for one in facts.data for licence in one.licences), *facts.notices])
    yield from (["", "## Notices", "", *(f"- {_words(notice)}" for notice in said)] if said else [])


def _top(facts: Facts) -> Iterator[tuple[str, str]]:
    origin = facts.origin
    yield "licence of these weights", _words(facts.licence)
    if origin.model:
        digest = f", sha256 `{origin.sha256}`" if origin.sha256 else ""
        yield "base", f"{code(origin.model)}, licence {_words(origin.licence)}{digest}"
    else:
        yield "base", f"none, from random values: {_words(origin.shape)}"
    learned = "all learned" if origin.learned == origin.parameters else f"{origin.learned:,} learned"
    yield "parameters", f"{origin.parameters:,}, {learned} ({_words(origin.method)})"
    yield "recipe", f"{code(facts.recipe)}, sha256 `{facts.recipe_sha256}`"
    yield "signed", f"by the key `{facts.signed}`" if facts.signed else "no"


def _data(facts: Facts) -> Iterator[str]:
    if not facts.data:
        yield from ("", "## Data", "", "None was read.")
        return
    rows = [
        (_words(one.name), code(one.sha256), f"{one.used:,}", f"{sum(one.left.values()):,}", f"{one.tokens:,}")
        for one in facts.data
    ]
    head = ("folder or file", "sha256 of its manifest", "rows used", "left out", "tokens")
    yield from _table("Data", head, rows, "llrrr")
    yield ""
    for one in facts.data:
        reasons = sorted(one.left.items(), key=lambda pair: -pair[1])
        left = ", ".join(f"{_words(why)} {count:,}" for why, count in reasons) or "none"
        yield f"- {_words(one.name)}: rows left out: {left}. Contamination: {_words(one.contamination)}."


def _licences(facts: Facts) -> Iterator[str]:
    found: Counter[str] = Counter()
    for one in facts.data:
        found.update(one.licences)
    if not found:
        return
    rows = [(_words(name) or "none named", f"{count:,}") for name, count in found.most_common()]
    yield from _table("Licences of the data", ("licence", "rows"), rows, "lr")


_TRAINING = (
    "stage", "steps", "tokens", "learned from", "loss", "dev loss", "time of steps", "tokens/s", "MFU, %", "GB",
    "ended",
)  # fmt: skip


def _training(facts: Facts) -> Iterator[str]:
    yield from _table("Training", _TRAINING, map(_stage, facts.stages), "lrrrrrrrrrl")
    yield ""
    yield f"On {_words(facts.machine)}. Loss: mean over the tokens that are learned from, smoothed; tokens/s and MFU:"
    yield "medians; GB: the peak. Every step is in `curve.jsonl`."
    measures = ", ".join(f"{_words(name)} {value:.4f}" for name, value in facts.measures.items())
    yield from ([f"At the last step: {measures}."] if measures else [])
    known = f"{facts.joules / _KWH:,.3f} kWh ({facts.joules:,.0f} J)" if facts.joules is not None else "not measured"
    yield f"Energy: {known}."


def _stage(one: Stage) -> tuple[str, ...]:
    told = one.told
    dev = f"{_figure(told.dev.loss)} (n = {told.dev.n:,})" if told.dev else "–"
    mfu = None if told.mfu is None else 100 * told.mfu
    memory = None if told.memory is None else told.memory / 1e9
    steps = (f"{told.step:,} of {told.steps:,}", f"{told.tokens:,}", f"{told.answers:,}")
    speed = (took(told.seconds), _figure(told.typical, ",.0f"), _figure(mfu, ".1f"), _figure(memory, ".2f"))
    return (_words(one.name), *steps, _figure(told.loss), dev, *speed, _words(one.why))


def _scores(facts: Facts) -> Iterator[str]:
    if not facts.scores:
        yield from ("", "## Scores", "", "None were measured.")
        return
    rows = [
        (_words(one.name), f"{one.n:,}", _measured(one.trained, one.points),
         _measured(one.untrained, one.points), _scaled(one.chance, one.points))
        for one in facts.scores
    ]  # fmt: skip
    yield from _table("Scores", ("questions", "n", "trained [95 %]", "untrained [95 %]", "chance"), rows, "lrlll")
    yield from ("", "Shares in percent; 95 % intervals over the questions.")


def _measured(found: Measured | None, points: bool) -> str:
    if found is None:
        return "–"
    return f"{_scaled(found.value, points)} [{_scaled(found.low, points)}, {_scaled(found.high, points)}]"


def _scaled(value: float | None, points: bool) -> str:
    return _figure(value, ".2f") if points else _figure(None if value is None else 100 * value, ".1f")


def _figure(value: float | None, form: str = ".4g") -> str:
    return "–" if value is None else format(value, form)


def _made(facts: Facts) -> Iterator[str]:
    versions = ", ".join(f"{_words(name)} {_words(number)}" for name, number in sorted(facts.versions.items()))
    yield from ("", "## How it was made", "")
    yield from ([*_commands(facts.remake), ""] if facts.remake else [])
    yield f"Seed {facts.seed}. {_words(facts.repeatable)}".rstrip()
    yield from ([f"Versions: {versions}."] if versions else [])


def _commands(commands: Sequence[str]) -> Iterator[str]:
    return (f"    {printable(command, 1_000)}" for command in commands)


def _table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]], sides: str) -> Iterator[str]:
    yield from ("", f"## {title}", "", f"| {' | '.join(head)} |")
    yield "|" + "|".join("--:" if side == "r" else "---" for side in sides) + "|"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def _words(text: str, limit: int = 2_000) -> str:
    """As one line, without markup; where it holds a link or an address, as code."""
    plain = printable(" ".join(text.split()), limit)
    return code(plain, limit) if _LINK.search(plain) else _SPECIAL.sub(r"\\\1", plain)
