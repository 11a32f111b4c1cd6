"""The shipped experts, loaded once."""

from __future__ import annotations

import pytest

from vedette.experts import Experts
from vedette.experts.experts import WEIGHTS


@pytest.fixture(scope="session")
def experts() -> Experts:
    if not (WEIGHTS / "manifest.json").exists():
        pytest.skip("the weights are not trained yet")
    return Experts.load()
