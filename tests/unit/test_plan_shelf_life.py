"""Goods that perish: what expires is what the simulator throws away, and no order brings more than sells in time."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replen import tables as t
from replen.evaluate.simulation import Reality, score, simulate
from replen.plan.decide import backorders, lost_sales
from replen.plan.delays import expected_delayed
from replen.plan.items import read_positions
from replen.plan.outcome import plan_series
from replen.plan.perishing import _goods
from replen.plan.perishing_kernel import cost_rows
from replen.plan.positions import serve_backorders
from replen.plan.prepared import Prepared
from replen.plan.problem import Prices
from replen.plan.shelf_life import expiring, largest_in_time, levels_in_time
from replen.plan.timing import Calendar, by_arrival
from tests.unit.plan_instances import instances, positions
from tests.unit.test_plan_backorders import Fixed
from tests.unit.test_plan_bucket import items
from tests.unit.test_plan_delays import fixed, late_instances
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


def thrown_away_too(drawn, demand, quantities, *, waits):
    """Return the score and the history of fixed orders in a world in which units expire, and orders are late."""
    drawn, demand = (drawn, demand) if waits else serve_backorders(drawn, demand)
    reality = Reality(np.broadcast_to(drawn.lead_times, demand.shape), drawn.shelf_life)
    history = simulate(drawn, demand, fixed(quantities), backorders=waits, reality=reality)
    return score(drawn, history, backorders=waits), history


@settings(max_examples=100)
@given(late_instances(backorders=True, perishable=True), st.booleans())
def test_a_plan_costs_what_the_simulator_says_when_units_of_its_orders_expire(instance, waits):
    drawn, demand = instance
    outcome = plan_series(drawn, demand, waits=waits)
    result, history = thrown_away_too(drawn, demand, outcome.quantities, waits=waits)
    assert outcome.feasible_cost == pytest.approx(result.cost, abs=1e-9)
    assert outcome.mean_on_hand == pytest.approx(history.on_hand.mean(axis=2).T)
    assert outcome.expected_short == pytest.approx(history.short.mean(axis=2).T)


@given(late_instances(backorders=True, perishable=True), st.booleans())
def test_orders_never_cost_more_than_those_of_the_program_whose_lines_sell_in_time(instance, waits):
    drawn, demand = instance
    ready = Prepared.of(drawn, demand, waits=waits, safety_stock=None)
    program = (backorders if waits else lost_sales)(ready, Prices.none(drawn), with_levels=False)
    least = thrown_away_too(drawn, demand, program.quantities, waits=waits)[0].cost
    assert np.all(plan_series(drawn, demand, waits=waits).feasible_cost <= least + 1e-9 * np.maximum(1.0, np.abs(least)))


@settings(max_examples=100)
@given(late_instances(backorders=True, perishable=True), st.booleans(), st.integers(0, 2**32 - 1))
def test_no_plan_at_all_costs_less_than_the_bound(instance, waits, seed):
    """Plans drawn at random, many of them larger than any that pays, and those near the program's."""
    drawn, demand = instance
    outcome, rng = plan_series(drawn, demand, waits=waits), np.random.default_rng(seed)
    for scale in (0.0, 0.3, 1.0, 3.0):
        packs = rng.poisson(scale * demand.mean() / drawn.order_multiple[:, None], outcome.quantities.shape)
        near = outcome.quantities / drawn.order_multiple[:, None] + rng.integers(-1, 2, packs.shape)
        for units in (packs * drawn.order_multiple[:, None], np.maximum(near, 0) * drawn.order_multiple[:, None]):
            lines = np.minimum(np.where(units > 0, np.maximum(units, drawn.smallest_order[:, None]), 0.0), np.inf)
            orders = np.where(drawn.may_order, np.minimum(lines, drawn.largest_order[:, None]), 0.0)
            cost = thrown_away_too(drawn, demand, orders, waits=waits)[0].cost
            assert np.all(cost >= outcome.dual_bound - 1e-6 * np.maximum(1.0, np.abs(cost)))


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_the_cheapest_of_all_plans_is_between_bound_and_plan(seed, waits):
    rng = np.random.default_rng(seed)
    found = positions(
        1, 4, on_hand=rng.poisson(2), receipts=rng.integers(0, 3, (1, 4)), lead_time=rng.integers(0, 2),
        order_cost=rng.choice([0.0, 1.0]),
        holding_cost=rng.choice([0.01, 0.5]), end_value=rng.choice([0.0, 0.5, 1.0]), order_multiple=rng.choice([1.0, 2.0]),
        backorder_cost=2.0, shelf_life=rng.integers(1, 4, 1), delays=rng.permuted([[0, 0, 1, 0, 0]], axis=1),
    )  # fmt: skip
    demand = rng.poisson(2.0, (4, 1, 5)).astype(float)
    lines = np.arange(0.0, 11.0, found.order_multiple[0])
    every = np.stack(np.meshgrid(*[lines] * 4), axis=-1).reshape(-1, 4)
    every = every[(np.where(found.may_order, every, 0.0) == every).all(axis=1)]
    many, world = found.take(np.zeros(len(every), int)), np.repeat(demand, len(every), axis=1)
    least = thrown_away_too(many, world, every, waits=waits)[0].cost.min()
    outcome = plan_series(found, demand, waits=waits)
    assert outcome.dual_bound[0] - 1e-9 <= least <= outcome.feasible_cost[0] + 1e-9
    assert outcome.feasible_cost[0] <= 1.1 * least  # what the search leaves


