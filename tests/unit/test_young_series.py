"""A range of buckets, or a shard, whose every series is younger than the earliest cutoff: it adds nothing and stops nothing."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import replen.tables as t
from replen.config import Config
from replen.evaluate.backtest import Backtest, Fold
from replen.features.segments import Segmentation
from replen.features.view import View
from replen.forecast import fit
from replen.overlays import load_config
from replen.spark.fitting import profile_parts, season_parts
from replen.spark.local import fit_bucket
from replen.spark.revenues import revenue_rows

N_PERIODS, N_YOUNG = 60, 3
MONDAY = np.datetime64("2024-01-01", "D")
PERIODS = MONDAY + 7 * np.arange(N_PERIODS)
CUTOFFS = [PERIODS[-9], PERIODS[-5], PERIODS[-1]]
YOUNG = CUTOFFS[:2]
"""Cutoffs before the young series start."""
HOLIDAYS = pd.DataFrame(
    {
        t.SITE: t.POOLED, t.DATE: PERIODS.astype(object), t.NAME: "holiday", t.VALUE: np.arange(N_PERIODS, dtype=float),
        t.KNOWN_IN_ADVANCE: True,
    }
)  # fmt: skip


def series(names: list[str], n_periods: int) -> pd.DataFrame:
    """Return rows of series that start that many periods before the end."""
    row: dict[str, object] = dict.fromkeys(t.SERIES.names) | {
        t.SITE: "a", t.STREAM: t.POOLED, t.BUCKET: 7, t.START_DATE: PERIODS[-n_periods].item(),
        t.SALES_HISTORY: np.arange(1.0, n_periods + 1, dtype=np.float32), t.UNIT_PRICE: 2.0,
    }  # fmt: skip
    return pd.DataFrame([row | {t.SKU: name} for name in names])[t.SERIES.names]


@pytest.fixture(scope="module")
def config() -> Config:
    small = ["models=[seasonal_naive, moving_average, croston, local_lstm]", "local_lstm.epochs=1", "local_lstm.min_known=20"]
    return load_config(Path(__file__).parents[2] / "conf" / "test.yaml", [f"forecast.{setting}" for setting in small])


@pytest.fixture(scope="module")
def view(config: Config) -> View:
    return View(HOLIDAYS, "W", PERIODS[-1].item(), config.forecast.horizon, config.features)


@pytest.fixture(scope="module")
def young() -> pd.DataFrame:
    return series(["young"], N_YOUNG)


def test_a_panel_at_a_cutoff_before_its_start_has_unknown_periods_and_the_known_future(view: View, young: pd.DataFrame) -> None:
    panel = view.panel(young)
    assert panel.shape == (1, N_YOUNG)
    then = panel.until(CUTOFFS[1], 4)
    np.testing.assert_array_equal(then.periods, PERIODS[-6:-4])
    assert np.isnan(then.past[t.SALES_HISTORY]).all()
    np.testing.assert_array_equal(then.known["holiday"][0], [np.nan] * 3 + [57, 58, 59])
    assert view.at(panel, CUTOFFS[1]).shape == (0, 2)


def test_a_panel_tells_how_long_a_period_is_though_its_series_start_at_the_cutoff(view: View) -> None:
    panel = view.panel(series(["new"], 1))
    np.testing.assert_array_equal(panel.periods, PERIODS[-2:])
    np.testing.assert_array_equal(panel.past[t.SALES_HISTORY], [[np.nan, 1.0]])
    np.testing.assert_array_equal(panel.known["holiday"][0, :2], [N_PERIODS - 2, N_PERIODS - 1])


def test_a_young_range_adds_nothing_to_season_profiles_and_revenues(view: View, config: Config, young: pd.DataFrame) -> None:
    old = series(["x", "y"], N_PERIODS)
    rows = [season_parts(view, CUTOFFS, one) for one in (old, young)]
    assert not rows[1][rows[1][t.CUTOFF].isin(YOUNG)][fit.COUNT].any()
    season = fit.seasons(pd.concat(rows).groupby(fit.SEASON_KEY, as_index=False).sum())
    assert list(season) == CUTOFFS
    assert profile_parts(view, CUTOFFS, season, config, young)[fit.COUNT].sum() == 0
    assert revenue_rows(view, CUTOFFS, young)["number"].tolist() == [2]


def test_a_young_range_has_no_backtest(view: View, config: Config, young: pd.DataFrame) -> None:
    folds = [Fold(cutoff, {}, Segmentation(config.features, (2.0, 1.0))) for cutoff in YOUNG]
    assert Backtest(folds, config.forecast.fallback, config.evaluate, 0).rows(view.panel(young), young[[t.SKU, t.SITE]]).empty


def test_a_young_range_has_local_models_or_a_reason_from_the_first_cutoff_on(
    view: View, config: Config, young: pd.DataFrame
) -> None:
    assert fit_bucket(view, YOUNG, config, young).empty
    (row,) = fit_bucket(view, CUTOFFS, config, young).to_dict("records")
    assert (row[t.SKU], row[t.CUTOFF], row[t.MODEL_WEIGHTS]) == ("young", CUTOFFS[-1], None)
    assert "too few" in row[t.REASON]


def test_a_young_shard_is_left_out(view: View, young: pd.DataFrame, tmp_path: Path) -> None:
    """The file's second shard holds the young series alone."""
    file = tmp_path / "series.parquet"
    pd.concat([series(["x", "y"], N_PERIODS), young]).drop(columns=t.COVARIATES).to_parquet(file)
    rows = pd.read_parquet(file).assign(**{str(t.COVARIATES): None})
    rows.to_parquet(file)
    panels = list(view.shards([str(file)], YOUNG[0], rows=2)())
    assert [panel.keys[t.SKU].tolist() for panel in panels] == [["x", "y"]]
