"""Tactics: as rules state them, else as their names suggest; every name that is used exists in ATT&CK."""

from __future__ import annotations

from pathlib import Path

import pytest

from vedette.config import load_toml
from vedette.knowledge import attack
from vedette.skills.triage import tactics
from vedette.skills.triage.signals import Signal
from vedette.skills.triage.tactics import Lexicon, read_from_name, tactic_of

HOME = Path(tactics.__file__).parent

# Names as the rule sets of Wazuh, Suricata (Emerging Threats), Elastic, Sigma and AMiner have them.
NAMES = [
    ("reconnaissance", "ET SCAN Nmap Scripting Engine User-Agent Detected (Nmap Scripting Engine)"),
    ("reconnaissance", "ET SCAN Potential SSH Scan OUTBOUND"),
    ("reconnaissance", "GPL SCAN SSH Version map attempt"),
    ("reconnaissance", "Web server 400 error code."),
    ("reconnaissance", "Multiple web server 400 error codes from same source ip."),
    ("reconnaissance", "Suspicious URL access."),
    ("reconnaissance", "Port scan detected"),
    ("reconnaissance", "New request method in Apache access logs."),
    ("reconnaissance", "New characters in Apache access request."),
    ("reconnaissance", "Attempt to access forbidden directory index."),
    ("initial-access", "SQL injection attempt."),
    ("initial-access", "A web attack returned code 200 (success)."),
    ("initial-access", "ET EXPLOIT Possible CVE-2021-44228 Apache log4j RCE Attempt"),
    ("initial-access", "ET PHISHING Possible Phishing Landing Page"),
    ("initial-access", "Web server 500 error code (Internal Error)."),
    ("execution", "Suspicious Windows Powershell Arguments"),
    ("execution", "Powershell.exe spawned by winword.exe"),
    ("execution", "Command line of an unusual length"),
    ("execution", "Executable file dropped in folder commonly used by malware"),
    ("persistence", "New Windows Service Created to start from windows root path"),
    ("persistence", "High entropy in Apache access request."),
    ("persistence", "Persistence via Scheduled Task Creation"),
    ("persistence", "New user added to the system."),
    ("persistence", "Systemd: Service_Start"),
    ("persistence", "Startup Persistence by a Suspicious Process"),
    ("privilege-escalation", "Successful sudo to ROOT executed."),
    ("privilege-escalation", "First time user executed sudo."),
    ("privilege-escalation", "User successfully changed UID to root."),
    ("privilege-escalation", "New CRED_REFR parameter combination in Audit logs."),
    ("privilege-escalation", "User Added to the admin group"),
    ("defense-evasion", "Windows audit log was cleared."),
    ("defense-evasion", "Host-based anomaly detection event (rootcheck): rootkit"),
    ("defense-evasion", "Microsoft Windows Defender Tampering"),
    ("credential-access", "sshd: brute force trying to get access to the system. Non existent user."),
    ("credential-access", "Multiple Windows logon failures."),
    ("credential-access", "PAM: Multiple failed logins in a small period of time."),
    ("credential-access", "PAM: User login failed."),
    ("credential-access", "syslog: User authentication failure."),
    ("credential-access", "Credential Access via LSASS Memory Dump"),
    ("credential-access", "LSASS Process Access via Windows API"),
    ("credential-access", "Potential Kerberoasting"),
    ("credential-access", "CPU value out of expected range in monitoring logs."),
    ("lateral-movement", "PsExec Network Connection"),
    ("lateral-movement", "ET POLICY SMB2 NT Create AndX Request For an Executable File in an Admin Share"),
    ("lateral-movement", "Lateral Tool Transfer"),
    ("command-and-control", "ET MALWARE Cobalt Strike Beacon Observed"),
    ("command-and-control", "ET CNC Feodo Tracker Reported CnC Server group 3"),
    ("command-and-control", "Potential Reverse Shell"),
    ("command-and-control", "OFFICE POLICY remote access tool check-in"),
    ("exfiltration", "ET POLICY Data Exfil over DNS"),
    ("exfiltration", "High entropy in DNS Domain."),
    ("exfiltration", "New query record in DNS logs."),
    ("exfiltration", "Large upload to a host outside"),
    ("impact", "Ransomware note created on many hosts"),
    ("impact", "Volume shadow copies deleted"),
    ("collection", "Sensitive Files Compression into an archive"),
    ("", "Dovecot Authentication Success."),
    ("", "Wazuh agent started."),
    ("", "Listened ports status (netstat) changed (new port opened or closed)."),
    ("", "SURICATA STREAM Packet with invalid ack"),
    ("", "Integrity checksum changed."),
]


@pytest.mark.parametrize(("tactic", "name"), NAMES)
def test_what_a_rules_name_suggests(tactic: str, name: str) -> None:
    assert read_from_name(name) == tactic
    assert read_from_name(name.upper()) == tactic


def test_every_entry_of_the_lexicon_is_an_enterprise_tactic_and_is_used() -> None:
    entries = load_toml(HOME / "lexicon.toml", Lexicon).entry
    known = {t.short_name for t in attack.enterprise_tactics()}
    assert {e.tactic for e in entries} <= known
    assert {e.tactic for e in entries} <= {tactic for tactic, _ in NAMES}


def test_an_entry_with_an_unknown_tactic_is_refused() -> None:
    with pytest.raises(ValueError, match="'hacking' is no ATT&CK tactic"):
        tactics.Entry(tactic="hacking", words="x")


def signal(name: str = "rule", stated: tuple[str, ...] = (), techniques: tuple[str, ...] = ()) -> Signal:
    return Signal(0, "p", "1", name, "h", (), 3, techniques=techniques, tactics=stated)


@pytest.mark.parametrize(
    ("given", "tactic"),
    [
        (signal("Port scan", ("impact",)), "impact"),
        (signal("Port scan", ("Credential Access",)), "credential-access"),
        (signal("Port scan", ("impact", "execution")), "execution"),
        (signal("Port scan", (), ("T1003",)), "credential-access"),
        (signal("Port scan", (), ("T1486",)), "impact"),
        (signal("Port scan", (), ("T1059.001",)), "execution"),
        (signal("Port scan", ("no tactic",), ("T9999",)), "reconnaissance"),
        (signal("Port scan"), "reconnaissance"),
        (signal("rule"), ""),
        (signal("rule", ("no tactic",), ("nonsense",)), ""),
    ],
)
def test_what_is_stated_counts_before_what_is_read(given: Signal, tactic: str) -> None:
    assert tactic_of(given) == tactic


def test_revoked_techniques_are_followed_to_the_one_in_force() -> None:
    revoked = "T1086"  # PowerShell, now T1059.001
    found = attack.resolve(revoked)
    assert found is not None
    assert found.id != revoked
    assert tactic_of(signal("rule", (), (revoked,))) == found.tactics[0] == "execution"


def test_there_are_next_steps_for_every_tactic() -> None:
    from vedette.skills.triage.explain import next_steps
    from vedette.types import Verdict

    for tactic in attack.enterprise_tactics():
        steps = next_steps(Verdict.INVESTIGATE, (tactic.short_name,))
        assert len(steps) >= 2, tactic.short_name
        assert len(steps) == len(set(steps)) <= 7
