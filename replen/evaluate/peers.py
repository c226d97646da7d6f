"""What a user would pick instead, run the way its documentation does, on the same panel: the scoring jobs' yardsticks."""

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd

from replen import tables as t
from replen.errors import ReplenError
from replen.features.calendar import DateArray, periods_after
from replen.features.panel import FloatArray, Panel
from replen.forecast.distribution import Distribution, from_quantiles

Peer = Callable[[Panel, int, FloatArray, int], Distribution]
Columns = Mapping[str, FloatArray]
Static = Mapping[str, "pd.Series[Any]"]
UNIQUE_ID, DS, Y = "unique_id", "ds", "y"
MIDDLE = 0.5
SEASON = 7


def auto_ets(panel: Panel, horizon: int, levels: FloatArray, n_jobs: int) -> Distribution:
    """Return statsforecast's AutoETS of each series, with its own normal intervals cut at zero."""
    from statsforecast.models import AutoETS

    return _by_statsforecast(AutoETS(SEASON), panel, horizon, levels, n_jobs=n_jobs)


def seasonal_naive(panel: Panel, horizon: int, levels: FloatArray, n_jobs: int) -> Distribution:
    """Return statsforecast's SeasonalNaive of each series, with its own normal intervals cut at zero."""
    from statsforecast.models import SeasonalNaive

    return _by_statsforecast(SeasonalNaive(SEASON), panel, horizon, levels, n_jobs=n_jobs)


def _by_statsforecast(model: Any, panel: Panel, horizon: int, levels: FloatArray, *, n_jobs: int) -> Distribution:
    from statsforecast import StatsForecast
    from statsforecast.models import SeasonalNaive

    fitting = StatsForecast([model], freq="D", n_jobs=n_jobs, fallback_model=SeasonalNaive(SEASON))
    forecasts = fitting.forecast(df=long_sales(panel), h=horizon, level=interval_levels(levels))
    return _distribution(forecasts, str(model), panel, horizon, levels)


def lightgbm(panel: Panel, horizon: int, levels: FloatArray, n_jobs: int) -> Distribution:
    """Return mlforecast's global LightGBM (Tweedie, lags, moving means, calendar, price, events), conformal intervals."""
    from lightgbm import LGBMRegressor
    from mlforecast import MLForecast
    from mlforecast.lag_transforms import RollingMean
    from mlforecast.utils import PredictionIntervals

    model = LGBMRegressor(
        objective="tweedie", tweedie_variance_power=1.1, n_estimators=400, learning_rate=0.05, num_leaves=63,
        min_child_samples=100, subsample=0.7, subsample_freq=1, colsample_bytree=0.7, n_jobs=n_jobs, random_state=0, verbose=-1,
    )  # fmt: skip
    forecaster = MLForecast(
        {"LightGBM": model},
        freq="D",
        lags=[1, 7, 14, 28],
        lag_transforms={1: [RollingMean(7), RollingMean(28)], 7: [RollingMean(7)]},
        date_features=["dayofweek", "day", "month"],
        num_threads=n_jobs,
    )
    static = {str(name): panel.keys[name].astype("category") for name in (t.SITE, t.CATEGORY, t.SKU)}
    known = known_columns(panel, horizon)
    n_periods = panel.shape[1]
    seen = {name: values[:, :n_periods] for name, values in known.items()}
    history = long_sales(panel, seen, static, at_least=2 * horizon + 2 * SEASON)
    forecaster.fit(history, static_features=list(static), prediction_intervals=PredictionIntervals(n_windows=2, h=horizon))
    ahead = {name: values[:, n_periods : n_periods + horizon] for name, values in known.items()}
    future = _long(ids(panel), periods_after(panel.periods, horizon), ahead) if ahead else None
    forecasts = forecaster.predict(horizon, X_df=future, level=interval_levels(levels))
    return _distribution(forecasts, "LightGBM", panel, horizon, levels)


