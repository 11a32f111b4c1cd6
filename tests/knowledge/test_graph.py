from __future__ import annotations

import gc
import sqlite3
import weakref
from collections.abc import Mapping, Sequence
from graphlib import TopologicalSorter

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.errors import ConfigError, InputError
from vedette.knowledge import graph, links, schema
from vedette.knowledge.graph import Hop, Path, Said, neighbours, paths
from vedette.knowledge.ids import fold
from vedette.knowledge.record import Kind, Link, Record, Rel, Status, WeaknessFacts, encode
from vedette.knowledge.steps import STEPS, UP, WORDS, useful
from vedette.knowledge.store import Knowledge
from vedette.knowledge.unit import Unit

Units = Mapping[str, Sequence[Record]]


def store(units: Units) -> Knowledge:
    """The tables that ids, names and links need, in memory."""
    db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    schema.create(db)
    number = 0
    for place, (name, records) in enumerate(units.items(), 1):
        source, _, part = name.partition("/")
        unit = Unit(source, part, "1", "2026-06-01", "2026-06-02T00:00:00+00:00", {}, 0, 0, {}, {}, "0" * 64)
        db.execute("INSERT INTO unit VALUES (?, ?, ?)", (place, name, msgspec.json.encode(unit)))
        for record in records:
            number += 1
            row = (number, place, record.id, record.kind, record.name, record.status, "", b"", encode(record))
            db.execute("INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            links = [(number, at, link.rel, link.to) for at, link in enumerate(record.links)]
            db.executemany("INSERT INTO link VALUES (?, ?, ?, ?)", links)
            if record.name:
                db.execute("INSERT OR IGNORE INTO alias VALUES (?, ?, ?)", (fold(record.name), number, record.name))
    for statement in schema.INDEXES.split(";"):
        db.execute(statement)
    return Knowledge(db, None)


def record(uid: str, kind: Kind, *links: Link, **more: object) -> Record:
    return Record(uid, kind, links=links, **more)  # type: ignore[arg-type]


def technique(uid: str, *links: Link, **more: object) -> Record:
    return record(uid, Kind.TECHNIQUE, *links, **more)


def weakness(uid: str, *links: Link, abstraction: str = "Base") -> Record:
    return record(uid, Kind.WEAKNESS, *links, facts=WeaknessFacts(abstraction))


CVE = "CVE-2021-44228"
SMALL: Units = {
    "attack/enterprise": [
        record("TA0002", Kind.TACTIC),
        technique("T1059", Link(Rel.MEMBER_OF, "TA0002"), name="Interpreter"),
        technique("T1059.001", Link(Rel.CHILD_OF, "T1059"), Link(Rel.MEMBER_OF, "TA0002"), name="Shell"),
        technique("T1086", status=Status.REVOKED, replaced_by="T1059.001"),
        technique("T1064", status=Status.DEPRECATED),
        technique("T1190", name="Public app"),
        record("M1049", Kind.MITIGATION, Link(Rel.MITIGATES, "T1059.001", text="It finds shells.")),
        record("M1038", Kind.MITIGATION, Link(Rel.MITIGATES, "T1059")),
        record("M1050", Kind.MITIGATION, Link(Rel.MITIGATES, "T1190")),
        record("G0016", Kind.GROUP, Link(Rel.USES, "T1190"), Link(Rel.USES, "S0002"), name="Bears"),
        record("G0007", Kind.GROUP, Link(Rel.USES, "T1190")),
        record("S0002", Kind.SOFTWARE, Link(Rel.USES, "T1059.001")),
        record("DET0001", Kind.DETECTION, Link(Rel.DETECTS, "T1059")),
        record("AN0001", Kind.ANALYTIC, Link(Rel.MEMBER_OF, "DET0001"), Link(Rel.OBSERVES, "DC0032")),
        record("DC0032", Kind.DATA_COMPONENT),
    ],
    "cwe/2000": [
        weakness("CWE-502"),
        weakness("CWE-917", Link(Rel.CHILD_OF, "CWE-77")),
        weakness("CWE-77", Link(Rel.RELATED_TO, "CAPEC-136", "attack pattern"), abstraction="Class"),
    ],
    "capec": [
        record("CAPEC-586", Kind.PATTERN, Link(Rel.TARGETS, "CWE-502"), Link(Rel.CHILD_OF, "CAPEC-137")),
        record("CAPEC-137", Kind.PATTERN, Link(Rel.MAPS_TO, "T1059")),
        record("CAPEC-136", Kind.PATTERN, Link(Rel.MAPS_TO, "T1086")),
        record("CAPEC-640", Kind.PATTERN, Link(Rel.MAPS_TO, "T1059.001")),
    ],
    "d3fend": [
        technique("T1059.001", Link(Rel.TOUCHES, "d3f:Process", "creates")),
        record("d3f:Process", Kind.ARTIFACT, name="Process"),
        record("D3-PSA", Kind.COUNTERMEASURE, Link(Rel.TOUCHES, "d3f:Process", "analyzes")),
        record("D3-EAL", Kind.COUNTERMEASURE, Link(Rel.COUNTERS, "T1059")),
        record("M1038", Kind.MITIGATION, Link(Rel.MAPS_TO, "D3-EAL", "exactly")),
    ],
    "ctid": [
        record(CVE, Kind.VULNERABILITY, Link(Rel.ENABLES, "T1190", "exploitation_technique", "It lets them in.")),
        record("AC-2", Kind.CONTROL, Link(Rel.MITIGATES, "T1059"), Link(Rel.MITIGATES, "T1190")),
    ],
    "cvelist": [record(CVE, Kind.VULNERABILITY, Link(Rel.HAS_WEAKNESS, "CWE-502", "apache"))],
    "nvd/recent": [
        record(CVE, Kind.VULNERABILITY, Link(Rel.HAS_WEAKNESS, "CWE-502", "nvd"), Link(Rel.HAS_WEAKNESS, "CWE-917")),
        record("CVE-2020-0001", Kind.VULNERABILITY, Link(Rel.HAS_WEAKNESS, "CWE-502")),
    ],
}


@pytest.fixture(scope="module")
def small() -> Knowledge:
    return store(SMALL)


def line(path: Path) -> str:
    """`A >rel> B <rel< C`; `?` in front of what is inferred."""
    said = (f" {'' if h.stated else '?'}{'>' if h.forward else '<'}{h.rel} {h.dst}" for h in path.hops)
    return path.hops[0].src + "".join(said)


def lines(knowledge: Knowledge, start: str, end: str, limit: int = 20) -> list[str]:
    return [line(path) for path in paths(knowledge, start, end, limit)]


def of_rule(knowledge: Knowledge, start: str, end: str, rule: str) -> list[Hop]:
    return [hop for path in paths(knowledge, start, end, 20) for hop in path.hops if hop.source == rule]


# -- neighbours --------------------------------------------------------------------------------


def test_neighbours_in_both_directions(small: Knowledge) -> None:
    found = {(hop.rel, hop.dst, hop.forward) for hop in neighbours(small, "T1059.001")}
    assert found == {
        (Rel.CHILD_OF, "T1059", True),
        (Rel.MEMBER_OF, "TA0002", True),
        (Rel.TOUCHES, "d3f:Process", True),
        (Rel.MAPS_TO, "CAPEC-640", False),
        (Rel.MITIGATES, "M1049", False),
        (Rel.USES, "S0002", False),
    }
    (hop,) = neighbours(small, "T1059.001", rels=[Rel.MITIGATES])
    assert (hop.source, hop.text, hop.stated, hop.back().src) == (
        "attack/enterprise",
        "It finds shells.",
        True,
        "M1049",
    )


def test_a_link_of_two_sources_is_one_hop(small: Knowledge) -> None:
    hops = neighbours(small, CVE)
    (hop,) = [hop for hop in hops if hop.dst == "CWE-502"]
    assert (hop.source, hop.note, hop.also) == ("cvelist", "apache", (Said("nvd/recent", "nvd"),))
    assert hops.statements == {(Rel.HAS_WEAKNESS, True): 3, (Rel.ENABLES, True): 1}


def test_neighbours_of_one_kind(small: Knowledge) -> None:
    assert [hop.dst for hop in neighbours(small, "CWE-502", kinds=[Kind.PATTERN])] == ["CAPEC-586"]
    assert {hop.dst for hop in neighbours(small, "CWE-502", kinds=[Kind.VULNERABILITY])} == {CVE, "CVE-2020-0001"}
    assert {hop.dst for hop in neighbours(small, "T1059.001", kinds=[Kind.TACTIC, Kind.ARTIFACT])} == {
        "TA0002", "d3f:Process",
    }  # fmt: skip


def test_of_very_many_neighbours_some_are_given_and_all_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "MANY", 20)
    cves = [record(f"CVE-2020-{n}", Kind.VULNERABILITY, Link(Rel.HAS_WEAKNESS, "CWE-79")) for n in range(1000, 1050)]
    hops = neighbours(store({"cwe/2000": [weakness("CWE-79")], "nvd/2020": cves}), "CWE-79")
    assert len(hops) == 20
    assert hops.statements == {(Rel.HAS_WEAKNESS, False): 50}


