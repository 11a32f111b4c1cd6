"""MISP galaxy: names and synonyms, and which links lead to ATT&CK."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import InputError, VedetteError
from vedette.knowledge.inputs import Input
from vedette.knowledge.readers import Tally, misp_galaxy
from vedette.knowledge.record import ActorFacts, Kind, Link, Record, Rel, SoftwareFacts, Status, decode, encode

READER = misp_galaxy.READER
U = [f"{n}{n}{n}{n}{n}{n}{n}{n}-1111-4222-8333-444444444444" for n in range(8)]


def cluster(type_: str, *values: dict[str, Any]) -> dict[str, Any]:
    return {
        "authors": ["us"],
        "category": "actor",
        "description": "made up",
        "name": type_,
        "source": "here",
        "type": type_,
        "uuid": U[7],
        "values": list(values),
        "version": 3,
    }


ACTOR = {
    "description": "A group that we made up. ",
    "meta": {
        "country": "cn",
        "cfr-target-category": ["Government", "Energy"],
        "targeted-sector": ["energy", "Telecoms"],
        "synonyms": ["PAPER PANDA", " Paper  Panda,", "made up", "G9001", U[6], "Blue Kite"],
        "refs": ["https://example.org"],
    },
    "related": [
        {"dest-uuid": U[1], "tags": ['estimative-language:likelihood-probability="likely"'], "type": "similar"},
        {"dest-uuid": U[2], "type": "uses"},
        {"dest-uuid": U[5], "type": "part-of "},
        {"dest-uuid": U[0], "type": "similar"},
    ],
    "uuid": U[0],
    "value": "Made Up",
}
GROUP = {
    "description": "ATT&CK's own words",
    "meta": {"external_id": "G9000", "synonyms": ["Made Up Team"]},
    "related": [{"dest-uuid": U[3], "type": "uses"}, {"dest-uuid": U[0], "type": "similar"}],
    "uuid": U[1],
    "value": "Made Up Team - G9000",
}
OLD = {
    "meta": {"external_id": "G8999"},
    "related": [{"dest-uuid": U[1], "type": "revoked-by"}],
    "revoked": True,
    "uuid": U[4],
    "value": "Older - G8999",
}
TOOL = {"uuid": U[2], "value": " Paperweight ", "meta": {"synonyms": ["PW"]}}


def taken(path: Path) -> tuple[list[Record], Tally]:
    tally = Tally()
    records = list(READER.read(Input(path), tally))
    assert tally.read == len(records) + tally.skipped.total() + tally.refused.total()
    return records, tally


def written(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.fixture
def galaxy(tmp_path: Path) -> Path:
    written(tmp_path / "g/clusters/a.json", cluster("threat-actor", ACTOR))
    written(tmp_path / "g/clusters/b.json", cluster("mitre-intrusion-set", GROUP, OLD))
    written(tmp_path / "g/clusters/c.json", cluster("rat", TOOL))
    written(tmp_path / "g/clusters/d.json", cluster("country", {"uuid": U[3], "value": "Nowhere"}))
    return tmp_path / "g"


def test_actors_lead_to_groups_of_the_same_input(galaxy: Path) -> None:
    records, tally = taken(galaxy)
    actor, group, old, tool = records
    assert (actor.id, actor.kind, actor.name) == (f"misp:{U[0]}", Kind.ACTOR, "Made Up")
    assert actor.aliases == ("PAPER PANDA", "Blue Kite")
    assert actor.facts == ActorFacts("CN", sectors=("Government", "Energy", "Telecoms"))
    assert actor.texts[0].body == "A group that we made up."
    assert actor.links == (
        Link(Rel.SAME_AS, "G9001"),
        Link(Rel.SAME_AS, "G9000", "likely"),
        Link(Rel.USES, f"misp:{U[2]}"),
        Link(Rel.RELATED_TO, f"misp:{U[5]}", "part-of"),
    )
    assert (group.id, group.kind, group.name) == ("G9000", Kind.GROUP, "Made Up Team")
    assert (group.aliases, group.texts) == ((), ())
    assert group.links == (Link(Rel.SAME_AS, f"misp:{U[0]}"),)
    assert (old.status, old.replaced_by, old.name) == (Status.REVOKED, "G9000", "Older")
    assert (tool.kind, tool.name, tool.aliases) == (Kind.TOOL, "Paperweight", ("PW",))
    assert tool.facts == SoftwareFacts("rat")
    assert tally.skipped == {"cluster of another kind": 1}
    assert all(decode(encode(r)) == r for r in records)


def test_one_cluster_is_its_own_part(galaxy: Path) -> None:
    source = Input(galaxy / "clusters/a.json")
    assert READER.claims(source)
    assert READER.part(source) == "threat-actor"
    (actor,), tally = taken(source.path)
    assert Link(Rel.SAME_AS, f"misp:{U[1]}", "likely") in actor.links  # nothing here says that it is G9000
    assert tally.release == "3"


def test_archives_and_folders_give_the_same(galaxy: Path) -> None:
    packed = galaxy.parent / "galaxy.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("top/galaxies/threat-actor.json", "{}")
        for path in sorted((galaxy / "clusters").iterdir()):
            archive.write(path, f"top/clusters/{path.name}")
    inputs = [galaxy, galaxy / "clusters", packed]
    assert all(READER.claims(Input(path)) for path in inputs)
    assert {READER.part(Input(path)) for path in inputs} == {""}
    assert len({tuple(map(encode, taken(path)[0])) for path in inputs}) == 1


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"uuid": "17"}, "field `uuid` is no UUID"),
        ({"value": None}, "$.value"),
        ({"meta": {"synonyms": "x"}}, "$.meta.synonyms"),
        ({"uuid": U[2]}, "an id that is given twice"),
    ],
)
def test_a_damaged_entry_is_refused_and_the_rest_is_read(tmp_path: Path, change: dict[str, Any], what: str) -> None:
    path = written(tmp_path / "x.json", cluster("tool", TOOL, TOOL | {"uuid": U[3]} | change, TOOL | {"uuid": U[4]}))
    records, tally = taken(path)
    assert [r.id for r in records] == [f"misp:{U[2]}", f"misp:{U[4]}"]
    assert what in next(iter(tally.refused))


def test_a_group_needs_its_id(tmp_path: Path) -> None:
    path = written(tmp_path / "x.json", cluster("mitre-intrusion-set", GROUP | {"meta": {}}))
    assert taken(path)[1].refused == {"field `external_id` is no ATT&CK id": 1}


def test_a_damaged_cluster_among_others_is_refused_but_alone_is_an_error(galaxy: Path) -> None:
    path = written(galaxy / "clusters/a.json", {"type": "threat-actor", "authors": [], "uuid": U[0], "values": 3})
    records, tally = taken(galaxy)
    assert len(records) == 3
    assert tally.refused.total() == 1
    with pytest.raises(InputError, match="not a MISP galaxy cluster"):
        taken(path)


@pytest.mark.parametrize("other", [{"type": "bundle"}, [], {"values": [], "uuid": "x", "type": "y"}])
def test_other_json_is_left_alone(tmp_path: Path, other: object) -> None:
    assert not READER.claims(Input(written(tmp_path / "x.json", other)))
    assert not READER.claims(Input(tmp_path))


@given(st.integers(0, 1200), st.integers(0, 30), st.binary(max_size=10))
def test_mutated_clusters_raise_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, place: int, cut: int, new: bytes
) -> None:
    text = json.dumps(cluster("threat-actor", ACTOR, GROUP)).encode()
    path = tmp_path_factory.mktemp("m", numbered=True) / "x.json"
    path.write_bytes(text[:place] + new + text[place + cut :])
    try:
        READER.claims(Input(path))
        READER.part(Input(path))
        records, _ = taken(path)
    except VedetteError:
        return
    assert all(decode(encode(r)) == r for r in records)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda s: st.lists(s, max_size=3)))
def test_any_value_of_any_field_is_refused_or_read(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    path = tmp_path_factory.mktemp("v", numbered=True) / "x.json"
    entries = [ACTOR | {key: value} for key in ACTOR]
    taken(written(path, cluster("mitre-intrusion-set", *entries, GROUP | {"meta": {"external_id": value}})))


def test_all_published_clusters_are_read(shared: Path) -> None:
    records, tally = taken(shared / "data/intel/misp-galaxy.tar.gz")
    assert tally.read == len(records) == 8355
    assert not tally.refused
    dukes = next(r for r in records if r.id == "G0016")
    assert {"Cozy Bear", "Midnight Blizzard"} <= set(dukes.aliases)
    assert any(Link(Rel.SAME_AS, "G0016", "likely") in r.links for r in records if r.kind == Kind.ACTOR)
