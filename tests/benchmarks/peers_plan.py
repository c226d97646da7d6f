"""What a user would plan with instead: `scipy.optimize.linprog` for each item in `applyInPandas`, Parquet to Parquet.

The programs are those of `plan_orders`, items of one supplier without packs: the same equally likely points of cumulative
demand, costs and largest orders. They lie ready in Parquet: reading forecasts, drawing paths and all that is written beside
the quantities are in our time alone. The form is the fastest of those tried in bench_planning.py: each total a sum of
segments between points.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from scipy.optimize import linprog

import replen.tables as t
from jobs.plan_orders import INPUTS, Planner, plan_date_after
from replen.plan.attempt import Terms
from replen.plan.chain import Chains, cost, solve
from replen.plan.programs import BackorderPrograms
from replen.spark.items import planning_items
from replen.spark.run import Run

ITEM, QUANTITIES = "item", "quantities"
ARRAYS = ("at", "jump", "slope", "limit")
TOLERANCE = 1e-6


def programs(run: Run, keys: pd.DataFrame) -> list[Chains]:
    """Return the programs of these (sku, site) at their first supplier, any amount to be ordered; those no order reaches in
    time are left out.
    """
    config, spark = run.config, run.store.spark
    plan_date = plan_date_after(run.needed("forecast").cutoff, config.freq)
    tables = {table: run.read(table, "ingest") for table in INPUTS} | {t.FORECASTS: run.read(t.FORECASTS, "forecast")}
    tables[t.PLAN] = spark.createDataFrame([], t.PLAN.nullable_ddl).limit(0)
    first = planning_items(tables, config, plan_date).where(F.col(t.PREFERENCE) == 1)
    chosen = F.broadcast(spark.createDataFrame(keys))
    items = first.join(chosen, on=list(keys.columns), how="left_semi").toPandas()
    planner = Planner(Terms.uncoupled(config.plan, plan_date, config.freq), config.costs, config.forecast.quantiles)
    made = [one.solve for one in planner.programs(items.assign(**{str(t.SHELF_LIFE_DAYS): None}))]
    return [_free(one.chains) for one in made if isinstance(one, BackorderPrograms)]


def _free(chains: Chains) -> Chains:
    reached = chains.take((chains.limit > 0).any(axis=1))
    return replace(reached, at=reached.at.astype(np.float64), multiple=np.zeros(reached.n_series))


def write_programs(chains: list[Chains], target: Path) -> None:
    """Write one row an item, arrays flat."""
    columns = {name: [row.ravel() for one in chains for row in getattr(one, name)] for name in ARRAYS}
    target.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame({ITEM: np.arange(len(columns["at"])), **columns}).to_parquet(target, index=False)


def plan_on_spark(spark: SparkSession, source: Path, target: Path) -> None:
    """Plan every item of a file by a call of its own."""
    items: DataFrame = spark.read.parquet(str(source))
    items.groupBy(ITEM).applyInPandas(by_linprog, f"{ITEM} long, {QUANTITIES} array<double>").write.parquet(str(target))


def by_linprog(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the order quantities of one item by step of arrival."""
    row = rows.iloc[0]
    first = int(np.argmax(row["limit"] > 0))
    limit, slope, jump = (row[name][first:] for name in ("limit", "slope", "jump"))
    at = np.maximum(row["at"].reshape(len(row["limit"]), -1)[first:], 0.0)
    n_steps, n_points = at.shape
    prices = slope[:, None] + jump[:, None] * np.arange(n_points + 1)
    length = np.column_stack([np.diff(at, axis=1, prepend=0.0), np.full(n_steps, np.inf)])
    increase = np.repeat(np.eye(n_steps) - np.eye(n_steps, k=-1), n_points + 1, axis=1)
    limited = np.isfinite(limit)
    solved = linprog(
        prices.ravel(),
        A_ub=np.vstack([-increase, increase[limited]]),
        b_ub=np.concatenate([np.zeros(n_steps), limit[limited]]),
        bounds=np.stack([np.zeros(length.size), length.ravel()], axis=1),
    )
    quantities = np.concatenate([np.zeros(first), increase @ solved.x])
    return pd.DataFrame({ITEM: [row[ITEM]], QUANTITIES: [quantities]})


def largest_difference(chains: list[Chains], answer: Path) -> float:
    """Return by how much a plan that was written costs another sum than the chain solver's, of max(1, its cost)."""
    found: NDArray[np.float64] = np.stack(pd.read_parquet(answer).sort_values(ITEM)[QUANTITIES].to_list())
    worst, start = 0.0, 0
    for one in chains:
        limit = np.broadcast_to(one.limit, found[start : start + one.n_series].shape)
        theirs = cost(one, np.clip(found[start : start + one.n_series], 0.0, limit))
        ours = cost(one, solve(one))
        worst = max(worst, float((np.abs(theirs - ours) / np.maximum(1.0, np.abs(ours))).max()))
        start += one.n_series
    return worst
