"""Safety stock that is asked for, beside what the costs ask for: a floor under the projected stock, hard or at a price."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from replen.config import SafetyStock
from replen.plan.positions import Positions
from replen.plan.timing import FloatArray, by_arrival


@dataclass(frozen=True)
class Floor:
    """What the stock net of backorders, in expectation over the paths, should not fall below.

    Attributes:
        units: shape (n_series, horizon), units at the end of the step.
        price: shape (n_series, horizon), money a unit below; inf = a hard bound, 0 = none: no order can have arrived yet.
    """

    units: FloatArray
    price: FloatArray

    @classmethod
    def none(cls, positions: Positions) -> Self:
        """Return no floors."""
        return cls(np.zeros(positions.receipts.shape), np.zeros(positions.receipts.shape))

    @classmethod
    def of(cls, settings: SafetyStock, positions: Positions, demand: FloatArray) -> Self:
        """Return floors from the first step on at which an order can have arrived.

        Args:
            settings: cover of the next step's mean demand (at the last step: of its own), so that nothing is asked for when a
                product ends.
            positions: n_series positions.
            demand: shape (horizon, n_series, n_paths), units.
        """
        if settings.kind == "none":
            return cls.none(positions)
        mean = demand.mean(axis=2).T
        arrives = by_arrival(positions.largest_by_step, positions.lead_time) > 0
        price = np.inf if settings.kind == "hard" else settings.price
        return cls(
            settings.cover_periods * np.column_stack([mean[:, 1:], mean[:, -1:]]),
            np.where(np.maximum.accumulate(arrives, axis=1), price, 0.0),
        )

    def soft_costs(self, stock: FloatArray) -> FloatArray:
        """Return money for units below soft floors, (n_series, horizon).

        Args:
            stock: shape (n_series, horizon), expected units at the end of each step, net of backorders.
        """
        return np.where(np.isfinite(self.price), self.price, 0.0) * np.maximum(self.units - stock, 0.0)
