"""Questions made from texts of the store: weaknesses' impacts, and sentences beside their techniques."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from vedette.bench.suites import own, own_sentences
from vedette.knowledge.build import Batch, import_batches
from vedette.knowledge.record import Kind, Link, Record, Rel, Text, digest, encode
from vedette.knowledge.store import Knowledge
from vedette.knowledge.unit import Unit, content_hash
from vedette.train.experts_sentences import DEV, Sentence, Sentences, _part


def put(store: Path, source: str, records: Sequence[Record]) -> None:
    bodies = [encode(one) for one in records]
    n, content = len(bodies), content_hash(map(digest, bodies))
    made = Unit(source, "", "1", "", "2026-01-01", {}, n, n, {}, {}, content)
    import_batches(store, [Batch(made, lambda: iter(bodies), Path("x"))], inline=True)


TECHNIQUES = {
    "T1000": ("Sweeping the Kitchen Floor", "A floor is swept."),
    "T1001": ("Boiling Water", "Water is made hot, and dust with it."),
    "T1002": ("Washing Cups", "Cups are cleaned of dust."),
    "T1003": ("Drying Cups", "Cups lose their water."),
    "T1003.001": ("Towel", "A towel takes water from cups."),
    **{f"T20{n:02}": (f"Filler {n}", f"Nothing of the kind, number {n}.") for n in range(30)},
}
HELD, TRAINED = (
    next(f"S{n:04}" for n in range(1, 99) if own_sentences.held_out(f"S{n:04}") is held) for held in (True, False)
)
SAID = "Broom moves the dust of a kitchen from the cups to the water."


def software(uid: str, name: str, *links: Link) -> Record:
    return Record(uid, Kind.SOFTWARE, name, domain="enterprise", links=links)


def uses(technique: str, text: str = SAID) -> Link:
    return Link(Rel.USES, technique, text=text)


def techniques() -> list[Record]:
    return [
        Record(uid, Kind.TECHNIQUE, name, domain="enterprise", texts=(Text("description", body),))
        for uid, (name, body) in TECHNIQUES.items()
    ]


@pytest.fixture
def store(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Knowledge]:
    put(tmp_path / "k.db", "attack", [*techniques(), *request.param])
    with Knowledge.open(tmp_path / "k.db") as opened:
        yield opened


@pytest.mark.parametrize("store", [[software(HELD, "Broom", uses("T1000"), uses("T1001", ""))]], indirect=True)
def test_a_sentence_and_what_it_is_taken_for(store: Knowledge) -> None:
    (one,) = own.items(store, "sentence")
    assert list(own.items(store, "sentence")) == [one]
    assert SAID in one.prompt
    assert one.choices[one.letters.index(one.right[0])] == "Sweeping the Kitchen Floor (T1000)"
    others = {choice.rpartition("(")[2].rstrip(")") for choice in one.choices} - {"T1000"}
    assert len(others) == 2
    assert others <= {"T1002", "T1003", "T1003.001"}, "what shares words, and is not used too"


@pytest.mark.parametrize(
    "store", [[software(HELD, "Broom", uses("T1003"), uses("T1000", "Too short."))]], indirect=True
)
def test_what_may_be_right_too_is_no_wrong_option(store: Knowledge) -> None:
    """Neither another technique of the same software, nor a sub-technique."""
    (one,) = own.items(store, "sentence")
    assert {choice.rpartition("(")[2].rstrip(")") for choice in one.choices} == {"T1001", "T1002", "T1003"}


@pytest.mark.parametrize(
    "store",
    [
        [software(TRAINED, "Broom", uses("T1000"))],
        [software(HELD, "Broom", uses("T1000")), software(TRAINED, "Mop", uses("T1000", SAID.replace("Broom", "Mop")))],
        [software(HELD, "Broom", uses("T1000", "Broom is good at sweeping the kitchen floor with water."))],
        [software(HELD, "Broom", uses("T1000", "Broom moves the dust."))],
        [software(HELD, "Broom", uses("T1000", ""))],
    ],
    ids=["trained", "the same sentence trained", "names its technique", "short", "no text"],
    indirect=True,
)
def test_what_is_not_asked(store: Knowledge) -> None:
    assert list(own.items(store, "sentence")) == []


def test_what_is_asked_never_trained_the_experts() -> None:
    assert own_sentences.HELD_OUT == DEV
    parts = Sentences()
    for uid in (f"{letter}{n:04}" for letter in "GSC" for n in range(300)):
        part = _part(parts, Sentence(SAID, frozenset(["T1000"]), "procedure", uid))
        assert (part is parts.train) is not own_sentences.held_out(uid)


def test_techniques_and_what_their_analytics_observe(tmp_path: Path) -> None:
    found = [
        *techniques(),
        *(Record(f"DC{n}", Kind.DATA_COMPONENT, f"Component {n}") for n in range(5)),
        *(Record(f"DET{n}", Kind.DETECTION, f"Strategy {n}", links=(Link(Rel.DETECTS, f"T100{n}"),)) for n in range(4)),
        *(
            Record(f"AN{n}", Kind.ANALYTIC, links=(Link(Rel.MEMBER_OF, f"DET{n % 4}"), Link(Rel.OBSERVES, f"DC{n}")))
            for n in range(5)
        ),
    ]
    put(tmp_path / "k.db", "attack", found)
    with Knowledge.open(tmp_path / "k.db") as store:
        pairs = [("T1000", "DC0"), ("T1000", "DC4"), ("T1001", "DC1"), ("T1002", "DC2"), ("T1003", "DC3")]
        assert own.components(store) == pairs
        assert len(list(own.items(store, "component"))) == 4


IMPACT = "Confidentiality, Integrity: {}. A note that says Hide Activities.\nOther: Varies by Context"


def test_weaknesses_and_their_impacts(tmp_path: Path) -> None:
    weaknesses = [
        Record(f"CWE-{n}", Kind.WEAKNESS, f"Weakness {n}", texts=(Text("consequences", IMPACT.format(impacts)),))
        for n, impacts in enumerate(
            ["DoS: Crash, Exit, or Restart, Read Memory", "Read Memory", "Modify Memory", "DoS: Instability", ""], 10
        )
    ]
    put(tmp_path / "k.db", "cwe", weaknesses)
    with Knowledge.open(tmp_path / "k.db") as store:
        assert own.impacts(store) == [
            ("CWE-10", "DoS: Crash, Exit, or Restart"), ("CWE-10", "Read Memory"), ("CWE-11", "Read Memory"),
            ("CWE-12", "Modify Memory"), ("CWE-13", "DoS: Instability"),
        ]  # fmt: skip
        asked = {item.id: item for item in own.items(store, "impact")}
    told = asked["impact CWE-11"]
    assert told.choices[told.letters.index(told.right[0])] == "Read Memory"
    assert len(set(told.choices)) == 4
    assert "impact CWE-10" not in asked, "only two others are left to be wrong"
