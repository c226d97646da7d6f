"""Orders on their way: when they arrive, and when they are expected."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from replen.plan.positions import Positions
from replen.plan.projection import open_orders
from replen.plan.timing import FloatArray, IntArray


class PromptPipeline:
    """Every order arrives when it is expected, after the lead time of its series."""

    def __init__(self, positions: Positions, n_paths: int) -> None:
        """Start with the open orders."""
        self._lead_time = positions.lead_time
        self._due = np.repeat(positions.receipts.T[:, :, None], n_paths, axis=2)

    def expected(self, step: int) -> FloatArray:
        """Return units by the step they are expected in, (n_steps - step, n_series, n_paths)."""
        return self._due[step:]

    def place(self, step: int, rows: NDArray[np.intp], units: FloatArray) -> None:
        """Add the orders of some series, (n_rows, n_paths)."""
        self._due[step + self._lead_time[rows], rows] += units

    def receive(self, step: int) -> FloatArray:
        """Return the units that arrive, (n_series, n_paths)."""
        return np.asarray(self._due[step])

    def undelivered(self) -> FloatArray:
        """Return units on their way after the last step, (n_series, n_paths)."""
        return np.zeros(self._due.shape[1:])


@dataclass
class LatePipeline:
    """Every order has a lead time of its own, and may overtake another; open orders come as late as the positions say.

    An order is expected after the mean lead time of its series; once overdue, in every next step.

    Attributes:
        positions: n_series positions.
        lead_times: shape (n_steps, n_series, n_paths), periods, of the order placed at the step.
    """

    positions: Positions
    lead_times: IntArray
    _orders: FloatArray = field(init=False)
    _expected: FloatArray = field(init=False)
    _open_orders: FloatArray = field(init=False)
    _expected_lead_time: IntArray = field(init=False)

    def __post_init__(self) -> None:
        """Start with the open orders."""
        self._orders = np.zeros(self.lead_times.shape)
        self._expected = np.repeat(self.positions.receipts.T[:, :, None], self.lead_times.shape[2], axis=2)
        self._open_orders = open_orders(self.positions)
        self._expected_lead_time = self.positions.expected_lead_time

    def expected(self, step: int) -> FloatArray:
        """Return units by the step they are expected in, (n_steps - step, n_series, n_paths)."""
        return self._expected[step:]

    def place(self, step: int, rows: NDArray[np.intp], units: FloatArray) -> None:
        """Add the orders of some series, (n_rows, n_paths)."""
        self._orders[step, rows] += units
        self._expected[step + self._expected_lead_time[rows], rows] += units

    def receive(self, step: int) -> FloatArray:
        """Return the units that arrive, (n_series, n_paths); what was expected and does not come is expected next."""
        n_steps, rows = len(self._orders), np.arange(self.positions.n_series)
        self._expected[step] -= self._open_orders[step]
        received = np.broadcast_to(self._open_orders[step], self._orders.shape[1:]).copy()
        for placed in range(step + 1):
            arrived = np.where(placed + self.lead_times[placed] == step, self._orders[placed], 0.0)
            promised = np.minimum(np.maximum(placed + self._expected_lead_time, step), n_steps - 1)
            self._expected[promised, rows] -= arrived
            received += arrived
        if step + 1 < n_steps:
            self._expected[step + 1] += self._expected[step]
        return received

    def undelivered(self) -> FloatArray:
        """Return units on their way after the last step, (n_series, n_paths)."""
        arrival = np.arange(len(self._orders))[:, None, None] + self.lead_times
        return np.asarray(np.where(arrival >= len(self._orders), self._orders, 0.0).sum(axis=0))
