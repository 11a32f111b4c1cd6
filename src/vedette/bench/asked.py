"""Whom to ask, what, and how."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from vedette.bench.protocol import Protocol

LOOPBACK = ("127.0.0.1", "localhost", "::1")
IN_PROCESS = ("vedette/", "hf/")


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One model, and how it is asked."""

    model: str  # as Inspect names it: provider/model
    name: str = ""  # as it is told; else the same
    way: Protocol
    data: Path
    limit: int = 0  # items of each benchmark; 0: all
    any_version: bool = False
    connections: int = 8  # replies that are waited for at once
    address: str = ""  # of a server
    retries: int = 3  # of a request that failed; waits grow from seconds to minutes
    patience: int = 600  # seconds that a reply may take, its retries included
    model_args: dict[str, Any] = {}

    @property
    def told(self) -> str:
        return self.name or self.model

    @property
    def here(self) -> bool:
        """Whether it is this machine that answers."""
        host = urlsplit(self.address).hostname or ""
        return host in LOOPBACK or self.model.startswith(IN_PROCESS)
