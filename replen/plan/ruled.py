"""Series that a rule orders for: its quantities and levels take the program's place, whose bound stays as their proof."""

from dataclasses import replace

import numpy as np

from replen.plan.decide import Decided
from replen.plan.policies.assigned import PROGRAM, Assigned
from replen.plan.policies.planned import planned
from replen.plan.positions import Positions
from replen.plan.timing import FloatArray

RULE, NOTHING = "rule", "none"


def under_rules(decided: Decided, assigned: Assigned, positions: Positions, demand: FloatArray, *, waits: bool) -> Decided:
    """Return what is ordered when rules order for the series they are given, by the program for all others.

    A rule's later orders are those it places if demand comes as expected. Of its targets only today's is before packs.

    Args:
        decided: by the program, for all series.
        assigned: which policy each series has.
        positions: n_series positions, reviewed as their policies want them to be.
        demand: shape (horizon, n_series, n_paths), units.
        waits: True: demand that is not met waits; False: it is lost.
    """
    quantities, targets, levels = decided.quantities.copy(), decided.targets.copy(), decided.levels.copy()
    solver, position = decided.solver.copy(), positions.inventory_position
    for rows, rule in assigned.rules(positions, demand, waits=waits):
        plan = planned(rule, demand[:, rows], backorders=waits)
        quantities[rows], targets[rows] = plan.quantities, plan.quantities
        targets[rows, 0] = plan.wanted
        levels[rows] = np.column_stack([plan.reorder_point, plan.order_up_to_level]) - position[rows, None]
        solver[rows] = np.where(solver[rows] == NOTHING, NOTHING, RULE)
    in_time = decided.in_time & (assigned.policies == PROGRAM)
    return replace(decided, quantities=quantities, targets=targets, levels=levels, solver=solver, in_time=in_time)
