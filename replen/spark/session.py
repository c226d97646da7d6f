"""The Spark session: one place for every setting that a result or a stage depends on."""

import os
import sys
import tempfile
from pathlib import Path

from pyspark.sql import SparkSession

from replen import config

# Numeric libraries start a thread a core in every worker; a task has only its own cpus.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")

# By default arrays of some megabytes go back to the system when they are freed, and every new one is paged in again: up to a
# sixth of a plan's processor time. Beyond these sizes memory still goes back.
MEMORY = {"MALLOC_MMAP_THRESHOLD_": 32 * 2**20, "MALLOC_TRIM_THRESHOLD_": 256 * 2**20}

BATCH_BYTES = 32 * 2**20
"""Of rows that a Python worker gets at a time: some thousand series of two years of weeks."""


def session(settings: config.Spark, app_name: str) -> SparkSession:
    """Return the running session, or a new one; `spark.settings` of the configuration win over everything set here.

    Master, driver memory and UI are left to `spark-submit` where that started the process.
    """
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    submitted = "PYSPARK_GATEWAY_PORT" in os.environ
    options = required_options(settings) | ({} if submitted else laptop_options(settings)) | settings.settings
    builder = SparkSession.builder.appName(app_name)
    for key, value in options.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel(options["spark.log.level"])
    return spark


def required_options(settings: config.Spark) -> dict[str, str]:
    """Return what every run needs to give the same tables everywhere."""
    cpus = settings.settings.get("spark.task.cpus", "1")
    return {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(settings.partitions),
        # Merging partitions by their bytes would put a stage whose cost is Python time into one task.
        "spark.sql.adaptive.coalescePartitions.enabled": "false",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        # Files are cut for the work on their rows, which may be seconds for a few of their bytes; and so are batches.
        "spark.sql.files.minPartitionNum": str(settings.partitions),
        "spark.sql.execution.arrow.maxBytesPerBatch": str(BATCH_BYTES),
        "spark.sql.catalogImplementation": "in-memory",
        # The catalogue makes this folder though no table lives in it; by default in the working directory.
        "spark.sql.warehouse.dir": (Path(tempfile.gettempdir()) / "replen-spark-warehouse").as_uri(),
        # pandas writes its timestamps so; sources know what they mean.
        "spark.sql.legacy.parquet.nanosAsLong": "true",
        "spark.log.level": "ERROR",
    } | {f"spark.executorEnv.{name}": str(value) for name, value in {**dict.fromkeys(THREADS, cpus), **MEMORY}.items()}


def laptop_options(settings: config.Spark) -> dict[str, str]:
    """Return what is set only where no `spark-submit` has set it."""
    master = settings.master or "local[*]"
    loopback = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"} if master.startswith("local") else {}
    return loopback | {
        "spark.master": master,
        "spark.driver.memory": settings.driver_memory,
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        # What fails is raised; Spark would print each attempt of it beside.
        "spark.log.level": "FATAL",
    }
