"""What attacker-written text gives away. A hit can only raise a score; nothing here can lower one."""

from __future__ import annotations

import re
from functools import lru_cache

from vedette.types import TextKind, UntrustedText

# (name, what the analyst reads, needles, pattern). The order is the bit in `Signal.hits`: append only.
# Every match of the pattern holds one of the needles, in lower case: most text holds none and is passed over quickly.
PATTERNS: tuple[tuple[str, str, tuple[str, ...], str], ...] = (
    ("encoded_command", "an encoded or hidden shell command",
     ("-e", "base64", "hidden"),
     r"-e(?:nc|ncodedcommand)?\s+[A-Za-z0-9+/=]{24}|frombase64string|base64\s+(?:-d|--decode)|-w(?:indowstyle)?\s+hidden"),
    ("download_and_run", "a download that is run at once",
     ("curl", "wget", "certutil", "bitsadmin", "invoke-webrequest", "iwr", "downloadstring", "downloadfile"),
     r"(?:curl|wget|certutil|bitsadmin|invoke-webrequest|iwr|downloadstring|downloadfile)\b.{0,200}(?:\||iex|\bsh\b|\.exe|http)"),
    ("path_traversal", "a path that climbs out of its folder",
     ("../", "..\\", "%2e%2e", "/etc/passwd", "/etc/shadow"),
     r"(?:\.\./|\.\.\\|%2e%2e(?:%2f|/)){2}|/etc/(?:passwd|shadow)"),
    ("code_injection", "code or a query where a value belongs",
     ("${jndi:", "union", "<?php", ";", "|", "&&", "%3b", "1=1", "<script"),
     r"\$\{jndi:|union(?:\s|\+|%20)+(?:all\s+)?select|<\?php|(?:;|\||&&|%3b)\s*(?:id|whoami|cat|uname|nc|bash|sh)\b|\bor\s+1=1\b|<script"),
    ("web_shell", "a command passed to a web page",
     ("cmd=", "exec=", "command=", "wp_meta=", ".php"),
     r"[?&](?:cmd|exec|command|wp_meta)=|(?:c99|r57|b374k|wso)\.php"),
    ("credential_access", "a tool or file that holds credentials",
     ("mimikatz", "sekurlsa", "lsass", "ntds.dit", "procdump", "comsvcs", "hklm\\"),
     r"mimikatz|sekurlsa|lsass|ntds\.dit|procdump|comsvcs(?:\.dll)?.{0,20}minidump|reg(?:\.exe)?\s+save\s+hklm\\(?:sam|security|system)"),
    ("covering_tracks", "logs, copies or defences removed",
     ("wevtutil", "clear-eventlog", "vssadmin", "history", "disablerealtimemonitoring", "/var/log"),
     r"wevtutil(?:\.exe)?\s+cl|clear-eventlog|vssadmin(?:\.exe)?\s+delete|history\s+-c|disablerealtimemonitoring|rm\s+-rf?\s+/var/log"),
    ("remote_execution", "a command run on another machine",
     ("psexec", "wmic", "invoke-command", "schtasks", "winrm", "smbexec", "atexec"),
     r"psexec|wmic\b.{0,80}process\s+call\s+create|invoke-command\b|schtasks\b.{0,40}/s\s|winrm|\bsmbexec|atexec"),
    ("tunnelled_name", "a name that is long and random enough to carry data",
     (".",),
     r"(?:^|\.)[a-z0-9]{38,63}\."),
    ("instruction_to_a_model", "words addressed to an automatic reader",
     ("ignore ", "benign", "safe", "false positive", "you are ", "system prompt"),
     (r"ignore (?:all |any )?(?:previous|prior|above) (?:instructions|rules)"
      r"|(?:classify|mark|treat|label) (?:this|it|the alert).{0,30}(?:benign|safe|false positive)"
      r"|you are (?:now )?an? (?:ai|assistant|language model)|system prompt")),
)  # fmt: skip
NAMES = tuple(name for name, _, _, _ in PATTERNS)
_ONLY_IN = {"tunnelled_name": TextKind.DNS_NAME}  # else in every kind of text
_COMPILED = tuple(re.compile(pattern, re.IGNORECASE | re.DOTALL) for *_, pattern in PATTERNS)
_NEEDLES = {
    kind: tuple(
        (needle, i)
        for i, (name, _, needles, _) in enumerate(PATTERNS)
        if _ONLY_IN.get(name, kind) is kind
        for needle in needles
    )
    for kind in TextKind
}


@lru_cache(maxsize=8192)
def _hits(kind: TextKind, value: str) -> int:
    if value.isascii():
        low = value.lower()
        suspects = {i for needle, i in _NEEDLES[kind] if needle in low}
    else:  # patterns ignore case in ways that lower() does not: the long s is an s
        suspects = {i for _, i in _NEEDLES[kind]}
    return sum(1 << i for i in suspects if _COMPILED[i].search(value))


def hits_of(texts: tuple[UntrustedText, ...]) -> int:
    """Bits of `NAMES` found in any of the texts."""
    bits = 0
    for text in texts:
        bits |= _hits(text.kind, text.value)
    return bits


def describe(bits: int) -> tuple[str, ...]:
    """The hits in words."""
    return tuple(words for i, (_, words, _, _) in enumerate(PATTERNS) if bits >> i & 1)
