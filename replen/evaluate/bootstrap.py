"""Is one policy cheaper than another, or lucky: paired bootstrap intervals over series and windows."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from replen.plan.timing import FloatArray

DRAWS_AT_ONCE = 250


class Interval(NamedTuple):
    """An estimate and the ends of its interval."""

    mean: float
    low: float
    high: float


def paired_bootstrap(cost_a: FloatArray, cost_b: FloatArray, *, n: int = 2000, seed: int = 0, level: float = 0.95) -> Interval:
    """Return the mean of cost_a - cost_b a series and window, and its percentile interval.

    Series are drawn with all their windows, and windows with all their series, both with replacement: the costs of a series in
    two windows are not independent, nor are those of two series in one. One window alone is kept.

    Args:
        cost_a: shape (n_series,) or (n_windows, n_series), money.
        cost_b: of the same shape, the same series and windows.
        n: draws.
        seed: of the draws; the same seed draws the same series for costs of the same shape.
        level: share of the draws inside the interval.
    """
    return _interval(cost_a, cost_b, lambda a, b: a - b, draws=(n, seed), level=level)


def paired_saving(cost_a: FloatArray, cost_b: FloatArray, *, n: int = 2000, seed: int = 0, level: float = 0.95) -> Interval:
    """Return the share of cost_b that cost_a saves, 1 - sum / sum, and its percentile interval; see `paired_bootstrap`."""
    return _interval(cost_a, cost_b, lambda a, b: 1 - a / b, draws=(n, seed), level=level)


def _interval(
    cost_a: FloatArray,
    cost_b: FloatArray,
    compare: Callable[[FloatArray, FloatArray], FloatArray],
    *,
    draws: tuple[int, int],
    level: float,
) -> Interval:
    """Return what `compare` makes of both means, and its interval over the draws."""
    both = np.stack([np.atleast_2d(cost_a), np.atleast_2d(cost_b)])
    found = np.concatenate([compare(*means) for means in _drawn_means(both, *draws)])
    tail = (1 - level) / 2
    low, high = np.quantile(found, [tail, 1 - tail])
    return Interval(float(compare(*both.mean(axis=(1, 2)))), float(low), float(high))


def _drawn_means(costs: FloatArray, n: int, seed: int) -> Iterator[FloatArray]:
    """Yield means over drawn windows and series, (2, n_draws), of costs (2, n_windows, n_series)."""
    rng, (_, n_windows, n_series) = np.random.default_rng(seed), costs.shape
    for first in range(0, n, DRAWS_AT_ONCE):
        size = min(DRAWS_AT_ONCE, n - first)
        windows, series = _weights(rng, n_windows, size), _weights(rng, n_series, size)
        yield np.einsum("aws,dw,ds->ad", costs, windows, series, optimize=True)


def _weights(rng: np.random.Generator, n_items: int, n_draws: int) -> FloatArray:
    """Return how often each item is among n_items drawn with replacement, as shares, (n_draws, n_items)."""
    drawn = rng.integers(0, n_items, (n_draws, n_items)) + n_items * np.arange(n_draws)[:, None]
    return np.bincount(drawn.ravel(), minlength=n_draws * n_items).reshape(n_draws, n_items) / n_items
