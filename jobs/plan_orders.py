"""Forecasts + stock + supply + costs -> plan, orders, explanations, exceptions, certificates.

spark-submit jobs/plan_orders.py --config conf/cluster.yaml
"""

import datetime as dt
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

import replen.tables as t
from replen.cli import job_main
from replen.config import Config, Plan
from replen.evaluate.comparison import compare
from replen.features.periods import Freq, period_dates, period_numbers
from replen.forecast.rows import paths_of_rows
from replen.orders.database import write_run
from replen.plan.bucket import plan_bucket
from replen.plan.items import COLUMNS as ITEM_COLUMNS
from replen.progress import Progress
from replen.spark.buckets import bucket, per_bucket
from replen.spark.run import Committed, Run, open_run

JOB = "plan_orders"
FORECAST = (t.FAMILY, t.PARAMETERS, t.QUANTILES, t.MEAN, t.DEPENDENCE, t.SEED)


def run(spark: SparkSession, config: Config, progress: Progress) -> Committed:
    """Return the commit of the plan's tables; every (sku, site) of the forecasts is planned or an exception."""
    jobs = open_run(spark, config)
    if done := jobs.committed(JOB):
        return done
    cutoff = jobs.needed("forecast").cutoff
    plan_date = plan_date_after(cutoff, config.freq)
    planner = Planner(config.plan, config.forecast.quantiles, plan_date, config.freq)
    decisions = jobs.stage(t.DECISIONS, per_bucket(items(jobs, plan_date), planner, t.DECISIONS, sizes=config.spark))
"""Job under construction."""


@dataclass(frozen=True)
class Planner:
    """Plans one range of buckets: sample paths, program, packs, and the simple rule on the same paths."""

    plan: Plan
    levels: tuple[float, ...]
    plan_date: dt.date
    freq: Freq

    def __call__(self, items: pd.DataFrame) -> pd.DataFrame:
        """Return rows of `tables.DECISIONS`, one an item."""
        paths = paths_of_rows(items, levels=self.levels, n_paths=self.plan.n_paths, horizon=self.plan.horizon)
        decisions = plan_bucket(items, paths, settings=self.plan, plan_date=self.plan_date, freq=self.freq)
        return compare(decisions, items, paths, rule=self.plan.rule, freq=self.freq)


def plan_date_after(cutoff: dt.date, freq: Freq) -> dt.date:
    """Return the day after the cutoff period ends."""
    following = period_dates(period_numbers(cutoff, freq) + 1, freq)
    return following.astype(dt.date)
