"""Folding: exact, the same whatever the chunks, and bounded against floods without losing a count."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from vedette.skills.triage import signals
from vedette.skills.triage.hits import hits_of
from vedette.skills.triage.signals import Folder, Signal, device_of, entities_of, is_inside
from vedette.skills.triage.state import State
from vedette.types import Alert, Chunk, Kind, Observable, Role, Severity, TextKind, UntrustedText

from .alerts import DAY, MINUTE, alert, at, chunks

ALERTS = st.lists(
    st.builds(
        lambda minute, rule, host, user, severity, text, techniques: alert(
            at("09:00") + minute * MINUTE, rule, host=host, user=user, severity=Severity(severity), text=text,
            techniques=techniques,
        ),
        st.integers(0, 25), st.sampled_from("ab"), st.sampled_from(("h1", "h2")), st.sampled_from("uv"),
        st.integers(0, 5), st.sampled_from((None, "whoami", "mimikatz", "vssadmin delete shadows")),
        st.sampled_from(((), ("T1003",), ("T1059", "T1003"))),
    ),
    max_size=30,
).map(lambda alerts: [replace(a, uid=str(n)) for n, a in enumerate(alerts)])  # fmt: skip


def fold(*alerts: Alert) -> list[Signal]:
    return list(Folder().fold((a, False) for a in alerts).values())


@given(ALERTS)
def test_counts_are_exact(alerts: list[Alert]) -> None:
    found = Folder().fold((a, False) for a in alerts)
    expected: dict[Any, list[Alert]] = {}
    for a in alerts:
        expected.setdefault(Folder().key(a), []).append(a)
    assert set(found) == set(expected)
    for key, members in expected.items():
        signal = found[key]
        assert (signal.count, signal.duplicates) == (len(members), 0)
        assert (signal.first, signal.last) == (min(a.time for a in members), max(a.time for a in members))
        assert signal.severity == max(a.severity for a in members)
        assert signal.hits == hits_of(tuple(t for a in members for t in a.texts))
        assert set(signal.techniques) == {t for a in members for t in a.techniques}
        assert signal.sample in members


def committed(parts: list[Chunk]) -> list[tuple[Any, ...]]:
    """What the state holds of the signals after these chunks, without what depends on who came first."""
    with TemporaryDirectory() as folder:
        state = State(Path(folder) / "state.db")
        fold = state.folder()
        for part in parts:
            copies, fresh = state.new(part.alerts)
            state.commit(part, fold.fold(zip(part.alerts, copies, strict=True)), fresh)
        found = [(s.slot, s.product, s.rule_uid, s.device, s.entities, s.severity, s.count, s.duplicates, s.first,
                  s.last, s.hits, frozenset(s.techniques)) for s in state.signals(DAY)]  # fmt: skip
        state.close()
    return found


@settings(max_examples=25, deadline=None)
@given(ALERTS, st.integers(1, 30), st.randoms(use_true_random=False))
def test_neither_chunk_borders_nor_their_order_matter(alerts: list[Alert], size: int, random: Any) -> None:
    whole = committed(list(chunks(alerts, 1000)))
    parts = list(chunks(alerts, size))
    assert committed(parts) == whole
    random.shuffle(parts)
    assert committed(parts) == whole


def test_techniques_of_later_chunks_are_added_not_put_in_place() -> None:
    first = alert("09:00", techniques=("T1003",), tactics=("credential-access",))
    later = alert("09:01", techniques=("T1059",), tactics=("execution",))
    parts = list(chunks([first, later], 1))
    (row,) = committed(parts)
    assert row[-1] == {"T1003", "T1059"}
    assert committed(parts[::-1]) == committed(list(chunks([first, later]))) == [row]


def test_another_alert_does_matter() -> None:
    one, more = [alert("09:00")], [alert("09:00"), alert("09:01")]
    assert committed(list(chunks(one))) != committed(list(chunks(more)))


def test_what_is_folded_together_and_what_is_not() -> None:
    first = alert("09:00", host="a", user="u")
    assert len(fold(first, alert("09:09:59", host="a", user="u"))) == 1
    for other in (
        alert("09:10", host="a", user="u"),
        alert("09:01", "101", host="a", user="u"),
        alert("09:01", host="b", user="u"),
        alert("09:01", host="a", user="v"),
        alert("09:01", host="a", user="u", product="Suricata"),
    ):
        assert len(fold(first, other)) == 2
    assert len(fold(first, alert("09:01", host="a", user="u", text="mimikatz"))) == 1, "text never separates"


def test_a_copy_is_counted_as_one_and_moves_nothing() -> None:
    a, b = alert("09:01", host="a"), alert("09:05", host="a", text="mimikatz", severity=Severity.CRITICAL)
    (signal,) = Folder().fold([(a, False), (b, True)]).values()
    assert (signal.count, signal.duplicates, signal.first, signal.last) == (1, 1, a.time, a.time)
    assert (signal.hits, signal.severity, signal.sample) == (0, Severity.MEDIUM, a)


def flood(n: int, **fields: Any) -> list[Alert]:
    return [alert(at("09:00") + i, host="web", user=f"user-{i}", **fields) for i in range(n)]


def test_a_flood_of_entities_is_folded_and_nothing_is_lost() -> None:
    found = fold(*flood(2_000))
    assert sum(s.count for s in found) == 2_000
    assert len(found) == signals.MANY_ENTITIES + 1
    assert max(found, key=lambda s: s.count).entities == ("host:web",)
    assert {s.device for s in found} == {"web"}


def test_a_flood_below_the_bound_keeps_every_entity() -> None:
    assert len(fold(*flood(signals.MANY_ENTITIES))) == signals.MANY_ENTITIES


def test_a_flood_of_rules_is_folded_by_product_and_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "MANY_RULES", 40)
    found = fold(*(alert("09:00", f"r{i}", host="web") for i in range(100)), alert("09:00", "x", product="Suricata"))
    names = Counter({(s.product, s.rule_uid): s.count for s in found})
    assert names.total() == 101
    assert names["Wazuh", signals.OTHER_RULES] == 60
    assert names["Suricata", "x"] == 1, "another product has its own bound"


def test_a_flood_on_one_device_leaves_the_others_their_entities() -> None:
    found = fold(*flood(1_000), alert("09:30", host="db", user="eve"))
    assert ("host:db", "user:eve") in {s.entities for s in found}


@pytest.mark.parametrize("jump", [0, 1, 400])
def test_a_resumed_run_folds_as_an_undisturbed_one(tmp_path: Path, jump: int) -> None:
    """Also when a clock jumped ahead in between, which moves the latest day."""
    stream = list(chunks([*flood(300), alert("09:20", day=jump, host="other"), *flood(700)[300:]], 50))
    found = []
    for stop in (len(stream), 8, 6):
        (tmp_path / str(stop)).mkdir()
        state = State(tmp_path / str(stop) / "state.db")
        for part in (stream[:stop], stream[stop:]):
            folder = state.folder()
            for chunk in part:
                copies, fresh = state.new(chunk.alerts)
                folded = folder.fold(zip(chunk.alerts, copies, strict=True))
                state.commit(chunk, folded, fresh)
                folder.forget_before(max(s.day for s in folded.values()) - 1)
        found.append([(s.entities, s.count) for s in state.signals(DAY)])
        state.close()
    assert found[0] == found[1] == found[2]
    assert sum(count for _, count in found[0]) == 700 + (jump == 0)


def seen(*places: tuple[Role, Kind, str]) -> tuple[Observable, ...]:
    return tuple(Observable(*p) for p in places)


@pytest.mark.parametrize(
    ("observables", "device"),
    [
        (seen((Role.SRC, Kind.IP, "10.0.0.1"), (Role.HOST, Kind.HOSTNAME, "web")), "web"),
        (seen((Role.SRC, Kind.IP, "203.0.113.5"), (Role.DST, Kind.IP, "10.0.0.2")), "10.0.0.2"),
        (seen((Role.SRC, Kind.IP, "10.0.0.1"), (Role.DST, Kind.IP, "203.0.113.5")), "10.0.0.1"),
        (seen((Role.SRC, Kind.IP, "10.0.0.1"), (Role.DST, Kind.IP, "10.0.0.2")), "10.0.0.2"),
        (seen((Role.HOST, Kind.IP, "10.0.0.9"), (Role.DST, Kind.IP, "10.0.0.2")), "10.0.0.9"),
        (seen((Role.SRC, Kind.IP, "fd00::1"), (Role.DST, Kind.IP, "2001:db8::1")), "fd00::1"),
        (seen((Role.ACTOR, Kind.USER, "eve")), "(no device)"),
        ((), "(no device)"),
    ],
)
def test_the_device_that_an_alert_is_about(observables: tuple[Observable, ...], device: str) -> None:
    assert device_of(observables) == device
    assert device_of(observables[::-1]) == device


@pytest.mark.parametrize("address", ["10.1.2.3", "172.31.0.1", "192.168.1.1", "fe80::1", "127.0.0.1", "100.64.0.1"])
def test_inside(address: str) -> None:
    assert is_inside(address)


@pytest.mark.parametrize("address", ["203.0.113.9", "172.32.0.1", "2001:db8::1", "", "web01", "10.0.0.1.evil.example"])
def test_not_inside(address: str) -> None:
    assert not is_inside(address)


def test_only_what_sensors_vouch_for_joins() -> None:
    both = seen((Role.SRC, Kind.IP, "10.0.0.1"), (Role.ACTOR, Kind.PROCESS, "/bin/sh"), (Role.ACTOR, Kind.USER, ""))
    assert entities_of(both) == ("src:10.0.0.1",)
    assert entities_of(seen((Role.TARGET, Kind.HASH, "ab"), (Role.DST, Kind.IP, "::1"))) == ("dst:::1", "hash:ab")


def test_fingerprints_by_the_sensors_id() -> None:
    one = alert("09:00", uid="7")
    assert one.fingerprint() == alert("09:30", uid="7", host="elsewhere").fingerprint()
    assert one.fingerprint() != alert("09:00", "other", uid="7").fingerprint(), "another rule on the same event"
    assert one.fingerprint() != alert("09:00", uid="8").fingerprint()
    assert one.fingerprint() != alert("09:00", uid="7", product="Suricata").fingerprint()


def test_fingerprints_by_content_where_there_is_no_id() -> None:
    one = alert("09:00", host="a", text="x", ref="f:1")
    assert one.fingerprint() == alert("09:00", host="a", text="x", ref="g:9").fingerprint(), "the place does not count"
    text = UntrustedText(TextKind.URL, "x")
    for other in (
        alert("09:00:01", host="a", text="x"),
        alert("09:00", host="b", text="x"),
        alert("09:00", host="a", text="y"),
        alert("09:00", host="a", texts=(text,)),
        alert("09:00", host="a", text="x", flow="1"),
    ):
        assert one.fingerprint() != other.fingerprint()
