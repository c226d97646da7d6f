"""The worked cases of the planner's brief; each docstring holds the arithmetic."""

import numpy as np
from pytest import approx
from scipy.optimize import linprog

from replen.plan.policies.fixed_cycle import OrderUpTo
from replen.plan.policies.known import Known
from replen.plan.policies.service import interval_demand
from replen.plan.solver import BASIC, LOWER, Matrix, Program, TemplateSolver
from tests.golden.test_plan_by_hand import one_series

UNIT_COST, DEMAND, SAFETY_STOCK, PREDICTION, QUOTED = 5.0, 200.0, 500.0, 125.0, 750.0


def test_cheapest_units_that_meet_demand_and_keep_the_safety_stock():
    """Minimise sum c_i x_i, x_i >= demand and x_i >= safety stock; three periods, demand 200, safety stock 500, c = 5.

    Every x_i has a positive cost and only lower bounds: it is the larger of them, max(200, 500) = 500 a period, whether the
    prediction is 125 or 200. Cost 3 * 5 * 500 = 7,500. The plan of 750 a period that is sometimes quoted for this case meets
    all constraints, but costs 3 * 5 * 750 = 11,250: half as much again. It is no optimum of this program.
    """
    least = np.array([DEMAND] * 3 + [SAFETY_STOCK] * 3)
    rows, columns = np.arange(6), np.tile(np.arange(3), 2)
    solver = TemplateSolver(Matrix(6, 3, rows, columns, np.ones(6)))
    program = Program(np.full(3, UNIT_COST), np.full(3, np.inf), least)
    ours = solver.solve(program, np.full(3, LOWER), np.full(6, BASIC))
    matrix = np.tile(np.eye(3), (2, 1))
    scipys = linprog(program.cost, A_ub=-matrix, b_ub=-least)
    for values, cost in ((ours.values, ours.cost), (scipys.x, scipys.fun)):
        assert values == approx(np.full(3, 500.0))
        assert cost == approx(7_500.0)
    assert ours.proven

    quoted = np.full(3, QUOTED)
    assert (matrix @ quoted >= least).all()
    assert program.cost @ quoted == approx(1.5 * ours.cost)


def test_predictions_below_the_safety_stock_change_nothing():
    """The same with predictions 125, 150, 175 in place of the demand: still 500 a period; with 800 in one period, 800 there."""
    for predictions, expected in (([125, 150, 175], [500, 500, 500]), ([PREDICTION, 800, PREDICTION], [500, 800, 500])):
        result = linprog(np.full(3, UNIT_COST), bounds=[(max(each, SAFETY_STOCK), None) for each in predictions])
        assert result.x == approx(expected)


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
