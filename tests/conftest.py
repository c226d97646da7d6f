"""Fixtures of all tests: one lazy Spark session, one server of each database, one Hypothesis profile."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

import replen.databases  # noqa: F401  # before TensorFlow, as it says there
from tests.servers import Server, mariadb, postgresql

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

settings.register_profile(
    "replen",
    deadline=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow],
    # The same examples every time, so that a failure means a change; REPLEN_FUZZ=10000 looks for new ones.
    derandomize="REPLEN_FUZZ" not in os.environ,
)
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


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Server]:
    """Return the one PostgreSQL server of the test run."""
    with postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[Server]:
    """Return the one MariaDB server of the test run."""
    with mariadb() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def database(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the setting that names an empty database, on each kind of server in turn (see `databases.database_url`)."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/orders.db"
    server: Server = request.getfixturevalue(f"{request.param}_server")
    monkeypatch.setenv("REPLEN_TEST_DATABASE", server.with_database(f"test_{secrets.token_hex(4)}").address)
    return "env:REPLEN_TEST_DATABASE"
