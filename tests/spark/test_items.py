"""What is joined to a forecast before it is planned: open orders by step, its sources, nothing lost or doubled."""

import datetime as dt
from typing import TYPE_CHECKING

import pytest

import replen.tables as t
from replen.evaluate.simulated_cost import TERMS
from replen.spark.items import first_choice, receipts_by_step, sources, supply_terms

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PLAN_DATE = dt.date(2024, 7, 1)


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
