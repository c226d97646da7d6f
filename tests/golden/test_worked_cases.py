"""The worked cases of the planner's brief; each docstring holds the arithmetic."""

from dataclasses import replace

import numpy as np
from pytest import approx

from replen.config import SafetyStock
from replen.plan.outcome import plan_ready
from replen.plan.policies.assigned import Assigned
from replen.plan.policies.fixed_cycle import OrderUpTo
from replen.plan.policies.known import Known
from replen.plan.policies.service import interval_demand
from replen.plan.prepared import Prepared
from replen.plan.problem import Prices
from replen.plan.safety import Floor
from tests.golden.test_plan_by_hand import one_series
from tests.unit.plan_instances import positions

UNIT_COST, DEMAND, SAFETY_STOCK, QUOTED = 5.0, 200.0, 500.0, 750.0
WANTED = {"unit_cost": UNIT_COST, "holding_cost": 0.0, "backorder_cost": 100.0, "end_value": 0.0}  # unmet demand never pays


def planned(demand, horizon, floor=None):
    """Return the plan, and the series made ready, with 500 units at the start of every period: what is left after demand.

    Args:
        demand: by series, units a period.
        horizon: periods.
        floor: by series, units left; None = the configured safety stock, which covers 1.5 periods: 300 after 200.
    """
    asked = SafetyStock(kind="hard", cover_periods=(SAFETY_STOCK - DEMAND) / DEMAND, price=0)
    series, paths = positions(len(demand), horizon, **WANTED), np.tile(np.array(demand)[None, :, None], (horizon, 1, 1))
    ready = Prepared.of(series, paths, waits=True, safety_stock=asked)
    if floor is not None:
        ready = replace(ready, floor=Floor(np.array(floor)[:, None], np.full((len(demand), horizon), np.inf)))
    return plan_ready(series, ready, Prices.none(series), assigned=Assigned.program(len(demand))), ready


def test_cheapest_units_that_meet_demand_and_keep_the_safety_stock():
    """Minimise sum c_i x_i, x_i >= demand and x_i >= safety stock; three x_i, demand 200, safety stock 500, c = 5.

    Every x_i has a positive cost and only lower bounds: it is the larger of them, max(200, 500) = 500. Cost 3 * 5 * 500 =
    7,500. The plan of 750 that is sometimes quoted for this case meets all constraints, but costs 3 * 5 * 750 = 11,250: half as
    much again. It is no optimum of this program. To the planner x_i is what there is before demand takes 200 of it, so that the
    floor under what is left is 300; nothing is left over from one x_i to the next.
    """
    plan, ready = planned([DEMAND] * 3, horizon=1)
    assert plan.quantities.tolist() == [[500.0]] * 3
    assert plan.feasible_cost.sum() == approx(7_500.0)
    assert plan.dual_bound == approx(plan.feasible_cost)
    assert plan.solver.tolist() == ["chain"] * 3
    quoted = np.full((3, 1), QUOTED)
    cost = ready.costs(quoted, ready.played(quoted))[1]
    assert cost.sum() == approx(11_250.0) == 1.5 * plan.feasible_cost.sum()


def test_what_is_left_is_not_bought_again():
    """The same in three periods of one product: 300 of the first 500 are left, so that 200 bring the next period to 500."""
    plan, _ = planned([DEMAND], horizon=3)
    assert plan.quantities.tolist() == [[500.0, 200.0, 200.0]]
    assert (plan.mean_on_hand + DEMAND).tolist() == [[SAFETY_STOCK] * 3]
    assert plan.feasible_cost == approx(UNIT_COST * 900.0)


def test_predictions_below_the_safety_stock_change_nothing():
    """With predictions 125, 150, 175 in place of the demand still 500 each; with 800 for one of them, 800 there."""
    for predictions, expected in (([125, 150, 175], [500, 500, 500]), ([125, 800, 125], [500, 800, 500])):
        left = [max(SAFETY_STOCK - each, 0.0) for each in predictions]
        plan, _ = planned(np.array(predictions, float), 1, floor=left)
        assert plan.quantities[:, 0].tolist() == expected
        assert plan.feasible_cost == approx(UNIT_COST * np.array(expected))


def first_order(rule):
    return rule(Known.at_start(rule.positions)).tolist()


def test_reorder_point_from_prediction_and_lead_time():
    """Reorder point = predicted demand x lead time = 1,000 x 2 = 2,000; order = max(2,000 - stock 1,000, 0) = 1,000."""
    series = one_series(4, on_hand=1000.0, lead_time=2)
    demand = np.full((4, 1, 1), 1000.0)
    points = interval_demand(demand, series.lead_time).mean(axis=2).T
    assert points[0, 0] == 2000.0
    assert first_order(OrderUpTo(series, points)) == [[1000.0]]
    assert first_order(OrderUpTo(one_series(4, on_hand=2500.0, lead_time=2), points)) == [[0.0]]


def test_reorder_point_of_twice_the_prediction():
    """Twice the prediction: lead time 1, review period 1: two periods of 1,000 are 2,000; stock 1,000: order 1,000."""
    series = one_series(4, on_hand=1000.0, lead_time=1)
    points = interval_demand(np.full((4, 1, 1), 1000.0), series.lead_time + series.review_period).mean(axis=2).T
    assert points[0, 0] == 2 * 1000.0
    assert first_order(OrderUpTo(series, points)) == [[1000.0]]
