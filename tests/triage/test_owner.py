"""What the owner may excuse: by what sensors vouch for, within its window, up to its last day, and never everything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vedette.errors import ConfigError
from vedette.skills.triage.owner import Owner
from vedette.skills.triage.signals import Folder, Signal
from vedette.types import Alert, Severity, TextKind, UntrustedText, Verdict

from .alerts import NAME, alert, everyday, intrusion, owner, triage

BASE = {"id": "EX-1", "reason": "because", "expires": "2026-12-31"}


def signal(*alerts: Alert) -> Signal:
    (found,) = Folder().fold((a, False) for a in alerts).values()
    return found


def excused(conditions: dict[str, Any], *alerts: Alert, assets: Any = ()) -> bool:
    return owner(assets, [{**BASE, **conditions}]).exception_for(signal(*alerts)) is not None


@pytest.mark.parametrize(
    ("conditions", "matching", "other"),
    [
        ({"rules": ["100"]}, {}, {"rule": "101"}),
        ({"rules": ["rule 100"]}, {}, {"rule": "101"}),
        ({"rules": ["100"], "products": ["Wazuh"]}, {}, {"product": "Suricata"}),
        ({"hosts": ["PRINT01"]}, {"host": "print01"}, {"host": "print02"}),
        ({"sources": ["10.0.0.90"]}, {"src": "10.0.0.90"}, {"src": "10.0.0.91"}),
        ({"sources": ["10.0.0.0/28"]}, {"src": "10.0.0.15"}, {"src": "10.0.0.16"}),
        ({"sources": ["10.0.0.5/28"]}, {"src": "10.0.0.15"}, {"src": "10.0.0.16"}),
        ({"sources": ["2001:db8::/32"]}, {"src": "2001:db8::7"}, {"src": "2001:db9::7"}),
        ({"sources": ["10.0.0.90"]}, {"src": "10.0.0.90"}, {"dst": "10.0.0.90"}),
        ({"sources": ["10.0.0.90"]}, {"src": "10.0.0.90"}, {"host": "10.0.0.90"}),
        ({"rules": ["100"], "hosts": ["a"]}, {"host": "a"}, {"host": "b"}),
    ],
)
def test_each_condition_holds_for_what_it_names_alone(
    conditions: dict[str, Any], matching: dict[str, Any], other: dict[str, Any]
) -> None:
    assert excused(conditions, alert("09:00", matching.pop("rule", "100"), **matching))
    assert not excused(conditions, alert("09:00", other.pop("rule", "100"), **other))


def test_a_device_is_known_by_the_assets_name_host_names_and_addresses() -> None:
    assets = [{"name": "print server", "hostnames": ["print01"], "addresses": ["10.0.0.15"]}]
    for device in ({"host": "print01"}, {"dst": "10.0.0.15"}, {"host": "print server"}):
        assert excused({"hosts": ["print server"]}, alert(**device), assets=assets)
    assert not excused({"hosts": ["print server"]}, alert(host="print02"), assets=assets)


WINDOW = {"hosts": ["a"], "from": "2026-03-10T01:00:00Z", "until": "2026-03-10T03:00:00+00:00"}


@pytest.mark.parametrize(
    ("when", "holds"), [("00:59:59", False), ("01:00", True), ("03:00", True), ("03:00:01", False)]
)
def test_a_window_begins_and_ends_to_the_second(when: str, holds: bool) -> None:
    assert excused(WINDOW, alert(when, host="a")) is holds


def test_a_window_has_to_cover_the_whole_signal() -> None:
    assert excused(WINDOW, alert("02:51", host="a"), alert("02:59", host="a"))
    assert not excused(WINDOW, alert("03:00", host="a"), alert("03:05", host="a"))


def test_a_window_in_another_zone() -> None:
    vienna = {"hosts": ["a"], "from": "2026-03-10T02:00:00+01:00", "until": "2026-03-10T04:00:00+01:00"}
    assert excused(vienna, alert("01:00", host="a"))
    assert not excused(vienna, alert("03:30", host="a"))


@pytest.mark.parametrize(
    ("expires", "when", "holds"),
    [
        (NAME, "00:00", True),
        (NAME, "23:59:59", True),
        ("2026-03-11", "23:59:59", True),
        ("2026-03-09", "00:00", False),
        ("2026-01-31", "12:00", False),
    ],
)
def test_the_last_day_is_the_last_one(expires: str, when: str, holds: bool) -> None:
    assert excused({"rules": ["100"], "expires": expires}, alert(when)) is holds


# -- files ------------------------------------------------------------------------------------

GOOD = '[[exception]]\nid = "X"\nreason = "known"\nexpires = 2026-12-31\nrules = ["1"]\n'


def exceptions(path: Path, text: str) -> Owner:
    file = path / "exceptions.toml"
    file.write_text(text, encoding="utf-8")
    return Owner.load(None, file)


def test_a_good_file_is_read(tmp_path: Path) -> None:
    assert exceptions(tmp_path, GOOD).exceptions.exception[0].rules == ("1",)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('rules = ["1"]', 'user_agent = ["curl"]', "user_agent"),
        ('rules = ["1"]', 'rule = ["1"]', "rules"),
        ('rules = ["1"]', 'url = ["/x"]', "url"),
        ('rules = ["1"]', "", "would excuse everything"),
        ('rules = ["1"]', 'products = ["Wazuh"]', "would excuse everything"),
        ('rules = ["1"]', 'rules = []', "would excuse everything"),
        ('rules = ["1"]', 'sources = ["10.0.0"]', "10.0.0"),
        ('rules = ["1"]', 'rules = ["1"]\nfrom = 2026-03-10T01:00:00', "without a zone"),
        ('reason = "known"', "", "reason"),
        ('reason = "known"', 'reason = ""', "reason"),
        ("expires = 2026-12-31", "", "expires"),
        ("expires = 2026-12-31", 'expires = "never"', "never"),
        ('id = "X"', 'id = "X"\nkind = "trust me"', "kind"),
        ("[[exception]]", "[exception", "TOML"),
    ],
)  # fmt: skip
def test_a_bad_file_is_refused_with_its_place(tmp_path: Path, before: str, after: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        exceptions(tmp_path, GOOD.replace(before, after))
    assert message in str(caught.value)
    assert "exceptions.toml" in str(caught.value)


def test_a_misspelt_key_names_the_near_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="source"):
        exceptions(tmp_path, GOOD.replace("rules", "source"))


@pytest.mark.parametrize(
    "text", ['[[asset]]\nname = "a"\ncriticality = "vital"\n', '[[network]]\ncidr = "10.0.0.5/8"\n']
)
def test_bad_assets_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "assets.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"assets\.toml"):
        Owner.load(tmp_path / "assets.toml", None)


@pytest.mark.parametrize("kind", list(TextKind))
def test_no_attacker_text_can_be_an_excuse(kind: TextKind) -> None:
    """Whatever an exception names: the same word in a text does not match it."""
    words = ("100", "rule 100", "print01", "10.0.0.90", "Wazuh")
    conditions = {"rules": ["100", "rule 100"], "hosts": ["print01"], "sources": ["10.0.0.90"]}
    texts = tuple(UntrustedText(kind, word) for word in words)
    for only in ({"rules": conditions["rules"]}, {"hosts": conditions["hosts"]}, {"sources": conditions["sources"]}):
        assert not excused(only, alert("09:00", "666", host="web", src="203.0.113.9", texts=texts))
    assert excused(conditions, alert("09:00", host="print01", src="10.0.0.90"))


# -- in the queue -----------------------------------------------------------------------------


def test_what_is_excused_is_told_and_never_escalated(tmp_path: Path) -> None:
    alerts = [*everyday(), *intrusion("ws-3")]
    site = owner([], [{**BASE, "hosts": ["ws-3"], "kind": "maintenance", "owner": "mara"}])
    plain, quiet = triage(tmp_path / "a", alerts), triage(tmp_path / "b", alerts, site=site)
    assert plain.cases[0].verdict is Verdict.ESCALATE
    assert Verdict.ESCALATE not in {c.verdict for c in quiet.cases}
    (case,) = [c for c in quiet.cases if c.excused]
    assert case.excused == ("EX-1 (maintenance): because; until 2026-12-31; owner mara",)
    assert case.verdict is Verdict.LIKELY_BENIGN
    assert case.title.startswith("Excused by EX-1 (maintenance)")
    assert sum(c.alerts for c in quiet.cases) == sum(c.alerts for c in plain.cases) == len(alerts)


def test_an_expired_exception_changes_nothing_but_a_note(tmp_path: Path) -> None:
    alerts = [*everyday(), *intrusion("ws-3")]
    site = owner([], [{**BASE, "hosts": ["ws-3"], "expires": "2026-03-09"}])
    plain, expired = triage(tmp_path / "a", alerts), triage(tmp_path / "b", alerts, site=site)
    assert expired.cases == plain.cases
    assert any("EX-1 expired on 2026-03-09" in note for note in expired.notes)
    assert not any("EX-1" in note for note in plain.notes)


def test_what_an_attacker_adds_from_an_excused_place_takes_nothing_off_the_case(tmp_path: Path) -> None:
    site = owner([], [{**BASE, "rules": ["scan"]}])
    attack = [*everyday(), *intrusion("ws-3")]
    noise = [alert(f"09:{m}", "scan", host="ws-3", severity=Severity.LOW) for m in range(40, 60)]
    before, after = triage(tmp_path / "a", attack, site=site), triage(tmp_path / "b", [*attack, *noise], site=site)
    assert after.cases[0].id == before.cases[0].id
    assert after.cases[0].probability >= before.cases[0].probability
    assert after.cases[0].verdict is Verdict.ESCALATE


def test_worth_of_devices_and_networks(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(
        '[[asset]]\nname = "dc"\nhostnames = ["DC01"]\ncriticality = "critical"\n'
        '[[asset]]\nname = "kiosk"\naddresses = ["10.1.0.9"]\ncriticality = "low"\n'
        '[[network]]\ncidr = "10.1.0.0/16"\ncriticality = "high"\n'
    )
    site = Owner.load(tmp_path / "a.toml", None)
    assert [site.value(d) for d in ("dc", "dc01", "10.1.2.3", "10.1.0.9", "10.2.0.1", "ws-1")] == [1, 1, 0.5, 0, 0, 0]
