"""The main job on a real standalone cluster, the package shipped as a zip, with executors that die in its grouped stages."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tests.jobs.cluster import ROOT, standalone_cluster
from tests.jobs.conftest import CONF, Finished, finished, platform, small_config, tables_of  # noqa: F401  # fixtures
from tests.jobs.test_pipeline import assert_same_tables

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SOME = 4  # in CI one of so many stages


def test_a_cluster_that_loses_executors_writes_the_tables_of_a_laptop(
    spark: "SparkSession",
    finished: Finished,  # noqa: F811
    platform: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    """Other numbers of partitions and of buckets a group, other machines, tasks done again: the same rows in every table."""
    every = 1 if os.environ.get("REPLEN_FAULTS") == "all" else SOME
    sizes = ["spark.partitions=3", "spark.buckets_per_group=700"]
    config, markers = small_config(tmp_path / "warehouse", platform, *sizes), tmp_path / "markers"
    markers.mkdir()
    paths = [f"warehouse={config.warehouse}", f"sources.path={platform}", f"orders.database={config.orders.database}"]
    settings = [*paths, *sizes, "spark.settings={spark.task.maxFailures: '8'}"]
    arguments = ["--config", str(CONF / "test.yaml"), *(part for setting in settings for part in ("--set", setting))]
    with standalone_cluster(tmp_path) as cluster:
        done = cluster.submit(
            ROOT / "tests/faults/dying.py", [str(ROOT / "jobs/run_pipeline.py"), str(markers), str(every), *arguments]
        )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    killed = sorted(int(marker.name) for marker in markers.iterdir())
    assert len(killed) > 1, "no stage has killed an executor"
    assert_same_tables(tables_of(spark, config), finished.tables)
