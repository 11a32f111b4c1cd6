"""Claims of a language model, held against the evidence that they cite. What does not hold is dropped and counted.

A sentence stays where all of this is so: it cites exhibits that were shown; its quote stands in one of them, word for
word; every id in it is in the knowledge store and was shown; every number, time, address, file or host name in it
stands in what it cites, or in the decision; it is plain text in the language of the evidence; it repeats nothing that
an attacker wrote, which has its place in the quote alone; it shares words with what it cites; and it does not argue
for less concern than the decision has.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from vedette.guard.claims import Stated
from vedette.guard.fence import Exhibit, plain
from vedette.guard.wording import NEUTRAL, calming, folded, telling
from vedette.knowledge.ids import Mention, State, mentions
from vedette.knowledge.store import Knowledge

REPEATED = 4  # words in a row that are no coincidence
FOREIGN = 0.1  # share of letters beyond Latin
GROUNDED = 0.5  # share of a sentence's telling words that stand in what it cites, or in the decision


class Fault(StrEnum):
    """Why a sentence was dropped."""

    EVIDENCE = "cites no evidence that was shown"
    QUOTE = "quotes what is not there"
    ID = "names an id that is unknown or was not shown"
    NUMBER = "has a number or time that its evidence does not have"
    NAME = "names an address, file or host that its evidence does not"
    ACTIVE = "holds a link, markup or control characters"
    LANGUAGE = "is in another language than the evidence"
    REPEATS = "repeats attacker-written text outside a quote"
    CALMS = "argues for less concern than the decision has"
    UNSUPPORTED = "shares too few words with its evidence"
    LENGTH = "is longer than a claim may be"
    SHAPE = "is no claim of the shape that was asked for"
    MANY = "comes after as many claims as are shown"


@dataclass(frozen=True, slots=True)
class Kept:
    """What is left of a claim."""

    text: str
    evidence: tuple[str, ...]  # ids of exhibits
    quote: str = ""  # as the exhibit has it
    untrusted: bool = False  # an attacker may have written the quote
    fresh: bool = False  # the quote is from an exhibit that the decision does not rest on


class Ground:
    """What claims are held against: all that a model was shown. `calm`: the decision itself sees no harm."""

    def __init__(self, decision: str, exhibits: Sequence[Exhibit], store: Knowledge, *, calm: bool = False) -> None:
        self.decision, self.store, self.calm = decision, store, calm
        self.dropped: Counter[Fault] = Counter()
        self._by_id = {exhibit.id: exhibit for exhibit in exhibits}
        vouched = " ".join([decision, *(e.facts for e in exhibits)])
        self._attackers = {run for e in exhibits for text in e.texts for run in _runs(text.text)} - _runs(vouched)
        self._ids = {m.id for m in mentions(vouched, self.store) if m.state is not State.UNKNOWN}

    def verified(self, claims: Iterable[Stated]) -> Iterator[Kept]:
        """The claims that stand, in order; what falls is counted in `dropped`, by the sentence."""
        for claim in claims:
            yield from self.one(claim)

    def one(self, claim: Stated) -> list[Kept]:
        cited = [self._by_id[uid] for uid in dict.fromkeys(claim.evidence) if uid in self._by_id]
        sentences = list(_sentences(claim.text))
        if not cited or len(cited) < len(set(claim.evidence)):
            return self._drop(Fault.EVIDENCE, len(sentences))
        quoted = _quoted(claim.quote, cited)
        if claim.quote.strip() and quoted is None:
            return self._drop(Fault.QUOTE, len(sentences))
        kept = []
        for sentence in sentences:
            fault = self._fault(sentence, cited)
            if fault:
                self.dropped[fault] += 1
            else:
                kept.append(sentence)
        if not kept:
            return []
        quote, untrusted, fresh = quoted or ("", False, False)
        return [Kept(" ".join(kept), tuple(e.id for e in cited), quote, untrusted, fresh)]

    def _drop(self, fault: Fault, sentences: int) -> list[Kept]:
        self.dropped[fault] += max(1, sentences)
        return []

    def _fault(self, sentence: str, cited: Sequence[Exhibit]) -> Fault | None:
        ids = cache(lambda: mentions(sentence, self.store))
        bare = cache(lambda: _bare(sentence, ids()))
        checks: tuple[tuple[Fault, Callable[[], bool]], ...] = (
            (Fault.LENGTH, lambda: len(sentence) > _LONGEST),
            (Fault.ACTIVE, lambda: _active(sentence)),
            (Fault.LANGUAGE, lambda: _foreign(sentence) > FOREIGN),
            (Fault.REPEATS, lambda: not self._attackers.isdisjoint(_runs(sentence))),
            (Fault.CALMS, lambda: not self.calm and self._calms(sentence, cited)),
            (Fault.ID, lambda: any(map(self._strange, ids()))),
            (Fault.NUMBER, lambda: not _numbers(bare()) <= _allowed(self.decision, cited)),
            (Fault.NAME, lambda: not _names(bare()) <= _named(self.decision, cited)),
            (Fault.UNSUPPORTED, lambda: self._grounded(sentence, cited) < GROUNDED),
        )
        return next((fault for fault, is_so in checks if is_so()), None)

    def _calms(self, sentence: str, cited: Sequence[Exhibit]) -> bool:
        """More than the evidence that it cites does."""
        said = folded(" ".join(e.facts for e in cited))
        return any(words not in said for words in calming(sentence))

    def _strange(self, mention: Mention) -> bool:
        return mention.state is State.UNKNOWN or mention.kind is None or mention.id not in self._ids

    def _grounded(self, sentence: str, cited: Sequence[Exhibit]) -> float:
        words = telling(sentence)
        known = telling(" ".join([self.decision, *(e.facts for e in cited)]))
        if self.calm:
            known |= telling(" ".join(calming(sentence)))
        found, needed = words & known, words - NEUTRAL | words & known
        return len(found) / len(needed) if found else 0.0


_LONGEST = 640  # characters of a sentence
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z“\"(\d])")
_CITATION = re.compile(r"[\[(]?\bE\d{1,3}\b[\])]?")
_WORD = re.compile(r"\w+")
_ACTIVE = re.compile(
    r"[<>`{}|\\]|!?\[[^\]]*\]\(|\]\s*\[|\b(?:[a-z][a-z0-9+.-]{1,15}:(?://|\\\\)|(?:javascript|data|mailto|file|vbscript):)"
    r"|\bwww\.|&#?\w{1,10};|\*\*|__|[\[\]]\s*:",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"(?<![\w.:/-])\d+(?:[.,:/-]\d+)*(?![\w])")
_COUNTS = "two three four five six seven eight nine ten eleven twelve"
_NUMBER_WORDS = {word: str(number) for number, word in enumerate(_COUNTS.split(), 2)}
_DATE, _TIME = re.compile(r"\d{4}-\d\d-\d\d"), re.compile(r"(\d\d:\d\d)(:\d\d)?")
_NAME = re.compile(r"[\w$@.:/\\~%+-]*[\w$]")


def _bare(sentence: str, ids: Sequence[Mention]) -> str:
    """Without ids, which are checked on their own."""
    for mention in reversed(ids):
        sentence = sentence[: mention.start] + sentence[mention.end :]
    return _CITATION.sub(" ", sentence)


def _sentences(text: str) -> Iterator[str]:
    """On one line each; controls stay, so that they are seen to be there."""
    for part in _SENTENCE.split(text.strip()):
        if part.strip():
            yield part.strip()


def _runs(text: str) -> set[tuple[str, ...]]:
    """Every `REPEATED` words in a row, folded, so that no spelling hides them."""
    words = _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    return {tuple(words[n : n + REPEATED]) for n in range(len(words) - REPEATED + 1)}


def _active(sentence: str) -> bool:
    return not sentence.isprintable() or plain(sentence) != sentence or bool(_ACTIVE.search(sentence))


def _foreign(sentence: str) -> float:
    letters = [char for char in sentence if char.isalpha()]
    return sum(not unicodedata.name(char, "").startswith("LATIN") for char in letters) / max(1, len(letters))


def _quoted(quote: str, cited: Sequence[Exhibit]) -> tuple[str, bool, bool] | None:
    """The quote, whether an attacker may have written it, whether its exhibit is new to the decision."""
    wanted = _spaced(quote)
    if len(wanted) < 3:
        return None
    for exhibit in cited:
        if wanted in _spaced(plain(exhibit.facts)):
            return wanted, False, not exhibit.counted
        if any(wanted in _spaced(plain(text.text)) for text in exhibit.texts):
            return wanted, True, not exhibit.counted
    return None


def _spaced(text: str) -> str:
    return " ".join(text.split())


def _numbers(text: str) -> set[str]:
    """Numbers of a sentence, spelled as digits; those inside names are the names' affair."""
    found = {_plain_number(match) for match in _NUMBER.findall(text) if not _is_address(match)}
    return found | {_NUMBER_WORDS[word] for word in _WORD.findall(text.casefold()) if word in _NUMBER_WORDS}


