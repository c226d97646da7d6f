"""The members in one run on Spark (but ARIMA, which takes long), a blend of two of them as the champion that plans."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import replen.tables as t
from jobs import run_pipeline
from tests.jobs.conftest import QUIET, Finished, small_config, tables_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

MEMBERS = ["moving_average", "ets", "croston", "tsb", "linear", "ridge", "polynomial", "lightgbm", "blend"]


@pytest.fixture(scope="module")
def members(spark: "SparkSession", platform: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    config = small_config(
        tmp_path_factory.mktemp("members"),
        platform,
        f"forecast.models=[{', '.join(MEMBERS)}]",
        "forecast.blend.weights={polynomial: 2, tsb: 1}",
        "forecast.champion=blend",
    )
    summary = run_pipeline.run(spark, config, QUIET)
    return Finished(config, summary, tables_of(spark, config))


def test_every_member_is_scored_on_the_same_periods(members: Finished) -> None:
    metrics = members.tables["metrics"]
    overall = metrics[(metrics[t.SEGMENT] == "all") & (metrics[t.FOLD] == "all")]
    by_model = overall.pivot(index=str(t.MODEL), columns=str(t.METRIC), values=str(t.VALUE))
    assert set(by_model.index) == set(MEMBERS)
    assert by_model["n"].nunique() == 1
    assert (by_model["n_missing"] == 0).all()
    assert (by_model["wape"] < 1.5).all()


def test_the_blend_plans_and_its_members_are_fetched_with_it(members: Finished) -> None:
    forecasts = members.tables["forecasts"]
    made = forecasts[forecasts[t.MEAN].notna()]
    assert set(forecasts[t.MODEL]) == {"blend"}
    assert np.isfinite(np.stack(made[t.MEAN])).all()
    models = members.tables["models"].set_index(str(t.MODEL))
    champions = [model for model, reasons in models[t.CHAMPION_OF].items() if "all" in dict(reasons or ())]
    assert champions == ["blend"]
    assert set(models.index) == set(MEMBERS)
    assert len(members.tables["orders"])
