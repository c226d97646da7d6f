"""What a run leaves in MLflow: a parent run, a run a family, versions of one model, and forecasters that load and predict."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

import replen.tables as t
from jobs import compare
from replen.errors import TableError
from replen.evaluate.metrics import SIMULATED_COST
from replen.evaluate.scores import STEP
from replen.features.classes import demand_class
from replen.features.segments import ALL
from replen.features.view import View
from replen.forecast.storage import Packed
from replen.model_table import KINDS, legend, roles
from replen.registry_names import CHALLENGER, CHAMPION, alias
from replen.series_log import N_WORST, RANKED_BY
from replen.tracking import BEFORE, FAMILY_TAG, MODEL_FOLDER, REGISTERED, RUN_TAG, Tracker
from replen.training_log import BY_SEGMENT
from tests.jobs.conftest import QUIET, Finished, small_config

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

FAMILIES = ("seasonal_naive", "moving_average", "lstm")


@dataclass(frozen=True)
class Kept:
    """What MLflow holds after the run."""

    client: MlflowClient
    parent: Run
    families: dict[str, Run]

    def artifacts(self, run: Run) -> set[str]:
        """Return the paths of all files of a run."""
        return set(self._files(run.info.run_id, None))

    def packed(self, family: str) -> Packed:
        """Return the forecaster that a family's run keeps."""
        folder = self.client.download_artifacts(self.families[family].info.run_id, MODEL_FOLDER)
        return Packed.of(family, Path(folder))

    def table(self, run: Run, name: str, folder: Path) -> pd.DataFrame:
        return pd.read_parquet(self.client.download_artifacts(run.info.run_id, name, str(folder)))

    def _files(self, run_id: str, folder: str | None) -> Iterator[str]:
        for found in self.client.list_artifacts(run_id, folder):
            if found.is_dir:
                yield from self._files(run_id, found.path)
            else:
                yield found.path


@pytest.fixture(scope="module")
def uri(finished: Finished) -> Iterator[str]:
    uri = f"sqlite:///{finished.config.warehouse}/mlflow/mlflow.db"
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    yield uri
    mlflow.set_tracking_uri(before)


@pytest.fixture(scope="module")
def kept(finished: Finished, uri: str) -> Kept:
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(finished.config.tracking.experiment)
    runs = list(client.search_runs([experiment.experiment_id]))
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in runs if run is not parent]
    assert len(children) == len({run.data.tags[FAMILY_TAG] for run in children})
    return Kept(client, parent, {run.data.tags[FAMILY_TAG]: run for run in children})


def run_id_of(finished: Finished) -> str:
    (run_id,) = set(finished.tables["models"][t.RUN_ID])
    return str(run_id)


def champion_of(finished: Finished, segment: str = ALL, column: t.Column = t.CHAMPION_OF) -> tuple[str, str]:
    """Return the one champion of a segment in the table `models`, and why it is one."""
    ((model, reason),) = roles(finished.tables["models"], column)[segment].items()
    return model, reason


def scores(finished: Finished, family: str, *, fold: str | None, segment: str) -> dict[str, float]:
    """Return metric -> value of a family in the table `metrics`; fold None = of the only fold."""
    rows = finished.tables["metrics"]
    (only,) = set(rows[t.FOLD]) - {ALL}
    at = (rows[t.MODEL] == family) & (rows[t.FOLD] == (fold or only)) & (rows[t.SEGMENT] == segment)
    return dict(zip(rows.loc[at, t.METRIC], rows.loc[at, t.VALUE], strict=True))


