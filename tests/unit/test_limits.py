"""Rows of `limits` become limits of periods; series use them by their orders, receipts or stock."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from replen import tables as t
from replen.config import LimitRule
from replen.errors import PlanError
from replen.plan.choice import Choice
from replen.plan.limits import limit_rows, read_limits
from replen.plan.outcome import plan_series
from replen.plan.positions import Positions
from replen.plan.prepared import Prepared
from replen.plan.programs import Programs
from replen.plan.sharing import N_CELLS, Sharing, cell_of
from tests.unit.plan_instances import positions

MONDAY = dt.date(2024, 4, 15)
EMPTY = pd.DataFrame(columns=t.LIMITS.names, dtype=object)


def rule(**given):
    return LimitRule.model_validate({"kind": "budget", "limit": 10.0} | given)


def read(horizon=3, **rules):
    return read_limits(limit_rows(EMPTY, rules), MONDAY, horizon=horizon, freq="W")


def test_a_limit_of_each_period_is_a_row_a_period():
    limits = read(budget=rule())
    assert limits.labels == ("budget 2024-04-15", "budget 2024-04-22", "budget 2024-04-29")
    assert limits.limits.tolist() == [10.0, 10.0, 10.0]
    (family,) = limits.families
    assert (family.measure, family.basis, family.rows.tolist()) == ("money", "order", [[0, 1, 2]])


def test_an_excess_is_worth_its_money_or_the_price_of_the_limit():
    limits = read(2, budget=rule(), space=rule(kind="volume"))
    assert limits.worth(np.array([0.5, 0.0, 7.0, 0.0])).tolist() == [1.0, 1.0, 7.0, 0.0]


def test_a_limit_of_the_horizon_is_one_row():
    limits = read(budget=rule(period="horizon"))
    assert (limits.labels, limits.families[0].rows.tolist()) == (("budget",), [[0, 0, 0]])


def test_a_day_names_its_period_and_days_outside_the_plan_are_left_out():
    limits = read(budget=rule(period="2024-04-24"), old=rule(period="2024-04-14"))
    assert limits.labels == ("budget 2024-04-22",)
    assert [family.rows.tolist() for family in limits.families] == [[[-1, 0, -1]], [[-1, -1, -1]]]


@pytest.mark.parametrize(
    ("given", "measure", "basis"),
    [
        ({"kind": "volume", "scope": "site", "scope_value": "north"}, "volume", "stock"),
        ({"kind": "capacity", "scope": "site", "scope_value": "north"}, "units", "receipt"),
        ({"kind": "capacity", "scope": "supplier", "scope_value": "mill"}, "units", "order"),
        ({"kind": "capacity", "measure": "volume", "counted": "stock"}, "volume", "stock"),
    ],
)
def test_the_kind_says_what_is_left_out(given, measure, basis):
    (family,) = read(one=rule(**given)).families
    assert (family.measure, family.basis) == (measure, basis)


def test_rows_of_the_table_and_of_the_configuration_stand_together():
    row = {t.NAME: "space", t.SCOPE_VALUE: "north", t.PERIOD: "horizon", t.KIND: "volume", t.SCOPE: "site", t.LIMIT: 5.0}
    table = pd.DataFrame([{str(k): v for k, v in row.items()}]).reindex(columns=t.LIMITS.names)
    limits = read_limits(limit_rows(table, {"budget": rule(period="horizon")}), MONDAY, horizon=2, freq="W")
    assert limits.labels == ("budget", "space north")
    assert limits.limits.tolist() == [10.0, 5.0]


def test_limits_that_no_item_has_anything_to_do_with_are_named():
    limits = read(
        budget=rule(), mill=rule(scope="supplier", scope_value="mill"), mil=rule(scope="supplier", scope_value="mil"),
        toys=rule(scope="category", scope_value="toys", period="horizon"),
    )  # fmt: skip
    held = {"supplier": {"mill", None}, "category": {"tools"}, "site": {"north"}}
    assert limits.unused(held) == ("mil mil", "toys toys")


def test_every_problem_is_told_at_once():
    row = {t.NAME: "b", t.SCOPE_VALUE: "*", t.KIND: "budget", t.SCOPE: "all", t.LIMIT: 5.0}
    rows = pd.DataFrame([{str(k): v for k, v in (row | {t.PERIOD: period}).items()} for period in ("*", "2024-04-17", "soon")])
    wrong = limit_rows(rows.reindex(columns=t.LIMITS.names), {"c": rule(scope="supplier"), "d": rule(scope_value="mill")})
    with pytest.raises(PlanError) as told:
        read_limits(wrong, MONDAY, horizon=2, freq="W")
    message = str(told.value)
    for part in (
        "limits, b, column period: expected a day, * or horizon, found 'soon'",
        "limits, b: expected one limit a period, found several for * in that of 2024-04-15; use two names",
        "limits, c, column scope_value: expected a supplier, as the scope is supplier, found *",
        "limits, d, column scope_value: expected *, as the scope is all, found mill",
    ):
        assert part in message


def items_of(found: Positions) -> pd.DataFrame:
    n = found.n_series
    names = {t.SKU: [f"sku {row}" for row in range(n)], t.SITE: "shop", t.SUPPLIER: "mill", t.CATEGORY: None}
    columns = names | {t.UNIT_COST: found.unit_cost, t.UNIT_VOLUME: np.arange(n) / 4}
    return pd.DataFrame({str(name): value for name, value in columns.items()}, index=range(n))


def at(prices):
    return Choice.at(np.asarray(prices, float), N_CELLS)


def programs_of(found: Positions, demand, limits, *, waits=False):
    return Programs.of(
        Prepared.of(found, demand, waits=waits, safety_stock=None),
        Sharing.of(items_of(found), limits, found),
        np.arange(found.n_series),
    )


def test_orders_receipts_and_stock_are_counted_where_the_basis_says():
    """Lead time 1, three periods, demand 5 a period, nothing on hand, an open order of 5 units for step 0; two equal series."""
    found = positions(2, 3, lead_time=1, receipts=[5.0, 0.0, 0.0], unit_cost=2.0, lost_sale_cost=9.0)
    demand = np.full((3, 2, 4), 5.0)
    limits = read(
        orders=rule(), inbound=rule(kind="capacity", scope="site", scope_value="shop"), space=rule(kind="volume", limit=1.0)
    )
    outcome = plan_series(found, demand)
    assert outcome.quantities.tolist() == [[5.0, 5.0, 0.0]] * 2
    totals = programs_of(found, demand, limits).totals(at(np.zeros(9)))
    usage = dict(zip(limits.labels, totals.usage.sum(axis=0).tolist(), strict=True))
    assert [usage[f"orders 2024-04-{day}"] for day in (15, 22, 29)] == [20.0, 20.0, 0.0]
    assert [usage[f"inbound shop 2024-04-{day}"] for day in (15, 22, 29)] == [10.0, 10.0, 10.0]
    assert [usage[f"space 2024-04-{day}"] for day in (15, 22, 29)] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("waits", [False, True])
def test_priced_bound_is_cost_plus_priced_usage_where_the_plan_is_the_optimum(waits):
    """Whatever the prices: bound = least over plans of cost + prices x usage, open orders and old stock included."""
    rng = np.random.default_rng(5)
    found = positions(
        6, 5, lead_time=2, receipts=rng.integers(0, 4, (6, 5)), on_hand=rng.integers(0, 9, 6), unit_cost=2.0, lost_sale_cost=9.0
    )
    demand = rng.poisson(4, (5, 6, 1)).astype(float)  # one path: the optimum is whole
    limits = read(5, orders=rule(), inbound=rule(kind="capacity", measure="volume"), space=rule(kind="volume", counted="stock"))
    prices = rng.uniform(0, 0.3, len(limits))
    shared = programs_of(found, demand, limits, waits=waits)
    totals = shared.totals(at(prices))
    assert totals.bound.sum() == pytest.approx(totals.cost.sum() + prices @ totals.usage.sum(axis=0), rel=1e-6)
    free = shared.totals(at(np.zeros(len(limits))))
    assert totals.bound.sum() <= free.cost.sum() + prices @ free.usage.sum(axis=0) + 1e-9


def test_at_endless_prices_nothing_is_ordered():
    found = positions(2, 3, unit_cost=2.0, lost_sale_cost=9.0)
    sharing = Sharing.of(items_of(found), read(orders=rule()), found)
    assert plan_series(found, np.full((3, 2, 4), 5.0), sharing.series_prices(at(np.full(3, np.inf)), 3)).quantities.sum() == 0


def test_rules_of_one_supplier_each_leave_every_supplier_cells_of_its_own():
    """Twenty names, as the configuration needs for twenty suppliers, are one way to tell series apart, not 2 ** 20."""
    n, names = 5000, [f"mill {number}" for number in range(20)]
    found = positions(n, 3)
    items = items_of(found).assign(supplier=np.resize(names, n), site=np.resize(["north", "south", "east"], n))
    rules = {name: rule(kind="minimum_order_value", scope="supplier", scope_value=name) for name in names}
    sites = {"north": rule(kind="volume", scope="site", scope_value="north"), "all": rule()}
    cells = Sharing.of(items, read(**rules, **sites), found).cells
    assert (items.groupby(cells)["supplier"].nunique() == 1).all()
    assert ((items["site"] == "north").groupby(cells).nunique() == 1).all()
    assert len(set(cells)) > 200


def test_where_cells_are_few_suppliers_with_minimums_have_their_own():
    n, names = 5000, [f"mill {number}" for number in range(40)]
    found = positions(n, 3)
    items = items_of(found).assign(supplier=np.resize(names, n), site=np.resize([f"site {at}" for at in range(21)], n))
    rules = {name: rule(kind="minimum_order_value", scope="supplier", scope_value=name) for name in names}
    sites = {name: rule(kind="volume", scope="site", scope_value=name) for name in items["site"].unique()}
    cells = Sharing.of(items, read(**rules, **sites), found).cells
    assert (items.groupby(cells)["supplier"].nunique() == 1).all()


def test_series_with_the_same_limits_share_cells_and_all_cells_are_used():
    members = [np.zeros(20_000, np.int64), np.arange(20_000) % 3]
    hashed = np.random.default_rng(0).integers(0, 2**63, 20_000).astype(np.uint64)
    cells = cell_of(members, [1, 3], hashed)
    by_cell = pd.Series(members[1]).groupby(cells)
    assert (by_cell.nunique() == 1).all()
    assert len(by_cell) > N_CELLS / 4
    assert cells.max() < N_CELLS
