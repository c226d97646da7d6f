"""Forecasters that learn from all series at once, streamed in shards: which there are, and one way to train them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from replen.config import Forecast
from replen.features.view import View
from replen.forecast.interface import EpochMetrics, Forecaster, Observer, Shards
from replen.forecast.ranks import Ranks
from replen.forecast.storage import Packed, pack

Train = Callable[[Shards, Forecast, int, str, Observer, Ranks], Forecaster]


def _train_lstm(shards: Shards, settings: Forecast, seed: int, folder: str, observer: Observer, ranks: Ranks) -> Forecaster:
    from replen.forecast.lstm.train import train

    lstm, horizon = settings.lstm, settings.horizon
    return train(shards, lstm, horizon=horizon, seed=seed, folder=folder, observer=observer, ranks=ranks)


def _train_tabular(
    shards: Shards, settings: Forecast, seed: int, folder: str, observer: Observer, ranks: Ranks, *, model: str
) -> Forecaster:
    from replen.forecast import gradient_boosting, regression

    if model == "lightgbm":
        return gradient_boosting.train(shards, settings, seed=seed)
    return regression.train(model, shards, settings, seed=seed)


STREAMED: Mapping[str, Train] = {"lstm": _train_lstm} | {
    model: partial(_train_tabular, model=model) for model in ("linear", "ridge", "polynomial", "lightgbm")
}


@dataclass(frozen=True)
class Training:
    """A training of a forecaster of STREAMED, as any process can do it; picklable.

    Attributes:
        model: its name in the config.
        view: how rows of `series` become panels.
        files: Parquet files of `tables.SERIES`.
        cutoff: last period it may learn from.
        settings: the section `forecast`.
        seed: of everything random in it.
        folder: where a training that was killed may find what it had; a folder or URL that every rank reaches.
    """

    model: str
    view: View
    files: tuple[str, ...]
    cutoff: np.datetime64
    settings: Forecast
    seed: int
    folder: str

    def on(self, ranks: Ranks, observer: Observer) -> Packed:
        """Return the forecaster, trained by these ranks from a share of the series each; the observer is told of epochs."""
        most, share = self.settings.training_series, (ranks.rank, ranks.size)
        shards = self.view.shards(self.files, self.cutoff, most=most, share=share)
        return pack(self.model, STREAMED[self.model](shards, self.settings, self.seed, self.folder, observer, ranks))

    def on_rank(self, ranks: Ranks) -> Packed:
        """Return the forecaster, trained where nobody observes."""
        return self.on(ranks, _unheard)


def n_ranks(model: str, settings: Forecast) -> int:
    """Return how many processes train a forecaster together."""
    return settings.lstm.ranks if model == "lstm" else 1


def _unheard(_: EpochMetrics) -> None:
    """Do nothing."""
