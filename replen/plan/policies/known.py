"""What a policy may see when it orders, and what a policy is."""

from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from replen.plan.positions import Positions
from replen.plan.timing import FloatArray


@dataclass(frozen=True)
class Known:
    """What a policy may see when it orders: nothing of the step it orders for, or later; nothing that it could change.

    Attributes:
        step: the step before whose demand the order is placed.
        on_hand: shape (n_series, n_paths), units on the shelf.
        backorders: shape (n_series, n_paths), units owed; zero under lost sales.
        due: shape (n_steps - step, n_series, n_paths), units on their way by the step they are expected in, this step first.
        demand: shape (step, n_series, n_paths), demand so far.
    """

    step: int
    on_hand: FloatArray
    backorders: FloatArray
    due: FloatArray
    demand: FloatArray

    @classmethod
    def at_start(cls, positions: Positions) -> Self:
        """Return what is known before step 0, one path."""
        n_series = positions.n_series
        stock = (positions.on_hand[:, None], positions.backorders[:, None])
        return cls(0, *stock, positions.receipts.T[:, :, None], np.empty((0, n_series, 1)))

    def take(self, rows: NDArray[np.intp]) -> Self:
        """Return what is known of the chosen series."""
        return type(self)(self.step, self.on_hand[rows], self.backorders[rows], self.due[:, rows], self.demand[:, rows])

    @property
    def inventory_position(self) -> FloatArray:
        """Return on hand + on order - backorders, (n_series, n_paths), units."""
        return np.asarray(self.on_hand + self.due.sum(axis=0) - self.backorders)


class Policy(Protocol):
    """Decides what to order at one review."""

    def __call__(self, known: Known) -> FloatArray:
        """Return units to order, shape (n_series, n_paths), >= 0; ignored for series that have no review at this step."""


@dataclass(frozen=True)
class OrderLevels:
    """What a rule orders by at one review; both of shape (n_series, n_paths), units of inventory position.

    Attributes:
        reorder_point: at this position or below (under fixed cycles: below) something is ordered.
        order_up_to_level: the position that the order aims at, before packs.
    """

    reorder_point: FloatArray
    order_up_to_level: FloatArray


class Rule(Policy, Protocol):
    """A policy that can say what it orders by."""

    @property
    def positions(self) -> Positions:
        """Return the series it orders for, reviewed as it wants them to be."""

    def wanted(self, known: Known) -> FloatArray:
        """Return units it would order were there no packs and limits, (n_series, n_paths), >= 0."""

    def order_levels(self, known: Known) -> OrderLevels:
        """Return reorder point and order-up-to level at one review."""
