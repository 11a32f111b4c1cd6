"""The shipped weights are what the recipe makes of the data."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("scipy")

from vedette.manifest import verify
from vedette.skills.triage.model import WEIGHTS, load
from vedette.train.release import release

pytestmark = pytest.mark.train


def test_the_recipe_makes_the_shipped_weights(shared: Path, tmp_path: Path) -> None:
    made = release(shared / "data/alerts/ait-ads-alerts-csv.zip", shared / "data/bench", tmp_path)
    shipped = load()
    assert made.signal == pytest.approx(shipped.signal, abs=2e-3)
    assert made.case == pytest.approx(shipped.case, abs=2e-3)
    assert made.history == pytest.approx(shipped.history, abs=1e-3)
    assert (made.escalate, made.investigate) == (shipped.escalate, shipped.investigate)
    assert verify(tmp_path).inputs == verify(WEIGHTS).inputs
