"""From raw sales to orders in Parquet and PostgreSQL, stage by stage: the whole chain at a size that is asked for.

python tests/benchmarks/bench_end_to_end.py --series 100000 [--weeks 104] [--workers 2] [--skew] [--until build_features]
    [--folder DIR] [--set KEY=VALUE]

A platform is generated before the clock starts: half as many SKUs as series, at two sites, sold through one channel, without
signals of behaviour, as plain Parquet files. Timed are the jobs that a night has: ingest, check_quality, build_features, train,
forecast (13 weeks, with quantiles and what joint sample paths are drawn from), and plan_orders twice: without limits; then with
a budget and a capacity for each of 20 suppliers, shares of what the first plan uses, its orders written to an empty database of
a PostgreSQL server too. local[2], or with --workers a standalone cluster of so many workers of one core each and the driver
beside them. --weeks: folds that so short a history does not have are left out (without any the moving average forecasts), and
below 6 the network, which learns from more. --skew: one series in a hundred has a hundred times the sales rows, and there is
no dirt (see skewed.py).

The last line is JSON; with every stage: seconds and core-seconds, GiB of the largest process of each kind, bytes that Spark
read, shuffled and wrote. The total leaves out generation and the plan without limits.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pandas as pd
import sqlalchemy as sa
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

import replen.tables as t
from jobs import build_features, check_quality, forecast, ingest, plan_orders, train
from replen.config import Config, LimitRule
from replen.forecast.lstm.batches import MIN_POSITION
from replen.orders.upgrade import upgrade
from replen.sources.generator import ensure_generated
from replen.spark.run import Run, open_run
from replen.spark.session import session
from tests.benchmarks.generated import configured
from tests.benchmarks.skewed import count_raw_rows, fingerprint, skewed
from tests.benchmarks.usage import Moved, Recorded, Stage, event_log, moved
from tests.jobs.cluster import ROOT, Cluster, standalone_cluster
from tests.servers import postgresql

NETWORK_WEEKS = MIN_POSITION + 2
HORIZON, BUDGET, CAPACITY = 13, 0.85, 0.9
MODELS = ("seasonal_naive", "moving_average", "lstm")
BEFORE = (ingest, check_quality, build_features, train, forecast)
GENERATE, FREE = "generate", "plan_orders, no limits"
TOTAL = (*(job.JOB for job in BEFORE), plan_orders.JOB)
SETTINGS = [
    "sources.generator.channels=[web]",
    "sources.generator.n_suppliers=20",
    "sources.generator.behaviour=false",
    f"forecast.horizon={HORIZON}",
    f"plan.horizon={HORIZON}",
    "plan.unmet_demand=waits",
]
LOOPBACK, WORKER_MEMORY = "127.0.0.1", "4g"
KINDS = ("driver", "jvm", "worker")
MIB = 2**20


def limits_from(run: Run) -> dict[str, LimitRule]:
    """Return a budget and capacities by supplier that are shares of what the plan of a run uses over its horizon."""
    costs = run.read(t.SUPPLY, "ingest").select(t.SKU, t.SITE, t.SUPPLIER, t.UNIT_COST)
    plan = run.read(t.PLAN, plan_orders.JOB).join(costs, [str(t.SKU), str(t.SITE), str(t.SUPPLIER)])
    money, units = F.sum(F.col(t.ORDER_QUANTITY) * F.col(t.UNIT_COST)), F.sum(t.ORDER_QUANTITY)
    used = plan.groupBy(t.SUPPLIER).agg(money.alias("money"), units.alias("units")).toPandas()
    given: dict[str, dict[str, object]] = {"budget": {"kind": "budget", "limit": BUDGET * used["money"].sum()}}
    for name, total in zip(used[t.SUPPLIER], used["units"], strict=True):
        given[name] = {"kind": "capacity", "scope": "supplier", "scope_value": name, "limit": CAPACITY * total}
    return {name: LimitRule.model_validate(rule | {"period": "horizon"}) for name, rule in given.items()}


def before_plans(spark: SparkSession, config: Config, progress: Recorded, *, until: str) -> Run:
    """Generate and do every job up to and with one, each a stage of its own, and return the run."""
    with progress.stage(GENERATE):
        ensure_generated(spark, config.sources, freq=config.freq, seed=config.seed)
    for job in BEFORE[: [job.JOB for job in BEFORE].index(until) + 1]:
        with progress.stage(job.JOB):
            job.run(spark, config, progress)
    return open_run(spark, config)


def plans(spark: SparkSession, config: Config, database: str, progress: Recorded) -> Run:
    """Plan without limits and with them, each a stage of its own, and return the run of the plan with limits."""
    with progress.stage(FREE):
        plan_orders.run(spark, config, progress)
    limits = limits_from(open_run(spark, config))
    orders = config.orders.model_copy(update={"database": database})
    limited = config.model_copy(update={"limits": limits, "orders": orders})
    with progress.stage(plan_orders.JOB):
        plan_orders.run(spark, limited, progress)
    return open_run(spark, limited)


def counted_series(run: Run) -> dict[str, float]:
    """Return what went in and the series that came of it."""
    series = run.read(t.SERIES, "build_features")
    sales_rows = run.read(t.SALES, "ingest").count()
    counts = {"sales_rows": sales_rows, "n_raw_rows": count_raw_rows(run.store.spark, run.config.sources)}
    return counts | {"n_series": series.count(), "fingerprint": fingerprint(series)}


def counted(run: Run) -> dict[str, float]:
    """Return what came out."""
    whole = run.read(t.CERTIFICATES, plan_orders.JOB).where(F.col(t.LIMIT_NAME) == "*").toPandas().iloc[0]
    return {
        "n_forecasts": run.read(t.FORECASTS, "forecast").count(),
        "n_planned": run.needed(plan_orders.JOB).counts["planned"],
        "n_orders": run.read(t.ORDERS, plan_orders.JOB).count(),
        "passes": int(whole[t.ITERATIONS]),
        "gap": float(whole[t.GAP]),
        "largest_violation": float(whole[t.LARGEST_VIOLATION]),
    }


def table(stages: Sequence[Stage], bytes_moved: Sequence[Moved]) -> pd.DataFrame:
    """Return one row a stage."""
    rows = [
        {"stage": stage.name, "seconds": stage.seconds, "core_seconds": stage.core_seconds}
        | {f"{kind}_gib": stage.gib.get(kind, 0.0) for kind in KINDS}
        | {"read_mib": one.read / MIB, "shuffled_mib": one.shuffled / MIB, "written_mib": one.written / MIB}
        for stage, one in zip(stages, bytes_moved, strict=True)
    ]
    return pd.DataFrame(rows).set_index("stage").round(2)


def rates(stages: pd.DataFrame, counts: dict[str, float]) -> dict[str, float]:
    """Return rows or series a second of the stages that have a target."""
    seconds, n_series = stages["seconds"], counts["n_series"]
    to_series = seconds["ingest"] + seconds["build_features"]
    database = [name for name in seconds.index if name.endswith(plan_orders.TO_DATABASE)]
    return {
        "sales_rows_to_series": counts["sales_rows"] / to_series,
        "series_forecast": n_series / seconds["forecast"],
        "series_planned": n_series / (seconds[plan_orders.JOB] - seconds[database].sum()),
        "series_planned_without_limits": n_series / seconds[FREE],
        "orders_to_database": counts["n_orders"] / seconds[database].sum(),
    }


def with_history(config: Config, weeks: int) -> Config:
    """Return the configuration with the folds and forecasters that so short a history allows; without folds one is named."""
    evaluate, asked = config.evaluate, config.forecast
    folds = min(evaluate.folds, max(weeks - asked.min_history, 0) // evaluate.horizon)
    models = tuple(model for model in asked.models if model != "lstm" or weeks >= NETWORK_WEEKS)
    named = {} if folds or asked.champion != "best" else {"champion": asked.fallback[0]}
    sections = {
        "evaluate": evaluate.model_copy(update={"folds": folds}),
        "forecast": asked.model_copy(update={"models": models, **named}),
    }
    return config.model_copy(update=sections)


def on_cluster(cluster: Cluster) -> dict[str, str]:
    """Return the Spark settings of a session on a cluster of this machine; its workers import what this process does."""
    os.environ["SPARK_LOCAL_IP"] = LOOPBACK
    return {
        "spark.master": cluster.master,
        "spark.driver.host": LOOPBACK,
        "spark.executor.memory": WORKER_MEMORY,
        "spark.executorEnv.PYTHONPATH": str(ROOT),
    }


def configure(asked: argparse.Namespace, folder: Path, stack: ExitStack) -> Config:
    """Return the configuration of what is asked for; a cluster that it needs ends with the stack."""
    clean = ["sources.generator.dirt_share=0"] if asked.skew else []
    settings = [*SETTINGS, f"sources.generator.n_periods={asked.weeks}", *clean, *asked.settings]
    config = configured("bench_end_to_end", folder, n_series=asked.series, models=MODELS, settings=settings)
    of_spark = config.spark.settings | event_log(folder / "events")
    if asked.workers:
        cluster = stack.enter_context(standalone_cluster(folder, workers=asked.workers, memory=WORKER_MEMORY))
        of_spark |= on_cluster(cluster)
    config = config.model_copy(update={"spark": config.spark.model_copy(update={"settings": of_spark})})
    return with_history(config, config.sources.generator.n_periods)


def order_database(stack: ExitStack) -> str:
    """Return the URL of an empty order database, whose server ends with the stack."""
    server = stack.enter_context(postgresql())
    os.environ["BENCH_ORDERS"] = server.address
    upgrade(sa.create_engine(server.url))
    return "env:BENCH_ORDERS"


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=100_000)
    parser.add_argument("--weeks", type=int, default=104)
    parser.add_argument("--workers", type=int, default=0, help="of a standalone cluster; 0 = local[2]")
    parser.add_argument("--skew", action="store_true")
    parser.add_argument("--until", choices=[job.JOB for job in BEFORE], help="last job that is done; default: all are")
    parser.add_argument("--folder", type=Path, help="keeps platform and warehouse; default: a temporary one")
    parser.add_argument("--set", action="append", default=[], dest="settings")
    asked = parser.parse_args()
    with ExitStack() as stack:
        folder = asked.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        config = configure(asked, folder, stack)
        database = order_database(stack) if asked.until is None else None
        spark, progress = session(config.spark, config.name), Recorded()
        config = skewed(spark, config) if asked.skew else config
        counts = counted_series(before_plans(spark, config, progress, until=asked.until or BEFORE[-1].JOB))
        if database is not None:
            counts |= counted(plans(spark, config, database, progress))
        spark.stop()
        stages = table(progress.stages, moved(folder / "events", progress.stages))
    total = stages.loc[stages.index.isin(TOTAL), ["seconds", "core_seconds"]].sum().round(1).to_dict()
    print(stages.to_string())
    asked_for = {"weeks": asked.weeks, "workers": asked.workers, "skew": asked.skew}
    found = {"total": total, "a_second": rates(stages, counts) if database else {}, "stages": stages.to_dict("index")}
    print(json.dumps({"benchmark": "end_to_end", "seed": config.seed} | asked_for | counts | found))


if __name__ == "__main__":
    main()
