"""Minimum order values: reached or nothing ordered, whichever costs less; by hand, against all plans, on random shops."""

import datetime as dt
import itertools
from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from replen import tables as t
from replen.config import LimitRule
from replen.errors import PlanError
from replen.overlays import load_config
from replen.plan.attempt import Terms, programs
from replen.plan.attempt import planned as plans
from replen.plan.choice import Choice, Totals, missing
from replen.plan.coupling import couple
from replen.plan.limits import limit_rows, read_limits
from replen.plan.sharing import N_CELLS

MONDAY = dt.date(2024, 4, 15)
EMPTY = pd.DataFrame(columns=t.LIMITS.names, dtype=object)
PLAN = load_config(None, []).plan

# --- shops in which a series buys 0..n units; the k-th saves `values[k]` (falling, below 0 at last) and uses `weights` -------


def answer(values, weights, prices, lumpy):
    """Return units bought by each series at prices of the rows, as `couple` asks for them."""
    if np.isinf(prices[~lumpy]).any():
        return np.zeros(len(values), int)
    closed = (weights[:, np.isinf(prices)] > 0).any(axis=1)
    units = (values > (weights @ np.where(np.isinf(prices), 0.0, prices))[:, None]).sum(axis=1)
    return np.where(closed, 0, units)


def shop_plan(values, weights, limits, minimums, cells=None):
    n_series = len(values)
    cells = np.arange(n_series) if cells is None else cells
    n_cells, places = cells.max() + 1, (np.arange(n_series) * 0.618034) % 1

    def look(choice: Choice) -> Totals:
        plans = choice.plans(cells, places)
        units = np.stack([answer(values, weights, prices, minimums > 0) for prices in choice.prices])
        units = units[plans, np.arange(n_series)]
        cost = -np.where(np.arange(values.shape[1]) < units[:, None], values, 0.0).sum(axis=1)
        usage = weights * units[:, None]
        bound = cost + (usage * np.where(np.isfinite(choice.prices), choice.prices, 0.0)[plans]).sum(axis=1)
        total = Totals(np.zeros(n_cells), np.zeros(n_cells), np.zeros((n_cells, len(limits))))
        for sums, found in ((total.bound, bound), (total.cost, cost), (total.usage, usage)):
            np.add.at(sums, cells, found)
        return total

    return couple(look, limits, n_cells=n_cells, minimums=minimums)


def cheapest_of_all(values, weights, limits, minimums):
    saved = np.column_stack([np.zeros(len(values)), np.cumsum(values, axis=1)])
    costs = []
    for bought in itertools.product(range(values.shape[1] + 1), repeat=len(values)):
        used = weights.T @ np.array(bought)
        if np.all(used <= limits) and np.all((used == 0) | (used >= minimums)):
            costs.append(-saved[np.arange(len(values)), bought].sum())
    return min(costs)


def drawn_shop(seed, n_series, n_suppliers, *, budget):
    rng = np.random.default_rng(seed)
    money = rng.integers(1, 5, n_series).astype(float)
    values = -np.sort(-rng.uniform(-1.5, 3.0, (n_series, 4)), axis=1) * money[:, None]
    weights = np.eye(n_suppliers)[rng.integers(0, n_suppliers, n_series)] * money[:, None]
    limits, minimums = np.full(n_suppliers, np.inf), rng.integers(1, 6 * n_series, n_suppliers).astype(float)
    if budget:
        weights, limits = np.column_stack([weights, money]), np.append(limits, np.floor(money.sum() * 4 * rng.uniform(0, 1)))
        minimums = np.append(minimums, 0.0)
    return values, weights, limits, minimums


shops = st.builds(
    drawn_shop, st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 2), budget=st.booleans()
)  # fmt: skip


@given(shops)
@settings(max_examples=60)
def test_no_plan_of_a_small_shop_is_cheaper_than_the_bound_and_none_that_keeps_all_than_the_cheapest(shop):
    _, _, limits, minimums = shop
    coupled, least = shop_plan(*shop), cheapest_of_all(*shop)
    assert coupled.violation(limits, minimums).max() == 0
    assert coupled.dual_bound <= least + 1e-9
    assert coupled.cost >= least - 1e-9


def test_nearly_all_small_shops_have_the_cheapest_plan():
    drawn = [drawn_shop(seed, 1 + seed % 4, 1 + seed % 2, budget=seed % 3 == 0) for seed in range(60)]  # small: few packs fit
    assert sum(shop_plan(*shop).cost <= cheapest_of_all(*shop) + 1e-9 for shop in drawn) >= 57


