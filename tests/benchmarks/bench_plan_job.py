"""The plan job on Spark, tables in, tables out: many SKUs under a budget, 20 supplier capacities and two volumes.

python tests/benchmarks/bench_plan_job.py [--series 1000000] [--folder DIR]

SKUs made up from a seed: negative binomial forecasts of 13 weeks with seasons, packs of 1 to 24, every third with a minimum
quantity, demand that waits. Limits are shares of what a sample of the SKUs uses without them. Timed is `make_plan` alone: it
reads forecasts, stock, supply, costs and catalogue from the warehouse, samples paths, plans, compares every plan with the
simple rule on other paths, and writes plan, orders, explanations, exceptions, certificates and policies. local[2]. The last
line is JSON.
"""

import argparse
import datetime as dt
import json
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.plan_orders import JOB, make_plan
from replen import tables as t
from replen.config import Config, LimitRule
from replen.overlays import load_config
from replen.progress import Progress
from replen.spark.buckets import bucket
from replen.spark.run import Run
from replen.spark.session import session
from replen.tables import Table

HORIZON, N_SUPPLIERS, SEED, SAMPLE = 13, 20, 20261121, 20_000
CUTOFF, PLAN_DATE = dt.date(2024, 4, 8), dt.date(2024, 4, 15)
SHARES = {"budget": 0.85, "capacity": 0.9, "volume": 0.9}
SETTINGS = [
    "freq=W", f"plan.horizon={HORIZON}", f"forecast.horizon={HORIZON}", "plan.unmet_demand=waits", "orders.database=null",
]  # fmt: skip
ITEM = (*t.SUPPLY.columns, *t.COSTS.values, *t.STOCK.values, *t.CATALOGUE.values)
MADE = (*dict.fromkeys(ITEM), t.STREAM, t.MODEL, t.FAMILY, t.MEAN, t.MEDIAN, t.PARAMETERS, t.QUANTILES, t.DEPENDENCE, t.SEED)
TABLES = {t.STOCK: "ingest", t.SUPPLY: "ingest", t.COSTS: "ingest", t.CATALOGUE: "ingest", t.FORECASTS: "forecast"}


def made_up(numbers: "pd.Series[int]", n_levels: int) -> pd.DataFrame:
    """Return forecasts, stock, supply, costs and catalogue of the SKUs with these numbers, one row each."""
    n, first = len(numbers), int(numbers.iloc[0])
    rng = np.random.default_rng([SEED, first])
    level, unit_cost, multiple = (
        rng.gamma(0.6, 8, n) + 0.2,
        rng.gamma(2, 5, n) + 0.5,
        rng.choice([1.0, 1.0, 6.0, 12.0, 24.0], n),
    )
    season = 1 + 0.3 * np.sin(2 * np.pi * (np.arange(HORIZON) / 52 + rng.random((n, 1))))
    mean = (level[:, None] * season).astype(np.float32)
    parameters = np.stack([mean, np.full_like(mean, 0.7)], axis=2)
    known = {
        t.SKU: [f"sku {number}" for number in numbers], t.SITE: rng.choice(["north", "south"], n),
        t.SUPPLIER: [f"supplier {number}" for number in rng.integers(0, N_SUPPLIERS, n)], t.CATEGORY: "all",
        t.ON_HAND: rng.poisson(2.5 * level).astype(float), t.LEAD_TIME_DAYS: 14.0, t.REVIEW_PERIOD_DAYS: 7.0,
        t.ORDER_MULTIPLE: multiple, t.MIN_ORDER_QUANTITY: np.where(rng.random(n) < 1 / 3, 2 * multiple, 0.0),
        t.UNIT_COST: unit_cost, t.UNIT_PRICE: 1.6 * unit_cost, t.UNIT_VOLUME: rng.gamma(2, 0.01, n),
        t.HOLDING_COST: unit_cost * rng.uniform(0.003, 0.008, n), t.LOST_SALE_COST: 1.6 * unit_cost,
        t.BACKORDER_COST: unit_cost * rng.uniform(0.08, 0.25, n), t.END_VALUE: unit_cost * rng.uniform(0.8, 0.95, n),
        t.ORDER_COST: 0.0, t.STREAM: t.POOLED, t.MODEL: "made up", t.FAMILY: "negative_binomial",
        t.MEAN: list(mean), t.MEDIAN: list(mean), t.PARAMETERS: [list(one) for one in parameters],
        t.QUANTILES: [[np.full(n_levels, 0.0, np.float32)] * HORIZON] * n,
        t.DEPENDENCE: [np.full(HORIZON - 1, 0.1, np.float32)] * n, t.SEED: numbers + SEED,
    }  # fmt: skip
    return pd.DataFrame({str(column): known.get(column) for column in MADE}, index=range(n))


