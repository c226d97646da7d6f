"""A policy of the configuration as the plan job uses it: decided anew at every review, from the paths of one forecast."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from replen.config import Plan
from replen.plan.outcome import plan_series
from replen.plan.policies.assigned import PROGRAM, Assigned
from replen.plan.policies.known import Known
from replen.plan.policies.named import rule_named
from replen.plan.policies.planned import planned
from replen.plan.policies.replanned import Planner, Replanned
from replen.plan.policies.service import Target
from replen.plan.positions import Positions
from replen.plan.timing import FloatArray

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Nightly:
    """What orders for n_series series, each under a policy of its own.

    Attributes:
        positions: reviewed as the policies want them to be.
        parts: rows of the series -> what orders for them; every series is in one.
    """

    positions: Positions
    parts: Sequence[tuple[Rows, Replanned]]

    def __call__(self, known: Known) -> FloatArray:
        """Return units to order, (n_series, n_paths)."""
        return np.asarray(self.orders_by_step(known)[0])

    def orders_by_step(self, known: Known) -> FloatArray:
        """Return the orders planned from this step on, (n_planned, n_series, n_paths); 0 for series without a review now.

        Asked at steps only at which some series is reviewed.
        """
        reviewed = self.positions.may_order[:, known.step]
        made = [(rows, part.orders_by_step(known.take(rows))) for rows, part in self.parts if reviewed[rows].any()]
        orders = np.zeros((len(made[0][1]), *known.on_hand.shape))
        for rows, units in made:
            orders[:, rows] = units
        return orders


def nightly(positions: Positions, paths: FloatArray, assigned: Assigned, settings: Plan) -> Nightly:
    """Return the policies of the series, planned as the plan job plans: over its horizon, with later orders.

    Nothing is learned on the way but the stock: at each review the paths of the later steps are those of the first forecast.

    Args:
        positions: n_series positions.
        paths: shape (n_steps, n_series, n_paths), demand as forecast before step 0, units; plans end with it.
        assigned: which policy each series has.
        settings: the `plan` section.
    """
    watched = assigned.reviewed(positions)

    def ahead(rows: Rows, known: Known) -> FloatArray:
        return np.asarray(paths[known.step : known.step + settings.horizon, rows])

    return Nightly(
        watched,
        [(rows, Replanned(watched.take(rows), partial(ahead, rows), plan)) for rows, plan in _plans(assigned, settings)],
    )


def _plans(assigned: Assigned, settings: Plan) -> Iterator[tuple[Rows, Planner]]:
    """Yield the series of each policy and target, and how they are planned."""
    program = assigned.by_program
    if len(program):
        yield program, partial(_by_program, settings)
    for policy, target in sorted(set(zip(assigned.policies.tolist(), assigned.targets, strict=True)), key=repr):
        if policy != PROGRAM:
            same = [(policy, target) == both for both in zip(assigned.policies.tolist(), assigned.targets, strict=True)]
            yield np.flatnonzero(same), partial(_by_rule, settings, policy, target)


def _by_program(settings: Plan, positions: Positions, demand: FloatArray) -> FloatArray:
    safety_stock = settings.safety_stock
    return plan_series(positions, demand, waits=settings.waits, with_levels=False, safety_stock=safety_stock).quantities


def _by_rule(settings: Plan, policy: str, target: Target, positions: Positions, demand: FloatArray) -> FloatArray:
    rule = rule_named(policy, positions, demand, [target] * positions.n_series, backorders=settings.waits)
    return planned(rule, demand, backorders=settings.waits).quantities