def test_neighbours_of_what_is_not_there(small: Knowledge) -> None:
    with pytest.raises(InputError, match="CWE-9999"):
        neighbours(small, "CWE-9999")
    assert neighbours(small, "DC0032", rels=[Rel.USES]) == []


# -- rules -------------------------------------------------------------------------------------


def test_both_ways_of_a_vulnerability_to_techniques(small: Knowledge) -> None:
    assert lines(small, CVE, "technique") == [
        f"{CVE} >enables T1190",
        f"{CVE} >has-weakness CWE-502 <targets CAPEC-586 ?>child-of CAPEC-137 >maps-to T1059",
        f"{CVE} >has-weakness CWE-917 ?>child-of CWE-77 >related-to CAPEC-136 ?>maps-to T1059.001",
    ]


@pytest.mark.parametrize(
    ("start", "end", "rule", "src", "dst"),
    [
        ("CWE-917", "pattern", "parent-weakness", "CWE-917", "CWE-77"),
        ("CAPEC-586", "technique", "parent-pattern", "CAPEC-586", "CAPEC-137"),
        ("T1059.001", "control", "parent-technique", "T1059.001", "T1059"),
        ("T1059.001", "countermeasure", "shared-artifact", "T1059.001", "D3-PSA"),
        ("D3-PSA", "technique", "shared-artifact", "D3-PSA", "T1059.001"),
        ("CAPEC-136", "technique", "replacement", "CAPEC-136", "T1059.001"),
        ("M1038", "pattern", "parent-technique", "T1059", "T1059.001"),
    ],
)
def test_rules(small: Knowledge, start: str, end: str, rule: str, src: str, dst: str) -> None:
    hops = of_rule(small, start, end, rule)
    assert {(hop.src, hop.dst) for hop in hops} == {(src, dst)}
    assert all(not hop.stated and hop.note for hop in hops)


