"""Cards: what is meant by an id or a name, and everything that the sources say about it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from vedette.errors import InputError
from vedette.knowledge.card import Card, Group, card, find, noun, title
from vedette.knowledge.record import Kind, Link, Record, Rel, Status
from vedette.knowledge.store import Knowledge

from . import samples


@pytest.fixture(scope="module")
def knowledge(tmp_path_factory: pytest.TempPathFactory) -> Knowledge:
    return Knowledge.open(samples.full(tmp_path_factory.mktemp("card") / "full.db"))


def group(page: Card, rel: Rel, kind: Kind | None, forward: bool = True) -> Group:
    (found,) = (g for g in page.links if (g.rel, g.kind, g.forward) == (rel, kind, forward))
    return found


@pytest.mark.parametrize(
    ("asked", "uid"),
    [
        ("T1059.001", "T1059.001"),
        (" t1059.001 ", "T1059.001"),
        ("cwe 79", "CWE-79"),
        ("powershell", "T1059.001"),  # T1086 bears the name, too, and was revoked
        ("Cobalt-Strike", "S0154"),
        ("xss", "CWE-79"),
    ],
)
def test_ids_and_names_in_any_spelling(knowledge: Knowledge, asked: str, uid: str) -> None:
    assert find(knowledge, asked) == uid


def test_an_artifact_in_lower_case(tmp_path: Path) -> None:
    record = Record("d3f:UserProcess", Kind.ARTIFACT, "Account's process")
    samples.put(tmp_path / "one.db", samples.unit("d3fend", [record]))
    one = Knowledge.open(tmp_path / "one.db")
    assert find(one, "d3f:userprocess") == "d3f:UserProcess"
    with pytest.raises(InputError, match="not in the store"):
        find(one, "d3f:userproces")


def test_a_name_of_several_says_who_calls_whom_so(knowledge: Knowledge) -> None:
    found = find(knowledge, "COZY BEAR")
    assert isinstance(found, list)
    assert [(name.id, name.source) for name in found] == [("G0016", "attack"), (samples.BEAR, "misp-galaxy")]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("T9999", "'T9999' is not in the store"),
        ("CVE-1999-0001", "'CVE-1999-0001' is not in the store"),
        ("pwershell", "did you mean 'PowerShell'?"),
        ("Cobolt Strike", "did you mean 'Cobalt Strike'?"),
        ("xyzzy", "vedette knowledge search"),
        ("", "no id and no name ''"),
        ("%%%", "no id and no name '%%%'"),
    ],
)
def test_what_is_unknown_is_an_error_that_helps(knowledge: Knowledge, asked: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        find(knowledge, asked)
    assert said in str(caught.value)


def test_links_in_both_directions_with_names_and_who_states_them(knowledge: Knowledge) -> None:
    page = card(knowledge, "T1059.001")
    users = group(page, Rel.USES, Kind.GROUP, forward=False)
    assert users.title == "used by groups"
    assert [target.id for target in users.targets][:3] == ["G0016", "G0100", "G0101"]
    assert len(users.targets) == 15
    (said,) = users.targets[0].said
    assert (said.source, said.text) == ("attack/enterprise", "Has run encoded scripts from the registry.")
    assert [t.name for t in group(page, Rel.CHILD_OF, Kind.TECHNIQUE).targets] == ["Command and Scripting Interpreter"]
    assert [source.source for source in page.sources] == ["attack/enterprise", "d3fend", "ctid/nist", "sigma"]
    assert sum(source.links for source in page.sources) == sum(
        len(target.said) for g in page.links for target in g.targets
    )


def test_the_same_link_of_two_sources_is_one_target(knowledge: Knowledge) -> None:
    weaknesses = group(card(knowledge, "CVE-2021-44228"), Rel.HAS_WEAKNESS, Kind.WEAKNESS).targets
    assert [target.id for target in weaknesses] == ["CWE-20", "CWE-502"]
    assert {(said.source, said.note) for said in weaknesses[0].said} == {("nvd/2021", "apache"), ("kev", "CISA KEV")}


def test_what_the_store_does_not_have_is_marked(knowledge: Knowledge) -> None:
    page = card(knowledge, "CAPEC-66")
    (lost,) = group(page, Rel.TARGETS, None).targets
    assert (lost.id, lost.status) == ("CWE-99999", None)
    (found,) = group(page, Rel.TARGETS, Kind.WEAKNESS).targets
    assert (found.id, found.status) == ("CWE-20", Status.ACTIVE)


def test_a_revoked_id_gives_the_card_of_what_replaced_it(knowledge: Knowledge) -> None:
    page = card(knowledge, "T1086")
    assert (page.asked, page.id) == ("T1086", "T1059.001")
    assert card(knowledge, "T1175").status is Status.DEPRECATED  # nothing replaces it


def test_a_revoked_id_whose_replacement_is_not_there_keeps_its_card(tmp_path: Path) -> None:
    old = samples.record("T1086", Kind.TECHNIQUE, "Old", status=Status.REVOKED, replaced_by="T1059.001")
    samples.put(tmp_path / "k.db", samples.unit("attack/enterprise", [old]))
    with Knowledge.open(tmp_path / "k.db") as small:
        page = card(small, find(small, "old"))  # type: ignore[arg-type]
    assert (page.id, page.status, page.replaced_by) == ("T1086", Status.REVOKED, "T1059.001")


def test_a_name_that_only_a_replaced_id_bears_leads_to_what_replaced_it(tmp_path: Path) -> None:
    records = [
        samples.record("T1001", Kind.TECHNIQUE, "Old", status=Status.REVOKED, replaced_by="T1002"),
        samples.record("T1002", Kind.TECHNIQUE, "New"),
        samples.record("S0001", Kind.SOFTWARE, "Both", aliases=("Twice",)),
        samples.record("T1003", Kind.TECHNIQUE, "Twice", status=Status.REVOKED, replaced_by="T1002"),
    ]
    samples.put(tmp_path / "k.db", samples.unit("attack/enterprise", records))
    with Knowledge.open(tmp_path / "k.db") as small:
        assert find(small, "old") == "T1002"
        several = find(small, "twice")
        assert isinstance(several, list)
        assert [name.id for name in several] == ["S0001", "T1003"]


def test_links_that_lead_back_end(tmp_path: Path) -> None:
    ring = [
        samples.record(
            uid, Kind.TECHNIQUE, uid, status=Status.REVOKED, replaced_by=to, links=(Link(Rel.RELATED_TO, to),)
        )
        for uid, to in (("T1001", "T1002"), ("T1002", "T1001"))
    ]
    samples.put(tmp_path / "k.db", samples.unit("attack/enterprise", ring))
    with Knowledge.open(tmp_path / "k.db") as small:
        assert card(small, "T1001").id in ("T1001", "T1002")


def test_numbers_are_sorted_as_people_count(knowledge: Knowledge) -> None:
    targets = group(card(knowledge, "CWE-79"), Rel.HAS_WEAKNESS, Kind.VULNERABILITY, forward=False).targets
    assert [targets[0].id, targets[-1].id] == ["CVE-2021-5029", "CVE-2021-5000"]  # the newest first


def test_the_document_is_the_same_each_time_and_can_be_read_back(knowledge: Knowledge) -> None:
    first, second = (msgspec.json.encode(card(knowledge, "T1059.001")) for _ in range(2))
    assert first == second
    assert msgspec.json.decode(first, type=Card) == card(knowledge, "T1059.001")


@pytest.mark.parametrize("rel", Rel)
@pytest.mark.parametrize("forward", [True, False])
def test_every_relation_has_words(rel: Rel, forward: bool) -> None:
    assert title(rel, forward, Kind.TECHNIQUE, 2).endswith(" techniques")


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_a_plural(kind: Kind) -> None:
    assert "-" not in noun(kind)
    assert noun(kind, 2).endswith("s") or kind is Kind.SOFTWARE
    assert not noun(kind, 2).endswith(("ys", "sss"))
