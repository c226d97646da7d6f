"""One run of the whole pipeline on a small generated platform, which all tests of jobs look at."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

import replen.tables as t
from jobs import run_pipeline
from replen.config import Config
from replen.overlays import load_config
from replen.progress import Progress
from replen.spark.keys import JOBS
from replen.spark.run import open_run

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CONF = Path(__file__).parents[2] / "conf"
QUIET = Progress(None)
WRITTEN_BY = {
    "ingest": (*t.INPUTS, t.QUALITY),
    "check_quality": (t.QUALITY_CHECKS,),
    "build_features": (t.SERIES,),
    "train": (t.MODELS, t.METRICS),
    "forecast": (t.FORECASTS,),
    "plan_orders": (t.PLAN, t.ORDERS, t.EXPLANATIONS, t.EXCEPTIONS, t.CERTIFICATES, t.POLICIES),
}


@dataclass(frozen=True)
class Finished:
    """A finished run: its configuration, its summary and all its tables."""

    config: Config
    summary: str
    tables: dict[str, pd.DataFrame]


def small_config(folder: Path, platform: Path, *settings: str) -> Config:
    paths = [f"warehouse={folder}", f"sources.path={platform}", f"orders.database=sqlite:///{folder}/orders.db"]
    return load_config(CONF / "test.yaml", [*paths, *settings])


def tables_of(spark: "SparkSession", config: Config) -> dict[str, pd.DataFrame]:
    """Return every table of a run, rows in the order of their keys, as plain values."""
    jobs = open_run(spark, config)
    assert set(WRITTEN_BY) == set(JOBS)
    frames = {}
    for job, tables in WRITTEN_BY.items():
        for table in tables:
            rows = jobs.read(table, job)
            frames[table.name] = rows.orderBy(*table.key).toPandas()
    return frames


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that the generator writes to, once for all tests."""
    return tmp_path_factory.mktemp("data") / "platform"


@pytest.fixture(scope="session")
def finished(spark: "SparkSession", platform: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Return an undisturbed run."""
    config = small_config(tmp_path_factory.mktemp("warehouse"), platform)
    summary = run_pipeline.run(spark, config, QUIET)
    return Finished(config, summary, tables_of(spark, config))
