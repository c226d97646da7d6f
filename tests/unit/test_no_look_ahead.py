"""From rows of series to forecasts, scores and plans: nothing later than the cutoff changes anything before it."""

import datetime as dt
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import replen.tables as t
from replen.features.view import View
from replen.forecast import fit, random
from replen.forecast.distribution import Distribution
from replen.forecast.lstm.train import train
from replen.overlays import load_config
from replen.plan.attempt import Terms
from replen.plan.bucket import plan_bucket
from tests.unit.test_plan_bucket import items

CONFIG = load_config(Path(__file__).parents[2] / "conf/test.yaml", ["features.outliers.rule=robust_z"])
N_SERIES, N_PERIODS, N_KEPT = 12, 70, 60
START = np.datetime64("2023-01-02")
PERIODS = START + 7 * np.arange(N_PERIODS)
CUTOFF = PERIODS[N_KEPT - 1]
LEVELS = np.array([0.1, 0.5, 0.9], np.float32)
PAST = (t.SALES_HISTORY, t.PRICE, t.PROMOTION, t.IN_STOCK, t.CUSTOMER_COUNT, t.INVENTORY_LEVEL)
MARKET = pd.DataFrame(columns=t.MARKET.names)
VIEW = View(MARKET, "W", PERIODS[-1].item(), CONFIG.forecast.horizon, CONFIG.features)


def series(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    level = np.exp(rng.uniform(0, 4, (N_SERIES, 1)))
    rows = pd.DataFrame([dict.fromkeys(t.SERIES.names) for _ in range(N_SERIES)]).astype(object)
    rows[t.SKU], rows[t.SITE], rows[t.STREAM] = [f"sku-{number}" for number in range(N_SERIES)], "site", t.POOLED
    rows[t.BUCKET], rows[t.START_DATE], rows[t.CATEGORY] = 0, START.item(), "goods"
    for column in PAST:
        values = (
            rng.poisson(level, (N_SERIES, N_PERIODS))
            if column == t.SALES_HISTORY
            else rng.uniform(0.6, 1, (N_SERIES, N_PERIODS))
        )
        rows[column] = pd.Series(list(values.astype(np.float32)), dtype=object)
    return rows


def rewritten(rows: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return the rows with everything after the cutoff replaced by anything: unknown, zero, huge."""
    rng = np.random.default_rng(seed)
    changed = rows.copy()
    for column in PAST:
        values = np.stack(rows[column]).copy()
        values[:, N_KEPT:] = rng.choice([np.nan, 0.0, 1e6], (N_SERIES, N_PERIODS - N_KEPT))
        changed[column] = pd.Series(list(values), dtype=object)
    return changed


def simple_forecasts(rows: pd.DataFrame) -> dict[str, Distribution]:
    panels = {CUTOFF: VIEW.at(VIEW.panel(rows), CUTOFF)}
    season = fit.seasons(fit.season_rows(panels))
    profiles = fit.profile_rows(panels, season, CONFIG.forecast)
    forecasters = fit.simple_forecasters(CUTOFF, season, profiles, CONFIG.forecast)
    return {name: one.predict(panels[CUTOFF], horizon=6, levels=LEVELS) for name, one in forecasters.items()}


def lstm_forecast(rows: pd.DataFrame, folder: Path) -> Distribution:
    panel = VIEW.at(VIEW.panel(rows), CUTOFF)
    model = train(lambda: iter([panel]), CONFIG.forecast.lstm, horizon=8, seed=1, folder=str(folder), observer=lambda _: None)
    return model.predict(panel, horizon=6, levels=LEVELS)


def plan(forecast: Distribution) -> pd.DataFrame:
    rows = items(len(forecast))
    keys = rows[[t.SKU, t.SITE]].assign(**{str(t.STREAM): t.POOLED})
    paths = forecast.sample_paths(random.series_seeds(keys, CUTOFF, seed=1), 16).astype(float)
    return plan_bucket(rows, paths, Terms.uncoupled(CONFIG.plan, dt.date(2024, 2, 26), "W"))


@given(seed=st.integers(0, 2**31))
@settings(max_examples=15)
def test_simple_forecasts_and_the_plans_they_lead_to_know_nothing_later(seed: int) -> None:
    rows = series(seed)
    before, after = simple_forecasts(rows), simple_forecasts(rewritten(rows, seed + 1))
    for name in before:
        np.testing.assert_array_equal(before[name].quantiles, after[name].quantiles)
        np.testing.assert_array_equal(before[name].mean, after[name].mean)
    plans = [plan(forecasts["moving_average"])[t.ORDER_QUANTITY.by_step()].tolist() for forecasts in (before, after)]
    np.testing.assert_array_equal(*plans)


def test_a_trained_network_knows_nothing_later(tmp_path: Path) -> None:
    rows = series(7)
    before, after = (lstm_forecast(each, tmp_path / name) for name, each in (("a", rows), ("b", rewritten(rows, 8))))
    np.testing.assert_array_equal(before.parameters, after.parameters)
    np.testing.assert_array_equal(before.dependence, after.dependence)


def test_the_test_would_see_a_leak() -> None:
    """The same comparison with the cutoff moved past the rewritten periods fails, so it can fail."""
    rows = series(3)
    late = partial(VIEW.at, cutoff=PERIODS[-1])
    before, after = (late(VIEW.panel(each)).past[t.SALES_HISTORY] for each in (rows, rewritten(rows, 4)))
    assert before.shape != after.shape or not np.array_equal(before, after, equal_nan=True)


@pytest.mark.parametrize("column", PAST)
def test_prepared_arrays_end_at_the_cutoff(column: t.Column) -> None:
    assert VIEW.at(VIEW.panel(series(5)), CUTOFF).past[column].shape == (N_SERIES, N_KEPT)
