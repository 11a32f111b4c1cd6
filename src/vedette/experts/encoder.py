"""The experts as an encoder of the knowledge store, which asks for it by name (`knowledge.encoder.ENCODERS`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from vedette.experts.experts import Experts

DIMS = 384
NAMED = 5  # ids of each kind


class ExpertsEncoder:
    """Vectors of whole texts in their context; and what a text tells of."""

    name = "experts"
    dims = DIMS

    def __init__(self, experts: Experts) -> None:
        self._experts = experts
        self.sha256 = experts.sha256

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(texts, dims); rows have length 1, or are zero where there is no text."""
        return self._experts.embed(texts)

    def named(self, text: str) -> list[list[tuple[str, float]]]:
        """(id, probability) of techniques and of weaknesses, best first; sure ones and unsure ones."""
        (techniques,) = self._experts.techniques([text])
        (weakness,) = self._experts.weakness([text], top=NAMED)
        told = [(one.id, one.probability) for one in (*techniques.found, *techniques.considered)]
        return [told[:NAMED], [(one.id, one.probability) for one in weakness.candidates]]


def load(folder: Path | None = None) -> ExpertsEncoder:
    """Raises ArtefactError where the weights are missing or are not as their manifest says."""
    from vedette.experts.experts import Experts

    return ExpertsEncoder(Experts.load(folder))
