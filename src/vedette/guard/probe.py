"""Does a text talk to a language model? For a warning to the analyst; nothing is dropped or lowered because of it.

Words are looked up by what they do (override, order, verdict, …) and judged by which stand near each other, so that
new wordings of an old idea are seen, too. One layer of encoding is looked through. Linear; under 1 ms for 4 kB.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from vedette.guard.neutralise import printable

READ = 20_000  # characters
NEAR = 8  # words
QUOTED = 80  # characters that are shown
STEM = 12  # characters of the longest stem


class Warning(NamedTuple):
    """What was seen, and the words that say so, harmless to look at."""

    family: str
    quote: str


class _Pair(NamedTuple):
    first: str
    then: str
    family: str
    prose: int = 2  # function words around, so that names of files and options are none
    near: int = NEAR


# `first` comes before `then`.
_PAIRS = (
    _Pair("over", "order", "override", prose=1),
    _Pair("order", "over", "override", prose=3),
    _Pair("order", "verdict", "override", prose=3),
    _Pair("role", "model", "role_play", prose=1),
    _Pair("role", "verdict", "role_play"),
    _Pair("role", "about", "role_play"),
    _Pair("role", "hide", "role_play"),
    _Pair("role", "tell", "role_play"),
    _Pair("role", "cite", "role_play"),
    _Pair("model", "verdict", "verdict"),
    _Pair("act", "verdict", "verdict"),
    _Pair("about", "verdict", "verdict", prose=4),
    _Pair("you", "verdict", "verdict", prose=3),
    _Pair("you", "about", "verdict", prose=5),
    _Pair("hide", "about", "hide"),
    _Pair("about", "hide", "hide", prose=3),
    _Pair("tell", "inside", "leak"),
    _Pair("inside", "tell", "leak", prose=3),
    _Pair("tell", "about", "leak", prose=3),
    _Pair("model", "act", "verdict", prose=1),
    _Pair("model", "tell", "leak", prose=1),
    _Pair("act", "about", "verdict", prose=3),
    _Pair("act", "named", "id_spoofing", prose=3),
    _Pair("cite", "named", "id_spoofing"),
    _Pair("act", "form", "schema"),
    _Pair("tell", "form", "schema"),
    _Pair("form", "act", "schema", prose=3),
    _Pair("f:over", "f:order", "override", prose=0),
    _Pair("f:order", "f:over", "override", prose=0),
    _Pair("f:order", "f:verdict", "override", prose=0),
)

_MARK_NEEDLES = (
    "<|", "inst]", "sys>>", "of_turn", "trusted", "tool", "function", "instruction", "system", "assistant", "human",
    "observation", "thought", "action input", "##", "![", "hyperlink(", "\x1b", "\x9b",
)  # fmt: skip
_MARKS = re.compile(
    r"<\|[a-z_]{2,24}\|>|\[/?inst\]|<</?sys>>|<(?:start|end)_of_turn>"
    r"|</?(?:untrusted|end_untrusted|trusted|tool_result|function_response|instructions?|system|assistant)\b"
    r"|(?:^|\n|\\n)\s{0,4}(?:assistant|system|human|observation|thought|action input)\s{0,2}[:>]"
    r"|(?:^|\n)#{2,4}\s{0,2}(?:instruction|response|system|updated instruction|task)"
    r"|end of untrusted|tool[ _](?:call|output|result|response)|function[ _](?:result|response)"
    r"|<!--\s{0,3}(?:assistant|system|model)"
)
_ACTIVE = re.compile(r"!\[[^\]\n]{0,80}\]\(\w{2,8}:|=hyperlink\(|\x1b\]|\x1b\[[0-3]?J|\x9b\d", re.IGNORECASE)
_RECORD = re.compile(
    r"(?<![?&\w])[\\\"'*<&u0-9]{0,8}(?:final[ _]?)?(?:verdict|disposition|known_good)"
    r"[\\\"'*>u0-9]{0,8}\s{0,2}(?:[:=(|>]|is)\s{0,2}"
    r"[\\\"'*&u0-9]{0,8}(?:likely[ _]benign|benign|false[ _-]positive|clean|undecided|true|null|low)"
)
_RECORD_NEEDLES = ("verdict", "disposition", "known_good")
_TAGS = re.compile("[\U000e0000-\U000e007f]{3,}")
_BLANK = re.compile("[\u00ad\u034f\u200b-\u200f\u2060-\u2064\ufe00-\ufe0f\ufeff\u0332]")
_LACED = re.compile("(?:[A-Za-z][\u00ad\u034f\u200b-\u200d\u2060-\u2064\ufe00-\ufe0f\ufeff\u0332]){4}")
_TURNED = re.compile("[\u202d\u202e]")
_WORD = re.compile(r"[^\W_]+")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{20,}={0,2}")
_HEX = re.compile(r"(?<![0-9A-Za-z])(?:[0-9a-fA-F]{2}){12,}(?![0-9A-Za-z])")
_UNICODE = re.compile(r"(?:\\u[0-9a-fA-F]{4}){4,}")
_ENTITIES = re.compile(r"(?:&#(?:[0-9]{1,6}|x[0-9a-fA-F]{1,5});){4,}")
_LOOKALIKES = str.maketrans("асеорхуіΑΝΒВЕСНКМОРТХ", "aceopxyiANBBECHKMOPTX")


def probe(text: str) -> tuple[Warning, ...]:
    """One warning a family at most; nothing beyond `READ` characters is read."""
    text = text[:READ]
    found: dict[str, str] = {}
    for family, quote in _seen(text):
        found.setdefault(family, quote)
    return tuple(Warning(family, printable(quote, QUOTED)) for family, quote in found.items())


def _seen(text: str) -> Iterator[tuple[str, str]]:
    yield from _plain(text)
    for inner in _layers(text):
        for family, quote in _plain(inner):
            yield "encoded", quote
            yield family, quote
    if not text.isascii():
        yield from _unseen(text)


def _plain(text: str) -> Iterator[tuple[str, str]]:
    low = text.lower()
    if any(needle in low for needle in _MARK_NEEDLES):
        if match := _MARKS.search(low):
            yield "fence", match[0].strip()
        if match := _ACTIVE.search(low):
            yield "active", match[0]
    if any(needle in low for needle in _RECORD_NEEDLES) and (match := _RECORD.search(low)):
        yield "verdict", match[0]
    yield from _near(low)


def _unseen(text: str) -> Iterator[tuple[str, str]]:
    """What a reader cannot see but a model reads."""
    if match := _TAGS.search(text):
        hidden = "".join(chr(ord(char) - 0xE0000) for char in match[0])
        yield "invisible", hidden
        yield from _plain(hidden)
    if match := _LACED.search(text):
        yield "invisible", match[0]
    if match := _TURNED.search(text):
        yield "invisible", text[match.start() : match.start() + QUOTED]
        yield from _plain(text[::-1])
    folded = _BLANK.sub("", unicodedata.normalize("NFKC", text)).translate(_LOOKALIKES)
    if folded != text:
        yield from _plain(folded)


def _layers(text: str) -> Iterator[str]:
    """Each piece that some encoding wraps, unwrapped once."""
    for pattern, decode in _WRAPPINGS:
        for match in pattern.finditer(text):
            inner = decode(match[0])
            if inner and len(inner) >= 8:
                yield inner
    if text.count("%") >= 4:
        yield unquote(text)


def _of_base64(wrapped: str) -> str:
    body = wrapped.rstrip("=").replace("-", "+").replace("_", "/")
    body = body[: len(body) - (len(body) % 4 == 1)]
    try:
        return _text(base64.b64decode(body + "=" * (-len(body) % 4)))
    except binascii.Error:
        return ""


def _text(data: bytes) -> str:
    """ "" for bytes that are no text."""
    wide = data[1::2].count(0) * 2 > len(data) // 2
    try:
        text = data.decode("utf-16-le" if wide else "utf-8")
    except UnicodeDecodeError:
        return ""
    return text if sum(map(str.isprintable, text)) >= 0.9 * len(text) else ""


_WRAPPINGS: tuple[tuple[re.Pattern[str], Callable[[str], str]], ...] = (
    (_BASE64, _of_base64),
    (_HEX, lambda wrapped: _text(bytes.fromhex(wrapped))),
    (_UNICODE, lambda wrapped: "".join(chr(int(code, 16)) for code in wrapped.split("\\u")[1:])),
    (_ENTITIES, html.unescape),
)


@dataclass(frozen=True, slots=True)
class _Lexicon:
    words: dict[str, tuple[str, ...]]
    stems: dict[str, tuple[str, ...]]
    phrases: tuple[tuple[str, str], ...]
    parts: tuple[tuple[str, str], ...]
    shortest: int  # of a stem
    pairs: dict[str, tuple[_Pair, ...]]  # by `then`


@cache
def _lexicon() -> _Lexicon:
    data: dict[str, Any] = tomllib.loads(Path(__file__).with_name("probe.toml").read_text("utf-8"))
    words: dict[str, tuple[str, ...]] = {}
    for name, several in data["english"].items():
        for word in several.split():
            for spelled in (word, codecs.encode(word, "rot13")) if len(word) > 2 else (word,):
                words[spelled] = (*words.get(spelled, ()), name)
    stems: dict[str, tuple[str, ...]] = {
        word: (f"f:{name}",) for name, table in data["stems"].items() for word in table["words"].split()
    }
    return _Lexicon(
        words,
        stems,
        tuple((phrase, f" {name} ") for name, several in data["phrases"].items() for phrase in several),
        tuple((part, f"f:{name}") for name, several in data["parts"].items() for part in several),
        min(map(len, stems)),
        {then: tuple(pair for pair in _PAIRS if pair.then == then) for then in {pair.then for pair in _PAIRS}},
    )


def _near(low: str) -> Iterator[tuple[str, str]]:
    lexicon = _lexicon()
    for phrase, word in lexicon.phrases:
        if phrase in low:
            low = low.replace(phrase, word)
    words = _WORD.findall(low)
    last: dict[str, int] = {}
    close: list[tuple[_Pair, int, int]] = []
    prose = [0]  # function words before each place
    for at, word in enumerate(words):
        names = _does(word)
        prose.append(prose[-1] + ("prose" in names))
        for name in names:
            for pair in lexicon.pairs.get(name, ()):
                before = last.get(pair.first, -1_000)
                if before != at and at - before <= pair.near:
                    close.append((pair, before, at))
            last[name] = at
    for pair, before, at in close:
        if prose[min(at + 5, len(words))] - prose[max(0, before - 3)] >= pair.prose:
            yield pair.family, " ".join(words[max(0, before - 1) : at + 2])
    if not low.isascii():
        seen = {name for part, name in lexicon.parts if part in low}
        if "f:order" in seen and len(seen) > 1:
            yield "override", low


@lru_cache(maxsize=65_536)
def _does(word: str) -> tuple[str, ...]:
    """What a word does, whole or by its stem."""
    lexicon = _lexicon()
    if found := lexicon.words.get(word):
        return found
    lengths = range(min(len(word), STEM), lexicon.shortest - 1, -1)
    return next((found for length in lengths if (found := lexicon.stems.get(word[:length], ()))), ())