def _plain_number(number: str) -> str:
    """1,234 is 1234, and 007 is 7; times and dates stay."""
    bare = re.sub(r",(?=\d{3}\b)", "", number)
    return bare.lstrip("0") or "0" if bare.isdigit() else bare


def _is_address(number: str) -> bool:
    return number.count(".") == 3


def _allowed(decision: str, cited: Sequence[Exhibit]) -> set[str]:
    text = " ".join([decision, *(e.facts for e in cited)])
    found = {_plain_number(match) for match in re.findall(r"\d+(?:[.,:/-]\d+)*", text)} | _numbers(text)
    for match in _DATE.findall(text):
        found |= {part.lstrip("0") for part in match.split("-")} | {match}
    for match in _TIME.finditer(text):
        found |= {match[0], match[1]}
    return found | {str(len(cited))}


def _names(text: str) -> set[str]:
    """What looks like an address, a file, a host or an account: letters with digits, or held together by signs."""
    found = set()
    for token in _NAME.findall(text):
        token = token.strip(".:-/+%~").casefold()
        bare = re.sub(r"'s$|’s$", "", token)
        if not bare or (_NUMBER.fullmatch(bare) and not _is_address(bare)):
            continue
        signs = set(bare) & set("._/\\@:$%~+")
        mixed = any(c.isdigit() for c in bare) and any(c.isalpha() for c in bare)
        if signs or mixed or _is_address(bare):
            found.add(bare)
    return found - _HARMLESS


_HARMLESS = frozenset(
    {"e.g", "i.e", "and/or", "tcp/ip", "read/write", "ipv4", "ipv6", "utf-8", "sha256", "sha1", "md5"}
)


def _named(decision: str, cited: Sequence[Exhibit]) -> set[str]:
    found: set[str] = set()
    for text in (decision, *(e.facts for e in cited)):
        for token in _NAME.findall(text):
            folded = token.casefold().strip(".:-/+%~")
            found |= {folded, *re.split(r"[:=]", folded), *re.split(r"[/\\\\@]+", folded)}
    return found
