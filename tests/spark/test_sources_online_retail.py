"""Invoice lines become sales as a careful analyst would make them."""

import datetime as dt
import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession

import replen.tables as t
from replen.config import OnlineRetail
from replen.errors import ConfigError, SourceError
from replen.overlays import load_config
from replen.sources.netting import left_after_cancellations
from replen.sources.online_retail import InvoiceLines, read_invoices

TODAY = dt.date(2012, 1, 1)
RULES = load_config(None).sources.online_retail
NAMES = ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"]
UK = "United Kingdom"


def line(
    invoice: str, code: str, units: int, day: str, price: float = 1.0, customer: int | None = 7, country: str = UK
) -> tuple:
    return invoice, code, "A HOLDER", units, pd.Timestamp(day), price, customer, country


def read(spark: SparkSession, folder: Path, lines: list[tuple], rules: OnlineRetail = RULES) -> InvoiceLines:
    frame = pd.DataFrame(lines, columns=NAMES).astype({"CustomerID": "Int32"})
    frame.to_parquet(folder / "lines.parquet")
    return read_invoices(spark, str(folder / "lines.parquet"), rules, today=TODAY)


def sold(read: InvoiceLines) -> list[tuple[Any, ...]]:
    return sorted((row.sku, row.channel, row.date, row.quantity) for row in read.lines.collect())


def rules_of(findings: DataFrame) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for row in findings.collect():
        counts[row.rule] += row.n_rows
    return dict(counts)


def test_each_rule_refuses_its_lines_and_counts_them(spark: SparkSession, tmp_path: Path) -> None:
    given = read(
        spark,
        tmp_path,
        [
            line("1", "10001", 5, "2011-01-03 10:00"),
            line("1", " 10002a", 3, "2011-01-03 10:00", country="France"),
            line("2", "POST", 1, "2011-01-03 11:00"),
            line("2", "10001xyz", 1, "2011-01-03 11:00"),
            line("3", "10001", -4, "2011-01-03 12:00", price=0.0, customer=None),
            line("4", "10001", 2, "2011-01-03 12:00", price=0.0),
            line("A5", "10001", 1, "2011-01-03 12:00", price=-11.0),
            line("C6", "10001", 1, "2011-01-03 12:00"),
            line("7", "10001", 1, "2012-01-02 12:00"),
            line("8", "10001", 1, "2011-01-03 12:00", price=float("nan")),
            line("9", "10001", 1, "2011-01-03 12:00", price=float("inf")),
        ],
    )
    assert sold(given) == [("10001", "home", dt.date(2011, 1, 3), 5.0), ("10002A", "abroad", dt.date(2011, 1, 3), 3.0)]
    assert rules_of(given.findings) == {
        "sku: upper case without blanks": 2,
        "sku: not a product code": 2,
        "quantity: adjustment, cancels nothing": 1,
        "price: 0": 1,
        "price: below 0": 1,
        "cancellation: adds units": 1,
        "date: after 2012-01-01": 1,
        "line: cannot be read": 2,
    }


def test_cancellations_come_off_the_sale_they_undo(spark: SparkSession, tmp_path: Path) -> None:
    lines = [
        line("1", "10001", 74215, "2011-01-18 10:01", customer=1),
        line("C2", "10001", -74215, "2011-01-18 10:17", price=0.03, customer=1),
        line("3", "10001", 5, "2011-01-18 10:00", customer=2),
        line("4", "10001", 5, "2011-01-19 10:00", customer=2),
        line("C5", "10001", -7, "2011-01-20 10:00", customer=2),
        line("6", "10001", 9, "2011-01-21 10:00", customer=2),
        line("C7", "10001", -4, "2011-01-17 10:00", customer=3),
        line("8", "10001", 4, "2011-01-18 10:00", customer=3),
        line("9", "10001", 2, "2011-01-18 10:00", customer=None),
        line("C10", "10001", -2, "2011-01-18 10:30", customer=None),
    ]
    net = read(spark, tmp_path, lines)
    # 74,215 are gone; buyer 2 gave back the 5 of the 19th and 2 of the 18th; buyer 3 bought after cancelling; the last
    # two have no name in common.
    assert [row[3] for row in sold(net)] == [2.0, 3.0, 4.0, 9.0]
    assert rules_of(net.findings) == {
        "sale: cancelled units taken off": 3,
        "cancellation: undoes a sale": 2,
        "cancellation: no sale before it": 2,
    }
    kept = read(spark, tmp_path, lines, RULES.model_copy(update={"cancellations": "drop"}))
    assert sum(row[3] for row in sold(kept)) == 74215 + 5 + 5 + 9 + 4 + 2
    assert rules_of(kept.findings) == {"cancellation: ignored": 4}


