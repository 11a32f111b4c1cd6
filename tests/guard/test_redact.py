"""Nothing internal leaves, everything comes back, and what the analysis needs stays."""

from __future__ import annotations

import base64
import re
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.guard.names import Masked
from vedette.guard.redact import Hidden, Redaction
from vedette.types import Kind, Observable, Role

KNOWN = (
    Observable(Role.HOST, Kind.HOSTNAME, "ws-7.corp.example"),
    Observable(Role.HOST, Kind.HOSTNAME, "Web-01"),
    Observable(Role.HOST, Kind.IP, "198.51.100.20"),  # a device of ours with a public address
    Observable(Role.HOST, Kind.MAC, "00:16:3e:aa:bb:cc"),
    Observable(Role.SRC, Kind.IP, "203.0.113.77"),
    Observable(Role.DST, Kind.HOSTNAME, "update.evil.example.net"),
    Observable(Role.ACTOR, Kind.USER, "CONTOSO\\mara.k"),
    Observable(Role.TARGET, Kind.USER, "jörg"),
    Observable(Role.ACTOR, Kind.USER, "root"),
)
NAMES = ("ws-7", "ws-7.corp.example", "corp.example", "web-01", "mara.k", "contoso", "jörg", "fileserver", "anna lee")
ADDRESSES = (
    "10.1.2.3",
    "192.168.0.7",
    "172.16.9.9",
    "169.254.1.1",
    "fe80::1",
    "fd00::12",
    "192.0.2.9",
    "198.51.100.20",
)


def redaction() -> Redaction:
    return Redaction(KNOWN, hosts=["fileserver"], users=["anna lee"], own=["192.0.2.0/24"])


FORMS = (
    "{}", "at {} now", "{}:445", "http://{}/x?a=1",
    r"\\{}\share$", "/home/{}/.ssh/id", "C:\\Users\\{}\\a.exe", "<{}>",
    "someone@{}", "{}@evil.example.net", "host={};", "'{}'", "_{}_", "%2F{}%2F", "在{}上",
    "{}\n{}", "({}).", '{{"a":"{}"}}',
)  # fmt: skip


def spellings(value: str) -> tuple[str, ...]:
    encoded = "".join(f"%{byte:02x}" for byte in value.encode())
    return (value, value.upper(), value.title(), quote(value, safe=""), encoded, encoded.replace("%", "%25"))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("value", [*NAMES, *ADDRESSES])
def test_no_internal_value_is_left_and_all_of_it_comes_back(value: str, form: str) -> None:
    for spelling in spellings(value):
        text = form.replace("{}", spelling)
        one = redaction()
        hidden = one.hide(text)
        assert value.lower() not in hidden.lower(), hidden
        assert spelling not in hidden
        assert one.restore(hidden) == text


def test_punycode_of_a_name_is_that_name() -> None:
    one = Redaction(hosts=["bücher.intern.example"])
    assert one.hide("bücher.intern.example xn--bcher-kva.intern.example") == "HOST_1.DOMAIN_1 HOST_1b.DOMAIN_1"


def test_one_value_is_one_placeholder_over_all_texts() -> None:
    one = redaction()
    assert one.hide("ws-7 talks to 10.0.0.5") == "HOST_1 talks to IP_1"
    assert one.hide("10.0.0.5 is not 10.0.0.6; ws-7.corp.example") == "IP_1 is not IP_2; HOST_1.DOMAIN_1"
    assert one.hide("WS-7, WS-7 and fd00::1 or FD00:0::1") == "HOST_1b, HOST_1b and IP_3 or IP_3b"
    assert [row.placeholder for row in one.table][:2] == ["HOST_1", "IP_1"]
    assert {row.placeholder: row.times for row in one.table}["HOST_1b"] == 2


def test_devices_that_nobody_named_are_known_by_their_domain_or_path() -> None:
    one = redaction()
    hidden = one.hide(r"dc1.corp.example nas.local app.prod.internal \\backup\d$ /home/otto/x anna@corp.example")
    assert hidden == r"HOST_1.DOMAIN_1 HOST_2.local HOST_3.DOMAIN_2 \\HOST_4\d$ /home/USER_1/x USER_2@DOMAIN_1"


