"""From a name in the config to a fitted forecaster."""

from functools import reduce
from operator import add
from pathlib import Path

from replen.config import Forecast
from replen.forecast.interface import Forecaster, Shards
from replen.forecast.lstm.train import Observer, train
from replen.forecast.moving_average import MovingAverage
from replen.forecast.residuals import ResidualProfile
from replen.forecast.season import SeasonSums
from replen.forecast.seasonal_naive import SeasonalNaive


def fit_seasonal_naive(shards: Shards, settings: Forecast) -> SeasonalNaive:
    """Return the seasonal naive forecaster with its past errors over all shards."""
    season, horizon, windows = settings.seasonal_naive.season, settings.horizon, settings.residual_windows
    profiles = (SeasonalNaive.measure(panel, season=season, horizon=horizon, windows=windows) for panel in shards())
    return SeasonalNaive(season, reduce(add, profiles, ResidualProfile.empty(horizon)))


def fit_moving_average(shards: Shards, settings: Forecast) -> MovingAverage:
    """Return the masked seasonal moving average with the season and the past errors of all shards (two passes)."""
    window, horizon, windows = settings.moving_average.window, settings.horizon, settings.residual_windows
    season = reduce(add, (SeasonSums.of(panel) for panel in shards()))
    profiles = (MovingAverage.measure(panel, season, window=window, horizon=horizon, windows=windows) for panel in shards())
    return MovingAverage(window, season, reduce(add, profiles, ResidualProfile.empty(horizon)))


def fit(name: str, shards: Shards, settings: Forecast, *, seed: int, folder: Path, observer: Observer) -> Forecaster:
    """Return the forecaster `name` of the config, fitted on prepared panels up to one cutoff.

    Args:
        name: seasonal_naive, moving_average or lstm.
        shards: prepared panels of all series.
        settings: the config's section.
        seed: of weights and training windows.
        folder: checkpoints of the LSTM.
        observer: told after each epoch of the LSTM.
    """
    if name == "seasonal_naive":
        return fit_seasonal_naive(shards, settings)
    if name == "moving_average":
        return fit_moving_average(shards, settings)
    return train(shards, settings.lstm, horizon=settings.horizon, seed=seed, folder=folder, observer=observer)
