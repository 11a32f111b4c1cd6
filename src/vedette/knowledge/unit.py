"""One import of one part of a source: the store keeps it, a bundle carries it, `content` proves that both are equal."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Annotated

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0)]
Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


class Unit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    source: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,63}\Z")]  # its name in sources.toml
    part: Annotated[str, msgspec.Meta(pattern=r"^[^\x00-\x1f\x7f]{0,200}\Z")]  # "" for the whole source
    release: str  # as the publisher prints it; may be ""
    on: str  # ISO date of the release; "" where unknown
    imported: str  # UTC, ISO 8601
    inputs: dict[str, Sha256]  # name of each file that was read
    read: Count  # the publisher's records
    records: Count  # given by the reader
    skipped: dict[str, Count]  # reason → records that are left out on purpose
    refused: dict[str, Count]  # reason → records that could not be used
    content: Sha256  # `content_hash` of the records
    facts_only: bool = False  # made from the shipped facts: ids, names, links, no texts

    @property
    def name(self) -> str:
        return f"{self.source}/{self.part}" if self.part else self.source


def content_hash(digests: Iterable[bytes]) -> str:
    """Hex of 32 bytes over the records' digests (`record.digest`); their order does not matter, their number does."""
    whole = blake2b(digest_size=32)
    for digest in sorted(digests):
        whole.update(digest)
    return whole.hexdigest()