@pytest.mark.parametrize(
    "text",
    [
        "203.0.113.77 to 8.8.8.8:53, 2001:db8::5",
        "http://update.evil.example.net/gate.php?verdict=1",
        "CVE-2021-44228 CWE-79 T1059.001 TA0002 CAPEC-66",
        "sshd: brute force trying to get access to the system. Non existent user.",
        "ET INFO Observed DNS Query to .cloud TLD",
        "2024-05-14T09:21:33.481+0200 May 14 09:21:33 09:44:12",
        "MD5=D41D8CD98F00B204E9800998ECF8427E,SHA1=DA39A3EE5E6B4B0D3255BFEF95601890AFD80709",
        "hashes: d41d8cd98f00b204e9800998ecf8427e",
        "root NT AUTHORITY\\SYSTEM Administrator www-data localhost /home/admin/x C:\\Users\\Public\\a.exe",
        "cmd.exe /c whoami; ssh -p 22; mkdir -p /tmp/x; nmap -p 1-1000; /etc/rc.local",
        "Failed password for root from 203.0.113.77 port 51622 ssh2",
        "invalid token: expected ';'",
        "Basic authentication is on; Bearer of bad news",
        "Cookie: q=' OR 1=1 -- ",
        "evil-ws-70.example",
        "cat /etc/passwd; net user; net localgroup administrators",
        "Windows NT 10.0; Win64; rv:109.0",
        "winword.exe spawned powershell.exe -nop -w hidden -c IEX(New-Object Net.WebClient)",
    ],
)
def test_what_the_analysis_needs_stays(text: str) -> None:
    assert redaction().hide(text) == text


JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlLXNpZ25hdHVyZQ"
NT = "8846f7eaee8fb117ad06bdd830b7586c"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("mysql -u app -pS3cretPw -h db", "S3cretPw"),
        ("mysqldump --password=S3cretPw x", "S3cretPw"),
        ("PsExec.exe \\\\srv -u adm -p Winter24! cmd", "Winter24!"),
        ("sshpass -p 'two words' ssh x", "two words"),
        ("net user helper Winter24! /add", "Winter24!"),
        ("net use Z: \\\\srv\\c$ /user:adm Winter24!", "Winter24!"),
        ("curl -u bob:hunter2 http://x.example", "hunter2"),
        ("ftp://bob:hunter2@x.example/", "hunter2"),
        ("https://x.example/?api_key=abcdef123&x=1", "abcdef123"),
        ("schtasks /create /ru adm /rp Winter24!", "Winter24!"),
        ("$p = ConvertTo-SecureString 'Winter24!' -AsPlainText", "Winter24!"),
        ("Server=db;User Id=sa;Password=Winter24!;", "Winter24!"),
        ("DefaultEndpointsProtocol=https;AccountKey=abCD12+/==;", "abCD12+/=="),
        ('{"password": "Winter24!"}', "Winter24!"),
        ("password: Winter24!", "Winter24!"),
        ("export AWS_SECRET_ACCESS_KEY=wJalrXUtn/K7MDENG/bPxRfiCYEXA", "wJalrXUtn/K7MDENG/bPxRfiCYEXA"),
        ("id AKIAIOSFODNN7EXAMPLE used", "AKIAIOSFODNN7EXAMPLE"),
        ("ghp_" + "a1B2" * 9, "ghp_" + "a1B2" * 9),
        ("xoxb-" + "1234567890-abcdef", "xoxb-" + "1234567890-abcdef"),
        (f"Authorization: Bearer {JWT}", JWT),
        (f"jwt {JWT} seen", JWT),
        ("Authorization: Basic Ym9iOmh1bnRlcjI=", "Ym9iOmh1bnRlcjI="),
        ("Cookie: PHPSESSID=0a1b2c3d4e5f; theme=dark", "0a1b2c3d4e5f"),
        (f"mimikatz sekurlsa::pth /user:adm /ntlm:{NT}", NT),
        (f"secretsdump -hashes :{NT}", NT),
        (f"adm:500:aad3b435b51404eeaad3b435b51404ee:{NT}:::", NT),
        (f"NTLM hash: {NT}", NT),
        ("root:$6$saltsalt$" + "x" * 40, "$6$saltsalt$" + "x" * 40),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\nAA\n-----END RSA PRIVATE KEY-----", "MIIE"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nMIIE", "MIIE"),
        ("http://x.example/?q=token%3Dabcdef123", "abcdef123"),
    ],
)  # fmt: skip
def test_secrets_are_masked_for_good(text: str, secret: str) -> None:
    one = redaction()
    hidden = one.hide(text)
    assert secret not in hidden
    assert "SECRET_1" in hidden
    assert secret not in one.restore(hidden)
    assert one.secrets >= 1
    assert secret not in repr(one.table)
    assert one.hide(text) == hidden  # the same secret, the same placeholder


def test_base64_that_holds_a_name_is_masked_whole_and_other_base64_stays() -> None:
    one = redaction()
    inside = base64.b64encode("Invoke-Command -Computer ws-7 whoami".encode("utf-16-le")).decode()
    outside = base64.b64encode("IEX (New-Object Net.WebClient)".encode("utf-16-le")).decode()
    text = f"powershell -enc {inside} {outside}"
    assert one.hide(text) == f"powershell -enc BLOB_1 {outside}"
    assert one.restore(one.hide(text)) == text


