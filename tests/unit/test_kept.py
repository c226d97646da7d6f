"""The last plan kept: by hand, against all plans, with limits, packs, windows and frozen periods; both paths of the planner."""

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replen import tables as t
from replen.config import Config
from replen.overlays import load_config
from replen.plan.choice import Choice
from replen.plan.kept import LastPlan
from replen.plan.outcome import plan_ready, plan_series
from replen.plan.policies.assigned import Assigned
from replen.plan.prepared import Prepared
from replen.plan.problem import Prices
from replen.plan.programs import Programs
from replen.plan.sharing import N_CELLS, Flows, Sharing
from tests.unit.plan_instances import instances, positions
from tests.unit.test_limits import items_of, read, rule

NO = np.nan


def last_plan(quantities, change_cost=1.0):
    return LastPlan(np.array(quantities, dtype=float), change_cost)


def plan_after(last, found, demand, prices=None, *, waits=False):
    """Return the plans of series that have a last one."""
    ready, assigned = Prepared.of(found, demand, waits=waits, safety_stock=None), Assigned.program(found.n_series)
    return plan_ready(found, ready, prices or Prices.none(found), assigned=assigned, last=last)


def demand_of(*units):
    """Return demand of one series, known for sure, (horizon, 1, 1)."""
    return np.array(units, dtype=float)[:, None, None]


@pytest.mark.parametrize(("change_cost", "kept"), [(3.9, False), (4.1, True), (0.0, False)])
@pytest.mark.parametrize("waits", [False, True])
def test_a_plan_is_changed_where_that_saves_more_than_the_charge(change_cost, kept, waits):
    """Demand 5, 5, 5; the last plan says 13 now and none next week, nothing of the third. A unit costs 1 whenever it is bought.

    Ordering 5 each week holds nothing. Keeping the 13 (and 2 in the third week) holds 8 and 3 units, at 4/11 each 4 money. So
    at a charge of 3.9 the plan changes, at 4.1 it does not.
    """
    found = positions(1, 3, holding_cost=4 / 11, lost_sale_cost=9.0, backorder_cost=9.0, end_value=0.0)
    last = last_plan([[13.0, 0.0, NO]], change_cost)
    outcome = plan_after(last, found, demand_of(5, 5, 5), waits=waits)
    assert outcome.kept.tolist() == [kept]
    assert outcome.quantities.tolist() == [[13.0, 0.0, 2.0] if kept else [5.0, 5.0, 5.0]]
    expected = 15 + 4 if kept else 15 + change_cost
    assert outcome.feasible_cost[0] == pytest.approx(expected)
    assert outcome.dual_bound[0] == pytest.approx(expected)
    assert outcome.binding.tolist() == [t.LAST_PLAN if kept else "none"]


def test_a_plan_that_is_the_best_anyway_is_not_charged():
    found = positions(1, 3, lost_sale_cost=9.0, end_value=0.0)
    outcome = plan_after(last_plan([[5.0, 5.0, NO]], 100.0), found, demand_of(5, 5, 5))
    assert not outcome.kept.any()
    assert outcome.feasible_cost[0] == pytest.approx(15)


@pytest.mark.parametrize(
    ("said", "changed"),
    [
        ([9.0, 0.0, NO], {"order_multiple": 6.0}),  # no whole packs
        ([4.0, 0.0, NO], {"min_order_quantity": 5.0}),
        ([9.0, 0.0, NO], {"max_order_quantity": 8.0}),
        ([9.0, 1.0, NO], {"order_window": np.array([[True, False, True]])}),
        ([9.0, 1.0, NO], {"review_period": 2}),
        ([NO, NO, NO], {}),
    ],
)
def test_a_plan_that_may_not_be_placed_any_more_is_neither_kept_nor_charged(said, changed):
    found, demand = positions(1, 3, lost_sale_cost=9.0, end_value=0.0, **changed), demand_of(5, 5, 5)
    outcome, free = plan_after(last_plan([said], 100.0), found, demand), plan_series(found, demand)
    assert not outcome.kept.any()
    assert outcome.quantities.tolist() == free.quantities.tolist()
    assert outcome.feasible_cost.tolist() == free.feasible_cost.tolist()


def all_plans(found, demand, most):
    """Yield every plan of whole packs of one series, (1, horizon), and its cost."""
    allowed = found.largest_by_step[0]
    sizes = np.arange(found.smallest_order[0], most + 1, found.order_multiple[0])
    lines = [[0.0, *sizes[sizes <= largest]] for largest in allowed]
    ready = Prepared.of(found, demand, waits=False, safety_stock=None)
    for plan in itertools.product(*lines):
        quantities = np.array([plan])
        yield quantities, ready.costs(quantities, ready.played(quantities))[1][0]


