"""The page that shows what a format does: reference and teacher's answer side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vedette.forge.format import Format
from vedette.forge.trial import Trial
from vedette.serve.page import page, told, told_lines


def trial_page(made: Format, trials: Sequence[Trial], model: str) -> str:
    return page(f"{made.label} on {len(trials)} samples", _body(made, trials, model))


def _body(made: Format, trials: Sequence[Trial], model: str) -> Iterator[str]:
    passed = sum(trial.passes for trial in trials)
    yield f"<h1>{told(made.label)}</h1>"
    yield f'<p class="dim">tried with {told(model)} · {passed} of {len(trials)} answers would be kept</p>'
    yield f'<p class="dim">sha256 {made.sha256}</p>'
    for number, trial in enumerate(trials, start=1):
        yield f'<article class="{"accept" if trial.passes else "reject"}"><h2>{number}. {told(trial.sample.task)}</h2>'
        yield f'<div class="told">{told_lines(trial.sample.question)}</div><div class="pair">'
        yield f'<div><h3>before</h3><div class="told">{told_lines(trial.sample.answer)}</div></div>'
        yield f'<div><h3>after</h3><div class="told">{told_lines(trial.after) or "–"}</div></div></div>'
        for remark in trial.remarks:
            yield f'<p class="fault">{told(remark)}</p>'
        yield "</article>"
