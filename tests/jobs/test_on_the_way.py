"""An order that was approved on an earlier plan date is on the way: the next plan orders that much less, and says so once."""

import datetime as dt
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import replen.tables as t
from jobs import plan_orders
from replen.orders.database import OrderDatabase
from replen.orders.life_cycle import Act, Selection, change, changeable, changing
from replen.spark.run import open_run
from tests.jobs.conftest import QUIET, Finished

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def test_what_was_approved_before_is_not_ordered_again(spark: "SparkSession", finished: Finished, tmp_path: Path) -> None:
    with sqlite3.connect(str(finished.config.orders.database).removeprefix("sqlite:///")) as there:
        there.execute("VACUUM INTO ?", (f"{tmp_path}/orders.db",))
    setting = f"sqlite:///{tmp_path}/orders.db"
    orders = finished.config.orders.model_copy(update={"database": setting})
    config, database = finished.config.model_copy(update={"orders": orders}), OrderDatabase(setting)
    line = finished.tables["orders"].sort_values(str(t.ORDER_QUANTITY)).iloc[-1]
    earlier = line[t.ORDER_DATE] - dt.timedelta(days=7)
    with database.engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO orders (order_id, run_id, sku, site, supplier, order_date, expected_date, order_quantity, status) "
            "SELECT 'earlier', 'before', sku, site, supplier, ?, order_date, order_quantity, 'proposed' FROM orders "
            "WHERE order_id = ?",
            (earlier.isoformat(), line[t.ORDER_ID]),
        )
    assert plan_orders.run(spark, config, QUIET).producer == open_run(spark, config).run_id  # proposed: nothing is on the way
    with changing(database.engine) as connection:
        chosen = changeable(connection, Selection({t.ORDER_ID: ("earlier",)}), "approved")
        change(connection, chosen, Act("approved", "ann"), config.notify)
    done = plan_orders.run(spark, config, QUIET)
    assert done.producer != open_run(spark, config).run_id
    rows = database.read(t.ORDERS).set_index([str(t.SKU), str(t.SITE), str(t.ORDER_DATE)])
    today = rows[rows[t.RUN_ID] == done.producer]
    again = today[t.ORDER_QUANTITY].get((line[t.SKU], line[t.SITE], line[t.ORDER_DATE]), 0.0)
    assert again <= line[t.ORDER_QUANTITY] / 2
    others = finished.tables["orders"].set_index(str(t.ORDER_ID))[t.ORDER_QUANTITY].drop(line[t.ORDER_ID])
    assert today.reset_index().set_index(str(t.ORDER_ID))[t.ORDER_QUANTITY].reindex(others.index).tolist() == others.tolist()
    assert plan_orders.run(spark, config, QUIET) == done  # committed: it is not planned again
