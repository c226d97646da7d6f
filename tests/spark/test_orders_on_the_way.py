"""Orders of the database that are on the way: a plan counts on each once, and is another plan when they change."""

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

import replen.tables as t
from replen.overlays import load_config
from replen.spark.items import receipts_by_step, with_orders
from replen.spark.keys import JOBS, job_keys

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CONF = Path(__file__).parents[2] / "conf"
PLAN_DATE, DAY = dt.date(2024, 7, 1), dt.date(2024, 7, 8)


def test_orders_of_the_database_are_receipts_once(spark: "SparkSession") -> None:
    listed = [
        ("theirs", "sku", "site", "mill", 5.0, DAY, "sent"),
        ("both", "sku", "site", "mill", 3.0, DAY, "sent"),  # half of it has come
        ("done", "sku", "site", "mill", 0.0, DAY, "received"),
    ]
    names = [name for name in t.OPEN_ORDERS.names if name != t.STATUS]
    ours = pd.DataFrame([(name, "sku", "site", "mill", 6.0, DAY) for name in ("both", "done", "ours")], columns=names)
    source = spark.createDataFrame(listed, t.OPEN_ORDERS.nullable_ddl)
    (row,) = receipts_by_step(with_orders(source, ours), PLAN_DATE, days=7, horizon=2).collect()
    assert row[t.RECEIPTS] == [0.0, 5.0 + 3.0 + 6.0]
    assert with_orders(source, ours[:0]) is source


def test_only_the_plan_depends_on_what_is_on_the_way() -> None:
    config = load_config(CONF / "test.yaml")
    none, some, others = (job_keys(config, "inputs", on_the_way=orders) for orders in (None, "some", "others"))
    assert [job for job in JOBS if none[job] != some[job]] == ["plan_orders"]
    assert len({keys["plan_orders"] for keys in (none, some, others)}) == 3
