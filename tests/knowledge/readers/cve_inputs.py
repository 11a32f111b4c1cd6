"""Runs a reader over a file, and damages files."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path

from hypothesis import strategies as st

from vedette.errors import VedetteError
from vedette.knowledge.inputs import Input
from vedette.knowledge.readers import Reader, Tally
from vedette.knowledge.record import Record, VulnerabilityFacts, decode, encode


def got(reader: Reader, path: Path) -> tuple[dict[str, Record], Tally]:
    """The records by id; the counts must add up, ids be unique, and records survive their encoding."""
    tally = Tally()
    records = list(reader.read(Input(path), tally))
    assert tally.read == len(records) + tally.skipped.total() + tally.refused.total()
    by_id = {record.id: record for record in records}
    assert len(by_id) == len(records)
    assert all(decode(encode(record)) == record for record in records[:2_000])
    return by_id, tally


def written(path: Path, body: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body if isinstance(body, bytes) else body.encode())
    return path


def facts(record: Record) -> VulnerabilityFacts:
    assert isinstance(record.facts, VulnerabilityFacts)
    return record.facts


def texts(record: Record) -> dict[str, str]:
    found = {text.field: text.body for text in record.texts}
    assert len(found) == len(record.texts)
    return found


def links(record: Record) -> list[tuple[str, str, str]]:
    return [(link.rel.value, link.to, link.note) for link in record.links]


def damaged(good: bytes) -> st.SearchStrategy[bytes]:
    """The file cut short, with a piece replaced by something else, or nothing of it."""
    piece = st.sampled_from(
        [b"", b"\x00", b"\xff\xfe", b"{}", b"[]", b"null", b'"', b"-1", b"1e999", b",", b"\n", b"\\ud800"]
    )
    place = st.integers(0, len(good))
    replaced = st.builds(
        lambda at, length, new: good[:at] + new + good[at + length :], place, st.integers(0, 40), piece
    )
    return st.one_of(replaced, place.map(lambda at: good[:at]), st.binary(max_size=200))


def read_damaged(reader: Reader, name: str, body: bytes) -> None:
    """Any answer is right that is no exception but a VedetteError."""
    with tempfile.TemporaryDirectory() as folder, suppress(VedetteError):
        path = written(Path(folder) / name, body)
        reader.claims(Input(path))
        reader.part(Input(path))
        got(reader, path)
