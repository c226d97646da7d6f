"""A configuration that asks for as little as it may: one forecaster that is its own fallback, and nothing compared."""

from pathlib import Path
from typing import TYPE_CHECKING

import replen.tables as t
from jobs import build_features, compare, forecast, ingest, train
from replen.spark.run import open_run
from tests.jobs.conftest import QUIET, small_config

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SETTINGS = (
    "forecast.models=[lstm]", "forecast.fallback=[lstm]", "forecast.champion=lstm", "forecast.lstm.epochs=1",
    "evaluate.folds=0", "orders.database=null",
)  # fmt: skip


def test_one_forecaster_without_folds_trains_and_forecasts(spark: "SparkSession", platform: Path, tmp_path: Path) -> None:
    config = small_config(tmp_path, platform, *SETTINGS)
    for job in (ingest, build_features, train, forecast):
        job.run(spark, config, QUIET)
    jobs = open_run(spark, config)
    assert jobs.read(t.METRICS, "train").count() == 0
    forecasts = jobs.read(t.FORECASTS, "forecast").toPandas()
    assert set(forecasts[t.MODEL]) == {"lstm"}
    assert forecasts[t.MEAN].notna().any()
    assert "no folds" in compare.run(spark, config, QUIET)
