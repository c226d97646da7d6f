"""Models of single series: a stack of them is as many separate trainings, and each is what Keras' own layers would be."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from replen import tables as t
from replen.config import LocalLstm
from replen.errors import ReplenError
from replen.features.panel import Panel
from replen.forecast.distribution import Distribution
from replen.forecast.local_lstm.examples import TOO_SHORT, TOO_SPARSE, read, reading_of, training_examples
from replen.forecast.local_lstm.model import NO_WEIGHTS, LocalLstmModel, fit
from replen.forecast.local_lstm.stack import Layout, forward
from replen.forecast.local_lstm.train import layout_of, train
from replen.forecast.residuals import ResidualProfile
from tests.unit import keras_twin

LEVELS = np.array([0.1, 0.5, 0.9], np.float32)
HORIZON = 4
SETTINGS = LocalLstm(
    units=8, layers=2, context=8, slices=3, origins_per_slice=5, lags=(8,), windows=(2, 4, 8), epochs=8, patience=3,
    held_out=4, held_out_of=5, learning_rate=0.02, weight_decay=0.5, clip_norm=1.0, stack=16, min_known=10, min_sold_share=0.3,
    threads=1,
)  # fmt: skip


def make_panel(n_series: int = 12, n_periods: int = 30) -> Panel:
    rng = np.random.default_rng(7)
    sales = rng.poisson(np.exp(rng.uniform(2, 4, (n_series, 1))), (n_series, n_periods)).astype(np.float32)
    sales[:1, :12] = np.nan
    sales[1:2, 5:9] = np.nan
    keys = pd.DataFrame({t.SKU: [f"sku {i}" for i in range(n_series)], t.SITE: "shop", t.STREAM: t.POOLED, t.BUCKET: 0})
    weeks = np.datetime64("2024-01-01") + 7 * np.arange(n_periods)
    price = np.where(np.isfinite(sales), rng.uniform(1, 2, sales.shape), np.nan).astype(np.float32)
    planned = rng.uniform(1, 2, (n_series, n_periods + HORIZON)).astype(np.float32)
    return Panel(keys, weeks, {t.SALES_HISTORY: sales, t.PRICE: price}, {t.PLANNED_PRICE: planned, "holiday": planned > 1.5})


def with_sales(panel: Panel, rows: dict[int, object]) -> Panel:
    sales = panel.past[t.SALES_HISTORY].copy()
    for row, values in rows.items():
        sales[row] = values
    return replace(panel, past={**panel.past, t.SALES_HISTORY: sales})


def fitted(panel: Panel, settings: LocalLstm = SETTINGS) -> pd.DataFrame:
    models, _ = fit(panel, settings, horizon=HORIZON, seed=3)
    return models


def weights(panel: Panel, settings: LocalLstm = SETTINGS) -> list[np.ndarray | None]:
    return fitted(panel, settings)[t.MODEL_WEIGHTS].tolist()


def forecast(panel: Panel, own: list[np.ndarray | None], settings: LocalLstm = SETTINGS) -> Distribution:
    by_cutoff = [None if one is None else [(str(panel.cutoff), one)] for one in own]
    carrying = replace(panel, keys=panel.keys.assign(**{str(t.WEIGHTS_BY_CUTOFF): by_cutoff}))
    model = LocalLstmModel(settings, reading_of(panel, settings, horizon=HORIZON), ResidualProfile.empty(HORIZON))
    return model.predict(carrying, horizon=HORIZON, levels=LEVELS)


@pytest.fixture(scope="module")
def together() -> list[np.ndarray | None]:
    return weights(make_panel())


def test_a_series_alone_gets_the_model_it_gets_in_any_company(together: list[np.ndarray]) -> None:
    panel = make_panel()
    for row in (0, 5):
        (alone,) = weights(panel.take(np.array([row])))
        np.testing.assert_array_equal(alone, together[row])
    order = np.random.default_rng(1).permutation(12)
    shuffled = weights(panel.take(order))
    for place, row in enumerate(order):
        np.testing.assert_array_equal(shuffled[place], together[row])
    # More series than a stack holds: the second stack is padded.
    twice = replace(panel, keys=pd.concat([panel.keys] * 2, ignore_index=True), known={}, past={
        name: np.concatenate([values] * 2) for name, values in panel.past.items()
    })  # fmt: skip
    bare = replace(panel, known={})
    for one, again in zip(weights(bare) * 2, weights(twice), strict=True):
        np.testing.assert_array_equal(one, again)


def test_a_forecast_is_the_same_alone_and_in_company(together: list[np.ndarray]) -> None:
    panel = make_panel()
    made = forecast(panel, together)
    for row in (0, 7):
        alone = forecast(panel.take(np.array([row])), [together[row]])
        np.testing.assert_array_equal(alone.mean[0], made.mean[row])
        np.testing.assert_array_equal(alone.quantiles[0], made.quantiles[row])


def test_a_series_does_not_depend_on_when_the_panel_starts(together: list[np.ndarray]) -> None:
    panel = make_panel()
    late = replace(
        panel, periods=panel.periods[12:], past={k: v[:, 12:] for k, v in panel.past.items()},
        known={k: v[:, 12:] for k, v in panel.known.items()},
    )  # fmt: skip
    cut = late.take(np.array([0]))
    np.testing.assert_array_equal(weights(cut)[0], together[0])
    np.testing.assert_array_equal(forecast(cut, [together[0]]).mean[0], forecast(panel, together).mean[0])


def test_odd_series_get_a_forecast_or_a_reason_and_leave_their_neighbours_alone(together: list[np.ndarray]) -> None:
    point = np.full(30, np.nan)
    point[-1] = 5
    odd = {2: 0.0, 3: np.nan, 4: point, 6: 7.0, 8: np.random.default_rng(0).uniform(0.5e9, 1.5e9, 30)}
    panel = with_sales(make_panel(), odd)
    models = fitted(panel)
    made = forecast(panel, models[t.MODEL_WEIGHTS].tolist())
    assert models[t.REASON][[2, 3, 4]].tolist() == [TOO_SPARSE, TOO_SHORT, TOO_SHORT]
    assert made.reason[[2, 3, 4]].tolist() == [TOO_SPARSE, TOO_SHORT, TOO_SHORT]
    np.testing.assert_allclose(made.mean[6], 7.0, rtol=0.2)
    assert ((made.mean[8] > 0.3e9) & (made.mean[8] < 3e9)).all()
    for row in (0, 1, 5, 7, 9, 10, 11):
        np.testing.assert_array_equal(models[t.MODEL_WEIGHTS][row], together[row])
        assert models[t.REASON][row] is None


def test_units_scale_through() -> None:
    panel = with_sales(make_panel(), {row: np.random.default_rng(row).uniform(0.5e6, 1.5e6, 30) for row in range(12)})
    larger = with_sales(panel, dict(enumerate(1000 * panel.past[t.SALES_HISTORY])))
    small, large = (forecast(each, weights(each)).mean for each in (panel, larger))
    np.testing.assert_allclose(large, 1000 * small, rtol=1e-3)


def test_weights_have_their_places() -> None:
    layout = Layout(n_past=3, n_future=2, units=4, layers=2)
    start = layout.initial(np.arange(5), np.full((5, 2), 0.25, np.float32))
    assert start.shape == (5, layout.n_weights)
    parts = layout.split(start)
    np.testing.assert_array_equal(layout.join(parts), start)
    assert not parts["output"].any()
    assert (parts["output_bias"] == 0.25).all()
    assert (parts["bias_1"][:, 4:8] == 1).all()
    assert parts["bias_1"].sum() == 5 * 4
    assert np.abs(parts["kernel_0"]).max() <= np.sqrt(6 / 19)
    np.testing.assert_array_equal(layout.initial(np.arange(5)[3:], np.full((2, 2), 0.25, np.float32)), start[3:])


def test_a_model_forecasts_what_keras_layers_with_its_weights_forecast() -> None:
    panel = make_panel()
    examples = training_examples(read(panel, reading_of(panel, SETTINGS, horizon=HORIZON)), np.arange(12), SETTINGS)
    layout = layout_of(examples, SETTINGS)
    own = np.random.default_rng(0).normal(0, 0.3, (12, layout.n_weights)).astype(np.float32)
    stacked = forward(layout)(own, examples.past, examples.future).numpy()
    for row in (0, 11):
        twin = keras_twin.network(layout, examples)
        twin.set_weights(keras_twin.as_keras(layout.split(own[row : row + 1])))
        np.testing.assert_allclose(twin([examples.past[row], examples.future[row]]), stacked[row], atol=1e-5)


def test_training_a_stack_is_training_its_models_with_keras_one_by_one() -> None:
    settings = SETTINGS.model_copy(update={"epochs": 6, "patience": 6})
    panel = make_panel()
    examples = training_examples(read(panel, reading_of(panel, settings, horizon=HORIZON)), np.arange(12), settings)
    seeds = np.arange(12)
    trained = train(examples, seeds, settings)
    assert len(set(trained.n_epochs.tolist())) > 1
    for row in np.argsort(trained.n_epochs)[[0, 6, 11]]:
        twin = keras_twin.train(examples, seeds, settings, row=row, n_epochs=int(trained.n_epochs[row]))
        parts = layout_of(examples, settings).split(trained.weights[row : row + 1])
        for one, other in zip(twin.get_weights(), keras_twin.as_keras(parts), strict=True):
            np.testing.assert_allclose(one, other, atol=2e-4)


def test_targets_are_the_sales_after_each_origin() -> None:
    panel = make_panel()
    inputs = read(panel, reading_of(panel, SETTINGS, horizon=HORIZON))
    examples = training_examples(inputs, np.arange(12), SETTINGS)
    sales = panel.past[t.SALES_HISTORY]
    np.testing.assert_array_equal(examples.target[2, -1, -1], [sales[2, 29], np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(examples.target[2, -1, 0], sales[2, 25:29])
    np.testing.assert_array_equal(examples.target[2, -2, -1], sales[2, 24:28])
    np.testing.assert_array_equal(examples.past[2, -1, -1], inputs.past[2, 28])
    np.testing.assert_array_equal(examples.held_out[2, -1, -1], [True] * 4)
    np.testing.assert_array_equal(examples.held_out[2, -1, -5], [False, True, True, True])
    # Series 0 starts at period 12, and an origin has four periods before it.
    assert np.isnan(examples.target[0, 0]).all(axis=1).tolist() == [True, True, False, False, False]


def test_what_is_held_out_is_not_learned_in_the_pass_that_says_when_to_stop() -> None:
    settings = SETTINGS.model_copy(update={"epochs": 4, "patience": 4})
    panel = make_panel()
    examples = training_examples(read(panel, reading_of(panel, settings, horizon=HORIZON)), np.arange(12), settings)
    other = replace(examples, target=np.where(examples.held_out, 2 * examples.target, examples.target))
    first, second = (train(each, np.arange(12), settings) for each in (examples, other))
    same = (first.n_epochs == second.n_epochs) & (first.n_epochs > 0)
    assert same.any()
    np.testing.assert_array_equal(first.before[same], second.before[same])
    assert not np.array_equal(first.weights[same], second.weights[same])


def test_models_learn_what_the_level_does_not_say() -> None:
    """One model may end in a bad place, and which one does depends on the processor: most must not."""
    weeks, n_series = np.arange(120), 12
    wave = np.round(60 * (1 + 0.8 * np.sin(2 * np.pi * weeks / 8)))
    some = make_panel(n_series, 120)
    panel = Panel(some.keys, some.periods, {t.SALES_HISTORY: np.tile(wave, (n_series, 1)).astype(np.float32)}, {})
    calm = {"epochs": 150, "patience": 40, "held_out": 8, "slices": 20, "units": 16, "weight_decay": 0.0}
    settings = SETTINGS.model_copy(update=calm)
    truth = 60 * (1 + 0.8 * np.sin(2 * np.pi * np.arange(120, 124) / 8))
    off = np.abs(forecast(panel, weights(panel, settings), settings).mean - truth).mean(axis=1)
    assert np.median(off) < 0.35 * np.abs(60 - truth).mean()


def test_errors_are_counted_in_the_periods_held_out() -> None:
    panel = make_panel()
    _, profile = fit(panel, SETTINGS, horizon=HORIZON, seed=3)
    known = [min(4, 26 // 5), min(4, 18 // 5)]
    # A held-out period is the target of as many origins as there are steps, but the last origin is the period before the last.
    by_step = sum(n * (10 if n == known[0] else 1) for n in known) + known[0]
    assert profile.counts.sum(axis=(1, 2)).tolist() == [by_step] * HORIZON


def test_saved_settings_predict_the_same(tmp_path: Path, together: list[np.ndarray]) -> None:
    panel = make_panel()
    _, profile = fit(panel, SETTINGS, horizon=HORIZON, seed=3)
    model = LocalLstmModel(SETTINGS, reading_of(panel, SETTINGS, horizon=HORIZON), profile)
    model.save(tmp_path)
    by_cutoff = [{str(panel.cutoff): one} for one in together]
    carrying = replace(panel, keys=panel.keys.assign(**{str(t.WEIGHTS_BY_CUTOFF): by_cutoff}))
    made, again = (m.predict(carrying, horizon=HORIZON, levels=LEVELS) for m in (model, LocalLstmModel.load(tmp_path)))
    np.testing.assert_array_equal(made.quantiles, again.quantiles)
    assert (made.quantiles[..., 0] < made.quantiles[..., 2]).all()


def test_without_weights_of_this_cutoff_there_is_a_reason(together: list[np.ndarray]) -> None:
    panel = make_panel()
    made = forecast(panel, [None, *together[1:]])
    assert made.reason[0] == NO_WEIGHTS
    assert np.isnan(made.mean[0]).all()
    assert np.isfinite(made.mean[1:]).all()
    earlier = replace(panel, keys=panel.keys.assign(**{str(t.WEIGHTS_BY_CUTOFF): [{"2024-01-01": one} for one in together]}))
    model = LocalLstmModel(SETTINGS, reading_of(panel, SETTINGS, horizon=HORIZON), ResidualProfile.empty(HORIZON))
    assert set(model.predict(earlier, horizon=HORIZON, levels=LEVELS).reason) == {NO_WEIGHTS}
    assert set(model.predict(panel, horizon=HORIZON, levels=LEVELS).reason) == {NO_WEIGHTS}


def test_weights_of_other_settings_are_refused(together: list[np.ndarray]) -> None:
    with pytest.raises(ReplenError, match="train again"):
        forecast(make_panel(), [one[:-1] for one in together])
