"""Backtest of one range of buckets: every model at every fold's cutoff, scored against what was sold."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from replen import tables as t
from replen.config import Evaluate
from replen.evaluate.answers import asked, score_answers
from replen.evaluate.folds import target_periods
from replen.evaluate.metrics import Parts, in_sample, metric_parts
from replen.evaluate.scores import score_rows, series_scores, transform_rows
from replen.evaluate.simulated_cost import Trials
from replen.features.panel import Panel, active
from replen.features.prepare import prepare
from replen.features.segments import Segmentation, recent_revenue
from replen.forecast import random
from replen.forecast.binding import bind
from replen.forecast.chain import chain_of
from replen.forecast.interface import Forecaster

SERIES_SEGMENT = "series"


@dataclass(frozen=True)
class Fold:
    """One origin: forecasters fitted on nothing later than its cutoff, and how series are grouped there."""

    cutoff: np.datetime64
    forecasters: Mapping[str, Forecaster]
    segmentation: Segmentation


@dataclass(frozen=True)
class Backtest:
    """What is scored, and how.

    Attributes:
        folds: origins at least `evaluate.horizon` periods before the panel's end.
        fallback: names of forecasters asked in turn for the series that one cannot forecast.
        seed: of the uniforms that randomise the probability integral transform.
        trials: how the orders of a forecast are simulated; None = they are not.
    """

    folds: Sequence[Fold]
    fallback: Sequence[str]
    evaluate: Evaluate
    seed: int
    trials: Trials | None = None

    def rows(self, panel: Panel, items: pd.DataFrame) -> pd.DataFrame:
        """Return rows of `tables.BACKTEST`.

        Args:
            panel: all periods, not prepared: actuals are taken as they are.
            items: what `trials` need of the same series, in the same order; see `Trials.of`.
        """
        found = [rows for fold in self.folds for rows in self._fold_rows(panel, items, fold)]
        if not found:
            return pd.DataFrame(columns=t.BACKTEST.names)
        rows = pd.concat(found, ignore_index=True).reindex(columns=t.BACKTEST.names)
        for column in t.BACKTEST.columns:
            if column != t.VALUE:
                rows[column] = rows[column].astype(object).where(rows[column].notna(), None)
        return rows

    def _fold_rows(self, panel: Panel, items: pd.DataFrame, fold: Fold) -> Iterator[pd.DataFrame]:
        horizon, name, features = self.evaluate.horizon, str(fold.cutoff), fold.segmentation.features
        then = panel.until(fold.cutoff, horizon)
        chosen = active(then, features.active_periods)
        if not chosen.any():
            return
        actual = panel.past[t.SALES_HISTORY][chosen, target_periods(panel.periods, fold.cutoff, horizon)]
        then = prepare(then.take(chosen), features)
        scale = in_sample(then.past[t.SALES_HISTORY], recent_revenue(then, features.active_periods))
        segments = fold.segmentation.labels(then, self.evaluate.segments)
        uniforms = random.uniforms(random.series_seeds(then.keys, fold.cutoff, seed=self.seed), horizon)
        levels, forecasters = np.asarray(self.evaluate.quantiles, np.float32), bind(fold.forecasters)
        trial = self.trials.of(then, items[chosen], actual) if self.trials else None
        for model in forecasters:
            chain = {name: forecasters[name] for name in chain_of(model, self.fallback)}
            answers = asked(chain, then, horizon=horizon, levels=levels)
            scored = score_answers(answers, actual, uniforms=uniforms, levels=levels)
            parts = metric_parts(scored, scale)
            if trial:
                parts = replace(parts, by_series={**parts.by_series, **trial.parts(answers)})
            yield score_rows(parts, model=model, fold=name, segments=segments)
            yield transform_rows(scored.transform, model=model, fold=name)
            yield _series_rows(parts, then.keys, model=model, fold=name)


def _series_rows(parts: Parts, keys: pd.DataFrame, *, model: str, fold: str) -> pd.DataFrame:
    by_series = series_scores(parts, keys, model=model, fold=fold)
    named = [*t.SERIES.key, t.MODEL, t.FOLD]
    metrics = by_series.drop(columns=named).to_dict("records")
    rows = by_series[named].assign(**{str(t.SEGMENT): SERIES_SEGMENT})
    rows[t.METRICS_BY_NAME] = pd.Series(metrics, index=rows.index, dtype=object)
    return rows
