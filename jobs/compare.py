"""The forecasters of a run beside each other: metrics, seconds, champion and challenger with the reason. Writes nothing.

spark-submit jobs/compare.py --config conf/cluster.yaml
"""

from pyspark.sql import SparkSession

import replen.tables as t
from replen.cli import job_main
from replen.config import Config
from replen.features.segments import ALL
from replen.model_table import comparison
from replen.progress import Progress
from replen.sources.generator import as_files
from replen.sources.landing import identities
from replen.sources.locate import fingerprint
from replen.spark.run import Run


def run(spark: SparkSession, config: Config, progress: Progress, *, by: str = ALL) -> str:
    """Return the comparison of the run's forecasters, a table for each segment of the kind `by`.

    Raises:
        TableError: nothing is trained yet for this configuration, these inputs and this code.
    """
    jobs = Run(spark, config, fingerprint(as_files(config.sources), identities(config.sources, config.warehouse)))
    cutoff = jobs.needed("train").cutoff
    metrics, models = (jobs.read(table, "train").toPandas() for table in (t.METRICS, t.MODELS))
    head = f"{config.name}, {jobs.run_id}, cutoff {cutoff}"
    return "\n".join([head, *comparison(config, metrics, models, by=by)])


if __name__ == "__main__":
    job_main("compare")
