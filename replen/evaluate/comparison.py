"""The plan held against the simple rule: both simulated on the same paths of demand and of lead times, both with packs.

Today's order is the plan's own. Later reviews order up to levels that are set on the plan date, those that cost least from
then on, or as the series' rule says: they know what was sold meanwhile, but the program is not solved again. So the plan may
cost less than the dual bound, which holds for orders fixed on the plan date. The rule buys from each series' first choice, the
plan from the source it takes. Goods that perish expire on both sides, first in, first out, and levels of both end where a
further unit does not pay for what expires of it (`shelf_life.levels_in_time`); rules that the configuration gives a series keep
theirs.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from replen import tables as t
from replen.config import Plan
from replen.evaluate.simulation import History, Reality, score, simulate
from replen.plan.items import read_positions
from replen.plan.policies.assigned import Assigned
from replen.plan.policies.base_stock import base_stock_levels
from replen.plan.policies.fixed_cycle import OrderUpTo, cheapest_levels, simple_rule_levels
from replen.plan.policies.known import Known, Policy
from replen.plan.positions import Positions, chunks, serve_backorders
from replen.plan.projection import arrivals_by_path, by_step, project
from replen.plan.shelf_life import levels_in_time
from replen.plan.sourcing import first_choices
from replen.plan.timing import Calendar, FloatArray

CHUNK = 1024  # series played at once


def compare_with_rule(
    decisions: pd.DataFrame, items: pd.DataFrame, demand_paths: FloatArray, *, settings: Plan, calendar: Calendar
) -> pd.DataFrame:
    """Return decisions with mean_demand, and cost and units sold of plan and rule; null where there is no plan.

    Args:
        decisions: what `plan_bucket` returned for the other arguments; the index says which item each series takes.
        items: one row a source.
        demand_paths: shape (n_items, n_paths, horizon), units.
        settings: the `plan` section: policies, the simple rule, and whether unmet demand waits.
        calendar: of the plan.
    """
    first, parts = first_choices(items), []
    for rows in chunks(decisions.index[decisions[t.REASON].isna()].to_numpy(np.intp), CHUNK):
        # Paths are those of the series; most series take their first choice, whose positions are then read once for both.
        demand, (sources, place) = by_step(demand_paths[rows]), np.unique([rows, first[rows]], return_inverse=True)
        positions = read_positions(items.iloc[sources], calendar, n_paths=demand.shape[2])
        taken, preferred = (positions.take(some) for some in place.reshape(2, -1))
        assigned = Assigned.of(items.iloc[rows], settings.policy)
        plan = _plan_columns(decisions.loc[rows], assigned, taken, demand, waits=settings.waits)
        rule = _rule_columns(preferred, demand, settings=settings)
        parts.append(pd.DataFrame(plan | rule, index=rows))
    if not parts:
        return decisions
    compared = pd.concat(parts).reindex(decisions.index)
    return decisions.assign(**{str(column): compared[column] for column in compared.columns})


def _plan_columns(
    decisions: pd.DataFrame, assigned: Assigned, positions: Positions, demand: FloatArray, *, waits: bool
) -> dict[str, FloatArray]:
    """Return cost and units sold of series when their plans are played."""
    positions, demand = _met(positions, demand, waits=waits)
    quantities = np.stack(decisions[t.ORDER_QUANTITY.by_step()].to_list())
    planned = score(positions, play_plan(positions, demand, quantities, waits=waits), backorders=waits)
    cost, sold = planned.cost, planned.sold.copy()
    for rows, rule in assigned.rules(positions, demand, waits=waits):
        begun, reality = Begun(quantities[rows, 0], rule), Reality(shelf_life=rule.positions.shelf_life)
        history = simulate(rule.positions, demand[:, rows], begun, backorders=waits, reality=reality)
        played = score(positions.take(rows), history, backorders=waits)
        cost[rows], sold[rows] = played.cost, played.sold
    return {str(t.MEAN_DEMAND): planned.demand, str(t.PLAN_COST): cost, str(t.PLAN_SOLD): sold}


def _rule_columns(positions: Positions, demand: FloatArray, *, settings: Plan) -> dict[str, FloatArray]:
    """Return cost and units sold of series when the simple rule orders from these sources."""
    waits = settings.waits
    positions, demand = _met(positions, demand, waits=waits)
    levels = simple_rule_levels(positions, demand, cycle_service_level=settings.rule.cycle_service_level)
    ruled = score(positions, played_up_to(positions, demand, levels, waits=waits), backorders=waits)
    return {str(t.RULE_COST): ruled.cost, str(t.RULE_SOLD): ruled.sold}


def _met(positions: Positions, demand: FloatArray, *, waits: bool) -> tuple[Positions, FloatArray]:
    """Return positions and demand, what is owed to customers taken off first unless demand waits."""
    return (positions, demand) if waits else serve_backorders(positions, demand)


@dataclass(frozen=True)
class Begun:
    """A policy after an order that is already decided.

    Attributes:
        today: shape (n_series,), units ordered before step 0.
        then: orders at every later review.
    """

    today: FloatArray
    then: Policy

    def __call__(self, known: Known) -> FloatArray:
        """Return units to order, (n_series, n_paths)."""
        return np.broadcast_to(self.today[:, None], known.on_hand.shape) if known.step == 0 else self.then(known)


def play_plan(positions: Positions, demand: FloatArray, quantities: FloatArray, *, waits: bool = False) -> History:
    """Return what happens when today's order is the plan's and later reviews order up to the levels that cost least.

    Args:
        positions: n_series positions, without backorders unless demand waits.
        demand: shape (n_steps, n_series, n_paths), units.
        quantities: shape (n_series, n_steps), the plan, units ordered by step.
        waits: True: demand that is not met waits; False: it is lost.
    """
    if waits:
        levels = base_stock_levels(positions, demand)
    else:
        projection = project(positions.on_hand, arrivals_by_path(positions, quantities), demand)
        levels = cheapest_levels(positions, demand, projection.short)
    levels = levels_in_time(positions, demand, levels, waits=waits)
    levels[:, 0] = positions.inventory_position + quantities[:, 0]
    return _played(positions, demand, levels, waits=waits)


def played_up_to(positions: Positions, demand: FloatArray, levels: FloatArray, *, waits: bool = False) -> History:
    """Return what happens when every review orders up to a level, or less where units would expire.

    Args:
        positions: n_series positions, without backorders unless demand waits.
        demand: shape (n_steps, n_series, n_paths), units.
        levels: shape (n_series, n_steps), units of inventory position.
        waits: True: demand that is not met waits; False: it is lost.
    """
    return _played(positions, demand, levels_in_time(positions, demand, levels, waits=waits), waits=waits)


def _played(positions: Positions, demand: FloatArray, levels: FloatArray, *, waits: bool) -> History:
    reality = Reality(shelf_life=positions.shelf_life)
    return simulate(positions, demand, OrderUpTo(positions, levels), backorders=waits, reality=reality)
