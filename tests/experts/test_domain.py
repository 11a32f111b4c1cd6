"""A text is about computers, phones or plants by its words."""

from __future__ import annotations

import pytest

from vedette.experts.domain import domains_of
from vedette.experts.labels import Domain

COMPUTERS, PHONES, PLANTS = Domain.ENTERPRISE, Domain.MOBILE, Domain.ICS


@pytest.mark.parametrize(
    ("text", "domains"),
    [
        ("It dumps credentials from LSASS memory.", {COMPUTERS}),
        ("", {COMPUTERS}),
        ("It records audio and reads contacts.", {COMPUTERS}),
        ("An Android trojan that records audio and reads SMS messages.", {PHONES}),
        ("The implant needs a jailbroken device and takes its IMEI.", {PHONES}),
        ("Spyware for Windows and Android: on iPhones it reads contacts, on macOS the keychain.", {COMPUTERS, PHONES}),
        ("It stops the safety instrumented system and writes to the PLC.", {COMPUTERS, PLANTS}),
        ("The router's IOS image was replaced.", {COMPUTERS}),
    ],
)
def test_words_tell_the_domain(text: str, domains: set[Domain]) -> None:
    assert domains_of(text) == domains


def test_a_mention_of_phones_in_a_report_on_computers_is_no_report_on_phones() -> None:
    told = "PowerShell on a Windows workstation queried Active Directory through WMI and SMB. " * 3
    assert domains_of(f"{told} The vendor sells an Android app, too.") == {COMPUTERS}
