"""Policies that can be played in the simulator."""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from replen.evaluate.simulation import Known
from replen.plan.packs import nearest_line
from replen.plan.positions import Positions

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class OrderUpTo:
    """Orders the nearest whole line that brings the inventory position up to a level.

    Attributes:
        positions: the series, for packs and limits.
        levels: shape (n_series, n_steps), units, inventory position after the order.
    """

    positions: Positions
    levels: FloatArray

    def __call__(self, known: Known) -> FloatArray:
        """Return units to order, (n_series, n_paths)."""
        return nearest_line(self.positions, np.maximum(self.levels[:, known.step, None] - known.inventory_position, 0.0))


def plan_levels(positions: Positions, quantities: FloatArray, sold: FloatArray) -> FloatArray:
    """Return the expected inventory position after each order of a plan, (n_series, n_steps), units.

    Played by `OrderUpTo`, the first order is the plan's own; later ones answer what was sold meanwhile.

    Args:
        positions: the series, without backorders.
        quantities: shape (n_series, n_steps), units ordered by step.
        sold: shape (n_series, n_steps), units the plan expects to sell by step.
    """
    return positions.inventory_position[:, None] + np.cumsum(quantities, axis=1) - np.cumsum(sold, axis=1) + sold


def simple_rule_levels(positions: Positions, demand: FloatArray, *, cycle_service_level: float) -> FloatArray:
    """Return levels of the rule (R,S): mean demand over lead time and review period + z standard deviations of it.

    Where the interval reaches past the last step, the last interval that fits is taken; if it is longer than the horizon, mean
    and variance grow with its length.

    Args:
        positions: the series.
        demand: shape (n_steps, n_series, n_paths), units.
        cycle_service_level: share of cycles meant to be without a shortage, in (0, 1).

    Returns:
        shape (n_series, n_steps), units.
    """
    n_steps, rows = len(demand), np.arange(positions.n_series)
    interval = positions.lead_time + positions.review_period
    length = np.minimum(interval, n_steps)
    running = np.concatenate([np.zeros((1, *demand.shape[1:])), np.cumsum(demand, axis=0)])
    z = NormalDist().inv_cdf(cycle_service_level)
    growth, levels = interval / length, np.empty((positions.n_series, n_steps))
    for step in range(n_steps):
        first = np.minimum(step, n_steps - length)
        total = running[first + length, rows] - running[first, rows]
        levels[:, step] = growth * total.mean(axis=1) + z * np.sqrt(growth) * total.std(axis=1)
    return levels