def test_netting_equals_a_stack_of_purchases(spark: SparkSession) -> None:
    rng = random.Random(3)
    lines = []
    for buyer in range(60):
        for minute in range(rng.randint(1, 12)):
            units = rng.choice([1, 2, 3, 8])
            cancels = rng.random() < 0.4
            lines.append((str(buyer), "10001", minute, float(-units if cancels else units), cancels))
    rows = left_after_cancellations(
        spark.createDataFrame(lines, "buyer string, sku string, moment int, units double, cancels boolean")
    )
    assert {(row.buyer, row.moment): row.left for row in rows.collect()} == naive_stack(lines)


def naive_stack(lines: list[tuple]) -> dict[tuple[str, int], float]:
    left: dict[tuple[str, int], float] = {}
    stacks: dict[str, list[int]] = defaultdict(list)
    for buyer, _, minute, units, cancels in lines:
        left[buyer, minute] = 0.0 if cancels else units
        if not cancels:
            stacks[buyer].append(minute)
            continue
        to_undo = -units
        while to_undo and stacks[buyer]:
            last = stacks[buyer][-1]
            undone = min(to_undo, left[buyer, last])
            left[buyer, last] -= undone
            left[buyer, minute] -= undone
            to_undo -= undone
            if left[buyer, last] == 0:
                stacks[buyer].pop()
    return left


def test_a_day_written_twice_counts_once_and_repeated_scans_count_each(spark: SparkSession, tmp_path: Path) -> None:
    twice = [line("1", "10001", 5, "2011-01-03 10:00"), line("2", "10001", 5, "2011-01-03 11:00", customer=None)] * 2
    scans = [
        line("3", "10001", 1, "2011-01-04 10:00"),
        line("3", "10001", 1, "2011-01-04 10:00"),
        line("4", "10001", 7, "2011-01-04 10:00"),
    ]
    given = read(spark, tmp_path, twice + scans)
    assert [row[3] for row in sold(given)] == [5.0, 5.0, 1.0, 1.0, 7.0]
    assert rules_of(given.findings) == {"day: every line written twice": 2}


@pytest.mark.parametrize(
    ("names", "day"),
    [
        (NAMES, "2011-01-03 10:00:00"),
        (
            ["Invoice", "StockCode", "Description", "Quantity", "InvoiceDate", "Price", "Customer ID", "Country"],
            "1/3/2011 10:00",
        ),
    ],
)
def test_csv_copies_are_read_whatever_their_spelling(spark: SparkSession, tmp_path: Path, names: list[str], day: str) -> None:
    path = tmp_path / "lines.csv"
    pd.DataFrame([("1", "10001", "x", 5, day, 1.5, "7.0", UK)], columns=names).to_csv(path, index=False)
    given = read_invoices(spark, str(path), RULES, today=TODAY)
    row = given.lines.collect()[0]
    assert (row.sku, row.date, row.quantity, row.price, row.customer) == ("10001", dt.date(2011, 1, 3), 5.0, 1.5, "7")
    assert (given.first, given.last) == (dt.date(2011, 1, 3), dt.date(2011, 1, 3))


def test_a_missing_column_names_itself_and_what_is_there(spark: SparkSession, tmp_path: Path) -> None:
    pd.DataFrame({"InvoiceNo": ["1"], "Menge": [1]}).to_parquet(tmp_path / "x.parquet")
    with pytest.raises(SourceError, match=r"x.parquet .* no column StockCode; .*Quantity.*found InvoiceNo, Menge; rename"):
        read_invoices(spark, str(tmp_path / "x.parquet"), RULES, today=TODAY)


def test_a_missing_file_and_a_file_of_no_use(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="sources.path: .*nowhere.parquet does not exist"):
        read_invoices(spark, str(tmp_path / "nowhere.parquet"), RULES, today=TODAY)
    with pytest.raises(SourceError, match="has no line that can be used"):
        read(spark, tmp_path, [line("1", "POST", 1, "2011-01-03 10:00")])


def test_names_are_those_of_the_tables(spark: SparkSession, tmp_path: Path) -> None:
    assert set(t.SALES.names) < set(read(spark, tmp_path, [line("1", "10001", 5, "2011-01-03 10:00")]).lines.columns)
