"""What the programs of series are to those who price limits: prices in, plans and their proof out."""

from typing import NamedTuple, Protocol

from replen.plan.problem import Prices
from replen.plan.timing import FloatArray


class Solved(NamedTuple):
    """Plans of n_series series at prices of the limits.

    Attributes:
        quantities: shape (n_series, horizon), units by step of the order.
        bound: shape (n_series,), money, priced usage included, open orders left out; no plan costs less.
        cost: shape (n_series,), money of the plans, prices of limits not counted.
        stock: shape (n_series, horizon), expected units at the end of each step.
    """

    quantities: FloatArray
    bound: FloatArray
    cost: FloatArray
    stock: FloatArray


class Solver(Protocol):
    """The programs of one demand model, free of prices of limits."""

    def __call__(self, prices: Prices) -> Solved:
        """Return the plans at these prices."""