@given(st.integers(0, 10**6), st.integers(5, 80), st.integers(1, 5), st.booleans(), st.integers(1, 12))
@settings(max_examples=40)
def test_no_value_lies_between_nothing_and_the_minimum_whoever_shares_a_cell(seed, n_series, n_suppliers, budget, n_cells):
    shop = drawn_shop(seed, n_series, n_suppliers, budget=budget)
    coupled = shop_plan(*shop, cells=np.arange(n_series) % n_cells)
    assert coupled.violation(*shop[2:]).max() == 0
    assert missing(coupled.usage, shop[3]).max() == 0
    assert np.all(coupled.usage <= shop[2] * (1 + 1e-9))
    assert coupled.dual_bound <= coupled.cost + 1e-9


def test_many_series_reach_a_minimum_at_the_marginal_value():
    """Eight thousand units save 1 down to -1 apiece, evenly: 4,000 pay; of 5,000, a thousand cost 0 to 1/4, 125 together."""
    values = np.linspace(1, -1, 8001)[:8000].reshape(1000, 8)
    coupled = shop_plan(values, np.ones((1000, 1)), np.array([np.inf]), np.array([5000.0]), np.arange(1000) % 20)
    cheapest = -np.sort(-values.ravel())[:5000].sum()
    assert 5000 <= coupled.usage[0] <= 5010
    assert coupled.cost == pytest.approx(-cheapest, rel=1e-3)
    assert coupled.prices[0] == pytest.approx(-0.25, abs=0.01)
    assert coupled.charges()[0] == pytest.approx(125, rel=0.02)


def exact_cost(values, weights, limits, minimums):
    """Return the least cost by a mixed integer program over units and which minimums are reached."""
    n_units, asked = values.shape[1], np.flatnonzero(minimums > 0)
    used = np.repeat(weights, n_units, axis=0).T
    most, nothing = np.diag(used[asked].sum(axis=1)), np.zeros((np.isfinite(limits).sum(), len(asked)))
    rows = np.vstack([
        np.hstack([used[np.isfinite(limits)], nothing]),
        np.hstack([-used[asked], np.diag(minimums[asked])]),
        np.hstack([used[asked], -most]),
    ])  # fmt: skip
    above = np.concatenate([limits[np.isfinite(limits)], np.zeros(2 * len(asked))])
    cost = np.concatenate([-values.ravel(), np.zeros(len(asked))])
    return milp(cost, constraints=LinearConstraint(rows, -np.inf, above), integrality=1, bounds=Bounds(0, 1)).fun


@pytest.mark.parametrize(("seed", "budget"), [(0, 1.2), (1, 0.6), (2, 0.9)])
def test_under_a_budget_that_not_all_suppliers_can_be_filled_in_about_the_best_are(seed, budget):
    """Six suppliers whose minimums are 0.6 to 2.5 times what is wanted of them."""
    rng = np.random.default_rng(seed)
    n_series, n_suppliers = 120, 6
    money, supplier = rng.gamma(2, 2, n_series) + 0.2, rng.integers(0, n_suppliers, n_series)
    values = -np.sort(-rng.uniform(-1.2, 1, (n_series, 6)), axis=1) * money[:, None]
    by_supplier = np.eye(n_suppliers)[supplier] * money[:, None]
    wanted = by_supplier.T @ (values > 0).sum(axis=1)
    limits = np.append(np.full(n_suppliers, np.inf), budget * wanted.sum())
    minimums = np.append(rng.uniform(0.6, 2.5, n_suppliers) * wanted, 0.0)
    shop = values, np.column_stack([by_supplier, money]), limits, minimums
    coupled, least = shop_plan(*shop, cells=supplier * 6 + np.arange(n_series) % 6), exact_cost(*shop)
    assert 0 < (coupled.usage[:-1] == 0).sum() < n_suppliers
    assert coupled.violation(limits, minimums).max() == 0
    assert least - 1e-6 <= coupled.cost <= 0.98 * least


# --- the planner itself ----------------------------------------------------------------------------------------------------


