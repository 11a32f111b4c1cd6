"""What the readers of vulnerabilities have in common: ids, links to weaknesses, affected products, strict decoding."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TypeVar

import msgspec

from vedette.errors import InputError, RecordError
from vedette.knowledge.inputs import Input
from vedette.knowledge.record import Affected, Cvss, Link, Rel, Text

AFFECTED = 20  # products kept of one record
REFERENCES = 20
VERSIONS = 6  # version ranges of one product
EXCEPTIONS = 3  # versions that are not affected, of one product
VERSION_LENGTH = 60  # characters of one range
SUPERSEDED = "superseded in the same input"
CHANGED = "the publisher's schema changed: report it"
CVE = re.compile(r"CVE-\d{4}-\d{4,19}", re.ASCII)
CVE_FILE = re.compile(r"(?:^|/)(CVE-\d{4}-\d{4,19})\.json$", re.ASCII)

_CWE = re.compile(r"CWE-0*([1-9]\d{0,5})\b", re.ASCII)
CAPEC = re.compile(r"CAPEC-0*([1-9]\d{0,5})", re.ASCII)
_PLACE = re.compile(r"(?<=\[)\d+(?=\])| \(byte \d+\)")  # left out, so that equal surprises are counted as one
_CVE_BYTES = re.compile(rb"CVE-\d{4}-\d{4,19}")
_PUBLISHERS = {"134c704f-9b21-4f2e-91b3-4a467353bcc0": "CISA-ADP"}  # organisations of CVE that NVD names by number
T = TypeVar("T")


def cve_id(value: str, where: str) -> str:
    """Raises RecordError where it is none."""
    if not CVE.fullmatch(value):
        raise RecordError("not a CVE id", where=f"{where}: '{value[:40]}'", remedy=CHANGED)
    return value


def found_id(body: bytes, fallback: str) -> str:
    """The first CVE id in a record that cannot be decoded, to say which one it was."""
    match = _CVE_BYTES.search(body)
    return match[0].decode() if match else fallback


def decode(decoder: msgspec.json.Decoder[T], body: bytes | msgspec.Raw, where: str) -> T:
    """Raises RecordError that names record and field."""
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise RecordError(_PLACE.sub("", _short(exc)).replace("[]", "[…]"), where=where, remedy=CHANGED) from exc


def envelope(decoder: msgspec.json.Decoder[T], item: Input, what: str) -> T:
    """The outermost object of a file. Raises InputError, as without it nothing can be read."""
    try:
        return decoder.decode(item.read())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise InputError(f"not {what}: {_short(exc)}", where=item.name, remedy="fetch it again") from exc


def _short(exc: Exception) -> str:
    """Of broken UTF-8 the message alone would be as long as the file."""
    if isinstance(exc, UnicodeDecodeError):
        return "not UTF-8"
    return "nested too deeply" if isinstance(exc, RecursionError) else str(exc)


def publisher(source: str) -> str:
    return _PUBLISHERS.get(source, source)


def weaknesses(stated: Iterable[tuple[str, str]]) -> tuple[Link, ...]:
    """One link for each weakness; its note names all who assigned it. `stated`: (value, who).

    What is no weakness is left out: NVD-CWE-noinfo, NVD-CWE-Other, CWE-noinfo, sentences.
    """
    who: dict[str, dict[str, None]] = {}
    for value, by in stated:
        if match := _CWE.match(value):
            who.setdefault(f"CWE-{match[1]}", {})[by] = None
    return tuple(Link(Rel.HAS_WEAKNESS, to, note=", ".join(filter(None, by))) for to, by in who.items())


def vectors(stated: Iterable[tuple[str, float | None, str]]) -> tuple[Cvss, ...]:
    """Each vector once; `by` names all who gave it. `stated`: (vector, score, who)."""
    who: dict[tuple[str, float | None], dict[str, None]] = {}
    for vector, score, by in stated:
        if vector:
            who.setdefault((vector, score), {})[by] = None
    return tuple(Cvss(vector, score, ", ".join(filter(None, by))) for (vector, score), by in who.items())


def products(stated: Iterable[tuple[str, str, str]]) -> tuple[Affected, ...]:
    """Each product once, with its version ranges; the first 20. `stated`: (product, range, ecosystem)."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for product, versions, ecosystem in stated:
        key = (product, ecosystem)
        if product and (key in found or len(found) < AFFECTED):
            ranges = found.setdefault(key, {})
            if versions and len(ranges) <= VERSIONS:
                ranges[_cut(versions)] = None
    return tuple(Affected(product, _joined(list(ranges)), ecosystem) for (product, ecosystem), ranges in found.items())


