"""Unknown values filled by the rule of their column, from the history of the same series up to the cutoff."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from replen.config import MissingRule
from replen.features.known import FloatArray, known_mean
from replen.features.lags import carried, last_known


def fill_missing(values: FloatArray, rule: MissingRule, *, started: NDArray[np.bool_]) -> FloatArray:
    """Return the values with unknown ones filled, where the series had started; others stay unknown.

    `interpolate` draws a line between the two nearest known values, and leaves what comes before the first and after the
    last of them; `carry` takes the last known value; `mean` that of all known ones; `zero` is zero; `unknown` does nothing.

    Args:
        values: shape (n_series, n_periods), NaN = unknown; no period after the cutoff may be among them.
        rule: how to fill.
        started: shape (n_series, n_periods), false before a series starts.
    """
    if rule == "unknown":
        return values
    filled = _FILLS[rule](values)
    return np.where(np.isnan(values) & started, filled, values).astype(np.float32)


def _interpolated(values: FloatArray) -> NDArray[np.float64]:
    before = last_known(values)
    after = values.shape[1] - 1 - last_known(values[:, ::-1])[:, ::-1]
    low, high = np.take_along_axis(values, before, axis=1), np.take_along_axis(values, after, axis=1)
    share = (np.arange(values.shape[1]) - before) / np.maximum(after - before, 1)
    return np.asarray(low + share * (high - low), dtype=np.float64)


_FILLS: dict[MissingRule, Callable[[FloatArray], NDArray[np.floating[Any]]]] = {
    "interpolate": _interpolated,
    "carry": carried,
    "mean": known_mean,
    "zero": np.zeros_like,
}
