"""The side file of records that could not be used: one JSON object each, with where, why and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from vedette.manifest import output_error
from vedette.types import Rejected

_encode = msgspec.json.Encoder().encode


def write(rejects: Iterable[Rejected], path: Path) -> int:
    """Streams, so that a million rejects cost no memory; in place at once. Returns how many. Raises OutputError."""
    draft = path.with_name(path.name + ".part")
    count = 0
    try:
        with draft.open("wb") as out:
            for rejected in rejects:
                out.write(_encode(rejected) + b"\n")
                count += 1
        draft.replace(path)
    except OSError as error:
        raise output_error(path, error) from error
    return count
