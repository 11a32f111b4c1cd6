"""HTML as lines of text. It is untrusted: no script, no comment, nothing that is hidden, nothing from elsewhere.

`html.parser` takes time in the square of its input where tags never end. It gets to see tags of our own making alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

from vedette.guard.unescape import lowered

_UNREAD = "script|style|template|noscript|iframe|object|embed|applet|svg|math|canvas|textarea|select"
_TOKEN = re.compile(
    rf"(?P<comment><!--)|<(?P<unread>{_UNREAD})(?![a-z0-9-])|(?P<tag></?[a-z][^<>]{{0,2000}}>)|(?P<other><[!?])|<",
    re.IGNORECASE,
)
_NAME = re.compile(r"</?([a-z][a-z0-9]{0,20})", re.IGNORECASE)
_HIDES = re.compile(
    r"\s(?:hidden(?=[\s>=/])|aria-hidden\s{0,3}=\s{0,3}[\"']?true"
    r"|style\s{0,3}=.{0,400}?(?:display\s{0,3}:\s{0,3}none|visibility\s{0,3}:\s{0,3}hidden"
    r"|opacity\s{0,3}:\s{0,3}0(?![.\d])|font-size\s{0,3}:\s{0,3}0(?![.\d])"
    r"|color\s{0,3}:\s{0,3}(?:white|transparent|\#fff(?:fff)?)\b))",
    re.IGNORECASE | re.DOTALL,
)
_EMPTY = re.compile("area|base|br|col|embed|hr|img|input|link|meta|source|track|wbr")
_BLOCK = re.compile(
    "address|article|aside|blockquote|body|br|dd|div|dl|dt|fieldset|figcaption|figure|footer|form|h[1-6]|header|hr|html"
    "|li|main|nav|ol|p|pre|section|table|tbody|td|tfoot|th|thead|title|tr|ul"
)
_ITEM = re.compile(r"- |\d+\. ")
DEEPEST = 400  # elements within one another


def html_lines(text: str) -> tuple[list[tuple[int, str]], int]:
    """(line, text) of what a reader sees, headings as in Markdown; and how many pieces were left out."""
    cleaned, left = _cleaned(text)
    reader = _Reader()
    reader.feed(cleaned)
    reader.close()
    reader.flush()
    return reader.lines, left + reader.left


def _cleaned(text: str) -> tuple[str, int]:
    """With plain tags alone, on the same lines."""
    low = lowered(text)
    pieces: list[str] = []
    at = left = 0
    more = True  # whether a ">" follows somewhere
    while match := _TOKEN.search(text, at):
        pieces.append(text[at : match.start()])
        end = match.end()
        if match["comment"] or match["unread"]:
            needle = "-->" if match["comment"] else f"</{match['unread'].lower()}"
            found = low.find(needle, end)
            end = len(text) if found < 0 else found + len(needle)
            end = end if match["comment"] or found < 0 else _after(text, end)
            pieces.append("\n" * text.count("\n", match.start(), end))
            left += 1
        elif match["tag"]:
            pieces.append(_plain(match["tag"]) + "\n" * match["tag"].count("\n"))
        elif match["other"] and more and (found := text.find(">", end)) >= 0:
            pieces.append("\n" * text.count("\n", end, found))
            end = found + 1
        else:
            more = more and not match["other"]
            pieces.append("&lt;" + match[0][1:])
        at = end
    return "".join([*pieces, text[at:]]), left


def _after(text: str, at: int) -> int:
    found = text.find(">", at, at + 200)
    return at if found < 0 else found + 1


def _plain(tag: str) -> str:
    name = _NAME.match(tag)
    if not name:
        return ""
    hidden = " hidden" if tag[1] != "/" and _HIDES.search(tag) else ""
    return f"<{tag[1] * (tag[1] == '/')}{name[1].lower()}{hidden}>"


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[tuple[int, str]] = []
        self.left = 0
        self._now: list[str] = []
        self._line = 0
        self._prefix = ""
        self._lists: list[int] = []  # open ones: items so far, -1 where they have no numbers
        self._hidden: list[str] = []  # open elements from the first hidden one on

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if _BLOCK.fullmatch(tag):
            self.flush()
        if _EMPTY.fullmatch(tag):
            return
        if self._hidden or attrs:
            self.left += not self._hidden
            if len(self._hidden) < DEEPEST:
                self._hidden.append(tag)
        elif re.fullmatch(r"h[1-6]", tag):
            self._prefix = "#" * int(tag[1]) + " "
        elif tag in ("ol", "ul"):
            self._lists.append(0 if tag == "ol" else -1)
        elif tag == "li":
            self._prefix = self._item()

    def _item(self) -> str:
        if not self._lists or self._lists[-1] < 0:
            return "- "
        self._lists[-1] += 1
        return f"{self._lists[-1]}. "

    def handle_endtag(self, tag: str) -> None:
        if tag in self._hidden:
            place = len(self._hidden) - 1 - self._hidden[::-1].index(tag)
            del self._hidden[place:]
        elif tag in ("ol", "ul") and self._lists:
            self._lists.pop()
        if _BLOCK.fullmatch(tag):
            self.flush()

    def handle_data(self, data: str) -> None:
        if self._hidden or not data:
            return
        if not self._line and data.strip():
            skipped = len(data) - len(data.lstrip())
            self._line = self.getpos()[0] + data.count("\n", 0, skipped)
        self._now.append(data)

    def flush(self) -> None:
        told = " ".join("".join(self._now).split())
        if told:
            self.lines.extend(_apart(self.lines, self._line, self._prefix + told))
            self._prefix = ""
        self._now.clear()
        self._line = 0


def _apart(lines: list[tuple[int, str]], number: int, told: str) -> Iterator[tuple[int, str]]:
    """Items of a list stay together; between other blocks there is a blank line."""
    if lines and not (_ITEM.match(told) and _ITEM.match(lines[-1][1])):
        yield number, ""
    yield number, told
