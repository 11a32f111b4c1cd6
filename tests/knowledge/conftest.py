"""A small encoder, for tests that are about stores and not about quality."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from vedette.knowledge import build, search, spool
from vedette.knowledge.encoder import StaticEncoder


@pytest.fixture(scope="module")
def small_encoder() -> Iterator[StaticEncoder]:
    """No words, 512 buckets of n-grams, 64 dimensions; in this process only."""
    random = np.random.default_rng(1)
    rows = random.integers(-120, 120, (512, 64)).astype(np.int8)
    encoder = StaticEncoder([], rows, np.ones(512, np.float32), "small")
    with pytest.MonkeyPatch.context() as patch:
        for module in (build, search, spool):
            patch.setattr(module, "encoder", lambda: encoder)
        yield encoder


@pytest.fixture(autouse=True)
def without_facts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stores hold what a test puts in; the shipped facts, too, where it asks for them (`@pytest.mark.facts`)."""
    if "facts" not in request.keywords:
        monkeypatch.setattr("vedette.knowledge.facts.base", list)
