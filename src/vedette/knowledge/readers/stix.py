"""STIX 2.0 and 2.1 bundles, and the markup in their texts: what the readers of ATT&CK and CAPEC share.

Objects are decoded one by one into the struct of their type, so that one that is not as expected is refused alone.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from typing import TypeVar

import msgspec

from vedette.errors import InputError, RecordError
from vedette.knowledge.inputs import Input
from vedette.knowledge.readers import Tally

S = TypeVar("S", bound=msgspec.Struct)

KEPT = "not a record of its own, kept as "  # how a reason begins where nothing is lost

_OPENING = 1024  # bytes in which a bundle's list of objects begins
_CITATION = re.compile(r"\(Citation:(?:[^()]++|\([^()]*+\))*+\)")
_LINK = re.compile(r"!?\[([^\[\]]*)\]\(\s*https?://[^()\s]*(?:\([^()\s]*\)[^()\s]*)*\s*\)")
_EMPHASIS = re.compile(r"\*\*([^*\n]++)\*\*|(?<!`)`++([^`\n]++)`++|^\*([^*\n]+)\*$|^#{1,6}[ \t]+|^```\w*$", re.M)
_MARKED = re.compile(r"[*`#]")
_INLINE = re.compile(r"</?(?:code|u|b|i|em|strong)\s*>")
_BREAK = re.compile(r"</?(?:br|p)\s*/?>")
_SPACES = re.compile(r"(?<=\S) {2,}(?=\S)")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9a-fA-F]{1,6}|[A-Za-z]{2,8});")
_TAG = r"<(/?){}(p|div|br|ul|ol|li|table|tbody|tr|th|td|h[1-6]|b|i|em|strong|code|pre)(?:\s[^<>]*)?/?>"
_XHTML = re.compile(_TAG.format("xhtml:"))
_HTML = re.compile(_TAG.format("(?:xhtml:)?"))
_STEP = re.compile(r"(<li>)\s*<p>|</p>\s*</li>")
_MARKS = {"li": "\n- ", "td": "\n* "} | dict.fromkeys(("b", "i", "em", "strong", "code", "tr", "tbody"), "")
_CLOSING = dict.fromkeys(("b", "i", "em", "strong", "code", "tr", "tbody", "li", "td", "th"), "")


class Reference(msgspec.Struct):
    source_name: str
    external_id: str = ""


class Item(msgspec.Struct, kw_only=True):
    """What STIX says about any object that has a name."""

    type: str
    id: str
    name: str
    description: str = ""
    created: str = ""
    modified: str = ""
    revoked: bool = False
    external_references: list[Reference] = []


class Relationship(msgspec.Struct, kw_only=True):
    id: str
    relationship_type: str
    source_ref: str
    target_ref: str
    description: str = ""
    modified: str = ""
    revoked: bool = False
    deprecated: bool = msgspec.field(name="x_mitre_deprecated", default=False)


class _Head(msgspec.Struct):
    type: str
    id: str


class _Bundle(msgspec.Struct):
    objects: list[msgspec.Raw]


def opens(source: Input, *marks: bytes) -> bool:
    """Is this a bundle with one of the marks among its first objects?"""
    head = source.head
    opening = head[:_OPENING].lstrip(b"\xef\xbb\xbf \t\r\n")
    return opening.startswith(b"{") and b'"objects"' in opening and any(mark in head for mark in marks)


def read_objects(source: Input, tally: Tally, types: Mapping[str, type[S]], unused: Mapping[str, str]) -> Iterator[S]:
    """Objects of these types. `unused`: a type that is skipped → why. Raises InputError where it is no bundle."""
    for number, raw in enumerate(_objects(source), 1):
        tally.read += 1
        try:
            head = _decode(raw, _Head, f"object {number}")
            if reason := unused.get(head.type):
                tally.skip(reason)
            elif struct := types.get(head.type):
                yield _decode(raw, struct, head.id)
            else:
                raise RecordError(f"unknown object type '{head.type[:40]}'", where=head.id)
        except RecordError as exc:
            tally.refuse(exc)


def _objects(source: Input) -> list[msgspec.Raw]:
    try:
        return msgspec.json.decode(source.read(), type=_Bundle).objects
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise InputError(f"not a STIX bundle: {exc}", where=source.name, remedy="fetch it again") from exc


def _decode(raw: msgspec.Raw, to: type[S], where: str) -> S:
    try:
        return msgspec.json.decode(raw, type=to, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise RecordError(str(exc), where=where, remedy="the publisher's schema changed: report it") from exc


def from_markdown(text: str) -> str:
    """Plain text of ATT&CK's markdown: names of links stay, citations go, placeholders such as `<PID>` stay."""
    text = _without_citations(text.replace("\xa0", " "))
    if "](" in text:
        text = _LINK.sub(r"\1", text)
    if "<" in text:
        text = _BREAK.sub("\n", _INLINE.sub("", text))
    text = "\n".join(line.rstrip() for line in text.splitlines())
    if _MARKED.search(text):
        text = _EMPHASIS.sub(lambda m: m[1] or m[2] or m[3] or "", text)
    return _paragraphs(_SPACES.sub(" ", _unescape(text)))


def _without_citations(text: str) -> str:
    """With the blanks before them; what follows a sentence's end at once gets one."""
    first, *rest = _CITATION.split(text)
    if not rest:
        return text
    parts = [f" {part}" if part[:1].isalnum() else part for part in rest]
    return "".join((*(part.rstrip(" \t") for part in (first, *parts[:-1])), parts[-1]))


def from_html(text: str, *, bare: bool = False) -> str:
    """Plain text of CAPEC's XHTML. `bare`: tags without the prefix `xhtml:` are markup, too, not an example's text."""
    if "<" in text:
        text = _HTML.sub(_mark, _STEP.sub(r"\1", text)) if bare else _XHTML.sub(_mark, text)
    lines = (" ".join(line.split()) for line in _unescape(text).splitlines())
    return _paragraphs("\n".join(line for line in lines if line not in ("-", "*")))


def _mark(tag: re.Match[str]) -> str:
    return (_CLOSING if tag[1] else _MARKS).get(tag[2], "\n")


def _unescape(text: str) -> str:
    return _ENTITY.sub(lambda m: html.unescape(m[0]), text) if "&" in text else text


def _paragraphs(text: str) -> str:
    return re.sub(r"\n{3,}", "\n\n", text).strip()