# -- placeholders -----------------------------------------------------------------------------


def test_models_may_change_case_and_add_punctuation() -> None:
    one = redaction()
    one.hide("web-01 WEB-01 mara.k 10.0.0.5")
    told = "host_1's log, **Host_1b**, HOST\\_1; (user_1) IP_1: HOST_9 stays, hosts_1 too"
    assert one.restore(told) == "web-01's log, **WEB-01**, web-01; (mara.k) 10.0.0.5: HOST_9 stays, hosts_1 too"


@pytest.mark.parametrize(
    "forged", ["HOST_1", "host_1", "HOST\\_1", "HOST_1b", "USER_1", "TEXT_2", "SECRET_1", "HOST%5F1"]
)
def test_a_placeholder_that_the_attacker_wrote_is_never_a_real_name(forged: str) -> None:
    one = redaction()
    assert one.hide("web-01 mara.k") == "HOST_1 USER_1"
    hidden = one.hide(f"see {forged} now")
    assert forged not in hidden
    assert one.restore(hidden) == f"see {forged} now"


def test_what_was_masked_is_not_masked_again() -> None:
    one = redaction()
    hidden = one.hide("web-01")
    assert isinstance(hidden, Hidden)
    assert one.hide(hidden) is hidden
    assert one.hide(str(f"{hidden}!")) == "TEXT_1!"


def test_another_conversation_knows_nothing_of_this_one() -> None:
    one, other = redaction(), redaction()
    assert one.hide("web-01") == "HOST_1"
    assert other.hide("fileserver") == "HOST_1"
    assert other.restore("HOST_1") == "fileserver"


def test_a_device_that_is_known_by_its_address_only_is_no_domain() -> None:
    one = Redaction(hosts=["203.0.113.66", "10.0.0.7", "2001:db8::1"])
    assert one.hide("203.0.113.66 198.0.113.66 10.0.0.7 2001:db8::1") == "203.0.113.66 198.0.113.66 IP_1 2001:db8::1"


def test_a_wrong_network_is_refused() -> None:
    with pytest.raises(ValueError, match=r"10\.0\.0\.0/99"):
        Redaction(own=["10.0.0.0/99"])


# -- any text ---------------------------------------------------------------------------------

PIECES = st.one_of(
    st.sampled_from([*NAMES, *ADDRESSES, *map(str.upper, NAMES), *(f"{kind}_1" for kind in Masked)]),
    st.sampled_from(
        [*"._-@:/\\%= \n'\"", "%2F", "%41", "%c3%bc", "%", "HOST_", "_1", "1", "a", "ü", "İ", "\ud800", "::", "\\\\"]
    ),
    st.text(max_size=5),
)
TEXTS = st.lists(PIECES, max_size=12).map("".join)


@given(TEXTS, TEXTS)
def test_any_text_comes_back(first: str, second: str) -> None:
    one = redaction()
    for text in (first, second, first):
        hidden = one.hide(text)
        if not re.search("SECRET_", hidden):
            assert one.restore(hidden) == text
        assert len(hidden) <= 5 * len(text)


@given(TEXTS, st.sampled_from([*NAMES, *ADDRESSES]), TEXTS)
def test_a_name_between_signs_is_never_left(before: str, name: str, after: str) -> None:
    hidden = redaction().hide(f"{before} {name} {after}")
    assert f" {name} " not in hidden


REPEATED = (
    "password=", "password: ", "-----BEGIN PRIVATE KEY-----", "eyJ", "eyJa.", "HOST_1", "HOST_1 ", "10.0.0.1", "a.",
    "a@",

    "net user ", "%41", "%25", "%", "::1:", "-p ", "Cookie: a=", "xoxb-", "\\\\ws-7\\", "/home/mara/", "ws-7", "ws-7 ",
    "A",
    "://a:b@", "mysql -p", "Bearer ", "aa:bb:cc:dd:ee:ff", "aad3b435b51404eeaad3b435b51404ee:", "corp.example.", "SG.",
    "İ",
    "net use \\\\a ", "token: ", "anna ", "anna lee", "$6$", "::a:0011223344556677:", "-u a:", "Cookie: \n", "ab/+",
)  # fmt: skip


@pytest.mark.parametrize("piece", REPEATED)
def test_a_long_text_takes_no_longer_than_its_length(piece: str) -> None:
    """Twenty thousand times; what is quadratic would not come back."""
    text = piece * 20_000
    one = redaction()
    hidden = one.hide(text)
    assert len(hidden) <= 5 * len(text)
    one.restore(hidden)