def test_the_parent_run_says_what_was_trained_on_what(finished: Finished, kept: Kept, tmp_path: Path) -> None:
    tags = kept.parent.data.tags
    assert kept.parent.info.status == "FINISHED"
    assert tags[RUN_TAG] == run_id_of(finished)
    for segment in roles(finished.tables["models"], t.CHAMPION_OF):
        assert (tags[f"replen.{alias(CHAMPION, segment)}"], tags[f"replen.{alias('reason', segment)}"]) == champion_of(
            finished, segment
        )
    assert tags["replen.challenger"] == champion_of(finished, column=t.CHALLENGER_OF)[0]
    files = kept.artifacts(kept.parent)
    images = {name for name in files if name.startswith("forecasts/")}
    assert files - images == {
        "config.json", "comparison.txt", "quality.parquet", "quality_checks.parquet", "metrics.parquet", BEFORE,
    }  # fmt: skip
    assert {name.split("-", 1)[1] for name in images} == {"largest-revenue.png", "median-revenue.png", "worst-pinball.png"}
    overall = scores(finished, tags["replen.champion"], fold=ALL, segment=ALL)
    assert kept.parent.data.metrics["pinball"] == pytest.approx(overall["pinball"])

    stored = Path(kept.client.download_artifacts(kept.parent.info.run_id, "config.json", str(tmp_path)))
    expected = finished.config.model_dump(mode="json", exclude={"orders", "tracking"})
    assert json.loads(stored.read_text(encoding="utf-8")) == expected

    quality = kept.table(kept.parent, "quality.parquet", tmp_path).set_index([str(t.TABLE), str(t.RULE)])[t.N_ROWS]
    by_rule = finished.tables["quality"].groupby([str(t.TABLE), str(t.RULE)])[t.N_ROWS].sum()
    assert quality.to_dict() == by_rule.to_dict() != {}

    order = [str(column) for column in t.METRICS.key]
    metrics = kept.table(kept.parent, "metrics.parquet", tmp_path).sort_values(order, ignore_index=True)
    pd.testing.assert_frame_equal(metrics, finished.tables["metrics"].sort_values(order, ignore_index=True))


def test_every_model_of_the_config_has_a_finished_run_below_the_parent(finished: Finished, kept: Kept) -> None:
    assert set(kept.families) == set(finished.config.forecast.models) == set(FAMILIES)
    logged = dict(zip(finished.tables["models"][t.MODEL], finished.tables["models"][t.MLFLOW_RUN], strict=True))
    for family, run in kept.families.items():
        assert run.info.status == "FINISHED"
        assert run.data.tags["mlflow.parentRunId"] == kept.parent.info.run_id
        assert run.data.tags[RUN_TAG] == run_id_of(finished)
        assert run.info.run_id == logged[family]


@pytest.mark.parametrize("family", FAMILIES)
def test_parameters(finished: Finished, kept: Kept, family: str) -> None:
    config = finished.config
    settings = getattr(config.forecast, family).model_dump()
    common = {"seed": config.seed, "freq": config.freq, "horizon": config.forecast.horizon, "folds": config.evaluate.folds}
    assert kept.families[family].data.params == {name: str(value) for name, value in (common | settings).items()}


@pytest.mark.parametrize("family", FAMILIES)
def test_metrics_overall_and_by_fold_and_step(finished: Finished, kept: Kept, family: str) -> None:
    run = kept.families[family]
    overall = scores(finished, family, fold=ALL, segment=ALL)
    assert {"pinball", "wape", "coverage_50"} <= set(overall)
    for metric, value in overall.items():
        assert run.data.metrics[metric] == pytest.approx(value, nan_ok=True)
    for metric, value in scores(finished, family, fold=None, segment=ALL).items():
        history = kept.client.get_metric_history(run.info.run_id, f"fold_{metric}")
        assert [point.step for point in history] == list(range(finished.config.evaluate.folds))
        assert history[0].value == pytest.approx(value, nan_ok=True)

    n_steps = finished.config.evaluate.horizon
    by_step = [scores(finished, family, fold=ALL, segment=f"{STEP}={step}") for step in range(1, n_steps + 1)]
    history = kept.client.get_metric_history(run.info.run_id, "step_pinball")
    found = sorted((point.step, point.value) for point in history)
    assert [step for step, _ in found] == list(range(1, n_steps + 1))
    np.testing.assert_allclose([value for _, value in found], [values["pinball"] for values in by_step])
    assert {name for name in run.data.metrics if name.startswith("step_")} == {
        f"step_{metric}" for values in by_step for metric, value in values.items() if not math.isnan(value)
    }


