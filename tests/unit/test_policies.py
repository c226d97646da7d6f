"""Rules that order: levels against their definitions, rules against naive loops, plans against the simulator."""

from dataclasses import replace
from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx

from replen.evaluate.simulation import simulate
from replen.plan.outcome import plan_series
from replen.plan.policies.fixed_cycle import OrderUpTo, simple_rule_levels
from replen.plan.policies.known import Known
from replen.plan.policies.named import RULES, fixed_cycle, projected_inventory
from replen.plan.policies.planned import expected_orders, planned
from replen.plan.policies.projected import ProjectedInventory, stock_on_delivery
from replen.plan.policies.reorder_point import ReorderLots, ReorderUpTo, economic_lot, every_period
from replen.plan.policies.replanned import Replanned, positions_of
from replen.plan.policies.service import (
    CriticalRatio,
    CycleService,
    FillRate,
    delivered_demand,
    interval_demand,
    order_up_to_levels,
    reorder_points,
    service_levels,
)
from tests.unit.plan_instances import instances, positions

TARGETS = [CycleService(0.9), CycleService(0.9, normal=True), FillRate(0.97), FillRate(0.97, normal=True), CriticalRatio()]
SEEDS = st.integers(0, 2**32 - 1)


def without_backorders(drawn):
    return replace(drawn, backorders=np.zeros(drawn.n_series))


def plain_packs(drawn):
    """Return the positions with lines of any size, so that quantities are what the rule wants."""
    free = {"order_multiple": 1e-6, "min_order_quantity": 0.0, "max_order_quantity": np.inf}
    return replace(drawn, **{name: np.full(drawn.n_series, value) for name, value in free.items()})


# --- demand of an interval, levels from targets ---------------------------------------------------------------------------
@given(seed=SEEDS, horizon=st.integers(1, 6))
def test_interval_demand_is_a_sum_where_it_fits(seed, horizon):
    rng = np.random.default_rng(seed)
    demand = rng.poisson(3, (horizon, 4, 3)).astype(float)
    length, first = rng.integers(0, horizon + 1, 4), rng.integers(0, 3, 4)
    totals = interval_demand(demand, length, first=first)
    for step, row in np.ndindex(horizon, 4):
        start = min(step + first[row], horizon - length[row])
        assert totals[step, row] == approx(demand[start : start + length[row], row].sum(axis=0))


def test_an_interval_longer_than_the_horizon_grows_in_mean_and_variance():
    demand = np.array([[[1.0, 3.0]], [[2.0, 6.0]]])
    totals = interval_demand(demand, np.array([8]))
    assert totals.mean(axis=2) == approx(4 * 6.0)
    assert totals.var(axis=2) == approx(4 * 9.0)


@given(seed=SEEDS, share=st.floats(0.05, 0.99))
def test_cycle_service_is_the_least_level_that_covers_its_share_of_paths(seed, share):
    total = np.random.default_rng(seed).poisson(4, (2, 3, 9)).astype(float)
    levels = service_levels(positions(3), total, total, [CycleService(share)] * 3)
    assert ((total <= levels[:, :, None]).mean(axis=2) >= share).all()
    assert ((total < levels[:, :, None]).mean(axis=2) < share).all()


def lost_share(total, before, level):
    """Return the share of the units between `before` and `total` that a level leaves short, by its definition."""
    short = [max(late - level, 0) - max(early - level, 0) for late, early in zip(total, before, strict=True)]
    return sum(short) / sum(total - before)


@given(seed=SEEDS, share=st.floats(0.05, 0.99))
def test_fill_rate_is_the_least_level_that_serves_its_share_of_demand(seed, share):
    rng = np.random.default_rng(seed)
    before = rng.poisson(4, (1, 1, 9)).astype(float)
    total = before + 1 + rng.poisson(2, (1, 1, 9))
    (level,) = service_levels(positions(1), total, before, [FillRate(share)])[0]
    assert lost_share(total[0, 0], before[0, 0], level) <= 1 - share + 1e-9
    if level > 0.01:
        assert lost_share(total[0, 0], before[0, 0], level - 0.01) > 1 - share


def test_a_fill_rate_on_paths_of_a_normal_is_that_of_the_normal():
    rng = np.random.default_rng(0)
    before = rng.normal(100, 10, (1, 1, 40_000))
    total = before + rng.normal(50, 8, (1, 1, 40_000))
    counted, fitted = (service_levels(positions(1), total, before, [FillRate(0.98, normal=normal)]) for normal in (False, True))
    assert counted == approx(fitted, rel=2e-3)