@given(late_instances(backorders=True, perishable=True), st.booleans(), st.integers(0, 99))
def test_the_search_counts_what_the_plan_costs(instance, waits, seed):
    drawn, demand = instance
    ready, rng = Prepared.of(drawn, demand, waits=waits, safety_stock=None), np.random.default_rng(seed)
    some = ready.take(ready.perishing)
    if not len(some.receipts):
        return
    orders = np.where(some.positions.may_order, rng.poisson(demand.mean(), some.receipts.shape), 0.0)
    prices = Prices(*rng.uniform(0, 1, (3, *orders.shape)))
    projection = some.played(orders)
    receipts = fixed_arrivals(some, orders)
    expected = some.costs(orders, projection)[1] + prices.paid(orders, receipts, projection.ending.mean(axis=2).T)
    assert cost_rows(_goods(some, orders, prices), orders) == pytest.approx(expected)


def fixed_arrivals(ready, orders):
    return expected_delayed(by_arrival(orders, ready.positions.lead_time), ready.positions.delays)


@given(instances(backorders=True), st.booleans())
def test_goods_that_keep_are_planned_to_the_last_bit_as_without_a_shelf_life(instance, waits):
    """A life that ends after the horizon is none, and what perishes beside a series does not change its plan."""
    drawn, demand = instance
    plain = plan_series(drawn, demand, waits=waits)
    keeps = np.full(drawn.n_series, len(demand) + 1)
    beside = np.append(np.arange(drawn.n_series), 0)
    mixed = replace(drawn.take(beside), shelf_life=np.append(keeps, 1))
    for outcome in (
        plan_series(replace(drawn, shelf_life=keeps), demand, waits=waits),
        plan_series(mixed, demand[:, beside], waits=waits).take(np.arange(drawn.n_series)),
    ):
        for name, values in vars(plain).items():
            if isinstance(values, np.ndarray):
                np.testing.assert_array_equal(getattr(outcome, name), values, err_msg=name)


def test_a_pack_that_expires_is_paid_for_by_hand():
    """5 wanted a week, packs of 6 that keep a week, c = 1, p = 3, h = 0.1: one unit of each pack is thrown away, none is held.

    Four packs cost 24 and lose nothing; a week without one would save 6 and lose 15. The program, which keeps that unit, would
    count less for them, so that its bound is below.
    """
    found = plan_series(positions(1, 4, order_multiple=6.0, shelf_life=np.array([1])), np.full((4, 1, 2), 5.0))
    assert found.quantities.tolist() == [[6.0] * 4]
    assert found.feasible_cost.tolist() == [24.0]
    assert found.dual_bound[0] < 24.0
    assert found.mean_on_hand.tolist() == [[0.0] * 4]


def test_levels_end_where_units_would_expire_by_hand():
    """Certain demand 1, 2, 3, 4, then 4, a review every two weeks; lead time 1, two periods to sell: 1 + 2 + 3, 2 + 3 + 4, ...

    Goods that keep for longer than the horizon have their levels.
    """
    drawn = positions(2, 4, lead_time=1, review_period=2, shelf_life=np.array([2, 5]))
    demand = np.repeat(np.arange(1.0, 5.0)[:, None, None], 2, axis=1)
    levels = levels_in_time(drawn, demand, np.full((2, 4), 10.0))
    assert levels.tolist() == [[6.0, 9.0, 10.0, 10.0], [10.0] * 4]
    assert levels_in_time(drawn, demand, np.full((2, 4), 99.0))[0].tolist() == [6.0, 9.0, 11.0, 12.0]


@pytest.mark.parametrize("waits", [False, True])
def test_the_last_unit_of_a_level_saves_what_it_may_waste(waits):
    """Demand 1, 2, ..., 10 of the first week and 5 of the second; a unit keeps 2 weeks, costs 1 and saves 2 where it is short.

    Between 8 and 9, 2 of 10 paths are short in the first week, and on 3 of 10 the unit is wasted: 2 * 2 > 3, it pays. Above 9
    it is 1 and 4: 2 * 1 < 4.
    """
    one = positions(1, 2, shelf_life=np.array([2]), backorder_cost=2.0)
    demand = np.stack([np.arange(1.0, 11.0), np.full(10, 5.0)])[:, None]
    levels = levels_in_time(one, demand, np.full((1, 2), 99.0), waits=waits)
    assert levels[0, 0] == pytest.approx(9.0)


@given(instances(backorders=True), st.booleans(), st.integers(0, 99))
def test_plans_of_goods_that_perish_are_placeable_and_proven(instance, waits, seed):
    drawn, demand = perishing(instance[0], seed), instance[1]
    outcome = plan_series(drawn, demand, waits=waits)
    decided = np.maximum(1.0, np.abs(outcome.feasible_cost - outcome.constant_cost))
    assert np.all(outcome.feasible_cost >= outcome.dual_bound - 1e-6 * decided)
    assert (np.isnan(outcome.reorder_point) == (outcome.quantities[:, 0] == 0)).all()
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
