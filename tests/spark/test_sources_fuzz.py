"""Malformed rows and files by the thousand, many in one file: each row is kept as it may be or stands in `quality`.

Files that are no tables end in a ReplenError. REPLEN_FUZZ=10000 tries as many rows of each table.
"""

import json
import math
import os
import random
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import Row, SparkSession

import replen.tables as t
from replen.errors import ReplenError
from replen.overlays import load_config
from replen.sources.checks import check_tables, open_table
from replen.sources.clean import Cleaned, clean
from replen.sources.judge import judge
from replen.sources.online_retail import read_invoices
from replen.sources.rules import RULES
from tests.spark.test_sources_files import TODAY, reading, source

N_ROWS = int(os.environ.get("REPLEN_FUZZ", "1000"))
ODD = [
    "",
    " ",
    "-1",
    "-0",
    "0",
    "1e309",
    "-1e309",
    "NaN",
    "nan",
    "Infinity",
    "-inf",
    "1,5",
    "1_000",
    "0x1F",
    "12D",
    "٣",
    "é🫖",
    "null",
    "NULL",
    "\\N",
    "\t",
    "2024-02-30",
    "0000-00-00",
    "2024-02-29",
    "9999-12-31",
    "10000-01-01",
    "24-1-1",
    "2024",
    "31/12/2023",
    "2024-01-01T25:00",
    "99999999999999999999",
    "true",
    "MO,TU",
    "'; drop table sales; --",
    '"',
    "a" * 3000,
    "=1+1",
    "\u202e",
    "1.7976931348623157e308",
    "5e-324",
    "2147483648",
    "0.5",
]
GOOD = {
    "string": "A",
    "double": "2",
    "int": "3",
    "date": "2024-01-15",
    "boolean": "true",
    t.ORDER_DAYS: "MO",
    t.KIND: "budget",
    t.SCOPE: "all",
    t.BASIS: "order",
    t.MEASURE: "money",
    t.COUNTED: "flow",
    t.PROMOTION: "0.5",
    t.IN_STOCK: "1",
    t.MAX_ORDER_QUANTITY: "9",
    "currency": "GBP",
}


def malformed(table: t.Table, seed: int) -> pd.DataFrame:
    """Return rows of text, numbered in the first key column, each with one to four odd values or none."""
    rng = random.Random(seed)
    columns = [*table.columns, *RULES[table.name].extra]
    rows = []
    for number in range(N_ROWS):
        row = {str(column): GOOD.get(column, GOOD[column.type]) for column in columns}
        row[str(table.key[0])] = f"row {number}"
        for column in rng.sample(columns[1:], min(rng.randint(0, 4), len(columns) - 1)):
            row[str(column)] = rng.choice([*ODD, "".join(chr(rng.randint(32, 0x2FFF)) for _ in range(rng.randint(1, 6)))])
        rows.append(row)
    return pd.DataFrame(rows)


def possible(table: t.Table, row: Row) -> bool:
    """Return whether a row that was kept holds only what the rules allow: a naive reading of them."""
    rules = RULES[table.name]
    for column in table.columns:
        value, bound = row[column], rules.bounds.get(column)
        if value is None:
            if column in table.key:
                return False
        elif column.type in ("double", "int"):
            if not math.isfinite(value) or (bound and not (bound.low < value if bound.above else bound.low <= value)):
                return False
            if bound and value > bound.high:
                return False
    return all(row[low] is None or row[high] is None or row[low] <= row[high] for low, high in rules.ordered)


def read(spark: SparkSession, path: Path, table: t.Table) -> Cleaned:
    opened = open_table(spark, source(path, table), reading(table))
    check_tables({table.name: opened}, {table.name: reading(table)})
    return clean(judge(opened.raw, reading(table)), {"n_read": 1, "n_touched": 1})


@pytest.mark.parametrize(
    "table", [t.SALES, t.STOCK, t.SUPPLY, t.CATALOGUE, t.COSTS, t.LIMITS, t.OPEN_ORDERS], ids=lambda table: table.name
)
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_every_malformed_row_is_kept_as_it_may_be_or_stands_in_quality(
    spark: SparkSession, tmp_path: Path, table: t.Table, kind: str
) -> None:
    rows, path = malformed(table, seed=len(table.name)), tmp_path / f"{table.name}.{kind}"
    if "currency" in rows:
        rows["currency"] = "GBP"  # an unknown currency stops the run
    rows.to_csv(path, index=False) if kind == "csv" else rows.to_parquet(path, index=False)
    cleaned, first = read(spark, path, table), str(table.key[0])
    kept = cleaned.rows.collect()
    refused = {
        json.loads(row.key).get(first)
        for findings in cleaned.findings
        for row in findings.where("value_after = 'quarantined'").collect()
    }
    assert [row for row in kept if not possible(table, row)] == []
    names = {row[first] for row in kept}
    assert names.isdisjoint(refused)
    assert names | refused == set(rows[first])


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_file_that_is_no_table_ends_in_a_clear_error_or_is_read(spark: SparkSession, tmp_path: Path, kind: str) -> None:
    sound, rng = tmp_path / f"sound.{kind}", random.Random(1)
    frame = pd.DataFrame({"sku": ["A", "B"] * 50, "site": "S", "date": "2024-01-15", "quantity": "3"})
    frame.to_csv(sound, index=False) if kind == "csv" else frame.to_parquet(sound, index=False)
    whole = sound.read_bytes()
    refused = 0
    for number in range(12):
        content, path = bytearray(whole), tmp_path / f"{number}.{kind}"
        for _ in range(rng.randint(1, 30)):
            content[rng.randrange(len(content))] = rng.randrange(256)
        if number % 3 == 0:
            del content[rng.randrange(len(content)) :]
        path.write_bytes(content)
        try:
            read(spark, path, t.SALES).rows.collect()
        except ReplenError as error:
            refused += 1
            assert str(path) in str(error)
    assert refused > 3


def test_malformed_invoices_are_sold_as_they_may_be_or_stand_in_quality(spark: SparkSession, tmp_path: Path) -> None:
    rng = random.Random(2)
    good = {
        "InvoiceNo": "536365",
        "StockCode": "85123",
        "Description": "A",
        "Quantity": "6",
        "InvoiceDate": "2024-01-15 08:26:00",
        "UnitPrice": "2.55",
        "CustomerID": "17850",
        "Country": "United Kingdom",
    }
    rows = []
    for _ in range(N_ROWS):
        rows.append(dict(good))
        for column in rng.sample(list(good), rng.randint(0, 3)):
            rows[-1][column] = rng.choice([*ODD, "C536365", "85123A", "-6"])
    path = tmp_path / "lines.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    invoices = read_invoices(spark, str(path), load_config(None).sources.online_retail, today=TODAY)
    sold = invoices.lines.collect()
    assert 0 < len(sold) < N_ROWS
    assert all(
        row.sku and row.date <= TODAY and math.isfinite(row.quantity) and row.quantity >= 0 and row.price > 0 for row in sold
    )
    assert invoices.findings.count() > 10
