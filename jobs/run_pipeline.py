"""The main job: sales, stock and supply in, order tables out; jobs already committed are not done again.

spark-submit jobs/run_pipeline.py --config conf/cluster.yaml
"""

from pyspark.sql import SparkSession
from replen.summary import summary

from jobs import build_features, forecast, ingest, plan_orders, train
from replen.cli import job_main
from replen.config import Config
from replen.progress import Progress
from replen.spark.run import open_run

PIPELINE = (ingest, build_features, train, forecast, plan_orders)


def run(spark: SparkSession, config: Config, progress: Progress) -> str:
    """Run what is not committed yet and return the summary."""
    for number, job in enumerate(PIPELINE, start=1):
        with progress.stage(f"[{number}/{len(PIPELINE)}] {job.JOB}"):
            commit = job.run(spark, config, progress)
            progress.note(", ".join(f"{name} {count:,}" for name, count in sorted(commit.counts.items()) if count))
    return summary(open_run(spark, config))


if __name__ == "__main__":
    job_main("run_pipeline")