def test_the_shared_artifact_is_named(small: Knowledge) -> None:
    (hop, *_) = of_rule(small, "T1059.001", "countermeasure", "shared-artifact")
    assert (hop.rel, hop.forward, hop.note) == (Rel.COUNTERS, False, "both touch d3f:Process (Process)")


def test_one_of_each_that_helps(small: Knowledge) -> None:
    kinds = {path.hops[-1].dst: path.hops[-1] for path in paths(small, CVE, "mitigation", 3)}
    assert {uid[:2] for uid in kinds} == {"M1", "AC", "D3"}
    assert paths(small, CVE, "mitigation", 3)[0].cost == 2.0


def test_stated_hops_come_first(small: Knowledge) -> None:
    found = paths(small, "T1059.001", "mitigation", 20)
    assert line(found[0]) == "T1059.001 <mitigates M1049"
    assert (found[0].cost, found[0].stated) == (1.0, 1)
    assert [path.cost for path in found] == sorted(path.cost for path in found)
    assert "T1059.001 ?>child-of T1059 <mitigates M1038 >maps-to D3-EAL" in map(line, found)


def test_a_parent_is_a_stated_end(small: Knowledge) -> None:
    assert lines(small, "T1059.001", "T1059") == ["T1059.001 >child-of T1059"]
    assert lines(small, "T1059", "T1059.001") == ["T1059 <child-of T1059.001"]
    assert lines(small, "CWE-917", "weakness") == ["CWE-917 >child-of CWE-77"]


