"""The store of these tests, and what looks things up in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.bench.book.samples import CAPEC, CVES, ENTERPRISE, MOBILE, RULES, batch

from vedette.bench.book.entries import Entries
from vedette.bench.book.passages import Passages
from vedette.knowledge.build import import_batches
from vedette.knowledge.store import Knowledge


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Knowledge]:
    place = tmp_path_factory.mktemp("book") / "knowledge.db"
    parts = [("attack", "enterprise", ENTERPRISE), ("attack", "mobile", MOBILE), ("capec", "", CAPEC)]
    batches = [batch(*part) for part in (*parts, ("sigma", "", RULES), ("nvd", "", CVES))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vedette.knowledge.facts.base", list)
        import_batches(place, batches, inline=True)
    with Knowledge.open(place) as store:
        yield store


@pytest.fixture(scope="session")
def passages(made: Knowledge) -> Passages:
    return Passages(made)


@pytest.fixture(scope="session")
def entries(made: Knowledge) -> Entries:
    return Entries(made)
