"""Fixtures of all tests: one lazy Spark session, one Hypothesis profile."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

settings.register_profile("replen", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("replen")


@pytest.fixture(scope="session")
def spark() -> "Iterator[SparkSession]":
    """Return the one session of the test run; the JVM starts with the first test that asks for it."""
    from replen.config import Spark
    from replen.spark.session import session

    settings = Spark(
        master="local[2]", partitions=2, buckets_per_group=2048, training_attempts=1, driver_memory="1g", settings={}
    )
    running = session(settings, "replen tests")
    yield running
    running.stop()
