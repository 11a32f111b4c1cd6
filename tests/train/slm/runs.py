"""Runs of made-up trainings, the same each time."""

from __future__ import annotations

from math import exp, sin
from typing import Any

import msgspec

from vedette.train.slm.curve import Dev, Event, Probe, Run, Step, Stop


def step(number: int, **other: Any) -> Step:
    usual = Step(
        step=number, steps=20, epoch=number / 20, loss=2 + 6 * exp(-number / 8) + 0.2 * sin(7 * number), rate=3e-4,
        norm=0.9, tokens=4_096, answers=1_000, seconds=2.0, tokens_per_second=2_048.0 + number, mfu=0.41,
        memory=12_345_678_900, time="2026-11-26T07:00:00Z",
    )  # fmt: skip
    return msgspec.structs.replace(usual, **other)


def events(count: int, every: int = 4, why: str = "done", scale: float = 1.0) -> list[Event]:
    """A dev loss and a probe each `every` steps."""
    found: list[Event] = []
    for number in range(1, count + 1):
        loss = scale * (2 + 6 * exp(-40 * number / 8 / count) + 0.2 * sin(7 * number))
        rate = 3e-4 * min(1, 10 * number / count) * (1 - 0.9 * number / count)
        found.append(step(number, steps=count, epoch=number / count, loss=loss, rate=rate))
        if number % every == 0:
            found.append(Dev(number, scale * (2.2 + 6 * exp(-5 * number / count)), 1_000))
            right = 64 * number // count // 2
            tasks = {"cve-weakness/root-cause": (right // 2, 32), "attack-technique/id": (right - right // 2, 32)}
            found.append(Probe(number, right, 64, tasks))
    return [*found, Stop(count, why)]


def run(found: list[Event]) -> Run:
    made = Run()
    for event in found:
        made.add(event)
    return made
