"""A teacher and a judge by rule, for the forge's ablation: neither knows anything that its prompt does not hold.

How well each does is known, so that what a stage of the forge does to a small model's data can be told apart from what
a strong teacher would bring. By a prompt's hash:

- the teacher is good (70 %: quotes the words of the question that carry the answer, then the answer of stage 1, then
  entries of the background of the same kind), sloppy (12 %: leaves out the reasons; JSON in a fence), wrong (12 %:
  quotes words that carry nothing, or argues for a near entry and ends in the right one; JSON with a comment behind it)
  or broken (6 %: cut, refusing, or naming an id that nobody gave);
- the judge errs in one verdict of twelve, which its two orders of asking turn into "inconsistent".
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from zlib import crc32

from vedette.engine.backends.fake import Fake
from vedette.engine.protocol import Message
from vedette.guard.wording import telling
from vedette.prompts import ANSWER

MOODS = ("good",) * 35 + ("sloppy",) * 6 + ("wrong",) * 6 + ("cuts", "refuses", "invents")
ERRS = 12  # one verdict of so many
WINDOW = 12  # words of a quote
LONGEST = 200  # characters of a cited sentence
CARRIES, CLAIMS = "The words that carry it: ", "That is what is told: "

_REASON = re.compile(
    r"\nBackground:\n(?P<evidence>.*?)\n\nQuestion:\n(?P<question>.*)\n\nCorrect answer:\n(?P<answer>.*)\n\nEnd ",
    re.DOTALL,
)
_MISSING = re.compile(r"\AA security analyst asks:\n(?P<question>.*)\n\nA draft of the answer:\n", re.DOTALL)
_PREFER = re.compile(
    r"\AQuestion:\n(?P<question>.*)\n\nFirst answer:\n(?P<first>.*)\n\nSecond answer:\n(?P<second>.*)\n\nWhich ",
    re.DOTALL,
)
_FACTS = re.compile(
    r"\nReference answer, which is right:\n(?P<reference>.*)\n\nAnswer to be checked:\n(?P<answer>.*)\n\nHow faithful",
    re.DOTALL,
)
_PIECE = re.compile(r"^\[\d+\] (?P<label>(?P<id>CWE-\d+|T\d{4}(?:\.\d{3})?) [^:\n]*): (?P<text>.+)$", re.MULTILINE)
_ID = re.compile(r"\b(?:CWE-\d+|T\d{4}(?:\.\d{3})?)\b")
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_WORD = re.compile(r"[A-Za-z][A-Za-z-]{3,}")
_ASKS = re.compile(r"ATT&CK|\b(?:techniques?|CWE|analyst|tracker|weakness behind)\b")
_QUOTED = re.compile(r'wrote down: "(?P<text>.+)" Map it', re.DOTALL)
_STEP = re.compile(r"^\d\. ", re.MULTILINE)


class Teacher(Fake):
    def __init__(self) -> None:
        super().__init__(_taught, name="rules-teacher", context=1_000_000)


class Judge(Fake):
    def __init__(self) -> None:
        super().__init__(_judged, name="rules-judge", context=1_000_000)


def mood(text: str) -> str:
    return MOODS[_hash(text) % len(MOODS)]


def _hash(text: str) -> int:
    return crc32(text.encode("utf-8", "replace"))


def _taught(messages: Sequence[Message]) -> str:
    text = messages[-1].content
    if found := _REASON.search(text):
        rewrite = _json if found["answer"].lstrip().startswith("{") else _reasoned
        return rewrite(found["answer"], found["question"], found["evidence"], mood(text))
    if found := _MISSING.search(text):
        return json.dumps({"missing": ["what the near entries say"], "queries": _queries(found["question"])})
    return "It depends on which entry the words of the text carry."


def _json(answer: str, question: str, evidence: str, now: str) -> str:
    return {
        "sloppy": f"Here is the JSON:\n\n```json\n{answer}\n```",
        "wrong": f"{answer}\n\nAll of it stands in the text, in that order.",
        "cuts": answer[: len(answer) // 2],
        "refuses": "I'm sorry, but I cannot help with that.",
        "invents": f"{answer}\n\nCompare CVE-2099-99999.",
    }.get(now, answer)


def _reasoned(answer: str, question: str, evidence: str, now: str) -> str:
    body, _, final = answer.partition(f"\n\n{ANSWER}")
    quote, beside = _quotes(_told(question), body)
    own = next(iter(_ID.findall(final)), "")
    near = [one for one in _PIECE.finditer(evidence) if one["id"][0] == own[:1]]
    steps = [f"{CARRIES}“{quote}”.", body, *_cited(near, own)]
    if now == "sloppy":
        steps = ["The text is clear enough.", *[one for one in _SENTENCE.split(body) if own in one][:1]]
    if now == "wrong":
        other = next((one for one in near if one["id"] != own), None)
        claim = [f"{CLAIMS}{_labelled(other)}, {_short(other['text'])}"] if other else []
        steps = [f"{CARRIES}“{beside}”.", *claim, body]
    text = "\n".join(f"{number}. {step}" for number, step in enumerate(steps, 1))
    if now == "cuts":
        return text[: len(text) // 2]
    if now == "refuses":
        return "I'm sorry, but I cannot help with that."
    return f"{text}{' Compare CWE-99999.' if now == 'invents' else ''}\n\n{ANSWER}{final}"


def _cited(near: Sequence[re.Match[str]], own: str) -> list[str]:
    """An entry's own words where they were found, and one that is near."""
    same = [one for one in near if one["id"] == own][:1]
    other = [one for one in near if one["id"] != own][:1]
    return [f"{_labelled(one)} is also told as: {_short(one['text'])}" for one in same] + [
        f"Near it is {_labelled(one)}: {_short(one['text'])} The text does not say that." for one in other
    ]


