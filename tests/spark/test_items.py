"""What is joined to a forecast before it is planned: open orders by step, its sources, nothing lost or doubled."""

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import replen.tables as t
from replen.config import Config
from replen.evaluate.simulated_cost import TERMS
from replen.overlays import load_config
from replen.spark.items import first_choice, last_quantities, planning_items, receipts_by_step, sources, supply_terms
from replen.spark.transfers import after, has_routes, network_items

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

PLAN_DATE = dt.date(2024, 7, 1)


@pytest.fixture
def config() -> Config:
    return load_config(Path(__file__).parents[2] / "conf" / "test.yaml", [])


@pytest.mark.parametrize(
    ("day", "status", "step"),
    [
        (dt.date(2024, 7, 1), "sent", 0),
        (dt.date(2024, 6, 20), "confirmed", 0),  # overdue: counted on now
        (dt.date(2024, 7, 3), "approved", 1),  # in mid-week: for sale from the next week on
        (dt.date(2024, 7, 8), "sent", 1),
        (dt.date(2024, 7, 16), None, 3),  # no status: on the way, or it would be ordered twice
        (dt.date(2024, 7, 8), "Open", 1),
        (dt.date(2024, 7, 8), " Received ", None),
        (dt.date(2024, 7, 8), "cancelled", None),
        (dt.date(2024, 7, 8), "proposed", None),
        (dt.date(2025, 7, 8), "sent", None),  # after the horizon
    ],
)
def test_open_orders_are_on_the_shelf_at_the_start_of_a_period(
    spark: "SparkSession", day: dt.date, status: str | None, step: int | None
) -> None:
    lines = [(f"order-{number}", "sku", "site", "mill", 5.0, day, status) for number in range(2)]
    found = receipts_by_step(spark.createDataFrame(lines, t.OPEN_ORDERS.nullable_ddl), PLAN_DATE, days=7, horizon=4).collect()
    assert [row[t.RECEIPTS] for row in found] == ([] if step is None else [[10.0 * (number == step) for number in range(4)]])


def test_the_last_plan_is_read_by_step_of_this_one(spark: "SparkSession") -> None:
    days = [dt.date(2024, 7, 8), dt.date(2024, 6, 24), dt.date(2024, 7, 1), dt.date(2024, 7, 15)]
    rows = [("run", "sku", "site", "mill", day, float(day.day), 0.0, 0.0, 0.0, 0.0) for day in days]
    old = [("run", "old", "site", "mill", dt.date(2024, 6, 24), 1.0, 0.0, 0.0, 0.0, 0.0)]
    found = last_quantities(spark.createDataFrame(rows + old, t.PLAN.nullable_ddl), PLAN_DATE, days=7).collect()
    assert [(row[t.SKU], row["last_supplier"], row[t.LAST_PLAN]) for row in found] == [("sku", "mill", [1.0, 8.0, 15.0])]


def test_the_supplier_of_the_lowest_rank_is_asked_and_transfers_are_not(spark: "SparkSession") -> None:
    terms = {name: None for name in t.SUPPLY.names} | {"sku": "sku", "site": "site"}
    rows = [terms | {"supplier": name, "rank": rank, "source_site": source} for name, rank, source in (
        ("c", None, None), ("b", 2, None), ("a", 2, None), ("first", 1, "other site"),
    )]  # fmt: skip
    supply = spark.createDataFrame([tuple(row.values()) for row in rows], t.SUPPLY.nullable_ddl)
    assert [row[t.SUPPLIER] for row in first_choice(supply).collect()] == ["a"]


def test_every_supplier_is_a_source_by_rank_then_name(spark: "SparkSession") -> None:
    terms = {name: None for name in t.SUPPLY.names} | {"site": "site", "unit_cost": 2.0}
    given = (("a", "none", None), ("a", "2nd", 2), ("a", "1st", 1), ("a", "also 2nd", 2), ("b", "only", None))
    rows = [terms | {"sku": sku, "supplier": name, "rank": rank} for sku, name, rank in given]
    found = sources(spark.createDataFrame([tuple(row.values()) for row in rows], t.SUPPLY.nullable_ddl))
    assert sorted((row[t.SKU], row[t.PREFERENCE], row[t.SUPPLIER]) for row in found.collect()) == [
        ("a", 1, "1st"), ("a", 2, "2nd"), ("a", 3, "also 2nd"), ("a", 4, "none"), ("b", 1, "only"),
    ]  # fmt: skip


