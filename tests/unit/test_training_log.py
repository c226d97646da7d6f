"""What is told to MLflow of a training, before it gets there: names of metrics, files of series, figures that can be drawn."""

from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import replen.tables as t
from replen.config import Tracking
from replen.evaluate.examples import FAN, Example, Predicted
from replen.overlays import load_config
from replen.registered import FAMILY, HORIZON, LEVELS
from replen.registry_names import alias, plain
from replen.series_log import write_rows_of
from replen.tracking import REGISTERED, Tracker
from replen.training_log import N_SEGMENTS, family_params, largest_segments, metric_values
from replen.training_plots import calibration_figure, example_figure, family_figure, loss_figure
from tests.unit.test_forecast_lstm import SETTINGS, make_panel, trained

FOLDS = ("2024-01-01", "2024-02-01")


def metric_rows(segments: list[str]) -> pd.DataFrame:
    rows = [
        ("r", model, "all", segment, metric, 1.0) for model in ("a", "b") for segment in segments for metric in ("wape", "n")
    ]
    rows += [("r", "a", fold, "all", "wape", float(number)) for number, fold in enumerate(FOLDS)]
    rows += [("r", "a", "all", segment, "absolute_actual", float(i)) for i, segment in enumerate(segments)]
    return pd.DataFrame(rows, columns=t.METRICS.names)


def test_metrics_have_the_same_names_in_every_family() -> None:
    rows = metric_rows(["all", "step=1", "step=2", "class=lumpy", "category=Home & Garden"])
    found = [(one.name, one.step) for one in metric_values(rows, "a") if one.name != "absolute_actual"]
    assert set(found) == {
        ("wape", 0), ("n", 0), ("fold_wape", 0), ("fold_wape", 1), ("step_wape", 1), ("step_wape", 2), ("step_n", 1),
        ("step_n", 2), ("class/lumpy/wape", 0), ("category/Home-Garden-2782/wape", 0), ("step_absolute_actual", 1),
        ("step_absolute_actual", 2),
    }  # fmt: skip
    assert len(found) == len(set(found))


def test_only_the_segments_that_sold_most_are_logged() -> None:
    categories = [f"category={number}" for number in range(N_SEGMENTS + 5)]
    shown = largest_segments(metric_rows(["all", "class=lumpy", *categories]).query("model == 'a'"))
    assert set(shown) == {"class=lumpy", *categories[5:]}


@pytest.mark.parametrize(
    "segment", ["all", "class=lumpy", "category=Home & Garden", "category=a/b", "category=Käse=1", "abc=A"]
)
def test_names_are_those_that_mlflow_takes(segment: str) -> None:
    from mlflow.utils.validation import _validate_metric_name, _validate_model_alias_name

    _validate_model_alias_name(alias("champion", segment))
    _validate_metric_name(f"category/{plain(segment)}/wape")


def test_parameters_of_those_that_read_rows_say_which() -> None:
    settings = load_config(None).forecast
    found = family_params(settings, "ridge")
    assert found["penalty"] == settings.ridge.penalty
    read = {f"tabular.{name}" for name in type(settings.tabular).model_fields}
    assert {name for name in found if name.startswith("tabular.")} == read
    assert found["tabular.max_rows"] == settings.tabular.max_rows
    assert family_params(settings, "moving_average") == settings.moving_average.model_dump()
    assert family_params(settings, "lstm") == settings.lstm.model_dump()


def test_a_registered_version_loads_to_the_whole_forecaster(tmp_path: Path) -> None:
    """Not only to one of the networks that are averaged, and with its calibration."""
    panel, folder = make_panel(), tmp_path / "model"
    once = trained(tmp_path / "training", panel, SETTINGS.model_copy(update={"n_models": 2, "epochs": 1}))
    forecaster = replace(once, factors=(1.1, 0.9))
    forecaster.save(folder)
    tracker = Tracker(Tracking(uri=None, experiment="shop"), str(tmp_path))
    with tracker.training("r", "r") as parent, tracker.family("r", "lstm", parent) as run:
        run.model(folder, {FAMILY: "lstm", HORIZON: 4, LEVELS: [0.1, 0.5, 0.9]})
        version = tracker.register(run, "lstm")
    loaded = mlflow.pyfunc.load_model(f"models:/{REGISTERED}/{version.version}")
    assert (len(loaded.get_raw_model().networks), loaded.get_raw_model().factors) == (2, (1.1, 0.9))
    expected = forecaster.predict(panel, horizon=4, levels=np.array([0.1, 0.5, 0.9], np.float32))
    np.testing.assert_array_equal(loaded.predict(panel).quantiles, expected.quantiles)


def test_different_segments_have_different_aliases() -> None:
    segments = ["all", "category=a b", "category=a-b", "category=a/b", "class=a-b", "category=all"]
    assert len({alias("champion", segment) for segment in segments}) == len(segments)


def test_rows_of_one_model_are_copied_from_all_files(tmp_path: Path) -> None:
    rows = pd.DataFrame({t.MODEL: ["a", "b", "a", "b"], "wape": [1.0, 2.0, 3.0, None]})
    files = []
    for number in range(2):
        path = tmp_path / f"part {number}.parquet"
        rows.iloc[2 * number : 2 * number + 2].to_parquet(path, index=False)
        files.append(path.as_uri())
    write_rows_of("b", files, tmp_path / "b.parquet")
    assert pd.read_parquet(tmp_path / "b.parquet")["wape"].tolist() == pytest.approx([2.0, np.nan], nan_ok=True)
    write_rows_of("b", [], tmp_path / "none.parquet")
    assert not (tmp_path / "none.parquet").exists()


def example(horizon: int = 4) -> Example:
    predicted = Predicted(np.ones(horizon, np.float32), np.ones((horizon, len(FAN)), np.float32), "lstm: too short")
    periods = np.datetime64("2024-01-01") + 7 * np.arange(30)
    return Example("sku at site", "worst pinball", periods, np.full(30, np.nan, np.float32), {"a": predicted, "b": predicted})


@pytest.mark.parametrize(
    ("figure", "n_panels"),
    [
        (example_figure(example()), 2),
        (family_figure([example(), example(), example()], "a"), 3),
        (calibration_figure(np.zeros(20), "a"), 1),
        (loss_figure(pd.DataFrame({"2024_loss": [3.0, 2.0], "2024_validation_loss": [3.0, 2.5]}, index=[1, 2]), "a"), 1),
    ],
)
def test_figures_can_be_drawn(figure: Figure, n_panels: int, tmp_path: Path) -> None:
    figure.savefig(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 5000
    assert sum(axes.axison for axes in figure.axes) == n_panels
