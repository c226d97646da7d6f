"""Forecasts + stock + supply + costs -> plan, orders, explanations, exceptions, certificates.

spark-submit jobs/plan_orders.py --config conf/cluster.yaml
"""

import datetime as dt
from dataclasses import dataclass

import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

import replen.tables as t
from replen.cli import job_main
from replen.config import Config, CostRules, Plan
from replen.errors import TableError
from replen.evaluate.comparison import compare_with_rule
from replen.features.periods import Freq, period_dates, period_numbers
from replen.forecast.rows import paths_of_rows
from replen.orders.database import write_run
from replen.orders.lines import with_order_ids
from replen.plan.bucket import plan_bucket
from replen.plan.costs import check_costs, fill_costs
from replen.progress import Progress
from replen.spark.buckets import per_bucket
from replen.spark.items import planning_items
from replen.spark.outputs import WRITTEN, certificates, explode_decisions
from replen.spark.run import Committed, open_run

JOB = "plan_orders"


def run(spark: SparkSession, config: Config, progress: Progress) -> Committed:
    """Return the commit of the plan's tables; every (sku, site) of the forecasts is planned or an exception."""
    jobs = open_run(spark, config)
    if done := jobs.committed(JOB):
        return done
    cutoff = jobs.needed("forecast").cutoff
    planner = Planner(config, plan_date_after(cutoff, config.freq))
    items = planning_items(jobs, planner.plan_date)
    decisions = jobs.stage(t.DECISIONS, per_bucket(items, planner, t.DECISIONS, sizes=config.spark))
    written = {table: jobs.write(table, rows) for table, rows in explode_decisions(decisions, jobs.run_id).items()}
    if config.orders.database is not None:
        write_run(config.orders.database, {table.name: batches(rows) for table, rows in written.items()})
    return jobs.commit(JOB, cutoff=cutoff, counts=reconcile(jobs.read(t.FORECASTS, "forecast"), decisions))


@dataclass(frozen=True)
class Planner:
    """Plans one range of buckets: sample paths, program, packs, and the simple rule on the same paths."""

    plan: Plan
    costs: CostRules
    levels: tuple[float, ...]
    plan_date: dt.date
    freq: Freq

    def __call__(self, items: pd.DataFrame) -> pd.DataFrame:
        """Return rows of `tables.DECISIONS`, one an item."""
        priced = fill_costs(items, self.costs, freq=self.freq)
        check_costs(priced)
        paths = paths_of_rows(priced, levels=self.levels, n_paths=self.plan.n_paths, horizon=self.plan.horizon)
        decisions = plan_bucket(priced, paths, settings=self.plan, plan_date=self.plan_date, freq=self.freq)
        compared = compare_with_rule(decisions, priced, paths, rule=self.plan.rule, freq=self.freq)
        return with_order_ids(compared)
