"""Policies played over the folds of a small run: table, MLflow, text, and a setting chosen on the windows before the last."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from mlflow import MlflowClient

import replen.tables as t
from jobs import build_features, forecast, ingest, simulate, train
from replen.config import Config
from replen.errors import ConfigError
from replen.evaluate.simulations import CONFIGURED
from replen.features.segments import ALL
from replen.registry_names import fold_folder
from replen.spark.keys import SIMULATE
from replen.spark.run import Run, open_run
from replen.tracking import FAMILY_TAG, POLICY_TAG
from tests.jobs.conftest import QUIET, small_config

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun
    from pyspark.sql import SparkSession

SETTINGS = (
    "forecast.models=[moving_average]", "evaluate.folds=2", "orders.database=null", "simulate.series=40",
    "simulate.policies=[hybrid]", "simulate.tune.policies=[fixed_cycle]",
    "simulate.tune.targets={critical_ratio: [], cycle_service_level: [0.5, 0.9]}",
)  # fmt: skip
POLICIES = {"program", "hybrid"}


@dataclass(frozen=True)
class Simulated:
    """What a simulation left."""

    config: Config
    jobs: Run
    text: str
    rows: pd.DataFrame
    client: MlflowClient

    def run_of(self, policy: str) -> "MlflowRun":
        experiment = self.client.get_experiment_by_name(self.config.tracking.experiment)
        (run,) = self.client.search_runs([experiment.experiment_id], f"tags.`{POLICY_TAG}` = '{policy}'")
        return run


@pytest.fixture(scope="module")
def simulated(spark: "SparkSession", platform: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulated]:
    config = small_config(tmp_path_factory.mktemp("simulated"), platform, *SETTINGS)
    for job in (ingest, build_features, train, forecast):
        job.run(spark, config, QUIET)
    text = simulate.run(spark, config, QUIET)
    jobs = open_run(spark, config)
    rows = jobs.read(t.SIMULATIONS, SIMULATE).toPandas()
    yield Simulated(config, jobs, text, rows, MlflowClient(f"sqlite:///{config.warehouse}/mlflow/mlflow.db"))


def overall(simulated: Simulated) -> pd.DataFrame:
    rows = simulated.rows
    return rows[(rows[t.WINDOW] == ALL) & (rows[t.SEGMENT] == ALL)].set_index(str(t.POLICY))


def test_every_policy_has_every_measure_in_every_window_and_segment(simulated: Simulated) -> None:
    rows, whole = simulated.rows, overall(simulated)
    assert not rows.duplicated([*t.SIMULATIONS.key]).any()
    assert set(whole.index) == POLICIES
    assert rows[t.WINDOW].nunique() == 2 + 1
    assert {segment.split("=")[0] for segment in rows[t.SEGMENT]} == {ALL, *simulated.config.evaluate.segments}
    assert whole[[*t.PLAYED, t.FILL_RATE, t.TURNS]].notna().all(axis=None)
    parts = whole[[t.PURCHASE, t.LINE_COST, t.HOLDING, t.SHORTAGE]].sum(axis=1) - whole[t.LEFT_VALUE]
    assert whole[t.COST].to_numpy() == pytest.approx(parts.to_numpy())
    assert whole[t.DEMAND].nunique() == 1, "all policies meet the same sales"
    assert whole[t.COST].nunique() == len(POLICIES)


def test_series_played_and_left_out_add_up(simulated: Simulated) -> None:
    counts = simulated.jobs.needed(SIMULATE).counts
    told = sum(count for name, count in counts.items() if name == "played" or name.startswith("not played: "))
    assert told == simulated.config.simulate.series * 2
    assert counts["played"] == overall(simulated).loc["program", t.N_PLAYED] > 0


def test_the_configured_policy_is_what_others_are_held_against(simulated: Simulated) -> None:
    whole = overall(simulated)
    assert pd.isna(whole.loc["program", t.COST_DIFFERENCE])
    other = whole.loc["hybrid"]
    assert other[t.DIFFERENCE_LOW] <= other[t.COST_DIFFERENCE] <= other[t.DIFFERENCE_HIGH]
    lines = simulated.text.splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["program", "hybrid"]
    assert any(line.startswith("hybrid less program: ") for line in lines)


def test_mlflow_has_a_run_a_policy_beside_the_forecasters(simulated: Simulated, tmp_path: Path) -> None:
    client, whole = simulated.client, overall(simulated)
    found = {policy: simulated.run_of(policy) for policy in POLICIES}
    family = client.search_runs([found["program"].info.experiment_id], f"tags.`{FAMILY_TAG}` = 'moving_average'")[0]
    assert {run.data.tags["mlflow.parentRunId"] for run in found.values()} == {family.data.tags["mlflow.parentRunId"]}
    assert set(found["hybrid"].data.metrics) - set(found["program"].data.metrics) == {
        str(column) for column in (t.COST_DIFFERENCE, t.DIFFERENCE_LOW, t.DIFFERENCE_HIGH)
    }
    for policy, run in found.items():
        assert run.data.metrics["cost"] == pytest.approx(whole.loc[policy, t.COST])
        assert len(client.get_metric_history(run.info.run_id, f"window_{t.FILL_RATE}")) == 2
    kept = client.download_artifacts(found["program"].info.run_id, "simulations.parquet", str(tmp_path))
    assert len(pd.read_parquet(kept)) == len(simulated.rows)
    folds = {file.path for file in client.list_artifacts(family.info.run_id, "folds")}
    assert folds == {fold_folder(window) for window in set(simulated.rows[t.WINDOW]) - {ALL}}


def test_a_committed_simulation_is_not_played_again(simulated: Simulated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulate, "play", lambda *_: pytest.fail("played again"))
    assert simulate.run(simulated.jobs.store.spark, simulated.config, QUIET) == simulated.text


def test_a_setting_is_chosen_before_the_last_window_and_told_as_an_overlay(simulated: Simulated) -> None:
    text = simulate.run(simulated.jobs.store.spark, simulated.config, QUIET, tune=True)
    run = simulated.run_of("tuned")
    assert run.data.params["settings_tried"] == "3"
    assert run.data.params["scored"] == max(set(simulated.rows[t.WINDOW]) - {ALL})
    assert f"the best is: {run.data.params['setting']}" in text
    assert {"cost", str(t.FILL_RATE), str(t.COST_DIFFERENCE)} <= set(run.data.metrics)
    assert ("plan:" in text) == (run.data.params["setting"] != CONFIGURED)


def test_one_window_is_too_few_to_choose_on(simulated: Simulated) -> None:
    one = simulated.config.simulate.model_copy(update={"windows": 1})
    with pytest.raises(ConfigError, match="expected 2 or more, found 1"):
        simulate.run(simulated.jobs.store.spark, simulated.config.model_copy(update={"simulate": one}), QUIET, tune=True)
