"""Backtest of one range of buckets: every model at every fold's cutoff, scored against what was sold."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from replen import tables as t
from replen.config import Evaluate, Features
from replen.evaluate.folds import target_periods
from replen.evaluate.metrics import Doubles, Parts, Scored, in_sample, metric_parts, randomised_transform
from replen.evaluate.scores import score_rows, series_scores
from replen.features.classes import demand_class, revenue
from replen.features.panel import FloatArray, Panel, active
from replen.features.prepare import prepare
from replen.forecast import random
from replen.forecast.binding import bind
from replen.forecast.chain import predict_with_fallback
from replen.forecast.distribution import Distribution
from replen.forecast.interface import Forecaster

SERIES_SEGMENT = "series"


@dataclass(frozen=True)
class Fold:
    """One origin: forecasters fitted on nothing later than its cutoff, and the one that stands in where another fails."""

    cutoff: np.datetime64
    forecasters: Mapping[str, Forecaster]
    fallback: Forecaster


@dataclass(frozen=True)
class Backtest:
    """What is scored, and how.

    Attributes:
        folds: origins at least `evaluate.horizon` periods before the panel's end.
        seed: of the uniforms that randomise the probability integral transform.
    """

    folds: Sequence[Fold]
    features: Features
    evaluate: Evaluate
    seed: int

    def rows(self, panel: Panel) -> pd.DataFrame:
        """Return rows of `tables.BACKTEST` for a panel of all periods that is not prepared: actuals are taken as they are."""
        found = [rows for fold in self.folds for rows in self._fold_rows(panel, fold)]
        if not found:
            return pd.DataFrame(columns=t.BACKTEST.names)
        rows = pd.concat(found, ignore_index=True).reindex(columns=t.BACKTEST.names)
        for column in t.BACKTEST.columns:
            if column != t.VALUE:
                rows[column] = rows[column].astype(object).where(rows[column].notna(), None)
        return rows

    def _fold_rows(self, panel: Panel, fold: Fold) -> Iterator[pd.DataFrame]:
        horizon, name = self.evaluate.horizon, str(fold.cutoff)
        then = panel.until(fold.cutoff, horizon)
        chosen = active(then, self.features.active_periods)
        if not chosen.any():
            return
        actual = panel.past[t.SALES_HISTORY][chosen, target_periods(panel.periods, fold.cutoff, horizon)]
        then = prepare(then.take(chosen), self.features)
        weight = _recent_revenue(then, self.features.active_periods)
        scale = in_sample(then.past[t.SALES_HISTORY], weight)
        segments = {"class": demand_class(then.past[t.SALES_HISTORY], self.features.classes)}
        for model, scored in self._forecasts(fold, then, actual):
            parts = metric_parts(scored, scale)
            yield score_rows(parts, model=model, fold=name, segments=segments)
            yield _series_rows(parts, then.keys, model=model, fold=name)

    def _forecasts(self, fold: Fold, then: Panel, actual: FloatArray) -> Iterator[tuple[str, Scored]]:
        horizon, levels = self.evaluate.horizon, np.asarray(self.evaluate.quantiles, np.float32)
        uniforms = random.uniforms(random.series_seeds(then.keys, fold.cutoff, seed=self.seed), horizon)
        for model, forecaster in bind(fold.forecasters).items():
            made, stand_in, failed = predict_with_fallback(forecaster, fold.fallback, then, horizon=horizon, levels=levels)
            scored = _scored(made, actual, uniforms)
            instead = _scored(stand_in, actual[failed], uniforms[failed])
            for part in ("mean", "median", "quantiles", "transform"):
                getattr(scored, part)[failed] = getattr(instead, part)
            yield model, scored


def _scored(forecast: Distribution, actual: FloatArray, uniforms: Doubles) -> Scored:
    transform = randomised_transform(*forecast.cdf(actual), uniforms)
    return Scored(actual, forecast.mean.copy(), forecast.median, forecast.quantiles.copy(), forecast.levels, transform)


def _recent_revenue(panel: Panel, n_periods: int) -> Doubles:
    list_price = panel.keys[t.UNIT_PRICE].to_numpy(dtype=np.float64, na_value=0.0)
    return revenue(panel.past[t.SALES_HISTORY], panel.past[t.PRICE], unit_price=list_price, n_periods=n_periods)


def _series_rows(parts: Parts, keys: pd.DataFrame, *, model: str, fold: str) -> pd.DataFrame:
    by_series = series_scores(parts, keys, model=model, fold=fold)
    named = [*t.SERIES.key, t.MODEL, t.FOLD]
    metrics = by_series.drop(columns=named).to_dict("records")
    rows = by_series[named].assign(**{str(t.SEGMENT): SERIES_SEGMENT})
    rows[t.METRICS_BY_NAME] = pd.Series(metrics, index=rows.index, dtype=object)
    return rows