def _cut(text: str) -> str:
    return text if len(text) <= VERSION_LENGTH else f"{text[: VERSION_LENGTH - 1]}…"


def _joined(ranges: list[str]) -> str:
    return ", ".join(ranges[:VERSIONS]) + (", …" if len(ranges) > VERSIONS else "")


def span(start: str, end: str, *, included: bool = False) -> str:
    """ "2.0 < 2.15.0": from `start`, which is affected, to `end`, which is only where it is `included`."""
    start = "" if start in ("0", "*", "-", "n/a", "unspecified") else start
    if start == end and included:
        return start
    if not end or end == "*":
        return f">= {start}" if start else ""
    return f"{start} {'<=' if included else '<'} {end}".lstrip()


def first_unique(values: Iterable[str], limit: int = REFERENCES) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for value in values:
        if value and len(found) < limit:
            found[value] = None
    return tuple(found)


def one_line(text: str) -> str:
    return " ".join(text.split())


class Said(msgspec.Struct, gc=False):
    """A text with its language, as CVE records and NVD write it."""

    value: str
    lang: str = "en"


def english(field: str, said: Iterable[Said]) -> Iterator[Text]:
    """One text of all English ones; nothing where there is none."""
    bodies = first_unique(one.value.strip() for one in said if one.lang.lower().startswith("en"))
    if bodies:
        yield Text(field, "\n\n".join(bodies))


class Version(msgspec.Struct, rename="camel", gc=False):
    """Of CVE JSON 5: a version, or the first one of a range."""

    version: str
    status: str
    less_than: str = ""
    less_than_or_equal: str = ""
    version_type: str = ""


class Product(msgspec.Struct, rename="camel", gc=False):
    """Of CVE JSON 5; NVD repeats it word for word."""

    vendor: str = ""
    product: str = ""
    package_name: str = ""
    default_status: str = ""
    versions: list[Version] = []


def stated(entries: Iterable[Product]) -> Iterator[tuple[str, str, str]]:
    """What is affected, for `products`."""
    for one in entries:
        name, by_default = _name(one), one.default_status == "affected"
        ranges = [
            _range(version) for version in one.versions if version.status == "affected" and not _is_commit(version)
        ]
        for versions in ranges:
            yield name, versions, ""
        if not ranges and _has_affected(one):
            yield name, "", ""
        fixed = [
            version.version for version in one.versions if version.status == "unaffected" and version.version != "0"
        ]
        if fixed and by_default:
            yield name, f"not {', '.join(fixed[:EXCEPTIONS])}", ""


def _name(one: Product) -> str:
    parts = (one_line(one.vendor), one_line(one.product or one.package_name))
    return " ".join(dict.fromkeys(part for part in parts if part.lower() not in ("", "n/a", "unknown", "-")))


def _is_commit(version: Version) -> bool:
    return version.version_type == "git"


def _has_affected(one: Product) -> bool:
    return any(version.status == "affected" for version in one.versions) or one.default_status != "unaffected"


def _range(version: Version) -> str:
    start = version.version.strip()
    if version.less_than or version.less_than_or_equal:
        return span(start, version.less_than or version.less_than_or_equal, included=not version.less_than)
    return "" if start.lower() in ("n/a", "*", "unspecified", "-", "") else start
