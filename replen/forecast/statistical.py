"""ETS, ARIMA, Croston and TSB: one model a series, fitted by statsforecast on its history up to the cutoff.

Nothing is kept of a series' fit: it is made anew in the process that asks for a forecast.
"""

import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replen import tables as t
from replen.config import Arima, Croston, Ets, Statistical, Tsb
from replen.features.calendar import periods_after
from replen.features.panel import Panel
from replen.forecast import random
from replen.forecast.distribution import Distribution
from replen.forecast.interface import NO_SALES
from replen.forecast.residuals import ResidualProfile
from replen.forecast.season import SeasonSums
from replen.forecast.simple import ARRAYS, distribution_of

FloatArray = NDArray[np.float32]
Float64Array = NDArray[np.float64]
Fit = Callable[[Float64Array, int], Float64Array]

SETTINGS: Mapping[str, type[Statistical]] = {"ets": Ets, "arima": Arima, "croston": Croston, "tsb": Tsb}
SETTINGS_FILE = "settings.json"
MAX_GROWTH = 3.0
"""Largest forecast, as a multiple of the largest known value: a short history may look explosive."""


@dataclass(frozen=True)
class StatisticalModel:
    """A model a series; its quantiles are those of how far such models were off before.

    Attributes:
        settings: which model, and how it is fitted.
        season: sales of all series by period; histories are divided by its index where the settings say so.
        profile: errors in the last windows of some series.
    """

    settings: Statistical
    season: SeasonSums
    profile: ResidualProfile

    @staticmethod
    def measure(panel: Panel, season: SeasonSums, settings: Statistical, *, horizon: int) -> ResidualProfile:
        """Return the errors in the last windows of the panel's chosen series, to be added up over all panels."""
        profile, chosen = ResidualProfile.empty(horizon), panel.take(_measured(panel.keys, settings.profile_series))
        sales = chosen.past[t.SALES_HISTORY].astype(np.float64)
        for origin in len(panel.periods) - horizon * np.arange(1, settings.profile_windows + 1):
            if origin > 0:
                then = chosen.until(panel.periods[origin - 1], horizon)
                forecast, _ = point(then, season, settings, horizon=horizon)
                for step in range(horizon):
                    profile.add_step(step, sales[:, origin + step], forecast[:, step])
        return profile

    def predict(self, panel: Panel, *, horizon: int, levels: FloatArray) -> Distribution:
        """Return the demand of the next `horizon` periods; a series whose model cannot be fitted has the reason why."""
        forecast, reason = point(panel, self.season, self.settings, horizon=horizon)
        return distribution_of(forecast, self.profile, levels=levels, reason=reason)

    def save(self, folder: Path) -> None:
        """Write the settings and the arrays."""
        kind = next(kind for kind, section in SETTINGS.items() if isinstance(self.settings, section))
        stored = {"kind": kind, "settings": self.settings.model_dump(mode="json")}
        (folder / SETTINGS_FILE).write_text(json.dumps(stored), encoding="utf-8")
        np.savez_compressed(folder / ARRAYS, profile=self.profile.counts, **self.season.arrays())

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Return what `save` has written."""
        stored = json.loads((folder / SETTINGS_FILE).read_text(encoding="utf-8"))
        settings = SETTINGS[stored["kind"]].model_validate(stored["settings"])
        with np.load(folder / ARRAYS, allow_pickle=False) as arrays:
            return cls(settings, SeasonSums.from_arrays(arrays), ResidualProfile(arrays["profile"]))


def point(panel: Panel, season: SeasonSums, settings: Statistical, *, horizon: int) -> tuple[Float64Array, NDArray[np.str_]]:
    """Return expected demand, shape (n_series, horizon), units, and the reasons, shape (n_series,).

    Unknown periods before the first known one are cut off; unknown periods at the end are forecast as well, and left out;
    those between are interpolated, but for the intermittent models, which take the known periods one after the other.
    NaN where no sales are known or the model fails, with the reason.
    """
    level, coming = _without_season(panel, season if settings.shared_season else None, horizon=horizon)
    level = level[:, -settings.history :]
    fit, forecast = _fitter(settings), np.full((len(level), horizon), np.nan)
    reason = np.where(np.isfinite(level).any(axis=1), "", NO_SALES).astype(object)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for row in np.flatnonzero(reason == ""):
            try:
                forecast[row] = _forecast(level[row], fit, horizon=horizon, fill=not isinstance(settings, Croston | Tsb))
            except Exception as failure:  # whatever a library makes of one series is that series' reason
                reason[row] = f"{type(failure).__name__}: {failure}"
    return forecast * coming, reason.astype(str)


def _without_season(panel: Panel, season: SeasonSums | None, *, horizon: int) -> tuple[Float64Array, Float64Array]:
    """Return sales over the seasonal index, shape (n_series, n_periods), and the index of the next `horizon` periods."""
    sales, n_periods = panel.past[t.SALES_HISTORY].astype(np.float64), len(panel.periods)
    if season is None:
        return sales, np.ones(horizon)
    index = season.index(panel.cutoff, np.concatenate([panel.periods, periods_after(panel.periods, horizon)]))
    past = np.where(index[:n_periods] > 0, index[:n_periods], np.nan)
    return sales / past, index[n_periods:]


def _forecast(values: Float64Array, fit: Fit, *, horizon: int, fill: bool) -> Float64Array:
    """Return shape (horizon,): the next values of one series of at least one known value."""
    known = np.flatnonzero(np.isfinite(values))
    history, n_after = values[known], len(values) - 1 - known[-1]
    if fill:
        history = np.interp(np.arange(known[0], known[-1] + 1), known, history)
    if np.ptp(history) == 0:
        return np.full(horizon, history[0])
    # Numbers of the order of one; a power of two, so that no digit of a forecast depends on the unit.
    unit = np.exp2(np.frexp(history.max())[1])
    found = fit(history / unit, n_after + horizon)[-horizon:] * unit
    if not np.isfinite(found).all():
        raise ArithmeticError("the fitted model forecasts no finite number")
    return np.asarray(np.clip(found, 0.0, MAX_GROWTH * history.max()))


def _fitter(settings: Statistical) -> Fit:
    """Return what fits a model to a history and gives its next values."""
    from statsforecast import models

    crostons = {"classic": models.CrostonClassic, "optimized": models.CrostonOptimized, "sba": models.CrostonSBA}

    def fit(history: Float64Array, horizon: int) -> Float64Array:
        model: Any
        match settings:
            case Ets():
                season = _season(history, settings.season)
                model = models.AutoETS(season, settings.model if season > 1 else f"{settings.model[:2]}N")
            case Arima():
                season, order = _season(history, settings.season), settings.max_order
                model = models.AutoARIMA(max_p=order, max_q=order, season_length=season, approximation=True)
            case Croston():
                model = crostons[settings.variant]()
            case Tsb():
                model = models.TSB(settings.demand_weight, settings.probability_weight)
        return np.asarray(model.forecast(history, horizon)["mean"], np.float64)

    return fit


def _season(history: Float64Array, periods: int) -> int:
    """Return the season that a model may have: 1, none, until two seasons are known."""
    return periods if len(history) >= 2 * periods else 1


def _measured(keys: pd.DataFrame, n_series: int) -> NDArray[np.bool_]:
    """Return shape (n_series,): whether a series is one of the first `n_series` of its bucket, in an order by hash."""
    order = random.uniforms(random.series_seeds(keys, np.datetime64(0, "D"), seed=0), 1)[:, 0]
    return np.asarray(pd.Series(order).groupby(keys[t.BUCKET].to_numpy()).rank(method="first") <= n_series)