def test_orders_of_every_family_are_simulated_on_the_same_series(finished: Finished, kept: Kept, tmp_path: Path) -> None:
    names = ("n_simulated", "n_no_terms", "n_too_late", "n_unknown_sales")
    by_family = {family: scores(finished, family, fold=None, segment=ALL) for family in FAMILIES}
    assert len({tuple(found[name] for name in names) for found in by_family.values()}) == 1
    assert len({found[SIMULATED_COST] for found in by_family.values()}) == len(FAMILIES)
    for family, found in by_family.items():
        by_series = kept.table(kept.families[family], "series_metrics.parquet", tmp_path)
        assert sum(found[name] for name in names) == len(by_series)
        assert by_series[SIMULATED_COST].notna().sum() == found["n_simulated"] > 50
        assert by_series[SIMULATED_COST].min() < found[SIMULATED_COST] < by_series[SIMULATED_COST].max()
        assert 0 < found[t.FILL_RATE] < 1


def test_every_epoch_of_every_lstm_is_there(finished: Finished, kept: Kept) -> None:
    """Two epochs, fewer than the patience: training cannot stop early."""
    lstm = finished.config.forecast.lstm
    assert lstm.epochs <= lstm.patience
    run = kept.families["lstm"]
    (fold,) = set(finished.tables["metrics"][t.FOLD]) - {ALL}
    (cutoff,) = {str(day) for day in finished.tables["forecasts"][t.CUTOFF]}
    names = {f"{day}_model_0_{loss}" for day in (fold, cutoff) for loss in ("loss", "validation_loss")}
    assert {name for name in run.data.metrics if "loss" in name} == names
    for name in names:
        history = kept.client.get_metric_history(run.info.run_id, name)
        assert sorted(point.step for point in history) == list(range(1, lstm.epochs + 1))
        assert all(math.isfinite(point.value) for point in history)


@pytest.mark.parametrize("family", FAMILIES)
def test_metrics_by_series_and_the_worst_of_them(finished: Finished, kept: Kept, family: str, tmp_path: Path) -> None:
    run = kept.families[family]
    by_series = kept.table(run, "series_metrics.parquet", tmp_path)
    key = [str(t.FOLD), *map(str, t.SERIES.key)]
    assert set(by_series[t.MODEL]) == {family}
    assert not by_series[key].duplicated().any()
    assert len(by_series) > 0
    for measure in RANKED_BY:
        worst = kept.table(run, f"worst_{measure}.parquet", tmp_path)[measure]
        expected = np.sort(by_series[measure].dropna())[::-1][:N_WORST]
        np.testing.assert_array_equal(worst.dropna(), expected)


@pytest.mark.parametrize("family", FAMILIES)
def test_metrics_by_segment_and_seconds(finished: Finished, kept: Kept, family: str) -> None:
    logged = kept.families[family].data.metrics
    segments = {segment for segment in finished.tables["metrics"][t.SEGMENT] if "=" in segment and STEP not in segment}
    assert {segment.split("=")[0] for segment in segments} == set(finished.config.evaluate.segments)
    for segment in segments:
        expected = scores(finished, family, fold=ALL, segment=segment)
        found = {metric: logged.get(f"{segment.replace('=', '/')}/{metric}", math.nan) for metric in BY_SEGMENT}
        assert found == pytest.approx({metric: expected[metric] for metric in BY_SEGMENT}, nan_ok=True)
    seconds = dict(zip(finished.tables["models"][t.MODEL], finished.tables["models"][t.FIT_SECONDS], strict=True))
    assert logged[str(t.FIT_SECONDS)] == pytest.approx(seconds[family])
    assert seconds[family] > 0


@pytest.mark.parametrize("family", FAMILIES)
def test_quantiles_over_series_are_those_of_the_table(finished: Finished, kept: Kept, family: str, tmp_path: Path) -> None:
    run = kept.families[family]
    by_series = kept.table(run, "series_metrics.parquet", tmp_path)
    quantiles = kept.table(run, "series_quantiles.parquet", tmp_path).set_index(str(t.METRIC))
    for metric in RANKED_BY:
        below = by_series[metric].quantile([0.1, 0.5, 0.9], interpolation="lower").to_numpy()
        above = by_series[metric].quantile([0.1, 0.5, 0.9], interpolation="higher").to_numpy()
        found = quantiles.loc[metric, ["q10", "q50", "q90"]].to_numpy(float)
        assert (below <= found).all()
        assert (found <= above).all()
        assert run.data.metrics[f"series/{metric}/q50"] == pytest.approx(found[1])


