"""The wording of questions whose benchmark has none."""

from __future__ import annotations

from collections.abc import Sequence


def asked(question: str, choices: Sequence[str], letters: str) -> str:
    listed = _listed(choices, letters)
    return f"{question}\n\n{listed}\n\nChoose the best option. The last line of your answer is its letter alone."


def asked_for_all(question: str, choices: Sequence[str], letters: str) -> str:
    listed = _listed(choices, letters)
    return (
        f"{question}\n\n{listed}\n\nOne or several options are right. The last line of your answer is the letters of"
        " all of them and nothing else, for example: AC"
    )


def _listed(choices: Sequence[str], letters: str) -> str:
    return "\n".join(f"{letter}) {choice}" for letter, choice in zip(letters, choices, strict=False))
