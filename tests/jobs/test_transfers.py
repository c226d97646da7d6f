"""A plan whose sites can serve each other: what is moved can be spared, is an order line, and is seen by both sites' plans."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
from pyspark.sql import functions as F

import replen.tables as t
from jobs import plan_orders
from replen.plan.routes import TRANSFER
from replen.spark.run import Run, open_run
from tests.jobs.conftest import QUIET, WRITTEN_BY, Finished

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

KEY = [str(t.SKU), str(t.SITE)]


def with_routes(read: Callable[[Run, t.Table, str], "DataFrame"]) -> Callable[[Run, t.Table, str], "DataFrame"]:
    """Return a reader to which the first of two sites can be served from the second, at a day's notice."""

    def reads(jobs: Run, table: t.Table, job: str) -> "DataFrame":
        rows = read(jobs, table, job)
        if table is not t.SUPPLY:
            return rows
        sites = sorted(row[0] for row in rows.select(t.SITE).distinct().collect())
        routes = (
            rows.where((F.col(t.SITE) == sites[0]) & (F.col(t.RANK) == 1))
            .withColumn(t.SUPPLIER, F.lit("van"))
            .withColumn(t.SOURCE_SITE, F.lit(sites[1]))
            .withColumn(t.UNIT_COST, F.col(t.UNIT_COST) * 0.02)
            .withColumn(t.LEAD_TIME_DAYS, F.lit(1.0))
            .withColumn(t.MIN_ORDER_QUANTITY, F.lit(0.0))
            .withColumn(t.ORDER_MULTIPLE, F.lit(1.0))
        )
        return rows.unionByName(routes)

    return reads


def test_sites_serve_each_other(spark: "SparkSession", finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Run, "read", with_routes(Run.read))
    exceptions = finished.config.plan.exceptions.model_copy(update={"overstock_periods": 25.0})  # another plan than the first
    plan = finished.config.plan.model_copy(update={"exceptions": exceptions})
    orders = finished.config.orders.model_copy(update={"database": None})
    config = finished.config.model_copy(update={"plan": plan, "orders": orders})
    done = plan_orders.run(spark, config, QUIET)
    jobs = open_run(spark, config)
    found = {table.name: jobs.read(table, "plan_orders").toPandas() for table in WRITTEN_BY["plan_orders"]}
    lines, before = found["orders"], finished.tables["stock"].set_index(KEY)[t.ON_HAND]
    assert done.counts["planned"] == finished.tables["plan"][KEY].drop_duplicates().shape[0]
    assert not lines[t.ORDER_ID].duplicated().any()
    assert set(lines[t.ORDER_ID]) == set(found["explanations"][t.ORDER_ID])
    moved = lines[lines[t.POLICY] == TRANSFER]
    assert len(moved) > 0
    giving, receiving = sorted(before.index.unique(str(t.SITE)))[::-1]
    assert set(moved[t.SITE]) == {receiving}
    given = moved.groupby(str(t.SKU))[t.ORDER_QUANTITY].sum()
    assert (given <= before.xs(giving, level=str(t.SITE)).reindex(given.index)).all()
    soon, receivers = (
        found["plan"][t.DATE] <= np.sort(found["plan"][t.DATE].unique())[1],
        [(sku, receiving) for sku in given.index],
    )
    for rows, share in ((found["plan"][soon], 0.5), (found["plan"], 1.0)):  # lead times vary: some paths have it later
        arrived = rows.groupby(KEY)[t.RECEIPT].sum().loc[receivers].to_numpy()
        assert (arrived >= share * given.to_numpy() - 1e-6).all()
    assert np.isfinite(found["certificates"][t.GAP].iloc[0])
