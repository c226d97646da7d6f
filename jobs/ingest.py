"""Outside data -> typed, cleaned tables and the `quality` report of everything changed or refused.

spark-submit jobs/ingest.py --config conf/cluster.yaml --set sources.path=/data/shop
"""

from pyspark.sql import SparkSession

import replen.tables as t
from replen.cli import job_main
from replen.config import Config
from replen.progress import Progress
from replen.sources.ingest import ingest
from replen.spark.run import Committed, Run, open_run

JOB = "ingest"


def run(spark: SparkSession, config: Config, progress: Progress) -> Committed:
    """Return the commit of all input tables and `quality`."""
    jobs = open_run(spark, config)
    with jobs.claim(JOB, progress.note) as done:
        return done or read_in(jobs, progress)


def read_in(jobs: Run, progress: Progress) -> Committed:
    """Read outside data, write the tables, commit them."""
    config = jobs.config
    read = ingest(
        jobs.store.spark,
        config.sources,
        freq=config.freq,
        cutoff=config.cutoff,
        currency=config.currency,
        rates=config.rates,
    )
    for assumption in read.assumptions:
        progress.note(f"assumed: {assumption}")
    for table in t.INPUTS:
        jobs.write(table, read.tables[table.name])
    jobs.write(t.QUALITY, read.quality)
    return jobs.commit(JOB, cutoff=read.cutoff)


if __name__ == "__main__":
    job_main(JOB)