def _labelled(piece: re.Match[str]) -> str:
    return f"{piece['id']} ({piece['label'].removeprefix(piece['id']).strip()})"


def _short(text: str) -> str:
    """The first sentence, whole words of it."""
    first = _SENTENCE.split(text)[0]
    return first if len(first) <= LONGEST else f"{first[:LONGEST].rpartition(' ')[0]} …"


def _told(question: str) -> str:
    """What it is asked about, without what is asked."""
    parts = question.split("\n\n")
    told = max([one for one in parts if not _ASKS.search(one)] or parts, key=len)
    quoted = _QUOTED.search(told)
    return quoted["text"] if quoted else told


def _quotes(told: str, body: str) -> tuple[str, str]:
    """The words of a text that share most with an answer's, and those that share least."""
    words, wanted = told.split(), telling(body)
    windows = [" ".join(words[at : at + WINDOW]) for at in range(0, max(1, len(words) - WINDOW + 1), 3)]
    shared = {one: len(telling(one) & wanted) for one in windows}
    return max(windows, key=shared.__getitem__), min(windows, key=shared.__getitem__)


def _queries(question: str) -> list[str]:
    """Its own words in small letters, which are no names: those in front, those behind. JSON only copies: none."""
    if "JSON" in question:
        return []
    words = [word for word in dict.fromkeys(_WORD.findall(_told(question))) if word.islower() and telling(word)]
    half = max(3, len(words) // 2)
    return [" ".join(part[:7]) for part in (words[:half], words[half:][::-1]) if part]


def _judged(messages: Sequence[Message]) -> str:
    text = messages[-1].content
    errs = _hash(text) % ERRS == 0
    if found := _PREFER.search(text):
        one, other = (_worth(found["question"], found[which]) for which in ("first", "second"))
        better = "tie" if one == other else "first" if (one > other) != errs else "second"
        return json.dumps({"reason": "by its steps", "better": better})
    if found := _FACTS.search(text):
        wanted, said = telling(found["reference"]), telling(found["answer"])
        return json.dumps({"reason": "by its words", "factuality": 9 if len(wanted & said) >= 0.8 * len(wanted) else 4})
    return "It depends."


def _worth(question: str, answer: str) -> int:
    """0 for what does not hold, 1 for an answer without reasons, 2 for one whose steps carry it."""
    if "JSON" in question:
        return 2 if _parses(answer) else 0
    if not _STEP.search(answer):
        return 1
    quote = answer.partition(f"{CARRIES}“")[2].partition("”.\n")[0]
    rest = answer.partition("”.\n")[2].partition("\n3. ")[0]
    return 2 if quote and CLAIMS not in answer and telling(quote) & telling(rest) else 0


def _parses(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
