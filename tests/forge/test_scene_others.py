"""Reports, configurations and incident response: answers are right."""

from __future__ import annotations

import json
import re
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.forge.scene import cast, configs, incidents, reports
from vedette.forge.tasks import report
from vedette.forge.world import World
from vedette.knowledge.record import Rel

from . import scene_store


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> World:
    return scene_store.world(tmp_path_factory.mktemp("others") / "kb.db")


def plain(text: str) -> str:
    told = text.replace("hxxp", "http").replace("[dot]", ".").replace("(.)", ".").replace("[.]", ".")
    return told.replace("[@]", "@").replace("[at]", "@")


@given(st.integers())
def test_defanging_can_be_undone_and_hides_every_host(seed: int) -> None:
    rng = Random(seed)
    for values in reports.indicators(rng).lists().values():
        for value in values:
            told = reports.defanged(rng, value)
            assert plain(told) == value
            assert told != value or re.fullmatch("[0-9a-f]{64}", value)


@given(st.integers())
def test_a_paragraph_holds_its_indicators_and_no_others(seed: int) -> None:
    rng = Random(seed)
    found = reports.indicators(rng)
    text = plain(reports.told(rng, found, cast.inside(rng)))
    values = [value for values in found.lists().values() for value in values]
    assert all(value in text for value in values)
    assert len(set(values)) == len(values)
    for domain in found.domains:
        assert not any(domain in other for other in (*found.urls, *found.emails))


def test_stix_objects_refer_to_each_other(made: World) -> None:
    for draft in scene_store.drafts(made, "report", "stix"):
        objects = json.loads(draft.final)
        ids = [one["id"] for one in objects]
        assert [uid.partition("--")[2] for uid in ids] == draft.slots["ids"].split("\n")
        link = next(one for one in objects if one["type"] == "relationship")
        assert (link["source_ref"], link["target_ref"]) == (ids[0], ids[1])
        for one in objects[3:]:
            assert re.fullmatch(r"\[[\w-]+:[\w.'-]+ = '[^']+'\]", one["pattern"])


def test_an_absent_technique_is_not_used_at_all(made: World) -> None:
    for draft in scene_store.drafts(made, "report", "absent"):
        used = {made.label(tie.other) for tie in made.out(draft.objects[0], Rel.USES)}
        assert draft.final not in used
        assert set(draft.wrong) <= used


def test_techniques_come_in_the_order_of_the_text(made: World) -> None:
    for draft in scene_store.drafts(made, "report", "techniques"):
        texts = {made.label(tie.other): tie.text for tie in made.out(draft.objects[0], Rel.USES)}
        places = [draft.slots["text"].index(texts[label]) for label in draft.final.split(", ")]
        assert places == sorted(places)


def test_a_paragraph_that_names_nobody_names_nobody(made: World) -> None:
    for draft in scene_store.drafts(made, "report", "nobody", 5):
        assert "Actor" not in draft.slots["text"]
        assert made.into(draft.sources[0], Rel.USES)


def test_a_name_that_is_left_is_no_paragraph_without_names() -> None:
    class _Entry:
        name = "Actor"

    assert report._unnamed("Actor has used PowerShell to run scripts.", _Entry()) != ""  # type: ignore[arg-type]
    assert report._unnamed("Actor has used Strangeloader to run scripts.", _Entry()) == ""  # type: ignore[arg-type]


def test_timelines_are_sorted(made: World) -> None:
    for draft in scene_store.drafts(made, "report", "timeline"):
        days = [one["date"] for one in json.loads(draft.final)]
        assert days == sorted(set(days))


@given(st.integers(), st.sampled_from(sorted(configs.kinds())), st.integers(0, 4))
def test_findings_stand_in_the_lines_that_are_named(seed: int, kind: str, bad: int) -> None:
    found = configs.config(Random(seed), bad, kind)
    assert len(found.findings) == bad
    assert [f.line for f in found.findings] == sorted({f.line for f in found.findings})
    for one in found.findings:
        assert found.lines[one.line - 1] == one.text != one.repaired
        assert one.repaired in found.repaired.split("\n")
    assert (found.repaired == found.text) is (bad == 0)


@given(st.integers(), st.integers(0, 3))
def test_a_policy_is_json_before_and_after(seed: int, bad: int) -> None:
    found = configs.config(Random(seed), bad, "iam")
    assert json.loads(found.text)["Statement"]
    assert json.loads(found.repaired)["Statement"]


def test_every_part_that_can_be_bad_is_explained() -> None:
    for kind in configs.kinds().values():
        for part in kind.part:
            told = (part.bad, part.cwe, part.control, part.why, part.fix)
            assert all(told) if part.id else not any(told), part
            assert not part.why.endswith("."), part.id
            assert not part.fix or part.fix.endswith("."), part.id


def test_files_without_findings_are_called_safe(made: World) -> None:
    for draft in scene_store.drafts(made, "configuration", "safe"):
        assert (draft.final == "Yes") is draft.slots["told"].startswith("Line ")


def test_steps_are_ordered_by_phase(made: World) -> None:
    for draft in scene_store.drafts(made, "response", "order"):
        shown = [row.partition(". ")[2].lower() for row in draft.slots["steps"].split("\n")]
        for place, phase in zip(map(int, draft.final.split(", ")), incidents.PHASES, strict=True):
            row = next(
                r for r in draft.slots["why"].lower().split("\n") if r.startswith(incidents.NAMES[phase].lower())
            )
            assert shown[place - 1] in row


def test_what_an_answer_names_stands_in_the_report(made: World) -> None:
    for draft in scene_store.drafts(made, "response", "plan", 100):
        for slot in ("host", "user", "source", "domain"):
            if draft.slots[slot] in draft.slots["plan"]:
                assert draft.slots[slot] in draft.slots["report"]


def test_no_incident_lacks_a_phase() -> None:
    for name, kind in incidents.kinds().items():
        assert all(kind.steps(phase) for phase in incidents.PHASES), name
        assert kind.evidence, name
        assert all(len(one) == 2 for one in kind.mistakes), name