@given(seed=SEEDS, weight=st.sampled_from([0.5, 1.0, 4.0]))
def test_the_critical_ratio_costs_least_a_cycle(seed, weight):
    total = np.random.default_rng(seed).poisson(4, 11).astype(float)
    drawn = positions(1, holding_cost=0.4, review_period=2)
    (level,) = service_levels(drawn, total[None, None], total[None, None], [CriticalRatio(weight)])[0]

    def cost(level):
        return (weight * 2.0 * np.maximum(total - level, 0) + 0.8 * np.maximum(level - total, 0)).mean()

    assert cost(level) <= min(cost(other) for other in total) + 1e-9


def test_targets_are_each_series_own():
    drawn, rng = positions(3, 4), np.random.default_rng(0)
    demand, targets = rng.poisson(9, (4, 3, 16)).astype(float), [CycleService(0.99), FillRate(0.9), CycleService(0.99)]
    mixed = order_up_to_levels(drawn, demand, targets)
    for row, target in enumerate(targets):
        assert mixed[row] == approx(order_up_to_levels(drawn, demand, [target] * 3)[row])


@given(instance=instances(), share=st.floats(0.55, 0.99))
def test_a_higher_target_never_lowers_a_level(instance, share):
    drawn, demand = instance
    for kind in (CycleService, FillRate):
        low, high = (order_up_to_levels(drawn, demand, [kind(one)] * drawn.n_series) for one in (share, (1 + share) / 2))
        assert (low <= high + 1e-6).all()


@given(instance=instances(), factor=st.sampled_from([0.5, 12.0]))
def test_units_scale_through_the_levels(instance, factor):
    drawn, demand = instance
    for target in TARGETS:
        one, scaled = (order_up_to_levels(drawn, units, [target] * drawn.n_series) for units in (demand, factor * demand))
        assert scaled == approx(factor * one, abs=1e-6)


# --- rules -----------------------------------------------------------------------------------------------------------------
def known_of(drawn, rng, n_paths=3):
    """Return something known before step 0: stock and receipts that differ by path."""
    on_hand = rng.integers(0, 30, (drawn.n_series, n_paths)).astype(float)
    due = rng.integers(0, 9, (drawn.receipts.shape[1], drawn.n_series, n_paths)).astype(float)
    return Known(0, on_hand, np.zeros_like(on_hand), due, np.empty((0, drawn.n_series, n_paths)))


@given(seed=SEEDS)
def test_reorder_rules_order_at_the_point_or_below_and_not_above_it(seed):
    rng = np.random.default_rng(seed)
    drawn = positions(4, 3)
    known = known_of(drawn, rng)
    point = rng.integers(10, 50, (4, 3)).astype(float)
    up_to, lot = point + rng.integers(0, 20, (4, 3)), rng.integers(1, 9, 4).astype(float)
    up, lots = ReorderUpTo(drawn, point, up_to)(known), ReorderLots(drawn, point, lot)(known)
    for row, path in np.ndindex(4, 3):
        position = known.on_hand[row, path] + known.due[:, row, path].sum()
        assert up[row, path] == (up_to[row, 0] - position if position <= point[row, 0] else 0)
        n_lots = 0
        while position + n_lots * lot[row] <= point[row, 0]:
            n_lots += 1
        assert lots[row, path] == n_lots * lot[row]


def test_an_economic_lot_is_whole_packs_and_never_below_the_smallest_line():
    drawn = positions(
        3, 2, order_cost=[8.0, 8.0, 0.0], holding_cost=0.4, order_multiple=[1.0, 6.0, 6.0], min_order_quantity=7.0
    )
    assert economic_lot(drawn, np.full((2, 3, 1), 10.0)).tolist() == [20.0, 18.0, 12.0]


@settings(deadline=None)
@given(instance=instances(), seed=SEEDS, waits=st.booleans())
def test_projected_inventory_is_the_mean_over_all_pairs_of_paths(instance, seed, waits):
    drawn, demand = instance
    known, target = known_of(drawn, np.random.default_rng(seed), n_paths=2), np.full(drawn.receipts.shape, 12.0)
    rule = ProjectedInventory(drawn, demand, target, backorders=waits)
    expected = rule.expected_on_delivery(known)
    for row, path in np.ndindex(expected.shape):
        ahead, stocks = min(drawn.lead_time[row], len(demand) - 1), []
        for sample in demand[:, row].T:
            stock = known.on_hand[row, path]
            for step in range(ahead):
                stock += known.due[step, row, path] - sample[step]
                stock = stock if waits else max(stock, 0.0)
            stocks.append(stock + known.due[ahead, row, path])
        assert expected[row, path] == approx(np.mean(stocks))


