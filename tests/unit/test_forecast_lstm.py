"""The network's inputs, likelihood, training and storage, on a panel small enough to train in seconds."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import digamma
from scipy.stats import nbinom, norm

from replen import tables as t
from replen.config import Lstm
from replen.errors import ReplenError
from replen.features.panel import Panel
from replen.forecast.interface import EpochMetrics
from replen.forecast.lstm.batches import (
    batches,
    concat,
    drawn,
    is_held_out,
    training_windows,
    validating,
    validation_windows,
    windows,
)
from replen.forecast.lstm.inputs import Inputs
from replen.forecast.lstm.model import LstmModel, calibration_of, dependence_of
from replen.forecast.lstm.reading import Reading
from replen.forecast.lstm.train import train

LEVELS = np.array([0.1, 0.5, 0.9], np.float32)
HORIZON = 4
SETTINGS = Lstm(
    units=8, layers=2, embedding=2, context=12, lags=(8,), windows=(2, 4, 8), epochs=2, patience=2, batch_size=16,
    learning_rate=0.01, dropout=0.1, clip_norm=1.0, tweedie_weight=0.0, windows_per_epoch=96, origins_per_slice=3,
    validation_windows=2, validation_share=0.3, validation_series=20, n_models=1, threads=1,
    ranks=1, scale_batch=False,
)  # fmt: skip


def make_panel(n_series: int = 24, n_periods: int = 30) -> Panel:
    rng = np.random.default_rng(7)
    sales = rng.poisson(np.exp(rng.uniform(0, 4, (n_series, 1))), (n_series, n_periods)).astype(np.float32)
    sales[0, :20] = np.nan
    sales[1, 5:9] = np.nan
    names = [f"sku {i}" for i in range(n_series)]
    category = ["a", "b"] * (n_series // 2)
    keys = pd.DataFrame({t.SKU: names, t.SITE: "shop", t.STREAM: t.POOLED, t.BUCKET: 0, t.CATEGORY: category})
    weeks = np.datetime64("2024-01-01") + 7 * np.arange(n_periods)
    price = rng.uniform(1, 2, sales.shape).astype(np.float32)
    planned = rng.uniform(1, 2, (n_series, n_periods + HORIZON)).astype(np.float32)
    holiday = rng.integers(0, 2, (n_series, n_periods + HORIZON)).astype(np.float32)
    past = {t.SALES_HISTORY: sales, t.PRICE: price, t.CUSTOMER_COUNT: sales / 2, "views": sales * 10}
    return Panel(keys, weeks, past, {t.PLANNED_PRICE: planned, "holiday": holiday})


def one_shard(panel: Panel) -> Iterator[Panel]:
    yield panel


def trained(folder: Path, panel: Panel, settings: Lstm = SETTINGS, told: list[EpochMetrics] | None = None) -> LstmModel:
    observer = (told if told is not None else []).append
    return train(lambda: one_shard(panel), settings, horizon=HORIZON, seed=3, folder=str(folder), observer=observer)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LstmModel:
    return trained(tmp_path_factory.mktemp("lstm"), make_panel())


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    panel = make_panel()
    return Inputs.of(panel, Reading.of([panel], SETTINGS, horizon=HORIZON))


def test_windows_do_not_change_when_later_periods_do(inputs: Inputs) -> None:
    panel, origin = make_panel(), 17
    early = Inputs.of(panel.until(panel.periods[origin], HORIZON), inputs.reading)
    rows, origins = np.arange(24), np.full((24, 1), origin)
    whole, cut = (windows(each, rows, origins, context=12) for each in (inputs, early))
    for name in ("past", "picks", "future", "codes", "scale"):
        np.testing.assert_array_equal(getattr(cut, name), getattr(whole, name), err_msg=name)


def test_targets_are_the_sales_after_the_origin(inputs: Inputs) -> None:
    batch = windows(inputs, np.array([2, 3]), np.array([[10, 14], [12, 28]]), context=12)
    np.testing.assert_array_equal(batch.target[0, 1], inputs.sales[2, 15:19])
    np.testing.assert_array_equal(batch.target[1, 1], [inputs.sales[3, 29], np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(batch.past[0, -1], inputs.past[2, 14])
    assert batch.picks[0].argmax(axis=1).tolist() == [7, 11]


def test_season_ago_is_what_was_sold_a_season_before_each_step(inputs: Inputs) -> None:
    future = inputs.future(np.array([2]), np.array([20]))[0]
    n_calendar = inputs.calendar.shape[1]
    expected = np.log1p(inputs.sales[2, 21 - 8 : 25 - 8] / inputs.scale[2, 20])
    np.testing.assert_allclose(future[:, n_calendar + 3], expected, rtol=1e-5)


def test_nothing_that_is_read_depends_on_where_the_panel_starts(inputs: Inputs) -> None:
    panel, start = make_panel(), 20  # where series 0 starts
    past = {name: np.where(np.isnan(panel.past[t.SALES_HISTORY]), np.nan, values) for name, values in panel.past.items()}
    whole = Inputs.of(replace(panel, past=past), inputs.reading)
    past = {name: values[:, start:] for name, values in past.items()}
    known = {name: values[:, start:] for name, values in panel.known.items()}
    late = Inputs.of(replace(panel, periods=panel.periods[start:], past=past, known=known), inputs.reading)
    row, end = np.array([0]), panel.shape[1] - 1
    from_start, from_late = (one.slices(row, np.array([end - at]), context=12) for one, at in ((whole, 0), (late, start)))
    np.testing.assert_allclose(from_start, from_late, rtol=1e-5, atol=1e-6)


def test_a_signal_tells_its_rhythm_a_season_before_each_step() -> None:
    panel = make_panel()
    rhythm = np.tile(np.where(np.arange(30) % 8 == 3, 100.0, 10.0).astype(np.float32), (24, 1))
    panel = replace(panel, past={**panel.past, "views": rhythm})
    inputs = Inputs.of(panel, Reading.of([panel], SETTINGS, horizon=HORIZON))
    ahead = inputs.future(np.array([2]), np.array([25]))[0]  # step 2 is period 27, 27 % 8 == 3
    assert ahead[:, -2].argmax() == 1
    assert ahead[1, -2] > ahead[0, -2] + 1


def test_targets_of_validation_are_never_trained_on(inputs: Inputs) -> None:
    held_out = is_held_out(make_panel().keys, 0.3)
    assert 0 < held_out.sum() < 24
    marked = replace(inputs, sales=np.where(held_out[:, None] & (np.arange(30) >= 26), 999.0, inputs.sales).astype(np.float32))
    rng, panel = np.random.default_rng(0), make_panel()
    training = training_windows(marked, drawn(panel, n_slices=200, rng=rng), SETTINGS, held_out=held_out, rng=rng)
    assert not (training.target == 999).any()
    series = validating(panel, SETTINGS, horizon=HORIZON, n_series=24)
    assert len(series) == held_out[1:].sum() + (held_out[0] and inputs.first[0] + 4 <= 25)
    validation = validation_windows(marked, SETTINGS).take(series)
    assert ((validation.target == 999) | np.isnan(validation.target)).all()


def test_no_series_is_drawn_twice_before_all_were() -> None:
    rows = drawn(make_panel(), n_slices=60, rng=np.random.default_rng(0))
    assert np.bincount(rows).min() >= 60 // 24 == np.bincount(rows).max() - 1


def test_batches_keep_every_slice(inputs: Inputs) -> None:
    parts = [windows(inputs, np.arange(n), np.full((n, 1), 20), context=12) for n in (3, 1, 7, 5)]
    cut = list(batches(parts, size=4))
    assert [len(batch) for batch in cut] == [4, 4, 4, 4]
    np.testing.assert_array_equal(concat(cut).past, concat(parts).past)


def test_likelihood_is_that_of_scipy() -> None:
    from replen.forecast.lstm.network import negative_log_likelihood

    rng = np.random.default_rng(0)
    output = rng.normal(0, 1.5, (5, 2, 3, 2)).astype(np.float32)
    target = rng.integers(0, 3000, (5, 2, 3)).astype(np.float32)
    scale = np.exp(rng.uniform(-2, 6, (5, 2, 1))).astype(np.float32)
    mean, shape = scale * np.exp(output[..., 0]), np.exp(-output[..., 1].astype(np.float64))
    expected = -nbinom.logpmf(target, shape, shape / (shape + mean)).mean()
    assert float(negative_log_likelihood(output, target, scale)) == pytest.approx(expected, rel=1e-4)
    target[0, 0, 0] = np.nan
    assert np.isfinite(float(negative_log_likelihood(output, target, scale)))


@pytest.mark.parametrize("units", [0, 1, 15, 16, 17, 300, 1e4, 1e6, 1e7, 1e8, 1e9])
def test_likelihood_and_its_gradient_are_exact_for_any_number_of_units(units: float) -> None:
    """Means 0.4 to 2.7 times the target and all dispersions there are, against double precision."""
    import tensorflow as tf

    from replen.forecast.lstm.network import LOG_DISPERSION, target_losses

    ratio, log_dispersion = np.meshgrid(np.linspace(-1, 1, 9), np.linspace(*LOG_DISPERSION, 19)[1:-1], indexing="ij")
    output = tf.Variable(np.stack([ratio, log_dispersion], axis=-1)[None], dtype=tf.float32)  # (1, 9 origins, 17 steps, 2)
    target, scale = np.full((1, *ratio.shape), units, np.float32), np.full((1, len(ratio), 1), max(units, 1), np.float32)
    with tf.GradientTape() as tape:
        losses = target_losses(output, target, scale)
        total = tf.reduce_sum(losses)
    gradient = tape.gradient(total, output).numpy()[0]
    given = output.numpy()[0].astype(np.float64)
    mean, shape = scale[0] * np.exp(given[..., 0]), np.exp(-given[..., 1])
    np.testing.assert_allclose(losses[0], -nbinom.logpmf(units, shape, shape / (shape + mean)), rtol=1e-4, atol=2e-3)
    by_log_mean = shape * (mean - units) / (shape + mean)
    np.testing.assert_allclose(gradient[..., 0], by_log_mean, rtol=1e-4, atol=1e-3)
    ways = digamma(units + shape) - digamma(shape) - np.log1p(mean / shape)
    by_log_dispersion = shape * (ways + 1 - (units + shape) / (shape + mean))
    np.testing.assert_allclose(gradient[..., 1], by_log_dispersion, rtol=1e-4, atol=2e-3)


def test_calibration_finds_the_level_and_the_dependence_that_data_have() -> None:
    rng = np.random.default_rng(0)
    mean, dispersion = np.full((4000, 1, 3), 20.0), np.full((4000, 1, 3), 0.4)
    correlation = np.array([[1, 0.7, 0.3], [0.7, 1, 0.7], [0.3, 0.7, 1]])
    scores = rng.multivariate_normal(np.zeros(3), correlation, 4000)
    target = nbinom.ppf(norm.cdf(scores), 1 / 0.4, 1 / (1 + 0.4 * 20.0))[:, None, :]
    target[:50, :, 0] = np.nan
    assert calibration_of(target, mean / 0.9, dispersion / 1.3) == pytest.approx((0.9, 1.3), abs=0.06)
    assert calibration_of(target, 3 * mean, dispersion)[0] == pytest.approx(np.exp(-0.4), abs=0.001)
    assert dependence_of(target, mean, dispersion) == pytest.approx([0.7, 0.3], abs=0.04)


def test_a_series_alone_is_forecast_as_in_a_panel(model: LstmModel) -> None:
    panel = make_panel()
    together = model.predict(panel, horizon=HORIZON, levels=LEVELS)
    for row in (0, 5, 23):
        alone = model.predict(panel.take(np.array([row])), horizon=HORIZON, levels=LEVELS)
        np.testing.assert_array_equal(alone.parameters[0], together.parameters[row])
        np.testing.assert_array_equal(alone.quantiles[0], together.quantiles[row])


def test_a_saved_model_predicts_the_same(model: LstmModel, tmp_path: Path) -> None:
    model.save(tmp_path)
    again = LstmModel.load(tmp_path)
    predictions = [each.predict(make_panel(), horizon=HORIZON, levels=LEVELS) for each in (model, again)]
    np.testing.assert_array_equal(predictions[0].parameters, predictions[1].parameters)
    np.testing.assert_array_equal(predictions[0].dependence, predictions[1].dependence)
    assert {path.suffix for path in tmp_path.iterdir()} == {".keras", ".json"}


def test_killed_training_goes_on_to_the_same_model(model: LstmModel, tmp_path: Path) -> None:
    class KilledError(Exception):
        """Stands for the end of the process."""

    def kill(_: EpochMetrics) -> None:
        raise KilledError

    panel = make_panel()
    with pytest.raises(KilledError):
        train(lambda: one_shard(panel), SETTINGS, horizon=HORIZON, seed=3, folder=str(tmp_path), observer=kill)
    told: list[EpochMetrics] = []
    resumed = trained(tmp_path, panel, told=told)
    assert [metrics.epoch for metrics in told] == [2]
    predictions = [each.predict(panel, horizon=HORIZON, levels=LEVELS) for each in (model, resumed)]
    np.testing.assert_array_equal(predictions[0].parameters, predictions[1].parameters)


def test_checkpoints_of_other_settings_are_left_alone(tmp_path: Path) -> None:
    told: list[EpochMetrics] = []
    trained(tmp_path, make_panel(), SETTINGS.model_copy(update={"epochs": 1}))
    trained(tmp_path, make_panel(), SETTINGS.model_copy(update={"epochs": 1, "dropout": 0.2}), told)
    assert [metrics.epoch for metrics in told] == [1]


def test_unknown_static_values_and_missing_columns_are_forecast(model: LstmModel) -> None:
    panel = make_panel()
    bare = Panel(panel.keys.drop(columns=t.CATEGORY), panel.periods, {t.SALES_HISTORY: panel.past[t.SALES_HISTORY]}, {})
    made = model.predict(bare, horizon=HORIZON, levels=LEVELS)
    assert np.isfinite(made.mean).all()


def test_a_series_without_sales_has_a_reason(model: LstmModel) -> None:
    panel = make_panel()
    panel.past[t.SALES_HISTORY][3] = np.nan
    made = model.predict(panel, horizon=HORIZON, levels=LEVELS)
    assert made.reason[3] != ""
    assert np.isnan(made.quantiles[3]).all()


def test_held_out_periods_that_are_all_unknown_do_not_validate(tmp_path: Path) -> None:
    """A stock-out of every series that is held out: epochs are told by their training loss, and the last is the best."""
    panel, told = make_panel(), list[EpochMetrics]()
    held_out = np.flatnonzero(is_held_out(panel.keys, SETTINGS.validation_share))
    assert len(held_out)
    panel.past[t.SALES_HISTORY][held_out, -2 * HORIZON :] = np.nan
    trained(tmp_path, panel, told=told)
    assert [one.validation_loss for one in told] == [one.loss for one in told]
    assert all(one.loss > 0 for one in told)


def test_training_that_diverges_is_an_error(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"learning_rate": np.inf})
    with pytest.raises(ReplenError, match=r"expected a finite loss in one epoch at least, found nan after 2: .*learning_rate"):
        trained(tmp_path, make_panel(), settings)


def test_too_little_history_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ReplenError, match="periods"):
        trained(tmp_path, make_panel(n_periods=5))
