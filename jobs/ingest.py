"""Outside data -> typed, cleaned tables and the `quality` report of everything changed or refused.

spark-submit jobs/ingest.py --config conf/cluster.yaml --set sources.path=/data/shop
"""

import datetime as dt

from pyspark.sql import SparkSession

import replen.tables as t
from replen.cli import job_main
from replen.config import Config, Sources
from replen.progress import Progress
from replen.sources.ingest import ingest, read_sources
from replen.sources.landing import land
from replen.spark.run import Committed, Run, open_run

JOB = "ingest"


def run(spark: SparkSession, config: Config, progress: Progress) -> Committed:
    """Return the commit of all input tables and `quality`."""
    today = dt.datetime.now(dt.UTC).date()
    sources = land(spark, config.sources, config.warehouse, today=today, note=progress.note)
    jobs = open_run(spark, config)
    with jobs.claim(JOB, progress.note) as done:
        return done or read_in(jobs, sources, today, progress)


def read_in(jobs: Run, sources: Sources, today: dt.date, progress: Progress) -> Committed:
    """Read outside data, tables of databases from where they have landed, write the tables, commit them."""
    config = jobs.config
    given = read_sources(
        jobs.store.spark,
        sources,
        freq=config.freq,
        cutoff=config.cutoff,
        currency=config.currency,
        rates=config.rates,
        today=today,
    )
    read = ingest(given, write=jobs.write)
    for assumption in read.assumptions:
        progress.note(f"assumed: {assumption}")
    jobs.write(t.QUALITY, read.quality)
    jobs.store.spark.catalog.clearCache()  # what was looked at several times
    return jobs.commit(JOB, cutoff=read.cutoff)


if __name__ == "__main__":
    job_main(JOB)
