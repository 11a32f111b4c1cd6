"""Made-up log lines and alerts: what is said of them is true of them."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.forge.scene import alerts, cast, excerpt, lines
from vedette.forge.world import World

from . import scene_store

WHEN = datetime(2025, 3, 4, 5, 6, 7, tzinfo=UTC)
FREE = [ip_network(n) for n in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "10.0.0.0/8", "127.0.0.0/8")]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> World:
    return scene_store.world(tmp_path_factory.mktemp("logs") / "kb.db")


@given(st.integers())
def test_every_field_stands_in_its_line(seed: int) -> None:
    line = lines.anything(Random(seed), WHEN)
    for name, value in line.fields.items():
        assert str(value) in line.text.replace("\\\\", "\\"), name
    assert line.says
    assert line.why


@given(st.integers())
def test_addresses_are_set_aside_for_examples(seed: int) -> None:
    line = lines.anything(Random(seed), WHEN)
    for told in re.findall(r"\b\d{1,3}(?:\.\d{1,3}){3}\b", line.text):
        assert any(ip_address(told) in net for net in FREE), told


@given(st.integers())
def test_telling_lines_have_a_technique_and_harmless_ones_none(seed: int) -> None:
    assert re.fullmatch(r"T\d{4}(\.\d{3})?", lines.telling(Random(seed), WHEN).technique)
    assert lines.harmless(Random(seed), WHEN).technique == ""


@given(st.integers(), st.booleans())
def test_guessing_is_counted_and_ends_as_it_was_asked(seed: int, entered: bool) -> None:
    scene = excerpt.guessing(Random(seed), entered)
    failed = Counter(re.findall(r"Failed password .* from (\S+) port", scene.text))
    assert failed == scene.failures
    assert failed.most_common(1)[0][0] == scene.attacker
    assert list(failed.values()).count(failed[scene.attacker]) == 1  # no tie
    assert bool(re.search(rf"Accepted .* from {re.escape(scene.attacker)} ", scene.text)) is entered


@given(st.integers())
def test_times_of_an_excerpt_go_up(seed: int) -> None:
    times = [str(line.fields["time"]) for line in excerpt.guessing(Random(seed)).lines]
    assert times == sorted(times)


@given(st.integers())
def test_one_line_alone_is_odd(seed: int) -> None:
    scene = excerpt.odd(Random(seed))
    assert [bool(line.technique) for line in scene.lines] == [n == scene.place for n in range(1, len(scene.lines) + 1)]


@given(st.integers())
def test_the_order_of_a_sequence_is_that_of_its_times(seed: int) -> None:
    scene = excerpt.sequence(Random(seed))
    times = [str(scene.shown[number - 1].fields["time"]) for number in scene.order]
    assert times == sorted(times)
    assert sorted(scene.order) == list(range(1, len(scene.shown) + 1))


def test_counts_in_drafts_are_those_of_the_lines(made: World) -> None:
    for draft in scene_store.drafts(made, "log", "count-failures"):
        told = draft.slots["lines"].count("Failed password")
        own = len(re.findall(rf"Failed password .* from {re.escape(draft.slots['address'])} ", draft.slots["lines"]))
        assert draft.final == str(own)
        assert own < told


@given(st.integers())
def test_an_alert_holds_its_core_in_every_shape(seed: int) -> None:
    one = alerts.alert(Random(seed))
    told = json.dumps(one.body)
    assert all(json.dumps(value).strip('"') in told for value in one.core.values())
    assert one.told(one.case.detail) in json.loads(told).get(
        "message", json.dumps(one.body, ensure_ascii=False).replace("\\\\", "\\").replace('\\"', '"')
    )


@given(st.integers(), st.booleans())
def test_hostile_text_stands_where_it_is_said(seed: int, injected: bool) -> None:
    rng = Random(seed)
    one = alerts.alert(rng)
    found = alerts.marked(rng, one, injected)
    hostile = {one.told(text) for text in alerts.INJECTED}
    places = {f"extra.{key}" for key, value in found.body["extra"].items() if value in hostile}
    assert places == ({found.place} if injected else set())


@given(st.integers())
def test_alerts_of_an_intrusion_share_something_and_others_nothing(seed: int) -> None:
    scene = alerts.mixture(Random(seed))
    values = set(scene.shared.values())
    for number, one in enumerate(scene.alerts, 1):
        has = values & {one.core["user"], one.core["host"], one.core["source_ip"]}
        assert bool(has) is (number in scene.belong)
    own = [{scene.alerts[n - 1].core[k] for k in ("user", "host", "source_ip")} & values for n in scene.belong]
    assert all(a & b for a in own for b in own)
    assert len(scene.belong) < len(scene.alerts)


def test_verdicts_follow_from_the_fact_that_decides(made: World) -> None:
    for draft in scene_store.drafts(made, "alert", "verdict"):
        known = {draft.final: draft.slots["fact"]}
        cases = [c for c in alerts.cases().values() if c.rule == draft.slots["rule"]]
        told = {"Escalate": cases[0].bad, "Close": cases[0].good}[draft.final]
        assert any(_like(text, known[draft.final]) for text in told)
        assert draft.slots["fact"] in draft.slots["known"]


def test_what_decides_is_missing_where_nothing_can_be_said(made: World) -> None:
    for draft in scene_store.drafts(made, "alert", "undecided"):
        case = next(c for c in alerts.cases().values() if c.rule == draft.slots["rule"])
        for sentence in draft.slots["known"].split("\n"):
            assert not any(_like(text, sentence.removeprefix("- ")) for text in (*case.bad, *case.good))


def _like(template: str, text: str) -> bool:
    parts = re.split(r"\{[a-z]+\}", template)
    return re.fullmatch(".+".join(map(re.escape, parts)), text, re.DOTALL) is not None


def test_no_case_lacks_a_part() -> None:
    for name, case in alerts.cases().items():
        assert len(case.bad) >= 2 <= len(case.good), name
        assert 0 <= case.level <= 15


def test_names_are_of_reserved_domains(made: World) -> None:
    assert Path(cast.domain(Random(1))).suffix in (".example", ".test", ".invalid")