PEERS: Mapping[str, Peer] = {"peer_seasonal_naive": seasonal_naive, "peer_auto_ets": auto_ets, "peer_lightgbm": lightgbm}
PACKAGES: Mapping[str, str] = {
    "peer_seasonal_naive": "statsforecast", "peer_auto_ets": "statsforecast", "peer_lightgbm": "mlforecast",
}  # fmt: skip
"""What each peer needs to be installed."""


def check_installed(peers: Iterable[str]) -> None:
    """Refuse peers whose packages cannot be imported.

    Raises:
        ReplenError: naming them, and what to install.
    """
    missing = []
    for peer in peers:
        try:
            import_module(PACKAGES[peer])
        except ImportError as why:
            missing.append(f"{peer} (expected the package {PACKAGES[peer]}: {why})")
    if missing:
        raise ReplenError(f"--models: {', '.join(missing)}; install `replen[peers]`, or give --models without them")


def ids(panel: Panel) -> "pd.Series[str]":
    """Return one id a series."""
    return panel.keys[t.SKU].astype(str) + "|" + panel.keys[t.SITE].astype(str)


def known_columns(panel: Panel, horizon: int) -> dict[str, FloatArray]:
    """Return what is known in advance, unknown price carried on, everything else unknown as zero."""
    width = panel.shape[1] + horizon
    columns = {}
    for name, values in panel.known.items():
        given = np.asarray(values[:, :width], np.float32)
        padded = np.pad(given, ((0, 0), (0, width - given.shape[1])), mode="edge")
        if np.isfinite(padded).any():
            columns[name] = np.nan_to_num(padded)
    return columns


def long_sales(
    panel: Panel, known: Columns | None = None, static: Static | None = None, *, at_least: int = 2 * SEASON
) -> pd.DataFrame:
    """Return rows unique_id, ds, y from each series' first known period on, unknown sales as zero; `at_least` periods each."""
    sales = panel.past[t.SALES_HISTORY]
    rows = _long(ids(panel), panel.periods, {Y: np.nan_to_num(sales), **(known or {})}, static)
    started = np.logical_or.accumulate(np.isfinite(sales), axis=1)
    started[:, -at_least:] = True
    return rows[started.ravel()].reset_index(drop=True)


def _long(names: "pd.Series[str]", periods: DateArray, columns: Columns, static: Static | None = None) -> pd.DataFrame:
    n_series, n_periods = len(names), len(periods)
    repeated = {name: values.repeat(n_periods).reset_index(drop=True) for name, values in (static or {}).items()}
    values = {name: array.reshape(n_series * n_periods) for name, array in columns.items()}
    keys = {UNIQUE_ID: names.repeat(n_periods).to_numpy(), DS: np.tile(periods.astype("datetime64[ns]"), n_series)}
    return pd.DataFrame({**keys, **values, **repeated})


def interval_levels(levels: FloatArray) -> list[Any]:
    """Return the central intervals, in percent, whose ends are the quantiles at these levels; whole numbers as int.

    >>> interval_levels(np.array([0.025, 0.25, 0.5, 0.75, 0.975]))
    [50, 95]
    """
    return sorted({_width(float(level)) for level in levels} - {0})


def _width(level: float) -> float:
    width = round(abs(2 * level - 1) * 100, 3)  # the names of the result's columns are made of it
    return int(width) if width == int(width) else width


def _distribution(forecasts: pd.DataFrame, model: str, panel: Panel, horizon: int, levels: FloatArray) -> Distribution:
    """Return the rows of a peer as a distribution, in the panel's order, cut at zero."""
    ordered = forecasts.set_index(UNIQUE_ID).loc[ids(panel).tolist()]

    def column(name: str) -> FloatArray:
        return np.asarray(ordered[name], np.float32).reshape(len(panel.keys), horizon).clip(0.0)

    def at(level: float) -> FloatArray:
        width = _width(level)
        return column(f"{model}-{'hi' if level > MIDDLE else 'lo'}-{width}" if width else model)

    quantiles = np.stack([at(float(level)) for level in levels], axis=2)
    reason = np.full(len(panel.keys), "", dtype="<U1")
    return from_quantiles(column(model), quantiles, levels=levels, dependence=np.zeros(horizon - 1, np.float32), reason=reason)
