"""Whether the answers of ATT&CK's tasks are right, and the wrong options wrong, by the records of a small store."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest
import yaml

from vedette.forge.task import Draft, tasks
from vedette.forge.tasks import attack_detection, procedures
from vedette.forge.world import World
from vedette.knowledge.record import ActorFacts, AnalyticFacts, Rel, SoftwareFacts, TechniqueFacts

from . import attack_store

RECORDS = {record.id: record for record in attack_store.records()}
LINKS = {(uid, link.rel, link.to) for uid, record in RECORDS.items() for link in record.links}
TEXTS = {link.text: (uid, link.to) for uid, record in RECORDS.items() for link in record.links if link.text}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = attack_store.world(tmp_path_factory.mktemp("attack") / "k.db")
    yield made
    made.store.close()


def drafts(world: World, group: str, name: str) -> list[Draft]:
    task = next(task for task in tasks(group) if task.name == name)
    found = list(task.make(world, Random(3)))[:400]
    assert found
    return found


def ids(labels: str) -> list[str]:
    """ "T1 (A), T2 (B)" → T1, T2."""
    return [label.split(" ", 1)[0] for label in labels.split(", ")]


def linked(start: str, rel: Rel, end: str) -> bool:
    return (start, rel, end) in LINKS


def ends(start: str, rel: Rel, prefix: str = "") -> set[str]:
    return {end for one, which, end in LINKS if one == start and which is rel and end.startswith(prefix)}


def starts(rel: Rel, end: str, prefix: str) -> set[str]:
    return {start for start, which, one in LINKS if one == end and which is rel and start.startswith(prefix)}


def kin(one: str, other: str) -> bool:
    return linked(one, Rel.CHILD_OF, other) or linked(other, Rel.CHILD_OF, one)


# Techniques


def test_tactics_names_and_parents(world: World) -> None:
    for draft in drafts(world, "attack_technique", "tactic"):
        assert set(ids(draft.final)) == ends(draft.objects[0], Rel.MEMBER_OF)
    for draft in drafts(world, "attack_technique", "id"):
        assert RECORDS[draft.final].name == draft.slots["name"]
    for draft in drafts(world, "attack_technique", "sub-techniques"):
        assert set(ids(draft.final)) == starts(Rel.CHILD_OF, draft.objects[0], "T")
    for draft in drafts(world, "attack_technique", "child-choice"):
        child, parent = draft.objects
        assert linked(child, Rel.CHILD_OF, parent)
        assert not any(linked(uid, Rel.CHILD_OF, parent) for uid in map(first, draft.wrong))


def first(label: str) -> str:
    return label.split(" ", 1)[0]


def platforms(uid: str) -> tuple[str, ...]:
    facts = RECORDS[uid].facts
    assert isinstance(facts, TechniqueFacts)
    return facts.platforms


def test_sifting_leaves_one_by_tactic_and_platform(world: World) -> None:
    for draft in drafts(world, "attack_technique", "sift"):
        tactic = first(draft.slots["tactic"])
        fitting = [
            uid for uid in ids(draft.slots["options"])
            if linked(uid, Rel.MEMBER_OF, tactic) and draft.slots["platform"] in platforms(uid)
        ]  # fmt: skip
        assert fitting == [first(draft.final)]


def test_claims_about_platforms_and_tactics(world: World) -> None:
    for draft in drafts(world, "attack_technique", "runs-on"):
        assert (draft.slots["platform"] in platforms(draft.objects[0])) == (draft.final == "Yes")
    for draft in drafts(world, "attack_technique", "belongs-to-tactic"):
        assert linked(draft.objects[0], Rel.MEMBER_OF, first(draft.slots["tactic"])) == (draft.final == "Yes")


def test_a_technique_card_holds_what_its_text_holds(world: World) -> None:
    for draft in drafts(world, "attack_technique", "card"):
        card = json.loads(draft.final)
        assert list(card) == ["id", "name", "parent", "tactics", "platforms"]
        assert {card["parent"]} - {""} == ends(card["id"], Rel.CHILD_OF)
        assert set(card["tactics"]) == ends(card["id"], Rel.MEMBER_OF)


# Procedures


def test_a_sentence_is_mapped_as_its_link_says_and_wrong_options_are_not_of_its_user(world: World) -> None:
    for draft in drafts(world, "attack_procedure", "choice"):
        user, technique = TEXTS[draft.slots["text"]]
        assert technique == first(draft.final)
        for wrong in map(first, draft.wrong):
            assert not linked(user, Rel.USES, wrong)
            assert not kin(wrong, technique)


def test_claims_about_a_sentence(world: World) -> None:
    found = drafts(world, "attack_procedure", "is-it")
    assert {draft.final for draft in found} == {"Yes", "No"}
    for draft in found:
        assert (TEXTS[draft.slots["text"]][1] == first(draft.slots["asked"])) == (draft.final == "Yes")


def test_passages_are_mapped_in_their_order_with_their_own_words(world: World) -> None:
    for draft in drafts(world, "attack_procedure", "extract"):
        rows = json.loads(draft.final)["techniques"]
        assert " ".join(row["evidence"] for row in rows) == draft.slots["passage"]
        assert [TEXTS[row["evidence"]][1] for row in rows] == [row["id"] for row in rows]


def test_sub_techniques_are_all_of_the_parent_and_only_one_is_right(world: World) -> None:
    for draft in drafts(world, "attack_procedure", "sub-technique"):
        assert {RECORDS[first(label)].links[0].to for label in (draft.final, *draft.wrong)} == {
            first(draft.slots["parent"])
        }


def test_a_sentence_that_could_be_any_sub_technique_is_no_riddle(world: World) -> None:
    texts = {draft.slots["text"] for draft in drafts(world, "attack_procedure", "sub-technique")}
    assert all(text.removesuffix(".").split()[-1] in ("swap", "spray", "relay", "flood") for text in texts)


def test_only_sentences_about_a_parent_leave_the_sub_technique_open(world: World) -> None:
    for draft in drafts(world, "attack_procedure", "no-sub-technique"):
        assert "." not in TEXTS[draft.slots["text"]][1]


def test_names_are_hidden_whatever_their_case_and_plain_words_are_not(world: World) -> None:
    kettle = world.entries["S0001"]
    told = procedures.unnamed("Rusty Kettle 1 boils. The RUSTY KETTLE 1 malware, or Kettle-11, is rusty.", kettle)
    assert told == "The malware boils. The malware, or the malware, is rusty."
    heron = world.entries["G0001"]
    assert procedures.unnamed("It was a Quiet Heron 1 campaign.", heron) == "It was the group campaign."


def test_what_is_reached_counts_software_campaigns_and_kin(world: World) -> None:
    reached = procedures.reached(world, "G0001")
    for uid in ends("G0001", Rel.USES, "T") | ends("S0004", Rel.USES, "T") | ends("C0001", Rel.USES, "T"):
        assert uid in reached
        assert ends(uid, Rel.CHILD_OF) <= reached
    assert len(reached) < len(attack_store.ALL)


# Software, groups, campaigns


@pytest.mark.parametrize("group", ["attack_software", "attack_group", "attack_campaign"])
def test_claims_and_options_about_users(world: World, group: str) -> None:
    for draft in drafts(world, group, "uses"):
        assert linked(draft.objects[0], Rel.USES, first(draft.slots["technique"])) == (draft.final == "Yes")
    for draft in drafts(world, group, "left-out"):
        assert linked(draft.objects[0], Rel.USES, first(draft.final))
        assert not any(linked(draft.objects[0], Rel.USES, first(wrong)) for wrong in draft.wrong)
        assert first(draft.final) not in ids(draft.slots["told"])
    for draft in drafts(world, group, "odd-one-out"):
        assert not linked(draft.objects[0], Rel.USES, first(draft.final))
        assert all(linked(draft.objects[0], Rel.USES, first(wrong)) for wrong in draft.wrong)


@pytest.mark.parametrize("group", ["attack_software", "attack_group", "attack_campaign"])
def test_behaviour_fits_one_option_and_names_none(world: World, group: str) -> None:
    for draft in drafts(world, group, "from-behaviour"):
        needed = set(ids(draft.slots["mapped"]))
        assert needed <= ends(draft.objects[0], Rel.USES)
        assert not any(needed <= ends(first(wrong), Rel.USES) for wrong in draft.wrong)
        assert RECORDS[draft.objects[0]].name not in draft.slots["told"]


def test_a_summary_is_in_the_order_of_the_tactics_and_holds_every_sentence(world: World) -> None:
    for draft in drafts(world, "attack_group", "summary"):
        rows = draft.slots["summary"].splitlines()
        places = [attack_store.TACTICS.index(row.removeprefix("- ").split(":")[0]) for row in rows]
        assert places == sorted(places)
        assert all(any(told.removeprefix("- ") in row for row in rows) for told in draft.slots["told"].splitlines())


def test_users_of_software_and_when_they_are_too_many_to_name_one(world: World) -> None:
    for draft in drafts(world, "attack_software", "used-by"):
        assert set(ids(draft.final)) == starts(Rel.USES, draft.objects[0], "G")
    for draft in drafts(world, "attack_software", "no-attribution"):
        assert int(draft.slots["count"]) == len(starts(Rel.USES, draft.objects[0], "G")) >= 2
    for draft in drafts(world, "attack_software", "no-users"):
        assert not starts(Rel.USES, draft.objects[0], "")


def test_narrowing_leaves_the_one_group_that_has_all_three(world: World) -> None:
    for draft in drafts(world, "attack_group", "narrow"):
        left = set.intersection(*(starts(Rel.USES, uid, "G") for uid in ids(draft.slots["told"])))
        assert left == {first(draft.final)}
        assert draft.slots["left3"] == "1"


def test_no_group_is_named_from_two_common_techniques(world: World) -> None:
    for draft in drafts(world, "attack_group", "no-attribution"):
        both = starts(Rel.USES, first(draft.slots["one"]), "G") & starts(Rel.USES, first(draft.slots["other"]), "G")
        assert int(draft.slots["count"]) == len(both) >= 3
        assert first(draft.slots["one"]) != first(draft.slots["other"])
        assert not kin(first(draft.slots["one"]), first(draft.slots["other"]))
        assert "Quiet Heron" not in draft.slots["told"]


def seen(uid: str) -> tuple[str, str]:
    facts = RECORDS[uid].facts
    assert isinstance(facts, ActorFacts)
    return facts.first_seen[:7], facts.last_seen[:7]


def test_campaigns_are_put_in_time_and_attributed_as_they_are_linked(world: World) -> None:
    for draft in drafts(world, "attack_campaign", "earlier"):
        assert seen(first(draft.final)) < min(seen(first(wrong)) for wrong in draft.wrong)
    for draft in drafts(world, "attack_campaign", "at-once"):
        (begin, end), (start, stop) = map(seen, draft.objects)
        assert (begin < stop and start < end) == (draft.final == "Yes")
    for draft in drafts(world, "attack_campaign", "is-attributed"):
        assert linked(draft.objects[0], Rel.ATTRIBUTED_TO, first(draft.slots["asked"])) == (draft.final == "Yes")
    for draft in drafts(world, "attack_campaign", "unattributed"):
        assert not ends(draft.objects[0], Rel.ATTRIBUTED_TO)
    for draft in drafts(world, "attack_campaign", "group-also"):
        campaign, group = draft.objects
        both = ends(campaign, Rel.USES) & ends(group, Rel.USES) & set(ids(draft.slots["told"]))
        assert set(ids(draft.final)) == both


# Mitigations


def test_mitigations_are_those_that_are_linked_and_wrong_ones_are_not(world: World) -> None:
    for draft in drafts(world, "attack_mitigation", "for-technique"):
        assert set(ids(draft.final)) == starts(Rel.MITIGATES, draft.objects[0], "M")
    for draft in drafts(world, "attack_mitigation", "choice"):
        assert linked(first(draft.final), Rel.MITIGATES, draft.objects[0])
        assert not any(linked(first(wrong), Rel.MITIGATES, draft.objects[0]) for wrong in draft.wrong)
    for draft in drafts(world, "attack_mitigation", "helps"):
        assert linked(draft.objects[1], Rel.MITIGATES, draft.objects[0]) == (draft.final == "Yes")


def test_one_measure_covers_all_and_a_plan_leaves_one_open(world: World) -> None:
    for draft in drafts(world, "attack_mitigation", "covers"):
        needed = ids(draft.slots["techniques"])
        helping = [all(linked(first(m), Rel.MITIGATES, uid) for uid in needed) for m in (draft.final, *draft.wrong)]
        assert helping == [True, False, False, False]
    for draft in drafts(world, "attack_mitigation", "gap"):
        plan = ids(draft.slots["plan"])
        helped = [any(linked(m, Rel.MITIGATES, first(t)) for m in plan) for t in (draft.final, *draft.wrong)]
        assert helped == [False, True, True, True]


def test_the_measure_that_helps_most_is_counted(world: World) -> None:
    for draft in drafts(world, "attack_mitigation", "most"):
        techniques = ids(draft.slots["techniques"])
        counts = Counter(m for uid in techniques for m in starts(Rel.MITIGATES, uid, "M") if m != "M1055")
        (best, count), (_, second) = counts.most_common(2)
        assert (best, str(count)) == (first(draft.final), draft.slots["count"])
        assert count > second


def test_where_nothing_helps_no_measure_is_named(world: World) -> None:
    for draft in drafts(world, "attack_mitigation", "none-listed"):
        assert starts(Rel.MITIGATES, draft.objects[0], "M") <= {"M1055"}


# Detection and data


def facts_of(analytic: str) -> AnalyticFacts:
    facts = RECORDS[analytic].facts
    assert isinstance(facts, AnalyticFacts)
    return facts


def test_log_sources_and_components_are_those_of_the_analytic(world: World) -> None:
    for draft in drafts(world, "attack_detection", "log-sources"):
        logs = facts_of(draft.slots["analytic"]).log_sources
        assert draft.final == ", ".join(dict.fromkeys(log.name for log in logs))
    for draft in drafts(world, "attack_detection", "steps"):
        user, technique = TEXTS[draft.slots["seen"]]
        facts = RECORDS[user].facts
        assert not isinstance(facts, SoftwareFacts) or draft.slots["platform"] in facts.platforms
        assert linked(first(draft.slots["strategy"]), Rel.DETECTS, technique)
        assert set(ids(draft.final)) == ends(draft.slots["analytic"], Rel.OBSERVES)
    for draft in drafts(world, "attack_detection", "channel"):
        logs = facts_of(draft.slots["analytic"]).log_sources
        assert [log.channel for log in logs if log.name == draft.slots["log"]] == [draft.final]


def test_wrong_log_sources_are_of_the_platform_and_not_of_the_strategy(world: World) -> None:
    for draft in drafts(world, "attack_detection", "log-choice"):
        own = {
            log.name
            for analytic in starts(Rel.MEMBER_OF, draft.objects[1], "AN")
            for log in facts_of(analytic).log_sources
        }
        assert draft.final in own
        assert own.isdisjoint(draft.wrong)
        assert all(name.startswith(draft.slots["platform"]) for name in draft.wrong)


@pytest.mark.parametrize("name", ["technique", "detects", "which-analytic"])
def test_an_analytic_that_stands_under_two_techniques_is_no_riddle(world: World, name: str) -> None:
    texts = Counter(text.body for uid, record in RECORDS.items() if uid.startswith("AN") for text in record.texts[:1])
    assert max(texts.values()) > 1
    assert {texts[draft.slots["text"]] for draft in drafts(world, "attack_detection", name)} == {1}


def test_an_outline_is_yaml_that_says_what_the_analytic_says(world: World) -> None:
    for draft in drafts(world, "attack_detection", "outline"):
        rule = yaml.safe_load(draft.slots["rule"])
        facts = facts_of(rule["analytic"])
        assert linked(rule["strategy"], Rel.DETECTS, rule["technique"])
        assert rule["platforms"] == list(facts.platforms)
        assert [(row["component"], row["name"], row["channel"]) for row in rule["log_sources"]] == [
            (log.component, log.name, log.channel) for log in facts.log_sources
        ]


def test_a_platform_without_an_analytic_is_not_made_up(world: World) -> None:
    found = drafts(world, "attack_detection", "no-analytic")
    for draft in found:
        analytics = starts(Rel.MEMBER_OF, draft.objects[1], "AN")
        assert not any(draft.slots["asked"] in facts_of(uid).platforms for uid in analytics)
    assert {draft.slots["asked"] for draft in found} == {"Windows"}


def test_an_extract_holds_each_log_once_and_no_channel_is_empty(world: World) -> None:
    for draft in attack_detection.extract(world, Random(1)):
        made = json.loads(draft.final)
        assert list(made) == ["technique", "platforms", "log_sources"]
        assert all(row["name"] in draft.slots["logs"] for row in made["log_sources"])


def components(technique: str) -> set[str]:
    analytics = {a for s in starts(Rel.DETECTS, technique, "DET") for a in starts(Rel.MEMBER_OF, s, "AN")}
    return {end for analytic in analytics for end in ends(analytic, Rel.OBSERVES)}


def test_components_that_show_a_technique(world: World) -> None:
    for draft in drafts(world, "attack_data", "for-technique"):
        assert set(ids(draft.final)) == components(draft.objects[0])
    for draft in drafts(world, "attack_data", "choice"):
        assert first(draft.final) in components(draft.objects[0])
        assert components(draft.objects[0]).isdisjoint(map(first, draft.wrong))
    for draft in drafts(world, "attack_data", "technique"):
        assert draft.objects[0] in components(first(draft.final))
        assert not any(draft.objects[0] in components(first(wrong)) for wrong in draft.wrong)
    for draft in drafts(world, "attack_data", "shows"):
        assert (draft.objects[1] in components(draft.objects[0])) == (draft.final == "Yes")


def test_the_blind_spot_and_the_widest_view(world: World) -> None:
    for draft in drafts(world, "attack_data", "blind"):
        collected = set(ids(draft.slots["components"]))
        shown = [bool(components(first(t)) & collected) for t in (draft.final, *draft.wrong)]
        assert shown == [False, True, True, True]
    for draft in drafts(world, "attack_data", "widest"):
        counts = Counter(c for uid in ids(draft.slots["techniques"]) for c in components(uid))
        (best, count), (_, second) = counts.most_common(2)
        assert (best, str(count)) == (first(draft.final), draft.slots["count"])
        assert count > second


def test_a_log_entry_points_to_its_component_and_a_common_one_to_no_technique(world: World) -> None:
    logs = [(a, log) for a in RECORDS if a.startswith("AN") for log in facts_of(a).log_sources]
    for draft in drafts(world, "attack_data", "of-log"):
        same = {
            log.component for _, log in logs if (log.name, log.channel) == (draft.slots["log"], draft.slots["channel"])
        }
        assert same == {first(draft.final)}
    for draft in drafts(world, "attack_data", "vague"):
        wanted = (draft.slots["log"], draft.slots["channel"], first(draft.slots["component"]))
        holding = {a for a, log in logs if (log.name, log.channel, log.component) == wanted}
        assert int(draft.slots["count"]) == len(holding) >= 3
