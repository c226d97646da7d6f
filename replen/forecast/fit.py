"""What the simple forecasters learn from all series, as rows that any engine may add up, and back."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from replen import tables as t
from replen.config import Forecast
from replen.features.panel import Panel
from replen.forecast.interface import Forecaster
from replen.forecast.moving_average import MovingAverage
from replen.forecast.residuals import ResidualProfile
from replen.forecast.season import SeasonSums
from replen.forecast.seasonal_naive import SeasonalNaive

STEP, SIZE_CLASS, BIN, COUNT = "step", "size_class", "bin", "count"
SEASON_KEY = [str(t.CUTOFF), str(t.DATE)]
SEASON_DDL = f"{t.CUTOFF} date, {t.DATE} date, {t.VALUE} double, {COUNT} double"
PROFILE_KEY = [str(t.CUTOFF), str(t.MODEL), STEP, SIZE_CLASS, BIN]
PROFILE_DDL = f"{t.CUTOFF} date, {t.MODEL} string, {STEP} int, {SIZE_CLASS} int, {BIN} int, {COUNT} bigint"
MOVING_AVERAGE, SEASONAL_NAIVE = "moving_average", "seasonal_naive"

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
    """Return the residual counts of some series at each cutoff and simple forecaster; counts of equal keys may be added up."""
    average, naive = settings.moving_average, settings.seasonal_naive
    frames = []
    for cutoff, panel in panels.items():
        sizes = {"horizon": settings.horizon, "windows": settings.residual_windows}
        profiles = {
            MOVING_AVERAGE: MovingAverage.measure(panel, season[cutoff], window=average.window, **sizes),
            SEASONAL_NAIVE: SeasonalNaive.measure(panel, season=naive.season, **sizes),
        }
        frames += [count_rows(profile, cutoff, model) for model, profile in profiles.items()]
    return pd.concat(frames, ignore_index=True)


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
    """Return the simple forecasters fitted at a cutoff, from the added-up rows of all series."""
    average, naive = (
        profile_at(profiles, cutoff, model, horizon=settings.horizon) for model in (MOVING_AVERAGE, SEASONAL_NAIVE)
    )
    return {
        MOVING_AVERAGE: MovingAverage(settings.moving_average.window, season[cutoff], average),
        SEASONAL_NAIVE: SeasonalNaive(settings.seasonal_naive.season, naive),
    }
