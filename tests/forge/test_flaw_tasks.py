"""Families of tasks on weaknesses, vulnerabilities, defences and paths: right answers are right, wrong ones wrong."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from random import Random

import numpy as np
import pytest

from vedette.forge import world as forge_world
from vedette.forge.build import Builder, Plan
from vedette.forge.example import EXACT, Example, Kind
from vedette.forge.task import tasks
from vedette.forge.tasks import advisory, cve_exploitation, lineage, metrics, vulnerable
from vedette.forge.tasks.vulnerable import base_score
from vedette.forge.world import World
from vedette.knowledge import build, spool
from vedette.knowledge.encoder import StaticEncoder
from vedette.knowledge.record import Affected, Cvss, Rel, VulnerabilityFacts
from vedette.knowledge.store import Knowledge
from vedette.prompts import ANSWER

from . import flaw_store

GROUPS = ("cwe", "cwe_hierarchy", "capec", "cve_weakness", "cve_cvss", "cve_exploitation", "advisory", "d3fend", "nist",
          "paths")  # fmt: skip
ID = re.compile(r"(?:CWE|CAPEC|CVE-\d{4})-\d+|T90\d\d|AC-\d+|M90\d\d|DET90\d\d|D3-\w+")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    random = np.random.default_rng(1)
    rows = random.integers(-120, 120, (512, 64)).astype(np.int8)
    encoder = StaticEncoder([], rows, np.ones(512, np.float32), "small")
    with pytest.MonkeyPatch.context() as patch:
        for module in (build, spool, forge_world):
            patch.setattr(module, "encoder", lambda _: encoder)
        patch.setattr("vedette.forge.tasks.cve_weakness.USED", 1)
        store = flaw_store.fill(tmp_path_factory.mktemp("flaws") / "knowledge.db")
        with Knowledge.open(store) as knowledge:
            yield World(knowledge)


@pytest.fixture(scope="module")
def made(world: World) -> dict[str, list[Example]]:
    found: dict[str, list[Example]] = {}
    for example in Builder(world, Plan(groups=GROUPS, cap=200), 7).examples():
        found.setdefault(example.task, []).append(example)
    return found


def option(example: Example) -> str:
    """The text of the right option."""
    found = re.search(rf"^{example.final}\) (.*)$", example.question, re.MULTILINE)
    assert found
    return found[1]


def wrong(example: Example) -> list[str]:
    return re.findall(rf"^(?!{example.final}\))[A-E]\) (.*)$", example.question, re.MULTILINE)


def first_id(text: str) -> str:
    found = ID.search(text)
    assert found, text
    return found[0]


@pytest.mark.parametrize("group", GROUPS)
def test_each_task_gives_examples(made: dict[str, list[Example]], group: str) -> None:
    names = {f"{group.replace('_', '-')}/{task.name}" for task in tasks(group)}
    assert len(names) >= 5
    assert names == {name for name in made if name.startswith(f"{group.replace('_', '-')}/")}


def test_kinds_are_many(made: dict[str, list[Example]]) -> None:
    assert {examples[0].kind for examples in made.values()} >= set(Kind) - {Kind.RULE}


def test_same_seed_gives_the_same(world: World, made: dict[str, list[Example]]) -> None:
    again = [e.id for e in Builder(world, Plan(groups=("cwe", "paths"), cap=200), 7).examples()]
    assert again == [e.id for name, es in made.items() if name.split("/")[0] in ("cwe", "paths") for e in es]
    other = [e.id for e in Builder(world, Plan(groups=("cwe", "paths"), cap=200), 8).examples()]
    assert again != other


def test_answers_are_well_formed(made: dict[str, list[Example]]) -> None:
    for example in (one for examples in made.values() for one in examples):
        whole = f"{example.question}\n{example.answer}"
        assert all(fact in whole for fact in example.keep), example
        assert not re.search(r"\{[a-z_]+\}", re.sub(r"\{\n.*\n\}", "", example.answer, flags=re.DOTALL)), example
        if example.kind in EXACT:
            assert example.answer.endswith(f"{ANSWER}{example.final}")
        if example.kind is Kind.EXTRACT:
            assert json.loads(example.answer)
        if example.kind is Kind.ABSTAIN:
            assert example.final == "Not enough evidence"


def test_sources_are_named(world: World, made: dict[str, list[Example]]) -> None:
    for example in (one for examples in made.values() for one in examples):
        assert example.sources
        known = [source for source in example.sources if source.id in world.store]
        assert known
        assert all(source.unit and source.licence for source in known), example


def test_letters_and_verdicts_are_balanced(made: dict[str, list[Example]]) -> None:
    for name, examples in made.items():
        finals = Counter(example.final for example in examples)
        if examples[0].kind is Kind.YES_NO:
            assert abs(finals["Yes"] - finals["No"]) <= max(2, len(examples) // 20), (name, finals)
        if examples[0].kind is Kind.CHOICE and len({e.question.count("\n") for e in examples}) == 1:
            assert max(finals.values()) - min(finals.values()) <= 2, (name, finals)


def test_parents_and_pillars(world: World, made: dict[str, list[Example]]) -> None:
    for example in made["cwe-hierarchy/parent"]:
        assert example.final == ", ".join(lineage.parents(world, example.objects[0]))
    assert {e.final for e in made["cwe-hierarchy/pillar"]} == {"CWE-1", "CWE-2"}
    common = {e.objects: e.final for e in made["cwe-hierarchy/common-ancestor"]}
    for (one, other), final in common.items():
        assert final == ("CWE-10" if one.startswith("CWE-10") else "CWE-20"), (one, other)


def test_false_claims_on_kinds_are_false(world: World, made: dict[str, list[Example]]) -> None:
    for example in made["cwe-hierarchy/kind-of"]:
        asked = example.sources[-1].id
        assert (asked in lineage.ancestors(world, example.objects[0])) is (example.final == "Yes")


def test_wrong_targets_are_wrong(world: World, made: dict[str, list[Example]]) -> None:
    for example in made["capec/exploits"]:
        weakness, right = example.objects
        targeting = {tie.other for tie in world.into(weakness, Rel.TARGETS)}
        assert right in targeting
        assert not {first_id(one) for one in wrong(example)} & targeting
    for example in made["capec/targets"]:
        targets = {tie.other for tie in world.out(example.objects[0], Rel.TARGETS)}
        assert (example.sources[-1].id in targets) is (example.final == "Yes")


def test_root_causes(world: World, made: dict[str, list[Example]]) -> None:
    def roots(cve: str) -> set[str]:
        entry = world.store.get(cve)
        assert entry
        return {link.to for s in entry.statements for link in s.record.links if link.rel is Rel.HAS_WEAKNESS}

    for example in made["cve-weakness/root-cause"]:
        assert {example.final} == roots(example.objects[0])
    for example in made["cve-weakness/choice"]:
        assert {first_id(option(example))} == roots(example.objects[0])
        assert not {first_id(one) for one in wrong(example)} & roots(example.objects[0])
    for example in made["cve-weakness/several"]:
        assert set(example.final.split(", ")) == roots(example.objects[0])
    for example in made["cve-weakness/same-root"]:
        one, other = example.objects
        assert (roots(one) == roots(other)) is (example.final == "Yes")


def test_vague_descriptions_have_no_cause(made: dict[str, list[Example]]) -> None:
    assert {e.objects[0][:8] for e in made["cve-weakness/vague"]} == {"CVE-2012"}


@pytest.mark.parametrize(
    ("vector", "score"),
    [
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 10.0),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0.0),
        ("CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:L/I:L/A:N", 6.4),
    ],
)
def test_worked_scores(vector: str, score: float) -> None:
    told, found = metrics.worked(vector)
    assert found == score == base_score(vector)
    assert told.endswith(f"{score:.1f}.") or f"{score:.1f} (" in told


def test_worked_scores_agree_with_the_library_on_every_vector() -> None:
    rng = Random(3)
    for _ in range(600):
        vector = "CVSS:3.1/" + "/".join(f"{m}:{rng.choice(list(v))}" for m, v in metrics.VALUES.items())
        assert metrics.worked(vector)[1] == base_score(vector), vector


def test_no_score_of_what_is_no_vector(made: dict[str, list[Example]]) -> None:
    assert base_score("CVSS:3.1/AV:X/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H") is None
    for example in made["cve-cvss/valid"]:
        found = re.search(r"CVSS:3\S+", example.question)
        assert found
        assert (base_score(found[0].rstrip("?")) is not None) is (example.final == "Yes")


def test_sources_that_differ_give_no_vector() -> None:
    one, other = (Cvss(vector) for vector in flaw_store.VECTORS[:2])
    assert vulnerable.base_vector(VulnerabilityFacts(cvss=(one, one)), "3") == one.vector
    assert vulnerable.base_vector(VulnerabilityFacts(cvss=(one, other)), "3") == ""
    assert vulnerable.base_vector(VulnerabilityFacts(cvss=(one,)), "4") == ""
    temporal = Cvss(f"{one.vector}/E:P/RL:O")
    assert vulnerable.base_vector(VulnerabilityFacts(cvss=(temporal,)), "3") == one.vector


def test_comparisons_name_the_higher_score(made: dict[str, list[Example]]) -> None:
    for example in made["cve-cvss/compare"]:
        right, other = (re.search(r"\((.*)\)", text) for text in (option(example), wrong(example)[0]))
        assert right
        assert other
        assert (base_score(right[1]) or 0) > (base_score(other[1]) or 0)


def test_days_and_decisions(made: dict[str, list[Example]]) -> None:
    assert {e.final for e in made["cve-exploitation/days"]} == {"14 days"}
    for example in made["cve-exploitation/decision"]:
        if "active" in example.question and "impact high" in example.question:
            assert example.final == "Act"


def test_decision_tree_is_monotonic() -> None:
    """Worse values never give a milder decision (CISA's tree has this property)."""
    order = [*cve_exploitation.TIMES]
    for row in cve_exploitation.DECISIONS.values():
        assert [order.index(one) for one in row] == sorted(order.index(one) for one in row)
    for exploitation, automatable, impact in cve_exploitation.DECISIONS:
        more = cve_exploitation.DECISIONS[exploitation, automatable, "total"]
        less = cve_exploitation.DECISIONS[exploitation, automatable, impact]
        assert all(order.index(a) >= order.index(b) for a, b in zip(more, less, strict=True))


def test_urgent_ones_are_exploited(made: dict[str, list[Example]]) -> None:
    for example in made["cve-exploitation/first"]:
        assert "KEV" in option(example)
        assert all("exploitation: none" in one for one in wrong(example))


@pytest.mark.parametrize(
    ("versions", "inside", "outside"),
    [
        ("< 2.15.0", "2.14.9", "2.15.0"),
        ("<= 2.15", "2.15.0", "2.15.1"),
        ("1.4.0 < 2.0", "1.10", "1.3.9"),
        (">= 1.4.0, < 2.0", "1.4", "2.0.0"),
    ],
)
def test_ranges(versions: str, inside: str, outside: str) -> None:
    limits = advisory.bounds(Affected("Shop", versions))
    assert limits
    assert advisory.within(inside, limits)
    assert not advisory.within(outside, limits)


@pytest.mark.parametrize("versions", ["", "2.0", "< 2.0-rc1", "5.15, not 5.15.5, 5.16", "< n/a"])
def test_other_ranges_are_left_alone(versions: str) -> None:
    assert advisory.bounds(Affected("Shop", versions)) is None


def test_json_holds_what_the_record_says(made: dict[str, list[Example]]) -> None:
    for example in made["advisory/extract"]:
        body = json.loads(example.answer)
        assert body["id"] == example.objects[0]
        assert all(one["product"] in example.question for one in body["affected"])
        assert all(weakness in example.question for weakness in body.get("weaknesses", ()))


def test_countermeasures_meet_in_an_artifact(world: World, made: dict[str, list[Example]]) -> None:
    def touched(uid: str) -> set[str]:
        return {tie.other for tie in world.out(uid, Rel.TOUCHES)}

    for example in made["d3fend/counters"]:
        technique, right = example.objects
        assert touched(technique) & touched(right)
        assert not any(touched(technique) & touched(first_id(one)) for one in wrong(example))
    for example in made["d3fend/reaches"]:
        assert bool(touched(example.objects[0]) & touched(example.objects[1])) is (example.final == "Yes")


def test_controls(world: World, made: dict[str, list[Example]]) -> None:
    def controls(technique: str) -> set[str]:
        return {tie.other for tie in world.into(technique, Rel.MITIGATES) if tie.other.startswith("AC-")}

    for example in made["nist/mitigates"]:
        assert (example.sources[-1].id in controls(example.objects[0])) is (example.final == "Yes")
    for example in made["nist/which-control"]:
        assert first_id(option(example)) in controls(example.objects[0])
        assert not {first_id(one) for one in wrong(example)} & controls(example.objects[0])
    for example in made["nist/common"]:
        both = controls(example.objects[0]) & controls(example.objects[1])
        assert first_id(option(example)) in both
        assert not {first_id(one) for one in wrong(example)} & both
    for example in made["nist/gap"]:
        placed = {source.id for source in example.sources if source.id.startswith("AC-")}
        assert [uid for uid in example.objects if not controls(uid) & placed] == [example.final]


def test_paths(world: World, made: dict[str, list[Example]]) -> None:
    for example in made["paths/missing-link"]:
        weakness, technique, pattern = example.objects
        assert weakness in {tie.other for tie in world.out(pattern, Rel.TARGETS)}
        assert technique in {tie.other for tie in world.out(pattern, Rel.MAPS_TO)}
    for example in made["paths/order"]:
        assert [re.sub(r"[-\d.].*", "", uid) for uid in example.final.split(" → ")] == ["CVE", "CWE", "CAPEC", "T", "M"]
    for example in made["paths/mitigation"]:
        reached = {source.id for source in example.sources if source.id.startswith("T9")}
        ends = {tie.other for uid in reached for tie in world.into(uid, Rel.MITIGATES)}
        assert first_id(option(example)) in ends
        assert not {first_id(one) for one in wrong(example)} & ends
