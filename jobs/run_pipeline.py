"""The main job: sales, stock and supply in, order tables out; jobs already committed are not done again.

spark-submit jobs/run_pipeline.py --config conf/cluster.yaml
"""

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

import replen.tables as t
from jobs import build_features, check_quality, forecast, ingest, plan_orders, train
from replen.cli import job_main
from replen.config import Config
from replen.progress import Progress
from replen.spark.quality import checks_of
from replen.spark.run import Run, open_run
from replen.summary import Outcome, summary

PIPELINE = (ingest, check_quality, build_features, train, forecast, plan_orders)


def run(spark: SparkSession, config: Config, progress: Progress) -> str:
    """Run what is not committed yet and return the summary."""
    for number, job in enumerate(PIPELINE, start=1):
        with progress.stage(f"[{number}/{len(PIPELINE)}] {job.JOB}"):
            job.run(spark, config, progress)
    return summary(config, outcome(open_run(spark, config)))


def outcome(jobs: Run) -> Outcome:
    """Return what the run came to, read from its committed tables."""
    orders = jobs.read(t.ORDERS, "plan_orders").agg(F.count("*"), F.sum(t.ORDER_QUANTITY), F.sum(t.VALUE))
    number = F.count("*").alias("number")
    exceptions = jobs.read(t.EXCEPTIONS, "plan_orders").groupBy(t.KIND, t.SEVERITY).agg(number, F.sum(t.VALUE_AT_RISK))
    quality = jobs.read(t.QUALITY, "ingest").groupBy(t.TABLE, t.RULE).agg(F.sum(t.N_ROWS).alias("number"))
    commits = {job.JOB: jobs.needed(job.JOB) for job in PIPELINE}
    return Outcome(
        run_id=jobs.run_id,
        cutoff=commits[train.JOB].cutoff,
        counts={job: commit.counts for job, commit in commits.items()},
        metrics=jobs.read(t.METRICS, train.JOB).toPandas(),
        models=jobs.read(t.MODELS, train.JOB).toPandas(),
        policies=jobs.read(t.POLICIES, plan_orders.JOB).toPandas(),
        certificates=jobs.read(t.CERTIFICATES, plan_orders.JOB).toPandas(),
        orders=orders.toPandas(),
        exceptions=exceptions.orderBy(F.desc("number")).toPandas(),
        checks=checks_of(jobs),
        quality=quality.orderBy(t.TABLE, F.desc("number")).toPandas(),
    )


if __name__ == "__main__":
    job_main("run_pipeline")
