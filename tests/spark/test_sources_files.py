"""Bad files and bad rows: a clear error that names file, column and key, or a finding; never a traceback, never a guess."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession

import replen.tables as t
from replen.config import Sources
from replen.errors import ConfigError, ReplenError
from replen.overlays import load_config
from replen.sources import clean as clean_module
from replen.sources.checks import check_tables, open_table
from replen.sources.clean import Cleaned, clean, unique
from replen.sources.judge import Reading, judge
from replen.sources.rules import RULES

TODAY = dt.date(2024, 3, 1)
BASE = load_config(None).sources
HEADER = "sku,site,date,quantity,price\n"


def reading(table: t.Table) -> Reading:
    return Reading(table, RULES[table.name], TODAY, "GBP", {"EUR": 0.5})


def source(path: Path, table: t.Table, columns: dict[str, str] | None = None) -> Sources:
    kind = "parquet" if path.suffix == ".parquet" else "csv"
    return Sources.model_validate(
        BASE.model_dump() | {"tables": {table.name: {"path": str(path), "format": kind, "columns": columns or {}, "drop": ()}}}
    )


def read(spark: SparkSession, path: Path, table: t.Table = t.SALES, columns: dict[str, str] | None = None) -> Cleaned:
    opened = open_table(spark, source(path, table, columns), reading(table))
    check_tables({table.name: opened}, {table.name: reading(table)})
    return clean(judge(opened.raw, reading(table)), {"n_read": 1, "n_touched": 1})


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def rules(findings: DataFrame) -> list[tuple[Any, ...]]:
    return sorted((row.rule, json.loads(row.key).get("sku"), row.value_before, row.value_after) for row in findings.collect())


def refusal(spark: SparkSession, path: Path, table: t.Table = t.SALES, columns: dict[str, str] | None = None) -> str:
    with pytest.raises(ReplenError) as error:
        read(spark, path, table, columns)
    assert "Exception" not in str(error.value)
    assert str(path) in str(error.value)
    assert f"sources.tables.{table.name}" in str(error.value)
    return str(error.value)


def test_missing_columns_are_all_named_with_their_key(spark: SparkSession, tmp_path: Path) -> None:
    path = written(tmp_path / "sales.csv", "sku,when,units\nA,2024-01-01,3\n")
    message = refusal(spark, path, columns={"quantity": "menge"})
    assert "3 problems" in message
    assert (
        "no column 'menge' to read 'quantity' from; found sku, when, units; set sources.tables.sales.columns.quantity"
        in message
    )
    assert "no column 'site'" in message


def test_a_parquet_column_of_another_type(spark: SparkSession, tmp_path: Path) -> None:
    path = tmp_path / "sales.parquet"
    pd.DataFrame({"sku": [1.5], "site": ["S"], "date": [True], "quantity": [[1.0]]}).to_parquet(path)
    message = refusal(spark, path)
    assert "column 'quantity': expected double (stored as string, numeric), found array<double>" in message
    assert "column 'sku': expected string" in message
    assert "column 'date': expected date" in message


def test_a_csv_column_that_never_holds_its_type(spark: SparkSession, tmp_path: Path) -> None:
    path = written(tmp_path / "sales.csv", HEADER + "A,S,2024-01-01,many,1\nB,S,2024-01-02,few,\n")
    message = refusal(spark, path)
    assert "column 'quantity': expected double, but none of its 2 values is one, e.g. 'few'" in message
    dates = written(tmp_path / "dates.csv", HEADER + "A,S,31.12.2023,1,1\n")
    assert "or set sources.date_format" in refusal(spark, dates)


def test_empty_files(spark: SparkSession, tmp_path: Path) -> None:
    assert "is empty" in refusal(spark, written(tmp_path / "nothing.csv", ""))
    assert "has a header and no rows" in refusal(spark, written(tmp_path / "header.csv", HEADER))
    assert "holds no data" in refusal(spark, written(tmp_path / "nothing.parquet", ""))
    orders = written(tmp_path / "orders.csv", "order_id,sku,site,quantity,expected_date\n")
    assert read(spark, orders, t.OPEN_ORDERS).rows.count() == 0


def test_truncated_parquet(spark: SparkSession, tmp_path: Path) -> None:
    path = tmp_path / "sales.parquet"
    rows = pd.DataFrame({"sku": ["A"], "site": ["S"], "date": ["2024-01-01"], "quantity": [1.0]})
    rows.to_parquet(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    assert "cannot be read" in refusal(spark, path)
    folder = tmp_path / "sales_by_year.parquet"
    folder.mkdir()
    (folder / "1.parquet").write_bytes(whole)
    (folder / "2.parquet").write_bytes(whole[:-40])
    assert "cannot be read" in refusal(spark, folder)


def test_a_file_that_is_not_there(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"sources.tables.sales: .*nowhere.csv does not exist"):
        read(spark, tmp_path / "nowhere.csv")


def test_text_that_is_not_utf8(spark: SparkSession, tmp_path: Path) -> None:
    path = tmp_path / "sales.csv"
    path.write_bytes((HEADER + "Café,S,2024-01-01,1,1\n").encode("latin-1"))
    assert "is not UTF-8: 1 rows hold bytes" in refusal(spark, path)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_names_are_kept_letter_by_letter(spark: SparkSession, tmp_path: Path, kind: str) -> None:
    names = ['6" pan, "non-stick"', "it's", "🫖 té", "two\nlines", "x" * 1000, " blank ", "back\\slash", "a,b;c\td"]
    rows = pd.DataFrame({"sku": names, "site": "S", "date": "2024-01-01", "quantity": 1.0})
    path = tmp_path / f"sales.{kind}"
    if kind == "csv":
        rows.to_csv(path, index=False)
    else:
        rows.to_parquet(path)
    assert {row.sku for row in read(spark, path).rows.collect()} == set(names)


def test_impossible_values_become_unknown_and_rows_without_a_key_are_refused(spark: SparkSession, tmp_path: Path) -> None:
    text = HEADER + (
        "A,S,2024-01-01,-1,1\nB,S,2024-01-01,NaN,1\nC,S,2024-01-01,Infinity,1\nD,S,2024-01-01,3,-2\nE,S,2024-01-01,,1\n"
        "F,S,2024-13-01,1,1\nG,S,2024-03-02,1,1\nH,S,1900-01-01,1,1\n,S,2024-01-01,1,1\nI,S,2024-01-01,12D,1\n"
        "J,S,2024-01-01,5,2,extra\nK,S,2024-01-01 10:30,4,2\n"
    )
    cleaned = read(spark, written(tmp_path / "sales.csv", text))
    kept = {row.sku: (row.quantity, row.price) for row in cleaned.rows.collect()}
    unknown = dict.fromkeys("ABCEI", (None, 1.0))
    assert kept == unknown | {"D": (3.0, None), "K": (4.0, 2.0)}
    assert rules(cleaned.findings[0].where("rule not like 'row%' and rule not like 'sku%'")) == [
        ("date: after 2024-03-01", "G", "2024-03-02", "quarantined"),
        ("date: before 1970-01-02", "H", "1900-01-01", "quarantined"),
        ("date: not a date", "F", "2024-13-01", "quarantined"),
        ("price: below 0", "D", "-2", None),
        ("quantity: below 0", "A", "-1", None),
        ("quantity: missing", "E", None, None),
        ("quantity: not a double", "I", "12D", None),
        ("quantity: not finite", "B", "NaN", None),
        ("quantity: not finite", "C", "Infinity", None),
    ]
    others = {row.rule: row.value_before for row in cleaned.findings[0].where("rule like 'row%' or rule like 'sku%'").collect()}
    assert others == {"row: wrong number of fields": "J,S,2024-01-01,5,2,extra", "sku: missing": None}


def test_supply_terms_that_would_order_wrongly_refuse_their_row(spark: SparkSession, tmp_path: Path) -> None:
    names = ["sku", "site", "supplier", "lead_time_days", "review_period_days", "unit_cost", "order_multiple", "order_days"]
    names += ["min_order_quantity", "max_order_quantity"]
    good = {"site": "S", "supplier": "X", "lead_time_days": 5, "review_period_days": 7, "unit_cost": 1.0, "order_multiple": 6}
    bad = {
        "A": {"lead_time_days": -1}, "B": {"order_multiple": 0.5}, "C": {"review_period_days": 0},
        "D": {"unit_cost": float("inf")},
        "E": {"order_days": "Monday"}, "F": {"lead_time_days": None}, "G": {"min_order_quantity": 9, "max_order_quantity": 8},
        "H": {"order_multiple": None, "order_days": "MO,TH"},
    }  # fmt: skip
    path = tmp_path / "supply.csv"
    pd.DataFrame([{**good, **change, "sku": sku} for sku, change in bad.items()], columns=names).to_csv(path, index=False)
    cleaned = read(spark, path, t.SUPPLY)
    kept = cleaned.rows.collect()
    assert [(row.sku, row.order_multiple, row.rank, row.min_order_quantity) for row in kept] == [("H", 1.0, 1, 0.0)]
    found = cleaned.findings[0].collect()
    assert {json.loads(row.key)["sku"]: row.rule for row in found} == {
        "A": "lead_time_days: below 0",
        "B": "order_multiple: below 1",
        "C": "review_period_days: not above 0",
        "D": "unit_cost: not finite",
        "E": r"order_days: not like (MO|TU|WE|TH|FR|SA|SU)(,(MO|TU|WE|TH|FR|SA|SU))*",
        "F": "lead_time_days: missing",
        "G": "min_order_quantity: above max_order_quantity",
    }
    assert {row.value_after for row in found} == {"quarantined"}


@pytest.mark.parametrize("n_rows", [6, clean_module.MANY])
def test_equal_rows_are_one_and_contradicting_rows_are_none(spark: SparkSession, n_rows: int) -> None:
    stock = spark.createDataFrame(
        [("A", "S", TODAY, 3.0, 0.0)] * 3
        + [("B", "S", TODAY, 3.0, 0.0), ("B", "S", TODAY, 4.0, 0.0), ("C", "S", TODAY, 1.0, None)],
        t.STOCK.ddl,
    )
    once = unique(Cleaned(stock, (), n_rows), t.STOCK)
    assert sorted((row.sku, row.on_hand) for row in once.rows.collect()) == [("A", 3.0), ("C", 1.0)]
    assert sorted((json.loads(row.key)["sku"], row.value_after, row.n_rows) for row in once.findings[0].collect()) == [
        ("A", "one row", 2),
        ("B", "quarantined", 2),
    ]


def test_a_null_and_a_value_contradict_each_other(spark: SparkSession) -> None:
    rows = spark.createDataFrame([("A", "S", TODAY, 1.0, None), ("A", "S", TODAY, None, 1.0)], t.PLANNED_PRICES.ddl)
    assert unique(Cleaned(rows, ()), t.PLANNED_PRICES).rows.count() == 0


def test_many_rows_without_a_repeated_key_stay_as_they_are(spark: SparkSession) -> None:
    cleaned = Cleaned(spark.createDataFrame([(sku, "S", TODAY, 3.0, 0.0) for sku in "ABC"], t.STOCK.ddl), (), clean_module.MANY)
    assert unique(cleaned, t.STOCK) is cleaned


@pytest.mark.parametrize("n", [2, clean_module.MANY])
def test_sales_that_contradict_each_other_are_unknown_not_zero(spark: SparkSession, n: int) -> None:
    row = ("A", "S", "*", TODAY)
    sales = spark.createDataFrame([(*row, q, 1.0, None, None, None, None) for q in (3.0, 4.0)], t.SALES.ddl)
    assert [(r.sku, r.quantity) for r in unique(Cleaned(sales, (), n), t.SALES).rows.collect()] == [("A", None)]


def test_money_is_converted_and_unknown_money_is_named(spark: SparkSession, tmp_path: Path) -> None:
    path = written(tmp_path / "catalogue.csv", "sku,unit_price,currency\nA,4,EUR\nB,4,\nC,4,gbp\n")
    assert {row.sku: row.unit_price for row in read(spark, path, t.CATALOGUE).rows.collect()} == {"A": 2.0, "B": 4.0, "C": 4.0}
    path = written(tmp_path / "catalogue.csv", "sku,unit_price,currency\nA,4,USD\n")
    assert "no rate for the currency USD; set rates.USD" in refusal(spark, path, t.CATALOGUE)


def test_constants_and_foreign_names_with_dots_and_ticks(spark: SparkSession, tmp_path: Path) -> None:
    path = written(tmp_path / "s.csv", "a.b,`x`,date\nA,3,2024-01-01\n")
    rows = read(spark, path, columns={"sku": "a.b", "quantity": "`x`", "site": "=shop"}).rows.collect()
    assert [(row.sku, row.site, row.channel, row.quantity) for row in rows] == [("A", "shop", "*", 3.0)]
