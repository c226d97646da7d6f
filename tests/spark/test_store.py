"""The table store: versions, runs side by side, and what a reader sees."""

import datetime as dt
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from deltalake import DeltaTable, Schema
from pyspark.errors import PySparkException
from pyspark.sql import functions as F

import replen.tables as t
from replen.errors import TableError
from replen.spark.store import TableStore

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

DATE = dt.date(2024, 1, 1)


def stock(spark: "SparkSession", *units: float) -> "DataFrame":
    rows = [(f"sku-{number}", "site", DATE, float(on_hand), None) for number, on_hand in enumerate(units)]
    return spark.createDataFrame(rows, t.STOCK.nullable_ddl)


def exceptions(spark: "SparkSession", run_id: str, kind: str) -> "DataFrame":
    return spark.createDataFrame([(run_id, "sku", "site", kind, "info", 1.0, "act")], t.EXCEPTIONS.nullable_ddl)


def test_a_version_stays_as_it_was_written(spark: "SparkSession", tmp_path: Path) -> None:
    store = TableStore(spark, str(tmp_path))
    first, n_first = store.write(t.STOCK, stock(spark, 1, 2, 3), run_id="a")
    second, n_second = store.write(t.STOCK, stock(spark, 9), run_id="b")
    assert (n_first, n_second) == (3, 1)
    assert sorted(row.on_hand for row in store.read(t.STOCK, version=first, run_id="a").collect()) == [1, 2, 3]
    assert [row.on_hand for row in store.read(t.STOCK, version=second, run_id="b").collect()] == [9]


def test_runs_stand_side_by_side_and_one_replaces_its_own_rows(spark: "SparkSession", tmp_path: Path) -> None:
    store = TableStore(spark, str(tmp_path))
    for run_id, kind in (("a", "old"), ("b", "other"), ("a", "new")):
        version, _ = store.write(t.EXCEPTIONS, exceptions(spark, run_id, kind), run_id=run_id)
    for run_id, kind in (("a", "new"), ("b", "other")):
        rows = store.read(t.EXCEPTIONS, version=version, run_id=run_id).collect()
        assert [(row.run_id, row.kind) for row in rows] == [(run_id, kind)]


def test_other_engines_read_the_tables(spark: "SparkSession", tmp_path: Path) -> None:
    store = TableStore(spark, str(tmp_path))
    for run_id in ("a", "b"):
        store.write(t.EXCEPTIONS, exceptions(spark, run_id, "kind"), run_id=run_id)
    rows = DeltaTable(store.path(t.EXCEPTIONS)).to_pyarrow_table().to_pylist()
    assert sorted(row[t.RUN_ID] for row in rows) == ["a", "b"]


def test_an_empty_table_is_a_table(spark: "SparkSession", tmp_path: Path) -> None:
    store = TableStore(spark, str(tmp_path))
    version, n_rows = store.write(t.STOCK, stock(spark, 1).where("false"), run_id="a")
    assert n_rows == 0
    assert store.read(t.STOCK, version=version, run_id="a").columns == t.STOCK.names


def test_a_failed_write_leaves_the_table_as_it_was(spark: "SparkSession", tmp_path: Path) -> None:
    store = TableStore(spark, str(tmp_path))
    version, _ = store.write(t.STOCK, stock(spark, 1), run_id="a")
    full = F.when(F.col(t.ON_HAND) < 2, 0.0).otherwise(F.raise_error(F.lit("disk full")))
    with pytest.raises(PySparkException, match="disk full"):
        store.write(t.STOCK, stock(spark, 1, 2).withColumn(t.ON_HAND, full), run_id="b")
    assert DeltaTable(store.path(t.STOCK)).version() == version


def test_other_columns_than_the_tables_are_refused(spark: "SparkSession", tmp_path: Path) -> None:
    store = TableStore(spark, str(tmp_path))
    store.write(t.STOCK, stock(spark, 1), run_id="a")
    narrower = t.Table(t.STOCK.name, "", t.STOCK.key, t.STOCK.values[:1])
    with pytest.raises(TableError, match="other columns than this code writes"):
        store.write(narrower, stock(spark, 1), run_id="b")


def test_a_checkpoint_takes_no_version_away(spark: "SparkSession", tmp_path: Path) -> None:
    """Delta drops log entries of 30 days ago with each checkpoint, unless told not to; `runs` refers to their versions."""
    store = TableStore(spark, str(tmp_path))
    path, often = tmp_path / t.STOCK.name, {"delta.checkpointInterval": "2"}
    DeltaTable.create(path, Schema.from_json(stock(spark, 1).schema.json()), configuration=often)
    first, _ = store.write(t.STOCK, stock(spark, 1), run_id="a")
    for units in (2, 3, 4):
        store.write(t.STOCK, stock(spark, units), run_id="b")
    for entry in (path / "_delta_log").iterdir():
        os.utime(entry, (0, 0))
    for units in (5, 6):
        store.write(t.STOCK, stock(spark, units), run_id="c")
    assert list((path / "_delta_log").glob("*.checkpoint.parquet"))
    assert [row.on_hand for row in store.read(t.STOCK, version=first, run_id="a").collect()] == [1]
