from __future__ import annotations

import re

import pytest

from vedette.knowledge import attack


def test_a_sub_technique_knows_its_parent_and_its_tactics_in_order() -> None:
    found = attack.technique("T1055.011")
    assert found is not None
    assert (found.name, found.parent, found.domain) == ("Extra Window Memory Injection", "T1055", "enterprise")
    assert found.tactics == ("privilege-escalation", "defense-evasion")


@pytest.mark.parametrize("uid", ["T9999", "", "t1055", "T1055\n", "<script>"])
def test_what_is_not_known_is_none(uid: str) -> None:
    assert attack.technique(uid) is None
    assert attack.resolve(uid) is None


def test_a_revoked_id_leads_to_the_one_in_force() -> None:
    revoked, current = attack.technique("T1086"), attack.resolve("T1086")
    assert revoked is not None
    assert current is not None
    assert (revoked.replaced_by, current.id) == ("T1059.001", "T1059.001")
    assert attack.resolve("T1059.001") is current


def test_every_id_resolves_and_every_link_is_known() -> None:
    for uid, technique in attack._techniques().items():
        current = attack.resolve(uid)
        assert current is not None
        assert not current.replaced_by
        assert not technique.parent or attack.technique(technique.parent)
        assert all(attack.tactic(name) for name in technique.tactics)
        assert re.fullmatch(r"T\d{4}(\.\d{3})?", uid)


def test_the_kill_chain_has_fourteen_tactics_in_order() -> None:
    chain = attack.enterprise_tactics()
    assert [tactic.order for tactic in chain] == list(range(14))
    assert (chain[0].short_name, chain[-1].short_name) == ("reconnaissance", "impact")
    assert attack.tactic_order("execution") < attack.tactic_order("exfiltration")


def test_what_is_not_in_the_kill_chain_comes_after_it() -> None:
    assert attack.tactic_order("inhibit-response-function") == attack.tactic_order("nonsense") == 14


def test_enterprise_wins_where_domains_share_a_tactic() -> None:
    shared, only_ics = attack.tactic("impact"), attack.tactic("evasion")
    assert shared is not None
    assert only_ics is not None
    assert (shared.id, only_ics.domain) == ("TA0040", "ics")