@pytest.mark.parametrize("family", FAMILIES)
def test_images_of_every_family(kept: Kept, family: str) -> None:
    images = {name for name in kept.artifacts(kept.families[family]) if name.endswith(".png")}
    assert images == {"forecasts.png", "calibration.png"} | ({"loss.png"} if family == "lstm" else set())


def test_the_comparison_in_mlflow_is_what_the_command_prints(
    spark: "SparkSession", finished: Finished, kept: Kept, tmp_path: Path
) -> None:
    stored = Path(kept.client.download_artifacts(kept.parent.info.run_id, "comparison.txt", str(tmp_path)))
    printed = {by: compare.run(spark, finished.config, QUIET, by=by) for by in KINDS}
    head, _, table = printed[ALL].partition("\n")
    assert table + "\n" == stored.read_text(encoding="utf-8")
    assert run_id_of(finished) in head
    for by in KINDS:
        assert legend(finished.config) in printed[by]
        assert "moving_average" in printed[by]
    pinball = scores(finished, "lstm", fold=ALL, segment="step=2")["pinball"]
    (second,) = [part for part in printed["step"].split("step=") if part.startswith("2\n")]
    (row,) = [line for line in second.splitlines() if line.strip().startswith("lstm")]
    assert f"{pinball:.4f}" in row.split()


def test_the_ui_opens_on_the_runs(finished: Finished, kept: Kept) -> None:
    command, page = Tracker(finished.config.tracking, finished.config.warehouse).ui()
    assert command[1:4] == ["-m", "mlflow", "ui"]
    assert page.endswith(f"/experiments/{kept.parent.info.experiment_id}/runs?workflowType=machine_learning")


def test_compare_says_what_to_run_first(spark: "SparkSession", platform: Path, tmp_path: Path) -> None:
    with pytest.raises(TableError, match="has not committed train; run `replen train`"):
        compare.run(spark, small_config(tmp_path, platform), QUIET)


def test_one_version_a_family_and_aliases_on_champions_and_challengers(finished: Finished, kept: Kept) -> None:
    models = finished.tables["models"]
    (registered,) = kept.client.search_registered_models()
    assert registered.name == REGISTERED
    versions = {found.tags[FAMILY_TAG]: found for found in kept.client.search_model_versions(f"name='{REGISTERED}'")}
    assert {family: str(found.version) for family, found in versions.items()} == dict(
        zip(models[t.MODEL], models[t.MODEL_VERSION], strict=True)
    )
    assert len({found.version for found in versions.values()}) == len(FAMILIES)
    assert {family: found.run_id for family, found in versions.items()} == {
        family: run.info.run_id for family, run in kept.families.items()
    }
    expected = {
        alias(role, segment): champion_of(finished, segment, column)
        for role, column in ((CHAMPION, t.CHAMPION_OF), (CHALLENGER, t.CHALLENGER_OF))
        for segment in roles(models, column)
    }
    assert {CHAMPION, CHALLENGER} <= set(expected)
    assert any(name.startswith("champion-class-") for name in expected)
    assert {name: str(version) for name, version in registered.aliases.items()} == {
        name: str(versions[family].version) for name, (family, _) in expected.items()
    }
    for name, (family, reason) in expected.items():
        assert versions[family].tags[f"replen.{name}"] == reason


def test_each_series_is_forecast_by_the_champion_of_its_class(finished: Finished) -> None:
    config, tables = finished.config, finished.tables
    view = View(tables["market"], config.freq, tables["forecasts"][t.CUTOFF].iloc[0], config.forecast.horizon, config.features)
    panel = view.panel(tables["series"])
    panel = view.at(panel, panel.cutoff)
    champions = {segment: champion_of(finished, segment)[0] for segment in roles(tables["models"], t.CHAMPION_OF)}
    labels = demand_class(panel.past[t.SALES_HISTORY], config.features.classes)
    models = [champions.get(f"class={label}", champions[ALL]) for label in labels.tolist()]
    expected = dict(zip(panel.keys[t.SKU] + panel.keys[t.SITE], models, strict=True))
    made = tables["forecasts"][tables["forecasts"][t.MEAN].notna() & tables["forecasts"][t.REASON].isna()]
    assert len(made) > 50
    assert {sku + site: model for sku, site, model in made[[t.SKU, t.SITE, t.MODEL]].itertuples(index=False)}.items() <= (
        expected.items()
    )


