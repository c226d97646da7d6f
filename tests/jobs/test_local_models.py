"""Models of single series through the jobs: fitted in the grouped stage, kept as a table, forecast from it."""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

import replen.tables as t
from jobs import build_features, forecast, ingest, train
from replen.forecast.fit import LOCAL_LSTM
from replen.forecast.local_lstm.examples import TOO_SHORT, TOO_SPARSE
from replen.spark.run import open_run
from tests.jobs.conftest import QUIET, small_config

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

KEY = [str(column) for column in t.SERIES.key]
SETTINGS = ("forecast.models=[moving_average, local_lstm]", "forecast.champion=local_lstm", "orders.database=null")


@pytest.fixture(scope="module")
def tables(spark: "SparkSession", platform: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    config = small_config(tmp_path_factory.mktemp("local"), platform, *SETTINGS, "forecast.local_lstm.min_known=40")
    for job in (ingest, build_features, train, forecast):
        job.run(spark, config, QUIET)
    jobs = open_run(spark, config)
    made_by = {t.SERIES: "build_features", t.WEIGHTS: "train", t.METRICS: "train", t.FORECASTS: "forecast"}
    return {table.name: jobs.read(table, job).orderBy(*table.key).toPandas() for table, job in made_by.items()}


def test_every_active_series_has_weights_or_a_reason(tables: dict[str, pd.DataFrame]) -> None:
    weights, forecasts = tables["weights"], tables["forecasts"]
    assert not weights.duplicated(KEY).any()
    active = forecasts[forecasts[t.REASON] != t.INACTIVE]
    assert set(map(tuple, weights[KEY].to_numpy())) == set(map(tuple, active[KEY].to_numpy()))
    has_model = weights[t.MODEL_WEIGHTS].notna()
    assert has_model.mean() > 0.3
    assert (weights[t.REASON].isna() == has_model).all()
    assert set(weights[t.REASON][~has_model]) <= {TOO_SHORT, TOO_SPARSE}
    assert weights[t.MODEL_WEIGHTS][has_model].map(len).nunique() == 1


def test_forecasts_are_made_from_the_weights_and_fall_back_without(tables: dict[str, pd.DataFrame]) -> None:
    made = tables["forecasts"].merge(tables["weights"][[*KEY, t.MODEL_WEIGHTS]], on=KEY)
    own = made[t.MODEL_WEIGHTS].notna()
    assert set(made[t.MODEL][own]) == {LOCAL_LSTM}
    assert made[t.REASON][own].isna().all()
    assert set(made[t.MODEL][~own]) == {"moving_average"}
    assert made[t.REASON][~own].str.contains("model of its own").all()
    assert made[t.MEAN].notna().all()


def test_the_backtest_scores_the_models_of_each_fold(tables: dict[str, pd.DataFrame]) -> None:
    scores = tables["metrics"].set_index([str(name) for name in (t.MODEL, t.FOLD, t.SEGMENT, t.METRIC)])[t.VALUE]
    local, average = (scores.loc[model, "all", "all", "pinball"] for model in (LOCAL_LSTM, "moving_average"))
    assert local != average, "with no weights at a fold every series would fall back"
    assert local < 3 * average
