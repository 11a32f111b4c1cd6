"""An organisation's documents as sections with their lines: Markdown, HTML, plain text. Read, never run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from vedette.errors import RecordError
from vedette.forge.markup import html_lines
from vedette.guard.secrets import secrets

MARKUP = frozenset((".html", ".htm", ".xhtml"))
TEXTS = frozenset((".md", ".markdown", ".txt", ".text", ".rst", ".adoc")) | MARKUP
LARGEST = 4 * 1024 * 1024  # bytes
LINES, LINE = 100_000, 20_000  # of a file; characters of one
TITLE = 160  # characters

_MAGIC = {
    b"%PDF": ("a PDF", "export its text, as with `pdftotext FILE`, and give that"),
    b"PK\x03\x04": ("an archive or an office document", "unpack it, or export its text"),
    b"PK\x05\x06": ("an archive", "unpack it"),
    b"\x1f\x8b": ("compressed", "unpack it"),
    b"BZh": ("compressed", "unpack it"),
    b"\xfd7zX": ("compressed", "unpack it"),
    b"7z\xbc\xaf": ("an archive", "unpack it"),
    b"Rar!": ("an archive", "unpack it"),
    b"\xd0\xcf\x11\xe0": ("an office document", "export its text"),
    b"\x7fELF": ("a program", "leave it out"),
    b"MZ": ("a program", "leave it out"),
}
_HEADING = re.compile(r"(#{1,6})[ \t]+(.*)$")
_RULE = re.compile(r"(?:={3,}|-{3,})[ \t]*$")
_FENCE = re.compile(r"[ \t]{0,3}(```|~~~)")
_LINK = re.compile(r"!?\[([^\]\n]{0,400})\]\([^)\n]{0,2000}\)")
_ADDRESS = re.compile(r"\b[a-z][a-z0-9+.-]{1,12}://[^\s<>\"')\]]+", re.IGNORECASE)
_EMPHASIS = re.compile(r"(?<!\w)(\*\*|__|`)(\S.*?\S|\S)\1(?!\w)")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
STEP = re.compile(r"\s*(?:\d{1,3}[.)]|[-*+])\s+(.*)")
_NUMBERED = re.compile(r"\s*\d{1,3}[.)]\s+(.*)")


@dataclass(frozen=True, slots=True)
class Paragraph:
    first: int  # lines of the file
    last: int
    text: str  # its lines, joined by line ends


@dataclass(frozen=True, slots=True)
class Section:
    heading: str  # "" before the first one
    line: int  # of the heading
    paragraphs: tuple[Paragraph, ...]

    @property
    def text(self) -> str:
        return "\n".join(p.text for p in self.paragraphs)

    @property
    def last(self) -> int:
        return self.paragraphs[-1].last if self.paragraphs else self.line

    @property
    def steps(self) -> tuple[str, ...]:
        """Of a numbered list."""
        lines = (line for p in self.paragraphs for line in p.text.splitlines())
        return tuple(match[1].strip() for line in lines if (match := _NUMBERED.match(line)) and match[1].strip())


@dataclass(frozen=True, slots=True)
class Document:
    sha256: str
    sections: tuple[Section, ...]
    left: int  # scripts, comments, hidden pieces


def document(data: bytes, suffix: str) -> Document:
    """Raises RecordError where it is no text that is read here."""
    text = decoded(data)
    if text.count("\n") > LINES:
        raise RecordError(f"more than {LINES:,} lines", remedy="split it")
    if suffix in MARKUP:
        lines, left = html_lines(text)
    else:
        bare = _COMMENT.sub(lambda match: "\n" * match[0].count("\n"), text)
        left = len(_COMMENT.findall(text))
        lines = list(enumerate(bare.split("\n"), 1))
    if any(len(line) > LINE for _, line in lines):
        raise RecordError(f"a line of more than {LINE:,} characters", remedy="wrap it")
    return Document(sha256(data).hexdigest(), tuple(_sections(_without_keys(lines))), left)


def decoded(data: bytes) -> str:
    """Raises RecordError for what is no UTF-8 text."""
    for magic, (what, remedy) in _MAGIC.items():
        if data.startswith(magic):
            raise RecordError(what, remedy=remedy)
    if len(data) > LARGEST:
        raise RecordError(f"larger than {LARGEST:,} bytes", remedy="split it")
    if b"\0" in data:
        raise RecordError("binary", remedy="export its text as UTF-8")
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n")
    except UnicodeDecodeError as exc:
        raise RecordError("not UTF-8", remedy="save it as UTF-8") from exc


def _without_keys(lines: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Secrets that reach over lines, as private keys do, are gone before anything is cut into pieces."""
    text = "\n".join(line for _, line in lines)
    for start, end in sorted((span for span in secrets(text) if "\n" in text[slice(*span)]), reverse=True):
        text = text[:start] + "[secret]" + "\n" * text.count("\n", start, end) + text[end:]
    return [(number, line) for (number, _), line in zip(lines, text.split("\n"), strict=True)] if lines else []


def _sections(lines: list[tuple[int, str]]) -> Iterator[Section]:
    path: dict[int, str] = {}  # headings above, by level
    at, body, fenced = 1, list[tuple[int, str]](), False
    for place, (number, line) in enumerate(lines):
        fenced ^= bool(_FENCE.match(line))
        level, title = (0, "") if fenced else _heading(lines, place)
        if not level:
            body.append((number, line))
            continue
        if path or any(text.strip() for _, text in body):
            yield Section(_joined(path), at, tuple(_paragraphs(body)))
        path = {above: name for above, name in path.items() if above < level} | {level: plain(title)}
        at, body = number, []
    if path or any(text.strip() for _, text in body):
        yield Section(_joined(path), at, tuple(_paragraphs(body)))


def _joined(path: dict[int, str]) -> str:
    """A heading with those above it, as far as there is room."""
    names = [name for name in path.values() if name]
    while len(names) > 1 and len(" – ".join(names)) > TITLE:
        del names[0]
    return " – ".join(names)[:TITLE]


def _heading(lines: list[tuple[int, str]], place: int) -> tuple[int, str]:
    """Level and text of a line that is one, or of one that is underlined; (0, "") for any other."""
    line = lines[place][1]
    if match := _HEADING.match(line):
        return len(match[1]), match[2].rstrip(" \t#")
    after = lines[place + 1][1] if place + 1 < len(lines) else ""
    before = lines[place - 1][1] if place else ""
    is_title = bool(line.strip()) and len(line) <= TITLE and not before.strip() and not STEP.match(line)
    if is_title and _RULE.match(after):
        return 1 if after.startswith("=") else 2, line.strip()
    return 0, ""


def _paragraphs(lines: list[tuple[int, str]]) -> Iterator[Paragraph]:
    kept: list[tuple[int, str]] = []
    for number, line in [*lines, (0, "")]:
        told = plain(line) if not _RULE.match(line) and not _FENCE.match(line) else ""
        if told.strip():
            kept.append((number, told))
        elif kept and not line.strip():
            yield Paragraph(kept[0][0], kept[-1][0], "\n".join(text for _, text in kept))
            kept = []


def plain(line: str) -> str:
    """Without emphasis; a link is its text, an address goes: what a model learned of them it would make up."""
    told = _ADDRESS.sub("(link)", _LINK.sub(r"\1", line))
    return _EMPHASIS.sub(r"\2", told).rstrip()
