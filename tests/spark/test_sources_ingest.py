"""A whole ingest: files in, every input table out, with what was changed, refused or assumed."""

import datetime as dt
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyspark.sql import SparkSession

import replen.tables as t
from replen.errors import SourceError
from replen.overlays import load_config
from replen.sources.ingest import Ingested, ingest, read_sources

MONDAY = dt.date(2024, 1, 1)
BASE = load_config(None).sources
SUPPLY = {
    "supplier": "s",
    "lead_time_days": 14,
    "review_period_days": 7,
    "order_multiple": 1,
    "min_order_quantity": 0,
    "unit_cost_share": 0.5,
}


def day(n: int) -> dt.date:
    return MONDAY + dt.timedelta(days=n)


def run(spark: SparkSession, folder: Path, files: dict[str, pd.DataFrame], freq: Any = "W", **changes: Any) -> Ingested:
    for name, rows in files.items():
        rows.to_csv(folder / f"{name}.csv", index=False)
    tables = {name: {"path": f"{name}.csv", "format": "csv", "columns": {}, "drop": ()} for name in files}
    sources = type(BASE).model_validate(BASE.model_dump() | {"path": str(folder), "tables": tables} | changes)
    given = read_sources(spark, sources, freq=freq, cutoff=None, currency="GBP", rates={}, today=dt.date(2024, 6, 1))
    return ingest(given)


def sales(*rows: tuple[str, int, float, float | None]) -> pd.DataFrame:
    frame = pd.DataFrame([(sku, "S", day(n), quantity, price) for sku, n, quantity, price in rows])
    return frame.set_axis(["sku", "site", "date", "quantity", "price"], axis=1)


def stock(as_of: dt.date, *skus: str) -> pd.DataFrame:
    return pd.DataFrame({"sku": list(skus), "site": "S", "as_of": as_of, "on_hand": 5})


def supply(*skus: str) -> pd.DataFrame:
    return pd.DataFrame(
        {"sku": list(skus), "site": "S", "supplier": "X", "lead_time_days": 7, "review_period_days": 7, "unit_cost": 1}
    )


def test_days_become_complete_weeks_and_strangers_never_reach_the_plan(spark: SparkSession, tmp_path: Path) -> None:
    sold = sales(
        ("A", -1, 9.0, 1.0), ("A", 0, 2.0, 1.0), ("A", 3, 6.0, 3.0), ("A", 7, 1.0, None),
        ("B", 8, -3.0, 2.0), ("B", 9, 1.0, 2.0),
        ("A", 13, 4.0, 2.0), ("A", 14, 7.0, 2.0), ("A", 13, 4.0, 2.0),
    )  # fmt: skip
    files = {"sales": sold, "stock": stock(day(13), "A", "Z"), "supply": supply("A", "B", "Z")}
    files["catalogue"] = pd.DataFrame({"sku": ["A"], "unit_price": [3.0]})
    read = run(spark, tmp_path, files)
    assert read.cutoff == day(7)
    assert {name: frame.columns for name, frame in read.tables.items()} == {table.name: table.names for table in t.INPUTS}
    weeks = {(row.sku, row.date): (row.quantity, row.price) for row in read.tables["sales"].collect()}
    assert weeks == {("A", day(0)): (8.0, 2.5), ("A", day(7)): (5.0, 2.0), ("B", day(7)): (None, 2.0)}
    assert [row.sku for row in read.tables["stock"].collect()] == ["A"]
    assert sorted(row.sku for row in read.tables["supply"].collect()) == ["A", "B"]
    assert {row.sku: row.unit_price for row in read.tables["catalogue"].collect()} == {"A": 3.0, "B": 2.0}
    assert read.assumptions == ()
    found = sorted((row.table, row.rule, row.value_after, row.n_rows) for row in read.quality.collect())
    assert found == [
        ("catalogue", "sku: sold, not in the catalogue", "added, unit_price 2.0", 1),
        ("sales", "key: equal rows", "one row", 1),
        ("sales", "period: after the cutoff, or incomplete", "quarantined", 1),
        ("sales", "period: incomplete", "quarantined", 1),
        ("sales", "quantity: below 0", None, 1),
        ("stock", "sku: neither sold nor in the catalogue", "quarantined", 1),
        ("supply", "sku: neither sold nor in the catalogue", "quarantined", 1),
    ]


def test_what_is_assumed_is_said(spark: SparkSession, tmp_path: Path) -> None:
    sold = sales(("A", 0, 13.0, 2.0), ("A", 1, 26.0, 4.0), ("B", 1, 1.0, 1.0))
    read = run(spark, tmp_path, {"sales": sold}, "D", assume={"stock_cover_periods": 2, "supply": SUPPLY})
    assert {(row.sku, row.as_of, row.on_hand) for row in read.tables["stock"].collect()} == {
        ("A", day(1), 6.0),
        ("B", day(1), 0.0),
    }
    terms = {row.sku: (row.supplier, row.lead_time_days, row.unit_cost) for row in read.tables["supply"].collect()}
    assert terms == {"A": ("s", 14.0, pytest.approx(10 / 6)), "B": ("s", 14.0, 0.5)}
    assert [text.split(":")[0] for text in read.assumptions] == ["catalogue", "stock", "supply"]
    assert all(text.endswith("; 2 rows") for text in read.assumptions)
    assert {(row.table, row.rule, row.n_rows) for row in read.quality.collect()} == {
        (name, "assumed", 2) for name in ("catalogue", "stock", "supply")
    }


def test_transactions_add_up_and_count_their_customers(spark: SparkSession, tmp_path: Path) -> None:
    sold = sales(("A", 0, 1.0, 1.0), ("A", 0, 1.0, 1.0), ("A", 0, -5.0, 1.0), ("A", 6, 2.0, 1.0)).assign(
        customer=["x", "x", "y", "z"]
    )
    files = {"sales": sold, "stock": stock(day(6), "A"), "supply": supply("A")}
    read = run(spark, tmp_path, files, sales_rows="transactions")
    assert [(row.quantity, row.customer_count) for row in read.tables["sales"].collect()] == [(4.0, 2.0)]


def test_stock_counted_on_another_day_stops_the_run(spark: SparkSession, tmp_path: Path) -> None:
    files = {"sales": sales(("A", 0, 1.0, 1.0), ("A", 6, 1.0, 1.0)), "stock": stock(day(5), "A"), "supply": supply("A")}
    with pytest.raises(SourceError, match=r"count at the end of 2024-01-07.*found 2024-01-06; give"):
        run(spark, tmp_path, files)


def test_findings_have_unique_keys(spark: SparkSession, tmp_path: Path) -> None:
    sold = sales(("A", 0, -1.0, 1.0), ("A", 0, -2.0, 1.0), ("A", 6, 1.0, 1.0))
    files = {"sales": sold, "stock": stock(day(6), "A"), "supply": supply("A")}
    quality = run(spark, tmp_path, files, sales_rows="transactions").quality.toPandas()
    refused = quality[quality["table"] == "sales"]
    assert refused[["value_before", "n_rows"]].to_numpy().tolist() == [["-1.0", 2]]
    assert not quality.duplicated(["table", "key", "rule"]).any()
