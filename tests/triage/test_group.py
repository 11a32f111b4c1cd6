"""What belongs together: specific observables join, hubs do not, and time sets the reach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.skills.triage.baseline import Baseline
from vedette.skills.triage.features import Group, aftermath, host_names, weigh
from vedette.skills.triage.group import form
from vedette.skills.triage.owner import Owner
from vedette.skills.triage.signals import Folder
from vedette.types import Alert, Severity

from .alerts import DAY, MINUTE, MODEL, alert, at, owner

OUTSIDE = "203.0.113.66"


def groups(alerts: Sequence[Alert], site: Owner | None = None, usual: Sequence[str] = ()) -> list[Group]:
    """Of alerts that are all rare, except rules named `usual`, which are active in every slot."""
    signals = list(Folder().fold((a, False) for a in alerts).values())
    often = {(s.product, s.rule_uid, s.device): 144 for s in signals if s.rule_uid in usual}
    baseline = Baseline(DAY, 1, often, {(p, r): n for (p, r, _), n in often.items()}, frozenset(), {})
    return form(weigh(signals, baseline, MODEL, site or Owner()), MODEL, site or Owner())


def together(alerts: Sequence[Alert], *rules: str, site: Owner | None = None, usual: Sequence[str] = ()) -> bool:
    """Whether signals of these rules lie in one group."""
    found = groups(alerts, site, usual)
    return len({id(g) for g in found for w in g.members if w.signal.rule_uid in rules}) == 1


def strong(when: str, rule: str, **fields: Any) -> Alert:
    return alert(when, rule, severity=Severity.HIGH, **fields)


ALERTS = st.lists(
    st.builds(
        lambda minute, rule, host, dst, severity: alert(
            at("09:00") + minute * MINUTE, rule, host=host, dst=dst, severity=Severity(severity)
        ),
        st.integers(0, 600), st.sampled_from("abcd"), st.sampled_from(("h1", "h2", "h3")),
        st.sampled_from((OUTSIDE, "203.0.113.9", "10.0.0.53")), st.integers(0, 5),
    ),
    min_size=1, max_size=25,
)  # fmt: skip


@settings(deadline=None)
@given(ALERTS)
def test_each_signal_is_in_exactly_one_group(alerts: list[Alert]) -> None:
    members = [id(w.signal) for g in groups(alerts, usual="d") for w in g.members]
    assert len(members) == len(set(members)) == len(Folder().fold((a, False) for a in alerts))


def test_no_alerts_no_groups() -> None:
    assert groups([]) == []


# -- reach in time ----------------------------------------------------------------------------


@pytest.mark.parametrize(("later", "joined"), [("09:14", True), ("09:40", False), ("15:00", False)])
def test_one_device_joins_what_comes_within_minutes(later: str, joined: bool) -> None:
    assert together([strong("09:00", "a", host="h"), strong(later, "b", host="h")], "a", "b") is joined


@pytest.mark.parametrize(("later", "joined"), [("09:30", True), ("14:30", True), ("15:30", False)])
def test_an_outside_address_joins_devices_over_hours(later: str, joined: bool) -> None:
    both = [strong("09:00", "a", host="h", dst=OUTSIDE), strong(later, "b", host="g", dst=OUTSIDE)]
    assert together(both, "a", "b") is joined


def test_different_outside_addresses_join_nothing() -> None:
    both = [strong("09:00", "a", host="h", dst=OUTSIDE), strong("10:00", "b", host="g", dst="203.0.113.67")]
    assert not together(both, "a", "b")


def test_a_device_reached_from_another_one_joins_both() -> None:
    both = [
        strong("09:00", "a", host="ws-1", address="10.0.0.1"),
        strong("10:00", "b", host="srv", address="10.0.0.9", src="10.0.0.1"),
    ]
    assert together(both, "a", "b")
    other = [both[0], strong("10:00", "b", host="srv", address="10.0.0.9", src="10.0.0.77")]
    assert not together(other, "a", "b")


@pytest.mark.parametrize(("user", "joined"), [("svc-backup", True), ("root", False), ("SYSTEM", False)])
def test_a_users_own_account_joins_devices_and_a_built_in_one_does_not(user: str, joined: bool) -> None:
    both = [strong("09:00", "a", host="h", user=f"CORP\\{user}"), strong("10:00", "b", host="g", user=user)]
    assert together(both, "a", "b") is joined


def test_a_user_on_one_device_is_no_thread() -> None:
    assert not together(
        [strong("09:00", "a", host="h", user="mara"), strong("12:00", "b", host="h", user="mara")], "a", "b"
    )


# -- waves ------------------------------------------------------------------------------------


def test_a_rare_rule_on_many_devices_at_once_is_one_wave() -> None:
    wave = [strong(f"09:0{n}", "ransom", host=f"h{n}") for n in range(5)]
    assert together(wave, "ransom")
    assert together(wave, "ransom", usual=["other"])


def test_a_rule_that_fires_all_day_is_no_wave() -> None:
    wave = [strong(f"09:0{n}", "noisy", host=f"h{n}", text="mimikatz lsass") for n in range(5)]
    assert not together(wave, "noisy", usual=["noisy"])


def test_a_rare_rule_hours_apart_is_no_wave() -> None:
    assert not together([strong("09:00", "x", host="a"), strong("11:00", "x", host="b")], "x")


# -- hubs -------------------------------------------------------------------------------------

HUBS = {
    "DNS server": "dst", "proxy": "dst", "vulnerability scanner": "src", "NAT firewall": "src", "load balancer": "dst",
}  # fmt: skip


@pytest.mark.parametrize("role", HUBS)
def test_a_hub_that_the_owner_names_joins_nothing(role: str) -> None:
    place = {HUBS[role]: "10.0.0.53"}
    both = [strong("09:00", "a", host="h", **place), strong("10:00", "b", host="g", **place)]
    assert together(both, "a", "b"), "before the owner said so"
    site = owner([{"name": "hub", "addresses": ["10.0.0.53"], "role": role}])
    assert not together(both, "a", "b", site=site)
    plain = owner([{"name": "hub", "addresses": ["10.0.0.53"], "role": role, "hub": False}])
    assert together(both, "a", "b", site=plain)


@pytest.mark.parametrize("place", ["src", "dst"])
def test_an_address_that_ordinary_traffic_shows_with_ten_devices_joins_nothing(place: str) -> None:
    shared = {place: "198.51.100.2"}
    both = [strong("09:00", "a", host="h", **shared), strong("10:00", "b", host="g", **shared)]
    usual = [alert("08:00", "web", host=f"n{n}", severity=Severity.INFORMATIONAL, **shared) for n in range(10)]
    assert not together([*both, *usual], "a", "b", usual=["web"])
    few = [alert("08:00", "web", host=f"n{n}", severity=Severity.INFORMATIONAL, **shared) for n in range(1)]
    assert together([*both, *few], "a", "b", usual=["web"])


def test_a_hub_does_not_keep_a_specific_observable_from_joining() -> None:
    hub = {"src": "198.51.100.2"}
    both = [strong("09:00", "a", host="h", dst=OUTSIDE, **hub), strong("10:00", "b", host="g", dst=OUTSIDE, **hub)]
    usual = [alert("08:00", "web", host=f"n{n}", severity=Severity.INFORMATIONAL, **hub) for n in range(10)]
    assert together([*both, *usual], "a", "b", usual=["web"])


# -- names ------------------------------------------------------------------------------------


def test_full_name_short_name_and_address_are_one_device() -> None:
    three = [
        alert("09:00", "a", host="srv", address="10.0.0.9"),
        alert("09:01", "b", host="srv.corp.example"),
        alert("09:02", "c", dst="10.0.0.9", src=OUTSIDE),
    ]
    signals = list(Folder().fold((a, False) for a in three).values())
    names = host_names(signals, Owner())
    assert {names.get(s.device, s.device) for s in signals} == {"srv"}
    assert together(
        [strong("09:00", "a", host="srv", address="10.0.0.9"), strong("09:05", "c", dst="10.0.0.9")], "a", "c"
    )


@pytest.mark.parametrize("peer", ["203.0.113.66", "10.0.0.9"])
def test_an_address_that_one_device_alone_talks_to_is_not_its_own(peer: str) -> None:
    talk = [alert("09:00", host="ws-1", address="10.0.0.1", dst=peer), alert("09:05", dst=peer, src="10.0.0.77")]
    names = host_names(list(Folder().fold((x, False) for x in talk).values()), Owner())
    assert names == {"10.0.0.1": "ws-1"}


def test_an_address_that_two_devices_claim_is_nobodys() -> None:
    two = [alert("09:00", host="a", address="10.0.0.9"), alert("09:01", host="b", address="10.0.0.9")]
    assert "10.0.0.9" not in host_names(list(Folder().fold((x, False) for x in two).values()), Owner())


def test_a_full_name_is_not_shortened_to_a_device_that_nobody_saw() -> None:
    lone = [alert("09:00", host="web.corp.example"), alert("09:01", host="db.other.example")]
    assert not host_names(list(Folder().fold((x, False) for x in lone).values()), Owner())


def test_the_owners_name_counts_most() -> None:
    site = owner([{"name": "mail", "hostnames": ["mx1", "mx1.corp.example"], "addresses": ["10.0.0.25"]}])
    signals = list(Folder().fold((a, False) for a in [alert(host="mx1"), alert("09:05", dst="10.0.0.25")]).values())
    assert {host_names(signals, site)[s.device] for s in signals} == {"mail"}


# -- what goes before -------------------------------------------------------------------------


def after(*alerts: Alert) -> dict[str, float]:
    """Rule -> how strongly its group follows other activity."""
    found = groups(alerts)
    aftermath(found)
    return {w.signal.rule_uid: g.after for g in found for w in g.members}


def test_what_begins_soon_after_something_strong_counts_more() -> None:
    first = [alert(f"09:0{n}", f"s{n}", host="a", severity=Severity.CRITICAL, text="mimikatz") for n in range(3)]
    soon, late = alert("10:00", "soon", host="b"), alert("13:00", "late", host="c")
    found = after(*first, soon, late)
    assert found["soon"] > 0
    assert found["late"] == found["s0"] == 0.0
