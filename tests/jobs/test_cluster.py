"""The pipeline on a real standalone cluster, by spark-submit, with the package shipped as a zip."""

from pathlib import Path
from typing import TYPE_CHECKING

from tests.jobs.cluster import ROOT, standalone_cluster
from tests.jobs.conftest import CONF, Finished, small_config, tables_of
from tests.jobs.test_pipeline import assert_same_tables

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def test_a_cluster_writes_the_tables_of_a_laptop(
    spark: "SparkSession", finished: Finished, platform: Path, tmp_path: Path
) -> None:
    """Other numbers of partitions and of buckets a group, other machines: the same rows in every table."""
    sizes = ["spark.partitions=3", "spark.buckets_per_group=700"]
    config = small_config(tmp_path / "warehouse", platform, *sizes)
    paths = [f"warehouse={config.warehouse}", f"sources.path={platform}", f"orders.database={config.orders.database}"]
    arguments = ["--config", str(CONF / "test.yaml"), *(part for setting in [*paths, *sizes] for part in ("--set", setting))]
    with standalone_cluster(tmp_path) as cluster:
        submitted = cluster.submit(ROOT / "jobs/run_pipeline.py", arguments)
    assert submitted.returncode == 0, submitted.stdout[-4000:] + submitted.stderr[-4000:]
    assert "simple_rule" in submitted.stdout
    assert_same_tables(tables_of(spark, config), finished.tables)
