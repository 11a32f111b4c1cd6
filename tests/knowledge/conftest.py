"""A small encoder and a small expert, for tests that are about stores and not about quality."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from vedette.knowledge import build, search, spool
from vedette.knowledge.encoder import StaticEncoder


class SmallExpert(StaticEncoder):
    """Reads T1059.001 in every shell, CWE-79 in every script, and two ids that no store holds."""

    def named(self, text: str) -> Sequence[Sequence[tuple[str, float]]]:
        words = text.lower()
        techniques = [("T9998", 0.97), ("T1059.001", 0.9)] if "shell" in words else []
        return [techniques, [("CWE-79", 0.95), ("CWE-99999", 0.1)] if "script" in words else []]


@pytest.fixture(scope="module")
def small_encoder() -> Iterator[StaticEncoder]:
    """No words, 512 buckets of n-grams, 64 dimensions; in this process only."""
    random = np.random.default_rng(1)
    rows = random.integers(-120, 120, (512, 64)).astype(np.int8)
    encoder = StaticEncoder([], rows, np.ones(512, np.float32), "small")
    with pytest.MonkeyPatch.context() as patch:
        for module in (build, search, spool):
            patch.setattr(module, "encoder", lambda _: encoder)
        expert = SmallExpert([], rows[::-1].copy(), np.ones(512, np.float32), "small expert")
        patch.setattr(search, "expert", lambda: expert)
        yield encoder


@pytest.fixture(autouse=True)
def without_facts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stores hold what a test puts in; the shipped facts, too, where it asks for them (`@pytest.mark.facts`)."""
    if "facts" not in request.keywords:
        monkeypatch.setattr("vedette.knowledge.facts.base", list)
