"""A policy's few parameters, chosen on simulated cost over past windows; every setting that is tried is counted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from replen.evaluate.simulation import score, simulate
from replen.plan.policies.known import Policy
from replen.plan.positions import Positions
from replen.plan.timing import FloatArray

T = TypeVar("T")
GOLDEN = (np.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class Window:
    """A stretch of the past in which policies are played.

    Attributes:
        positions: n_series positions at its start.
        demand: shape (n_steps, n_series, n_paths), what was wanted in it, units.
        first_step: steps before it are not scored: no order could reach them.
        backorders: True: what is short waits; False: it is lost.
    """

    positions: Positions
    demand: FloatArray
    first_step: int = 0
    backorders: bool = False

    def cost(self, policy: Policy) -> FloatArray:
        """Return what a policy would have cost, (n_series,), money."""
        history = simulate(self.positions, self.demand, policy, backorders=self.backorders)
        return score(self.positions, history, backorders=self.backorders, first_step=self.first_step).cost


@dataclass(frozen=True)
class Tuned(Generic[T]):
    """What was tried.

    Attributes:
        settings: every setting, in the order in which they were tried.
        costs: shape (n_settings, n_windows, n_series), money.
    """

    settings: tuple[T, ...]
    costs: FloatArray

    @property
    def n_tried(self) -> int:
        """Return how many settings were tried."""
        return len(self.settings)

    def best(self, series: NDArray[np.bool_] | slice = slice(None)) -> T:
        """Return the setting that cost least over all windows and the series given; of equal ones the first."""
        return self.settings[int(self.costs[:, :, series].sum(axis=(1, 2)).argmin())]


def grid_search(windows: Sequence[Window], policy: Callable[[int, T], Policy], settings: Sequence[T]) -> Tuned[T]:
    """Return the costs of every setting.

    Args:
        windows: of the same n_series series, all before the time that the setting is for.
        policy: number of the window, setting -> the policy, made of what was known at the start of that window.
        settings: the candidates.
    """
    costs = [[window.cost(policy(place, setting)) for place, window in enumerate(windows)] for setting in settings]
    return Tuned(tuple(settings), np.array(costs))


def golden_section(
    windows: Sequence[Window], policy: Callable[[int, float], Policy], bounds: tuple[float, float], *, tolerance: float
) -> Tuned[float]:
    """Return the costs of the settings tried while an interval around the cheapest shrinks to `tolerance`.

    Cost that falls and then rises along the setting has its minimum found; any other a local one.

    Args:
        windows: as in `grid_search`.
        policy: as in `grid_search`.
        bounds: lowest and highest setting.
        tolerance: width of the last interval.

    Source: golden-section search (Kiefer, 1953).
    """
    tried: dict[float, FloatArray] = {}

    def total(setting: float) -> float:
        tried[setting] = np.array([window.cost(policy(place, setting)) for place, window in enumerate(windows)])
        return float(tried[setting].sum())

    low, high = bounds
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    left_cost, right_cost = total(left), total(right)
    while high - low > tolerance:
        if left_cost <= right_cost:
            high, right, right_cost = right, left, left_cost
            left = high - GOLDEN * (high - low)
            left_cost = total(left)
        else:
            low, left, left_cost = left, right, right_cost
            right = low + GOLDEN * (high - low)
            right_cost = total(right)
    return Tuned(tuple(tried), np.stack(list(tried.values())))
