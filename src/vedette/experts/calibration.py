"""How two opinions are mixed, conformal limits and thresholds that belong to the weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from vedette.config import Settings
from vedette.errors import ArtefactError
from vedette.experts.labels import METRICS, SSVC

Floats = NDArray[np.float32]
Weight = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
Mix = tuple[Weight, Weight]  # what the encoder's logits and those of the words are multiplied by
Probability = Annotated[float, Field(ge=0, le=1)]
Points = Annotated[float, Field(ge=0, le=10)]
OfMetrics = Annotated[list[Mix], Field(min_length=len(METRICS), max_length=len(METRICS))]


class Mixes(Settings):
    weakness: dict[str, Mix] = Field(description="by convention")
    severity: dict[str, OfMetrics] = Field(description="by convention, one a metric")
    ssvc: list[Mix] = Field(min_length=len(SSVC), max_length=len(SSVC))
    techniques: Mix


class WeaknessLimits(Settings):
    threshold: Probability = Field(description="least probability of a decision")
    conformal: dict[str, Probability] = Field(description="least probability in the set that holds nine in ten")


class SeverityLimits(Settings):
    conformal: dict[str, Points] = Field(description="half the width of the interval that holds nine scores in ten")


class TechniqueLimits(Settings):
    threshold: Probability


class Calibration(Settings):
    format: Literal[2]
    mixes: Mixes
    weakness: WeaknessLimits
    severity: SeverityLimits
    techniques: TechniqueLimits
    measured: dict[str, float] = Field(default={}, description="on held-out CVEs and sentences")

    def conventions(self) -> set[str]:
        """Those that every head has numbers for."""
        at = self.mixes
        return at.weakness.keys() & at.severity.keys() & self.weakness.conformal.keys() & self.severity.conformal.keys()


def load(path: Path) -> Calibration:
    """Raises ArtefactError."""
    try:
        return Calibration.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as exc:
        raise ArtefactError(f"calibration cannot be read: {exc}", where=str(path), remedy="train it again") from exc


def mixed(logits: tuple[Floats, Floats], weights: tuple[float, float]) -> NDArray[np.float64]:
    """What is no finite number counts as very unlikely."""
    parts = [weight * each.astype(np.float64) for weight, each in zip(weights, logits, strict=True) if weight]
    return np.nan_to_num(sum(parts, np.zeros(logits[0].shape)), nan=-1e4, posinf=1e4, neginf=-1e4)


def softmax(logits: NDArray[np.float64]) -> Floats:
    """Over the last axis."""
    raised = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(raised / raised.sum(-1, keepdims=True), dtype=np.float32)


def sigmoid(logits: NDArray[np.float64]) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -60, 60))), dtype=np.float32)


def order(probabilities: Floats) -> Sequence[int]:
    """Places, best first; equal ones by place."""
    return [int(i) for i in np.argsort(-probabilities, kind="stable")]