def test_a_way_to_an_id_may_go_up(small: Knowledge) -> None:
    down = paths(small, CVE, "M1050")
    up = paths(small, "M1050", CVE)
    assert [line(path) for path in up] == [f"M1050 >mitigates T1190 <enables {CVE}"]
    assert [tuple(hop.back() for hop in reversed(path.hops)) for path in down] == [path.hops for path in up]


def test_up_to_a_kind(small: Knowledge) -> None:
    assert "T1059 <maps-to CAPEC-137 ?<child-of CAPEC-586 >targets CWE-502" in lines(small, "T1059", "weakness")
    assert lines(small, "M1050", "cve") == [f"M1050 >mitigates T1190 <enables {CVE}"]


def test_detections_and_data(small: Knowledge) -> None:
    assert lines(small, "T1059", "data-component") == ["T1059 <detects DET0001 <member-of AN0001 >observes DC0032"]


def test_actors_are_ends_and_starts_but_no_bridges(small: Knowledge) -> None:
    assert lines(small, "T1190", "group") == ["T1190 <uses G0007", "T1190 <uses G0016"]
    assert lines(small, "G0016", "group") == []
    assert "G0016 >uses S0002 >uses T1059.001 <mitigates M1049" in lines(small, "Bears", "mitigation")
    assert not any("G00" in path or "TA0002" in path for path in lines(small, CVE, "mitigation"))


def test_no_way_from_one_vulnerability_to_another(small: Knowledge) -> None:
    assert lines(small, CVE, "CVE-2020-0001") == []
    assert lines(small, CVE, "vulnerability") == []
    assert lines(small, CVE, CVE) == []


# -- ids that are not as they should be ----------------------------------------------------------


def test_revoked_ids_are_followed(small: Knowledge) -> None:
    assert "T1086 ?>same-as T1059.001 <mitigates M1049" in lines(small, "T1086", "mitigation")
    assert "M1049 >mitigates T1059.001 ?<same-as T1086" in lines(small, "M1049", "T1086")


def test_deprecated_ids_are_no_part_of_a_way() -> None:
    units: Units = {
        "attack/enterprise": [
            technique("T1064", status=Status.DEPRECATED),
            record("M1049", Kind.MITIGATION, Link(Rel.MITIGATES, "T1064")),
        ],
        "capec": [record("CAPEC-1", Kind.PATTERN, Link(Rel.MAPS_TO, "T1064"))],
    }
    small = store(units)
    assert lines(small, "CAPEC-1", "mitigation") == lines(small, "CAPEC-1", "M1049") == []
    assert lines(small, "CAPEC-1", "T1064") == ["CAPEC-1 >maps-to T1064"]
    assert lines(small, "T1064", "mitigation") == ["T1064 <mitigates M1049"]


@pytest.mark.parametrize(
    ("start", "end", "error", "what"),
    [
        ("T9999", "mitigation", InputError, "'T9999' is not in the store"),
        ("Beers", "mitigation", InputError, "did you mean 'Bears'"),
        (CVE, "T9999", InputError, "'T9999' is not in the store"),
        (CVE, "mitigatoin", ConfigError, "did you mean 'mitigation'"),
        (CVE, "nonsense", ConfigError, "unknown kind 'nonsense'"),
    ],
)
def test_unknown_ends(small: Knowledge, start: str, end: str, error: type[Exception], what: str) -> None:
    with pytest.raises(error, match=what):
        paths(small, start, end)


