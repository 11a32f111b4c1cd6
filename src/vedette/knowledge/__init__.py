"""What is known, offline and dated. `Knowledge` is the door; it loads when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vedette.knowledge.store import Knowledge

__all__ = ["Knowledge"]


def __getattr__(name: str) -> object:
    if name == "Knowledge":
        from vedette.knowledge.store import Knowledge

        return Knowledge
    raise AttributeError(name)
