"""Temperatures, conformal limits and thresholds that belong to the weights."""

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
Temperature = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Probability = Annotated[float, Field(ge=0, le=1)]
Points = Annotated[float, Field(ge=0, le=10)]
OfMetrics = Annotated[list[Temperature], Field(min_length=len(METRICS), max_length=len(METRICS))]


class Temperatures(Settings):
    weakness: dict[str, Temperature] = Field(description="by convention")
    severity: dict[str, OfMetrics] = Field(description="by convention, one a metric")
    ssvc: list[Temperature] = Field(min_length=len(SSVC), max_length=len(SSVC))
    techniques: Temperature


class WeaknessLimits(Settings):
    threshold: Probability = Field(description="least probability of a decision")
    conformal: dict[str, Probability] = Field(description="least probability in the set that holds nine in ten")


class SeverityLimits(Settings):
    conformal: dict[str, Points] = Field(description="half the width of the interval that holds nine scores in ten")


class TechniqueLimits(Settings):
    threshold: Probability


class Calibration(Settings):
    format: Literal[1]
    temperatures: Temperatures
    weakness: WeaknessLimits
    severity: SeverityLimits
    techniques: TechniqueLimits
    measured: dict[str, float] = Field(default={}, description="on held-out CVEs and sentences")

    def conventions(self) -> set[str]:
        """Those that every head has numbers for."""
        at = self.temperatures
        return at.weakness.keys() & at.severity.keys() & self.weakness.conformal.keys() & self.severity.conformal.keys()


def load(path: Path) -> Calibration:
    """Raises ArtefactError."""
    try:
        return Calibration.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as exc:
        raise ArtefactError(f"calibration cannot be read: {exc}", where=str(path), remedy="train it again") from exc


def softmax(logits: Floats, temperature: float) -> Floats:
    """Over the last axis. What is no finite number counts as very unlikely."""
    scaled = np.nan_to_num(logits.astype(np.float64) / temperature, nan=-1e4, posinf=1e4, neginf=-1e4)
    raised = np.exp(scaled - scaled.max(-1, keepdims=True))
    return np.asarray(raised / raised.sum(-1, keepdims=True), dtype=np.float32)


def sigmoid(logits: Floats, temperature: float) -> Floats:
    scaled = np.nan_to_num(logits.astype(np.float64) / temperature, nan=-1e4, posinf=1e4, neginf=-1e4)
    return np.asarray(1 / (1 + np.exp(-np.clip(scaled, -60, 60))), dtype=np.float32)


def order(probabilities: Floats) -> Sequence[int]:
    """Places, best first; equal ones by place."""
    return [int(i) for i in np.argsort(-probabilities, kind="stable")]
