"""Scores over a hierarchy of sums of series, as the M5 competition has them: WRMSSE of means, WSPL of quantiles.

A hierarchy is a label by series for each of its levels; the series of one label are added up. Scales come from the history of
the sums, weights from their revenue; what was sold is neither clipped nor masked nor cleaned.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replen.errors import TableError
from replen.evaluate.metrics import Doubles, InSample, in_sample, pinball_loss

Labels = NDArray[Any]
Numbers = NDArray[np.number[Any]]

MEAN = "mean"
M5_LEVELS: Mapping[str, tuple[str, ...]] = {
    "total": (),
    "state": ("state_id",),
    "store": ("store_id",),
    "category": ("cat_id",),
    "department": ("dept_id",),
    "state x category": ("state_id", "cat_id"),
    "state x department": ("state_id", "dept_id"),
    "store x category": ("store_id", "cat_id"),
    "store x department": ("store_id", "dept_id"),
    "item": ("item_id",),
    "item x state": ("item_id", "state_id"),
    "item x store": ("item_id", "store_id"),
}
"""The 12 levels of M5: name -> the columns of its data whose values series of one sum share."""
_CHUNK = 4096  # sums whose scales are computed at once


def hierarchy_labels(keys: pd.DataFrame, levels: Mapping[str, Sequence[str]] = M5_LEVELS) -> dict[str, Labels]:
    """Return a whole number by series for each level, equal where the series agree in the level's columns.

    >>> keys = pd.DataFrame({"store": ["a", "b", "a"]})
    >>> hierarchy_labels(keys, {"total": (), "store": ("store",)})
    {'total': array([0, 0, 0]), 'store': array([0, 1, 0])}
    """
    nothing = np.zeros(len(keys), np.int64)
    return {
        level: keys.groupby(list(columns), sort=False).ngroup().to_numpy(np.int64) if columns else nothing
        for level, columns in levels.items()
    }


def wrmsse(
    forecast: Numbers, actual: Numbers, *, hierarchy: Mapping[str, Labels], history: Numbers, revenue: Numbers
) -> dict[str, float]:
    """Return the weighted root mean squared scaled error of each level, and under `mean` their plain mean.

    Args:
        forecast: expected sales, units, shape (n_series, horizon).
        actual: what was sold, units, same shape.
        hierarchy: level -> label by series, shape (n_series,); see `hierarchy_labels`.
        history: units sold before, shape (n_series, n_periods); NaN = not on sale yet, which counts as 0.
        revenue: money by series, >= 0, shape (n_series,); in M5 of the last 28 days.

    Returns:
        NaN for a level without revenue. A sum whose history never changed has no scale and counts for nothing.

    Raises:
        TableError: a forecast or an actual is missing.

    Source: Makridakis, Spiliotis & Assimakopoulos (2022), M5 accuracy competition, IJF 38, eq. 1 and 2.
    """
    _check({"forecast": forecast, "actual": actual})
    sold, error = np.nan_to_num(history), np.asarray(forecast, np.float64) - actual
    by_level = {}
    for level, labels in hierarchy.items():
        scale = _scale(aggregate(sold, labels), aggregate(revenue, labels))
        mean_squared = (aggregate(error, labels) ** 2).mean(axis=1)
        by_level[level] = _weighted(np.sqrt(mean_squared / scale.squared), scale.weight)
    return {**by_level, MEAN: float(np.mean(list(by_level.values())))}


def wspl(quantiles: Numbers, actual: Numbers, *, levels: Numbers, history: Numbers, revenue: Numbers) -> float:
    """Return the weighted scaled pinball loss of one level of a hierarchy, mean over quantile levels and steps.

    Args:
        quantiles: units, shape (n_series, horizon, n_levels); the series are the level's sums: at the bottom, the series.
        actual: what was sold, units, shape (n_series, horizon).
        levels: shape (n_levels,), in (0, 1); in M5 0.005, 0.025, 0.165, 0.25, 0.5, 0.75, 0.835, 0.975, 0.995.
        history: as for `wrmsse`.
        revenue: as for `wrmsse`.

    Raises:
        TableError: a quantile or an actual is missing.

    Source: Makridakis et al. (2022), M5 uncertainty competition, IJF 38, eq. 1 and 2; no factor 2.
    """
    _check({"quantiles": quantiles, "actual": actual})
    scale = _scale(np.nan_to_num(history), np.asarray(revenue, np.float64))
    loss = pinball_loss(*(values.astype(np.float64) for values in (actual, quantiles, levels)))
    return _weighted(loss.mean(axis=1) / scale.absolute, scale.weight)


def aggregate(values: Numbers, labels: Labels) -> Doubles:
    """Return the sum of the rows of each label, in the order of the labels, shape (n_labels, ...).

    >>> aggregate(np.array([1.0, 10.0, 100.0]), np.array(["b", "a", "b"]))
    array([ 10., 101.])
    """
    order = np.argsort(labels, kind="stable")
    ordered = labels[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    return np.asarray(np.add.reduceat(np.asarray(values)[order], starts, axis=0, dtype=np.float64))


def _scale(history: Numbers, revenue: Doubles) -> InSample:
    cuts = [slice(i, i + _CHUNK) for i in range(0, len(history), _CHUNK)]
    parts = [in_sample(history[cut].astype(np.float64), revenue[cut]) for cut in cuts]
    return InSample(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("absolute", "squared", "weight")))


def _weighted(scores: Doubles, weight: Doubles) -> float:
    """Return the weighted mean of the scores that are defined; NaN where their weight is 0."""
    defined = ~np.isnan(scores)
    total = weight[defined].sum()
    return float(np.dot(weight[defined], scores[defined]) / total) if total > 0 else float("nan")


def _check(tables: Mapping[str, Numbers]) -> None:
    for name, values in tables.items():
        if missing := int(np.isnan(values).any(axis=tuple(range(1, np.ndim(values)))).sum()):
            raise TableError(
                f"hierarchy, {name}: expected a number for every series and step, found {missing} of {len(values)} series "
                "without; score the same series for every forecaster, fallbacks included"
            )
