"""Forecasters that learn from all series at once, streamed in shards: which there are, and one way to train them."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from replen.config import Forecast
from replen.forecast.interface import Forecaster, Observer, Shards

Train = Callable[[Shards, Forecast, int, Path, Observer], Forecaster]


def _train_lstm(shards: Shards, settings: Forecast, seed: int, folder: Path, observer: Observer) -> Forecaster:
    from replen.forecast.lstm.train import train

    return train(shards, settings.lstm, horizon=settings.horizon, seed=seed, folder=folder, observer=observer)


def _train_tabular(
    shards: Shards, settings: Forecast, seed: int, folder: Path, observer: Observer, *, model: str
) -> Forecaster:
    from replen.forecast import gradient_boosting, regression

    if model == "lightgbm":
        return gradient_boosting.train(shards, settings, seed=seed)
    return regression.train(model, shards, settings, seed=seed)


STREAMED: Mapping[str, Train] = {"lstm": _train_lstm} | {
    model: partial(_train_tabular, model=model) for model in ("linear", "ridge", "polynomial", "lightgbm")
}


def train(model: str, shards: Shards, settings: Forecast, *, seed: int, folder: Path, observer: Observer) -> Forecaster:
    """Return a forecaster of STREAMED, trained.

    Args:
        model: its name in the config.
        shards: prepared panels up to one cutoff.
        settings: the section `forecast`.
        seed: of everything random in it.
        folder: where a training that was killed may find what it had.
        observer: told after each epoch, where there are epochs.
    """
    return STREAMED[model](shards, settings, seed, folder, observer)
