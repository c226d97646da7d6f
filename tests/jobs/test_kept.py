"""A plan after a plan: where changing it is charged, orders of the last run are kept; read from what that run committed."""

import datetime as dt
import io
from typing import TYPE_CHECKING

import pytest
from pyspark.sql import functions as F

import replen.tables as t
from jobs import plan_orders
from replen.config import Config
from replen.progress import Progress
from replen.spark.run import Run, open_run
from tests.jobs.conftest import Finished

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

KEY = [str(t.SKU), str(t.SITE)]


def charged(config: Config, change_cost: float) -> Config:
    plan = config.plan.model_copy(update={"change_cost": change_cost})
    return config.model_copy(update={"plan": plan, "orders": config.orders.model_copy(update={"database": None})})


def commit_before(jobs: Run, run_id: str, **changed: object) -> None:
    """Commit a plan of a week earlier that orders a pack more of everything that the finished run orders."""
    rows = jobs.read(t.PLAN, "plan_orders")
    more = rows.withColumn(t.ORDER_QUANTITY, F.when(F.col(t.ORDER_QUANTITY) > 0, F.col(t.ORDER_QUANTITY) * 2).otherwise(0.0))
    version, _ = jobs.store.write(t.PLAN, more, run_id=run_id)
    row = next(row for row in jobs.store.rows(t.RUNS) if row[t.JOB] == "plan_orders")
    earlier = {
        str(t.RUN_ID): run_id, str(t.JOB_KEY): run_id, str(t.PRODUCER): run_id, str(t.VERSIONS): {t.PLAN.name: version},
        str(t.CUTOFF): row[t.CUTOFF] - dt.timedelta(days=7),
    }  # fmt: skip
    jobs.store.append(t.RUNS, row | earlier | changed)


@pytest.fixture
def committed(spark: "SparkSession", finished: Finished) -> Run:
    jobs = open_run(spark, finished.config)
    commit_before(jobs, "week before")
    commit_before(jobs, "of another name", **{str(t.CONFIG): '{"name": "other", "freq": "W"}'})
    return jobs


def test_the_last_run_is_the_one_before_of_the_same_name(committed: Run) -> None:
    cutoff = committed.needed("plan_orders").cutoff
    found = committed.before("plan_orders", cutoff)
    assert found is not None
    assert (found.producer, found.cutoff) == ("week before", cutoff - dt.timedelta(days=7))
    assert committed.before("plan_orders", found.cutoff) is None


def test_orders_are_kept_at_a_high_charge_and_planned_anew_at_a_low_one(
    spark: "SparkSession", finished: Finished, committed: Run
) -> None:
    free = finished.tables
    said = io.StringIO()
    found = {}
    for change_cost in (1e-9, 1e9):
        config = charged(finished.config, change_cost)
        plan_orders.run(spark, config, Progress(said))
        found[change_cost] = {
            table: open_run(spark, config).read(table, "plan_orders").toPandas()
            for table in (t.PLAN, t.EXPLANATIONS, t.CERTIFICATES)
        }
    assert "last plan: run week before" in said.getvalue()
    before, low, high = (
        tables.set_index([*KEY, str(t.DATE)])[t.ORDER_QUANTITY].sort_index()
        for tables in (free["plan"], found[1e-9][t.PLAN], found[1e9][t.PLAN])
    )
    assert low.tolist() == before.tolist()
    kept = found[1e9][t.EXPLANATIONS]
    assert (kept[t.BINDING] == t.LAST_PLAN).sum() > 0
    today = high.index.get_level_values(str(t.DATE)).min()
    high, before = (orders.xs(today, level=str(t.DATE)) for orders in (high, before))
    doubled = high[high == 2 * before]
    assert (doubled > 0).sum() == (kept[t.BINDING] == t.LAST_PLAN).sum()
    whole = found[1e9][t.CERTIFICATES].iloc[0]
    assert whole[t.DUAL_BOUND] <= whole[t.FEASIBLE_COST] * (1 + 1e-9)
    assert whole[t.FEASIBLE_COST] > free["certificates"].iloc[0][t.FEASIBLE_COST]
