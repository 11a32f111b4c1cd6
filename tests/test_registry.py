from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import ConfigError
from vedette.registry import Registry, near


@pytest.fixture
def sources() -> Registry[object]:
    return Registry("source", {"wazuh": "json:loads", "suricata": "json:dumps"})


def test_load_returns_the_attribute(sources: Registry[object]) -> None:
    import json

    assert sources.load("wazuh") is json.loads


def test_names_are_sorted(sources: Registry[object]) -> None:
    assert list(sources) == ["suricata", "wazuh"]
    assert len(sources) == 2
    assert "wazuh" in sources
    assert "json" not in sources


def test_nothing_is_imported_before_load() -> None:
    registry = Registry[object]("view", {"late": "colorsys:rgb_to_hsv"})
    sys.modules.pop("colorsys", None)
    assert registry.target("late") == "colorsys:rgb_to_hsv"
    assert "colorsys" not in sys.modules
    registry.load("late")
    assert "colorsys" in sys.modules


def test_a_duplicate_is_refused(sources: Registry[object]) -> None:
    with pytest.raises(ConfigError, match="source 'wazuh' is registered twice: 'json:loads' and 'json:load'"):
        sources.register("wazuh", "json:load")
    assert sources.target("wazuh") == "json:loads"


def test_a_duplicate_in_pairs_is_refused() -> None:
    with pytest.raises(ConfigError, match="registered twice"):
        Registry("view", [("table", "json:loads"), ("table", "json:dumps")])


@pytest.mark.parametrize("target", ["json", "json:", ":loads", ""])
def test_a_target_without_module_or_attribute_is_refused(target: str) -> None:
    with pytest.raises(ConfigError, match="module:attribute"):
        Registry("view", {"table": target})


def test_an_unknown_name_gets_the_near_one(sources: Registry[object]) -> None:
    with pytest.raises(ConfigError, match=r"unknown source 'Wazzuh' \(did you mean 'wazuh'\?\)"):
        sources.load("Wazzuh")


@pytest.mark.parametrize("target", ["no_such_module_here:x", "json:no_such_attribute"])
def test_a_broken_target_names_itself(target: str) -> None:
    with pytest.raises(ConfigError, match=f"view 'table' cannot be loaded from '{target}'"):
        Registry[object]("view", {"table": target}).load("table")


@given(st.sets(st.text(min_size=1)), st.text())
def test_near_always_says_something_and_only_known_names(known: set[str], name: str) -> None:
    remedy = near(name, known)
    assert remedy
    if remedy.startswith("did you mean '"):
        assert remedy.removeprefix("did you mean '").removesuffix("'?") in known
