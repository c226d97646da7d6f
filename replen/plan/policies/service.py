"""Levels of stock from service targets, read off sample paths or from a normal fitted to them.

Source: Silver, Pyke & Thomas, Inventory and Production Management in Supply Chains, ch. 6: cycle service level (P1) and fill
rate (P2); what is fitted to a normal there is counted on the paths here, so that skewed and lumpy demand keeps its tail.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from replen.plan.positions import Positions
from replen.plan.search import critical_value, pays_up_to
from replen.plan.timing import FloatArray, IntArray

HALVINGS = 50
FAR = 10.0  # standard deviations beyond which a normal is never


@dataclass(frozen=True)
class CycleService:
    """A share of cycles without a shortage.

    Attributes:
        share: of the cycles, in (0, 1).
        normal: False: of the paths as they are; True: of a normal with their mean and standard deviation.
    """

    share: float
    normal: bool = False

    def levels(self, positions: Positions, total: FloatArray, before: FloatArray) -> FloatArray:
        """Return the least levels that meet it, see `service_levels`; only `total` matters to it."""
        del positions, before
        if self.normal:
            return np.asarray(total.mean(axis=2) + ndtri(self.share) * total.std(axis=2))
        return np.asarray(np.quantile(total, self.share, axis=2, method="inverted_cdf"))


@dataclass(frozen=True)
class FillRate:
    """A share of demand served from the shelf.

    Attributes:
        share: of demand, in (0, 1).
        normal: False: of the paths as they are; True: of a normal with their mean and standard deviation.
    """

    share: float
    normal: bool = False

    def levels(self, positions: Positions, total: FloatArray, before: FloatArray) -> FloatArray:
        """Return the least levels that meet it, see `service_levels`; costs do not matter to it."""
        del positions
        late, early = (_normal_shortage(units) if self.normal else _shortage(units) for units in (total, before))
        allowed = (1 - self.share) * (total - before).mean(axis=2)
        high = total.mean(axis=2) + FAR * total.std(axis=2) if self.normal else total.max(axis=2)
        return pays_up_to(lambda level: late(level) - early(level) > allowed, high, halvings=HALVINGS)


@dataclass(frozen=True)
class CriticalRatio:
    """The service that costs least: that of the newsvendor, whose units left over are kept for the next review period.

    A unit short costs its margin, lost_sale_cost - unit_cost; a unit too many its holding over the review period.

    Attributes:
        weight: of a lost margin: more than 1 protects better than the costs ask for.

    Source: Snyder & Shen, Fundamentals of Supply Chain Theory, ch. 4.
    """

    weight: float = 1.0

    def levels(self, positions: Positions, total: FloatArray, before: FloatArray) -> FloatArray:
        """Return the levels that cost least, see `service_levels`; `before` does not matter to it."""
        del before
        under = self.weight * (positions.lost_sale_cost - positions.unit_cost)
        ratio = under / (under + positions.holding_cost * positions.review_period)
        return critical_value(total, ratio)


Target = CycleService | FillRate | CriticalRatio


def interval_demand(demand: FloatArray, length: IntArray, *, first: IntArray | None = None) -> FloatArray:
    """Return demand of the `length` periods from each step on, (n_steps, n_series, n_paths), units.

    Where the interval reaches past the last step, the last one that fits is taken; if it is longer than the horizon, mean and
    variance grow with its length.

    Args:
        demand: shape (n_steps, n_series, n_paths), units.
        length: shape (n_series,), or (n_series, n_paths) where it varies, periods, >= 0.
        first: shape of one of these, periods from the step to the first of the interval; None: it starts at the step.
    """
    n_steps = len(demand)
    length, first = (_by_path(periods) for periods in (length, np.zeros_like(length) if first is None else first))
    fitting = np.minimum(length, n_steps)
    running = np.concatenate([np.zeros((1, *demand.shape[1:])), np.cumsum(demand, axis=0)])
    start = np.minimum(np.arange(n_steps)[:, None, None] + first, n_steps - fitting)
    total = _at(running, start + fitting) - _at(running, start)
    if (fitting == length).all():
        return total
    growth, mean = length / np.maximum(fitting, 1), total.mean(axis=2, keepdims=True)
    if start.shape[2] > 1:  # intervals of several lengths: the mean of each path is that of its own
        expected = running.mean(axis=2, keepdims=True)
        mean = _at(expected, start + fitting) - _at(expected, start)
    return np.asarray(growth * mean + np.sqrt(growth) * (total - mean))


def _by_path(periods: IntArray) -> IntArray:
    """Return periods of shape (n_series, n_paths), or (n_series, 1) where they do not vary."""
    return periods[:, None] if periods.ndim == 1 else periods


def _at(units: FloatArray, steps: IntArray) -> FloatArray:
    """Return units at steps, (n_steps, n_series, n_paths), where both may have one path that stands for all."""
    if steps.shape[2] == 1:
        return np.asarray(units[steps[:, :, 0], np.arange(units.shape[1])])
    by_path = np.broadcast_to(units, (*units.shape[:2], steps.shape[2]))
    return np.asarray(np.take_along_axis(by_path, steps, axis=0))


def standard_loss(z: FloatArray) -> FloatArray:
    """Return E[max(Z - z, 0)] of a standard normal Z, shape of z.

    >>> standard_loss(np.array([0.0, 0.58])).round(4)
    array([0.3989, 0.1746])
    """
    return np.asarray(np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) - z * ndtr(-z))


def service_levels(positions: Positions, total: FloatArray, before: FloatArray, targets: Sequence[Target]) -> FloatArray:
    """Return the least level that meets each series' target, (n_steps, n_series), units, >= 0.

    Args:
        positions: n_series positions, for costs.
        total: shape (n_steps, n_series, n_paths), units wanted until the next order arrives.
        before: of the same shape, units of `total` by which the level may already be short when the cycle that is judged
            begins: demand of the lead time; or `total` less the lot, whose last unit comes a lot earlier. Only fill rates need
            it: they ask for E[(total - level)+] - E[(before - level)+] <= (1 - share) E[total - before].
        targets: of each series.
    """
    levels = np.empty(total.shape[:2])
    for target in set(targets):
        rows = np.flatnonzero([one == target for one in targets])
        levels[:, rows] = target.levels(positions.take(rows), total[:, rows], before[:, rows])
    return np.maximum(levels, 0.0)


def _shortage(units: FloatArray) -> Callable[[FloatArray], FloatArray]:
    """Return the function that gives mean units above a level, on the paths."""
    return lambda level: np.asarray(np.maximum(units - level[:, :, None], 0.0).mean(axis=2))


def _normal_shortage(units: FloatArray) -> Callable[[FloatArray], FloatArray]:
    """Return the function that gives mean units above a level, of the normal with the paths' mean and deviation."""
    mean, deviation = units.mean(axis=2), units.std(axis=2)
    spread = np.maximum(deviation, 1e-12)
    return lambda level: np.asarray(spread * standard_loss((level - mean) / spread))


