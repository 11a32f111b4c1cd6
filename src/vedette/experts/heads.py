"""The heads, in numpy: what the encoder's vector says to each question, and what the words alone say to it.

A head is small, so it is computed here and only when it is asked; numpy's own loops, as BLAS would start threads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from vedette.errors import ArtefactError
from vedette.experts.labels import CONVENTIONS, METRICS, SSVC, Convention

Floats = NDArray[np.float32]
Arrays = Mapping[str, NDArray[np.generic]]
FILE = "heads.npz"
SEVERITY, POINTS = sum(map(len, METRICS.values())), sum(map(len, SSVC.values()))
PARTIES = tuple(int(party not in (Convention.NVD, Convention.NVD_2018)) for party in CONVENTIONS)
"""Whose vectors the words of a convention have learned from: 0 NVD's, 1 everybody else's."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the heads get to know of a text."""

    pooled: Floats  # (windows, dims)
    shares: Floats  # (windows,) by their tokens
    places: NDArray[np.intp]  # of its n-grams


class Heads:
    """`logits` gives two opinions: the encoder's and the words'. Raises ArtefactError where arrays do not fit."""

    def __init__(self, arrays: Arrays, where: str = FILE) -> None:
        try:
            self._table = arrays["ngrams.table"]
            self._full = {name: array.astype(np.float32) for name, array in arrays.items() if name != "ngrams.table"}
            self._check()
        except (KeyError, ValueError) as exc:
            raise ArtefactError(f"heads do not fit: {exc}", where=where, remedy="train it again") from exc

    @classmethod
    def load(cls, path: Path) -> Heads:
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return cls({name: arrays[name] for name in arrays.files}, str(path))
        except (OSError, ValueError, BadZipFile) as exc:
            raise ArtefactError(f"heads cannot be read: {exc}", where=str(path), remedy="train it again") from exc

    def _check(self) -> None:
        full, dims = self._full, self.dims
        if self._table.dtype != np.int8:
            raise ValueError(f"'ngrams.table' is {self._table.dtype}, wanted int8")
        self.rows, width = self._table.shape
        self._bag = width - 2 * SEVERITY  # columns of the table before those of the vectors
        for name in ("weakness", "severity", "ssvc", "techniques"):
            outputs = len(full[f"{name}.out.bias"])
            _fit(f"{name}.hidden.weight", full, (dims, dims))
            _fit(f"{name}.out.weight", full, (outputs, dims))
            if name in ("weakness", "severity"):
                _fit(f"{name}.shift", full, (len(CONVENTIONS), dims))
                _fit(f"{name}.bias", full, (len(CONVENTIONS), outputs))
            if name != "severity":
                _fit(f"ngrams.{name}.out.weight", full, (outputs, self._bag))
        _fit("ngrams.scales", full, (self.rows, 2))
        _fit("ngrams.weakness.shift", full, (len(CONVENTIONS), self._bag))
        _fit("ngrams.weakness.bias", full, (len(CONVENTIONS), self.outputs("weakness")))
        _fit("ngrams.severity.bias", full, (len(CONVENTIONS), SEVERITY))
        if (self.outputs("severity"), self.outputs("ssvc")) != (SEVERITY, POINTS):
            raise ValueError("'severity' and 'ssvc' answer other questions")

    @property
    def dims(self) -> int:
        return len(self._full["embedding.weight"])

    def outputs(self, name: str) -> int:
        return len(self._full[f"{name}.out.bias"])

    def logits(self, name: str, reading: Reading, column: int = 0) -> tuple[Floats, Floats]:
        """The encoder's, the mean over windows by their tokens; and the words'. `column`: of the convention."""
        rows = np.stack([self._encoder(name, pooled, column) for pooled in reading.pooled])
        return (rows * reading.shares[:, None]).sum(0), self._words(name, self._summed(reading.places), column)

    def _encoder(self, name: str, pooled: Floats, column: int) -> Floats:
        full = self._full
        hidden = _times(full[f"{name}.hidden.weight"], pooled) + full[f"{name}.hidden.bias"]
        if (shift := full.get(f"{name}.shift")) is not None:
            hidden = hidden + shift[column]
        answer = _times(full[f"{name}.out.weight"], _gelu(hidden)) + full[f"{name}.out.bias"]
        if (bias := full.get(f"{name}.bias")) is not None:
            answer = answer + bias[column]
        return np.asarray(answer, dtype=np.float32)

    def _summed(self, places: NDArray[np.intp]) -> Floats:
        """One row: the table's rows of these places, summed."""
        scales = self._full["ngrams.scales"][places]
        rows = self._table[places].astype(np.float32)
        parts = rows[:, : self._bag] * scales[:, :1], rows[:, self._bag :] * scales[:, 1:]
        summed = np.concatenate([part.sum(0) for part in parts]) / np.sqrt(max(1, len(places)))
        return np.asarray(summed, dtype=np.float32)

    def _words(self, name: str, summed: Floats, column: int) -> Floats:
        full, bag = self._full, summed[: self._bag]
        if name == "severity":
            start = self._bag + PARTIES[column] * SEVERITY
            answer = summed[start : start + SEVERITY] + full["ngrams.severity.bias"][column]
        elif (shift := full.get(f"ngrams.{name}.shift")) is not None:
            moved = bag * (1 + shift[column])
            answer = _times(full[f"ngrams.{name}.out.weight"], moved) + full[f"ngrams.{name}.bias"][column]
        else:
            answer = _times(full[f"ngrams.{name}.out.weight"], bag) + full[f"ngrams.{name}.out.bias"]
        return np.asarray(answer, dtype=np.float32)

    def embed(self, reading: Reading) -> Floats:
        """One row of length 1, or zero where nothing finite comes out."""
        rows = [_unit(_times(self._full["embedding.weight"], pooled)) for pooled in reading.pooled]
        return rows[0] if len(rows) == 1 else _unit((np.stack(rows) * reading.shares[:, None]).sum(0))


def _fit(name: str, arrays: Mapping[str, Floats], shape: tuple[int, ...]) -> None:
    if arrays[name].shape != shape:
        raise ValueError(f"'{name}' is {arrays[name].shape}, wanted {shape}")


def _times(matrix: Floats, vector: Floats) -> Floats:
    return np.asarray(np.einsum("ij,j->i", matrix, vector), dtype=np.float32)


def _unit(row: Floats) -> Floats:
    row = np.nan_to_num(row)
    length = np.sqrt((row * row).sum())
    return np.asarray(row / length if length else row, dtype=np.float32)


def _gelu(values: Floats) -> Floats:
    return np.asarray(0.5 * values * (1 + _erf(values / np.float32(np.sqrt(2)))), dtype=np.float32)


def _erf(values: Floats) -> Floats:
    """Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26: within 1.5e-7."""
    t = 1 / (1 + 0.3275911 * np.abs(values))
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return np.asarray(np.sign(values) * (1 - series * np.exp(-values * values)), dtype=np.float32)
