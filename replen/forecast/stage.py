"""Forecast of one range of buckets: every series of it becomes a row, with a distribution or with the reason why not."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from replen import tables as t
from replen.features.panel import Panel, active
from replen.features.view import View
from replen.forecast import random
from replen.forecast.chain import predict_with_fallback
from replen.forecast.distribution import Distribution
from replen.forecast.interface import Forecaster
from replen.forecast.rows import to_rows


@dataclass(frozen=True)
class Versioned:
    """A forecaster with its name in the config and its version in the registry."""

    model: str
    version: str
    forecaster: Forecaster


@dataclass(frozen=True)
class Forecasting:
    """The champion, the one that stands in for it, and what is asked of them.

    Attributes:
        view: how rows become panels.
        champion: the forecaster asked first.
        fallback: the one asked for what it cannot forecast.
        horizon: periods.
        levels: of the quantiles.
        seed: that the series' own seeds are made of.
    """

    view: View
    champion: Versioned
    fallback: Versioned
    horizon: int
    levels: tuple[float, ...]
    seed: int

    def __call__(self, series: pd.DataFrame) -> pd.DataFrame:
        """Return rows of `tables.FORECASTS` without run_id, one a row of `tables.SERIES`."""
        panel = self.view.panel(series)
        sold = active(panel, self.view.features.active_periods)
        frames = [self._inactive(panel.take(~sold))]
        if sold.any():
            frames += self._forecast(self.view.at(panel, panel.cutoff))
        rows = pd.concat([frame for frame in frames if len(frame)], ignore_index=True)
        return rows.assign(**{str(t.CUTOFF): self.view.cutoff})[t.FORECASTS.without_run.names]

    def _forecast(self, panel: Panel) -> list[pd.DataFrame]:
        levels = np.asarray(self.levels, np.float32)
        first, second = self.champion, self.fallback
        made, stand_in, failed = predict_with_fallback(
            first.forecaster, second.forecaster, panel, horizon=self.horizon, levels=levels
        )
        return [
            self._rows(made.take(~failed), panel.take(~failed), first),
            self._rows(stand_in, panel.take(failed), second),
        ]

    def _rows(self, distribution: Distribution, panel: Panel, made_by: Versioned) -> pd.DataFrame:
        seeds = random.series_seeds(panel.keys, panel.cutoff, seed=self.seed)
        rows = to_rows(distribution, panel.keys, seeds=seeds)
        return rows.assign(**{str(t.MODEL): made_by.model, str(t.MODEL_VERSION): made_by.version})

    def _inactive(self, panel: Panel) -> pd.DataFrame:
        keys = panel.keys[[*t.SERIES.key, t.BUCKET]]
        nothing = {str(name): None for name in t.FORECASTS.without_run.names if name not in keys.columns}
        return keys.assign(**{**nothing, str(t.MODEL): self.champion.model, str(t.REASON): t.INACTIVE})
