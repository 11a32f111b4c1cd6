"""The shipped experts, loaded once."""

from __future__ import annotations

import pytest

from vedette.experts import Experts


@pytest.fixture(scope="session")
def experts() -> Experts:
    return Experts.load()