def protection_demand(positions: Positions, demand: FloatArray) -> FloatArray:
    """Return demand of lead time and review period from each step on, (n_steps, n_series, n_paths), units.

    Where lead times vary, each path has its own; demand then has as many paths, or one that stands for all.
    """
    return interval_demand(demand, positions.lead_times + positions.review_period[:, None])


def delivered_demand(positions: Positions, demand: FloatArray) -> FloatArray:
    """Return demand from the delivery of each step's order to that of the next one, (n_steps, n_series, n_paths), units."""
    return interval_demand(demand, positions.review_period, first=positions.lead_times)


def order_up_to_levels(positions: Positions, demand: FloatArray, targets: Sequence[Target]) -> FloatArray:
    """Return levels of the rule (R,S) that meet the targets, (n_series, n_steps), units of inventory position."""
    total = protection_demand(positions, demand)
    return service_levels(positions, total, interval_demand(demand, positions.lead_times), targets).T


def reorder_points(positions: Positions, demand: FloatArray, targets: Sequence[Target], lot: FloatArray) -> FloatArray:
    """Return reorder points that meet the targets when every order is about `lot` units, (n_series,); (n_series, n_steps).

    They protect lead time and review period: what is not ordered now arrives a review period later.
    """
    total = protection_demand(positions, demand)
    return service_levels(positions, total, total - lot[:, None], targets).T
