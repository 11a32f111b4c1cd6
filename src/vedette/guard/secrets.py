"""Where a text holds passwords, keys, tokens and password hashes. Linear in the text's length.

What is found is masked for good, so a rule has to be sure: words alone ("invalid token: expected ;") are no secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

Span = tuple[int, int]

_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
# Tokens that their issuer marks. A look-behind that excludes the token's own letters keeps each pattern linear.
_TOKENS = re.compile(
    r"(?<![A-Za-z0-9])(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}(?![A-Za-z0-9])"
    r"|(?<![A-Za-z0-9_])gh[pousr]_[A-Za-z0-9]{20,}"
    r"|(?<![A-Za-z0-9_])github_pat_[A-Za-z0-9_]{20,}"
    r"|(?<![A-Za-z0-9-])xox[abeoprs]-[A-Za-z0-9-]{10,}"
    r"|(?<![A-Za-z0-9_-])(?:glpat-|sk-|sk_live_|rk_live_|pypi-|npm_|hvs\.|dop_v1_|AIza)[A-Za-z0-9_-]{20,}"
    r"|(?<![A-Za-z0-9_.-])SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"
    r"|(?<![A-Za-z0-9_.-])eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{4,}\.?[A-Za-z0-9_-]*"
    r"|(?<=hooks\.slack\.com/services/)[A-Za-z0-9/]{20,}"
    r"|\$(?:1|2[abxy]|5|6|y|7|apr1)\$[A-Za-z0-9./$=,]{20,}"  # crypt(3)
    r"|\$krb5(?:tgs|asrep|pa)\$[^\s\"']{20,}"
)
_NAMES = (
    r"pass(?:word|wd|phrase|wort)?|passcode|pwd|pw|secret|api[_-]?key|access[_-]?key(?:[_-]?id)?|account[_-]?key"
    r"|shared[_-]?access[_-]?key|private[_-]?key|client[_-]?secret|secret[_-]?(?:access[_-]?)?key|auth[_-]?token"
    r"|access[_-]?token|refresh[_-]?token|id[_-]?token|csrf[_-]?token|token|x-api-key|x-auth-token"
    r"|sessionid|session[_-]?(?:id|token|key)|phpsessid|jsessionid|asp\.net_sessionid|sig|signature"
)
_ASSIGNED = re.compile(
    rf"(?<![A-Za-z0-9])(?:[A-Za-z0-9]{{1,20}}[_-])?(?:{_NAMES})[\"']?(?P<sign>\s{{0,3}}=\s{{0,3}}|\s{{0,2}}:\s{{0,2}})"
    r"(?:\"(?P<double>[^\"\n]{1,4096})\"|'(?P<single>[^'\n]{1,4096})'|(?P<bare>[^\s\"'&;,<>|)\]}]+))",
    re.IGNORECASE,
)
_FLAG = re.compile(
    r"(?:(?<=\s)|^)(?:--?|/)(?:password|passwd|passphrase|pass|pwd|rp|secret|token|api-?key)"
    r"(?:[:=]|\s{1,3})(?:\"([^\"\n]{1,4096})\"|'([^'\n]{1,4096})'|([^\s\"']+))",
    re.IGNORECASE,
)
# `-p` is a password only with these tools; with others it is a port, a path or a process.
_TOOLS = re.compile(
    r"(?<![A-Za-z0-9])(?:mysql(?:dump|admin)?|psexec(?:64)?|paexec|sshpass|plink|pscp|winexe|evil-winrm|nxc|netexec"
    r"|crackmapexec|cme|xfreerdp|rdesktop|7z[ar]?|rar|winrar|ldapsearch|sqlcmd|osql|bcp|mongo(?:sh)?|smbclient"
    r"|docker\s{1,3}login|wmiexec|bloodhound-python)(?:\.exe|\.py)?(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_SHORT_FLAG = re.compile(
    r"(?<=\s)[-/][pPw](?::|\s{0,3})(?:\"([^\"\n]{1,400})\"|'([^'\n]{1,400})'|([^\s\"'/:-][^\s\"']*))"
)
_PORTS = re.compile(r"\d{1,5}(?:[,-]\d{1,5})*$")
_NET_USER = re.compile(r"(?<![A-Za-z0-9])net1?(?:\.exe)?\s{1,4}user\s{1,4}[^\s/]\S*\s{1,4}([^\s/*]\S*)", re.IGNORECASE)
_NET_USE = re.compile(
    r"(?<![A-Za-z0-9])net1?(?:\.exe)?\s{1,4}use\s{1,4}(?:[A-Z*]:?\s{1,4})?\\\\\S{1,300}\s{1,4}"
    r"(?:/user:\S{1,300}\s{1,4})?([^\s/*]\S*)",
    re.IGNORECASE,
)
_SECURE_STRING = re.compile(
    r"ConvertTo-SecureString\s{1,3}(?:-String\s{1,3})?[\"']([^\"'\n]{1,400})[\"']", re.IGNORECASE
)
_CURL = re.compile(r"(?:(?<=\s)-u\s{0,3}|--(?:proxy-)?user[ =])[\"']?[^\s:\"']{1,200}:([^\s\"']+)")
_IN_URL = re.compile(r"://[^\s/?#@:]{0,200}:([^\s/?#]{1,200})@")
_SCHEME = re.compile(
    r"(?<![A-Za-z0-9])(?:Bearer|Basic|Negotiate|NTLM|Digest|ApiKey)\s{1,3}([A-Za-z0-9+/=._~-]{6,})", re.IGNORECASE
)
_COOKIE = re.compile(r"(?<![A-Za-z0-9])(?:Set-)?Cookie[\"']?:\s{0,3}", re.IGNORECASE)
_CRUMB = re.compile(r"[^\s=;,\"']{1,100}=([A-Za-z0-9%+/=_.~:-]{8,})")
_HASHES = re.compile(
    r"(?:(?<![A-Za-z0-9])(?:-hashes|-H|/(?:ntlm|rc4|aes128|aes256|hash):|(?:nt|lm|ntlm|net-?ntlm)[\s_-]?hash(?:es)?|ntlm)[\s:=\"']{0,4})"
    r"((?:[0-9a-f]{32})?:?[0-9a-f]{32}(?:[0-9a-f]{32})?)(?![0-9a-f])"
    r"|(?<![0-9a-f])((?:[0-9a-f]{32}):[0-9a-f]{32}):::"
    r"|::[^\s:]{1,100}:([0-9a-f]{16}:[0-9a-f]{32}:[0-9a-f]+)",
    re.IGNORECASE,
)  # fmt: skip


def secrets(text: str) -> list[Span]:
    """Spans of the secret values alone, without the words that tell what they are. They may overlap."""
    return [span for find in _FINDERS for span in find(text) if span[0] < span[1]]


def _private_keys(text: str) -> Iterator[Span]:
    """A key without an end reaches to the end of the text: the rest of it may have been cut."""
    at = 0
    while begin := _BEGIN.search(text, at):
        end = _END.search(text, begin.end())
        at = end.end() if end else len(text)
        yield begin.start(), at


def _tokens(text: str) -> Iterator[Span]:
    for match in _TOKENS.finditer(text):
        yield match.span()


def _assigned(text: str) -> Iterator[Span]:
    for match in _ASSIGNED.finditer(text):
        name = match.lastgroup or "bare"
        value, sure = match[name], "=" in match["sign"] or name != "bare"
        if value.strip("*") and (sure or _opaque(value)):
            yield match.span(name)


def _flags(text: str) -> Iterator[Span]:
    for match in _FLAG.finditer(text):
        yield match.span(match.lastindex or 0)
    tool = _TOOLS.search(text)
    for match in _SHORT_FLAG.finditer(text, tool.end()) if tool else ():
        if not _PORTS.match(match[match.lastindex or 0]):
            yield match.span(match.lastindex or 0)


def _commands(text: str) -> Iterator[Span]:
    lowered = text.lower()
    for needle, pattern in _COMMANDS:
        if needle in lowered:
            yield from (match.span(1) for match in pattern.finditer(text))


_COMMANDS = (("net", _NET_USER), ("net", _NET_USE), ("securestring", _SECURE_STRING), ("curl", _CURL), ("://", _IN_URL))


def _schemes(text: str) -> Iterator[Span]:
    return (match.span(1) for match in _SCHEME.finditer(text) if _opaque(match[1]))


def _cookies(text: str) -> Iterator[Span]:
    """Values that look like session ids; a payload that somebody puts into a cookie is evidence."""
    at = 0
    while header := _COOKIE.search(text, at):
        end = text.find("\n", header.end())
        at = len(text) if end < 0 else end
        yield from (crumb.span(1) for crumb in _CRUMB.finditer(text, header.end(), at) if _opaque(crumb[1]))


def _hashes(text: str) -> Iterator[Span]:
    return (match.span(match.lastindex or 0) for match in _HASHES.finditer(text))


_FINDERS = (_private_keys, _tokens, _assigned, _flags, _commands, _schemes, _cookies, _hashes)


def _opaque(value: str) -> bool:
    """No word of a language: digits or signs among the letters, or capitals within."""
    body = value[:200].rstrip(".,:;")
    return len(body) >= 4 and (
        not body.isalpha() or (len(body) >= 12 and body != body.lower() and body[1:] != body[1:].lower())
    )
