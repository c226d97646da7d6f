"""Blend: the mean of other forecasters' distributions with fixed weights, level by level (Vincent averaging)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from replen import config
from replen.features.panel import Panel
from replen.forecast.distribution import Distribution, from_quantiles
from replen.forecast.interface import Forecaster

FloatArray = NDArray[np.float32]
Float64Array = NDArray[np.float64]

BLEND = "blend"
WEIGHTS_FILE = "weights.json"


@dataclass(frozen=True)
class Blend:
    """A fixed-weight blend of forecasters that are fitted and stored on their own.

    Attributes:
        weights: name -> weight, > 0; they count relative to their sum.
        members: name -> forecaster; empty until `bind` has brought them together.
    """

    weights: Mapping[str, float]
    members: Mapping[str, Forecaster] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: config.Blend) -> Self:
        """Return the blend of a configuration, not bound yet."""
        return cls({str(name): weight for name, weight in settings.weights.items()})

    def predict(self, panel: Panel, *, horizon: int, levels: FloatArray) -> Distribution:
        """Return the weighted mean of what the members predict.

        A member without a forecast of a series drops out of it, the others keep their relative weights, and the reason says so.
        """
        parts = {name: self.members[name].predict(panel, horizon=horizon, levels=levels) for name in self.weights}
        weight = np.array(list(self.weights.values()))[:, None] * [
            np.isfinite(part.mean).all(axis=1) for part in parts.values()
        ]
        share = weight / np.where(weight.sum(axis=0) > 0, weight.sum(axis=0), np.nan)
        steady = np.array(list(self.weights.values())) / sum(self.weights.values())
        dependence = steady @ np.stack([part.dependence for part in parts.values()])
        return from_quantiles(
            _weighted([part.mean for part in parts.values()], share),
            _weighted([part.quantiles for part in parts.values()], share),
            levels=levels,
            dependence=dependence.astype(np.float32),
            reason=_reasons(parts),
        )

    def save(self, folder: Path) -> None:
        """Write names and weights; the members are stored on their own."""
        (folder / WEIGHTS_FILE).write_text(json.dumps(self.weights), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Return what `save` has written, not bound yet."""
        return cls(json.loads((folder / WEIGHTS_FILE).read_text(encoding="utf-8")))


def _weighted(values: list[FloatArray], share: Float64Array) -> FloatArray:
    """Return the sum over members of share (n_members, n_series) times values (n_series, ...)."""
    stacked = np.nan_to_num(np.stack(values).astype(np.float64))
    return np.asarray(np.einsum("ms...,ms->s...", stacked, share), np.float32)


def _reasons(parts: Mapping[str, Distribution]) -> NDArray[np.str_]:
    """Return shape (n_series,): the members that dropped out, with their reasons."""
    reasons: list[list[str]] = [[] for _ in next(iter(parts.values())).reason]
    for name, part in parts.items():
        for row in np.flatnonzero(np.isnan(part.mean).any(axis=1)):
            reasons[row].append(f"without {name}: {part.reason[row] or 'no forecast'}")
    return np.array(["; ".join(dropped) for dropped in reasons], dtype=str)
