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

INACTIVE = "not sold within features.active_periods up to the cutoff"


@dataclass(frozen=True)
class Forecasting:
    """The champion, the one that stands in for it, and what is asked of them.

    Attributes:
        champion: its name and version, and itself.
        fallback: likewise.
        horizon: periods.
        levels: of the quantiles.
        seed: that the series' own seeds are made of.
    """

    view: View
    champion: tuple[str, str, Forecaster]
    fallback: tuple[str, str, Forecaster]
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
        return rows.assign(**{str(t.CUTOFF): self.view.cutoff})[[name for name in t.FORECASTS.names if name != t.RUN_ID]]

    def _forecast(self, panel: Panel) -> list[pd.DataFrame]:
        levels = np.asarray(self.levels, np.float32)
        name, version, champion = self.champion
        other, other_version, fallback = self.fallback
        made, stand_in, failed = predict_with_fallback(champion, fallback, panel, horizon=self.horizon, levels=levels)
        return [
            self._rows(made.take(~failed), panel.take(~failed), name, version),
            self._rows(stand_in, panel.take(failed), other, other_version),
        ]

    def _rows(self, distribution: Distribution, panel: Panel, model: str, version: str) -> pd.DataFrame:
        seeds = random.series_seeds(panel.keys, panel.cutoff, seed=self.seed)
        rows = to_rows(distribution, panel.keys, seeds=seeds)
        return rows.assign(**{str(t.MODEL): model, str(t.MODEL_VERSION): version})

    def _inactive(self, panel: Panel) -> pd.DataFrame:
        keys = panel.keys[[*t.SERIES.key, t.BUCKET]]
        nothing = {str(name): None for name in t.FORECASTS.names if name not in (*keys.columns, t.RUN_ID)}
        return keys.assign(**{**nothing, str(t.MODEL): self.champion[0], str(t.REASON): INACTIVE})