def test_terms_are_one_row_for_what_can_be_bought_or_has_costs(spark: "SparkSession") -> None:
    terms = {name: None for name in t.SUPPLY.names} | {"site": "site", "unit_cost": 2.0}
    chosen = (("a", "2nd", 2), ("a", "1st", 1), ("b", "1st", 1))
    rows = [terms | {"sku": sku, "supplier": name, "rank": rank} for sku, name, rank in chosen]
    supply = spark.createDataFrame([tuple(row.values()) for row in rows], t.SUPPLY.nullable_ddl)
    costs = spark.createDataFrame([(sku, "site", 0.1, 5.0, None, None, None) for sku in "bc"], t.COSTS.nullable_ddl)
    found = supply_terms(supply, costs)
    assert found.columns == [str(column) for column in (t.SKU, t.SITE, *TERMS)]
    assert {row[t.SKU]: (row[t.SUPPLIER], row[t.UNIT_COST], row[t.LOST_SALE_COST]) for row in found.collect()} == {
        "a": ("1st", 2.0, None), "b": ("1st", 2.0, 5.0), "c": (None, None, 5.0),
    }  # fmt: skip
    assert found.count() == 3


def test_a_route_is_a_source_only_where_nothing_can_be_bought_and_costs_the_goods_too(spark: "SparkSession") -> None:
    terms = {name: None for name in t.SUPPLY.names}
    given = (("a", "shop", "mill", None, 3.0), ("a", "shop", "van", "depot", 0.5), ("a", "kiosk", "van", "depot", 0.25),
             ("a", "depot", "mill", None, 2.0), ("b", "kiosk", "van", "depot", 0.25))  # fmt: skip
    rows = [
        terms | {"sku": sku, "site": site, "supplier": name, "source_site": source, "unit_cost": cost, "rank": 1}
        for sku, site, name, source, cost in given
    ]
    supply = spark.createDataFrame([tuple(row.values()) for row in rows], t.SUPPLY.nullable_ddl)
    found = sources(supply).select(t.SKU, t.SITE, t.SUPPLIER, t.UNIT_COST, t.GOODS_COST, t.PREFERENCE).collect()
    assert sorted(map(tuple, found)) == [
        ("a", "depot", "mill", 2.0, None, 1), ("a", "kiosk", "van", 2.25, 2.0, 1), ("a", "shop", "mill", 3.0, None, 1),
        ("b", "kiosk", "van", None, None, 1),
    ]  # fmt: skip


@pytest.fixture
def platform_tables(spark: "SparkSession") -> dict[t.Table, "DataFrame"]:
    """Two shops and a depot: the shops buy from a mill or have goods sent from the depot, which only has stock."""
    terms = {str(name): None for name in t.SUPPLY.columns} | {"lead_time_days": 7.0, "review_period_days": 7.0}
    supply = [
        terms | {"sku": "a", "site": site, "supplier": supplier, "source_site": source, "unit_cost": cost, "rank": 1}
        for site in ("one", "two")
        for supplier, source, cost in (("mill", None, 2.0), ("mill too", None, 2.5), ("van", "depot", 0.5))
    ]
    supply.append(terms | {"sku": "b", "site": "one", "supplier": "mill", "unit_cost": 1.0})
    forecasts = [
        {str(name): None for name in t.FORECASTS.columns}
        | {"run_id": "r", "model": "m", "sku": sku, "site": site, "stream": "*"}
        for sku, site in (("a", "one"), ("a", "two"), ("b", "one"))
    ]
    day = PLAN_DATE - dt.timedelta(days=1)
    stock = [
        ("a", "one", day, 1.0, 0.0),
        ("a", "two", day, 2.0, 0.0),
        ("a", "depot", day, 50.0, None),
        ("b", "one", day, 3.0, 0.0),
    ]
    orders = [("o", "a", "one", "mill", 4.0, PLAN_DATE, "sent")]
    rows = {
        t.SUPPLY: [tuple(row.values()) for row in supply], t.FORECASTS: [tuple(row.values()) for row in forecasts],
        t.STOCK: stock, t.OPEN_ORDERS: orders, t.COSTS: [], t.CATALOGUE: [("a", "c", "x", 9.0, 1.0, None, None, None)],
        t.PLAN: [("r", "a", "one", "mill too", PLAN_DATE, 5.0, 0.0, 0.0, 0.0, 0.0)],
    }  # fmt: skip
    return {table: spark.createDataFrame(values, table.nullable_ddl) for table, values in rows.items()}