def items_of(n, **changed):
    columns = {
        t.SKU: [f"sku {row}" for row in range(n)], t.SITE: "shop", t.SUPPLIER: "mill", t.CATEGORY: "all", t.ON_HAND: 0.0,
        t.BACKORDERS: 0.0, t.RECEIPTS: [np.zeros(2)] * n, t.LEAD_TIME_DAYS: 0.0, t.REVIEW_PERIOD_DAYS: 7.0, t.ORDER_DAYS: None,
        t.LEAD_TIME_SD_DAYS: np.nan, t.SEED: np.arange(n), t.SHELF_LIFE_DAYS: np.nan, t.LAUNCH_DATE: None, t.END_DATE: None,
        t.MIN_ORDER_QUANTITY: 0.0, t.ORDER_MULTIPLE: 1.0, t.MAX_ORDER_QUANTITY: np.nan, t.UNIT_COST: 1.0, t.UNIT_VOLUME: 1.0,
        t.HOLDING_COST: 0.3, t.LOST_SALE_COST: 1.5, t.BACKORDER_COST: 0.5, t.ORDER_COST: 0.0, t.END_VALUE: 1.0, t.MODEL: "none",
        t.MODEL_VERSION: None, t.REASON: None,
    } | changed  # fmt: skip
    return pd.DataFrame({str(name): value for name, value in columns.items()}, index=range(n))


def planned(items, demand, *, waits=False, **rules):
    """Return the coupled plan, the limits, and today's units of each item under it."""
    horizon = demand.shape[2]
    chosen = PLAN.model_copy(update={"horizon": horizon, "unmet_demand": "waits" if waits else "lost"})
    rows = limit_rows(EMPTY, {name: LimitRule.model_validate(rule) for name, rule in rules.items()})
    limits = read_limits(rows, MONDAY, horizon=horizon, freq="W")
    terms = partial(Terms, chosen, MONDAY, "W", limits)
    (made,) = programs(items, demand, terms(Choice.at(np.zeros(len(limits)), N_CELLS)))
    coupled = couple(made.totals, limits.limits, n_cells=N_CELLS, minimums=limits.minimums)
    ((found,), _) = plans(items, demand, np.arange(len(items)), terms(coupled.choice))
    return coupled, limits, found.outcome.quantities


def mov(limit, scope_value="mill"):
    return {"kind": "minimum_order_value", "scope": "supplier", "scope_value": scope_value, "limit": limit}


FIVE_NOW_TEN_LATER = np.array([[[5.0, 10.0]], [[5.0, 0.0]]])


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize(("short", "filled"), [(0.5, True), (0.2, False)])
def test_the_cheaper_of_filling_and_skipping(waits, short, filled):
    """Both SKUs need 5 units this week, the first 10 the next; a unit costs 1, and 0.3 a week on the shelf; 20 must be spent.

    Filling: the first SKU's 10 units come a week early: 10 x 0.3 = 3. Skipping: this week's 10 units are lost, with a margin of
    0.5 or 0.2 each, or wait a week at as much: 10 x 0.5 = 5 or 10 x 0.2 = 2.
    """
    items = items_of(2, **{t.LOST_SALE_COST: 1.0 + short, t.BACKORDER_COST: short})
    coupled, limits, quantities = planned(items, FIVE_NOW_TEN_LATER, waits=waits, least=mov(20.0))
    assert limits.labels == ("least mill 2024-04-15",)
    assert coupled.wanted.usage.sum(axis=0).tolist() == [10.0]
    if filled:
        assert quantities.tolist() == [[15.0, 0.0], [5.0, 0.0]]
        assert coupled.charges()[0] == pytest.approx(3)
        assert coupled.prices[0] <= -0.3 + 1e-6
    else:
        assert quantities[:, 0].tolist() == [0.0, 0.0]
        assert coupled.charges()[0] == pytest.approx(2)
        assert np.isinf(coupled.prices[0])
    assert coupled.usage.tolist() == [20.0 * filled]
    assert coupled.dual_bound == pytest.approx(coupled.wanted.cost.sum())


def test_a_minimum_that_is_reached_anyway_costs_one_pass():
    coupled, _, quantities = planned(items_of(2), FIVE_NOW_TEN_LATER, least=mov(10.0))
    assert coupled.passes == 1
    assert quantities.tolist() == [[5.0, 10.0], [5.0, 0.0]]


def test_goods_that_nobody_will_want_are_not_bought_to_reach_a_minimum():
    """All that can ever be sold costs 20: of 21 nothing is ordered, though nothing can be sold this week then."""
    coupled, _, quantities = planned(items_of(2), FIVE_NOW_TEN_LATER, least=mov(21.0))
    assert coupled.usage.tolist() == [0.0]
    assert quantities[:, 0].sum() == 0


