"""What a night costs after the first: a whole run, the next period, and that period again with corrections.

python tests/benchmarks/bench_night.py --series 10000 [--weeks 104] [--nights 3] [--folder DIR] [--set KEY=VALUE]

Three nights of one generated platform and one warehouse, that of `bench_end_to_end.py` without limits:

* first: the platform as it was a week ago; every job does all of its work.
* next_period: the platform. Every series has a week more, so all are assembled and forecast; the models are kept.
* corrected: the same week, sales of one series in a hundred corrected. Only those are assembled and forecast; the models are
  kept.

Every night reads its input whole, checks it and plans every series. Data are made before the clock starts; what Java and
Spark compile on first use is in the first night's time alone. The last line is JSON: seconds and core-seconds
by night and job, and the core-seconds of each night as a share of the first.
"""

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import pandas as pd
from pyspark.sql import SparkSession

from jobs import plan_orders
from replen.config import Config
from replen.spark.session import session
from tests.benchmarks.bench_end_to_end import BEFORE, MODELS, SETTINGS, with_history
from tests.benchmarks.generated import configured
from tests.benchmarks.nights import corrected, period_before
from tests.benchmarks.usage import Recorded, Stage

FIRST = "first"
JOBS = (*BEFORE, plan_orders)
KEEP = "forecast.retrain_after_periods=4"
MEASURED = ["seconds", "core_seconds"]


def nights_of(spark: SparkSession, config: Config, folder: Path) -> dict[str, Config]:
    """Return the configurations of the nights, their data written."""
    return {
        FIRST: period_before(spark, config, folder / "before"),
        "next_period": config,
        "corrected": corrected(spark, config, folder / "corrected"),
    }


def work(spark: SparkSession, nights: Mapping[str, Config], progress: Recorded) -> None:
    """Do every job of every night, each a stage of its own."""
    for name, config in nights.items():
        with progress.stage(name):
            for job in JOBS:
                with progress.stage(job.JOB):
                    job.run(spark, config, progress)


def by_night(stages: Sequence[Stage]) -> pd.DataFrame:
    """Return seconds and core-seconds, one row a night and job."""
    names = [job.JOB for job in JOBS]
    rows = [(*stage.name.split(" > "), stage.seconds, stage.core_seconds) for stage in stages if stage.name.count(" > ") == 1]
    table = pd.DataFrame(rows, columns=["night", "job", *MEASURED])
    return table[table["job"].isin(names)].set_index(["night", "job"]).round(1)


def found(table: pd.DataFrame) -> dict[str, dict[str, object]]:
    """Return what each night took, and its share of the first."""
    totals = table.groupby("night", sort=False).sum().round(1)
    first = totals.loc[FIRST, "core_seconds"]
    return {
        str(night): {
            **total.to_dict(),
            "share_of_first": round(total["core_seconds"] / first, 3),
            "jobs": table.loc[night].to_dict("index"),
        }
        for night, total in totals.iterrows()
    }


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--weeks", type=int, default=104)
    parser.add_argument("--nights", type=int, default=3, choices=[2, 3], help="of those above, the first ones")
    parser.add_argument("--folder", type=Path, help="keeps platform and warehouse; default: a temporary one")
    parser.add_argument("--set", action="append", default=[], dest="settings")
    asked = parser.parse_args()
    with ExitStack() as stack:
        folder = asked.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        settings = [*SETTINGS, KEEP, f"sources.generator.n_periods={asked.weeks}", *asked.settings]
        config = configured("bench_night", folder, n_series=asked.series, models=MODELS, settings=settings)
        config = with_history(config, config.sources.generator.n_periods - 1)
        spark, progress = session(config.spark, config.name), Recorded()
        work(spark, dict(islice(nights_of(spark, config, folder).items(), asked.nights)), progress)
        spark.stop()
    table = by_night(progress.stages)
    print(table.to_string())
    print(json.dumps({"benchmark": "night", "series": asked.series, "weeks": asked.weeks, "nights": found(table)}))


if __name__ == "__main__":
    main()
