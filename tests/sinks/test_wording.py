from __future__ import annotations

import pytest

from vedette.connect.sinks import wording
from vedette.types import KnownTechnique

from .queues import MIDNIGHT, MINUTE, QUEUES, background, case, queue


@pytest.mark.parametrize(
    ("probability", "shown"),
    [(0.0, "0 %"), (0.0004, "<1 %"), (0.01, "1 %"), (0.5, "50 %"), (0.99, "99 %"), (0.9996, ">99 %"), (1.0, "100 %")],
)
def test_nearly_sure_is_not_sure(probability: float, shown: str) -> None:
    assert wording.percent(probability) == shown


def test_times_are_utc_and_never_raise() -> None:
    assert wording.span(MIDNIGHT, MIDNIGHT + MINUTE) == "2025-11-20 00:00–00:01"
    assert wording.span(MIDNIGHT, MIDNIGHT) == "2025-11-20 00:00"
    assert wording.span(MIDNIGHT - MINUTE, MIDNIGHT) == "2025-11-19 23:59 – 2025-11-20 00:00"
    assert wording.moment(10**18) == "1000000000000000000 ms"
    assert wording.moment(-(10**18)) == "-1000000000000000000 ms"


def test_techniques_are_named_followed_or_unverified() -> None:
    assert wording.technique("T1110") == "T1110 Brute Force"
    assert wording.technique("T1086") == "T1086 → T1059.001 Command and Scripting Interpreter: PowerShell"
    assert wording.technique("T9999") == "T9999 (unverified)"
    assert wording.tactic("impact") == "Impact"
    assert wording.tactic("nonsense") == "nonsense (unverified)"


def test_the_store_has_the_first_word_on_names() -> None:
    known = background()
    assert wording.technique("T1110.001", known) == "T1110.001 Brute Force: Guessing of Passwords"
    assert wording.technique("T1110.001") == "T1110.001 Brute Force: Password Guessing"
    assert wording.technique("T1110", known) == "T1110 Brute Force", "what it was not asked"
    assert wording.technique("T1086", known) == "T1086 → T1059.001 Command and Scripting Interpreter: PowerShell"
    assert wording.technique("T9999", known) == "T9999 (unverified)"
    old = KnownTechnique(id="T1175", status="deprecated", name="Objects")
    assert wording.technique("T1175", background(techniques=(old,))) == "T1175 Objects (deprecated)"
    assert wording.tactic("execution", known) == "Execution of Code"
    assert wording.tactic("impact", known) == "Impact"


def test_inferred_help_is_marked() -> None:
    first, *_ = background().mitigations
    assert (wording.mitigation(first), wording.helps(first)) == (
        "M1026 Privileged Account Management",
        "T1110.001 (by T1110), T1086",
    )


@pytest.mark.parametrize(
    ("listed", "others", "said"),
    [
        (2, 32, "also used by G0007 APT28 (2 of 3), G9998 Group without another name (2 of 3) and 32 other groups; "),
        (2, 0, "also used by G0007 APT28 (2 of 3) and G9998 Group without another name (2 of 3); "),
        (1, 1, "also used by G0007 APT28 (2 of 3) and 1 other group; "),
        (1, 0, "also used by G0007 APT28 (2 of 3); "),
        (0, 24, "also used by 24 groups; "),
        (0, 0, ""),
    ],
)
def test_groups_are_no_attribution(listed: int, others: int, said: str) -> None:
    known = background(groups=background().groups[:listed], other_groups=others)
    assert wording.users(known) == (f"{said}this is no attribution" if said else "")


def test_the_headline_says_what_needs_a_look() -> None:
    assert wording.headline(QUEUES["busy"]()) == "3 cases to escalate, 2 to investigate"
    assert wording.headline(QUEUES["one"]()) == "1 case to escalate"
    assert wording.headline(QUEUES["empty"]()) == "No cases"
    assert wording.headline(queue((case(verdict="undecided"),))) == "Nothing to escalate, 1 case undecided"
    assert wording.headline(queue((case(verdict="likely_benign"),))) == "Nothing to escalate or investigate"
    assert wording.headline(queue((case(verdict="investigate"),) * 2)) == "2 cases to investigate"
