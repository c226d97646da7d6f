"""What the simple and the statistical forecasters learn from all series, as rows that any engine may add up, and back."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from replen import tables as t
from replen.config import Forecast
from replen.features.panel import Panel
from replen.forecast.blend import BLEND, Blend
from replen.forecast.interface import Forecaster
from replen.forecast.moving_average import MovingAverage
from replen.forecast.residuals import ResidualProfile
from replen.forecast.season import SeasonSums
from replen.forecast.seasonal_naive import SeasonalNaive
from replen.forecast.statistical import SETTINGS, StatisticalModel

STEP, SIZE_CLASS, BIN, COUNT = "step", "size_class", "bin", "count"
SEASON_KEY = [str(t.CUTOFF), str(t.DATE)]
SEASON_DDL = f"{t.CUTOFF} date, {t.DATE} date, {t.VALUE} double, {COUNT} double"
PROFILE_KEY = [str(t.CUTOFF), str(t.MODEL), STEP, SIZE_CLASS, BIN]
PROFILE_DDL = f"{t.CUTOFF} date, {t.MODEL} string, {STEP} int, {SIZE_CLASS} int, {BIN} int, {COUNT} bigint"
MOVING_AVERAGE, SEASONAL_NAIVE, LOCAL_LSTM = "moving_average", "seasonal_naive", "local_lstm"
COUNTED = frozenset({MOVING_AVERAGE, SEASONAL_NAIVE, *SETTINGS})
"""Forecasters whose fitted state is counts that add up."""

Seasons = Mapping[np.datetime64, SeasonSums]


def season_rows(panels: Mapping[np.datetime64, Panel]) -> pd.DataFrame:
    """Return the season sums of some series at each cutoff; values and counts of equal keys may be added up."""
    frames = []
    for cutoff, panel in panels.items():
        sums = SeasonSums.of(panel)
        columns = {t.CUTOFF: cutoff, t.DATE: sums.periods, t.VALUE: sums.sums, COUNT: sums.counts}
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


def seasons(rows: pd.DataFrame) -> dict[np.datetime64, SeasonSums]:
    """Return the season sums of all series by cutoff, from added-up rows."""
    ordered = rows.assign(**{name: rows[name].to_numpy(dtype="datetime64[D]") for name in SEASON_KEY}).sort_values(SEASON_KEY)
    return {
        pd.Timestamp(str(cutoff)).to_datetime64().astype("datetime64[D]"): SeasonSums(
            part[t.DATE].to_numpy(dtype="datetime64[D]"), part[t.VALUE].to_numpy(np.float64), part[COUNT].to_numpy(np.float64)
        )
        for cutoff, part in ordered.groupby(t.CUTOFF)
    }


def profile_rows(panels: Mapping[np.datetime64, Panel], season: Seasons, settings: Forecast) -> pd.DataFrame:
    """Return the residual counts of some series at each cutoff and counted forecaster; counts of equal keys may be added up."""
    counted = [model for model in settings.models if model in COUNTED]
    frames = [
        count_rows(_measure(model, panel, season[cutoff], settings), cutoff, model)
        for cutoff, panel in panels.items()
        for model in counted
    ]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=[*PROFILE_KEY, COUNT])


def count_rows(profile: ResidualProfile, cutoff: np.datetime64, model: str) -> pd.DataFrame:
    """Return the counts of a forecaster's errors that are not 0, one a row."""
    step, size_class, bin_ = np.nonzero(profile.counts)
    counts = {STEP: step, SIZE_CLASS: size_class, BIN: bin_, COUNT: profile.counts[step, size_class, bin_]}
    return pd.DataFrame({t.CUTOFF: cutoff, t.MODEL: model, **counts})


def profile_at(counts: pd.DataFrame, cutoff: np.datetime64, model: str, *, horizon: int) -> ResidualProfile:
    """Return a forecaster's profile at a cutoff, from the added-up rows of all series."""
    rows = counts[(counts[t.CUTOFF].to_numpy(dtype="datetime64[D]") == cutoff) & (counts[t.MODEL] == model)]
    profile = ResidualProfile.empty(horizon)
    profile.counts[rows[STEP], rows[SIZE_CLASS], rows[BIN]] = rows[COUNT]
    return profile


def simple_forecasters(
    cutoff: np.datetime64, season: Seasons, profiles: pd.DataFrame, settings: Forecast
) -> dict[str, Forecaster]:
    """Return the counted forecasters fitted at a cutoff, from the added-up rows of all series, and the blend."""
    fitted: dict[str, Forecaster] = {}
    for model in (model for model in settings.models if model in COUNTED):
        profile = profile_at(profiles, cutoff, model, horizon=settings.horizon)
        fitted[model] = _made(model, season[cutoff], profile, settings)
    if BLEND in settings.models:
        fitted[BLEND] = Blend.of(settings.blend)
    return fitted


def _measure(model: str, panel: Panel, season: SeasonSums, settings: Forecast) -> ResidualProfile:
    horizon, windows = settings.horizon, settings.residual_windows
    if model == MOVING_AVERAGE:
        window = settings.moving_average.window
        return MovingAverage.measure(panel, season, window=window, horizon=horizon, windows=windows)
    if model == SEASONAL_NAIVE:
        return SeasonalNaive.measure(panel, season=settings.seasonal_naive.season, horizon=horizon, windows=windows)
    return StatisticalModel.measure(panel, season, getattr(settings, model), horizon=horizon)


def _made(model: str, season: SeasonSums, profile: ResidualProfile, settings: Forecast) -> Forecaster:
    if model == MOVING_AVERAGE:
        return MovingAverage(settings.moving_average.window, season, profile)
    if model == SEASONAL_NAIVE:
        return SeasonalNaive(settings.seasonal_naive.season, profile)
    return StatisticalModel(getattr(settings, model), season, profile)
