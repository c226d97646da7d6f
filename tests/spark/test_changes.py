"""Series whose rows changed between two runs are found, whatever changed; rows in another order are no change."""

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

import replen.tables as t
from replen.spark.changes import changed_series, is_same

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

MONDAY, NEXT = dt.date(2024, 1, 1), dt.date(2024, 1, 8)
SOLD = [("a", "s", "web", MONDAY, 1.0, 2.0, None, 0.5, None, None), ("a", "s", "web", NEXT, 3.0, 2.0, None, 0.0, None, None),
        ("b", "s", "web", MONDAY, 4.0, None, 1.0, None, 1.0, None)]  # fmt: skip
PLANNED = [("a", "s", NEXT, 9.0, 1.0), ("b", "s", NEXT, 8.0, None)]


def frame(spark: "SparkSession", table: t.Table, rows: list[tuple[Any, ...]]) -> "DataFrame":
    return spark.createDataFrame(rows, table.nullable_ddl)


def found(spark: "SparkSession", sold: list[tuple[Any, ...]], planned: list[tuple[Any, ...]]) -> set[str]:
    now = {t.SALES: frame(spark, t.SALES, sold), t.PLANNED_PRICES: frame(spark, t.PLANNED_PRICES, planned)}
    then = {t.SALES: frame(spark, t.SALES, SOLD), t.PLANNED_PRICES: frame(spark, t.PLANNED_PRICES, PLANNED)}
    return {row[t.SKU] for row in changed_series(now, then).collect()}


def test_the_order_of_rows_is_no_change(spark: "SparkSession") -> None:
    assert found(spark, SOLD[::-1], PLANNED[::-1]) == set()


@pytest.mark.parametrize(
    ("sold", "planned", "changed"),
    [
        ([(*SOLD[0][:4], 2.0, *SOLD[0][5:]), *SOLD[1:]], PLANNED, {"a"}),
        (SOLD[:2], PLANNED, {"b"}),
        ([*SOLD, ("c", "s", "web", MONDAY, 1.0, *[None] * 5)], PLANNED, {"c"}),
        (SOLD, [PLANNED[0], ("b", "s", NEXT, None, 8.0)], {"b"}),
        (SOLD, [("a", "s", MONDAY, 9.0, 1.0), PLANNED[1]], {"a"}),
        (SOLD, [], {"a", "b"}),
    ],
    ids=["a value", "a row less", "a new series", "a value in another column", "another date", "no plan any more"],
)
def test_a_change_of_any_row_is_one_of_its_series(
    spark: "SparkSession", sold: list[tuple[Any, ...]], planned: list[tuple[Any, ...]], changed: set[str]
) -> None:
    assert found(spark, sold, planned) == changed


def series(spark: "SparkSession", **values: object) -> "DataFrame":
    arrays = {
        str(t.SALES_HISTORY): [1.0, 2.0],
        str(t.PLANNED_PRICE): [3.0],
        str(t.COVARIATES): {"views": [1.0], "baskets": [2.0]},
    }
    row = dict.fromkeys(t.SERIES.names) | {str(t.SKU): "a", str(t.SITE): "s", str(t.STREAM): "*"} | arrays | values
    return spark.createDataFrame([tuple(row.values())], t.SERIES.nullable_ddl)


def test_arrays_and_maps_are_compared_by_what_is_in_them(spark: "SparkSession") -> None:
    def is_changed(**values: object) -> bool:
        return changed_series({t.SERIES: series(spark, **values)}, {t.SERIES: series(spark)}).count() == 1

    assert not is_changed()
    assert not is_changed(covariates={"baskets": [2.0], "views": [1.0]})
    assert is_changed(covariates={"baskets": [1.0], "views": [2.0]})
    assert is_changed(sales=[1.0, float("nan")])
    assert is_changed(planned_price=[], planned_promotion=[3.0])
    assert is_changed(planned_price=None)


def test_a_small_table_is_the_same_or_not(spark: "SparkSession") -> None:
    rows = [("*", MONDAY, "holiday", 1.0, True), ("s", NEXT, "rain", 3.0, False)]
    whole, none = frame(spark, t.MARKET, rows), frame(spark, t.MARKET, [])
    assert is_same(t.MARKET, whole, frame(spark, t.MARKET, rows[::-1]))
    assert not is_same(t.MARKET, whole, frame(spark, t.MARKET, rows[:1]))
    assert not is_same(t.MARKET, whole, none)
    assert is_same(t.MARKET, none, none)