@settings(deadline=None)
@given(instance=instances())
def test_without_lost_sales_projected_inventory_orders_what_the_fixed_cycle_orders(instance):
    drawn, demand = instance
    drawn = plain_packs(without_backorders(drawn))
    drawn = replace(drawn, lead_time=np.minimum(drawn.lead_time, max(len(demand) - drawn.review_period.max(), 0)))
    targets = [CycleService(0.9)] * drawn.n_series
    fits = drawn.lead_time + drawn.review_period <= len(demand)
    known = replace(Known.at_start(drawn), due=np.zeros((len(demand), drawn.n_series, 1)))
    rule = replace(projected_inventory(drawn, demand, targets), backorders=True)
    assert rule(known)[fits] == approx(fixed_cycle(drawn, demand, targets)(known)[fits], abs=1e-5)


@settings(deadline=None)
@given(instance=instances(), seed=SEEDS)
def test_the_cheapest_line_costs_least_of_all_lines(instance, seed):
    drawn, demand = instance
    known, rule = known_of(drawn, np.random.default_rng(seed), n_paths=2), RULES["cheapest_line"](drawn, demand, [])
    orders, delivered = rule(known), delivered_demand(drawn, demand)
    for rows, stock in stock_on_delivery(drawn, demand, known):
        for (place, row), path in product(enumerate(rows), range(2)):
            need = delivered[0, row] - stock[place, path]
            largest = min(drawn.largest_order[row], 300.0)
            lines = [0.0, *np.arange(drawn.smallest_order[row], largest + 1, drawn.order_multiple[row])]
            costs = {line: cycle_cost(drawn, row, need - line) for line in lines}
            assert costs[orders[row, path]] <= min(costs.values()) + 1e-9


def cycle_cost(drawn, row, short):
    """Return money lost where units are short, or held over a review period where they are left, mean over paths."""
    margin, holding = drawn.lost_sale_cost[row] - drawn.unit_cost[row], drawn.holding_cost[row] * drawn.review_period[row]
    return np.mean([margin * units if units > 0 else -holding * units for units in short])


def test_lot_for_lot_orders_the_net_requirement():
    # 5 on the shelf, 4 wanted a step, 2 due in step 1, lead time 2: 1 left after step 0, 0 after step 1 (1 lost).
    # Reviewed every 2 steps: steps 2 and 3 need 8.
    drawn = positions(1, 6, on_hand=5.0, lead_time=2, review_period=2, receipts=[[0.0, 2.0, 0.0, 0.0, 0.0, 0.0]])
    demand = np.full((6, 1, 4), 4.0)
    rule = RULES["lot_for_lot"](drawn, demand, [CycleService(0.5)])
    assert rule(Known.at_start(drawn)).tolist() == [[8.0]]


@settings(deadline=None)
@given(instance=instances(), name=st.sampled_from(sorted(RULES)), target=st.sampled_from(TARGETS))
def test_every_rule_respects_packs_and_limits_on_every_path_alone(instance, name, target):
    drawn, demand = instance
    rule = RULES[name](drawn, demand, [target] * drawn.n_series)
    orders = simulate(rule.positions, demand, rule).orders
    lines, least, most = orders > 0, drawn.smallest_order[:, None], drawn.max_order_quantity[:, None]
    packs = orders / drawn.order_multiple[:, None]
    assert (~lines | ((orders >= least - 1e-9) & (orders <= most))).all()
    assert packs == approx(np.round(packs))
    alone = simulate(rule.positions, demand[:, :, :1], rule).orders
    np.testing.assert_array_equal(alone, orders[:, :, :1])


@settings(deadline=None)
@given(instance=instances(), name=st.sampled_from(sorted(RULES)))
def test_a_rule_orders_for_a_series_what_it_orders_for_it_alone(instance, name):
    drawn, demand = instance
    targets, row = [FillRate(0.95)] * drawn.n_series, np.array([drawn.n_series - 1])
    together, alone = RULES[name](drawn, demand, targets), RULES[name](drawn.take(row), demand[:, row], targets[:1])
    both = (simulate(rule.positions, units, rule).orders for rule, units in ((together, demand), (alone, demand[:, row])))
    one, other = both
    np.testing.assert_allclose(one[:, row], other)


# --- plans -----------------------------------------------------------------------------------------------------------------
@settings(deadline=None)
@given(instance=instances(backorders=True), name=st.sampled_from(sorted(RULES)), waits=st.booleans())
def test_expected_orders_are_those_of_the_simulator_on_expected_demand(instance, name, waits):
    drawn, demand = instance
    drawn = drawn if waits else without_backorders(drawn)
    rule, expected = RULES[name](drawn, demand, [CycleService(0.8)] * drawn.n_series), demand.mean(axis=2, keepdims=True)
    orders = expected_orders(rule, rule.positions, expected[:, :, 0].T, backorders=waits)
    assert approx(simulate(rule.positions, expected, rule, backorders=waits).orders[:, :, 0]) == orders.T