def test_the_networks_of_the_lstm_are_kept_with_their_signature(kept: Kept) -> None:
    (output,) = kept.families["lstm"].outputs.model_outputs
    network = mlflow.keras.load_model(f"models:/{output.model_id}")
    signature = mlflow.models.get_model_info(f"models:/{output.model_id}").signature
    assert [spec.name for spec in signature.inputs] == [tensor.name for tensor in network.inputs]
    assert [spec.shape[1:] for spec in signature.inputs] == [tuple(size or -1 for size in i.shape[1:]) for i in network.inputs]
    (kept_one,) = kept.packed("lstm").networks
    for found, expected in zip(network.get_weights(), kept_one.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_registered_version_loads_to_the_forecaster_that_forecasts(finished: Finished, kept: Kept, family: str) -> None:
    config, tables = finished.config, finished.tables
    version = tables["models"].set_index(str(t.MODEL)).at[family, str(t.MODEL_VERSION)]
    loaded = mlflow.pyfunc.load_model(f"models:/{REGISTERED}/{version}")
    assert type(loaded.get_raw_model()) is type(kept.packed(family).opened)
    view = View(tables["market"], config.freq, tables["forecasts"][t.CUTOFF].iloc[0], config.forecast.horizon, config.features)
    panel = view.panel(tables["series"])
    panel = view.at(panel, panel.cutoff)
    levels = np.asarray(config.forecast.quantiles, np.float32)
    expected = kept.packed(family).predict(panel, horizon=config.forecast.horizon, levels=levels)
    np.testing.assert_array_equal(loaded.predict(panel).quantiles, expected.quantiles)


def test_nothing_is_pickled(finished: Finished, kept: Kept) -> None:
    for family, run in kept.families.items():
        assert any(path.startswith(f"{MODEL_FOLDER}/") for path in kept.artifacts(run)), family
    files = [path for path in (Path(finished.config.warehouse) / "mlflow" / "artifacts").rglob("*") if path.is_file()]
    assert {".keras", ".npz", ".parquet"} <= {path.suffix for path in files}
    assert not [path for path in files if path.suffix in {".pkl", ".pickle", ".joblib"} or "cloudpickle" in path.name]
    for path in files:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                assert all(arrays[name].dtype != object for name in arrays.files)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_forecaster_loaded_back_predicts(finished: Finished, kept: Kept, family: str) -> None:
    """The champion's prediction is the one in `forecasts`."""
    config, tables = finished.config, finished.tables
    forecasts = tables["forecasts"]
    (cutoff,) = set(forecasts[t.CUTOFF])
    view = View(tables["market"], config.freq, cutoff, config.forecast.horizon, config.features)
    panel = view.panel(tables["series"])
    panel = view.at(panel, panel.cutoff)
    levels = np.asarray(config.forecast.quantiles, np.float32)
    found = kept.packed(family).predict(panel, horizon=config.forecast.horizon, levels=levels)
    assert found.quantiles.shape == (len(panel.keys), config.forecast.horizon, len(levels))
    known = np.isfinite(found.mean).all(axis=1)
    assert known.any()
    assert (np.diff(found.quantiles[known], axis=2) >= 0).all()
    key = [str(column) for column in t.SERIES.key]
    by_key = panel.keys[key].assign(row=np.arange(len(panel.keys))).merge(forecasts[forecasts[t.MODEL] == family], on=key)
    by_key = by_key[known[by_key["row"]] & by_key[t.MEAN].notna()]
    assert (len(by_key) > 0) == (family in set(forecasts.loc[forecasts[t.MEAN].notna(), t.MODEL]))
    for row, mean in zip(by_key["row"], by_key[t.MEAN], strict=True):
        np.testing.assert_allclose(found.mean[row], np.asarray(mean, float), rtol=1e-4)
