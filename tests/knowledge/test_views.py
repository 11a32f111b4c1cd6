"""What `vedette knowledge …` shows, byte for byte. `VEDETTE_GOLDEN=write pytest tests/knowledge` writes it anew."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path

import msgspec
import pytest
from rich.cells import cell_len
from rich.console import RenderableType

from vedette.cli import knowledge_cards as cards
from vedette.cli import knowledge_reports as reports
from vedette.cli import knowledge_views as views
from vedette.connect.sinks.table import rendered
from vedette.errors import InputError
from vedette.knowledge.build import Outcome, Report
from vedette.knowledge.card import card, find
from vedette.knowledge.compare import compare
from vedette.knowledge.graph import Hop, Said
from vedette.knowledge.graph import Path as Way
from vedette.knowledge.ids import mentions
from vedette.knowledge.overview import overview
from vedette.knowledge.record import Kind, Rel
from vedette.knowledge.search import Hit
from vedette.knowledge.store import Knowledge
from vedette.knowledge.write import Change

from . import samples

GOLDEN = Path(__file__).parent / "golden"
ANSI = re.compile(r"\x1b\[[0-9;]*m")
TODAY = date(2026, 3, 10)
CARDS = (
    "TA0002", "T1059.001", "T1086", "T1175", "G0016", "C0024", "S0154", "M1049", "DS0017", "DC0064", "DET0001",
    "AN0001", "CWE-79", "CWE-1003", "CAPEC-66", "D3-SEA", "d3f:Script", "AC-2", "CVE-2021-44228", samples.RULE,
    samples.BEAR, "warninglist:sample",
)  # fmt: skip
Parts = Callable[[int], Iterable[RenderableType]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stores")
    samples.full(folder / "full.db")
    samples.facts_only(folder / "slim.db")
    return folder


@pytest.fixture(scope="module")
def full(folder: Path) -> Knowledge:
    return Knowledge.open(folder / "full.db")


def _card(uid: str, whole: bool = False) -> Callable[[Knowledge], Parts]:
    return lambda knowledge: lambda width: cards.card_parts(card(knowledge, uid), whole)


def _status(knowledge: Knowledge, today: date = TODAY) -> Parts:
    view = msgspec.structs.replace(overview(knowledge, today), store="knowledge.db", bytes=123_456_789)
    return lambda width: views.status_parts(view, width)


def _bearers(knowledge: Knowledge) -> Parts:
    found = find(knowledge, "cozy-bear")
    assert isinstance(found, list)
    names = knowledge.names(bearer.id for bearer in found)
    return lambda width: cards.bearers_parts("cozy-bear", found, names)


def _hits(knowledge: Knowledge) -> Parts:
    long = Hit("T1059.001", Kind.TECHNIQUE, "PowerShell", 0.03, samples.LONG, "attack/enterprise", "18.1", "T1059.001",
               "description", 0, len(samples.LONG))  # fmt: skip
    told = Hit(samples.RULE, Kind.RULE, samples.HOSTILE, 0.02, samples.HOSTILE, "sigma", "2026.1", samples.RULE,
               "name", 0, len(samples.HOSTILE))  # fmt: skip
    return lambda width: views.hits_parts("shell", [long, told])


def _paths(knowledge: Knowledge) -> Parts:
    also = (Said("kev", "CISA KEV"),)
    hops = (
        Hop("CVE-2021-44228", Rel.HAS_WEAKNESS, "CWE-20", True, True, "nvd/2021", "nvd@nist.gov", also=also),
        Hop("CWE-20", Rel.TARGETS, "CAPEC-66", False, True, "capec"),
        Hop("CAPEC-66", Rel.MAPS_TO, "T1059.001", True, False, "parent", "what is said of a pattern holds for " * 3),
        Hop("T1059.001", Rel.MITIGATES, "M1049", False, True, "attack/enterprise"),
    )
    ways = [Way(hops, 4.75), Way((Hop("CVE-2021-44228", Rel.ENABLES, samples.HOSTILE, True, True, "ctid"),), 1.0)]
    names = knowledge.names(uid for hop in hops for uid in (hop.src, hop.dst))
    return lambda width: views.paths_parts("CVE-2021-44228", "mitigation", ways, names)


def _mentions(knowledge: Knowledge) -> Parts:
    found = mentions("T1059.001, t1086; cwe 79 but CVE-2020-1234 and T9999.123", knowledge)
    return lambda width: views.mentions_parts(found, every=True)


def _report(knowledge: Knowledge) -> Parts:
    units = {unit.name: unit for unit in knowledge.units}
    made = Outcome(units["attack/enterprise"], Path("enterprise.json"), Change(20, 5, 1, 2),
                   examples=[("object 7", "no id"), (samples.HOSTILE, "no id")])  # fmt: skip
    same = Outcome(units["cwe/1000"], Path("1000.csv"), Change(unchanged=4), same_file=True)
    failed = Outcome(units["sigma"], Path("sigma.zip"), error=InputError("damaged", where="sigma.zip", remedy="again"))
    report = Report([made, same, failed], [Path("notes.txt"), Path("a\x1b[2J.txt")], ["a note"], swapped=True)
    return lambda width: reports.report_parts(report, 12.3, width, listed=True)


VIEWS: dict[str, Callable[[Knowledge], Parts]] = {
    **{f"show-{uid.replace(':', '-')}": _card(uid) for uid in CARDS},
    "show-T1059.001-full": _card("T1059.001", whole=True),
    "show-CVE-2021-44228-full": _card("CVE-2021-44228", whole=True),
    "show-a-name": _bearers,
    "status": _status,
    "status-early-clock": lambda knowledge: _status(knowledge, date(2025, 12, 1)),
    "search": _hits,
    "search-nothing": lambda knowledge: lambda width: views.hits_parts("xyzzy", []),
    "path": _paths,
    "path-none": lambda knowledge: lambda width: views.paths_parts("G0016", "control", [], {}),
    "check-ids": _mentions,
    "import": _report,
}


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", VIEWS)
def test_views(full: Knowledge, name: str, width: int) -> None:
    shown = rendered(VIEWS[name](full)(width), width)
    _compare(GOLDEN / f"{name}-{width}.txt", shown)
    assert max(map(cell_len, shown.splitlines())) <= width
    assert not _controls(shown)


@pytest.mark.parametrize("name", VIEWS)
def test_colour_only_repeats_the_words(full: Knowledge, name: str) -> None:
    plain, coloured = (rendered(VIEWS[name](full)(100), 100, color) for color in (False, True))
    assert "\x1b[" in coloured or name in ("search-nothing", "path-none")
    assert not _controls(ANSI.sub("", coloured))
    assert [line.rstrip() for line in ANSI.sub("", coloured).splitlines()] == plain.splitlines()


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("uid", CARDS)
def test_no_id_is_cut(full: Knowledge, uid: str, width: int) -> None:
    page = card(full, uid)
    shown = rendered(cards.card_parts(page), width)
    for group in page.links:
        for target in group.targets[: cards.MOST]:
            assert target.id in shown


@pytest.mark.parametrize("width", [80, 120])
def test_a_store_of_facts_only(folder: Path, width: int) -> None:
    with Knowledge.open(folder / "slim.db") as slim:
        _compare(GOLDEN / f"status-facts-{width}.txt", rendered(_status(slim)(width), width))
        page = rendered(cards.card_parts(card(slim, "T1059.001")), width)
    _compare(GOLDEN / f"show-T1059.001-facts-{width}.txt", page)
    assert "shipped facts only" in " ".join(page.split())


@pytest.mark.parametrize("width", [80, 120])
def test_a_difference(tmp_path: Path, width: int) -> None:
    before, after = tmp_path / "before.db", tmp_path / "after.db"
    samples.facts_only(before)
    changed = [r for r in samples.attack() if r.id != "G0100"] + [samples.record("G0200", Kind.GROUP, "New")]
    samples.put(after, samples.unit("attack/enterprise", changed, release="19.0", on="2026-02-01"))
    found = msgspec.structs.replace(compare(before, after), before="before.db", after="after.db")
    _compare(GOLDEN / f"diff-{width}.txt", rendered(views.difference_parts(found, 5), width))


def test_the_same_store_twice(folder: Path) -> None:
    found = compare(folder / "full.db", folder / "full.db")
    assert "Both hold the same records." in rendered(views.difference_parts(found, 5), 80)


def _controls(shown: str) -> list[str]:
    return [c for c in shown.replace("\n", "") if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}]


def _compare(path: Path, content: str) -> None:
    if os.environ.get("VEDETTE_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode())
    assert content == path.read_bytes().decode()