def test_a_name_of_several_is_asked_back() -> None:
    twins = store({"attack/enterprise": [record(uid, Kind.GROUP, name="Twins") for uid in ("G0001", "G0002")]})
    with pytest.raises(InputError, match=r"say which: G0001, G0002\)"):
        paths(twins, "twins", "mitigation")


def test_who_bears_a_name_twice_is_named_once() -> None:
    twins = [record(uid, Kind.GROUP, name="Twins", aliases=("TWINS",)) for uid in ("G0001", "G0002")]
    with pytest.raises(InputError, match=r"say which: G0001, G0002\)"):
        paths(store({"attack/enterprise": twins}), "twins", "mitigation")


def test_a_kind_may_be_written_as_it_is_printed(small: Knowledge) -> None:
    assert paths(small, CVE, "Attack pattern") == paths(small, CVE, "attack-pattern")


# -- the search --------------------------------------------------------------------------------


def test_general_weaknesses_come_later() -> None:
    cve = record(CVE, Kind.VULNERABILITY, *(Link(Rel.HAS_WEAKNESS, uid) for uid in ("CWE-20", "CWE-502", "CWE-707")))
    pattern = [record(f"CAPEC-{n}", Kind.PATTERN, Link(Rel.TARGETS, f"CWE-{n}")) for n in (20, 502, 707)]
    abstract = {"CWE-20": "Class", "CWE-502": "Base", "CWE-707": "Pillar"}
    units = {"cwe/2000": [weakness(uid, abstraction=a) for uid, a in abstract.items()], "capec": pattern, "kev": [cve]}
    assert [path.hops[0].dst for path in paths(store(units), CVE, "pattern")] == ["CWE-502", "CWE-20", "CWE-707"]


def test_cycles_end() -> None:
    ring = [weakness(f"CWE-{n}", Link(Rel.CHILD_OF, f"CWE-{n % 5 + 1}")) for n in range(1, 6)]
    units = {"cwe/2000": ring, "capec": [record("CAPEC-1", Kind.PATTERN, Link(Rel.TARGETS, "CWE-3"))]}
    small = store(units)
    assert lines(small, "CWE-1", "pattern") == ["CWE-1 ?>child-of CWE-2 ?>child-of CWE-3 <targets CAPEC-1"]
    assert lines(small, "CWE-1", "mitigation") == []


def test_replacements_in_a_ring_end() -> None:
    old = [technique(f"T100{n}", status=Status.REVOKED, replaced_by=f"T100{1 - n}") for n in (0, 1)]
    assert lines(store({"attack/ics": old}), "T1000", "mitigation") == []


def test_a_closed_store_is_let_go() -> None:
    knowledge = store(SMALL)
    paths(knowledge, CVE, "mitigation")
    gone = weakref.ref(knowledge)
    knowledge.close()
    del knowledge
    gc.collect()
    assert gone() is None


def test_much_is_forgotten(small: Knowledge, monkeypatch: pytest.MonkeyPatch) -> None:
    before = lines(small, CVE, "mitigation")
    monkeypatch.setattr(links, "KEPT", 0)
    assert lines(small, CVE, "mitigation") == lines(small, CVE, "mitigation") == before
    assert not links.links(small, WORDS["mitigation"], False).nodes


def test_the_table() -> None:
    assert len(set(STEPS)) == len(STEPS)
    assert {(s.dst, s.src, not s.forward) for s in UP} == {(s.src, s.dst, s.forward) for s in STEPS}
    around: dict[Kind, set[Kind]] = {}
    for step in STEPS:
        if not (step.last or step.climbs or step.rel is Rel.SAME_AS):
            around.setdefault(step.src, set()).add(step.dst)
    tuple(TopologicalSorter(around).static_order())  # raises where a walk could come back to a kind


def test_only_useful_steps_are_walked() -> None:
    steps = useful(WORDS["countermeasure"])
    assert {step.dst for step in steps}.isdisjoint({Kind.TACTIC, Kind.RULE, Kind.CATEGORY, Kind.ADVISORY})
    assert all(step.dst is Kind.TACTIC for step in useful(WORDS["tactic"]) if step.last)


