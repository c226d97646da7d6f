"""The plan held against the simple rule: both simulated on the same paths of demand and of lead times, both with packs.

The plan is played as it is used: today's order is its own, later reviews order what is then cheapest, or what the series'
rule says, knowing what was sold meanwhile. So it may cost less than the dual bound, which holds for plans fixed on the plan
date.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from replen import tables as t
from replen.config import Plan
from replen.evaluate.simulation import History, score, simulate
from replen.plan.items import read_positions
from replen.plan.policies.assigned import Assigned
from replen.plan.policies.base_stock import base_stock_levels
from replen.plan.policies.fixed_cycle import OrderUpTo, cheapest_levels, simple_rule_levels
from replen.plan.policies.known import Known, Policy
from replen.plan.positions import Positions, chunks, serve_backorders
from replen.plan.projection import arrivals_by_path, by_step, project
from replen.plan.timing import Calendar, FloatArray

CHUNK = 1024  # series played at once


def compare_with_rule(
    decisions: pd.DataFrame, items: pd.DataFrame, demand_paths: FloatArray, *, settings: Plan, calendar: Calendar
) -> pd.DataFrame:
    """Return decisions with mean_demand, and cost and units sold of plan and rule; null where there is no plan.

    Args:
        decisions: what `plan_bucket` returned for the other arguments.
        items: one row a series, in the same order.
        demand_paths: shape (n_series, n_paths, horizon), units.
        settings: the `plan` section: policies, the simple rule, and whether unmet demand waits.
        calendar: of the plan.
    """
    planned = np.flatnonzero(decisions[t.REASON].isna())
    parts = [
        _compare(decisions.iloc[rows], items.iloc[rows], demand_paths[rows], settings=settings, calendar=calendar).set_index(
            rows
        )
        for rows in chunks(planned, CHUNK)
    ]
    if not parts:
        return decisions
    compared = pd.concat(parts).reindex(range(len(decisions)))
    return decisions.assign(**{str(column): compared[column] for column in compared.columns})


def _compare(
    decisions: pd.DataFrame, items: pd.DataFrame, demand_paths: FloatArray, *, settings: Plan, calendar: Calendar
) -> pd.DataFrame:
    """Return the compared columns of series that have a plan."""
    waits = settings.unmet_demand == "waits"
    positions, demand = read_positions(items, calendar, n_paths=demand_paths.shape[1]), by_step(demand_paths)
    if not waits:
        positions, demand = serve_backorders(positions, demand)
    quantities = np.stack(decisions[t.ORDER_QUANTITY.by_step()].to_list())
    planned = score(positions, play_plan(positions, demand, quantities, waits=waits), backorders=waits)
    cost, sold = planned.cost, planned.sold.copy()
    for rows, rule in Assigned.of(items, settings.policy).rules(positions, demand, waits=waits):
        history = simulate(rule.positions, demand[:, rows], Begun(quantities[rows, 0], rule), backorders=waits)
        played = score(positions.take(rows), history, backorders=waits)
        cost[rows], sold[rows] = played.cost, played.sold
    levels = simple_rule_levels(positions, demand, cycle_service_level=settings.rule.cycle_service_level)
    ruled = score(positions, simulate(positions, demand, OrderUpTo(positions, levels), backorders=waits), backorders=waits)
    return pd.DataFrame(
        {
            t.MEAN_DEMAND: planned.demand,
            t.PLAN_COST: cost,
            t.PLAN_SOLD: sold,
            t.RULE_COST: ruled.cost,
            t.RULE_SOLD: ruled.sold,
        }
    )


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
    """Return what happens when today's order is the plan's and every later review orders up to what is then cheapest.

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
    levels[:, 0] = positions.inventory_position + quantities[:, 0]
    return simulate(positions, demand, OrderUpTo(positions, levels), backorders=waits)
