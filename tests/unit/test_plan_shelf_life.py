"""Goods that perish: what expires is what the simulator throws away, and no order brings more than sells in time."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replen import tables as t
from replen.evaluate.simulation import Reality, score, simulate
from replen.plan.items import read_positions
from replen.plan.outcome import plan_series
from replen.plan.positions import serve_backorders
from replen.plan.shelf_life import expiring, largest_in_time
from replen.plan.timing import Calendar
from tests.unit.plan_instances import instances, positions
from tests.unit.test_plan_backorders import Fixed
from tests.unit.test_plan_bucket import items
from tests.unit.test_plan_terms import MONDAY, planned


def perishing(drawn, seed):
    return replace(drawn, shelf_life=np.random.default_rng(seed).integers(1, 5, drawn.n_series))


@given(instances(backorders=True), st.booleans(), st.integers(0, 99))
def test_what_expires_of_stock_and_open_orders_is_what_the_simulator_throws_away(instance, waits, seed):
    drawn, demand = perishing(instance[0], seed), instance[1]
    if not waits:
        drawn, demand = serve_backorders(drawn, demand)
    nothing, reality = Fixed(np.zeros(drawn.receipts.shape)), Reality(shelf_life=drawn.shelf_life)
    played = simulate(drawn, demand, nothing, backorders=waits, reality=reality)
    assert expiring(drawn, demand, waits=waits) == pytest.approx(played.waste)
    never = replace(drawn, max_order_quantity=np.zeros(drawn.n_series))
    outcome = plan_series(never, demand, waits=waits)
    assert outcome.feasible_cost == pytest.approx(score(drawn, played, backorders=waits).cost)
    assert outcome.mean_on_hand == pytest.approx(played.on_hand.mean(axis=2).T)
    assert outcome.expiring == pytest.approx(played.waste.sum(axis=0).mean(axis=1))


@given(instances(backorders=True), st.booleans(), st.integers(0, 99))
def test_plans_of_goods_that_perish_are_placeable_and_proven(instance, waits, seed):
    drawn, demand = perishing(instance[0], seed), instance[1]
    outcome = plan_series(drawn, demand, waits=waits)
    decided = np.maximum(1.0, np.abs(outcome.feasible_cost - outcome.constant_cost))
    assert np.all(outcome.feasible_cost >= outcome.dual_bound - 1e-6 * decided)
    lines = outcome.quantities / drawn.order_multiple[:, None]
    assert lines == pytest.approx(np.round(lines), abs=1e-9)
    assert np.all((outcome.quantities == 0) | (outcome.quantities >= drawn.smallest_order[:, None]))
    alone = plan_series(drawn.take(np.array([0])), demand[:, [0]], waits=waits)
    np.testing.assert_array_equal(alone.quantities[0], outcome.quantities[0])


def test_an_order_that_keeps_for_one_period_is_a_newsvendors():
    """Demand 1, 2, ..., 10, c = 1, p = 4, leftovers would be worth 0.9: (4 - 1) / 4 of the paths, 8 units; were it to keep, 10.

    With packs of 6 one pack fits; with packs of 12 none would, but one earns 4 * 5.5 and costs 12; of 24, it costs too much.
    """
    demand = np.arange(1.0, 11.0)[None, None]
    one = {"horizon": 1, "end_value": 0.9, "lost_sale_cost": 4.0}
    assert plan_series(positions(1, **one), demand).quantities.tolist() == [[10.0]]
    found = [
        plan_series(positions(1, **one, shelf_life=np.array([1]), order_multiple=pack), demand)
        for pack in (1.0, 6.0, 12.0, 24.0)
    ]
    assert [outcome.quantities[0, 0] for outcome in found] == [8.0, 6.0, 12.0, 0.0]
    assert found[0].binding.tolist() == [str(t.SHELF_LIFE_DAYS)]


def test_a_line_counts_on_the_demand_from_its_arrival_on_and_of_steps_like_the_last():
    """Certain demand 1, 2, 3, 4; lead time 1, two periods to sell: 2 + 3, 3 + 4, 4 + 4, 4 + 4 once more."""
    drawn, demand = positions(1, 4, lead_time=1, shelf_life=np.array([2])), np.arange(1.0, 5.0)[:, None, None]
    assert largest_in_time(drawn, demand).tolist() == [[5.0, 7.0, 8.0, 8.0]]


def test_stock_that_expires_is_no_stock_by_hand():
    """20 on hand that keep 2 weeks, 4 wanted a week: 12 expire after the second, and the third week's 4 are ordered."""
    found = plan_series(positions(1, 4, on_hand=20.0, shelf_life=np.array([2])), np.full((4, 1, 2), 4.0))
    assert found.expiring.tolist() == [12.0]
    assert found.mean_on_hand.tolist() == [[16.0, 0.0, 0.0, 0.0]]
    assert found.quantities.tolist() == [[0.0, 0.0, 4.0, 4.0]]
    assert found.mean_demand.tolist() == [[4.0] * 4]


def test_plans_that_know_the_shelf_life_cost_less_when_goods_perish():
    rng = np.random.default_rng(2)
    demand = rng.negative_binomial(1, 0.2, (8, 60, 100)).astype(float)
    drawn = positions(60, 8, on_hand=rng.poisson(30, 60), lead_time=1, end_value=0.9)
    perishable = replace(drawn, shelf_life=np.full(60, 2))
    reality = Reality(shelf_life=perishable.shelf_life)

    def played(plan):
        return score(drawn, simulate(drawn, demand, Fixed(plan.quantities), reality=reality)).cost.sum()

    assert played(plan_series(perishable, demand)) < 0.85 * played(plan_series(drawn, demand))


def test_shelf_life_in_whole_periods_and_what_expires_is_an_exception():
    rows = items(4, **{t.SHELF_LIFE_DAYS: [20.0, 3.0, None, 1000.0], t.ON_HAND: [10.0, 60.0, 60.0, 60.0]})
    assert read_positions(rows, Calendar(MONDAY, 6, "W")).shelf_life.tolist() == [2, 1, 7, 7]
    kinds = planned(rows)[t.KIND.by_exception()]
    assert ["expires_before_sale" in found for found in kinds] == [False, True, False, False]


def test_a_pack_that_would_expire_is_an_exception_and_no_order():
    rows = items(2, **{t.SHELF_LIFE_DAYS: [7.0, None], t.ORDER_MULTIPLE: 500.0})
    decisions = planned(rows)
    assert ["smallest_line_expires" in found for found in decisions[t.KIND.by_exception()]] == [True, False]
    assert decisions[t.ORDER_QUANTITY][0] == 0.0
