"""Lead times that vary: drawn by key alone, planned as exactly as fixed ones, played with the same late arrivals."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pytest import approx
from scipy.optimize import linprog

from replen import tables as t
from replen.config import SafetyStock
from replen.evaluate.comparison import compare_with_rule
from replen.evaluate.simulation import Reality, score, simulate
from replen.plan.delays import delayed, expected_delayed, expected_later, lead_time_paths, shifted, split
from replen.plan.items import read_positions
from replen.plan.lost_sales import solve_lost_sales
from replen.plan.outcome import plan_series
from replen.plan.policies.base_stock import base_stock_levels
from replen.plan.policies.fixed_cycle import OrderUpTo, cheapest_levels
from replen.plan.policies.known import Known
from replen.plan.policies.named import RULES, rule_named
from replen.plan.policies.projected import stock_on_delivery
from replen.plan.policies.service import CycleService, interval_demand, protection_demand
from replen.plan.positions import serve_backorders
from replen.plan.problem import Prices, problems
from replen.plan.projection import open_orders, project
from replen.plan.shelf_life import expiring
from tests.unit.plan_instances import instances, positions
from tests.unit.test_plan_bucket import CALENDAR, N_PATHS, SETTINGS, items, paths
from tests.unit.test_plan_policies import decide

SHOWN = ("quantities", "targets", "mean_on_hand", "expected_short", "expected_cost", "dual_bound", "feasible_cost", "receipts",
         "reorder_point", "order_up_to_level", "stock_at_arrival", "constant_cost", "missing", "largest")  # fmt: skip


@st.composite
def late_instances(draw, *, backorders=False, perishable=False):
    """Draw instances whose lead times vary for most series, some beyond the horizon, some not at all."""
    drawn, demand = draw(instances(backorders=backorders))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    horizon, n_series, n_paths = demand.shape
    most = rng.choice([0, 1, 2, horizon + 1], n_series)
    delays = rng.integers(0, most + 1, (n_paths, n_series)).T
    delays -= delays.min(axis=1, keepdims=True)
    shelf_life = rng.integers(1, horizon + 2, n_series) if perishable else None
    return replace(drawn, delays=delays, shelf_life=shelf_life), demand


def fixed(quantities):
    return lambda known: np.repeat(quantities[:, [known.step]], known.on_hand.shape[1], axis=1)


def played(drawn, demand, quantities, *, waits):
    """Return what fixed orders really cost when each path has its lead time, and what is counted on the way."""
    reality = Reality(lead_times=np.broadcast_to(drawn.lead_times, demand.shape))
    history = simulate(drawn, demand, fixed(quantities), backorders=waits, reality=reality)
    return score(drawn, history, backorders=waits), history


@settings(deadline=None, max_examples=150)
@given(instance=late_instances(backorders=True), waits=st.booleans())
def test_a_plan_costs_what_the_simulator_says_when_orders_are_late(instance, waits):
    drawn, demand = instance
    outcome = plan_series(drawn, demand, waits=waits)
    served, wanted = (drawn, demand) if waits else serve_backorders(drawn, demand)
    result, history = played(served, wanted, outcome.quantities, waits=waits)
    assert outcome.feasible_cost == approx(result.cost, abs=1e-9)
    assert approx(outcome.mean_on_hand) == history.on_hand.mean(axis=2).T
    assert approx(outcome.expected_short) == history.short.mean(axis=2).T
    decided = np.maximum(1.0, np.abs(outcome.feasible_cost - outcome.constant_cost))
    assert (outcome.dual_bound <= outcome.feasible_cost + 1e-9 * decided).all()
    if waits:  # packs, minima and line costs included
        assert (outcome.feasible_cost - outcome.dual_bound <= 1e-6 * decided).all()


def least_cost(drawn, demand, row, *, waits):
    """Return one series' least expected cost over the calendar: scipy on orders, stock and shortage by step and path.

    Rows: stock - owed or lost - the same before - what arrives = receipts - demand. Nothing of the planner is used.
    """
    horizon, _, n_paths = demand.shape
    lead_times, late = drawn.lead_times[row], np.maximum(drawn.delays - np.rint(drawn.delays.mean(axis=1))[:, None], 0)[row]
    n_cells = horizon * n_paths
    cost, upper = np.zeros(horizon + 2 * n_cells), np.full(horizon + 2 * n_cells, np.inf)
    upper[:horizon] = np.where(drawn.may_order[row], drawn.largest_order[row], 0.0)
    matrix, right = np.zeros((n_cells, len(cost))), np.zeros(n_cells)
    for path in range(n_paths):
        for step in range(horizon):
            cell = step * n_paths + path
            stock, short = horizon + cell, horizon + n_cells + cell
            matrix[cell, stock], matrix[cell, short] = 1.0, -1.0
            cost[stock] = drawn.holding_cost[row] / n_paths
            cost[short] = (drawn.backorder_cost if waits else drawn.lost_sale_cost)[row] / n_paths
            right[cell] = -demand[step, row, path]
            for due in range(horizon):
                if min(due + late[path], horizon) == step:
                    right[cell] += drawn.receipts[row, due]
                if due + lead_times[path] == step:
                    matrix[cell, due] = -1.0
                    cost[due] += drawn.unit_cost[row] / n_paths
            if step == 0:
                right[cell] += drawn.on_hand[row] - drawn.backorders[row]
            else:
                matrix[cell, stock - n_paths] = -1.0
                matrix[cell, short - n_paths] = float(waits)
            if step == horizon - 1:
                cost[stock] -= drawn.end_value[row] / n_paths
                cost[short] += drawn.end_value[row] / n_paths * waits
    found = linprog(cost, A_eq=matrix, b_eq=right, bounds=list(zip(np.zeros(len(cost)), upper, strict=True)))
    assert found.success, found.message
    return found.fun


def plain(drawn):
    """Return the positions without packs, minima and line costs, so that the program is linear."""
    nothing = np.zeros(drawn.n_series)
    return replace(drawn, order_multiple=np.full(drawn.n_series, 1e-7), min_order_quantity=nothing, order_cost=nothing)


@settings(deadline=None, max_examples=300)
@given(instance=late_instances(backorders=True), waits=st.booleans())
def test_no_plan_costs_less_than_what_highs_finds_over_the_calendar(instance, waits):
    drawn, demand = instance
    drawn = plain(drawn) if waits else replace(plain(drawn), backorders=np.zeros(drawn.n_series))
    outcome = plan_series(drawn, demand, waits=waits)
    for row in range(drawn.n_series):
        least = least_cost(drawn, demand, row, waits=waits)
        size = max(1.0, abs(least))
        assert abs(outcome.dual_bound[row] - least) <= 2e-6 * size
        assert abs(outcome.feasible_cost[row] - least) <= 2e-6 * size


def test_the_path_simplex_finds_what_highs_finds_on_late_paths():
    rng = np.random.default_rng(3)
    for _ in range(60):
        horizon, n_series, n_paths = int(rng.integers(3, 9)), 20, int(rng.integers(2, 12))
        level = rng.choice([0.2, 2.0, 30.0], n_series)
        lead_time, delays = split(rng.integers(0, horizon, (n_series, n_paths)), horizon)
        unit_cost = rng.choice([0.0, 1.0, 2.5], n_series)
        drawn = positions(n_series, horizon, on_hand=rng.poisson(level * 2), lead_time=lead_time, delays=delays,
                          receipts=rng.poisson(level[:, None], (n_series, horizon)), unit_cost=unit_cost,
                          lost_sale_cost=unit_cost + rng.choice([0.5, 2.0], n_series), end_value=unit_cost / 2)  # fmt: skip
        demand = rng.poisson(level[:, None], (horizon, n_series, n_paths)).astype(float)
        prices = Prices(*rng.uniform(0, 0.4, (3, n_series, horizon)))
        for rows, unpriced in problems(drawn, demand, project(drawn.on_hand, open_orders(drawn), demand)):
            problem = unpriced.at(prices.take(rows))
            ours, reference = solve_lost_sales(problem), solve_lost_sales(problem, solvers=("highs",))
            size = np.maximum(1.0, np.abs(reference.cost))
            assert np.abs(ours.cost - reference.cost).max(initial=0.0) <= 1e-6 * size.max()
            assert (np.abs(problem.cost(ours.quantities) - reference.cost) <= 1e-6 * size).all()


@settings(deadline=None)
@given(instance=late_instances(backorders=True), waits=st.booleans(), seed=st.integers(0, 10**6), steady=st.booleans())
def test_with_prices_the_bound_is_below_cost_and_priced_usage(instance, waits, seed, steady):
    drawn, demand = instance
    order, receipt, stock = np.random.default_rng(seed).uniform(0, 0.4, (3, *drawn.receipts.shape))
    prices = Prices(order, receipt, np.repeat(stock[:, :1], stock.shape[1], axis=1) if steady else stock)
    outcome = plan_series(drawn, demand, prices, waits=waits, with_levels=False)
    used = prices.order * outcome.quantities + prices.receipt * outcome.receipts + prices.stock * outcome.mean_on_hand
    gap = outcome.feasible_cost + used.sum(axis=1) - outcome.dual_bound
    size = np.maximum(1.0, np.abs(outcome.feasible_cost - outcome.constant_cost))
    assert (gap >= -1e-9 * size).all()
    if waits and steady:
        assert (gap <= 1e-6 * size).all()


@pytest.mark.parametrize("kind", ["soft", "hard"])
@settings(deadline=None, max_examples=50)
@given(instance=late_instances(backorders=True))
def test_a_safety_stock_is_kept_when_the_order_of_each_step_has_arrived(kind, instance):
    drawn, demand = instance
    asked = SafetyStock(kind=kind, cover_periods=1.0, price=0.3)
    outcome = plan_series(drawn, demand, waits=True, safety_stock=asked)
    size = np.maximum(1.0, np.abs(outcome.feasible_cost - outcome.constant_cost))
    assert (np.abs(outcome.feasible_cost - outcome.dual_bound) <= 1e-6 * size).all()


@settings(deadline=None, max_examples=50)
@given(instance=late_instances(backorders=True, perishable=True), waits=st.booleans())
def test_series_that_are_never_late_are_planned_as_if_none_were(instance, waits):
    drawn, demand = instance
    together = plan_series(drawn, demand, waits=waits)
    rows = np.flatnonzero(~drawn.varies)
    assume(len(rows))
    alone = plan_series(replace(drawn, delays=None).take(rows), demand[:, rows], waits=waits)
    for name in SHOWN:
        np.testing.assert_array_equal(getattr(together, name)[rows], getattr(alone, name))


@settings(deadline=None, max_examples=50)
@given(instance=late_instances(backorders=True, perishable=True), waits=st.booleans())
def test_a_late_series_alone_is_planned_as_in_company(instance, waits):
    drawn, demand = instance
    together = plan_series(drawn, demand, waits=waits)
    for row in range(drawn.n_series):
        alone = plan_series(drawn.take(np.array([row])), demand[:, [row]], waits=waits)
        for name in ("quantities", "feasible_cost", "dual_bound", "receipts"):
            assert getattr(alone, name)[0] == approx(getattr(together, name)[row], rel=1e-12)


def test_one_order_with_a_lead_time_of_one_or_three_by_hand():
    """The case of `plan.delays`: 30 are ordered for 82.5; with a lost sale of 2.5 a unit left over weighs more: 10 are."""
    terms = {"lead_time": 1, "delays": np.array([[0, 2]]), "holding_cost": 0.5, "end_value": 0.0, "review_period": 4}
    demand = np.array([0.0, 10.0, 10.0, 10.0])[:, None, None].repeat(2, axis=2)
    outcome = plan_series(positions(1, 4, lost_sale_cost=4.0, **terms), demand)
    assert outcome.quantities.tolist() == [[30.0, 0.0, 0.0, 0.0]]
    assert outcome.feasible_cost == outcome.dual_bound == approx([82.5])
    assert outcome.receipts.tolist() == [[0.0, 15.0, 0.0, 15.0]]
    assert plan_series(positions(1, 4, lost_sale_cost=2.5, **terms), demand).quantities[0, 0] == 10.0


def test_waiting_for_a_lead_time_of_one_or_three_by_hand():
    """One order, one customer who waits: 10 wanted in step 1 on both paths, holding 1, waiting 2, bought for nothing.

    Prompt, q < 10 units leave 10 - q owed in steps 1, 2 and 3; late, 10 are owed in steps 1 and 2 and 10 - q in 3. So 10 are
    ordered: nothing on the prompt path, 40 on the late one, 20 in the mean.
    """
    terms = {"lead_time": 1, "delays": np.array([[0, 2]]), "holding_cost": 1.0, "backorder_cost": 2.0, "review_period": 4}
    demand = np.array([0.0, 10.0, 0.0, 0.0])[:, None, None].repeat(2, axis=2)
    outcome = plan_series(positions(1, 4, unit_cost=0.0, end_value=0.0, **terms), demand, waits=True)
    assert outcome.quantities[0].tolist() == [10.0, 0.0, 0.0, 0.0]
    assert outcome.feasible_cost == outcome.dual_bound == approx([20.0])


@pytest.mark.parametrize("waits", [False, True])
def test_lead_times_that_vary_never_cost_less_than_their_mean(waits):
    rng = np.random.default_rng(8)
    n_series, horizon, n_paths = 60, 12, 64
    keys, demand = pd.DataFrame({"sku": np.arange(n_series)}), rng.poisson(5.0, (horizon, n_series, n_paths)).astype(float)
    costs = []
    for deviation in (0.0, 1.5, 3.0):
        days = lead_time_paths(np.full(n_series, 3.0), np.full(n_series, deviation), keys, n_paths=n_paths)
        lead_time, delays = split(np.rint(days).astype(int), horizon)
        drawn = positions(n_series, horizon, on_hand=20.0, lead_time=lead_time, delays=delays, review_period=2)
        costs.append(plan_series(drawn, demand, waits=waits, with_levels=False).feasible_cost.sum())
    assert costs[0] < costs[1] < costs[2]


def test_open_orders_are_late_by_what_a_path_is_later_than_expected_and_never_early():
    found = positions(1, 4, lead_time=1, delays=np.array([[0, 1, 2, 1]]), receipts=[[6.0, 0.0, 3.0, 0.0]])
    assert found.expected_lead_time.tolist() == [2]
    assert open_orders(found)[:, 0].T.tolist() == [[6, 0, 3, 0], [6, 0, 3, 0], [0, 6, 0, 3], [6, 0, 3, 0]]


@pytest.mark.parametrize("waits", [False, True])
def test_open_orders_that_come_late_expire_late(waits):
    """Six units due at step 0 keep one period and nobody wants them: where they are a period late they expire at step 1."""
    found = positions(1, 3, lead_time=1, delays=np.array([[0, 0, 1]]), receipts=[[6.0, 0.0, 0.0]], shelf_life=np.array([1]))
    assert expiring(found, np.zeros((3, 1, 3)), waits=waits)[:, 0].T.tolist() == [[6, 0, 0], [6, 0, 0], [0, 6, 0]]


def test_lead_times_have_mean_and_deviation_and_depend_on_the_key_alone():
    keys = pd.DataFrame({"sku": ["a", "b", "c"], "seed": [1, 2, 3]})
    mean, deviation = np.array([10.0, 10.0, 4.0]), np.array([3.0, 0.0, 6.0])
    days = lead_time_paths(mean, deviation, keys, n_paths=400)
    assert days.mean(axis=1) == approx(mean)
    assert days.std(axis=1) == approx(deviation, rel=0.02)
    assert (days[1] == 10.0).all() and (days >= 0).all()
    alone = lead_time_paths(mean[2:], deviation[2:], keys.iloc[2:].reset_index(drop=True), n_paths=400)
    np.testing.assert_array_equal(alone[0], days[2])
    other = lead_time_paths(mean, deviation, keys.assign(seed=[4, 2, 3]), n_paths=400)
    assert sorted(other[0]) == sorted(days[0]) and abs(np.corrcoef(other[0], days[0])[0, 1]) < 0.15


@given(st.integers(0, 2**32 - 1))
def test_shifting_undoes_delays_and_expectations_are_means_over_paths(seed):
    rng = np.random.default_rng(seed)
    by_step, delays = rng.integers(0, 9, (3, 5)).astype(float), rng.integers(0, 7, (3, 4))
    late, early = delayed(by_step, delays), shifted(delayed(by_step, delays), delays)
    assert approx(expected_delayed(by_step, delays)) == late.mean(axis=2).T
    inside = np.arange(5)[:, None, None] + delays < 5
    assert (np.where(inside, early, 0.0) == np.where(inside, by_step.T[:, :, None], 0.0)).all()
    whole = np.repeat(by_step.T[:, :, None], 4, axis=2)
    assert approx(expected_later(by_step, delays)) == np.where(inside, shifted(whole, delays), 0.0).mean(axis=2).T


# --- rules ----------------------------------------------------------------------------------------------------------------
def test_a_protection_interval_is_as_long_as_each_paths_lead_time():
    found = positions(1, 6, lead_time=1, delays=np.array([[0, 1, 3]]), review_period=2)
    demand = np.arange(1.0, 7.0)[:, None, None].repeat(3, axis=2)
    assert protection_demand(found, demand)[0].tolist() == [[1 + 2 + 3, 1 + 2 + 3 + 4, 1 + 2 + 3 + 4 + 5 + 6]]
    one = interval_demand(demand[:, :, :1], found.lead_times)  # one path stands for all
    np.testing.assert_array_equal(one, interval_demand(demand, found.lead_times))


def test_an_interval_longer_than_the_horizon_grows_on_its_path_only():
    demand = np.array([[[1.0, 3.0]], [[1.0, 3.0]]])
    total = interval_demand(demand, np.array([[1, 4]]))
    assert total[0, 0] == approx([1.0, 2 * 4 + np.sqrt(2) * (6 - 4)])


@settings(deadline=None, max_examples=60)
@given(instance=late_instances(), waits=st.booleans())
def test_stock_on_delivery_waits_on_each_sample_path_for_its_own_delivery(instance, waits):
    drawn, demand = instance
    known = Known.at_start(drawn)
    for rows, found in stock_on_delivery(drawn, demand, known, backorders=waits):
        for place, row in enumerate(rows):
            for path, ahead in enumerate(np.minimum(np.broadcast_to(drawn.lead_times, demand.shape[1:])[row], len(demand) - 1)):
                stock, due = drawn.on_hand[row], open_orders(drawn)[:, row, path]
                for step in range(ahead):
                    stock += due[step] - demand[step, row, path]
                    stock = stock if waits else max(stock, 0.0)
                assert found[place, 0, path] == approx(stock + due[ahead])


@settings(deadline=None, max_examples=60)
@given(instance=late_instances(), name=st.sampled_from(sorted(RULES)), waits=st.booleans())
def test_every_rule_orders_for_late_series_within_its_terms(instance, name, waits):
    drawn, demand = instance
    rule = rule_named(name, drawn, demand, [CycleService(0.9)] * drawn.n_series, backorders=waits)
    orders = simulate(rule.positions, demand, rule, backorders=waits).orders
    assert np.isfinite(orders).all()
    assert (orders <= drawn.largest_order[:, None]).all()
    assert not orders[np.arange(len(demand))[:, None] + drawn.expected_lead_time >= len(demand)].any()


@pytest.mark.parametrize("waits", [False, True])
def test_levels_that_know_of_delays_cost_less_than_levels_that_do_not(waits):
    rng = np.random.default_rng(2)
    n_series, horizon, n_paths = 30, 16, 128
    days = lead_time_paths(
        np.full(n_series, 4.0), np.full(n_series, 2.5), pd.DataFrame({"sku": np.arange(n_series)}), n_paths=n_paths
    )
    lead_time, delays = split(np.rint(days).astype(int), horizon)
    drawn = positions(n_series, horizon, on_hand=25.0, lead_time=lead_time, delays=delays, backorder_cost=2.0)
    blind = replace(drawn, lead_time=drawn.expected_lead_time, delays=None)
    demand = rng.poisson(5.0, (horizon, n_series, n_paths)).astype(float)

    def cost(known):
        if waits:
            levels = base_stock_levels(known, demand)
        else:
            levels = cheapest_levels(known, demand, project(known.on_hand, open_orders(known), demand).short)
        history = simulate(drawn, demand, OrderUpTo(drawn, levels), backorders=waits)
        return score(drawn, history, backorders=waits).cost.sum()

    assert cost(drawn) < 0.98 * cost(blind)


# --- whole buckets ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("unmet_demand", ["lost", "waits"])
def test_a_bucket_with_deviations_is_planned_proven_and_compared(unmet_demand):
    rows = items(6, lead_time_sd_days=[0.0, 2.0, 5.0, 9.0, np.nan, 4.0], backorder_cost=1.0, order_multiple=1.0)
    plan = SETTINGS.model_copy(update={"unmet_demand": unmet_demand})
    decisions = decide(rows, paths(6), plan)
    assert decisions[t.REASON].isna().all()
    gap = decisions[t.FEASIBLE_COST] - decisions[t.DUAL_BOUND]
    assert (gap.abs() <= 1e-6 * decisions[t.FEASIBLE_COST].abs().clip(lower=1.0)).all()
    compared = compare_with_rule(decisions, rows, paths(6, seed=1), settings=plan, calendar=CALENDAR)
    assert compared[[t.PLAN_COST, t.RULE_COST]].notna().all(axis=None)
    certain = decide(rows.assign(**{str(t.LEAD_TIME_SD_DAYS): 0.0}), paths(6), plan)
    assert decisions[t.EXPECTED_DATE].tolist() == certain[t.EXPECTED_DATE].tolist()
    fixed_rows = [0, 4]
    columns = [name for name in decisions.columns if name != t.LIMIT_PRICES]
    pd.testing.assert_frame_equal(decisions.loc[fixed_rows, columns], certain.loc[fixed_rows, columns], rtol=1e-12)
    late = [2, 3, 5]
    assert (decisions.loc[late, t.FORECAST_DEMAND] != certain.loc[late, t.FORECAST_DEMAND]).all()
    assert (decisions.loc[late, t.FEASIBLE_COST] > certain.loc[late, t.FEASIBLE_COST]).all()


def test_the_paths_of_lead_times_are_those_of_the_row_whatever_is_beside_it():
    rows = items(5, lead_time_sd_days=[3.0, 0.0, 6.0, 2.0, 8.0])
    together = read_positions(rows, CALENDAR, n_paths=N_PATHS)
    for row in range(5):
        alone = read_positions(rows.iloc[[row]], CALENDAR, n_paths=N_PATHS)
        np.testing.assert_array_equal(alone.lead_times[0] + np.zeros(N_PATHS), together.lead_times[row])
    for name, values in ((t.SKU, ["a", "b"]), (t.SITE, ["a", "b"]), (t.SUPPLIER, ["a", "b"]), (t.SEED, [1, 2])):
        two = items(2, lead_time_sd_days=6.0).assign(**{str(t.SKU): "a", str(t.SEED): 1, str(name): values})
        found = read_positions(two, CALENDAR, n_paths=N_PATHS).lead_times
        assert (found[0] != found[1]).any()
    plain = read_positions(rows, CALENDAR)
    assert plain.delays is None and plain.lead_time.tolist() == [2] * 5
