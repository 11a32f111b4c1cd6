"""Temperatures, conformal limits and thresholds that belong to the weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from vedette.config import Settings
from vedette.errors import ArtefactError

Floats = NDArray[np.float32]


class Temperatures(Settings):
    weakness: dict[str, float] = Field(description="by convention")
    severity: dict[str, list[float]] = Field(description="by convention, one a metric")
    ssvc: list[float]
    techniques: float


class WeaknessLimits(Settings):
    threshold: float = Field(ge=0, le=1, description="least probability of a decision")
    conformal: dict[str, float] = Field(description="least probability in the set that holds nine in ten")


class SeverityLimits(Settings):
    conformal: dict[str, float] = Field(description="half the width of the interval that holds nine scores in ten")


class TechniqueLimits(Settings):
    threshold: float = Field(ge=0, le=1)


class Calibration(Settings):
    format: int
    temperatures: Temperatures
    weakness: WeaknessLimits
    severity: SeverityLimits
    techniques: TechniqueLimits
    measured: dict[str, float] = Field(default={}, description="on held-out CVEs and sentences")


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
