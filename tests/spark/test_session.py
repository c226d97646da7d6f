"""The session carries the settings that results depend on."""

import os

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from replen.config import Spark
from replen.spark.session import laptop_options, required_options

SETTINGS = Spark(
    master=None, partitions=8, buckets_per_group=64, training_attempts=1, driver_memory="4g", settings={"spark.task.cpus": "3"}
)


def test_session_settings(spark: SparkSession) -> None:
    assert spark.conf.get("spark.sql.session.timeZone") == "UTC"
    assert spark.conf.get("spark.sql.shuffle.partitions") == "2"
    assert spark.conf.get("spark.sql.adaptive.coalescePartitions.enabled") == "false"
    assert spark.sparkContext.master == "local[2]"


def test_small_groups_stay_in_their_partitions(spark: SparkSession) -> None:
    assert spark.range(100).groupBy("id").count().rdd.getNumPartitions() == 2


def test_workers_see_one_thread_a_task(spark: SparkSession) -> None:
    def environment(frames):  # type: ignore[no-untyped-def]
        for frame in frames:
            yield pd.DataFrame({"threads": [os.environ["OMP_NUM_THREADS"]] * len(frame)})

    assert spark.range(1).mapInPandas(environment, "threads string").collect()[0].threads == "1"


def test_threads_follow_task_cpus_and_master_defaults_to_local() -> None:
    assert required_options(SETTINGS)["spark.executorEnv.OMP_NUM_THREADS"] == "3"
    assert laptop_options(SETTINGS)["spark.master"] == "local[*]"


@pytest.mark.parametrize("master", ["spark://host:7077", "yarn"])
def test_a_cluster_master_keeps_its_own_driver_address(master: str) -> None:
    assert "spark.driver.host" not in laptop_options(SETTINGS.model_copy(update={"master": master}))