def test_a_plan_by_a_rule_says_when_it_orders_next_and_by_what():
    # (s,S) = (4, 10), 3 wanted a step, lead time 0, 5 on the shelf: 5 > 4: nothing; 2 left: 8 to 10; 7, then 4: 6 to 10.
    drawn = positions(1, 4, on_hand=5.0)
    rule = ReorderUpTo(drawn, np.full((1, 4), 4.0), np.full((1, 4), 10.0))
    plan = planned(rule, np.full((4, 1, 8), 3.0))
    assert plan.quantities.tolist() == [[0.0, 8.0, 0.0, 6.0]]
    assert plan.next_order.tolist() == [1]
    assert (plan.reorder_point, plan.order_up_to_level, plan.safety_stock) == ([4.0], [10.0], [4.0 - 3.0])
    assert planned(replace(rule, reorder_point=np.full((1, 4), -1.0)), np.zeros((4, 1, 8))).next_order.tolist() == [4]


def test_projected_inventory_reports_the_position_it_orders_up_to():
    drawn, rng = positions(5, 6, on_hand=3.0, lead_time=2, receipts=1.0), np.random.default_rng(3)
    rule = projected_inventory(drawn, rng.poisson(4, (6, 5, 32)).astype(float), [CycleService(0.95)] * 5)
    known = Known.at_start(drawn)
    missing = rule.order_levels(known).order_up_to_level - known.inventory_position
    assert rule(known) == approx(np.floor(missing + 0.5))


@settings(deadline=None)
@given(instance=instances(), level=st.floats(0, 40))
def test_a_plan_made_again_at_every_review_orders_what_its_rule_orders(instance, level):
    drawn, demand = instance
    rule = OrderUpTo(drawn, np.full(drawn.receipts.shape, level))

    def plan(now, _):
        return OrderUpTo(now, np.full(now.receipts.shape, level))(Known.at_start(now))

    again = Replanned(drawn, lambda known: demand[known.step :], plan)
    np.testing.assert_array_equal(simulate(drawn, demand, again).orders, simulate(drawn, demand, rule).orders)


def test_the_program_is_asked_for_reviewed_series_only_with_their_stock_of_then():
    drawn, asked = positions(2, 4, on_hand=[5.0, 6.0], review_period=[1, 2], receipts=1.0), []

    def plan(now, demand):
        asked.append((now.on_hand.tolist(), now.receipts.tolist(), demand.shape))
        return plan_series(now, demand).quantities

    def forecast(known):
        return np.full((2, 2, 3), 4.0)

    history = simulate(drawn, np.full((4, 2, 2), 4.0), Replanned(drawn, forecast, plan))
    assert asked[0] == ([5.0, 5.0, 6.0, 6.0], [[1.0, 1.0]] * 4, (2, 4, 3))
    assert asked[1] == ([history.on_hand[0, 0, 0]] * 2, [[1.0, 1.0]] * 2, (2, 2, 3))
    assert history.orders[1, 0] == approx(4.0 - asked[1][0][0] - 1.0)


def test_positions_of_a_later_time_are_rows_by_series_then_path():
    known = known_of(positions(2, 3), np.random.default_rng(0))
    rows = positions_of(positions(2, 3, unit_cost=[1.0, 2.0]), known, horizon=5)
    assert rows.unit_cost.tolist() == [1.0] * 3 + [2.0] * 3
    assert rows.on_hand.tolist() == known.on_hand.ravel().tolist()
    assert rows.receipts[4].tolist() == [*known.due[:, 1, 1], 0.0, 0.0]


def test_dynamic_rules_look_in_every_period_and_protect_one_review_less():
    drawn, rng = positions(1, 6, review_period=3), np.random.default_rng(1)
    demand, targets = rng.poisson(5, (6, 1, 64)).astype(float), [CycleService(0.95)]
    often, seldom = RULES["dynamic"](drawn, demand, targets), RULES["hybrid"](drawn, demand, targets)
    assert often.positions.review_period.tolist() == [1] == every_period(drawn).review_period.tolist()
    assert (often.reorder_point < seldom.reorder_point).all()


def test_reorder_points_fall_as_lots_grow():
    # A larger lot means fewer cycles in which anything can be short: less has to be held for the same fill rate.
    drawn, rng = positions(1, 4), np.random.default_rng(2)
    demand = rng.poisson(20, (4, 1, 256)).astype(float)
    points = [reorder_points(drawn, demand, [FillRate(0.98)], np.array([lot]))[0, 0] for lot in (5.0, 50.0, 500.0)]
    assert points == sorted(points, reverse=True)
    assert points[0] > points[2]


def test_the_simple_rule_is_the_fixed_cycle_with_a_normal_cycle_service():
    drawn, rng = positions(2, 4, lead_time=1), np.random.default_rng(2)
    demand = rng.poisson(20, (4, 2, 32)).astype(float)
    named = fixed_cycle(drawn, demand, [CycleService(0.9, normal=True)] * 2)
    assert named.levels == approx(simple_rule_levels(drawn, demand, cycle_service_level=0.9))
