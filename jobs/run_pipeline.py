"""The main job: sales, stock and supply in, order tables out; jobs already committed are not done again.

spark-submit jobs/run_pipeline.py --config conf/cluster.yaml
"""

from collections.abc import Mapping

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

import replen.tables as t
from jobs import build_features, check_quality, forecast, ingest, plan_orders, train
from replen.cli import job_main
from replen.config import Config
from replen.progress import Progress
from replen.spark.run import Committed, Run, open_run
from replen.summary import Outcome, summary

PIPELINE = (ingest, check_quality, build_features, train, forecast, plan_orders)


def run(spark: SparkSession, config: Config, progress: Progress) -> str:
    """Run what is not committed yet and return the summary."""
    commits = {}
    for number, job in enumerate(PIPELINE, start=1):
        with progress.stage(f"[{number}/{len(PIPELINE)}] {job.JOB}"):
            commits[job.JOB] = job.run(spark, config, progress)
    return summary(config, outcome(open_run(spark, config), commits))


def outcome(jobs: Run, commits: Mapping[str, Committed]) -> Outcome:
    """Return what the run came to, read from the tables of its commits, by job."""
    planned = commits[plan_orders.JOB]
    orders = jobs.read_of(planned, t.ORDERS).agg(F.count("*"), F.sum(t.ORDER_QUANTITY), F.sum(t.VALUE))
    number = F.count("*").alias("number")
    exceptions = jobs.read_of(planned, t.EXCEPTIONS).groupBy(t.KIND, t.SEVERITY).agg(number, F.sum(t.VALUE_AT_RISK))
    quality = jobs.read_of(commits[ingest.JOB], t.QUALITY).groupBy(t.TABLE, t.RULE).agg(F.sum(t.N_ROWS).alias("number"))
    return Outcome(
        run_id=planned.producer,
        cutoff=planned.cutoff,
        counts={job: commit.counts for job, commit in commits.items()},
        metrics=jobs.read_of(commits[train.JOB], t.METRICS).toPandas(),
        models=jobs.read_of(commits[train.JOB], t.MODELS).toPandas(),
        policies=jobs.read_of(planned, t.POLICIES).toPandas(),
        certificates=jobs.read_of(planned, t.CERTIFICATES).toPandas(),
        orders=orders.toPandas(),
        exceptions=exceptions.orderBy(F.desc("number")).toPandas(),
        checks=jobs.read_of(commits[check_quality.JOB], t.QUALITY_CHECKS).toPandas(),
        quality=quality.orderBy(t.TABLE, F.desc("number")).toPandas(),
    )


if __name__ == "__main__":
    job_main("run_pipeline")
