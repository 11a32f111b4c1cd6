"""What attacker-written text gives away. A hit can only raise a score; nothing here can lower one."""

from __future__ import annotations

import re
from functools import lru_cache

from vedette.types import TextKind, UntrustedText

# (name, what the analyst reads, pattern). The order is the bit in `Signal.hits`: append only.
PATTERNS: tuple[tuple[str, str, str], ...] = (
    ("encoded_command", "an encoded or hidden shell command",
     r"-e(?:nc|ncodedcommand)?\s+[A-Za-z0-9+/=]{24}|frombase64string|base64\s+(?:-d|--decode)|-w(?:indowstyle)?\s+hidden"),
    ("download_and_run", "a download that is run at once",
     r"(?:curl|wget|certutil|bitsadmin|invoke-webrequest|iwr|downloadstring|downloadfile)\b.{0,200}(?:\||iex|\bsh\b|\.exe|http)"),
    ("path_traversal", "a path that climbs out of its folder", r"(?:\.\./|\.\.\\|%2e%2e(?:%2f|/)){2}|/etc/(?:passwd|shadow)"),
    ("code_injection", "code or a query where a value belongs",
     r"\$\{jndi:|union(?:\s|\+|%20)+(?:all\s+)?select|<\?php|(?:;|\||&&|%3b)\s*(?:id|whoami|cat|uname|nc|bash|sh)\b|\bor\s+1=1\b|<script"),
    ("web_shell", "a command passed to a web page", r"[?&](?:cmd|exec|command|wp_meta)=|(?:c99|r57|b374k|wso)\.php"),
    ("credential_access", "a tool or file that holds credentials",
     r"mimikatz|sekurlsa|lsass|ntds\.dit|procdump|comsvcs(?:\.dll)?.{0,20}minidump|reg(?:\.exe)?\s+save\s+hklm\\(?:sam|security|system)"),
    ("covering_tracks", "logs, copies or defences removed",
     r"wevtutil(?:\.exe)?\s+cl|clear-eventlog|vssadmin(?:\.exe)?\s+delete|history\s+-c|disablerealtimemonitoring|rm\s+-rf?\s+/var/log"),
    ("remote_execution", "a command run on another machine",
     r"psexec|wmic\b.{0,80}process\s+call\s+create|invoke-command\b|schtasks\b.{0,40}/s\s|winrm|\bsmbexec|atexec"),
    ("tunnelled_name", "a name that is long and random enough to carry data", r"(?:^|\.)[a-z0-9]{38,63}\."),
    ("instruction_to_a_model", "words addressed to an automatic reader",
     r"ignore (?:all |any )?(?:previous|prior|above) (?:instructions|rules)|(?:classify|mark|treat|label) (?:this|it|the alert).{0,30}"
     r"(?:benign|safe|false positive)|you are (?:now )?an? (?:ai|assistant|language model)|system prompt"),
)  # fmt: skip
NAMES = tuple(name for name, _, _ in PATTERNS)
_COMPILED = tuple(
    (re.compile(p, re.IGNORECASE | re.DOTALL), None if name != "tunnelled_name" else TextKind.DNS_NAME)
    for name, _, p in PATTERNS
)


_ANY = re.compile(
    "|".join(f"(?:{p})" for name, _, p in PATTERNS if name != "tunnelled_name"), re.IGNORECASE | re.DOTALL
)


@lru_cache(maxsize=8192)
def _hits(kind: TextKind, value: str) -> int:
    bits = 0
    if kind is not TextKind.DNS_NAME and not _ANY.search(value):
        return 0
    for i, (pattern, only) in enumerate(_COMPILED):
        if (only is None or only is kind) and pattern.search(value):
            bits |= 1 << i
    return bits


def hits_of(texts: tuple[UntrustedText, ...]) -> int:
    """Bits of `NAMES` found in any of the texts."""
    bits = 0
    for text in texts:
        bits |= _hits(text.kind, text.value)
    return bits


def describe(bits: int) -> tuple[str, ...]:
    """The hits in words."""
    return tuple(words for i, (_, words, _) in enumerate(PATTERNS) if bits >> i & 1)