@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.5, 3.0, 50.0]))
@settings(max_examples=40, deadline=None)
def test_cost_is_the_least_of_all_plans_charged_where_they_differ(seed, change_cost):
    rng = np.random.default_rng(seed)
    found = positions(
        1, 4, on_hand=rng.integers(0, 3), lead_time=rng.integers(0, 2), lost_sale_cost=rng.choice([2.0, 4.0]),
        holding_cost=rng.choice([0.1, 0.6]), end_value=0.3, order_multiple=rng.choice([1.0, 2.0]),
    )  # fmt: skip
    demand = rng.integers(0, 4, (4, 1, 3)).astype(float)
    said = np.append(rng.integers(0, 3, 2) * found.order_multiple[0], [NO, NO])
    last = last_plan([said], change_cost)
    costs = [
        cost + change_cost * (last.rows_to_keep(found).size and np.any(np.abs(plan[0, :2] - said[:2]) > 0))
        for plan, cost in all_plans(found, demand, 10.0)
    ]
    outcome = plan_after(last, found, demand)
    assert outcome.feasible_cost[0] == pytest.approx(min(costs), abs=1e-9)
    assert outcome.dual_bound[0] == pytest.approx(min(costs), abs=1e-6)


@given(instances(backorders=True), st.integers(0, 10**6), st.booleans(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_keeping_costs_at_most_the_charge_and_the_bound_holds(instance, seed, waits, varies):
    found, demand = instance
    rng = np.random.default_rng(seed)
    late = rng.integers(0, 3, demand.shape[1:])
    found = replace(found, delays=late - late.min(axis=1, keepdims=True)) if varies else found
    free = plan_series(found, demand, waits=waits)
    said = np.maximum(free.quantities + rng.choice([-1, 0, 0, 1], free.quantities.shape) * found.order_multiple[:, None], 0.0)
    said[:, demand.shape[0] // 2 + 1 :] = NO
    outcome = plan_after(last_plan(said, 2.0), found, demand, waits=waits)
    money = 1e-6 * np.maximum(1.0, np.abs(free.feasible_cost))
    assert np.all(outcome.feasible_cost <= free.feasible_cost + 2.0 + money)
    assert np.all(outcome.dual_bound <= outcome.feasible_cost + money)
    assert np.all(outcome.dual_bound >= free.dual_bound - money)
    kept = np.isfinite(said) & outcome.kept[:, None]
    assert np.abs(outcome.quantities - said)[kept].max(initial=0.0) <= 1e-6


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("varies", [False, True])
def test_passes_keep_what_the_plan_keeps(waits, varies):
    rng, n, horizon = np.random.default_rng(3), 60, 6
    delays = np.column_stack([np.zeros(n, int), rng.integers(0, 3, (n, 7)) * (rng.random((n, 1)) < 0.5)]) if varies else None
    found = positions(
        n, horizon, lead_time=rng.integers(0, 3, n), receipts=rng.integers(0, 4, (n, horizon)), on_hand=rng.integers(0, 9, n),
        backorders=rng.integers(0, 4, n), unit_cost=2.0, lost_sale_cost=9.0, backorder_cost=1.0, end_value=1.5,
        order_multiple=rng.choice([1.0, 3.0], n), order_cost=rng.choice([0.0, 1.0], n), delays=delays,
    )  # fmt: skip
    demand = rng.poisson(4, (horizon, n, 8)).astype(float)
    said = plan_series(found, demand, waits=waits).quantities + rng.choice([0, 0, 1], (n, 1)) * found.order_multiple[:, None]
    said[:, 4:] = NO
    last = last_plan(said, 3.0)
    limits = read(
        horizon, orders=rule(), inbound=rule(kind="capacity", measure="volume"), space=rule(kind="volume", counted="stock")
    )
    sharing = Sharing.of(items_of(found), limits, found)
    programs = Programs.of(Prepared.of(found, demand, waits=waits, safety_stock=None), sharing, np.arange(found.n_series), last)
    for prices in (np.zeros(len(limits)), rng.uniform(0, 0.3, len(limits)), np.full(len(limits), np.inf)):
        choice = Choice.at(prices, N_CELLS)
        outcome = plan_after(last, found, demand, sharing.series_prices(choice, horizon), waits=waits)
        flows = Flows(outcome.quantities, outcome.receipts, outcome.mean_on_hand)
        expected, totals = sharing.totals(outcome.dual_bound, outcome.feasible_cost, flows), programs.totals(choice)
        assert np.isinf(prices).any() or 0 < outcome.kept.sum() < n
        assert not np.isinf(prices).any() or outcome.quantities.sum() == 0
        for name in ("bound", "cost", "usage"):
            np.testing.assert_allclose(getattr(totals, name), getattr(expected, name), rtol=1e-9, atol=1e-9)


def test_the_last_plan_says_what_could_arrive_within_its_horizon_and_is_not_frozen():
    items = pd.DataFrame({t.LAST_PLAN: [np.array([3.0, 4.0, 5.0, 0.0]), None, np.array([1.0])]})
    last = LastPlan.of(items, np.array([1, 1, 1]), frozen_periods=1, change_cost=2.0, horizon=5)
    assert np.array_equal(last.quantities, [[NO, 4, 5, NO, NO], [NO] * 5, [NO] * 5], equal_nan=True)


def test_a_charge_beside_a_hard_safety_stock_is_refused():
    config = load_config(None, ["plan.unmet_demand=waits"]).model_dump()
    config["plan"] |= {"change_cost": 5.0, "safety_stock": {"kind": "hard", "cover_periods": 1.0, "price": 0.0}}
    with pytest.raises(ValueError, match="plan.change_cost: expected 0 where plan.safety_stock.kind is hard"):
        Config.model_validate(config)
