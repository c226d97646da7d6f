"""The trained forecaster: networks of several seeds, averaged; predicts panels, saves and loads without pickled code."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import ndtri

from replen.config import Lstm
from replen.features.panel import Panel
from replen.forecast.distribution import Distribution, from_negative_binomial
from replen.forecast.interface import NO_SALES
from replen.forecast.lstm.batches import Batch, windows
from replen.forecast.lstm.inputs import Inputs
from replen.forecast.lstm.network import LOG_DISPERSION, MAX_LOG_RATIO
from replen.forecast.lstm.reading import Reading
from replen.forecast.negative_binomial import cdf

if TYPE_CHECKING:
    import keras

FloatArray = NDArray[np.float32]
Float64Array = NDArray[np.float64]

CALIBRATED_LEVELS = np.arange(1, 10) / 10
CALIBRATED_ON = 20_000
"""Targets at most that a calibration looks at."""
FACTOR_LOGS = [(-0.4, 0.2), (-0.7, 0.7)]
"""Bounds of the logs of level and dispersion factor."""
DIGITS = 4
"""Decimals of what is estimated on validation windows: further ones are noise, and may differ from machine to machine."""
PREDICT_BATCH = 512
"""Slices a call of the network: of 128 to 2,048, the size that takes least time."""
SETTINGS_FILE = "lstm.json"


@dataclass(frozen=True)
class LstmModel:
    """A fitted global LSTM.

    Attributes:
        networks: one a seed.
        settings: what they were built and trained with.
        reading: how they read a panel.
        dependence: shape (horizon - 1,), correlation of normal scores at distance 1, 2, ... steps.
        factors: what the networks' means and dispersions are multiplied by, so that quantiles hold what they promise.
    """

    networks: "Sequence[keras.Model]"
    settings: Lstm
    reading: Reading
    dependence: FloatArray
    factors: tuple[float, float]

    def predict(self, panel: Panel, *, horizon: int, levels: FloatArray) -> Distribution:
        """Return the demand of the next `horizon` periods (at most those trained for), negative binomial."""
        inputs = Inputs.of(panel, self.reading)
        n_series, n_periods = panel.shape
        rows = np.arange(n_series)
        batch = windows(inputs, rows, np.full((n_series, 1), n_periods - 1), context=self.settings.context)
        mean, dispersion = (part[:, 0, :horizon] for part in self.parameters(batch))
        unknown = inputs.first == n_periods
        mean[unknown] = np.nan
        return from_negative_binomial(
            mean, dispersion, levels=levels, dependence=self.dependence[: horizon - 1], reason=np.where(unknown, NO_SALES, "")
        )

    def parameters(self, batch: Batch) -> tuple[FloatArray, FloatArray]:
        """Return mean and dispersion, each (n_slices, n_origins, horizon): first two moments of the seeds' mixture."""
        means, squares = np.zeros(1), np.zeros(1)
        level, width = self.factors
        for network in self.networks:
            output = outputs_of(network, batch)
            ratio = np.exp(np.clip(output[..., 0], -MAX_LOG_RATIO, MAX_LOG_RATIO))
            mean = level * batch.scale * ratio
            means = means + mean / len(self.networks)
            dispersion = width * np.exp(np.clip(output[..., 1], *LOG_DISPERSION))
            squares = squares + (1 + dispersion) * mean**2 / len(self.networks)
        return np.asarray(means, np.float32), np.asarray(squares / np.square(means) - 1, np.float32)

    def calibrated(self, validation: Batch) -> Self:
        """Return the model with the level, the width and the dependence between steps that its validation windows show."""
        if not np.isfinite(validation.target).any():
            return self
        target = validation.target.astype(np.float64)
        mean, dispersion = (part.astype(np.float64) for part in self.parameters(validation))
        level, width = calibration_of(target, mean, dispersion)
        dependence = dependence_of(target, level * mean, width * dispersion)
        return replace(self, factors=(self.factors[0] * level, self.factors[1] * width), dependence=dependence)

    def save(self, folder: Path) -> None:
        """Write one `.keras` file a seed and one JSON file."""
        folder.mkdir(parents=True, exist_ok=True)
        for number, network in enumerate(self.networks):
            network.save(folder / f"{number}.keras")
        stored = {
            "settings": self.settings.model_dump(mode="json"),
            "reading": self.reading.as_json(),
            "dependence": [float(value) for value in self.dependence],
            "factors": self.factors,
        }
        (folder / SETTINGS_FILE).write_text(json.dumps(stored, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Return the model that `save` wrote."""
        import keras

        stored = json.loads((folder / SETTINGS_FILE).read_text(encoding="utf-8"))
        settings = Lstm.model_validate(stored["settings"])
        networks = [keras.models.load_model(folder / f"{number}.keras", compile=False) for number in range(settings.n_models)]
        dependence = np.asarray(stored["dependence"], np.float32)
        return cls(networks, settings, Reading.from_json(stored["reading"]), dependence, tuple(stored["factors"]))


def calibration_of(target: Float64Array, mean: Float64Array, dispersion: Float64Array) -> tuple[float, float]:
    """Return the factors of mean and dispersion that bring the randomised probability integral transform closest to uniform.

    A few bulk orders pull the likelihood to means and tails that make ordinary quantiles too high. Closest: least squared
    difference between levels and the shares of targets expected below their quantiles (Cramer-von Mises, at CALIBRATED_LEVELS).
    """
    known = np.flatnonzero(np.isfinite(target))
    if not len(known):
        return 1.0, 1.0
    known = known[:: -(-len(known) // CALIBRATED_ON)]
    target, mean, dispersion = (values.ravel()[known] for values in (target, mean, dispersion))

    def distance(logs: Float64Array) -> float:
        level, width = np.exp(logs)
        below, at_or_below = (cdf(count, level * mean, width * dispersion) for count in (target - 1, target))
        inside = np.maximum(at_or_below - below, 1e-12)
        shares = np.array([np.clip((asked - below) / inside, 0, 1).mean() for asked in CALIBRATED_LEVELS])
        return float(((shares - CALIBRATED_LEVELS) ** 2).sum())

    found = minimize(distance, np.zeros(2), method="Nelder-Mead", bounds=FACTOR_LOGS, options={"xatol": 2e-3, "fatol": 1e-7})
    level, width = np.round(np.exp(found.x), DIGITS).tolist()
    return level, width


def dependence_of(target: Float64Array, mean: Float64Array, dispersion: Float64Array) -> FloatArray:
    """Return shape (horizon - 1,): correlation of the normal scores of targets by distance in steps.

    Args:
        target: shape (n_slices, n_origins, horizon), units; NaN = unknown. Distances never seen keep the last one seen.
        mean: of target's shape, units.
        dispersion: of target's shape.
    """
    middle = (cdf(target - 1, mean, dispersion) + cdf(target, mean, dispersion)) / 2
    scores = ndtri(np.clip(middle, 1e-4, 1 - 1e-4))
    scores -= np.nanmean(scores)
    variance = np.nanmean(scores**2)
    found, last = [], 0.0
    for distance in range(1, target.shape[2]):
        products = scores[:, :, distance:] * scores[:, :, :-distance]
        last = float(np.nanmean(products) / variance) if np.isfinite(products).any() else last
        found.append(last)
    return np.round(found, DIGITS).astype(np.float32)


def outputs_of(network: "keras.Model", batch: Batch) -> FloatArray:
    """Return the network's output for all slices, (n_slices, n_origins, horizon, 2).

    Every call has one shape, so that there is one compiled function and a series' numbers never depend on its company.
    """
    n_origins = batch.picks.shape[1]
    return np.concatenate([_outputs_at(network, batch.at_origin(origin)) for origin in range(n_origins)], axis=1)


def _outputs_at(network: "keras.Model", batch: Batch) -> FloatArray:
    """Return the network's output for slices of one origin each, (n_slices, 1, horizon, 2)."""
    outputs = []
    for start in range(0, len(batch), PREDICT_BATCH):
        part = batch.take(slice(start, start + PREDICT_BATCH))
        missing = PREDICT_BATCH - len(part)
        padded = [np.pad(array, [(0, missing)] + [(0, 0)] * (array.ndim - 1)) for array in part.network_inputs]
        outputs.append(network.predict_on_batch(padded)[: len(part)])
    return np.concatenate(outputs)