def prepare(spark: SparkSession, config: Config, n_series: int) -> Run:
    """Return a run whose jobs before the plan are committed."""
    run, n_levels = Run(spark, config, f"{n_series} made up"), len(config.forecast.quantiles)

    def make(frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        yield from (made_up(frame["id"], n_levels) for frame in frames)

    ddl = ", ".join(f"{column} {column.type}" for column in MADE)
    rows = spark.range(n_series, numPartitions=8).mapInPandas(make, ddl).persist(StorageLevel.DISK_ONLY)
    whole = rows.withColumn(t.BUCKET, bucket()).withColumn(t.AS_OF, F.lit(PLAN_DATE)).withColumn(t.CUTOFF, F.lit(CUTOFF))
    empty = {table: spark.createDataFrame([], table.without_run.ddl) for table in (t.OPEN_ORDERS, t.LIMITS)}
    for job in ("ingest", "forecast"):
        with run.claim(job, print):
            for table in (table for table, by in TABLES.items() if by == job):
                run.write(table, with_all(whole, table))
            for table, none in empty.items() if job == "ingest" else ():
                run.write(table, none)
            run.commit(job, cutoff=CUTOFF)
    rows.unpersist()
    return run


def with_all(rows: DataFrame, table: Table) -> DataFrame:
    """Return rows with the table's columns, null where they are not made up."""
    missing = [column for column in table.without_run.columns if str(column) not in rows.columns]
    return rows.select("*", *(F.lit(None).cast(column.type).alias(column) for column in missing))


def limits_from(run: Run, scale: float) -> dict[str, LimitRule]:
    """Return limits that are shares of what a plan without any uses, scaled up."""
    supply = run.read(t.SUPPLY, "ingest").select(t.SKU, t.SITE, t.UNIT_COST)
    volume = run.read(t.CATALOGUE, "ingest").select(t.SKU, t.UNIT_VOLUME)
    plan = run.read(t.PLAN, JOB).join(supply, [str(t.SKU), str(t.SITE)]).join(volume, str(t.SKU)).toPandas()
    money, stored = plan[t.ORDER_QUANTITY] * plan[t.UNIT_COST], plan[t.PROJECTED_ON_HAND] * plan[t.UNIT_VOLUME]
    by_supplier = plan.groupby(str(t.SUPPLIER))[t.ORDER_QUANTITY].sum() * scale * SHARES["capacity"]
    by_site = stored.groupby(plan[t.SITE]).sum() * scale * SHARES["volume"]
    given: dict[str, dict[str, object]] = {"budget": {"kind": "budget", "limit": money.sum() * scale * SHARES["budget"]}}
    given |= {
        name: {"kind": "capacity", "scope": "supplier", "scope_value": name, "limit": units}
        for name, units in by_supplier.items()
    }
    given |= {name: {"kind": "volume", "scope": "site", "scope_value": name, "limit": limit} for name, limit in by_site.items()}
    return {name: LimitRule.model_validate(rule | {"period": "horizon"}) for name, rule in given.items()}


def planned(spark: SparkSession, config: Config, n_series: int) -> tuple[Run, float]:
    """Return a run with its plan, and the seconds that the plan took."""
    run, progress = prepare(spark, config, n_series), Progress()
    began = time.perf_counter()
    with run.claim(JOB, progress.note):
        make_plan(run, PLAN_DATE, pd.DataFrame(), progress)
    return run, time.perf_counter() - began


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where the warehouse is made; default: a temporary one")
    parser.add_argument("--smoke", action="store_true", help="the smallest size that runs every part")
    asked = parser.parse_args()
    n_series = 400 if asked.smoke else asked.series
    with tempfile.TemporaryDirectory() as made:
        folder = asked.folder or Path(made)
        settings = [*SETTINGS, f"warehouse={folder}/warehouse", "spark.master=local[2]"]
        settings += ["spark.partitions=2", "spark.buckets_per_group=2048"] if asked.smoke else ["spark.partitions=8"]
        config = load_config(None, settings)
        spark = session(config.spark, "bench_plan_job")
        sample = min(SAMPLE, n_series)
        free, free_seconds = planned(spark, config, sample)
        limited = config.model_copy(update={"limits": limits_from(free, n_series / sample)})
        run, seconds = planned(spark, limited, n_series)
        certificates = run.read(t.CERTIFICATES, JOB).toPandas().set_index(str(t.LIMIT_NAME))
        whole, orders = certificates.loc["*"], run.read(t.ORDERS, JOB).count()
        report = {
            "series": n_series,
            "seconds": seconds,
            "seconds_without_limits_of_the_sample": free_seconds,
            "passes": int(whole[t.ITERATIONS]),
            "gap": float(whole[t.GAP]),
            "largest_violation": float(whole[t.LARGEST_VIOLATION]),
            "limits_that_bind": int((certificates[t.LIMIT_PRICE] > 0).sum()),
            "orders": orders,
            "driver_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        }
        spark.stop()
    for name, value in report.items():
        print(f"{name:40}{value:>20,.6g}")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
