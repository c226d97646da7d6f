"""The lost-sales program: least cost by scipy, equal to the simulator, the same in any company and in any unit."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx

from replen.evaluate.simulation import score, simulate
from replen.plan.lost_sales import solve_lost_sales
from replen.plan.outcome import plan_series
from replen.plan.positions import serve_backorders
from replen.plan.problem import problems
from replen.plan.projection import project
from tests.unit.plan_instances import instances, least_cost, positions, row_problem


@settings(deadline=None, max_examples=150)
@given(instance=instances(max_series=1))
def test_program_costs_what_scipy_finds(instance):
    # Costs, not quantities, are compared: several plans can share the least cost.
    problem = row_problem(*instance, 0)
    if problem is None:
        return
    relaxed = solve_lost_sales(problem)
    order_lines = problem.positions.order_cost[0] * np.count_nonzero(relaxed.quantities)
    assert relaxed.cost[0] == approx(least_cost(problem), rel=1e-6, abs=1e-6)
    assert problem.cost(relaxed.quantities)[0] - order_lines == approx(relaxed.cost[0], rel=1e-6, abs=1e-6)


@settings(deadline=None)
@given(instance=instances(backorders=True))
def test_plan_costs_what_the_simulator_counts(instance):
    drawn, demand = instance
    outcome = plan_series(drawn, demand)
    served, demand = serve_backorders(drawn, demand)
    history = simulate(served, demand, lambda known: np.repeat(outcome.quantities[:, [known.step]], demand.shape[2], axis=1))
    assert approx(outcome.quantities) == history.orders.mean(axis=2).T
    assert score(served, history).cost == approx(outcome.feasible_cost)
    assert approx(outcome.mean_on_hand) == history.on_hand.mean(axis=2).T
    assert approx(outcome.expected_short) == history.short.mean(axis=2).T


@settings(deadline=None)
@given(instance=instances(max_series=4), data=st.data())
def test_plans_do_not_depend_on_company_or_order(instance, data):
    drawn, demand = instance
    rows = np.array(data.draw(st.permutations(range(drawn.n_series))))
    together, shuffled = plan_series(drawn, demand), plan_series(drawn.take(rows), demand[:, rows])
    alone = plan_series(drawn.take(rows[:1]), demand[:, rows[:1]])
    for plan, same in ((shuffled, rows), (alone, rows[:1])):
        np.testing.assert_array_equal(plan.quantities, together.quantities[same])
        np.testing.assert_array_equal(plan.targets, together.targets[same])
        np.testing.assert_array_equal(plan.feasible_cost, together.feasible_cost[same])


@settings(deadline=None)
@given(instance=instances(), factor=st.sampled_from([1e-3, 12.0, 1e4]))
def test_units_scale_through(instance, factor):
    drawn, demand = instance
    units = ("on_hand", "receipts", "order_multiple", "min_order_quantity", "max_order_quantity")
    money_a_unit = ("unit_cost", "holding_cost", "lost_sale_cost", "end_value")
    scaled = {name: getattr(drawn, name) * factor for name in units}
    scaled |= {name: getattr(drawn, name) / factor for name in money_a_unit}
    plan, same = plan_series(drawn, demand), plan_series(type(drawn)(**(vars(drawn) | scaled)), demand * factor)
    assert same.dual_bound == approx(plan.dual_bound, rel=1e-6, abs=1e-6)
    assert same.feasible_cost == approx(plan.feasible_cost, rel=1e-6, abs=1e-6)


def test_stock_that_covers_every_path_needs_no_solver():
    outcome = plan_series(positions(2, 3, on_hand=[100.0, 0.0]), np.ones((3, 2, 4)))
    assert outcome.solver.tolist() == ["none", "path_simplex"]
    assert outcome.quantities[0].sum() == 0.0
    assert outcome.dual_bound == approx(outcome.feasible_cost)


def test_orders_fall_on_review_steps_that_arrive_within_the_horizon():
    outcome = plan_series(positions(1, 8, lead_time=2, review_period=3), np.full((8, 1, 2), 5.0))
    assert np.flatnonzero(outcome.quantities[0]).tolist() == [0, 3]


def test_nothing_is_ordered_where_the_lead_time_passes_the_horizon():
    outcome = plan_series(positions(1, 3, lead_time=3), np.full((3, 1, 2), 5.0))
    assert outcome.quantities.sum() == 0.0
    assert outcome.dual_bound == outcome.constant_cost == outcome.feasible_cost == approx([45.0])


def test_every_series_that_can_order_is_in_one_problem():
    drawn, demand = positions(4, 3, lead_time=[0, 1, 0, 3], review_period=[1, 1, 2, 1]), np.ones((3, 4, 2))
    rows = [rows.tolist() for rows, _ in problems(drawn, demand, project(drawn.on_hand, drawn.receipts, demand))]
    assert sorted(rows) == [[0, 2], [1]]


def test_a_long_bucket_leaves_no_trace_in_its_last_series():
    # Ties are many here, and which one the solver ends in would depend on where it was left by the series before.
    rng = np.random.default_rng(3)
    drawn = positions(40, 8, lead_time=1, on_hand=rng.poisson(9, 40), holding_cost=rng.choice([0.05, 0.5], 40))
    demand = rng.poisson(4 * rng.gamma(3, 1 / 3, (1, 40, 48)), (8, 40, 48)).astype(float)
    together = plan_series(drawn, demand)
    for row in range(40):
        alone = plan_series(drawn.take(np.array([row])), demand[:, [row]])
        np.testing.assert_array_equal(alone.targets, together.targets[[row]])
        np.testing.assert_array_equal(alone.dual_bound, together.dual_bound[[row]])