KINDS = {
    Kind.VULNERABILITY: [f"CVE-2020-100{n}" for n in range(3)],
    Kind.WEAKNESS: [f"CWE-{n}" for n in range(1, 5)],
    Kind.PATTERN: [f"CAPEC-{n}" for n in range(1, 5)],
    Kind.TECHNIQUE: [f"T100{n}" for n in range(5)],
    Kind.MITIGATION: ["M1001", "M1002"],
    Kind.CONTROL: ["AC-1", "AC-2"],
    Kind.COUNTERMEASURE: ["D3-A", "D3-B"],
    Kind.ARTIFACT: ["d3f:A", "d3f:B"],
    Kind.GROUP: ["G0001", "G0002"],
    Kind.TACTIC: ["TA0001"],
}
NAMED = {uid: kind for kind, uids in KINDS.items() for uid in uids}
LINKS = st.tuples(st.sampled_from(sorted(NAMED)), st.sampled_from(Rel), st.sampled_from(sorted(NAMED)))
ALLOWED = [
    (src, step.rel, dst) if step.forward else (dst, step.rel, src)
    for step in STEPS
    for src in KINDS.get(step.src, ())
    for dst in KINDS.get(step.dst, ())
]
STATUSES = st.dictionaries(st.sampled_from(sorted(NAMED)), st.sampled_from(["", *sorted(NAMED)]), max_size=3)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.one_of(st.sampled_from(ALLOWED), LINKS), max_size=60),
    STATUSES,
    st.sampled_from(sorted(NAMED)),
    st.one_of(st.sampled_from(sorted(NAMED)), st.sampled_from(sorted(WORDS))),
    st.integers(1, 8),
)
def test_any_graph(
    stated: list[tuple[str, Rel, str]], replaced: dict[str, str], start: str, end: str, limit: int
) -> None:
    links: dict[str, list[Link]] = {uid: [] for uid in NAMED}
    for src, rel, dst in stated:
        links[src].append(Link(rel, dst))
    units: dict[str, list[Record]] = {"attack/enterprise": [], "d3fend": []}
    for place, (uid, kind) in enumerate(NAMED.items()):
        more = {"status": Status.REVOKED, "replaced_by": replaced[uid]} if uid in replaced else {}
        units["d3fend" if place % 2 else "attack/enterprise"].append(record(uid, kind, *links[uid], **more))
    knowledge = store(units)
    found = paths(knowledge, start, end, limit)
    assert len(found) <= limit
    for path in found:
        assert path.hops[0].src == start
        last = path.hops[-1].dst
        assert last == end or NAMED[last] in WORDS.get(end, ())
        assert all(one.dst == after.src for one, after in zip(path.hops, path.hops[1:], strict=False))
        for hop in path.hops:
            told = (hop.src, hop.rel, hop.dst) if hop.forward else (hop.dst, hop.rel, hop.src)
            assert not hop.stated or told in stated
            assert hop.source
            assert hop.stated or hop.note
    assert len({tuple(hop.dst for hop in path.hops) for path in found}) == len(found)


@settings(max_examples=50, deadline=None)
@given(st.lists(LINKS, max_size=60), st.sampled_from(sorted(NAMED)))
def test_neighbours_of_any_graph(stated: list[tuple[str, Rel, str]], uid: str) -> None:
    links: dict[str, list[Link]] = {one: [] for one in NAMED}
    for src, rel, dst in stated:
        links[src].append(Link(rel, dst))
    knowledge = store({"capec": [record(one, kind, *links[one]) for one, kind in NAMED.items()]})
    hops = neighbours(knowledge, uid)
    expected = {(rel, dst, True) for src, rel, dst in stated if src == uid}
    expected |= {(rel, src, False) for src, rel, dst in stated if dst == uid}
    assert {(hop.rel, hop.dst, hop.forward) for hop in hops} == expected
    assert len(hops) == len(expected)
