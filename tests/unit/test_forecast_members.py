"""The field's members: alone and in company, on odd series, without a look ahead, stored and loaded."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression
from statsforecast.models import TSB, AutoETS, CrostonSBA

from replen import tables as t
from replen.features.panel import Panel
from replen.features.prepare import prepare
from replen.forecast import fit, statistical, streamed
from replen.forecast.distribution import from_quantiles
from replen.forecast.gradient_boosting import bent
from replen.forecast.interface import Forecaster
from replen.forecast.lstm.inputs import Inputs
from replen.forecast.lstm.reading import Reading
from replen.forecast.ranks import ALONE
from replen.forecast.regression import Equation
from replen.forecast.residuals import ResidualProfile
from replen.forecast.season import SeasonSums
from replen.forecast.storage import LOADERS, pack
from replen.forecast.tabular import MAX_RATIO, Design, Rows, sample
from replen.overlays import load_config

STATISTICAL, TABULAR = ("ets", "arima", "croston", "tsb"), ("linear", "ridge", "polynomial", "lightgbm")
MEMBERS = (*STATISTICAL, *TABULAR)
ALL = (*MEMBERS, "moving_average", "seasonal_naive", "lstm")
HORIZON, N_WEEKS, N_SERIES = 6, 70, 12
LEVELS = np.array([0.1, 0.5, 0.9], np.float32)
CONFIG = load_config(
    Path(__file__).parents[2] / "conf/test.yaml",
    [
        f"forecast.models=[{', '.join(ALL)}]",
        f"forecast.horizon={HORIZON}",
        "forecast.arima.max_order=1",
        "forecast.tabular.max_rows=3000",
        "forecast.tabular.profile_windows=3",
        "forecast.lightgbm.rounds=15",
        "forecast.lightgbm.min_leaf_rows=20",
        "forecast.lightgbm.quantiles=[0.2, 0.8]",
    ],
)
FORECAST, FEATURES = CONFIG.forecast, CONFIG.features
PAST_ONLY = (t.SALES_HISTORY, t.PRICE, t.PROMOTION, t.IN_STOCK, t.CUSTOMER_COUNT, t.INVENTORY_LEVEL, "views")
KNOWN = (t.PLANNED_PRICE, t.PLANNED_PROMOTION, "holiday")


def make_panel(n_series: int = N_SERIES, n_periods: int = N_WEEKS, seed: int = 5) -> Panel:
    rng = np.random.default_rng(seed)
    level = np.exp(rng.uniform(-0.5, 4, (n_series, 1)))
    past = {str(name): rng.uniform(1, 2, (n_series, n_periods)).astype(np.float32) for name in PAST_ONLY}
    past[t.SALES_HISTORY] = rng.poisson(level, (n_series, n_periods)).astype(np.float32)
    past[t.SALES_HISTORY][1, 30:34] = np.nan
    past[t.SALES_HISTORY][2, :20] = np.nan
    past[t.SALES_HISTORY][3, -3:] = np.nan
    known = {str(name): rng.uniform(1, 2, (n_series, n_periods + HORIZON)).astype(np.float32) for name in KNOWN}
    names = [f"sku {number}" for number in range(n_series)]
    keys = pd.DataFrame({t.SKU: names, t.SITE: "shop", t.STREAM: t.POOLED, t.BUCKET: np.arange(n_series) % 7})
    weeks = np.datetime64("2023-01-02") + 7 * np.arange(n_periods)
    return Panel(keys.assign(**{str(t.CATEGORY): "goods"}), weeks, past, known)


def fitted(panel: Panel, folder: Path, models: tuple[str, ...] = ALL) -> dict[str, Forecaster]:
    chosen = FORECAST.model_copy(update={"models": models})
    panels = {panel.cutoff: panel}
    season = fit.seasons(fit.season_rows(panels))
    profiles = fit.profile_rows(panels, season, chosen) if set(models) & fit.COUNTED else pd.DataFrame({t.CUTOFF: []})
    made = fit.simple_forecasters(panel.cutoff, season, profiles, chosen)
    for model in set(models) & set(streamed.STREAMED):
        made[model] = streamed.STREAMED[model](lambda: iter([panel]), chosen, 1, str(folder), lambda _: None, ALONE)
    return made


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Forecaster]:
    return fitted(make_panel(), tmp_path_factory.mktemp("members"))


@cache
def reading() -> Reading:
    return Reading.of([make_panel()], FORECAST.tabular, horizon=HORIZON)


def with_sales(panel: Panel, rows: dict[int, np.ndarray]) -> Panel:
    sales = panel.past[t.SALES_HISTORY].copy()
    for row, values in rows.items():
        sales[row] = values
    return replace(panel, past={**panel.past, t.SALES_HISTORY: sales})


# --- every member ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", MEMBERS)
def test_quantiles_never_fall_and_every_series_is_forecast(members: dict[str, Forecaster], name: str) -> None:
    found = members[name].predict(make_panel(), horizon=HORIZON, levels=LEVELS)
    assert found.quantiles.shape == (N_SERIES, HORIZON, 3)
    assert (np.diff(found.quantiles, axis=2) >= 0).all()
    assert (found.quantiles >= 0).all()
    assert (found.mean >= 0).all()
    assert (found.quantiles[:, :, 2] > found.quantiles[:, :, 0]).mean() > 0.9
    assert set(found.reason) == {""}


@pytest.mark.parametrize("name", MEMBERS)
def test_forecasts_lie_about_the_level_of_a_steady_series(members: dict[str, Forecaster], name: str) -> None:
    panel = make_panel()
    level = np.nanmean(panel.past[t.SALES_HISTORY], axis=1)
    found = members[name].predict(panel, horizon=HORIZON, levels=LEVELS)
    steady = level > 5
    assert np.abs(np.log(found.mean.mean(axis=1)[steady] / level[steady])).max() < 0.5


@pytest.mark.parametrize("name", ALL)
def test_a_series_alone_is_what_it_is_in_a_panel_in_any_order(members: dict[str, Forecaster], name: str) -> None:
    panel, order = make_panel(), np.random.default_rng(1).permutation(N_SERIES)
    whole = members[name].predict(panel, horizon=HORIZON, levels=LEVELS)
    shuffled = members[name].predict(panel.take(order), horizon=HORIZON, levels=LEVELS)
    np.testing.assert_array_equal(shuffled.quantiles, whole.quantiles[order])
    for row in range(4):
        alone = members[name].predict(panel.take(np.array([row])), horizon=HORIZON, levels=LEVELS)
        np.testing.assert_array_equal(alone.quantiles, whole.quantiles[[row]])


@pytest.mark.parametrize("name", ALL)
def test_odd_series_get_a_forecast_or_a_reason_and_leave_their_neighbours_alone(
    members: dict[str, Forecaster], name: str
) -> None:
    panel = make_panel()
    single = np.full(N_WEEKS, np.nan)
    single[-1] = 4.0
    odd = {0: np.zeros(N_WEEKS), 1: single, 2: np.full(N_WEEKS, np.nan), 3: np.full(N_WEEKS, 7.0)}
    odd[4] = 1e9 * (1 + np.arange(N_WEEKS) % 3)
    before, after = (members[name].predict(each, horizon=HORIZON, levels=LEVELS) for each in (panel, with_sales(panel, odd)))
    np.testing.assert_array_equal(after.quantiles[5:], before.quantiles[5:])
    answered = np.isfinite(after.mean).all(axis=1)
    assert list(answered[:5]) == [True, True, name == "moving_average", True, True]  # which says zero of what never sold
    assert np.isfinite(after.quantiles[answered]).all()
    assert after.reason[2] != ""
    assert after.mean[0].max() < 2
    assert after.mean[3] == pytest.approx(7, rel=0.7)
    assert 1e8 < after.mean[4].min() <= after.mean[4].max() < 1e10


@pytest.mark.parametrize("name", [*TABULAR, "lstm"])
def test_odd_series_in_training_leave_the_others_at_their_level(name: str, tmp_path: Path) -> None:
    plain, odd = make_panel(60), {0: np.zeros(N_WEEKS), 1: np.full(N_WEEKS, np.nan), 2: 1e9 * (1 + np.arange(N_WEEKS) % 3)}
    expected, found = (
        fitted(panel, tmp_path / number, (name,))[name].predict(panel, horizon=HORIZON, levels=LEVELS)
        for number, panel in (("plain", plain), ("odd", with_sales(plain, odd)))
    )
    assert np.abs(np.log((1 + found.mean[3:]) / (1 + expected.mean[3:]))).mean() < 0.25


@pytest.mark.parametrize("name", ALL)
def test_what_was_sold_in_a_stock_out_changes_neither_fit_nor_forecast(name: str, tmp_path: Path) -> None:
    plain, rng = make_panel(), np.random.default_rng(4)
    in_stock = rng.choice([0.0, 0.3, 0.7, 1.0], plain.shape, p=[0.1, 0.1, 0.1, 0.7]).astype(np.float32)
    keys = plain.keys.assign(**{str(t.START_DATE): plain.periods[0]})
    plain = replace(plain, keys=keys, past={**plain.past, t.IN_STOCK: in_stock})
    other = {
        name: np.where(in_stock < FEATURES.min_in_stock, rng.choice([0.0, 1e6], plain.shape), plain.past[name])
        for name in (t.SALES_HISTORY, t.CUSTOMER_COUNT)
    }
    found = []
    for number, panel in enumerate((plain, replace(plain, past=plain.past | {k: v.astype("f4") for k, v in other.items()}))):
        prepared = prepare(panel, FEATURES)
        made = fitted(prepared, tmp_path / str(number), (name,))[name]
        found.append(made.predict(prepared, horizon=HORIZON, levels=LEVELS))
    np.testing.assert_array_equal(found[0].quantiles, found[1].quantiles)
    assert np.isfinite(found[0].quantiles).all()


@pytest.mark.parametrize("name", MEMBERS)
def test_members_are_stored_as_plain_files_and_load_as_they_were(members: dict[str, Forecaster], name: str) -> None:
    packed = pack(name, members[name])
    before, after = (each.predict(make_panel(), horizon=4, levels=LEVELS) for each in (members[name], packed))
    np.testing.assert_array_equal(after.quantiles, before.quantiles)
    assert {Path(file).suffix for file in packed.files} <= {".npz", ".json", ".txt"}


def test_every_member_can_be_loaded() -> None:
    assert set(LOADERS) >= set(MEMBERS)


# --- statistical models ---------------------------------------------------------------------------------------------------
def test_statistical_models_are_those_of_the_library() -> None:
    panel = make_panel()
    sales = panel.past[t.SALES_HISTORY].astype(float)
    season = SeasonSums.of(panel)
    library = {"ets": AutoETS(1, FORECAST.ets.model), "croston": CrostonSBA(), "tsb": TSB(0.1, 0.1)}
    for name, model in library.items():
        own = getattr(FORECAST, name).model_copy(update={"shared_season": False})
        found, _ = statistical.point(panel, season, own, horizon=HORIZON)
        np.testing.assert_allclose(found[5], model.forecast(sales[5], HORIZON)["mean"], rtol=1e-3)


def test_the_shared_season_is_taken_off_and_put_back() -> None:
    panel = make_panel()
    season = SeasonSums.of(panel)
    bare = FORECAST.tsb.model_copy(update={"shared_season": False})
    index = season.index(panel.cutoff, np.concatenate([panel.periods, panel.periods[-1] + 7 * np.arange(1, HORIZON + 1)]))
    flat = replace(panel, past={**panel.past, t.SALES_HISTORY: panel.past[t.SALES_HISTORY] / index[:N_WEEKS]})
    found, _ = statistical.point(panel, season, FORECAST.tsb, horizon=HORIZON)
    expected, _ = statistical.point(flat, season, bare, horizon=HORIZON)
    np.testing.assert_allclose(found, expected * index[N_WEEKS:], rtol=1e-5)


def test_unknown_periods_at_the_end_are_forecast_too() -> None:
    panel = with_sales(make_panel(), {0: np.arange(N_WEEKS, dtype=float)})
    cut = with_sales(panel, {0: np.where(np.arange(N_WEEKS) < N_WEEKS - 5, np.arange(N_WEEKS), np.nan)})
    own = FORECAST.ets.model_copy(update={"shared_season": False, "model": "AAN"})
    for each in (panel, cut):
        found, _ = statistical.point(each.take(np.array([0])), SeasonSums.of(panel), own, horizon=HORIZON)
        np.testing.assert_allclose(found[0], N_WEEKS + np.arange(HORIZON), rtol=0.02)


@given(power=st.integers(-3, 20), name=st.sampled_from(["ets", "croston", "tsb"]))
@settings(max_examples=15)
def test_units_scale_through(power: int, name: str) -> None:
    panel, own = make_panel(6), getattr(FORECAST, name).model_copy(update={"shared_season": False})
    other = replace(panel, past={**panel.past, t.SALES_HISTORY: panel.past[t.SALES_HISTORY] * 2.0**power})
    small, large = (statistical.point(each, SeasonSums.of(each), own, horizon=HORIZON)[0] for each in (panel, other))
    np.testing.assert_allclose(large, small * 2.0**power, rtol=1e-9)


def test_a_model_that_fails_is_its_series_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(history: np.ndarray, horizon: int) -> np.ndarray:
        if history.max() < 0.55:
            raise ZeroDivisionError("too small")
        return np.full(horizon, np.inf if history.max() > 0.9 else 0.25)

    monkeypatch.setattr(statistical, "_fitter", lambda _: failing)
    sales = {row: np.where(np.arange(N_WEEKS) % 2, top, 1.0) for row, top in enumerate((17.0, 24.0, 31.0))}
    panel = with_sales(make_panel(4).take(np.arange(3)), sales)
    own = FORECAST.ets.model_copy(update={"shared_season": False})
    found, reason = statistical.point(panel, SeasonSums.of(panel), own, horizon=HORIZON)
    assert list(reason) == ["ZeroDivisionError: too small", "", "ArithmeticError: the fitted model forecasts no finite number"]
    assert found[1].tolist() == [8.0] * HORIZON
    assert np.isnan(found[[0, 2]]).all()


def test_a_season_needs_two_of_them() -> None:
    weekly = np.tile([1.0, 2, 3, 4, 5, 6, 20], 10)
    own = FORECAST.ets.model_copy(update={"shared_season": False, "season": 7, "model": "ZNA"})
    panel = with_sales(
        make_panel(4).take(np.arange(2)), {0: weekly, 1: np.where(np.arange(N_WEEKS) < N_WEEKS - 13, np.nan, weekly)}
    )
    found, reason = statistical.point(panel, SeasonSums.of(panel), own, horizon=HORIZON)
    assert set(reason) == {""}
    np.testing.assert_allclose(found[0], weekly[:HORIZON], rtol=0.05)
    assert np.ptp(found[1]) == pytest.approx(0, abs=1e-6)


def test_errors_are_measured_on_the_first_series_of_each_bucket_at_origins_a_horizon_apart() -> None:
    panel = make_panel()
    own = FORECAST.tsb.model_copy(update={"profile_series": 1, "profile_windows": 3})
    season = SeasonSums.of(panel)
    profile = statistical.StatisticalModel.measure(panel, season, own, horizon=HORIZON)
    assert 7 * 2 < profile.counts.sum(axis=(1, 2))[0] <= 7 * 3
    parts = [panel.take(panel.keys[t.BUCKET].to_numpy() % 2 == rest) for rest in (0, 1)]
    added = sum(
        (statistical.StatisticalModel.measure(part, season, own, horizon=HORIZON) for part in parts),
        ResidualProfile.empty(HORIZON),
    )
    np.testing.assert_array_equal(added.counts, profile.counts)


# --- tabular models -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("origin", [40, 55])
def test_a_row_is_known_at_its_origin_or_in_advance(origin: int) -> None:
    panel, rng = make_panel(), np.random.default_rng(3)
    past = {name: values.copy() for name, values in panel.past.items()}
    for values in past.values():
        values[:, origin + 1 :] = rng.choice([np.nan, 0.0, 1e6], values[:, origin + 1 :].shape)
    series, origins = np.arange(N_SERIES), np.full(N_SERIES, origin)
    before = Design.of(panel, reading()).columns(series, origins)
    np.testing.assert_array_equal(Design.of(replace(panel, past=past), reading()).columns(series, origins), before)
    cut = Design.of(panel.until(panel.periods[origin], HORIZON), reading()).latest()
    np.testing.assert_array_equal(cut, before)


@pytest.mark.parametrize("name", [*PAST_ONLY, *KNOWN])
def test_every_input_counts_in_time(name: str) -> None:
    panel, origin = make_panel(), 50
    series, origins = np.arange(N_SERIES), np.full(N_SERIES, origin)
    place = origin if name in PAST_ONLY else origin + 3
    changed = {name: np.array((panel.past | panel.known)[name])}
    changed[name][5:, place] *= 3
    other = replace(
        panel, **{"past" if name in PAST_ONLY else "known": {**(panel.past if name in PAST_ONLY else panel.known), **changed}}
    )
    before, after = (Design.of(each, reading()).columns(series, origins) for each in (panel, other))
    different = (before != after).any(axis=2)
    assert not different[:5].any()
    assert different[5:].any()
    if name in KNOWN:
        assert different[5:].sum(axis=0).tolist() == [0, 0, N_SERIES - 5, 0, 0, 0]


def test_drawn_rows_are_those_of_their_windows() -> None:
    panel = make_panel()
    found = sample(lambda: iter([panel]), FORECAST.tabular, horizon=HORIZON, seed=1)
    sales = panel.past[t.SALES_HISTORY]
    design = Design.of(panel, reading())
    assert 2000 < len(found.drawn) <= FORECAST.tabular.max_rows
    for row in range(0, len(found.drawn), 200):
        place = N_WEEKS - 1 - found.drawn.age[row]
        origin = place - 1 - found.drawn.step[row]
        matching = [
            series
            for series in range(N_SERIES)
            if np.array_equal(
                design.columns(np.array([series]), np.array([origin]))[0, found.drawn.step[row]], found.drawn.columns[row]
            )
        ]
        assert len(matching) == 1
        assert sales[matching[0], place] == found.drawn.target[row]
        assert design.inputs.scale[matching[0], origin] == found.drawn.scale[row]


@pytest.mark.parametrize("n_periods", [12, 30, 70])
def test_errors_are_measured_on_periods_that_the_fit_did_not_know(n_periods: int) -> None:
    panel = make_panel(n_periods=n_periods)
    found = sample(lambda: iter([panel]), FORECAST.tabular, horizon=HORIZON, seed=1)
    assert len(found.earlier)
    assert len(found.recent)
    assert found.earlier.age.min() > found.recent.age.max()
    assert found.drawn.age.min() == 0
    if n_periods == N_WEEKS:
        assert set(found.recent.step) == set(range(HORIZON))
        assert found.recent.age.max() == HORIZON + FORECAST.tabular.profile_windows - 2


def test_a_regression_finds_the_equation_that_made_the_rows() -> None:
    rng = np.random.default_rng(2)
    columns = rng.uniform(-2, 2, (500, 4)).astype(np.float32)
    logs = 2.0 + 0.3 * columns[:, 0] - 0.2 * columns[:, 1] + 0.1 * columns[:, 0] * columns[:, 1]
    scale = np.exp(rng.uniform(0, 3, 500)).astype(np.float32)
    target = (np.expm1(logs) * scale).astype(np.float32)
    rows = Rows(columns, target, scale, MAX_RATIO * scale, np.zeros(500, np.intp), np.zeros(500, np.intp))
    equation = Equation.fit(rows, LinearRegression(), n_columns=2, factors=np.array([0, 1]))
    np.testing.assert_allclose(equation.ratio(columns), target / scale, rtol=1e-3)
    assert equation.level == pytest.approx(1, rel=1e-3)
    assert equation.ratio(1e6 * columns).max() <= MAX_RATIO


def test_forecasts_of_a_regression_have_the_mean_of_what_was_sold() -> None:
    rng = np.random.default_rng(2)
    target = np.exp(rng.normal(1, 0.8, 4000)).astype(np.float32)
    ones = np.ones(4000, np.float32)
    columns, zeros = rng.normal(size=(4000, 2)).astype(np.float32), np.zeros(4000, np.intp)
    rows = Rows(columns, target, ones, MAX_RATIO * ones, zeros, zeros)
    equation = Equation.fit(rows, LinearRegression(), n_columns=2, factors=np.zeros(0, np.intp))
    assert equation.ratio(rows.columns).mean() == pytest.approx(np.minimum(target, MAX_RATIO).mean(), rel=1e-6)


def plain_panel(sales: np.ndarray) -> Panel:
    names = [f"sku {number}" for number in range(len(sales))]
    keys = pd.DataFrame({t.SKU: names, t.SITE: "shop", t.STREAM: t.POOLED, t.BUCKET: 0})
    weeks = np.datetime64("2022-01-03") + 7 * np.arange(sales.shape[1])
    return Panel(keys, weeks, {t.SALES_HISTORY: sales.astype(np.float32)}, {})


@pytest.mark.parametrize(("every", "size"), [(20, 5), (20, 20), (8, 30), (52, 10), (20, 1000)])
def test_what_is_learned_of_lumpy_series_has_the_mean_of_what_was_sold(every: int, size: int) -> None:
    rng = np.random.default_rng(0)
    sales = (rng.random((300, 120)) < 1 / every) * rng.poisson(size, (300, 120))
    drawn = sample(lambda: iter([plain_panel(sales)]), FORECAST.tabular, horizon=HORIZON, seed=1).drawn
    assert (drawn.ratio * drawn.scale).sum() == pytest.approx(drawn.target.sum(), rel=0.02)


@pytest.mark.parametrize("name", TABULAR)
def test_lumpy_series_are_forecast_at_their_mean(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    panel = plain_panel((rng.random((300, 120)) < 0.05) * rng.poisson(20, (300, 120)))
    found = fitted(panel, tmp_path, (name,))[name].predict(panel, horizon=HORIZON, levels=LEVELS)
    assert found.mean.mean() == pytest.approx(1.0, rel=0.4)


def test_a_long_stock_out_leaves_the_recent_level() -> None:
    sales = np.full((2, 80), 50.0)
    sales[:, 20:] = [[np.nan], [0.0]]
    panel = plain_panel(sales)
    inputs = Inputs.of(panel, Reading.of([panel], FORECAST.tabular, horizon=HORIZON))
    assert inputs.scale[0, 19:] == pytest.approx(50.1)
    assert inputs.scale[1, -1] < 1
    level = inputs.past[0, 19:, :9]
    np.testing.assert_array_equal(level[1:, 4:8], np.broadcast_to(level[0, 4:8], (60, 4)))


@pytest.mark.parametrize("name", TABULAR)
def test_bulk_orders_in_training_move_no_other_series(name: str, tmp_path: Path) -> None:
    panel, others = make_panel(60), np.arange(6, 60)
    bulk = panel.past[t.SALES_HISTORY][:6].copy()
    bulk[:, 40] = 1000 * (1 + np.nanmean(bulk, axis=1))
    expected, found = (
        fitted(each, tmp_path / number, (name,))[name].predict(panel.take(others), horizon=HORIZON, levels=LEVELS).mean
        for number, each in (("plain", panel), ("bulk", with_sales(panel, dict(enumerate(bulk)))))
    )
    assert np.abs(np.log((0.1 + found) / (0.1 + expected))).mean() < 0.15


@pytest.mark.parametrize("name", TABULAR)
def test_young_series_in_an_old_panel_are_learned_from_as_young_ones(name: str, tmp_path: Path) -> None:
    sales = np.full((50, 150), np.nan)
    sales[:, -16:] = np.random.default_rng(0).poisson(20, (50, 16))
    old, young = plain_panel(sales), plain_panel(sales[:, -16:])
    young = replace(young, periods=old.periods[-16:])
    one, other = (fitted(each, tmp_path / str(each.shape[1]), (name,))[name] for each in (old, young))
    found, expected = (each.predict(panel, horizon=HORIZON, levels=LEVELS) for each, panel in ((one, old), (other, young)))
    np.testing.assert_allclose(found.quantiles, expected.quantiles, rtol=1e-4)
    assert found.mean.mean() == pytest.approx(20, rel=0.15)
    assert (found.quantiles[:, :, 2] > found.quantiles[:, :, 0]).all()


def test_series_too_young_to_measure_are_measured_on_what_was_learned() -> None:
    sales = np.full((10, 150), np.nan)
    sales[:, -6:] = 5.0
    found = sample(lambda: iter([plain_panel(sales)]), FORECAST.tabular, horizon=HORIZON, seed=1)
    assert len(found.recent)


def test_bent_quantiles_pass_through_those_given_and_keep_the_tails_of_the_errors() -> None:
    mean, profile = np.full((1, 1), 9.0, np.float32), ResidualProfile.empty(1)
    profile.add_step(0, np.random.default_rng(0).gamma(2, 5, 5000), np.full(5000, 9.0))
    levels = np.array([0.1, 0.2, 0.5, 0.8, 0.99], np.float32)
    around = from_quantiles(
        mean,
        profile.quantiles(mean.astype(float), levels),
        levels=levels,
        dependence=np.zeros(0, np.float32),
        reason=np.array([""]),
    )
    found = bent(around, {0.2: np.full((1, 1), 5.0), 0.8: np.full((1, 1), 11.0)}, profile).quantiles[0, 0]
    assert found[[1, 3]] == pytest.approx([5, 11], rel=1e-5)
    known = around.quantiles[0, 0]
    assert (found[4] + 1) / (known[4] + 1) == pytest.approx(12 / (known[3] + 1), rel=1e-5)
    assert np.array_equal(bent(around, {}, profile).quantiles, around.quantiles)
