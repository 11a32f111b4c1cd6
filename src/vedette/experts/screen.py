"""What a text is before the network sees it: nothing, bytes, another language, a rejected CVE, or something to read."""

from __future__ import annotations

import re
import unicodedata

from vedette.experts.answers import Reason

SHORTEST = 3  # words
PART = 4_000  # characters that are judged together
LONGEST = 100_000  # characters; a description that is longer is none
_WORD = re.compile(r"[^\W\d_]+")
_REJECTED = re.compile(r"\s*(?:\*\*\s*)?(?:REJECT(?:ED)?\s*\*\*|Rejected reason:)", re.IGNORECASE)
_ENGLISH_WORDS = """
a an the of in on to for and or is are was were be by with via from that this which when while before after not no it
its can could may might allows allow allowed through as at into if use used uses using has have attacker attackers
user users file files version versions remote local code server issue vulnerability
"""
# German, French, Spanish, Italian, Portuguese, Dutch; Polish, Czech, Romanian; Turkish, Hungarian, Finnish, Swedish;
# Indonesian, Vietnamese; without words that English or code has, too
_FOREIGN_WORDS = """
der das und ein eine einer ist nicht mit von für auf bei durch wird werden kann können über mittels erlaubt angreifern
les une et est dans pour par avec qui sur peut être permet aux ces
los las del una que por para puede permite como gli che sono nella può consente della
uma não pode através het een niet voor door wordt kan
jest nie przez oraz przy może umożliwia który která může umožňuje nebo při pomocí și într poate permite prin
bir bu için ile olarak olan izin hogy egy nem lehet lehetővé joka että voi mahdollistaa och det för genom kräver från
yang dan untuk dengan dapat pada dari melalui của và cho các một được không trong phép
"""
_ENGLISH, _FOREIGN = frozenset(_ENGLISH_WORDS.split()), frozenset(_FOREIGN_WORDS.split())
FEW = 6  # words, below which a text shows no language
LATIN = 0.7  # share of letters; half of it beside a sentence of English, as names have any letters
SHARE = 0.15  # of function words that another language needs
HEX = 0.5  # share of a text's characters in hex, from which it is a dump
AROUND = 2  # words beside base64 that make a text of it, such as those of a command
_HEX = re.compile(r"(?<!\S)[0-9A-Fa-f]{2,8}(?:\s+[0-9A-Fa-f]{2,8}){7,}(?!\S)")
_BASE64 = re.compile(r"(?<!\S)[A-Za-z0-9+/=_-]{60,}(?!\S)")


def clean(text: str) -> str:
    """Spaces stand for what is no character, lone surrogates among it. Offsets stay as they are."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c in "\n\t\r" or unicodedata.category(c)[0] != "C" else " " for c in text)


def screen(text: str) -> Reason:
    """Why there is nothing to decide, or DECIDED where the network may read it: one part that it can read is enough."""
    if not text or text.isspace():
        return Reason.EMPTY
    if len(text) <= LONGEST and _REJECTED.match(text):
        return Reason.REJECTED
    if len(text) > LONGEST:
        return Reason.BINARY if _binary(text[:PART]) else Reason.LONG
    reasons = [_part(text[start : start + PART]) for start in range(0, len(text), PART)]
    return Reason.DECIDED if Reason.DECIDED in reasons else reasons[0]


def _part(text: str) -> Reason:
    if _binary(text):
        return Reason.BINARY
    words = _WORD.findall(text.lower())
    if len(words) < SHORTEST:
        return Reason.SHORT
    return Reason.LANGUAGE if _foreign(text, words) else Reason.DECIDED


def _binary(text: str) -> bool:
    odd = sum(1 for c in text if (c < " " and c not in "\n\r\t") or c == "\ufffd" or "\ud800" <= c <= "\udfff")
    return odd > 0.05 * len(text) or _encoded(text)


def _encoded(text: str) -> bool:
    """Bytes that are written as hex or base64, with next to nothing said about them."""
    if sum(len(match.group()) for match in _HEX.finditer(text)) >= HEX * len(text):
        return True
    left, blobs = _BASE64.subn(" ", text)
    return blobs > 0 and len(left.split()) < AROUND


def _foreign(text: str, words: list[str]) -> bool:
    letters = [c for c in text if c.isalpha()]
    latin = sum(1 for c in letters if c < "\u0250")
    english = sum(word in _ENGLISH for word in words)
    if latin < (LATIN if english < FEW else LATIN / 2) * len(letters):
        return True
    if len(words) < FEW:
        return False
    foreign = sum(word in _FOREIGN for word in words)
    return foreign > english and (foreign >= SHARE * len(words) or english == 0)
