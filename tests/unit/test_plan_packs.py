"""Whole packs: every line may be placed, and no plan is much cheaper by brute force where that can be tried."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx

from replen.plan import packs
from replen.plan.levels import worthwhile_units
from replen.plan.lost_sales import solve_lost_sales
from replen.plan.outcome import plan_series
from replen.plan.packs import nearest_line, whole_packs
from replen.plan.path_packs import whole_paths
from replen.plan.path_tree import paths_of
from replen.plan.problem import problems
from replen.plan.projection import project
from tests.unit.plan_instances import instances, positions, row_problem

MOST_PLANS = 20_000  # tried by brute force


def may_be_placed(packs, quantities):
    multiples = quantities / packs.order_multiple[:, None]
    whole = np.abs(multiples - np.round(multiples)) < 1e-9
    inside = (quantities >= packs.min_order_quantity[:, None]) & (quantities <= packs.max_order_quantity[:, None])
    return bool((whole & ((quantities == 0) | inside)).all())


@settings(deadline=None, max_examples=100)
@given(instance=instances(max_series=4))
def test_every_line_may_be_placed_and_costs_no_less_than_the_bound(instance):
    outcome = plan_series(*instance)
    assert may_be_placed(outcome.positions, outcome.quantities)
    assert (outcome.feasible_cost >= outcome.dual_bound - 1e-6 * np.maximum(1.0, np.abs(outcome.feasible_cost))).all()


@settings(deadline=None, max_examples=100)
@given(instance=instances(max_series=1))
def test_packs_cost_what_brute_force_finds_and_lumps_nearly(instance):
    problem = row_problem(*instance, 0)
    if problem is None:
        return
    packs, n_steps, steps = problem.positions, len(problem.needs), np.flatnonzero(problem.largest[0])
    most = min(problem.needs.clip(0).sum(axis=0).max() + packs.smallest_order[0], packs.largest_order[0])
    lines = [0.0, *np.arange(packs.smallest_order[0], most + 1e-9, packs.order_multiple[0])]
    if len(lines) ** len(steps) > MOST_PLANS:
        return
    plans = np.zeros((len(lines) ** len(steps), n_steps))
    plans[:, steps] = list(itertools.product(lines, repeat=len(steps)))
    everyone = problem.take(np.zeros(len(plans), dtype=int))
    costs = everyone.cost(plans)
    whole = whole_packs(problem, solve_lost_sales(problem))
    found, tolerance = problem.cost(whole.quantities)[0], 1e-7 * max(1.0, np.abs(costs).max())
    if packs.order_cost[0] == 0 and packs.smallest_order[0] == packs.order_multiple[0]:
        assert abs(found - costs.min()) <= tolerance
        assert abs(whole.bound[0] - found) <= tolerance
    assert found - costs.min() <= 0.05 * (costs[0] - costs.min()) + 1e-9  # plans[0] orders nothing
    assert whole.bound[0] <= costs.min() + tolerance


def test_packs_decided_inside_beat_rounding_up_on_slow_movers():
    slow = positions(200, 8, order_multiple=12.0, lead_time=2, holding_cost=0.05)
    demand = np.random.default_rng(1).poisson(0.6, (8, 200, 32)).astype(float)
    ((_, problem),) = problems(slow, demand, project(slow.on_hand, slow.receipts, demand))
    relaxed = solve_lost_sales(problem)
    decided, rounded = whole_packs(problem, relaxed).quantities, 12.0 * np.ceil(relaxed.quantities / 12.0)
    assert problem.cost(decided).sum() < 0.9 * problem.cost(rounded).sum()


@given(
    quantity=st.floats(0, 500), multiple=st.sampled_from([1.0, 2.5, 12.0]), least=st.integers(0, 60), most=st.integers(0, 300)
)
def test_nearest_line_may_be_placed_and_is_near(quantity, multiple, least, most):
    packs = positions(1, 1, order_multiple=multiple, min_order_quantity=least, max_order_quantity=most)
    line = nearest_line(packs, np.array([[quantity]]))
    assert may_be_placed(packs, line)
    if quantity <= packs.largest_order[0]:
        assert abs(line[0, 0] - quantity) <= packs.smallest_order[0] / 2 + 1e-9


def test_limits_between_which_no_pack_fits_allow_no_order():
    packs = positions(1, 1, order_multiple=12.0, min_order_quantity=20.0, max_order_quantity=23.0)
    assert packs.largest_order.tolist() == [0.0]
    assert plan_series(packs, np.full((1, 1, 3), 50.0)).quantities.tolist() == [[0.0]]


def test_levels_bracket_todays_order():
    rng = np.random.default_rng(2)
    drawn = positions(50, 6, lead_time=1, order_multiple=6.0, on_hand=rng.poisson(5, 50))
    outcome = plan_series(drawn, rng.poisson(8, (6, 50, 40)).astype(float))
    ordered = outcome.quantities[:, 0] > 0
    position, today = drawn.inventory_position[ordered], outcome.quantities[ordered, 0]
    assert ordered.any()
    assert (outcome.reorder_point[ordered] >= position).all()
    assert (outcome.reorder_point[ordered] <= outcome.order_up_to_level[ordered]).all()
    assert (np.abs(outcome.order_up_to_level[ordered] - position - today) <= 6.0).all()
    assert np.isnan(outcome.reorder_point[~ordered]).all()
    assert outcome.receipts.sum(axis=1) == approx(outcome.quantities.sum(axis=1))


@settings(deadline=None, max_examples=50)
@given(instance=instances(max_series=1), line=st.sampled_from([1e-3, 1.0, 6.0]))
def test_a_further_line_pays_up_to_the_worthwhile_units_and_not_beyond(instance, line):
    problem = row_problem(*instance, 0)
    if problem is None:
        return
    plan = whole_packs(problem, solve_lost_sales(problem)).quantities

    def saved(today):
        with_today = [np.column_stack([[units], plan[:, 1:]]) for units in (today, today + line)]
        cost = [problem.cost(one)[0] - problem.positions.order_cost[0] * np.count_nonzero(one) for one in with_today]
        return cost[0] - cost[1]

    units = worthwhile_units(problem, plan, np.array([line]))[0]
    assert saved(units + 1e-3) <= 1e-9
    assert units <= 1e-3 or saved(units - 1e-3) >= -1e-9


def test_lines_that_cost_money_are_merged_over_several_steps():
    """Certain demand 1 in each of 8 steps, c=1, h=0.1, a line 1.2: 3 or 4 units a line.

    Lines of 3, 3, 2: 3 * 1.2 + 0.1 * (2 + 1 + 2 + 1 + 1) = 4.3 beyond the units; of 4, 4: 2 * 1.2 + 0.1 * 12 = 3.6; one of 8:
    1.2 + 0.1 * 28 = 4.0; of 5, 3: 2.4 + 0.1 * (10 + 3) = 3.7; of 2, 2, 2, 2: 4.8 + 0.4 = 5.2.
    """
    outcome = plan_series(positions(1, 8, order_cost=1.2, lost_sale_cost=50.0), np.ones((8, 1, 2)))
    assert outcome.quantities.tolist() == [[4.0, 0.0, 0.0, 0.0, 4.0, 0.0, 0.0, 0.0]]
    assert outcome.feasible_cost == approx([8.0 + 3.6])


def test_longer_cycles_are_found_where_lines_cost_much(monkeypatch):
    rng = np.random.default_rng(6)
    series = positions(60, 10, order_cost=10.0, holding_cost=0.05, lead_time=1, on_hand=rng.poisson(8, 60))
    demand = rng.poisson(6.0, (10, 60, 30)).astype(float)
    cheap = plan_series(series, demand).feasible_cost
    monkeypatch.setattr(packs, "CYCLES", ())
    assert cheap.sum() < 0.995 * plan_series(series, demand).feasible_cost.sum()


def test_whole_packs_are_proven_over_many_paths():
    rng = np.random.default_rng(7)
    for multiple in (1.0, 2.5, 6.0, 24.0):
        series = positions(40, 10, order_multiple=multiple, lead_time=1, holding_cost=rng.choice([0.02, 0.3], 40))
        demand = rng.gamma(0.8, 4.0, (10, 40, 50))
        outcome = plan_series(series, demand)
        gap = (outcome.feasible_cost - outcome.dual_bound) / np.maximum(1.0, outcome.feasible_cost)
        assert np.abs(gap).max() <= 1e-7
        assert may_be_placed(series, outcome.quantities)


@given(needs=st.lists(st.floats(-30, 60), min_size=1, max_size=6), multiple=st.sampled_from([1.0, 2.5, 12.0]))
def test_rounded_paths_are_whole_and_cost_the_same_in_whole_packs(needs, multiple):
    paths = paths_of(np.array(needs)[:, None], np.ones(1))
    whole, _ = whole_paths(paths, multiple)
    assert whole.share.sum() == approx(1.0)
    np.testing.assert_allclose(whole.need / multiple, np.round(whole.need / multiple), atol=1e-9)
    for packs_a_step in (0, 1, 2):
        stock, rounded, left = 0.0, np.zeros(len(whole.share)), packs_a_step * multiple
        for step, need in enumerate(needs):
            stock, rounded = max(stock + left - need, 0.0), np.maximum(rounded + left - whole.need[step], 0.0)
            assert whole.share @ rounded == approx(stock, abs=1e-6)
