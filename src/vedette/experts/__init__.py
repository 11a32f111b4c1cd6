"""Embedded classifiers that answer in milliseconds on a CPU: weakness, severity, SSVC, techniques, embedding.

`Experts` loads with its first use, and with it ONNX Runtime.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vedette.experts.experts import Experts

__all__ = ["Experts"]


def __getattr__(name: str) -> object:
    if name == "Experts":
        from vedette.experts.experts import Experts

        return Experts
    raise AttributeError(name)
