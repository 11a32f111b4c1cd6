from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

Write = Callable[..., Path]


@pytest.fixture
def ndjson(tmp_path: Path) -> Write:
    """Writes records, and raw bytes as they are, one a line."""

    def write(*records: Mapping[str, Any] | bytes, name: str = "alerts.json") -> Path:
        path = tmp_path / name
        lines = [record if isinstance(record, bytes) else orjson.dumps(record) for record in records]
        path.write_bytes(b"\n".join(lines) + b"\n")
        return path

    return write
