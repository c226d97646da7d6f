"""The whole pipeline, transactions in, order tables out."""

import signal
import sqlite3
import subprocess
import sys
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

import replen.tables as t
from jobs import run_pipeline
from replen.config import Config
from replen.spark.run import open_run
from replen.spark.store import TableStore
from tests.jobs.conftest import CONF, QUIET, WRITTEN_BY, Finished, small_config, tables_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TABLES = [table for tables in WRITTEN_BY.values() for table in tables]


def assert_same_tables(found: dict[str, pd.DataFrame], expected: dict[str, pd.DataFrame]) -> None:
    for name, rows in expected.items():
        assert len(found[name]) == len(rows), name
        by_chance = [str(t.MLFLOW_RUN), str(t.FIT_SECONDS)]  # MLflow names its runs at random
        for column in rows.columns.drop(by_chance, errors="ignore"):
            left, right = found[name][column], rows[column]
            if right.dtype == float:  # sums over all series add up in another order: equal but for the last digits
                np.testing.assert_allclose(left, right, rtol=1e-9, err_msg=f"{name}.{column}")
            else:
                assert repr(left.tolist()) == repr(right.tolist()), f"{name}.{column}"


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_table_keeps_its_contract(finished: Finished, table: t.Table) -> None:
    rows = finished.tables[table.name]
    assert list(rows.columns) == table.names
    key = rows[[str(column) for column in table.key]]
    assert not key.isna().any().any()
    assert not key.duplicated().any()


def test_no_series_vanishes(finished: Finished) -> None:
    tables = finished.tables
    key = [str(t.SKU), str(t.SITE)]
    series = set(map(tuple, tables["series"][key].to_numpy()))
    forecast = tables["forecasts"]
    assert set(map(tuple, forecast[key].to_numpy())) == series
    assert (forecast[t.MEAN].notna() | forecast[t.REASON].notna()).all()
    planned = set(map(tuple, tables["plan"][key].to_numpy()))
    excepted = set(map(tuple, tables["exceptions"][key].to_numpy()))
    assert series <= planned | excepted


def test_orders_respect_packs_and_limits_and_belong_to_the_plan(finished: Finished) -> None:
    tables = finished.tables
    orders = tables["orders"].merge(tables["supply"], on=["sku", "site", "supplier"], validate="one_to_one")
    assert len(orders) == len(tables["orders"]) > 0
    packs = orders[t.ORDER_QUANTITY] / orders[t.ORDER_MULTIPLE]
    np.testing.assert_allclose(packs, packs.round())
    assert (orders[t.ORDER_QUANTITY] >= orders[t.MIN_ORDER_QUANTITY].fillna(0)).all()
    assert (orders[t.ORDER_QUANTITY] <= orders[t.MAX_ORDER_QUANTITY].fillna(np.inf)).all()
    assert set(tables["orders"][t.ORDER_ID]) == set(tables["explanations"][t.ORDER_ID])
    today = tables["plan"].merge(tables["orders"], left_on=["sku", "site", "date"], right_on=["sku", "site", "order_date"])
    np.testing.assert_allclose(today["order_quantity_x"], today["order_quantity_y"])


def test_the_certificate_holds(finished: Finished) -> None:
    row = finished.tables["certificates"].iloc[0]
    assert row[t.DUAL_BOUND] <= row[t.FEASIBLE_COST] * (1 + 1e-9)
    assert sum(dict(row[t.SOLVER_COUNTS]).values()) == finished.tables["plan"][["sku", "site"]].drop_duplicates().shape[0]


def test_the_database_holds_the_orders(finished: Finished) -> None:
    url = str(finished.config.orders.database)
    with sqlite3.connect(url.removeprefix("sqlite:///")) as database:
        ids = {row[0] for row in database.execute("select order_id from orders")}
    assert ids == set(finished.tables["orders"][t.ORDER_ID])


def test_dirt_is_in_the_quality_report_and_in_no_order(finished: Finished) -> None:
    quality = finished.tables["quality"]
    assert {"sales", "catalogue"} <= set(quality[t.TABLE])
    assert set(finished.tables["orders"][t.SKU]) <= set(finished.tables["catalogue"][t.SKU])


def test_the_summary_reconciles(finished: Finished) -> None:
    for text in ("in\n", "forecast\n", "planned\n", "simple_rule", "gap", "fill rate", "make ui"):
        assert text in finished.summary


def test_a_second_run_changes_nothing(spark: "SparkSession", finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a committed job was done again")

    monkeypatch.setattr(TableStore, "write", refuse)
    monkeypatch.setattr(TableStore, "append", refuse)
    assert run_pipeline.run(spark, finished.config, QUIET) == finished.summary
    assert_same_tables(tables_of(spark, finished.config), finished.tables)


def kill_in_training(config: Config, platform: Path) -> None:
    """Run the command in a process of its own and kill it after the first epoch."""
    settings = [f"warehouse={config.warehouse}", f"sources.path={platform}", f"orders.database={config.orders.database}"]
    command = [sys.executable, "-c", "import sys; from replen.cli import main; sys.exit(main())", "run"]
    command += ["--config", str(CONF / "test.yaml"), *(part for setting in settings for part in ("--set", setting))]
    with subprocess.Popen(command, cwd=CONF.parent, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        seen = list(takewhile(lambda line: "epoch 1" not in line, process.stderr))
        process.kill()
    assert process.returncode == -signal.SIGKILL, "".join(seen)


def test_killed_in_mid_training_and_started_again_the_tables_are_the_same(
    spark: "SparkSession", finished: Finished, platform: Path, tmp_path: Path
) -> None:
    """Faults at every write are those of `tests/faults`."""
    config = small_config(tmp_path, platform)
    kill_in_training(config, platform)
    run_pipeline.run(spark, config, QUIET)
    assert_same_tables(tables_of(spark, config), finished.tables)
    assert {row[t.JOB] for row in open_run(spark, config).store.rows(t.RUNS)} == set(WRITTEN_BY)
