"""Parts of metrics -> rows by model, fold and segment, which any engine may add up -> the `metrics` table."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replen import tables as t
from replen.evaluate.metrics import Doubles, Parts, ratios
from replen.features.segments import ALL, segment_name

STEP = "step"
TRANSFORM = "transform_"
N_BINS = 20
_GROUP = [str(t.MODEL), str(t.FOLD), str(t.SEGMENT)]


def score_rows(parts: Parts, *, model: str, fold: str, segments: Mapping[str, NDArray[np.str_]]) -> pd.DataFrame:
    """Return rows of `tables.SCORES`: every part summed over all series, over each segment and over each step.

    Rows of further series may be appended, and values of equal keys added up, in any order. Parts that take a root or a
    scale by series are not there by step.

    Args:
        parts: of n_series series.
        model: the forecaster.
        fold: the cutoff.
        segments: kind -> label by series, shape (n_series,), e.g. class -> lumpy; gives the segment `class=lumpy`.
    """
    by_series = {name: values.sum(axis=1) for name, values in parts.by_step.items()} | dict(parts.by_series)
    sums = [(ALL, part, values.sum()) for part, values in by_series.items()]
    for kind, labels in segments.items():
        sums += _by_label(by_series, kind, labels)
    for part, values in parts.by_step.items():
        sums += [(segment_name(STEP, str(step)), part, value) for step, value in enumerate(values.sum(axis=0), start=1)]
    rows = pd.DataFrame(sums, columns=[str(t.SEGMENT), str(t.METRIC), str(t.VALUE)])
    rows[t.MODEL], rows[t.FOLD] = model, fold
    return rows[t.SCORES.names]


def _by_label(by_series: Mapping[str, Any], kind: str, labels: NDArray[np.str_]) -> Iterator[tuple[str, str, float]]:
    names, code = np.unique(labels, return_inverse=True)
    for part, values in by_series.items():
        totals = np.bincount(code, values, len(names))
        yield from ((segment_name(kind, name), part, total) for name, total in zip(names, totals, strict=True))


def transform_rows(transform: Doubles, *, model: str, fold: str) -> pd.DataFrame:
    """Return rows of `tables.SCORES` that count the randomised transform of all series in `N_BINS` equal bins of 0..1.

    Args:
        transform: any shape, NaN where nothing was scored.
        model: the forecaster.
        fold: the cutoff.
    """
    counts, _ = np.histogram(transform[~np.isnan(transform)], bins=N_BINS, range=(0.0, 1.0))
    rows = pd.DataFrame(
        {t.METRIC: [f"{TRANSFORM}{number:02d}" for number in range(N_BINS)], t.VALUE: counts.astype(np.float64)}
    )
    rows[t.MODEL], rows[t.FOLD], rows[t.SEGMENT] = model, fold, ALL
    return rows[t.SCORES.names]


def transform_counts(scores: pd.DataFrame) -> pd.DataFrame:
    """Return one row a model, `N_BINS` columns: how often the randomised transform fell into each bin, over all folds."""
    counted = scores[scores[t.METRIC].str.startswith(TRANSFORM)]
    return counted.pivot_table(index=str(t.MODEL), columns=str(t.METRIC), values=str(t.VALUE), aggfunc="sum")


def series_scores(parts: Parts, keys: pd.DataFrame, *, model: str, fold: str) -> pd.DataFrame:
    """Return one row a series: its key, model, fold and every metric as a column, null where not defined."""
    by_series = {name: values.sum(axis=1) for name, values in parts.by_step.items()} | dict(parts.by_series)
    rows = keys[list(t.SERIES.key)].reset_index(drop=True)
    rows[t.MODEL], rows[t.FOLD] = model, fold
    return pd.concat([rows, pd.DataFrame(ratios(by_series))], axis=1)


def summarise(scores: pd.DataFrame, *, run_id: str) -> pd.DataFrame:
    """Return rows of `tables.METRICS`: ratios of the summed parts by fold, and over all folds (fold `all`); none of no scores.

    Args:
        scores: rows of `tables.SCORES`, added up already or not.
        run_id: of the run.
    """
    if scores.empty:
        return pd.DataFrame(columns=t.METRICS.names)
    pooled = pd.concat([scores, scores.assign(**{str(t.FOLD): ALL})])
    sums = pooled.pivot_table(index=_GROUP, columns=str(t.METRIC), values=str(t.VALUE), aggfunc="sum", fill_value=0.0)
    metrics = pd.DataFrame(ratios({str(part): sums[part].to_numpy() for part in sums}), index=sums.index)
    rows = metrics.reset_index().melt(_GROUP, var_name=str(t.METRIC), value_name=str(t.VALUE))
    return rows.assign(**{str(t.RUN_ID): run_id})[t.METRICS.names]
