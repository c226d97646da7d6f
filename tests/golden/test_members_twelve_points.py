"""Twelve known points and nothing else: every member answers, about where the series has been."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from replen import tables as t
from replen.config import Forecast
from replen.features.panel import Panel
from replen.forecast import fit, streamed
from replen.forecast.binding import bind
from replen.forecast.distribution import Distribution
from replen.forecast.ranks import ALONE
from replen.overlays import load_config

POINTS = np.array([[100, 110, 120, 130, 125, 140, 150, 130, 140, 130, 150, 160]], np.float32)
LEVELS = np.array([0.1, 0.5, 0.9], np.float32)
HORIZON = 4
MEMBERS = ("ets", "arima", "croston", "tsb", "linear", "ridge", "polynomial", "lightgbm", "blend")


def settings() -> Forecast:
    models = ", ".join(("seasonal_naive", "moving_average", *MEMBERS))
    chosen = [
        f"forecast.models=[{models}]",
        f"forecast.horizon={HORIZON}",
        "forecast.blend.weights={ets: 3, moving_average: 1}",
    ]
    return load_config(Path(__file__).parents[2] / "conf/test.yaml", [*chosen, "plan.horizon=4"]).forecast


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Distribution]:
    keys = pd.DataFrame({t.SKU: ["only"], t.SITE: "shop", t.STREAM: t.POOLED, t.BUCKET: 0})
    panel = Panel(keys, np.datetime64("2024-01-01") + 7 * np.arange(12), {t.SALES_HISTORY: POINTS}, {})
    chosen, panels = settings(), {panel.cutoff: panel}
    season = fit.seasons(fit.season_rows(panels))
    fitted = fit.simple_forecasters(panel.cutoff, season, fit.profile_rows(panels, season, chosen), chosen)
    for model in set(MEMBERS) & set(streamed.STREAMED):
        folder = tmp_path_factory.mktemp(model)
        fitted[model] = streamed.STREAMED[model](lambda: iter([panel]), chosen, 1, str(folder), lambda _: None, ALONE)
    return {name: one.predict(panel, horizon=HORIZON, levels=LEVELS) for name, one in bind(fitted).items()}


@pytest.mark.parametrize("name", MEMBERS)
def test_twelve_points_alone_are_answered(answers: dict[str, Distribution], name: str) -> None:
    answer = answers[name]
    assert answer.reason.tolist() == [""]
    assert ((answer.mean > 60) & (answer.mean < 250)).all(), answer.mean
    assert np.isfinite(answer.quantiles).all()
    assert (np.diff(answer.quantiles, axis=2) >= 0).all()


def test_the_blend_is_the_weighted_mean_of_its_members(answers: dict[str, Distribution]) -> None:
    expected = 0.75 * answers["ets"].quantiles + 0.25 * answers["moving_average"].quantiles
    np.testing.assert_allclose(answers["blend"].quantiles, expected, rtol=1e-6)


def test_the_global_lstm_forecasts_twelve_points_though_nothing_can_validate(tmp_path: Path) -> None:
    keys = pd.DataFrame({t.SKU: ["only"], t.SITE: "shop", t.STREAM: t.POOLED, t.BUCKET: 0})
    panel = Panel(keys, np.datetime64("2024-01-01") + 7 * np.arange(12), {t.SALES_HISTORY: POINTS}, {})
    chosen = load_config(None, ["forecast.lstm.windows_per_epoch=4000"]).forecast
    model = streamed.STREAMED["lstm"](lambda: iter([panel]), chosen, 1, str(tmp_path), lambda _: None, ALONE)
    answer = model.predict(panel, horizon=chosen.horizon, levels=LEVELS)
    assert 110 <= answer.mean[0, 0] <= 180
    assert np.isfinite(answer.quantiles).all()
