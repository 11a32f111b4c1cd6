"""Rules of ours: what is made to match matches, what is made to miss misses; Sigma, queries and Wazuh's XML agree."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
import yaml
from defusedxml import ElementTree
from hypothesis import given
from hypothesis import strategies as st

from vedette.forge.scene import events, queries, rules, wazuh
from vedette.forge.scene.rules import Match, Rule
from vedette.forge.scene.wazuh import LocalRule, Series
from vedette.forge.tasks import sigma
from vedette.forge.world import World
from vedette.knowledge.record import Rel

from . import scene_store


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> World:
    return scene_store.world(tmp_path_factory.mktemp("rules") / "kb.db")


@given(st.integers(), st.sampled_from(sorted(rules.detections())))
def test_hits_hold_and_misses_do_not(seed: int, kind: str) -> None:
    rng = Random(seed)
    rule = rules.rule(rng, kind)
    assert rule.holds(events.hit(rng, rule))
    event, why = events.miss(rng, rule)
    assert not rule.holds(event)
    assert why


@given(st.integers(), st.sampled_from(sorted(rules.detections())))
def test_the_detection_block_says_what_the_rule_is(seed: int, kind: str) -> None:
    rule = rules.rule(Random(seed), kind)
    told = yaml.safe_load(rules.sigma(rule))
    detection = told["detection"]
    assert told["level"] == rule.about.level
    assert detection["condition"] == rule.condition
    for name, parts in (("selection", rule.selection), ("filter", (rule.filter,) if rule.filter else ())):
        found = {key: [value] if isinstance(value, str) else value for key, value in detection.get(name, {}).items()}
        assert found == {part.key: list(part.values) for part in parts if part}


@pytest.mark.parametrize(
    ("match", "event", "holds"),
    [
        (Match("A", "", ("x",)), {"A": "X"}, True),
        (Match("A", "", ("x",)), {"A": "xy"}, False),
        (Match("A", "contains", ("b", "c")), {"A": "abd"}, True),
        (Match("A", "contains", ("b", "c"), every=True), {"A": "abd"}, False),
        (Match("A", "startswith", ("b",)), {"A": "ab"}, False),
        (Match("A", "endswith", ("b",)), {"A": "ab"}, True),
        (Match("A", "", ("",)), {"B": ""}, False),
    ],
)
def test_a_comparison(match: Match, event: dict[str, str], holds: bool) -> None:
    assert match.holds(event) is holds


RULE = Rule("log-cleared", "0", (Match("F", "endswith", ("\\a", "\\b")), Match("C", "contains", ("p", "q"), True)),
            Match("User", "", ('s"1',)))  # fmt: skip


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("symbols", r'(F $ "\\a" | F $ "\\b") & C ~ "p" & C ~ "q" & ! (User = "s\"1")'),
        ("words", r'(F ENDS "\\a" OR F ENDS "\\b") AND C CONTAINS "p" AND C CONTAINS "q" AND NOT (User IS "s\"1")'),
        ("wildcards", r'(F:"*\\a" or F:"*\\b") and C:"*p*" and C:"*q*" and not (User:"s\"1")'),
        ("functions", r'(ends(F, "\\a") or ends(F, "\\b")) and has(C, "p") and has(C, "q") and not (eq(User, "s\"1"))'),
    ],
)  # fmt: skip
def test_a_query_in_every_dialect(name: str, query: str) -> None:
    dialect = next(d for d in queries.DIALECTS if d.name == name)
    assert queries.query(RULE, dialect) == query


@given(st.integers(), st.booleans())
def test_a_local_rule_is_well_formed(seed: int, counting: bool) -> None:
    rule = wazuh.local_rule(Random(seed), counting)
    root = ElementTree.fromstring(rule.xml)
    assert root.get("id") == str(rule.number)
    assert (root.get("frequency") is not None) is counting
    assert root.findtext("mitre/id") == rule.technique
    assert (root.findtext("if_matched_sid") or root.findtext("if_sid")) == rule.parent


def _series(frequency: int, timeframe: int, *told: tuple[int, str]) -> Series:
    start = datetime(2025, 1, 1, tzinfo=UTC)
    rule = LocalRule(100_000, 5, "5716", "", frequency, timeframe, "Many")
    return Series(rule, tuple((start + timedelta(seconds=s), a) for s, a in told))


def test_counting_is_by_address_and_time() -> None:
    assert _series(3, 10, (0, "a"), (5, "a"), (10, "a")).fires() == 3
    assert _series(3, 10, (0, "a"), (5, "a"), (11, "a")).fires() == 0
    assert _series(3, 10, (0, "a"), (5, "b"), (10, "a")).fires() == 0
    assert _series(2, 10, (0, "a"), (1, "b"), (2, "b"), (3, "a")).fires() == 3


@given(st.integers(), st.booleans())
def test_a_series_ends_as_it_was_asked(seed: int, fires: bool) -> None:
    assert bool(wazuh.series(Random(seed), fires).fires()) is fires


def test_events_for_the_stores_rules(made: World) -> None:
    for draft in scene_store.drafts(made, "sigma", "matches"):
        program = draft.slots["detection"].partition("endswith: ")[2].partition(".exe")[0]
        assert (program in draft.slots["event"].replace("\\\\", "\\")) is (draft.final == "Yes")


def test_what_cannot_be_read_for_certain_is_left_alone() -> None:
    assert sigma._taken("condition: selection\nselection: Image|endswith: \\a.exe")
    assert sigma._taken("condition: selection\nselection: EventID: 603, Flags: 8388608") is None
    assert sigma._taken("condition: selection\nselection: CommandLine|re: a.*b") is None
    assert sigma._taken("condition: selection and not filter\nselection: Image|endswith: \\a.exe") is None
    assert sigma._taken("condition: selection\nselection: Image|endswith: \\a.exe, Image|endswith: \\b.exe")


def test_the_block_of_a_rule() -> None:
    block = sigma._block("condition: selection\nselection: CommandLine|contains: one, two")
    assert yaml.safe_load(block) == {
        "detection": {"selection": {"CommandLine|contains": ["one", "two"]}, "condition": "selection"}
    }
    assert sigma._block("condition: keywords\nkeywords: one, two") == ""
    assert sigma._block("condition: selection or other\nselection: CommandLine|contains: one") == ""


def test_a_choice_has_one_technique_that_is_right(made: World) -> None:
    for draft in scene_store.drafts(made, "sigma", "technique-choice"):
        linked = {made.label(tie.other) for tie in made.out(draft.objects[0], Rel.DETECTS)}
        assert linked == {draft.final}
        assert not linked & set(draft.wrong)


def test_what_lies_behind_a_filter_stays_open(made: World) -> None:
    for draft in scene_store.drafts(made, "sigma", "filtered", 5):
        assert "not filter" in draft.slots["detection"]
        assert draft.final == "Not enough evidence"