def test_items_are_all_sources_of_a_series_and_no_route(platform_tables: dict[t.Table, "DataFrame"], config: Config) -> None:
    found = planning_items(platform_tables, config, PLAN_DATE).collect()
    assert sorted((row[t.SKU], row[t.SITE], row[t.PREFERENCE], row[t.SUPPLIER], row[t.ON_HAND]) for row in found) == [
        ("a", "one", 1, "mill", 1.0), ("a", "one", 2, "mill too", 1.0), ("a", "two", 1, "mill", 2.0),
        ("a", "two", 2, "mill too", 2.0), ("b", "one", 1, "mill", 3.0),
    ]  # fmt: skip
    one = [row for row in found if (row[t.SKU], row[t.SITE]) == ("a", "one")]
    assert {row[t.RECEIPTS][0] for row in one} == {4.0}
    assert {row[t.SUPPLIER]: row[t.LAST_PLAN] for row in one} == {"mill": [0.0], "mill too": [5.0]}
    assert len({row[t.BUCKET] for row in found if (row[t.SKU], row[t.SITE]) == ("a", "one")}) == 1


def test_all_sites_of_a_sku_with_routes_stand_in_one_bucket(
    platform_tables: dict[t.Table, "DataFrame"], config: Config
) -> None:
    assert has_routes(platform_tables[t.SUPPLY])
    found = network_items(platform_tables, config, PLAN_DATE).collect()
    columns = (t.SITE, t.PREFERENCE, t.SUPPLIER, t.UNIT_COST, t.ON_HAND)
    assert sorted(tuple(row[column] for column in columns) for row in found) == [
        ("depot", 1, None, 2.0, 50.0),
        ("one", 1, "mill", 2.0, 1.0), ("one", 2, "mill too", 2.5, 1.0), ("one", 3, "van", 2.5, 1.0),
        ("two", 1, "mill", 2.0, 2.0), ("two", 2, "mill too", 2.5, 2.0), ("two", 3, "van", 2.5, 2.0),
    ]  # fmt: skip
    assert len({row[t.BUCKET] for row in found}) == 1


def test_what_is_moved_has_left_and_is_on_its_way(
    spark: "SparkSession", platform_tables: dict[t.Table, "DataFrame"], config: Config
) -> None:
    plain = {str(name): None for name in t.TRANSFERS.columns} | {"sku": "a", "supplier": "van", "source_site": "depot"}
    arrives = PLAN_DATE + dt.timedelta(days=7)
    moved = [
        plain | {"site": site, "order_quantity": units, "order_id": site, "expected_date": arrives}
        for site, units in (("one", 10.0), ("two", 5.0))
    ]
    rows = spark.createDataFrame([tuple(row.values()) for row in moved], t.TRANSFERS.nullable_ddl)
    tables = after(rows, platform_tables)
    assert {(row[t.SITE], row[t.SKU]): row[t.ON_HAND] for row in tables[t.STOCK].collect()} == {
        ("one", "a"): 1.0, ("two", "a"): 2.0, ("depot", "a"): 35.0, ("one", "b"): 3.0,
    }  # fmt: skip
    items = planning_items(tables, config, PLAN_DATE).where("sku = 'a'").collect()
    assert {row[t.SITE]: row[t.RECEIPTS][:2] for row in items} == {"one": [4.0, 10.0], "two": [0.0, 5.0]}
