"""Input tables -> `quality_checks`: freshness, completeness, plausibility, drift; a run whose data are too bad stops here.

spark-submit jobs/check_quality.py --config conf/cluster.yaml
"""

import datetime as dt

from pyspark.sql import SparkSession

import replen.tables as t
from replen.cli import job_main
from replen.config import Config
from replen.progress import Progress
from replen.quality.checks import measures
from replen.quality.report import counts
from replen.quality.verdict import STOP, WARN, breaches, judged, refuse_stopped, told
from replen.spark.quality import checks_of, facts_of, reference_of
from replen.spark.run import Committed, Run, open_run

JOB = "check_quality"


def run(spark: SparkSession, config: Config, progress: Progress) -> Committed:
    """Return the commit of `quality_checks`.

    Raises:
        QualityError: a check is above its threshold to stop; what was checked is committed all the same.
    """
    jobs = open_run(spark, config)
    with jobs.claim(JOB, progress.note) as found:
        done = found or check(jobs, progress)
    checks = checks_of(jobs)
    progress.note(f"data: {counts(checks)}")
    for level in (STOP, WARN):
        for breach in breaches(checks, level).to_dict("records"):
            progress.note(f"{level}: {told(breach)}")
    refuse_stopped(checks, config.quality)
    return done


def check(jobs: Run, progress: Progress) -> Committed:
    """Check the inputs against the thresholds and the run before, write and commit what came out."""
    cutoff = jobs.needed("ingest").cutoff
    reference = reference_of(jobs, cutoff)
    against = f"run {reference.run_id}, cutoff {reference.cutoff}" if reference else "no earlier run that came to orders"
    progress.note(f"compared with {against}")
    facts = facts_of(jobs, reference, dt.datetime.now(dt.UTC).date())
    rows = judged(measures(facts, reference, jobs.config.quality), jobs.config.quality)
    jobs.write(t.QUALITY_CHECKS, jobs.store.spark.createDataFrame(rows, t.QUALITY_CHECKS.without_run.nullable_ddl))
    return jobs.commit(JOB, cutoff=cutoff)


if __name__ == "__main__":
    job_main(JOB)
