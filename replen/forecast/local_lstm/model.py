"""The local LSTMs of all series as one forecaster: weights come with the panel, so a forecast needs no refit."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replen import tables as t
from replen.config import LocalLstm
from replen.errors import ReplenError
from replen.features.panel import Panel
from replen.forecast import random
from replen.forecast.distribution import Distribution
from replen.forecast.local_lstm.examples import Examples, last_examples, read, reading_of, training_examples, unfit
from replen.forecast.local_lstm.stack import forward
from replen.forecast.local_lstm.train import layout_of, train
from replen.forecast.lstm.network import MAX_LOG_RATIO
from replen.forecast.lstm.reading import Reading
from replen.forecast.lstm.step import prepare_tensorflow
from replen.forecast.residuals import ResidualProfile
from replen.forecast.simple import distribution_of

FloatArray = NDArray[np.float32]
Float64Array = NDArray[np.float64]
Places = NDArray[np.intp]

BROKE_DOWN = "training of its model broke down"
NO_WEIGHTS = "no model of its own at this cutoff"
SETTINGS_FILE, PROFILE_FILE = "local_lstm.json", "profile.npz"


@dataclass(frozen=True)
class LocalLstmModel:
    """What all local LSTMs share; each series' weights stand in the panel's `weights_by_cutoff`.

    Attributes:
        settings: what the models were built and trained with.
        reading: how they read a panel.
        profile: how far they were off in periods they were not trained on, over all series.
    """

    settings: LocalLstm
    reading: Reading
    profile: ResidualProfile

    def predict(self, panel: Panel, *, horizon: int, levels: FloatArray) -> Distribution:
        """Return the demand of the next `horizon` periods (at most those trained for); the reason says who has no model."""
        weights = weights_of(panel)
        missing = np.array([one is None for one in weights], bool)
        reason = unfit(panel, self.settings)
        reason = np.where((reason == "") & missing, NO_WEIGHTS, reason)
        forecast = np.full((len(panel.keys), self.reading.horizon), np.nan)
        inputs = read(panel, self.reading)
        prepare_tensorflow(self.settings.threads)
        for rows in _stacks(np.flatnonzero(reason == ""), self.settings):
            own = np.stack([np.asarray(weights[row], np.float32) for row in rows])
            forecast[rows] = means(own, last_examples(inputs, rows, self.settings), self.settings)[:, 0, 0]
        return distribution_of(forecast[:, :horizon], self.profile, levels=levels, reason=reason)

    def save(self, folder: Path) -> None:
        """Write settings and reading as JSON, and the profile as plain arrays."""
        stored = {"settings": self.settings.model_dump(mode="json"), "reading": self.reading.as_json()}
        (folder / SETTINGS_FILE).write_text(json.dumps(stored, indent=1), encoding="utf-8")
        np.savez_compressed(folder / PROFILE_FILE, profile=self.profile.counts)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Return what `save` has written."""
        stored = json.loads((folder / SETTINGS_FILE).read_text(encoding="utf-8"))
        with np.load(folder / PROFILE_FILE, allow_pickle=False) as arrays:
            profile = ResidualProfile(arrays["profile"])
        return cls(LocalLstm.model_validate(stored["settings"]), Reading.from_json(stored["reading"]), profile)


def fit(panel: Panel, settings: LocalLstm, *, horizon: int, seed: int) -> tuple[pd.DataFrame, ResidualProfile]:
    """Return the models of a prepared panel up to its cutoff, and how far they were off in periods held out.

    Args:
        panel: of any series; each gets the model it would get alone.
        settings: how models are built and trained.
        horizon: steps forecast at once.
        seed: that the series' own seeds are made of.

    Returns:
        one row a series: its key, bucket, cutoff, and weights or the reason why there are none; counts that may be added up.
    """
    profile = ResidualProfile.empty(horizon)
    reason = unfit(panel, settings).astype(object)
    weights: list[FloatArray | None] = [None] * len(reason)
    seeds = random.series_seeds(panel.keys, panel.cutoff, seed=seed)
    inputs = read(panel, reading_of(panel, settings, horizon=horizon))
    prepare_tensorflow(settings.threads)
    for rows in _stacks(np.flatnonzero(reason == ""), settings):
        examples = training_examples(inputs, rows, settings)
        trained = train(examples, seeds[rows], settings)
        healthy = np.asarray(np.isfinite(trained.weights).all(axis=1) & np.isfinite(trained.before).all(axis=1))
        reason[rows[~healthy]] = BROKE_DOWN
        for place in np.flatnonzero(healthy):
            weights[rows[place]] = trained.weights[place]
        _count_errors(profile, examples, means(trained.before, examples, settings), among=healthy)
    models = panel.keys[[*t.SERIES.key, t.BUCKET]].copy()
    models[t.CUTOFF], models[t.MODEL_WEIGHTS] = panel.cutoff, pd.Series(weights, dtype=object)
    models[t.REASON] = pd.Series([why or None for why in reason], dtype=object)
    return models, profile


def means(weights: FloatArray, examples: Examples, settings: LocalLstm) -> Float64Array:
    """Return expected demand, (n_series, n_slices, n_origins, horizon), units, of at most `settings.stack` models.

    A stack is always full, so that there is one compiled function and a series' numbers never depend on its company.
    """
    n_series, filled = len(examples), examples.padded(settings.stack)
    layout = layout_of(examples, settings)
    if weights.shape[1] != layout.n_weights:
        raise ReplenError(
            f"local_lstm: expected {layout.n_weights} weights a series, found {weights.shape[1]}; they were trained with other "
            "settings or events: train again"
        )
    stacked = np.pad(weights, [(0, settings.stack - n_series), (0, 0)])
    output = forward(layout)(stacked, filled.past, filled.future).numpy()[:n_series]
    ratio = np.exp(np.clip(output[..., 0].astype(np.float64), -MAX_LOG_RATIO, MAX_LOG_RATIO))
    return np.asarray(ratio * examples.scale * examples.unit[:, None, None, None])


def weights_of(panel: Panel) -> list[FloatArray | None]:
    """Return each series' weights at the panel's cutoff, None where it has none."""
    if t.WEIGHTS_BY_CUTOFF not in panel.keys:
        return [None] * len(panel.keys)
    by_cutoff: Iterator[dict[str, Any]] = (dict(pairs or ()) for pairs in panel.keys[t.WEIGHTS_BY_CUTOFF])
    return [weights.get(str(panel.cutoff)) for weights in by_cutoff]


def _stacks(rows: Places, settings: LocalLstm) -> Iterator[Places]:
    return (rows[start : start + settings.stack] for start in range(0, len(rows), settings.stack))


def _count_errors(profile: ResidualProfile, examples: Examples, forecast: Float64Array, *, among: NDArray[np.bool_]) -> None:
    actual = np.where(examples.held_out, examples.target, np.nan).astype(np.float64) * examples.unit[:, None, None, None]
    for step in range(actual.shape[-1]):
        profile.add_step(step, actual[among, ..., step], forecast[among, ..., step])
