"""Forecast of one range of buckets: every series of it becomes a row, with a distribution or with the reason why not."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from replen import tables as t
from replen.features.panel import Panel, active
from replen.features.segments import ABC, ALL, CLASS, Segmentation, recent_revenue, segment_name
from replen.features.view import View
from replen.forecast import random
from replen.forecast.chain import chain_of, predict_chain
from replen.forecast.distribution import Distribution
from replen.forecast.interface import Forecaster
from replen.forecast.rows import to_rows


@dataclass(frozen=True)
class Versioned:
    """A forecaster and its version in the registry."""

    version: str
    forecaster: Forecaster


@dataclass(frozen=True)
class Champions:
    """Which forecaster a series is given to.

    Attributes:
        by_segment: segment -> name; `all` for the series of every other segment.
        kind: of the segments that have champions: class, abc, category; or all.
        segmentation: how the labels of a series are found.
    """

    by_segment: Mapping[str, str]
    kind: str
    segmentation: Segmentation

    def models(self, panel: Panel) -> NDArray[np.str_]:
        """Return the name by series of a prepared panel, shape (n_series,)."""
        for_all = self.by_segment[ALL]
        if self.kind == ALL:
            return np.full(panel.shape[0], for_all)
        labels = self.segmentation.labels(panel, [self.kind])[self.kind]
        return np.array([self.by_segment.get(segment_name(self.kind, label), for_all) for label in labels.tolist()], dtype=str)


@dataclass(frozen=True)
class Forecasting:
    """The forecasters, who gets which series, and what is asked of them.

    Attributes:
        view: how rows become panels.
        models: name -> every forecaster that is a champion or in the fallback chain.
        champions: which of them a series is given to.
        fallback: names asked in turn for what a champion cannot forecast.
        horizon: periods.
        levels: of the quantiles.
        seed: that the series' own seeds are made of.
    """

    view: View
    models: Mapping[str, Versioned]
    champions: Champions
    fallback: Sequence[str]
    horizon: int
    levels: tuple[float, ...]
    seed: int

    def __call__(self, series: pd.DataFrame) -> pa.Table:
        """Return rows of `tables.FORECASTS` without run_id, one a row of `tables.SERIES`."""
        panel = self.view.panel(series)
        sold = active(panel, self.view.features.active_periods)
        parts = [t.FORECASTS.without_run.arrow.empty_table(), self._inactive(panel.take(~sold))]
        if sold.any():
            parts += self._forecast(self.view.at(panel, panel.cutoff))
        return pa.concat_tables(parts, promote_options="default")

    def _forecast(self, panel: Panel) -> Iterator[pa.Table]:
        levels, given_to = np.asarray(self.levels, np.float32), self.champions.models(panel)
        for champion in np.unique(given_to).tolist():
            part = panel.take(given_to == champion)
            chain = {model: self.models[model].forecaster for model in chain_of(champion, self.fallback)}
            for answer in predict_chain(chain, part, horizon=self.horizon, levels=levels):
                yield self._rows(answer.distribution, part.take(answer.rows), answer.model)

    def _rows(self, distribution: Distribution, panel: Panel, model: str) -> pa.Table:
        seeds = random.series_seeds(panel.keys, panel.cutoff, seed=self.seed)
        rows = to_rows(distribution, panel.keys, seeds=seeds)
        labels = self.champions.segmentation.labels(panel, (CLASS, ABC))
        classes = {t.DEMAND_CLASS: labels[CLASS], t.ABC_CLASS: labels[ABC]}
        revenue = recent_revenue(panel, self.view.features.active_periods)
        made_by = {t.MODEL: model, t.MODEL_VERSION: self.models[model].version}
        return self._with(rows, made_by, {**classes, t.RECENT_REVENUE: revenue})

    def _inactive(self, panel: Panel) -> pa.Table:
        columns = (*t.SERIES.key, t.BUCKET)
        keys = pa.table({str(column): pa.array(panel.keys[column], t.ARROW[column.type]) for column in columns})
        return self._with(keys, {t.MODEL: self.champions.by_segment[ALL], t.REASON: t.INACTIVE}, {})

    def _with(self, rows: pa.Table, same: Mapping[t.Column, str], columns: Mapping[t.Column, ArrayLike]) -> pa.Table:
        """Return the rows with the cutoff, with values that are the same in each, and with columns."""
        every = {column: [value] * len(rows) for column, value in {**same, t.CUTOFF: self.view.cutoff}.items()}
        for column, values in {**every, **columns}.items():
            rows = rows.append_column(str(column), pa.array(values, t.ARROW[column.type]))
        return rows