def test_a_skipped_supplier_leaves_the_others_alone():
    items = items_of(4, **{t.SUPPLIER: ["mill", "mill", "farm", "farm"], t.LOST_SALE_COST: 1.2})
    demand = np.concatenate([FIVE_NOW_TEN_LATER, FIVE_NOW_TEN_LATER])
    coupled, _, quantities = planned(items, demand, least=mov(20.0), farms=mov(8.0, "farm"))
    assert quantities.tolist() == [[0.0, 10.0], [0.0, 0.0], [5.0, 10.0], [5.0, 0.0]]
    assert coupled.usage.tolist() == [10.0, 0.0]


def test_a_minimum_of_all_orders_counts_all_suppliers():
    items = items_of(2, **{t.SUPPLIER: ["mill", "farm"]})
    _, limits, quantities = planned(items, FIVE_NOW_TEN_LATER, least={"kind": "minimum_order_value", "limit": 20.0})
    assert limits.labels == ("least 2024-04-15",)
    assert quantities.tolist() == [[15.0, 0.0], [5.0, 0.0]]


@given(st.integers(0, 10**6), st.booleans(), st.booleans())
@settings(max_examples=15)
def test_plans_of_random_items_keep_minimums_and_budget(seed, waits, budget):
    rng = np.random.default_rng(seed)
    n, suppliers = 12, ["mill", "farm", "wood"]
    items = items_of(n, **{
        t.SUPPLIER: rng.choice(suppliers, n), t.UNIT_COST: (cost := rng.gamma(2, 5, n) + 0.5), t.HOLDING_COST: 0.01 * cost,
        t.LOST_SALE_COST: 1.6 * cost, t.BACKORDER_COST: 0.2 * cost, t.END_VALUE: 0.9 * cost, t.ON_HAND: rng.poisson(4, n) * 1.0,
        t.ORDER_MULTIPLE: rng.choice([1.0, 6.0], n), t.LEAD_TIME_DAYS: rng.choice([3.0, 14.0], n),
        t.MAX_ORDER_QUANTITY: rng.choice([np.nan, 12.0], n), t.ORDER_COST: rng.choice([0.0, 2.0], n),
        t.LEAD_TIME_SD_DAYS: rng.choice([0.0, 4.0, 20.0], n),
    })  # fmt: skip
    demand = rng.poisson(3, (n, 8, 4)).astype(float)
    rules = {f"least {name}": mov(float(rng.integers(1, 400)), name) for name in suppliers}
    coupled, limits, quantities = planned(
        items, demand, waits=waits, **rules, **({"budget": {"kind": "budget", "limit": 250.0}} if budget else {})
    )
    spent = (quantities[:, 0] * items[t.UNIT_COST]).groupby(items[t.SUPPLIER]).sum()
    for name, value in spent.items():
        assert value == 0 or value >= rules[f"least {name}"]["limit"] * (1 - 1e-9)
    assert not budget or np.all(quantities.T @ items[t.UNIT_COST] <= 250.0 * (1 + 1e-9))
    assert coupled.violation(limits.limits, limits.minimums).max() == 0
    assert coupled.dual_bound <= coupled.cost + 1e-9


# --- what makes no sense -----------------------------------------------------------------------------------------------------


def test_a_minimum_of_anything_but_the_money_of_a_day_is_refused():
    with pytest.raises(
        ValueError, match="scope: expected all or supplier .* found site; measure: expected money .* found units"
    ):
        LimitRule.model_validate(
            {"kind": "minimum_order_value", "scope": "site", "scope_value": "north", "measure": "units", "limit": 5.0}
        )
    with pytest.raises(ValueError, match="period: expected a day"):
        LimitRule.model_validate({"kind": "minimum_order_value", "period": "horizon", "limit": 5.0})


def test_rows_of_the_table_are_held_to_the_same():
    row = {
        t.NAME: "m",
        t.SCOPE_VALUE: "north",
        t.PERIOD: "horizon",
        t.KIND: "minimum_order_value",
        t.SCOPE: "site",
        t.LIMIT: 5.0,
    }
    rows = pd.DataFrame([{str(k): v for k, v in row.items()}]).reindex(columns=t.LIMITS.names)
    with pytest.raises(PlanError) as told:
        read_limits(rows, MONDAY, horizon=2, freq="W")
    assert "limits, m, column scope: expected all or supplier, as the kind is minimum_order_value, found site" in str(
        told.value
    )
    assert "limits, m, column period: expected a day or *, as the kind is minimum_order_value, found horizon" in str(told.value)


def test_a_minimum_of_another_day_has_no_row_today():
    rule = LimitRule.model_validate({**mov(5.0), "period": "2024-04-22"})
    assert read_limits(limit_rows(EMPTY, {"later": rule}), MONDAY, horizon=3, freq="W").labels == ()
