"""How much a policy changes its mind: planned orders of a date compared from one plan to the next."""

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from replen.plan.policies.known import Known, Policy
from replen.plan.timing import FloatArray


@runtime_checkable
class Planning(Policy, Protocol):
    """A policy that says what it plans to order later, as `plan.policies.replanned.Replanned` does."""

    def orders_by_step(self, known: Known) -> FloatArray:
        """Return orders planned from this step on, today's first, shape (n_planned, n_series, n_paths), units."""


class PlanChanges:
    """Adds up by how many units successive plans differ for the same date, dates that both cover."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        """Start without a plan; shape = (n_steps, n_series, n_paths)."""
        self._plan = np.full(shape, np.nan)
        self._sums, self._counts = np.zeros(shape[1:]), np.zeros(shape[1:])

    def add(self, step: int, orders: FloatArray, reviewed: NDArray[np.bool_]) -> None:
        """Compare the plans of series reviewed at this step with their last ones.

        Args:
            step: of the review.
            orders: shape (n_planned, n_series, n_paths), units from this step on.
            reviewed: shape (n_series,).
        """
        rows = np.flatnonzero(reviewed)
        new = orders[: len(self._plan) - step, rows]
        change = np.abs(new - self._plan[step : step + len(new), rows])
        self._sums[rows] += np.nansum(change, axis=0)
        self._counts[rows] += np.isfinite(change).sum(axis=0)
        self._plan[step:, rows] = np.nan
        self._plan[step : step + len(new), rows] = new

    def mean(self) -> FloatArray:
        """Return the mean absolute change of a date's planned order, (n_series,), units; NaN where no two plans met."""
        counts = self._counts.sum(axis=1)
        unknown = np.full(len(counts), np.nan)
        return np.asarray(np.divide(self._sums.sum(axis=1), counts, out=unknown, where=counts > 0))
